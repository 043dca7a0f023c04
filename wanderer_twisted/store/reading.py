"""
What is looked up by a key. Each function is one transaction in a reader's thread.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from wanderer_twisted.partition import KINDS, Filter, Kind
from wanderer_twisted.records import (
    ArchivedDay,
    Coverage,
    FeedPosition,
    Hole,
    Marks,
    Record,
)
from wanderer_twisted.store import rows
from wanderer_twisted.store.database import Database

#: Seconds after which an id that had no name is asked for again.
UNKNOWN_FOR: Final = 7 * 86_400.0


def read_marks(database: Database) -> Marks:
    with database.reading() as connection:
        return rows.marks(connection)


def read_killmail(database: Database, killmail_id: int) -> Record | None:
    with database.reading() as connection:
        row = connection.execute(
            f"SELECT {rows.RECORD} FROM {rows.KILLMAILS} WHERE killmail_id = ?",
            (killmail_id,),
        ).fetchone()
    return None if row is None else rows.record_of(row, database.codec)


def read_valued(database: Database, ids: Collection[int]) -> Mapping[int, bool]:
    query = "SELECT valued_seq IS NOT NULL FROM killmail WHERE killmail_id = ?"
    found = _one_each(database, query, ids)
    return {id: bool(has_value) for id, has_value in found.items()}


def read_absent(database: Database, ids: Collection[int]) -> Collection[int]:
    """
    Which of these are not stored and were not pruned.
    """
    with database.reading() as connection:
        return {
            id
            for id in ids
            if not connection.execute(
                "SELECT 1 FROM killmail WHERE killmail_id = :id"
                " UNION ALL SELECT 1 FROM tombstone WHERE killmail_id = :id",
                {"id": id},
            ).fetchone()
        }


def read_unannounced(database: Database, ids: Collection[int]) -> Mapping[int, int]:
    query = "SELECT kill_time FROM killmail WHERE killmail_id = ? AND live_seq IS NULL"
    return _one_each(database, query, ids)


def read_days(database: Database) -> Sequence[ArchivedDay]:
    with database.reading() as connection:
        found = connection.execute(
            "SELECT day, expected, have, listed_at, tried_at, loaded, followed, reason"
            " FROM day ORDER BY day"
        )
        return [
            ArchivedDay(
                day, expected, have, listed, tried, bool(loaded), bool(followed), reason
            )
            for day, expected, have, listed, tried, loaded, followed, reason in found
        ]


def read_holes(database: Database) -> Sequence[Hole]:
    with database.reading() as connection:
        found = connection.execute(f"SELECT {rows.HOLE} FROM hole ORDER BY seq")
        return [rows.hole_of(row) for row in found]


def read_newest(database: Database) -> int:
    with database.reading() as connection:
        (newest,) = connection.execute(
            "SELECT coalesce(max(kill_time), 0) FROM system_kill"
            " WHERE day = (SELECT max(day) FROM system_kill)"
        ).fetchone()
    return int(newest)


def read_unnamed(database: Database, limit: int) -> Sequence[Record]:
    """
    The newest first.
    """
    with database.reading() as connection:
        found = connection.execute(
            f"SELECT {rows.RECORD} FROM {rows.KILLMAILS} WHERE named = 0"
            " ORDER BY killmail_id DESC LIMIT ?",
            (limit,),
        ).fetchall()
    return [rows.record_of(row, database.codec) for row in found]


def read_positions(database: Database) -> Sequence[FeedPosition]:
    with database.reading() as connection:
        found = connection.execute("SELECT feed, cursor, since FROM position")
        return [FeedPosition(*row) for row in found]


def read_coverage(
    database: Database, kind: Kind, owners: Collection[int]
) -> Mapping[int, Coverage]:
    found: dict[int, Coverage] = {}
    with database.reading() as connection:
        for owner in owners:
            row = connection.execute(
                "SELECT since, until, fetched_at FROM coverage"
                " WHERE kind = ? AND owner = ?",
                (kind, owner),
            ).fetchone()
            if row is not None:
                found[owner] = Coverage(kind, owner, *row)
    return found


def count_missing(database: Database, wanted: Filter) -> int:
    missing: set[int] = set()
    owners = [(kind, each) for kind in KINDS for each in wanted.ids(kind)]
    with database.reading() as connection:
        for owner in owners:
            missing.update(
                id
                for (id,) in connection.execute(
                    "SELECT killmail_id FROM reject WHERE kind = ? AND owner = ?"
                    " AND killmail_id IS NOT NULL"
                    " AND killmail_id NOT IN (SELECT killmail_id FROM killmail)"
                    " AND killmail_id NOT IN (SELECT killmail_id FROM tombstone)",
                    owner,
                )
            )
    return len(missing)


def read_names(
    database: Database, ids: Collection[int], now: float
) -> Mapping[int, str | None]:
    """
    :param now: UNIX seconds.
    """
    query = "SELECT name FROM name WHERE id = ? AND (name IS NOT NULL OR kept_at > ?)"
    return _one_each(database, query, ids, now - UNKNOWN_FOR)


def _one_each(
    database: Database, query: str, ids: Collection[int], *more: object
) -> dict[int, Any]:
    """
    One column of those of *ids* that have a row.

    :param query: of an id, and of *more* behind it.
    """
    found = {}
    with database.reading() as connection:
        for id in ids:
            row = connection.execute(query, (id, *more)).fetchone()
            if row is not None:
                found[id] = row[0]
    return found
