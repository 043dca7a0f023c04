"""
Retention: what is too old goes, a slice at a time; what was announced is remembered.
"""

import sqlite3
from typing import Final

import attrs

from wanderer_twisted.days import day_of
from wanderer_twisted.partition import KINDS, Facts
from wanderer_twisted.records import Commit
from wanderer_twisted.store import index
from wanderer_twisted.store.database import Database
from wanderer_twisted.store.index import owned
from wanderer_twisted.store.rows import FACTS, facts_of, marks

#: What is removed at a time: little enough for the writer to be free within 50 ms.
KILLMAILS_AT_ONCE: Final = 200
PARTICIPANTS: Final = 2_500
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
    Remove one slice of the killmails that happened before *before* and were not
    announced since, and move the floors with them.

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
        connection.execute("DELETE FROM day WHERE day < ?", (day_of(before),))
        if not rows:
            return Pruned(None, more=False)
        for facts in rows:
            for table in ("killmail", "body"):
                connection.execute(
                    f"DELETE FROM {table} WHERE killmail_id = ?", (facts.killmail_id,)
                )
            index.remove(connection, facts)
            connection.execute(
                "INSERT INTO tombstone VALUES (?, ?)",
                (facts.killmail_id, facts.live_seq),
            )
        old = marks(connection)
        new = attrs.evolve(
            old,
            floor_seq=max(old.floor_seq, *(each.live_seq or 0 for each in rows)),
            floor_time=max(old.floor_time, *(each.kill_time for each in rows)),
        )
        connection.execute(
            "UPDATE meta SET floor_seq = ?, floor_time = ?",
            (new.floor_seq, new.floor_time),
        )
        return Pruned(Commit(new), more)


def _oldest(connection: sqlite3.Connection, before: float) -> tuple[list[Facts], bool]:
    """
    :returns: one slice, and whether there is more.
    """
    found: list[Facts] = []
    participants = 0
    for row in connection.execute(
        f"SELECT {FACTS} FROM (SELECT killmail_id FROM system_kill WHERE day <= ?)"
        " CROSS JOIN killmail USING (killmail_id) CROSS JOIN body USING (killmail_id)"
        " WHERE kill_time < ? AND coalesce(told_at, 0) < ?",
        (day_of(before), before, before),
    ):
        if len(found) == KILLMAILS_AT_ONCE or participants >= PARTICIPANTS:
            return found, True
        found.append(facts_of(row))
        participants += sum(len(owned(found[-1], kind)) for kind in KINDS)
    return found, False
