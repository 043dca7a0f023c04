"""
A hundred histories at once, 300,000 killmails in all; how live streams fare meanwhile,
and for how long the reactor does not turn.
"""

import time

from bench.client import TRANSITION, Crowd, connect, preload
from bench.report import ms, options, quantile, tell
from bench.server import Listener, Server, Workshop

_CLIENTS = 100
_CHARACTERS = 20
_KILLMAILS = 3_000
_LIVE = 2_000


def alone(server: Server, query: str, runs: int) -> None:
    idle, busy = [], []
    for _ in range(runs):
        server.do("tick")
        time.sleep(3)
        idle.append(server.do("ticked")["longest"])
        preload(server.port, query)
        busy.append(server.do("ticked")["longest"])
    tell("reactor's longest stall, idle", ms(idle), "ms")
    tell(f"reactor's longest stall, one history of {_KILLMAILS}", ms(busy), "ms")


def at_once(server: Server, queries: list[str]) -> tuple[float, float, float, dict]:
    """
    :returns: seconds and bytes of all, p99 of a live stream, and the stalls.
    """
    listener = Listener(server.port, "heartbeat=60")
    crowd = Crowd(server.port)
    server.do("tick")
    server.ask("publish", count=_LIVE // 4, interval=0.03)
    start = time.monotonic()
    for query in queries:
        crowd.add(connect(server.port, query))
    seconds = crowd.wait_for(crowd.connections, TRANSITION) - start
    rows = [row for row in server.answer() if row[2] < start + seconds]
    stalls = server.do("ticked")
    times = listener.stop()
    crowd.close()
    late = [times[id] - durable for id, _, durable, _ in rows]
    return seconds, crowd.bytes, quantile(late, 0.99), stalls


def main() -> None:
    wish = options(__doc__)
    with Workshop(wish.data) as shop:
        owners = shop.killmails.typical(_CHARACTERS)
        mean = sum(each.mean_body for each in owners) / len(owners)
        print(f"{_CHARACTERS} characters, {mean:.0f} bytes a killmail at ESI")
        path = shop.fill(
            "preloads", [("character", each.id, _KILLMAILS) for each in owners]
        )
        queries = [
            f"character_ids={owners[number % _CHARACTERS].id}&preload_days=90"
            for number in range(_CLIENTS)
        ]
        with shop.server(path, _LIVE, history={"batch_pause_ms": 0}) as server:
            alone(server, queries[0], wish.runs)
        whole, p99, longest, usual = [], [], [], []
        for _ in range(wish.runs):
            with shop.server(path, _LIVE) as server:
                seconds, size, late, stalls = at_once(server, queries)
            whole.append(seconds)
            p99.append(late)
            longest.append(stalls["longest"])
            usual.append(stalls["p99"])
    note = f"[{size / 1e6:.0f} MB]"
    tell(f"{_CLIENTS} histories of {_KILLMAILS}, the last one", whole, "s", note)
    tell("live meanwhile, p99", ms(p99), "ms")
    tell("reactor's longest stall meanwhile", ms(longest), "ms")
    tell("reactor's stalls meanwhile, p99", ms(usual), "ms")


if __name__ == "__main__":
    main()
