"""
What an idle stream costs: memory at 5,000 streams of 50 characters each, and how fast
they can connect.
"""

import random
import time

from bench.client import Crowd
from bench.report import options, tell
from bench.server import Workshop

_STREAMS = 5_000
_IDS = 50


def main() -> None:
    wish = options(__doc__)
    memory, rate, later = [], [], []
    with Workshop(wish.data) as shop:
        ids = [owner.id for owner in shop.killmails.owners("character")]
        for run in range(wish.runs):
            chosen = random.Random(run)
            queries = [
                "heartbeat=60&character_ids="
                + ",".join(map(str, chosen.sample(ids, _IDS)))
                for _ in range(_STREAMS)
            ]
            with shop.server() as server:
                crowd = Crowd(server.port)
                crowd.open(queries[:1])  # one, then some: code, caches
                crowd.open(queries[1:50])
                time.sleep(1)
                before, start = server.memory(), time.monotonic()
                crowd.open(queries[50:])
                seconds = time.monotonic() - start
                time.sleep(2)
                after = server.memory()
                time.sleep(70)  # a heartbeat each
                memory.append((after - before) / (_STREAMS - 50) / 1024)
                later.append((server.memory() - before) / (_STREAMS - 50) / 1024)
                rate.append((_STREAMS - 50) / seconds)
                crowd.close()
    tell(f"memory per stream at {_STREAMS}, {_IDS} ids each", memory, "KiB")
    tell("the same after a heartbeat on each", later, "KiB")
    tell("connect rate", rate, "streams/s")


if __name__ == "__main__":
    main()
