"""
Killmails of some ids as they are now. Unlike a history this is not frozen: what comes
meanwhile is in the next answer.

What may take long is walked a few days at a time; each such function returns the place
where to go on, or None behind the last.
"""

import sqlite3
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from wanderer_twisted.days import day_of, start_of
from wanderer_twisted.encoding import dumps
from wanderer_twisted.partition import KINDS, Filter, Kind
from wanderer_twisted.records import Batch, Place, Record
from wanderer_twisted.store import index, rows
from wanderer_twisted.store.database import Database
from wanderer_twisted.store.histories import bodies_of
from wanderer_twisted.store.index import END, OneDay
from wanderer_twisted.store.writing import BARE

#: Days that one job looks at, at most.
DAYS: Final = 30


def read_latest(
    database: Database,
    kind: Kind,
    owner: int,
    since: int,
    before: Place | None,
    limit: int,
) -> Batch:
    """
    See :meth:`wanderer_twisted.interfaces.IKillmailStore.read_latest`.
    """
    day = OneDay(Filter.only(kind, owner), "killmail_id", newest_first=True)
    last = before or END
    with database.reading() as connection:
        found = islice(_newest_first(connection, day, last, since), limit)
        places = [Place(kill_time, id) for kill_time, id, _ in found]
        bodies = bodies_of(
            database, connection, [each.killmail_id for each in places], False
        )
    return Batch(bodies, places[-1] if places else last)


def _newest_first(
    connection: sqlite3.Connection, day: OneDay, before: Place, since: int
) -> Iterator[tuple[Any, ...]]:
    for each in index.days_back(connection, before):
        if each < day_of(since):
            return
        for row in day.rows(connection, each, before):
            if row[0] < since:
                return
            yield row


def count_latest(database: Database, kind: Kind, owner: int, since: int) -> int:
    """
    See :meth:`wanderer_twisted.interfaces.IKillmailStore.count_latest`.
    """
    with database.reading() as connection:
        return sum(
            connection.execute(
                f"SELECT count(*) FROM {kind}_kill"
                " WHERE day = ? AND owner = ? AND kill_time >= ?",
                (day, owner, since),
            ).fetchone()[0]
            for day in index.days(connection, since)
        )


def read_bare(
    database: Database, wanted: Filter, cutoff: int, before: Place, limit: int
) -> tuple[list[Record], Place | None]:
    """
    Killmails without names, newest first, of some days.

    :param cutoff: UNIX seconds.
    """
    day = OneDay(wanted, "killmail_id", newest_first=True, condition=f"named = {BARE}")
    found: list[Record] = []
    days = _days_at_once(wanted)
    with database.reading() as connection:
        for number, each in enumerate(index.days_back(connection, before)):
            if each < day_of(cutoff):
                break
            if number == days:
                return found, Place(start_of(each + 1), 0)
            for kill_time, killmail_id, _ in day.rows(connection, each, before):
                if kill_time < cutoff:
                    break
                row = connection.execute(
                    f"SELECT {rows.RECORD} FROM {rows.KILLMAILS} WHERE killmail_id = ?",
                    (killmail_id,),
                ).fetchone()
                found.append(rows.record_of(row, database.codec))
                if len(found) == limit:
                    return found, None
    return found, None


def read_unvalued(
    database: Database, wanted: Filter, cutoff: int, since: int
) -> tuple[set[tuple[Kind, int]], int | None]:
    """
    The ids with killmails of which nothing of zKillboard's block is known, of some days
    from *since* on; both times are UNIX seconds.
    """
    found: set[tuple[Kind, int]] = set()
    days = _days_at_once(wanted)
    with database.reading() as connection:
        for number, day in enumerate(index.days(connection, since)):
            if number == days:
                return found, start_of(day)
            for kind in KINDS:
                if not wanted.ids(kind):
                    continue
                owners = connection.execute(
                    f"SELECT DISTINCT owner FROM {kind}_kill"
                    " CROSS JOIN (SELECT killmail_id, zkb FROM killmail)"
                    " USING (killmail_id) WHERE day = ? AND kill_time >= ? AND zkb = 0"
                    " AND owner IN (SELECT value FROM json_each(?))",
                    (day, cutoff, dumps(sorted(wanted.ids(kind))).decode()),
                )
                found.update((kind, owner) for (owner,) in owners)
    return found, None


def _days_at_once(wanted: Filter) -> int:
    """
    How many days one job looks at: each id is looked for on each.
    """
    return min(DAYS, 1 + index.SLICE // max(wanted.owners, 1))
