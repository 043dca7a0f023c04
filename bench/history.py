"""
A stored history, from the request to the last byte of ``transition``.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.client import Told, preload
from bench.report import ms, options, tell
from bench.server import Workshop

UNPACED = {"batch_pause_ms": 0}


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


def measure(
    shop: Workshop,
    path: Path,
    query: str,
    what: str,
    runs: int,
    before: Sequence[str] = (),
) -> None:
    """
    :param path: of a store that has it.
    :param before: queries that the server is asked once before it is measured.
    """
    for pacing in ("without", "with"):
        history = UNPACED if pacing == "without" else {}
        with shop.server(path, history=history) as server:
            for each in (query, *before):  # warms the server up
                preload(server.port, each)
            told = [preload(server.port, query) for _ in range(runs)]
        size = f"[{told[0].batches} batches, {told[0].bytes / 1e6:.2f} MB]"
        tell_preloads(f"{what}, {pacing} pacing", told, size)


def measure_cold(
    shop: Workshop, path: Path, query: str, what: str, runs: int, **settings: Any
) -> None:
    """
    The same as the first request of a server, from a file that is not in memory.

    :param settings: of the server, beside ``history.batch_pause_ms``.
    """
    history = {**UNPACED, **settings.pop("history", {})}
    cold = []
    for _ in range(runs):
        with shop.server(path, history=history, **settings) as server:
            drop_from_cache(path)
            cold.append(preload(server.port, query))
    tell_preloads(f"{what}, first request of a server, cold file", cold)


def tell_preloads(what: str, told: Sequence[Told], note: str = "") -> None:
    tell(what, ms([each.seconds for each in told]), "ms", note)
    tell("  its first batch", ms([each.first_seconds for each in told]), "ms")


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
                path = shop.fill(f"{kind}-{count}", [(kind, owner.id, count)])
                query = f"{kind}_ids={owner.id}&preload_days=90"
                what = f"{count} killmails of one {kind}"
                measure(shop, path, query, what, wish.runs)
                measure_cold(shop, path, query, what, wish.runs)


if __name__ == "__main__":
    main()
