"""
Days of the archive taken in by a server, while killmails come in live.
"""

import shutil
import sqlite3
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs

from bench import days
from bench.fill import NEXT_SEQUENCE
from bench.report import ms, quantile
from bench.server import Listener, MemoryWatch, Server, StaticServer, Workshop

_INTERVAL = 0.05
_AT_ONCE = 20
#: Seconds that a day takes at most: so many killmails are made for it.
_DAY = 12

#: For so long the feed has run: the lists of all days are from after it began.
_FOLLOWED = 3 * 86_400

_MB = 1e6


@attrs.define
class Run:
    """
    What was seen while days were taken in.

    :ivar archive: what the server says of it.
    :ivar live: of each live killmail: id, when it was asked for, when it was durable,
        and when the hub had told all streams.
    :ivar longest: seconds for which the reactor did not turn, a value a look ...
    :ivar usual: ... and the p99 of each.
    """

    archive: dict[str, Any] = attrs.field(factory=dict)
    live: list[Any] = attrs.field(factory=list)
    longest: list[float] = attrs.field(factory=list)
    usual: list[float] = attrs.field(factory=list)


def backfill(shop: Workshop, count: int, per_day: int, target: Path) -> None:
    """
    Make an archive, have a server take it in, tell how that went, and keep the store.
    """
    archive = shop.folder / "archive"
    start = time.monotonic()
    made = days.make(shop.killmails.data.templates, archive, count, per_day)
    print(
        f"{count} days of {per_day} killmails made in {time.monotonic() - start:.0f} s:"
        f" {made.raw / _MB:.0f} MB, gzipped {made.gzipped / _MB:.0f} MB",
        flush=True,
    )
    _write_pointer(archive)
    empty = shop.fill("empty", [], _FOLLOWED)
    with StaticServer(archive) as static:
        settings = {
            "feeds": [{"kind": "r2z2", "url": static.url}],
            "archive": {"url": static.url, "backfill_days": count},
        }
        live = int((60 + _DAY * count) / _INTERVAL)
        with shop.server(empty, live, **settings) as server:
            listener = Listener(server.port, "heartbeat=60")
            with MemoryWatch(server) as memory:
                run = _follow(server, count, live)
            times = listener.stop()
    shutil.move(server.database, target)
    shutil.rmtree(archive)
    _tell(run, times)
    print(f"downloaded: {static.sent / _MB:.0f} MB")
    tell_memory("the server's memory", memory)
    staging = run.archive["memory"]
    print(f"memory of a process that stages, at most: {staging / _MB:.0f} MB")


def _write_pointer(archive: Path) -> None:
    """
    A feed that is at its end: before that no day is taken in.
    """
    (archive / "ephemeral").mkdir()
    days.write(
        archive / "ephemeral" / "sequence.json",
        b'{"sequence":%d}' % (NEXT_SEQUENCE - 1),
    )


def _follow(server: Server, count: int, left: int) -> Run:
    """
    Publish until all days are taken in.

    :param left: how many killmails there are to be published.
    """
    while not (told := server.do("archive"))["begun"] and not told["days"]:
        server.do("publish", count=2, interval=_INTERVAL)
        left -= 2
    run = Run()
    server.do("tick")
    while len(told["days"]) < count:
        some = min(_AT_ONCE, left)
        run.live += server.do("publish", count=some, interval=_INTERVAL)
        left -= some
        if not some:
            time.sleep(1)
        stalls = server.do("ticked")
        run.longest.append(stalls["longest"])
        run.usual.append(stalls["p99"])
        told = server.do("archive")
    if wrong := [each["reason"] for each in told["days"] if each["reason"]]:
        raise RuntimeError(wrong[0])
    run.archive = told
    return run


def _tell(run: Run, times: dict[int, float]) -> None:
    days, spent = run.archive["days"], run.archive["spent"]
    killmails = sum(each["killmails"] for each in days)
    begun = min(each["begun"] for each in days)
    ends = sorted(each["ended"] for each in days)
    seconds = ends[-1] - begun
    print(
        f"{killmails} killmails of {len(days)} days in {seconds:.1f} s:"
        f" {killmails / seconds:.0f} killmails/s"
    )
    # Two days are under way at a time: a day takes from the end of the one before.
    taken = [end - before for before, end in pairwise([begun, *ends])]
    _tell_spread("a day takes", taken, "s")
    print(
        f"  one request a second, two a day: {2 * len(days)} s at least;"
        f" requests waited for their turns for {spent['waiting']:.1f} s in all"
    )
    for what in ("staging", "loading"):
        print(
            f"  {what} took {spent[what]:.1f} s in all:"
            f" {killmails / spent[what]:.0f} killmails/s by itself"
        )
    late = [times[id] - durable for id, _, durable, _ in run.live]
    whole = [times[id] - asked for id, asked, _, _ in run.live]
    print(f"live meanwhile, {len(late)} killmails, {_INTERVAL * 1000:.0f} ms apart")
    for what, values in (
        ("commit to last byte", late),
        ("asked for to last byte, with the wait for the writer", whole),
        ("the reactor's longest stall, second by second", run.longest),
        ("the p99 of its stalls, second by second", run.usual),
    ):
        _tell_spread(what, ms(values), "ms")


def _tell_spread(what: str, values: list[float], unit: str) -> None:
    """
    Of very many values.
    """
    print(
        f"  {what}: p50 {quantile(values, 0.5):.4g}, p99 {quantile(values, 0.99):.4g},"
        f" worst {max(values):.4g} {unit}",
        flush=True,
    )


def tell_memory(what: str, memory: MemoryWatch) -> None:
    print(
        f"{what}: {memory.before / _MB:.0f} MB before, {memory.most / _MB:.0f} MB at"
        f" most, {memory.after / _MB:.0f} MB after",
        flush=True,
    )


def tell_size(path: Path) -> None:
    """
    How large a store is, and what of it.
    """
    with closing(sqlite3.connect(path)) as connection:
        (killmails,) = connection.execute("SELECT count(*) FROM killmail").fetchone()
        sizes = dict(
            connection.execute(
                "SELECT tbl_name, sum(pgsize) FROM dbstat"
                " JOIN sqlite_schema USING (name) GROUP BY 1 ORDER BY 2 DESC"
            )
        )
    whole = path.stat().st_size
    without = whole - sizes["corporation_kill"] - sizes["alliance_kill"]
    print(f"the store: {killmails} killmails, {whole / _MB:.1f} MB")
    for what, size in (
        ("all", whole),
        ("without corporations and alliances", without),
        *sizes.items(),
    ):
        if size >= whole / 1000:
            mean = size / killmails
            of_all = f"{mean * 1.3e6 / 1e9:.3f} GB for 1.3 million"
            print(f"  {what}: {mean:.1f} bytes a killmail, {of_all}")
