"""
The database's file: opened by one server at a time, or with one clear line not at all.
"""

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from tempfile import TemporaryFile

import attrs

from wanderer_twisted.records import Marks
from wanderer_twisted.store import rows, schema
from wanderer_twisted.store.bodies import Codec
from wanderer_twisted.store.database import Database, connect
from wanderer_twisted.store.schema import DatabaseUnusable


@attrs.frozen
class Opened:
    """
    A database that is ready.

    :ivar writing: for the writer's jobs.
    :ivar reading: for the readers'.
    """

    epoch: str
    marks: Marks
    writing: Sequence[Database]
    reading: Sequence[Database]


class DatabaseFile:
    """
    A file and the lock beside it, which says that a server has it open.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock: int | None = None

    def open(self, writers: int, readers: int) -> Opened:
        """
        :raises DatabaseUnusable: it cannot be opened; the message is one line.
        """
        try:
            self._take_lock()
            return self._open(writers, readers)
        except (DatabaseUnusable, OSError, sqlite3.Error) as error:
            self.release()
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise DatabaseUnusable(f"database {self.path}: {reason}") from error

    def check_folder(self) -> None:
        """
        :raises DatabaseUnusable: the file cannot be made; the message is one line.
        """
        try:
            with TemporaryFile(dir=os.path.dirname(self.path) or "."):
                pass
        except OSError as error:
            raise DatabaseUnusable(f"database {self.path}: {error.strerror}") from error

    def release(self) -> None:
        """
        Let another server have the file.
        """
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> None:
        path = os.path.realpath(self.path)  # there may be links to it
        self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatabaseUnusable("another server has it open") from None

    def _open(self, writers: int, readers: int) -> Opened:
        connections = [connect(self.path) for _ in range(writers + readers)]
        try:
            first = connections[0]
            schema.prepare(first)
            (mode,) = first.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise DatabaseUnusable("its file system does not allow WAL")
            dictionaries = schema.dictionaries(first)
            (epoch,) = first.execute("SELECT epoch FROM meta").fetchone()
            marks = rows.marks(first)
            for each in connections[:writers]:
                each.execute("PRAGMA synchronous = FULL")
            for each in connections[writers:]:
                each.execute("PRAGMA query_only = ON")
                # Its files are opened with the first read: now, while we still may. One
                # that may not open the log reads the database without it.
                each.execute("SELECT 1 FROM meta").fetchone()
        except BaseException:
            for each in connections:
                each.close()
            raise
        databases = [Database(each, Codec(*dictionaries)) for each in connections]
        return Opened(epoch, marks, databases[:writers], databases[writers:])


def check_database(path: str) -> None:
    """
    Open it and close it again. One that is not there yet is not made: who checks may
    be another user than who will run.

    :raises DatabaseUnusable: it cannot be opened, or made; the message is one line.
    """
    file = DatabaseFile(path)
    if not os.path.exists(path):
        file.check_folder()
        return
    opened = file.open(1, 0)
    for each in opened.writing:
        each.close()
    file.release()
