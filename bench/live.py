"""
Live killmails, from the commit to the last byte at the client: one stream, and many.
"""

import time

from bench.client import Crowd
from bench.report import ms, options, quantile, tell
from bench.server import Listener, Workshop

_KILLMAILS = 400
_ROUNDS = 20


def one(shop: Workshop, runs: int) -> None:
    p50, p99, worst, whole = [], [], [], []
    for _ in range(runs):
        with shop.server(live=_KILLMAILS) as server:
            listener = Listener(server.port, "heartbeat=60")
            rows = server.do("publish", count=_KILLMAILS, interval=0.02)
            times = listener.stop()
        late = [times[id] - durable for id, _, durable, _ in rows]
        p50.append(quantile(late, 0.5))
        p99.append(quantile(late, 0.99))
        worst.append(max(late))
        whole.append(quantile([times[id] - asked for id, asked, _, _ in rows], 0.5))
    note = f"[{_KILLMAILS} killmails a run]"
    tell("one stream, p50", ms(p50), "ms", note)
    tell("one stream, p99", ms(p99), "ms")
    tell("one stream, worst", ms(worst), "ms")
    tell("one stream, with the commit itself, p50", ms(whole), "ms")


def many(shop: Workshop, streams: int, runs: int) -> None:
    p50, worst, clients, told = [], [], [], []
    for _ in range(runs):
        with shop.server(live=_ROUNDS) as server:
            crowd = Crowd(server.port)
            crowd.open(["heartbeat=60"] * streams)
            late, hub = [], []
            cpu = time.process_time()
            for _ in range(_ROUNDS):
                server.ask("publish", count=1)
                last = crowd.wait_for(crowd.connections)
                ((_, _, durable, done),) = server.answer()
                late.append(last - durable)
                hub.append(done - durable)
                time.sleep(0.2)
            clients.append((time.process_time() - cpu) / _ROUNDS)
            crowd.close()
        p50.append(quantile(late, 0.5))
        worst.append(max(late))
        told.append(quantile(hub, 0.5))
    note = f"[the clients' own processor time: {max(clients) * 1000:.0f} ms]"
    tell(f"{streams} streams, the last one, p50", ms(p50), "ms", note)
    tell(f"{streams} streams, the last one, worst of {_ROUNDS}", ms(worst), "ms")
    tell(f"{streams} streams, until the hub had told all, p50", ms(told), "ms")


def main() -> None:
    wish = options(__doc__)
    with Workshop(wish.data) as shop:
        one(shop, wish.runs)
        for streams in (1_000, 5_000):
            many(shop, streams, wish.runs)


if __name__ == "__main__":
    main()
