"""
The one writer: every change of killmails and of what belongs to them, and the numbers.

Each function is one transaction, run in the writer's thread.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from wanderer_twisted.encoding import loads
from wanderer_twisted.killmail import Body
from wanderer_twisted.partition import Facts
from wanderer_twisted.records import (
    Change,
    Commit,
    Coverage,
    Entry,
    FeedPosition,
    Hole,
    Marks,
    NamesFound,
    Record,
    Reject,
)
from wanderer_twisted.store.database import Database
from wanderer_twisted.store.rows import RECORD, facts_of, marks, packed, record_of

#: Bytes of a rejected document that are kept.
MAX_DOCUMENT: Final = 64 * 1024
#: Rejects that are kept, the newest.
MAX_REJECTS: Final = 5_000

_CHARACTER_ROW: Final = "INSERT INTO character_kill VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_SYSTEM_ROW: Final = "INSERT INTO system_kill VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_OWNED_VALUE: Final = (
    "UPDATE {table} SET value = ?, valued_seq = ?"
    " WHERE owner = ? AND kill_time = ? AND killmail_id = ?"
)
_CHARACTER_VALUE: Final = _OWNED_VALUE.format(table="character_kill")
_SYSTEM_VALUE: Final = _OWNED_VALUE.format(table="system_kill")


def commit(database: Database, change: Change, now: float) -> Commit:
    """
    Write *change* and number what it brings: its killmails, then its holes.

    :param now: UNIX seconds.
    """
    with database.writing() as connection:
        writer = _Writer(database, connection, now)
        journal: list[Record | Hole] = []
        for entry in change.entries:
            announced = writer.take(entry, change.announce)
            if announced is not None:
                journal.append(announced)
        journal += [writer.hole(hole) for hole in change.holes]
        if change.position is not None:
            writer.position(change.position)
        for reject in change.rejects:
            writer.reject(reject)
        for coverage in change.coverage:
            writer.coverage(coverage)
        return Commit(writer.numbered(), journal)


def rename(database: Database, entries: Sequence[tuple[int, Body]]) -> None:
    """
    Replace bodies by ones with names, but none that got more of zKillboard's block
    since these were made.
    """
    pack = database.codec.compress
    with database.writing() as connection:
        for killmail_id, body in entries:
            zkb = loads(body.json(with_items=False)).get("zkb") or {}
            connection.execute(
                "UPDATE killmail SET main = ?, items = ?, named = 1"
                " WHERE killmail_id = ? AND zkb <= ?",
                (
                    pack(body.main),
                    pack(body.items),
                    killmail_id,
                    zkb_rank(zkb, zkb.get("total_value")),
                ),
            )


def keep_names(database: Database, found: NamesFound, now: float) -> None:
    """
    :param now: UNIX seconds.
    """
    rows: list[tuple[int, str | None, float]] = [
        (id, name, now) for id, name in found.names.items()
    ]
    rows += [(id, None, now) for id in found.unknown]
    with database.writing() as connection:
        connection.executemany("INSERT OR REPLACE INTO name VALUES (?, ?, ?)", rows)


def zkb_rank(zkb: Mapping[str, Any], value: float | None) -> int:
    """
    How much of zKillboard's block goes out: 0 none, 1 some, 2 with a value. The hash
    does not count: it comes from elsewhere too.
    """
    if value is not None:
        return 2
    return int(any(zkb[key] is not None for key in zkb if key != "hash"))


class _Writer:
    """
    One transaction, and the counter while it runs.
    """

    def __init__(
        self, database: Database, connection: sqlite3.Connection, now: float
    ) -> None:
        self._codec = database.codec
        self._connection = connection
        self._now = now
        self._marks = marks(connection)
        self._head = self._marks.head

    def _next(self) -> int:
        self._head += 1
        return self._head

    def numbered(self) -> Marks:
        """
        Write the counter back.
        """
        self._connection.execute("UPDATE meta SET head = ?", (self._head,))
        return attrs.evolve(self._marks, head=self._head)

    def take(self, entry: Entry, announce: bool) -> Record | None:
        """
        Store a killmail, or what it brings that was lacking.

        :returns: it, where it is announced by this.
        """
        id = entry.killmail.killmail_id
        row = self._connection.execute(
            f"SELECT {RECORD}, named, zkb FROM killmail WHERE killmail_id = ?", (id,)
        ).fetchone()
        if row is not None:
            return self._improve(entry, announce, row)
        pruned = self._connection.execute(
            "SELECT 1 FROM tombstone WHERE killmail_id = ?", (id,)
        ).fetchone()
        return None if pruned else self._insert(entry, announce)

    def _insert(self, entry: Entry, announce: bool) -> Record | None:
        killmail, number = entry.killmail, self._next()
        facts = Facts(
            killmail_id=killmail.killmail_id,
            kill_time=killmail.kill_time,
            system_id=killmail.system_id,
            character_ids=killmail.character_ids,
            value=killmail.value,
            added_seq=number,
            live_seq=number if announce else None,
            valued_seq=None if killmail.value is None else number,
        )
        self._connection.execute(
            "INSERT INTO killmail VALUES"
            " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                facts.killmail_id,
                facts.added_seq,
                facts.live_seq,
                facts.valued_seq,
                facts.kill_time,
                facts.system_id,
                facts.value,
                *entry.sizes,
                self._now,
                entry.named,
                zkb_rank(killmail.zkb, killmail.value),
                killmail.hash,
                packed(facts.character_ids),
                self._codec.compress(entry.body.main),
                self._codec.compress(entry.body.items),
            ),
        )
        rest = (
            facts.kill_time,
            facts.killmail_id,
            facts.added_seq,
            facts.valued_seq,
            facts.value,
            *entry.sizes,
        )
        self._connection.executemany(
            _CHARACTER_ROW, [(owner, *rest) for owner in facts.character_ids]
        )
        self._connection.execute(_SYSTEM_ROW, (facts.system_id, *rest))
        return Record(facts, entry.body, entry.sizes) if announce else None

    def _improve(
        self, entry: Entry, announce: bool, row: tuple[Any, ...]
    ) -> Record | None:
        """
        :param row: ``RECORD, named, zkb``.
        """
        facts, (named, zkb) = facts_of(row), row[-2:]
        announced = announce and facts.live_seq is None
        if announced:
            facts = attrs.evolve(facts, live_seq=self._next())
            self._set("live_seq = ?, taken_at = ?", facts, facts.live_seq, self._now)
        value = entry.killmail.value
        if facts.valued_seq is None and value is not None:
            valued_seq = facts.live_seq if announced else self._next()
            facts = attrs.evolve(facts, value=value, valued_seq=valued_seq)
            self._value(facts)
        rank = zkb_rank(entry.killmail.zkb, value)
        better = (rank, entry.named) > (zkb, bool(named))
        if better:
            self._set(
                "main = ?, items = ?, named = ?, zkb = ?, hash = coalesce(hash, ?)",
                facts,
                self._codec.compress(entry.body.main),
                self._codec.compress(entry.body.items),
                entry.named,
                rank,
                entry.killmail.hash,
            )
        if not announced:
            return None
        stored = record_of(row, self._codec)
        body = entry.body if better else stored.body
        return attrs.evolve(stored, facts=facts, body=body)

    def _value(self, facts: Facts) -> None:
        self._set("value = ?, valued_seq = ?", facts, facts.value, facts.valued_seq)
        new, key = (facts.value, facts.valued_seq), (facts.kill_time, facts.killmail_id)
        self._connection.executemany(
            _CHARACTER_VALUE, [(*new, owner, *key) for owner in facts.character_ids]
        )
        self._connection.execute(_SYSTEM_VALUE, (*new, facts.system_id, *key))

    def _set(self, assignments: str, facts: Facts, *values: object) -> None:
        self._connection.execute(
            f"UPDATE killmail SET {assignments} WHERE killmail_id = ?",
            (*values, facts.killmail_id),
        )

    def hole(self, hole: Hole) -> Hole:
        """
        :returns: it, with its number.
        """
        hole = attrs.evolve(hole, seq=self._next())
        self._connection.execute(
            "INSERT INTO hole VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                hole.seq,
                hole.feed,
                hole.first,
                hole.last,
                hole.since,
                hole.until,
                self._now,
            ),
        )
        return hole

    def position(self, position: FeedPosition) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO position VALUES (?, ?, ?)",
            (position.feed, position.cursor, position.since),
        )

    def coverage(self, coverage: Coverage) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO coverage VALUES (?, ?, ?, ?, ?)",
            (
                coverage.kind,
                coverage.owner,
                coverage.since,
                coverage.until,
                coverage.fetched_at,
            ),
        )

    def reject(self, reject: Reject) -> None:
        """
        Keep it, and drop the oldest ones over the limit.
        """
        cursor = self._connection.execute(
            "INSERT OR REPLACE INTO reject VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._now,
                reject.kind,
                reject.owner,
                reject.killmail_id,
                reject.hash,
                reject.reason,
                reject.document[:MAX_DOCUMENT],
            ),
        )
        self._connection.execute(
            "DELETE FROM reject WHERE number <= ?",
            ((cursor.lastrowid or 0) - MAX_REJECTS,),
        )
