"""
Fan-out: an event of an id that all streams follow, among others, from its publication
to the last byte of the last stream, and what a delivery costs.
"""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median

from bench.peers.contender import Contender, Meter, Running
from bench.peers.field import BUFFERED, ONE_CHANNEL, STORING, Field
from bench.peers.load import Load
from bench.peers.picture import Line, Point
from bench.peers.processes import apart
from bench.peers.results import NCHAN, Results
from bench.peers.work import NOBODY, draw

_ALL = NOBODY - 1  # the id that they all follow
_IDS = 10  # of a stream, as far as it can


def fan_out(field: Field, results: Results) -> None:
    if any(each.name == STORING for each in field.contenders):
        results.note(
            f"{STORING}: each killmail is stored, durably, as part of its publication;"
            " in the other column it was stored before. The peers store nothing."
        )
    if any(each.name == BUFFERED for each in field.contenders):
        results.note(
            f"{BUFFERED}: the same, but each write goes through Twisted's buffer and"
            " the reactor's next turn, as request.write has it."
        )
    if any(each.name == NCHAN for each in field.contenders):
        results.note(f"{NCHAN} is told of an event by a POST, others by a line.")
    results.note(
        f"fan-out: each stream follows {_IDS} ids, one of which all have; in the column"
        f" {ONE_CHANNEL}, only this one."
    )
    for contender in field.in_turn(field.contenders):
        _measure(field, results, contender, field.scale.sizes, gzip=False)


def fan_out_gzipped(field: Field, results: Results) -> None:
    """
    A peer has a compressor for each stream, of 256 KiB and more, so a tenth must do.
    """
    for contender in field.comparable:
        if contender.gzips:
            sizes = field.scale.sizes[:1]
            _measure(field, results, contender, sizes, gzip=True)
    if field.ours is not None:
        sizes = field.scale.sizes[-1:]
        _measure(field, results, field.ours, sizes, gzip=True)
    results.note(
        "gzipped: wanderer-sse compresses an event once for all streams, node once for"
        " each of them; the others do not compress streams, or not event by event."
    )


def lines_of(field: Field, results: Results) -> Mapping[str, Line]:
    """
    How it grows with the number of streams: of each contender, for a picture.
    """
    lines: dict[str, list[Point]] = {}
    for size in field.scale.sizes:
        if _name(size) in results.figures:
            for name, values in results.figures[_name(size)].values.items():
                lines.setdefault(name, []).append((size, median(values)))
    return lines


def _name(size: int, gzip: bool = False) -> str:
    return f"fan-out to {size}" + (", gzipped" if gzip else "")


def _measure(
    field: Field,
    results: Results,
    contender: Contender,
    sizes: Sequence[int],
    gzip: bool,
) -> None:
    scale = field.scale
    publications = 1 + scale.rounds_of_a_pass * scale.publications
    work = field.work([[_ALL]] * (len(sizes) * publications))
    others = draw(max(sizes), min(_IDS, contender.most_ids) - 1)
    follows = [[_ALL, *ids] for ids in others]
    goals = {} if gzip else {"floor": 1.15, "nchan": 0.42}
    with (
        results.surviving(contender.name, _name(max(sizes), gzip)),
        apart(partial(contender.start, work)) as server,
        field.load(contender, server.port, follows, gzip) as load,
    ):
        opened = 0
        for size in sizes:
            load.open(size - opened)
            opened = size
            _publish(server, load, size)  # warms it up
            times, costs = _rounds(field, server, load, size)
            what = _name(size, gzip)
            results.add(what, "ms", contender.name, times, **goals)
            results.add(f"{what}: CPU a delivery", "µs", contender.name, costs)


def _rounds(
    field: Field, server: Running, load: Load, size: int
) -> tuple[list[float], list[float]]:
    """
    :returns: milliseconds until all have it, microseconds of the server a delivery.
    """
    times, costs = [], []
    count = field.scale.publications
    for _ in range(field.scale.rounds_of_a_pass):
        meter = Meter(server)
        took = [_publish(server, load, size) for _ in range(count)]
        times.append(1e3 * median(took))
        costs.append(1e6 * meter.cpu() / (size * count))
    return times, costs


def _publish(server: Running, load: Load, streams: int) -> float:
    """
    :returns: seconds until the last of them had it.
    """
    begun = time.monotonic()
    server.publish(1)
    last = load.wait(streams).at
    server.finish()
    return last - begun
