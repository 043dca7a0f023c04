"""
How killmails lie in the rows of the database.
"""

import sqlite3
import struct
from typing import Any, Final

import attrs

from wanderer_twisted.killmail import Body
from wanderer_twisted.partition import Facts
from wanderer_twisted.records import Hole, Marks, Record
from wanderer_twisted.store.bodies import Codec

#: What :func:`facts_of` and :func:`record_of` want of a row of :data:`KILLMAILS`. The
#: order of the join is forced: bodies are looked up, never looked through.
FACTS: Final = (
    "killmail_id, kill_time, system_id, participants, value, added_seq, live_seq,"
    " valued_seq, size, size_items"
)
RECORD: Final = f"{FACTS}, main, items"
KILLMAILS: Final = "killmail CROSS JOIN body USING (killmail_id)"
HOLE: Final = "feed, first, last, since, until, seq, taken_at"

Row = tuple[Any, ...]


@attrs.frozen
class Participants:
    """
    Whom a killmail is indexed by, beside its system.
    """

    character_ids: frozenset[int] = frozenset()
    corporation_ids: frozenset[int] = frozenset()
    alliance_ids: frozenset[int] = frozenset()


def packed(them: Any) -> bytes:
    """
    Participants as a blob: how many there are of each kind, then their ids, sorted,
    four bytes each.

    :param them: anything with their three attributes; ids of up to
        :data:`~wanderer_twisted.killmail.MAX_ID`.
    """
    groups = [them.character_ids, them.corporation_ids, them.alliance_ids]
    counts = [len(group) for group in groups]
    ids = [id for group in groups for id in sorted(group)]
    return struct.pack(f"<3H{len(ids)}I", *counts, *ids)


def unpacked(blob: bytes) -> Participants:
    """
    The opposite of :func:`packed`.
    """
    first, second, _, *ids = struct.unpack(f"<3H{(len(blob) - 6) // 4}I", blob)
    return Participants(
        frozenset(ids[:first]),
        frozenset(ids[first : first + second]),
        frozenset(ids[first + second :]),
    )


def facts_of(row: Row) -> Facts:
    """
    :param row: begins with :data:`FACTS`.
    """
    killmail_id, kill_time, system_id, blob, value, added, live, valued = row[:8]
    them = unpacked(blob)
    return Facts(
        killmail_id=killmail_id,
        kill_time=kill_time,
        system_id=system_id,
        character_ids=them.character_ids,
        corporation_ids=them.corporation_ids,
        alliance_ids=them.alliance_ids,
        value=value,
        added_seq=added,
        live_seq=live,
        valued_seq=valued,
    )


def record_of(row: Row, codec: Codec) -> Record:
    """
    :param row: :data:`RECORD`.
    :raises StoreUnavailable: its body is damaged.
    """
    return Record(facts=facts_of(row), body=body_of(row, codec), sizes=sizes_in(row))


def sizes_in(row: Row) -> tuple[int, int]:
    """
    Nominal bytes without items, and with them.

    :param row: begins with :data:`FACTS`.
    """
    return row[8], row[9]


def body_of(row: Row, codec: Codec) -> Body:
    """
    :param row: begins with :data:`RECORD`.
    :raises StoreUnavailable: it is damaged.
    """
    return Body(main=codec.decompress(row[10]), items=codec.decompress(row[11]))


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
