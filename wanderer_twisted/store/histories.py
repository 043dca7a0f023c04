"""
Frozen histories: found, counted and joined from the stored bodies, never decoded.

A history is the union of what its ids have, in the order of (kill_time, killmail_id).
It is walked in slices, so that nobody holds a reader's thread for long; what one slice
found is handed on to the next.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from wanderer_twisted.days import start_of
from wanderer_twisted.encoding import dumps
from wanderer_twisted.interfaces import Expired
from wanderer_twisted.killmail import Body
from wanderer_twisted.partition import Filter, Snapshot
from wanderer_twisted.records import Batch, BatchLimits, Place, Plan
from wanderer_twisted.store import index
from wanderer_twisted.store.database import Database
from wanderer_twisted.store.index import OneDay
from wanderer_twisted.store.rows import marks

_COLUMNS: Final = "added_seq, valued_seq, value, size, size_items"


@attrs.frozen
class Ask:
    """
    A history, and how it is cut.
    """

    wanted: Filter
    snapshot: Snapshot
    with_items: bool
    limits: BatchLimits


class Scan:
    """
    One slice of a history: the places of its killmails and their nominal sizes.

    :raises Expired: some of it was removed.

    :ivar upto: everything up to here was looked at.
    :ivar ended: there is nothing behind.
    """

    def __init__(self, connection: sqlite3.Connection, ask: Ask, after: Place) -> None:
        floor_time = marks(connection).floor_time
        if floor_time and ask.snapshot.cutoff <= floor_time:  # 0: nothing ever was
            raise Expired
        self._connection = connection
        self._ask = ask
        self._day = OneDay(ask.wanted, _COLUMNS)
        self.upto = max(after, Place(ask.snapshot.cutoff, 0))
        self.ended = False

    def __iter__(self) -> Iterator[tuple[Place, int]]:
        ask, holds, looked = self._ask, self._ask.snapshot.holds, 0
        after = self.upto
        for day in index.days(self._connection, after.kill_time):
            for row in self._day.rows(self._connection, day, after):
                kill_time, killmail_id, added_seq, valued_seq, value, *sizes = row
                if holds(ask.wanted, kill_time, added_seq, value, valued_seq):
                    yield Place(kill_time, killmail_id), sizes[ask.with_items]
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
    Counts a history's batches, cut greedily from the oldest.
    """

    def __init__(self, limits: BatchLimits, at: Place) -> None:
        """
        :param at: a boundary, even where these limits would not have cut there: what
            :meth:`Picker` finds behind it begins anew.
        """
        self._limits = limits
        self._at = at
        self._last = Place()
        self._count = self._size = 0
        self._killmails = self._batches = self._done = 0

    def add(self, place: Place, size: int) -> None:
        """
        The next killmail.
        """
        if self._count and (
            self._count == self._limits.killmails
            or self._size + size > self._limits.size
            or self._last <= self._at < place
        ):
            self._close()
        self._last = place
        self._count += 1
        self._size += size
        self._killmails += 1

    def plan(self) -> Plan:
        """
        Of all that was added.
        """
        if self._count:
            self._close()
        return Plan(self._killmails, self._batches, self._done)

    def _close(self) -> None:
        self._batches += 1
        self._done += self._last <= self._at
        self._count = self._size = 0


class Picker:
    """
    Picks the killmails of one batch.

    :ivar places: of those that belong to it.
    :ivar last: the place of the last one, or where the batch begins.
    """

    def __init__(self, limits: BatchLimits, after: Place) -> None:
        self._limits = limits
        self._size = 0
        self.places: list[Place] = []
        self.last = after

    @property
    def full(self) -> bool:
        return len(self.places) == self._limits.killmails

    def add(self, place: Place, size: int) -> bool:
        """
        :returns: whether the next killmail belongs to the batch.
        """
        if self.full or (self.places and self._size + size > self._limits.size):
            return False
        self._size += size
        self.places.append(place)
        self.last = place
        return True


def measure(database: Database, ask: Ask, cutter: Cutter, after: Place) -> Place | None:
    """
    Count one slice.

    :returns: where the next one begins; None behind the last.
    """
    with database.reading() as connection:
        scan = Scan(connection, ask, after)
        for place, size in scan:
            cutter.add(place, size)
    return None if scan.ended else scan.upto


def gather(database: Database, ask: Ask, picker: Picker, after: Place) -> Batch | Place:
    """
    Look for a batch in one slice.

    :returns: the batch; or where to go on looking for the rest of it.
    """
    with database.reading() as connection:
        scan = Scan(connection, ask, after)
        for place, size in scan:
            if not picker.add(place, size) or picker.full:
                break
        else:
            if not scan.ended:
                return scan.upto
        ids = [place.killmail_id for place in picker.places]
        bodies = bodies_of(database, connection, ids, ask.with_items)
    return Batch(bodies, picker.last)


def bodies_of(
    database: Database,
    connection: sqlite3.Connection,
    ids: Sequence[int],
    with_items: bool,
) -> list[bytes]:
    """
    In that order; one query for all costs a fraction of one for each.
    """
    columns = "killmail_id, main, items" if with_items else "killmail_id, main"
    rows = connection.execute(
        f"SELECT {columns} FROM body"
        " WHERE killmail_id IN (SELECT value FROM json_each(?))",
        (dumps(ids).decode(),),
    )
    decompress = database.codec.decompress
    found = {id: Body(*map(decompress, parts)).json(with_items) for id, *parts in rows}
    return [found[id] for id in ids]
