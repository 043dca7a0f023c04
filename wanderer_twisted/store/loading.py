"""
Taking in a staged day, a part at a time: copied within SQLite, so that no other thread
of the server has to wait for it.
"""

from typing import Final

import attrs

from wanderer_twisted.partition import KINDS
from wanderer_twisted.records import Commit
from wanderer_twisted.store.database import Database
from wanderer_twisted.store.rows import marks
from wanderer_twisted.store.writing import BARE

_FRESH: Final = """
INSERT INTO temp.fresh SELECT killmail_id FROM staged.killmail
WHERE killmail_id BETWEEN
    (SELECT first FROM staged.part WHERE part = :part)
    AND (SELECT last FROM staged.part WHERE part = :part)
AND killmail_id NOT IN (SELECT killmail_id FROM main.killmail)
AND killmail_id NOT IN (SELECT killmail_id FROM main.tombstone)
"""
_KILLMAILS: Final = f"""
INSERT INTO main.killmail
SELECT killmail_id, kill_time, system_id, size, size_items, :number, NULL, NULL, NULL,
    NULL, {BARE}, 0
FROM temp.fresh CROSS JOIN staged.killmail USING (killmail_id)
"""
_BODIES: Final = """
INSERT INTO main.body SELECT killmail_id, participants, main, items
FROM temp.fresh CROSS JOIN staged.body USING (killmail_id)
"""
_INDEX: Final = """
INSERT INTO main.{kind}_kill SELECT kill_time / 86400, owner, kill_time, killmail_id
FROM staged.{kind}_kill
WHERE part = :part AND killmail_id IN (SELECT killmail_id FROM temp.fresh)
"""


@attrs.frozen
class Loaded:
    """
    :ivar killmails: how many were new.
    """

    commit: Commit
    killmails: int


def load(database: Database, path: str, part: int) -> Loaded:
    """
    Take in what is new of a part. All of it gets one number: it is there for everybody
    in the same moment.

    :raises StoreUnavailable: it cannot be read here: days are staged by a process of
        the version that is installed, which may be newer than the one that runs.
    """
    with database.attached(path, "staged"), database.writing() as connection:
        for (body,) in connection.execute("SELECT main FROM staged.body LIMIT 1"):
            database.codec.decompress(body)
        connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS fresh (killmail_id INTEGER PRIMARY KEY)"
        )
        connection.execute("DELETE FROM temp.fresh")
        which = {"part": part}
        fresh = connection.execute(_FRESH, which).rowcount
        before = marks(connection)
        if not fresh:
            return Loaded(Commit(before), 0)
        after = attrs.evolve(before, head=before.head + 1)
        connection.execute(_KILLMAILS, {"number": after.head})
        connection.execute(_BODIES)
        for kind in KINDS:
            connection.execute(_INDEX.format(kind=kind), which)
        connection.execute("UPDATE meta SET head = ?", (after.head,))
        return Loaded(Commit(after), fresh)
