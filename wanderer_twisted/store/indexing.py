"""
An older database gets its missing indexes while the server runs, a slice at a time.
"""

from collections.abc import Collection
from typing import Final

import attrs

from wanderer_twisted.days import day_of
from wanderer_twisted.encoding import loads
from wanderer_twisted.interfaces import StoreUnavailable
from wanderer_twisted.killmail import decode
from wanderer_twisted.partition import KINDS, Kind
from wanderer_twisted.store.database import Database
from wanderer_twisted.store.index import owned
from wanderer_twisted.store.rows import (
    KILLMAILS,
    RECORD,
    Participants,
    packed,
    record_of,
)

_SLICE: Final = 50

#: The kinds that version 1 of the schema knew.
_OLD: Final[Collection[Kind]] = ("character", "system")
_NEW: Final[Collection[Kind]] = ("corporation", "alliance")


def read_indexed(database: Database) -> Collection[Kind]:
    """
    See :meth:`wanderer_twisted.interfaces.IKillmailStore.read_indexed`.
    """
    with database.reading() as connection:
        (upto,) = connection.execute("SELECT indexed_to FROM meta").fetchone()
    return KINDS if upto is None else _OLD


def index_more(database: Database) -> bool:
    """
    Index one slice, in the order of ids. What comes meanwhile is indexed as it comes.

    :returns: whether there is more.
    """
    with database.writing() as connection:
        (upto,) = connection.execute("SELECT indexed_to FROM meta").fetchone()
        if upto is None:
            return False
        found = connection.execute(
            f"SELECT {RECORD} FROM {KILLMAILS} WHERE killmail_id > ?"
            " ORDER BY killmail_id LIMIT ?",
            (upto, _SLICE),
        ).fetchall()
        for row in found:
            try:
                record = record_of(row, database.codec)
                killmail = decode(loads(record.body.json(with_items=False)))
            except (StoreUnavailable, ValueError):  # damaged: nobody can be told of it
                continue
            them = Participants(
                record.facts.character_ids,
                killmail.corporation_ids,
                killmail.alliance_ids,
            )
            connection.execute(
                "UPDATE body SET participants = ? WHERE killmail_id = ?",
                (packed(them), record.killmail_id),
            )
            facts = attrs.evolve(
                record.facts,
                corporation_ids=them.corporation_ids,
                alliance_ids=them.alliance_ids,
            )
            key = facts.kill_time, facts.killmail_id
            for kind in _NEW:
                connection.executemany(
                    f"INSERT OR IGNORE INTO {kind}_kill VALUES (?, ?, ?, ?)",
                    [(day_of(key[0]), owner, *key) for owner in owned(facts, kind)],
                )
        last = found[-1][0] if len(found) == _SLICE else None
        connection.execute("UPDATE meta SET indexed_to = ?", (last,))
    return last is not None
