"""
How large the database is, and making it smaller.
"""

import os

from wanderer_twisted.store.database import Database


def size_of(path: str) -> int:
    """
    Bytes of the file and of the log beside it.
    """
    total = 0
    file = os.path.realpath(path)  # the log is not beside a link to it
    for each in (file, f"{file}-wal"):
        try:
            total += os.stat(each).st_size
        except FileNotFoundError:
            continue
    return total


def vacuum(database: Database, path: str) -> tuple[int, int]:
    """
    Write the database anew, without what is free in it.

    :returns: its size before and after, bytes.
    """
    before = size_of(path)
    database.run("VACUUM")
    database.run("PRAGMA wal_checkpoint(TRUNCATE)")
    return before, size_of(path)
