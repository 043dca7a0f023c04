"""
The tables, and how a database of an older version becomes one of today's.
"""

import secrets
import sqlite3
import struct
from collections.abc import Callable, Mapping
from typing import Final

from wanderer_twisted.killmail import MAX_ID
from wanderer_twisted.partition import KINDS
from wanderer_twisted.store.bodies import (
    bare_dictionary,
    dictionary_id,
    shipped_dictionary,
)
from wanderer_twisted.store.rows import Participants, packed

#: Marks an SQLite file as ours: "wndr".
APPLICATION_ID: Final = 0x776E6472
VERSION: Final = 2

#: Version -> what makes it the next one, run inside a transaction.
Upgrades = Mapping[int, Callable[[sqlite3.Connection], None]]

# Who took part and where is indexed by day first: what is stored at a time then lies
# together, and a day of the archive dirties few pages.
_INDEX: Final = """
CREATE TABLE {kind}_kill (
    day INTEGER NOT NULL,
    owner INTEGER NOT NULL,
    kill_time INTEGER NOT NULL,
    killmail_id INTEGER NOT NULL,
    PRIMARY KEY (day, owner, kill_time, killmail_id)
) STRICT, WITHOUT ROWID;
"""

# What the partition, the cuts and the pruning look at is apart from what is sent: a
# history is found and counted without a look at the bodies.
_KILLMAIL: Final = """
CREATE TABLE killmail (
    killmail_id INTEGER PRIMARY KEY,
    kill_time INTEGER NOT NULL,
    system_id INTEGER NOT NULL,
    size INTEGER NOT NULL,
    size_items INTEGER NOT NULL,
    added_seq INTEGER NOT NULL,
    live_seq INTEGER,
    valued_seq INTEGER,
    value REAL,
    told_at REAL,                -- when it was announced
    named INTEGER NOT NULL,      -- writing.WAITING, NAMED or BARE
    zkb INTEGER NOT NULL         -- how much of zKillboard's block: writing.zkb_rank
) STRICT;
CREATE UNIQUE INDEX killmail_live ON killmail (live_seq) WHERE live_seq IS NOT NULL;
CREATE INDEX killmail_unnamed ON killmail (killmail_id) WHERE named = 0;
CREATE TABLE body (
    killmail_id INTEGER PRIMARY KEY,
    participants BLOB NOT NULL,  -- rows.packed
    main BLOB NOT NULL,
    items BLOB NOT NULL
) STRICT;
"""

_DAY: Final = """
CREATE TABLE day (
    day INTEGER PRIMARY KEY,
    expected INTEGER NOT NULL,
    have INTEGER NOT NULL,
    listed_at REAL NOT NULL,
    tried_at REAL NOT NULL,
    loaded INTEGER NOT NULL,
    followed INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;
"""

_TABLES: Final = f"""
CREATE TABLE meta (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    epoch TEXT NOT NULL,
    head INTEGER NOT NULL,       -- the counter: the highest number given out
    floor_seq INTEGER NOT NULL,
    floor_time INTEGER NOT NULL,
    indexed_to INTEGER           -- upgrading.index_more: NULL where all is indexed
) STRICT;
{_KILLMAIL}
{"".join(_INDEX.format(kind=kind) for kind in KINDS)}
{_DAY}
CREATE TABLE tombstone (
    killmail_id INTEGER PRIMARY KEY,
    live_seq INTEGER
) STRICT;
CREATE TABLE hole (
    seq INTEGER PRIMARY KEY,
    feed TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    since REAL NOT NULL,
    until REAL NOT NULL,
    taken_at REAL NOT NULL
) STRICT;
CREATE TABLE position (
    feed TEXT PRIMARY KEY,
    cursor TEXT NOT NULL,
    since REAL NOT NULL
) STRICT;
CREATE TABLE coverage (
    kind TEXT NOT NULL,
    owner INTEGER NOT NULL,
    since INTEGER NOT NULL,
    until REAL NOT NULL,
    fetched_at REAL NOT NULL,
    PRIMARY KEY (kind, owner)
) STRICT, WITHOUT ROWID;
CREATE TABLE reject (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    taken_at REAL NOT NULL,
    kind TEXT,
    owner INTEGER,
    killmail_id INTEGER,
    hash TEXT,
    reason TEXT NOT NULL,
    document BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX reject_owner ON reject (kind, owner, killmail_id);
CREATE TABLE name (
    id INTEGER PRIMARY KEY,
    name TEXT,
    kept_at REAL NOT NULL
) STRICT;
CREATE TABLE dictionary (
    id INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;
"""


class DatabaseUnusable(Exception):
    """
    A database that cannot be opened; the message is one line for the operator.
    """


def _from_1(connection: sqlite3.Connection) -> None:
    """
    Version 1 had facts and bodies in one table, indexes by owner first, and none of
    corporations and alliances: these are filled while the server runs
    (:mod:`wanderer_twisted.store.indexing`).
    """
    for old in ("killmail", "character_kill", "system_kill"):
        connection.execute(f"ALTER TABLE {old} RENAME TO old_{old}")
    for index in ("killmail_live", "killmail_age", "killmail_unnamed"):
        connection.execute(f"DROP INDEX {index}")
    tables = [_KILLMAIL, _DAY, *(_INDEX.format(kind=kind) for kind in KINDS)]
    for statement in "".join(tables).split(";\n"):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO killmail SELECT killmail_id, kill_time, system_id, size,"
        " size_items, added_seq, live_seq, valued_seq, value,"
        " iif(live_seq IS NULL, NULL, taken_at), named, zkb FROM old_killmail"
    )
    connection.create_function("participants", 1, _participants, deterministic=True)
    connection.execute(
        "INSERT INTO body SELECT killmail_id, participants(characters), main, items"
        " FROM old_killmail"
    )
    for kind in ("character", "system"):
        connection.execute(
            f"INSERT INTO {kind}_kill"
            " SELECT kill_time / 86400, owner, kill_time, killmail_id"
            f" FROM old_{kind}_kill ORDER BY 1, 2, 3, 4"
        )
    for old in ("killmail", "character_kill", "system_kill"):
        connection.execute(f"DROP TABLE old_{old}")
    connection.execute("ALTER TABLE meta ADD COLUMN indexed_to INTEGER")
    connection.execute(
        "UPDATE meta SET indexed_to = iif(EXISTS (SELECT 1 FROM killmail), 0, NULL)"
    )


def _participants(characters: bytes) -> bytes:
    ids = struct.unpack(f"<{len(characters) // 8}q", characters)
    return packed(Participants(frozenset(each for each in ids if each <= MAX_ID)))


UPGRADES: Upgrades = {1: _from_1}


def prepare(
    connection: sqlite3.Connection,
    version: int = VERSION,
    upgrades: Upgrades = UPGRADES,
) -> None:
    """
    Make the tables in an empty database, or bring an older one up to *version*.

    :raises DatabaseUnusable: it is not ours, or a newer server wrote it.
    """
    (ours,) = connection.execute("PRAGMA application_id").fetchone()
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if ours != APPLICATION_ID:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if ours or found or tables:
            raise DatabaseUnusable("it is a database of another program")
        _create(connection)
        return
    if found > version:
        raise DatabaseUnusable(
            f"a newer server wrote it (schema {found}, this one knows {version})"
        )
    for each in range(found, version):
        connection.execute("BEGIN IMMEDIATE")
        try:
            upgrades[each](connection)
            connection.execute(f"PRAGMA user_version = {each + 1}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _create(connection: sqlite3.Connection) -> None:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    epoch = "".join(secrets.choice(digits) for _ in range(6))
    # In one transaction: executescript() commits a pending one, so it opens its own.
    connection.executescript(
        f"BEGIN IMMEDIATE;"
        f"PRAGMA application_id = {APPLICATION_ID};"
        f"PRAGMA user_version = {VERSION};"
        f"{_TABLES}"
        f"INSERT INTO meta VALUES (1, '{epoch}', 0, 0, 0, NULL);"
        f"COMMIT;"
    )


def dictionaries(connection: sqlite3.Connection) -> list[bytes]:
    """
    The dictionaries that bodies in this database may be compressed with, the one to
    use from now on first.
    """
    newest = shipped_dictionary()
    connection.executemany(
        "INSERT OR IGNORE INTO dictionary VALUES (?, ?)",
        [(dictionary_id(each), each) for each in (newest, bare_dictionary())],
    )
    rows = connection.execute("SELECT data FROM dictionary")
    return [newest, *(data for (data,) in rows if data != newest)]
