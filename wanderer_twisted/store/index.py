"""
The index: who took part, and where, by days. Every kind of id has a table of its own,
``character_kill`` and so on; each killmail has one row in ``system_kill``.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from wanderer_twisted.days import day_of
from wanderer_twisted.encoding import dumps
from wanderer_twisted.killmail import MAX_KILLMAIL_ID
from wanderer_twisted.partition import KINDS, Facts, Filter, Kind
from wanderer_twisted.records import Place

#: Behind every place.
END: Final = Place(2**40, MAX_KILLMAIL_ID + 1)

#: Rows of one slice: few enough for a reader's thread to be free again soon.
SLICE: Final = 5_000


def owned(facts: Facts, kind: Kind) -> frozenset[int]:
    """
    The ids of one kind that a killmail is indexed by.
    """
    if kind == "system":
        return frozenset({facts.system_id})
    ids: frozenset[int] = getattr(facts, f"{kind}_ids")
    return ids


def insert(connection: sqlite3.Connection, facts: Facts) -> None:
    """
    Index a killmail that was not.
    """
    key = facts.kill_time, facts.killmail_id
    for kind in KINDS:
        connection.executemany(
            f"INSERT INTO {kind}_kill VALUES (?, ?, ?, ?)",
            [(day_of(key[0]), owner, *key) for owner in owned(facts, kind)],
        )


def remove(connection: sqlite3.Connection, facts: Facts) -> None:
    key = facts.kill_time, facts.killmail_id
    for kind in KINDS:
        connection.executemany(
            f"DELETE FROM {kind}_kill"
            " WHERE day = ? AND owner = ? AND kill_time = ? AND killmail_id = ?",
            [(day_of(key[0]), owner, *key) for owner in owned(facts, kind)],
        )


def days(connection: sqlite3.Connection, since: float) -> Iterator[int]:
    """
    The days on which there is any killmail, from the day of *since* on.
    """
    yield from _steps(connection, "min(day)", ">", day_of(since) - 1)


def days_back(connection: sqlite3.Connection, place: Place) -> Iterator[int]:
    """
    The same, backwards from the day of *place*.
    """
    yield from _steps(connection, "max(day)", "<", day_of(place.kill_time) + 1)


def _steps(
    connection: sqlite3.Connection, next: str, comparison: str, day: int
) -> Iterator[int]:
    step = f"SELECT {next} FROM system_kill WHERE day {comparison} ?"
    while True:
        (found,) = connection.execute(step, (day,)).fetchone()
        if found is None:
            return
        yield (day := found)


class OneDay:
    """
    Looks up the killmails of a filter's ids, a day at a time, each killmail once.

    :param columns: of ``killmail``.
    :param newest_first: the order.
    :param condition: on columns of ``killmail``.

    :ivar owners: how many ids there are.
    """

    def __init__(
        self,
        wanted: Filter,
        columns: str,
        newest_first: bool = False,
        condition: str = "TRUE",
    ) -> None:
        owned = {kind: wanted.ids(kind) for kind in KINDS if wanted.ids(kind)}
        self.owners = wanted.owners
        self._ids: dict[str, str] = {
            kind: dumps(sorted(ids)).decode() for kind, ids in owned.items()
        }
        comparison, order = ("<", "DESC") if newest_first else (">", "ASC")
        beyond = (
            "some.day = :day AND (some.kill_time, some.killmail_id)"
            f" {comparison} (:kill_time, :killmail_id)"
        )
        ids = {kind: f"(SELECT value FROM json_each(:{kind}))" for kind in owned}
        if self.owners == 1:
            # As they lie in the index: nothing is sorted, and no more read than used.
            (kind,) = owned
            source = f"{kind}_kill some"
            condition = f"{beyond} AND some.owner = {ids[kind]} AND {condition}"
        else:
            parts = (
                f"SELECT kill_time, killmail_id FROM {kind}_kill some"
                f" WHERE {beyond} AND some.owner IN {ids[kind]}"
                for kind in owned
            )
            source = f"(SELECT DISTINCT * FROM ({' UNION ALL '.join(parts)})) some"
        self._query = (
            f"SELECT some.kill_time, killmail_id, {columns} FROM {source}"
            f" CROSS JOIN killmail USING (killmail_id) WHERE {condition}"
            f" ORDER BY some.kill_time {order}, killmail_id {order}"
        )

    def rows(
        self, connection: sqlite3.Connection, day: int, beyond: Place
    ) -> Iterator[tuple[Any, ...]]:
        """
        ``kill_time``, ``killmail_id``, and the columns.

        :param beyond: what lies before this place, or here, is left out.
        """
        if not self._ids:
            return iter(())
        values = {
            "day": day,
            "kill_time": beyond.kill_time,
            "killmail_id": beyond.killmail_id,
            **self._ids,
        }
        return connection.execute(self._query, values)
