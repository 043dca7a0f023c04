"""
Retention: what is too old goes, a slice at a time; what was announced is remembered.
"""

import sqlite3
from typing import Any, Final

import attrs

from wanderer_twisted.records import Commit
from wanderer_twisted.store.database import Database
from wanderer_twisted.store.rows import marks, unpacked

#: What is removed at a time: little enough for the writer to be free within 50 ms.
KILLMAILS: Final = 200
CHARACTERS: Final = 1_500
#: Of the holes and of the rejects.
_OTHERS: Final = 200


@attrs.frozen
class Pruned:
    """
    :ivar commit: None where there was nothing to remove.
    :ivar more: whether there is more.
    """

    commit: Commit | None
    more: bool


def prune(database: Database, before: float) -> Pruned:
    """
    Remove one slice of the killmails whose kill_time **and** ``taken_at`` are older
    than *before*, and move the floors with them.

    :param before: UNIX seconds.
    """
    with database.writing() as connection:
        rows, more = _oldest(connection, before)
        for table in ("hole", "reject"):
            connection.execute(
                f"DELETE FROM {table} WHERE rowid IN"
                f" (SELECT rowid FROM {table} WHERE taken_at < ? LIMIT ?)",
                (before, _OTHERS),
            )
        if not rows:
            return Pruned(None, more=False)
        for killmail_id, live_seq, kill_time, system_id, characters in rows:
            key = (kill_time, killmail_id)
            connection.execute(
                "DELETE FROM killmail WHERE killmail_id = ?", (killmail_id,)
            )
            connection.executemany(
                "DELETE FROM character_kill"
                " WHERE owner = ? AND kill_time = ? AND killmail_id = ?",
                [(owner, *key) for owner in unpacked(characters)],
            )
            connection.execute(
                "DELETE FROM system_kill"
                " WHERE owner = ? AND kill_time = ? AND killmail_id = ?",
                (system_id, *key),
            )
            connection.execute(
                "INSERT INTO tombstone VALUES (?, ?)", (killmail_id, live_seq)
            )
        old = marks(connection)
        new = attrs.evolve(
            old,
            floor_seq=max(old.floor_seq, *(live or 0 for _, live, *_ in rows)),
            floor_time=max(old.floor_time, *(time for _, _, time, *_ in rows)),
        )
        connection.execute(
            "UPDATE meta SET floor_seq = ?, floor_time = ?",
            (new.floor_seq, new.floor_time),
        )
        return Pruned(Commit(new), more)


def _oldest(
    connection: sqlite3.Connection, before: float
) -> tuple[list[tuple[Any, ...]], bool]:
    """
    :returns: one slice, and whether there is more.
    """
    rows: list[tuple[Any, ...]] = []
    characters = 0
    for row in connection.execute(
        "SELECT killmail_id, live_seq, kill_time, system_id, characters"
        " FROM killmail WHERE kill_time < ? AND taken_at < ? ORDER BY kill_time",
        (before, before),
    ):
        if len(rows) == KILLMAILS or characters >= CHARACTERS:
            return rows, True
        rows.append(row)
        characters += len(unpacked(row[-1]))
    return rows, False
