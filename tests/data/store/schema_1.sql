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
