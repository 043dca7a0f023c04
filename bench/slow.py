"""
Clients that never read, in the midst of a long history: the server's memory, how the
others fare, and when they are closed.
"""

import time

from bench.client import connect, preload
from bench.report import ms, options, quantile, tell
from bench.server import Listener, Workshop

_READERS = 20
_KILLMAILS = 10_000
_SECONDS = 72
_EARLY = 10
_WARM_UP = 800


def main() -> None:
    wish = options(__doc__)
    early, most, closed, p99, parts = [], [], [], [], []
    with Workshop(wish.data) as shop:
        owner = shop.killmails.owners("character")[0]
        path = shop.fill("slow", [("character", owner.id, _KILLMAILS)])
        query = f"character_ids={owner.id}&preload_days=90"
        for _ in range(wish.runs):
            settings = {"batch_pause_ms": 0}
            live = _WARM_UP + _SECONDS * 8
            with shop.server(path, live, history=settings) as server:
                told = preload(server.port, query)  # these two fill the store's caches
                server.do("publish", count=_WARM_UP)
                listener = Listener(server.port, "heartbeat=60")
                before, start = server.memory(), time.monotonic()
                readers = [connect(server.port, query, 4096) for _ in range(_READERS)]
                rows, samples, gone_after = [], [], 0.0
                while (passed := time.monotonic() - start) < _SECONDS:
                    rows += server.do("publish", count=8, interval=0.125)
                    grown = (server.memory() - before) / _READERS / 1024
                    samples.append((passed, grown))
                    if not gone_after and server.do("streams")["open"] <= 1:
                        gone_after = passed
                times = listener.stop()
                for reader in readers:
                    reader.close()
            early.append(max(grown for passed, grown in samples if passed < _EARLY))
            most.append(max(grown for _, grown in samples))
            closed.append(gone_after)
            p99.append(quantile([times[id] - done for id, _, done, _ in rows], 0.99))
            parts.append(told.bytes / told.batches / 1024)
    print(f"{_READERS} readers, each before a history of {told.bytes / 1e6:.0f} MB")
    tell("a batch of it", parts, "KiB")
    tell(f"memory for each, in the first {_EARLY} s", early, "KiB")
    tell("memory for each, at most", most, "KiB")
    tell("the last one closed after", closed, "s")
    tell("live meanwhile, for another, p99", ms(p99), "ms")


if __name__ == "__main__":
    main()
