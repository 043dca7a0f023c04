"""
Pages of the journal: what was announced, and the holes, in the order of numbers.
"""

import heapq
import sqlite3
from collections.abc import Iterator
from typing import Final

import attrs

from wanderer_twisted.interfaces import Expired
from wanderer_twisted.partition import Filter, Snapshot, is_live
from wanderer_twisted.records import Hole, JournalPage, Record
from wanderer_twisted.store import rows
from wanderer_twisted.store.database import Database


@attrs.frozen
class PageLimits:
    """
    Where a page ends at the latest.

    :ivar scanned: killmails and holes looked at.
    :ivar entries: those that matched.
    :ivar size: nominal bytes of these, with items; one alone may be larger.
    """

    scanned: int = 2_000
    entries: int = 50
    size: int = 1 << 20


LIMITS: Final = PageLimits()


def read_journal(
    database: Database,
    wanted: Filter,
    snapshot: Snapshot | None,
    after: int,
    limits: PageLimits = LIMITS,
) -> JournalPage:
    """
    The page behind number *after*. Its ``upto`` is the store's head where the journal
    was read to its end: all of it is one view of the store.

    :raises Expired: some of it was removed.
    """
    entries: list[Record | Hole] = []
    size, upto = 0, after
    with database.reading() as connection:
        marks = rows.marks(connection)
        if after < marks.floor_seq:
            raise Expired
        for scanned, line in enumerate(_numbered(connection, after), 1):
            number, is_hole, row = line
            if is_hole:
                entries.append(rows.hole_of(row))
            elif is_live(rows.facts_of(row), wanted, snapshot):
                size += row[-1]
                if entries and size > limits.size:
                    break
                entries.append(_record(database, connection, row))
            upto = number
            if scanned == limits.scanned or len(entries) == limits.entries:
                break
        else:
            upto = max(after, marks.head)
    return JournalPage(entries, upto)


def _numbered(
    connection: sqlite3.Connection, after: int
) -> Iterator[tuple[int, bool, rows.Row]]:
    """
    Killmails and holes together: number, whether it is a hole, and its row.
    """
    killmails = connection.execute(
        f"SELECT {rows.FACTS} FROM {rows.KILLMAILS} WHERE live_seq > ?"
        " ORDER BY live_seq",
        (after,),
    )
    holes = connection.execute(
        f"SELECT {rows.HOLE} FROM hole WHERE seq > ? ORDER BY seq", (after,)
    )
    return heapq.merge(
        ((row[6], False, row) for row in killmails),
        ((row[5], True, row) for row in holes),
    )


def _record(
    database: Database, connection: sqlite3.Connection, facts: rows.Row
) -> Record:
    body = connection.execute(
        "SELECT main, items FROM body WHERE killmail_id = ?", facts[:1]
    ).fetchone()
    return rows.record_of((*facts, *body), database.codec)
