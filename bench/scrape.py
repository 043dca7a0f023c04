"""
What it costs to look inside: the metrics and the list of streams of a server with
5,000 of them, and for how long each keeps the reactor from its turn.
"""

import random
import socket
import time
from pathlib import Path

from bench.client import Crowd
from bench.report import ms, options, quantile, tell
from bench.server import Server, Workshop

_STREAMS = 5_000
_IDS = 50
_ROUNDS = 30


def get(path: Path, target: str) -> tuple[float, int]:
    """
    Ask at the admin listener's socket.

    :returns: seconds until the last byte, and how many bytes there were.
    """
    request = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    size, head = 0, b""
    began = time.monotonic()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        connection.sendall(request.encode())
        while part := connection.recv(1 << 20):
            size += len(part)
            head = head or part
    seconds = time.monotonic() - began
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(head.decode())
    return seconds, size


def look(server: Server, path: Path, target: str) -> tuple[list[float], float, int]:
    """
    Ask some times.

    :returns: seconds of each, the longest time that the reactor did not turn
        meanwhile, and the bytes of the last answer.
    """
    get(path, target)
    server.do("tick")
    times, size = [], 0
    for _ in range(_ROUNDS):
        seconds, size = get(path, target)
        times.append(seconds)
        time.sleep(0.1)
    return times, server.do("ticked")["longest"], size


def main() -> None:
    wish = options(__doc__)
    targets = ("/metrics", "/admin/streams", "/admin/streams?limit=10000")
    p50: dict[str, list[float]] = {each: [] for each in targets}
    worst: dict[str, list[float]] = {each: [] for each in targets}
    stalls: dict[str, list[float]] = {each: [] for each in targets}
    sizes: dict[str, int] = {}
    idle = []
    with Workshop(wish.data) as shop:
        path = shop.folder / "admin.sock"
        ids = [owner.id for owner in shop.killmails.owners("character")]
        for run in range(wish.runs):
            chosen = random.Random(run)
            queries = [
                "heartbeat=60&character_ids="
                + ",".join(map(str, chosen.sample(ids, _IDS)))
                for _ in range(_STREAMS)
            ]
            with shop.server(admin_listen=f"unix:{path}") as server:
                crowd = Crowd(server.port)
                crowd.open(queries)
                time.sleep(2)
                server.do("tick")
                time.sleep(3)
                idle.append(server.do("ticked")["longest"])
                for target in targets:
                    times, stall, sizes[target] = look(server, path, target)
                    p50[target].append(quantile(times, 0.5))
                    worst[target].append(max(times))
                    stalls[target].append(stall)
                crowd.close()
    tell(
        f"{_STREAMS} streams, the reactor's longest delay, nobody asking",
        ms(idle),
        "ms",
    )
    for target in targets:
        note = f"[{sizes[target]:,} bytes]"
        tell(f"{target}, p50 of {_ROUNDS}", ms(p50[target]), "ms", note)
        tell(f"{target}, worst", ms(worst[target]), "ms")
        tell(f"{target}, the reactor's longest delay", ms(stalls[target]), "ms")


if __name__ == "__main__":
    main()
