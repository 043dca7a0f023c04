"""
A stored history, from the request to the last byte of ``transition``.
"""

import os
from pathlib import Path

from bench.client import preload
from bench.killmails import Owner
from bench.report import ms, options, tell
from bench.server import Workshop

_UNPACED = {"batch_pause_ms": 0}


def drop_from_cache(path: Path) -> None:
    """
    Have the system forget what it holds of a file; root is not needed.
    """
    for each in (path, path.with_name(path.name + "-wal")):
        if each.exists():
            handle = os.open(each, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def measure(shop: Workshop, owner: Owner, count: int, runs: int) -> None:
    path = shop.fill(f"{owner.kind}-{count}", [(owner.kind, owner.id, count)])
    query = f"{owner.kind}_ids={owner.id}&preload_days=90"
    what = f"{count} killmails of one {owner.kind}"
    for pacing in ("without", "with"):
        history = _UNPACED if pacing == "without" else {}
        with shop.server(path, history=history) as server:
            preload(server.port, query)  # warms the server up
            told = [preload(server.port, query) for _ in range(runs)]
        size = f"[{told[0].batches} batches, {told[0].bytes / 1e6:.2f} MB]"
        tell(f"{what}, {pacing} pacing", ms([t.seconds for t in told]), "ms", size)
    cold = []
    for _ in range(runs):
        with shop.server(path, history=_UNPACED) as server:
            drop_from_cache(path)
            cold.append(preload(server.port, query).seconds)
    tell(f"{what}, first request of a server, cold file", ms(cold), "ms")


def main() -> None:
    wish = options(__doc__)
    with Workshop(wish.data) as shop:
        for kind in ("character", "system"):
            owner = shop.killmails.owners(kind)[0]
            print(
                f"{kind}: {len(owner.templates)} killmails in the data,"
                f" {owner.mean_body:.0f} bytes each at ESI"
            )
            for count in (300, 10_000):
                measure(shop, owner, count, wish.runs)


if __name__ == "__main__":
    main()
