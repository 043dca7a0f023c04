"""
Ninety days of the archive: how they are taken in, how large they are, and how they are
served from then on.

The store has nothing of them but what the archive's files have, and upstreams do not
answer: so a server's first requests find out that there are neither values nor names
to be had, which takes up to history.values_deadline_seconds, and later ones know.
"""

import random
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import attrs

from bench.backfill import backfill, tell_memory, tell_size
from bench.client import preload
from bench.history import UNPACED, measure, measure_cold, tell_preloads
from bench.killmails import FIRST_LATER_ID
from bench.preloads import at_once
from bench.report import ms, parser, quantile, tell
from bench.server import MemoryWatch, Server, Workshop
from wanderer_twisted.days import DAY
from wanderer_twisted.partition import Filter, Kind, Snapshot
from wanderer_twisted.records import BatchLimits, Place
from wanderer_twisted.store.files import DatabaseFile
from wanderer_twisted.store.histories import Ask, Cutter, cut, read_bodies

_DAYS = 90

#: Where the data is no more than what the package ships.
_FEW_DAYS = 5

_CLIENTS = 100
_KILLMAILS = 300_000
_LIVE = 2_000
_PAGES = 50
_LOOK_UPS = 300

#: So many ids are asked for in vain before a server leaves zKillboard alone.
_OTHERS = 6

#: With these a server knows from the first that there are neither values nor names.
_BARE = {
    "history": {"values_deadline_seconds": 0},
    "names": {"enabled": False},
}

Owned = tuple[int, int]


@attrs.frozen
class Stored:
    """
    A store.

    :ivar days: how many it has whole, today left out.
    """

    path: Path
    days: int = attrs.field(init=False)

    @days.default
    def _count_days(self) -> int:
        with closing(sqlite3.connect(self.path)) as connection:
            (days,) = connection.execute("SELECT count(*) FROM day").fetchone()
        return min(days, _DAYS)

    @property
    def cutoff(self) -> int:
        return int(time.time()) - DAY * self.days

    def query(self, kind: Kind, owner: int) -> str:
        return f"{kind}_ids={owner}&preload_days={self.days}"

    def owners(self, kind: Kind) -> list[Owned]:
        """
        The ids of a kind, and how many killmails of these days each has; the busiest
        first.
        """
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(
                f"SELECT owner, count(*) FROM {kind}_kill WHERE kill_time > ?"
                " GROUP BY 1 ORDER BY 2 DESC, 1",
                (self.cutoff,),
            ).fetchall()


def nearest(owned: Sequence[Owned], count: int) -> Owned:
    return min(owned, key=lambda each: abs(each[1] - count))


def crowd(owned: Sequence[Owned]) -> Sequence[Owned]:
    """
    A hundred as busy ones that have 300,000 killmails together, or come near it.
    """
    starts = range(max(1, len(owned) - _CLIENTS + 1))
    sums = (sum(each[1] for each in owned[at : at + _CLIENTS]) for at in starts)
    _, start = min((abs(found - _KILLMAILS), at) for at, found in enumerate(sums))
    return owned[start : start + _CLIENTS]


# --- one history -------------------------------------------------------------------


def histories(shop: Workshop, stored: Stored, kind: Kind, runs: int) -> None:
    path, found = stored.path, stored.owners(kind)
    for count in (300, 10_000):
        owner, killmails = nearest(found, count)
        what = f"{killmails} killmails of one {kind}"
        query = stored.query(kind, owner)
        others = [stored.query(kind, id) for id, _ in found[-_OTHERS:] if id != owner]
        measure(shop, path, query, what, runs, others)
        if kind == "character":
            first_ever(shop, path, query, others[0], what, runs)
            measure_cold(shop, path, query, f"{what}, as it is set", runs)
            bare = f"{what}, no values or names wanted"
            measure_cold(shop, path, query, bare, runs, **_BARE)


def first_ever(
    shop: Workshop, path: Path, query: str, other: str, what: str, runs: int
) -> None:
    """
    The first request of a server, and the first of another id right behind it, which
    has to find out about its own values at a pace of one a second.
    """
    first, second = [], []
    for _ in range(runs):
        with shop.server(path, history=UNPACED) as server:
            preload(server.port, other)
            second.append(preload(server.port, query))
        with shop.server(path, history=UNPACED) as server:
            first.append(preload(server.port, query))
    tell_preloads(f"{what}, first request of a server", first)
    tell_preloads(f"{what}, first of this id, right behind another's", second)


# --- many histories ----------------------------------------------------------------


def together(
    shop: Workshop, stored: Stored, chosen: Sequence[Owned], runs: int
) -> None:
    """
    A hundred at once, on a server that has just begun, and then again.
    """
    queries = [stored.query("character", owner) for owner, _ in chosen]
    random.Random(1).shuffle(queries)
    total = sum(killmails for _, killmails in chosen)
    print(f"{len(queries)} characters at once, {total} killmails in all")
    seconds: dict[str, list[float]] = {"first": [], "again": []}
    late: dict[str, list[float]] = {"first": [], "again": []}
    longest: dict[str, list[float]] = {"first": [], "again": []}
    for _ in range(runs):
        with shop.server(stored.path, _LIVE, FIRST_LATER_ID) as server:
            for which in seconds:
                with MemoryWatch(server) as memory:
                    took, size, p99, stalls = at_once(server, queries)
                seconds[which].append(took)
                late[which].append(p99)
                longest[which].append(stalls["longest"])
                tell_memory(f"  {which}, {size / 1e6:.0f} MB sent, memory", memory)
        server.database.unlink()
    for which in seconds:
        tell(f"{which}: the last one", seconds[which], "s")
        tell(f"{which}: live meanwhile, p99", ms(late[which]), "ms")
        tell(f"{which}: reactor's longest stall meanwhile", ms(longest[which]), "ms")


def first_page(stored: Stored, chosen: Sequence[Owned], runs: int) -> None:
    """
    The first batch of one stream of all of them, by the store's own functions.
    """
    file = DatabaseFile(str(stored.path))
    opened = file.open(1, 1)
    ids = frozenset(owner for owner, _ in chosen)
    ask = Ask(
        Filter(character_ids=ids),
        Snapshot(opened.marks.head, stored.cutoff),
        False,
        BatchLimits(ahead=1),
    )
    database = opened.reading[0]
    medians = []
    for _ in range(runs):
        times = []
        for _ in range(_PAGES):
            start = time.perf_counter()
            cutter = Cutter(ask.limits, Place())
            after: Place | None = Place()
            while after is not None:
                after = cut(database, ask, cutter, after, whole=False)
            page = cutter.plan().cuts[0].ids
            bodies = read_bodies(database, ask.snapshot, False, page)
            times.append(time.perf_counter() - start)
        medians.append(quantile(times, 0.5))
    for each in (*opened.reading, *opened.writing):
        each.close()
    file.release()
    what = f"first page of one stream of {len(ids)} characters"
    tell(what, ms(medians), "ms", f"[{len(bodies)} killmails]")


# --- look-ups ----------------------------------------------------------------------


def look_ups(
    shop: Workshop, stored: Stored, chosen: Sequence[Owned], runs: int
) -> None:
    with shop.server(stored.path) as server:
        told = [_look_up(server, chosen) for _ in range(runs)]
    for what, which in (("look-up of 50 killmails", 0), ("look-up, a 304", 1)):
        for part in (0.5, 0.99):
            values = [quantile(each[which], part) for each in told]
            tell(f"{what}, p{100 * part:.0f}", ms(values), "ms")


def _look_up(
    server: Server, chosen: Sequence[Owned]
) -> tuple[Sequence[float], Sequence[float]]:
    """
    :returns: seconds of each answer in full, and of each 304.
    """
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    whole: list[float] = []
    unchanged: list[float] = []
    for number in range(_LOOK_UPS):
        owner, _ = chosen[number % len(chosen)]
        path = f"/api/v1/kills/character/{owner}?since_hours={24 * _DAYS}&limit=50"
        headers: dict[str, str] = {}
        for status, times in ((200, whole), (304, unchanged)):
            start = time.perf_counter()
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            times.append(time.perf_counter() - start)
            if answer.status != status:
                raise RuntimeError(f"{answer.status}: {body[:200]!r}")
            headers = {"If-None-Match": answer.headers["ETag"]}
    connection.close()
    return whole, unchanged


def main() -> None:
    options = parser(__doc__)
    options.add_argument(
        "--days", type=int, help=f"by default {_DAYS}; without --data {_FEW_DAYS}"
    )
    options.add_argument("--per-day", type=int, default=14_600, help="killmails")
    options.add_argument("--keep", help="a folder for the store; what it has is used")
    wish = options.parse_args()
    days = wish.days or (_DAYS if wish.data else _FEW_DAYS)
    with Workshop(wish.data) as shop:
        folder = Path(wish.keep) if wish.keep else shop.folder
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "archive.db"
        if not path.exists():
            backfill(shop, days, wish.per_day, path)
        tell_size(path)
        stored = Stored(path)
        kinds: Sequence[Kind] = ("character", "corporation", "alliance")
        for kind in kinds:
            histories(shop, stored, kind, wish.runs)
        chosen = crowd(stored.owners("character"))
        first_page(stored, chosen, wish.runs)
        look_ups(shop, stored, chosen, wish.runs)
        together(shop, stored, chosen, wish.runs)


if __name__ == "__main__":
    main()
