"""
The tables, and how a database of an older version becomes one of today's.
"""

import secrets
import sqlite3
from collections.abc import Callable, Mapping
from typing import Final

from wanderer_twisted.store.bodies import dictionary_id, shipped_dictionary

#: Marks an SQLite file as ours: "wndr".
APPLICATION_ID: Final = 0x776E6472
VERSION: Final = 1

#: Version -> what makes it the next one, run inside a transaction.
Upgrades = Mapping[int, Callable[[sqlite3.Connection], None]]
UPGRADES: Upgrades = {}

# The blobs come last: a scan of the journal then never reads their overflow pages.
_TABLES: Final = """
CREATE TABLE meta (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    epoch TEXT NOT NULL,
    head INTEGER NOT NULL,       -- the counter: the highest number given out
    floor_seq INTEGER NOT NULL,
    floor_time INTEGER NOT NULL
) STRICT;
CREATE TABLE killmail (
    killmail_id INTEGER PRIMARY KEY,
    added_seq INTEGER NOT NULL,
    live_seq INTEGER,
    valued_seq INTEGER,
    kill_time INTEGER NOT NULL,
    system_id INTEGER NOT NULL,
    value REAL,
    size INTEGER NOT NULL,
    size_items INTEGER NOT NULL,
    taken_at REAL NOT NULL,      -- added or announced, whichever came last
    named INTEGER NOT NULL,
    zkb INTEGER NOT NULL,        -- how much of zKillboard's block: writing.zkb_rank
    hash TEXT,
    characters BLOB NOT NULL,
    main BLOB NOT NULL,
    items BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX killmail_live ON killmail (live_seq) WHERE live_seq IS NOT NULL;
CREATE INDEX killmail_age ON killmail (kill_time, taken_at);
CREATE INDEX killmail_unnamed ON killmail (killmail_id) WHERE named = 0;
CREATE TABLE character_kill (
    owner INTEGER NOT NULL,
    kill_time INTEGER NOT NULL,
    killmail_id INTEGER NOT NULL,
    added_seq INTEGER NOT NULL,
    valued_seq INTEGER,
    value REAL,
    size INTEGER NOT NULL,
    size_items INTEGER NOT NULL,
    PRIMARY KEY (owner, kill_time, killmail_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE system_kill (
    owner INTEGER NOT NULL,
    kill_time INTEGER NOT NULL,
    killmail_id INTEGER NOT NULL,
    added_seq INTEGER NOT NULL,
    valued_seq INTEGER,
    value REAL,
    size INTEGER NOT NULL,
    size_items INTEGER NOT NULL,
    PRIMARY KEY (owner, kill_time, killmail_id)
) STRICT, WITHOUT ROWID;
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
        f"INSERT INTO meta VALUES (1, '{epoch}', 0, 0, 0);"
        f"COMMIT;"
    )


def dictionaries(connection: sqlite3.Connection) -> list[bytes]:
    """
    The dictionaries that bodies in this database may be compressed with, the one to
    use from now on first.
    """
    newest = shipped_dictionary()
    connection.execute(
        "INSERT OR IGNORE INTO dictionary VALUES (?, ?)",
        (dictionary_id(newest), newest),
    )
    rows = connection.execute("SELECT data FROM dictionary")
    return [newest, *(data for (data,) in rows if data != newest)]
