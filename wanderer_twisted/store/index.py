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
        kinds = [kind for kind in KINDS if wanted.ids(kind)]
        comparison, order = ("<", "DESC") if newest_first else (">", "ASC")
        parts = [
            f"SELECT kill_time, killmail_id FROM {kind}_kill WHERE day = :day"
            f" AND owner IN (SELECT value FROM json_each(:{kind}))"
            f" AND (kill_time, killmail_id) {comparison} (:kill_time, :killmail_id)"
            for kind in kinds
        ]
        self._query = (
            f"SELECT found.kill_time, killmail_id, {columns}"
            f" FROM (SELECT DISTINCT * FROM ({' UNION ALL '.join(parts)})) found"
            f" CROSS JOIN killmail USING (killmail_id) WHERE {condition}"
            f" ORDER BY found.kill_time {order}, killmail_id {order}"
        )
        self._ids: dict[str, str] = {
            kind: dumps(sorted(wanted.ids(kind))).decode() for kind in kinds
        }
        self.owners = sum(len(wanted.ids(kind)) for kind in kinds)

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
