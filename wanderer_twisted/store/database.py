"""
A connection to the database, and the transactions on it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import attrs

from wanderer_twisted.interfaces import StoreUnavailable
from wanderer_twisted.store.bodies import Codec

#: Seconds that a thread waits for another program's lock.
_PATIENCE: Final = 1.0


def connect(path: str) -> sqlite3.Connection:
    """
    :raises sqlite3.Error: the file cannot be opened.
    """
    connection = sqlite3.connect(
        path,
        timeout=_PATIENCE,
        isolation_level=None,  # transactions are ours
        check_same_thread=False,  # one thread at a time, not always the same
    )
    connection.execute("PRAGMA cache_size = -8000")  # KiB
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


@attrs.frozen(eq=False)
class Database:
    """
    What one job works with.
    """

    connection: sqlite3.Connection
    codec: Codec

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """
        A transaction that sees the database as it is when first read.
        """
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """
        A transaction that happens as a whole, or not at all where something raises.
        """
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def attached(self, path: str, name: str) -> Iterator[None]:
        """
        Another database beside this one, for the time being.
        """
        self.run(f"ATTACH ? AS {name}", path)
        try:
            yield
        finally:
            self.run(f"DETACH {name}")

    def run(self, statement: str, *values: object) -> None:
        """
        Execute what has no place in a transaction.
        """
        with _told():
            self.connection.execute(statement, values)

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        connection = self.connection
        with _told():
            if connection.in_transaction:  # the last one's ROLLBACK failed
                connection.execute("ROLLBACK")
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # SQLite may have rolled back itself
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        self.connection.close()


@contextmanager
def _told() -> Iterator[None]:
    """
    :raises StoreUnavailable: the database cannot do it now.
    """
    try:
        yield
    except sqlite3.Error as error:
        if _is_of_the_moment(error):
            raise StoreUnavailable(str(error)) from error
        raise


def _is_of_the_moment(error: sqlite3.Error) -> bool:
    """
    Whether it is the disk's or another program's doing (full, locked, unreadable), not
    a mistake of ours or a value that does not fit.
    """
    code = getattr(error, "sqlite_errorcode", None)
    kind = type(error) in (sqlite3.OperationalError, sqlite3.DatabaseError)
    return kind and code not in (None, sqlite3.SQLITE_ERROR)
