"""
Frozen histories: found, counted and joined from the stored bodies, never decoded.

A history is the union of what its ids have, in the order of (kill_time, killmail_id).
It is walked in slices, so that nobody holds a reader's thread for long; what one slice
found is handed on to the next.

A stream has its history measured, which finds the first cuts as well, and then reads
what is between them; where there are more cuts than are kept, it asks for the next. So
the index is walked twice at most, however many batches there are.
"""

import sqlite3
from array import array
from collections.abc import Iterator, Sequence

import attrs

from wanderer_twisted.days import start_of
from wanderer_twisted.encoding import dumps
from wanderer_twisted.interfaces import Expired
from wanderer_twisted.killmail import join
from wanderer_twisted.partition import Filter, Snapshot
from wanderer_twisted.records import BatchLimits, Cut, Place, Plan
from wanderer_twisted.store import index
from wanderer_twisted.store.database import Database
from wanderer_twisted.store.index import OneDay
from wanderer_twisted.store.rows import marks


@attrs.frozen
class Ask:
    """
    A history, and how it is cut.
    """

    wanted: Filter
    snapshot: Snapshot
    with_items: bool
    limits: BatchLimits


def refuse_what_is_gone(connection: sqlite3.Connection, snapshot: Snapshot) -> None:
    """
    :raises Expired: some of this history was removed.
    """
    floor_time = marks(connection).floor_time
    if floor_time and snapshot.cutoff <= floor_time:  # 0: nothing ever was
        raise Expired


class Scan:
    """
    One slice of a history: the places of its killmails, as plain tuples (a Place takes
    seven times as long to make), and their nominal sizes.

    :raises Expired: some of it was removed.

    :ivar upto: everything up to here was looked at.
    :ivar ended: there is nothing behind.
    """

    def __init__(self, connection: sqlite3.Connection, ask: Ask, after: Place) -> None:
        refuse_what_is_gone(connection, ask.snapshot)
        self._connection = connection
        self._ask = ask
        size = "size_items" if ask.with_items else "size"
        self._day = OneDay(ask.wanted, f"added_seq, valued_seq, value, {size}")
        self.upto = max(after, Place(ask.snapshot.cutoff, 0))
        self.ended = False

    def __iter__(self) -> Iterator[tuple[tuple[int, int], int]]:
        ask, holds, looked = self._ask, self._ask.snapshot.holds, 0
        after = self.upto
        for day in index.days(self._connection, after.kill_time):
            for row in self._day.rows(self._connection, day, after):
                kill_time, killmail_id, added_seq, valued_seq, value, size = row
                if holds(ask.wanted, kill_time, added_seq, value, valued_seq):
                    yield (kill_time, killmail_id), size
                looked += 1
                if looked >= index.SLICE:
                    self.upto = Place(kill_time, killmail_id)
                    return
            looked += self._day.owners
            if looked >= index.SLICE:
                self.upto = Place(start_of(day + 1), 0)
                return
        self.ended = True


class Cutter:
    """
    Cuts a history into batches, greedily from the oldest.

    :ivar full: as many cuts were found as are kept at a time.
    """

    def __init__(self, limits: BatchLimits, at: Place) -> None:
        """
        :param at: a boundary, even where these limits would not have cut there. The
            cuts behind it are kept.
        """
        self.full = False
        self._limits = limits
        self._at = at
        self._last: tuple[int, int] = Place()
        self._ids: list[int] = []
        self._size = 0
        self._killmails = self._batches = self._done = self._kept = 0
        self._cuts: list[Cut] = []

    def add(self, place: tuple[int, int], size: int) -> None:
        """
        The next killmail.
        """
        if self._ids and (
            len(self._ids) == self._limits.killmails
            or self._size + size > self._limits.size
            or self._last <= self._at < place
        ):
            self._close()
        self._last = place
        self._ids.append(place[1])
        self._size += size

    def plan(self) -> Plan:
        """
        Of all that was added.
        """
        if self._ids:
            self._close()
        return Plan(self._killmails, self._batches, self._done, tuple(self._cuts))

    def _close(self) -> None:
        self._killmails += len(self._ids)
        self._batches += 1
        if self._last <= self._at:
            self._done += 1
        elif not self.full:
            last = Place(*self._last)
            self._cuts.append(Cut(array("q", self._ids), last, self._size))
            self._kept += len(self._ids)
            self.full = self._kept >= self._limits.ahead
        self._ids.clear()
        self._size = 0


def cut(
    database: Database, ask: Ask, cutter: Cutter, after: Place, whole: bool
) -> Place | None:
    """
    Cut one slice.

    :param whole: go on where the cutter is full, to count the rest.
    :returns: where the next one begins; None at the end.
    """
    with database.reading() as connection:
        scan = Scan(connection, ask, after)
        for place, size in scan:
            cutter.add(place, size)
            if cutter.full and not whole:
                return None
    return None if scan.ended else scan.upto


def read_bodies(
    database: Database, snapshot: Snapshot, with_items: bool, ids: Sequence[int]
) -> Sequence[bytes]:
    """
    See :meth:`wanderer_twisted.interfaces.IKillmailStore.read_bodies`.
    """
    with database.reading() as connection:
        refuse_what_is_gone(connection, snapshot)
        return bodies_of(database, connection, ids, with_items)


def bodies_of(
    database: Database,
    connection: sqlite3.Connection,
    ids: Sequence[int],
    with_items: bool,
) -> list[bytes]:
    """
    In that order; one query for all costs a fraction of one for each.
    """
    column = "items" if with_items else "x''"
    rows = connection.execute(
        f"SELECT killmail_id, main, {column} FROM body"
        " WHERE killmail_id IN (SELECT value FROM json_each(?))",
        (dumps(list(ids)).decode(),),
    ).fetchall()
    unpack = database.codec.decompress_all
    main, items = unpack([row[1] for row in rows]), unpack([row[2] for row in rows])
    bodies = map(join, main, items)
    found = {row[0]: body for row, body in zip(rows, bodies, strict=True)}
    return [found[id] for id in ids]
