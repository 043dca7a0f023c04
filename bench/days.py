"""
The archive's files (contracts.md §2.3), made of real killmails under new ids and times.
The days end yesterday; but for that, the same data gives the same files.
"""

import gzip
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from bench.killmails import FIRST_ARCHIVE_ID
from wanderer_twisted.days import DAY, compact, day_of, start_of
from wanderer_twisted.encoding import dumps
from wanderer_twisted.simulator.data import Template
from wanderer_twisted.simulator.postings import Posting

_LEVEL = 6


@attrs.frozen
class Made:
    """
    Bytes of files.
    """

    raw: int
    gzipped: int


def make(templates: Sequence[Template], folder: Path, days: int, per_day: int) -> Made:
    """
    Write ``totals.json``, and of each day its list and its bodies, each gzipped and
    named as it is asked for, but for a ``.gz``.
    """
    (folder / "raw").mkdir(parents=True)
    first_day = day_of(time.time()) - days

    def write_day(number: int) -> Made:
        day = first_day + number
        return _write_day(
            folder, day, list(_postings(templates, day, number * per_day, per_day))
        )

    # Compressing takes most of the time, and lets other threads run.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        made = list(threads.map(write_day, range(days)))
    totals = {compact(first_day + number): per_day for number in range(days)}
    write(folder / "totals.json", dumps(totals))
    return Made(sum(each.raw for each in made), sum(each.gzipped for each in made))


def _postings(
    templates: Sequence[Template], day: int, first: int, count: int
) -> Iterator[Posting]:
    """
    The killmails of one day, in the order of their times.

    :param first: how many there are on the days before.
    """
    for number in range(count):
        template = templates[(first + number) % len(templates)]
        kill_time = start_of(day) + number * DAY // count
        id = FIRST_ARCHIVE_ID + first + number
        yield Posting(id, kill_time, 0.0, template)


def _write_day(folder: Path, day: int, postings: Sequence[Posting]) -> Made:
    name = f"{compact(day)}.json"
    bodies = b",".join(b'"%d":%b' % (each.killmail_id, each.esi()) for each in postings)
    hashes = {str(each.killmail_id): each.hash for each in postings}
    listed = write(folder / name, dumps(hashes))
    raw = write(folder / "raw" / name, b"{%b}" % bodies)
    return Made(listed.raw + raw.raw, listed.gzipped + raw.gzipped)


def write(path: Path, data: bytes) -> Made:
    """
    Gzipped, with a ``.gz`` behind the name.
    """
    packed = gzip.compress(data, _LEVEL, mtime=0)
    path.with_name(f"{path.name}.gz").write_bytes(packed)
    return Made(len(data), len(packed))
