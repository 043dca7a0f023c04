"""
How killmails lie in the rows of the database.
"""

import sqlite3
import struct
from collections.abc import Collection
from typing import Any, Final

from wanderer_twisted.killmail import Body
from wanderer_twisted.partition import Facts
from wanderer_twisted.records import Hole, Marks, Record
from wanderer_twisted.store.bodies import Codec

#: What :func:`facts_of` and :func:`record_of` want of a row of ``killmail``.
FACTS: Final = (
    "killmail_id, kill_time, system_id, characters, value, added_seq, live_seq,"
    " valued_seq, size, size_items"
)
RECORD: Final = f"{FACTS}, main, items"
HOLE: Final = "feed, first, last, since, until, seq"

Row = tuple[Any, ...]


def packed(ids: Collection[int]) -> bytes:
    """
    Ids as a blob: sorted, eight bytes each.
    """
    return struct.pack(f"<{len(ids)}q", *sorted(ids))


def unpacked(blob: bytes) -> frozenset[int]:
    """
    The opposite of :func:`packed`.
    """
    return frozenset(struct.unpack(f"<{len(blob) // 8}q", blob))


def facts_of(row: Row) -> Facts:
    """
    :param row: begins with :data:`FACTS`.
    """
    killmail_id, kill_time, system_id, characters, value, added, live, valued = row[:8]
    return Facts(
        killmail_id=killmail_id,
        kill_time=kill_time,
        system_id=system_id,
        character_ids=unpacked(characters),
        value=value,
        added_seq=added,
        live_seq=live,
        valued_seq=valued,
    )


def record_of(row: Row, codec: Codec) -> Record:
    """
    :param row: :data:`RECORD`.
    """
    body = Body(main=codec.decompress(row[10]), items=codec.decompress(row[11]))
    return Record(facts=facts_of(row), body=body, sizes=(row[8], row[9]))


def hole_of(row: Row) -> Hole:
    """
    :param row: :data:`HOLE`.
    """
    return Hole(*row)


def marks(connection: sqlite3.Connection) -> Marks:
    """
    The numbers as this transaction sees them.
    """
    row = connection.execute("SELECT head, floor_seq, floor_time FROM meta").fetchone()
    return Marks(*row)
