"""
All of it, in a quarter of an hour; ``--quick`` in less than two, for a look.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from bench.__main__ import machine
from bench.peers.building import NoCompiler, build
from bench.peers.fan_out import fan_out, fan_out_gzipped, lines_of
from bench.peers.field import QUICK, Field, Scale, all_contenders, installed
from bench.peers.heartbeats import heartbeats
from bench.peers.histories import histories
from bench.peers.picture import Picture
from bench.peers.processes import raise_limit
from bench.peers.results import Results
from bench.peers.selective import selective
from bench.peers.storm import reconnects, storm
from bench.peers.unmatched import unmatched
from bench.server import Workshop

#: The smallest size is a tenth of the largest.
_LEAST_STREAMS = 10

_FIGURES: Sequence[Callable[[Field, Results], None]] = (
    fan_out,
    fan_out_gzipped,
    selective,
    storm,
    reconnects,
    heartbeats,
    histories,
    unmatched,
)


def read_options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", help="killmails, .jsonl or .jsonl.gz")
    options.add_argument("--quick", action="store_true", help="small, for a look")
    options.add_argument("--streams", type=int, help="at most; 10 or more")
    options.add_argument("--only", nargs="+", default=(), help="these contenders")
    names = [figure.__name__ for figure in _FIGURES]
    options.add_argument("--figures", nargs="+", default=names, choices=names)
    options.add_argument("--table", type=Path, help="a file for the tables")
    options.add_argument("--picture", type=Path, help="a file for a picture, .svg")
    wish = options.parse_args()
    if wish.streams is not None and wish.streams < _LEAST_STREAMS:
        options.error(f"--streams: {wish.streams} is less than {_LEAST_STREAMS}")
    return wish


def heading(field: Field, begun: float) -> str:
    """
    What was measured, and where and when.
    """
    scale = field.scale
    lines = [
        f"{machine()}; {time.strftime('%Y-%m-%d')}, in {time.time() - begun:.0f} s;"
        f" load {os.getloadavg()[0]:.1f} at the end.",
        f"Medians of {scale.rounds} rounds or more; killmails of 2.4 KB; one process a"
        " server, on a processor of its own, with histories on all of them.",
        "",
        *(f"- {each.name}: {each.version}" for each in field.comparable),
    ]
    return "\n".join(lines)


def main() -> int:
    wish, begun = read_options(), time.time()
    most_streams = raise_limit()
    try:
        build()
    except NoCompiler as error:
        print(error)
        return 1
    scale = QUICK if wish.quick else Scale()
    if wish.streams is not None:
        scale = attrs.evolve(scale, streams=min(wish.streams, most_streams))
    with Workshop(wish.data) as shop:
        contenders = installed(all_contenders(shop), wish.only)
        if not contenders:
            print("Nobody is left to be measured")
            return 1
        field = Field(shop, scale, contenders, most_streams)
        names = [each.name for each in contenders]
        results = Results(names, goals=scale == Scale())
        for figure in _FIGURES:
            if figure.__name__ in wish.figures:
                print(f"--- {figure.__name__}", flush=True)
                figure(field, results)
    text = f"{heading(field, begun)}\n\n{results.text()}"
    print(f"\n{text}")
    if wish.table is not None:
        wish.table.write_text(text)
    lines = lines_of(field, results)
    if wish.picture is not None and lines:
        title = "From publication to the last byte of the last stream"
        picture = Picture(title, "streams, all of which match", "ms", lines)
        wish.picture.write_text(picture.svg())
    return 0


if __name__ == "__main__":
    sys.exit(main())
