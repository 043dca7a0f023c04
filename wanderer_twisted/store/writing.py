"""
The one writer: every change of killmails and of what belongs to them, and the numbers.

Each function is one transaction, run in the writer's thread.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
from twisted.logger import Logger

from wanderer_twisted.encoding import loads
from wanderer_twisted.interfaces import StoreUnavailable
from wanderer_twisted.killmail import Body
from wanderer_twisted.partition import Facts
from wanderer_twisted.records import (
    ArchivedDay,
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
from wanderer_twisted.store import index
from wanderer_twisted.store.database import Database
from wanderer_twisted.store.rows import (
    KILLMAILS,
    RECORD,
    body_of,
    facts_of,
    marks,
    packed,
    sizes_in,
)

#: Bytes of a rejected document that are kept.
MAX_DOCUMENT: Final = 64 * 1024
#: Rejects that are kept, the newest.
MAX_REJECTS: Final = 5_000

#: What names a body has, from the least on: none, for it came from the archive and is
#: named when somebody wants it; not all, and the rest is waited for; all.
BARE: Final = -1
WAITING: Final = 0
NAMED: Final = 1


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
        for day in change.days:
            writer.day(day)
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
            renamed = connection.execute(
                "UPDATE killmail SET named = ? WHERE killmail_id = ? AND zkb <= ?",
                (NAMED, killmail_id, zkb_rank(zkb, zkb.get("total_value"))),
            )
            if renamed.rowcount:
                connection.execute(
                    "UPDATE body SET main = ?, items = ? WHERE killmail_id = ?",
                    (pack(body.main), pack(body.items), killmail_id),
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

    _log = Logger()

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
            f"SELECT {RECORD}, named, zkb FROM {KILLMAILS} WHERE killmail_id = ?",
            (id,),
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
            corporation_ids=killmail.corporation_ids,
            alliance_ids=killmail.alliance_ids,
            value=killmail.value,
            added_seq=number,
            live_seq=number if announce else None,
            valued_seq=None if killmail.value is None else number,
        )
        self._connection.execute(
            "INSERT INTO killmail VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                facts.killmail_id,
                facts.kill_time,
                facts.system_id,
                *entry.sizes,
                facts.added_seq,
                facts.live_seq,
                facts.valued_seq,
                facts.value,
                self._now if announce else None,
                NAMED if entry.named else WAITING,
                zkb_rank(killmail.zkb, killmail.value),
            ),
        )
        self._connection.execute(
            "INSERT INTO body VALUES (?, ?, ?, ?)",
            (
                facts.killmail_id,
                packed(facts),
                self._codec.compress(entry.body.main),
                self._codec.compress(entry.body.items),
            ),
        )
        index.insert(self._connection, facts)
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
            self._set("live_seq = ?, told_at = ?", facts, facts.live_seq, self._now)
        value = entry.killmail.value
        if facts.valued_seq is None and value is not None:
            valued_seq = facts.live_seq if announced else self._next()
            facts = attrs.evolve(facts, value=value, valued_seq=valued_seq)
            self._set("value = ?, valued_seq = ?", facts, value, valued_seq)
        new = zkb_rank(entry.killmail.zkb, value), NAMED if entry.named else WAITING
        better, stored = new > (zkb, named), None
        if announced and not better:
            stored = self._stored_body(facts.killmail_id, row)
            better = stored is None
        if better:
            self._set("zkb = ?, named = ?", facts, *new)
            self._connection.execute(
                "UPDATE body SET main = ?, items = ? WHERE killmail_id = ?",
                (
                    self._codec.compress(entry.body.main),
                    self._codec.compress(entry.body.items),
                    facts.killmail_id,
                ),
            )
        if not announced:
            return None
        return Record(facts, stored or entry.body, sizes_in(row))

    def _stored_body(self, id: int, row: tuple[Any, ...]) -> Body | None:
        """
        None where it is damaged: then any other is better.
        """
        try:
            return body_of(row, self._codec)
        except StoreUnavailable as error:
            self._log.error("{error}; killmail {id} gets another", error=error, id=id)
            return None

    def _set(self, assignments: str, facts: Facts, *values: object) -> None:
        self._connection.execute(
            f"UPDATE killmail SET {assignments} WHERE killmail_id = ?",
            (*values, facts.killmail_id),
        )

    def hole(self, hole: Hole) -> Hole:
        """
        :returns: it, with its number.
        """
        hole = attrs.evolve(hole, seq=self._next(), told_at=self._now)
        self._connection.execute(
            "INSERT INTO hole VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                hole.seq,
                hole.feed,
                hole.first,
                hole.last,
                hole.since,
                hole.until,
                hole.told_at,
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

    def day(self, day: ArchivedDay) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO day VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            attrs.astuple(day),
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
