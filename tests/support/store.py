"""
Stores for tests: the real :class:`SqliteStore` on a temporary file, without threads.

``make_store(path, clock)`` does everything at once: each method's Deferred has fired
when it returns (``self.successResultOf(store.commit(…))``).

``make_stepped_store(path, clock)`` returns ``(store, writer, readers)``: nothing
happens until the test says so. ``writer.step()`` does the next waiting write, and
``writer.deliver()`` tells the listener and the caller of the oldest one that was done:
between the two a commit is in the database and nobody knows. The same for ``readers``.
Both return False where there is nothing to do. ``settle(writer, readers)`` does all.

Both leave out ``synchronous=FULL``, which tests would only wait for, and any waiting
for locks. A test that opens a store ends with ``store.close()``.

``crashed(path, into)`` copies the files of an open store as a crash would leave them.
``temporary_path(case)`` is a fresh path below trial's temporary directory.
"""

import shutil
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from wanderer_twisted.store.database import Database
from wanderer_twisted.store.sqlite import SqliteStore
from wanderer_twisted.store.threads import Job, JobQueue

T = TypeVar("T")


class SteppedExecutor:
    """
    Does jobs, and delivers their answers, when told to.
    """

    size = 1

    def __init__(self, limit: int = 1_000_000) -> None:
        self.waiting = JobQueue(limit)
        self.done: deque[tuple[Job, object]] = deque()
        self.database: Database | None = None

    def start(self, databases: Sequence[Database]) -> None:
        (self.database,) = databases

    def run(
        self,
        work: Callable[[Database], T],
        urgent: bool = False,
        told: Callable[[T], object] | None = None,
    ) -> Deferred[T]:
        return self.waiting.add(work, urgent, told)

    def stop(self) -> Deferred[None]:
        self.waiting.close()
        while self.deliver():
            pass
        if self.database is not None:
            self.database.close()
        return succeed(None)

    def step(self) -> bool:
        """
        Do the next job; its answer waits.
        """
        job = self.waiting.pop()
        if job is None:
            return False
        try:
            result: object = job.work(self.database)  # type: ignore[arg-type]
        except Exception:
            result = Failure()
        self.done.append((job, result))
        return True

    def deliver(self) -> bool:
        """
        Give the oldest answer.
        """
        if not self.done:
            return False
        job, result = self.done.popleft()
        job.finish(result)
        return True


class InlineExecutor(SteppedExecutor):
    """
    Does jobs at once. A job that is asked for while an answer is being given comes
    after it, as it would with threads.
    """

    _running = False

    def run(
        self,
        work: Callable[[Database], T],
        urgent: bool = False,
        told: Callable[[T], object] | None = None,
    ) -> Deferred[T]:
        answer = super().run(work, urgent, told)
        if not self._running:
            self._running = True
            try:
                settle(self)
            finally:
                self._running = False
        return answer


def settle(*executors: SteppedExecutor) -> None:
    """
    Do and deliver all that there is, and what comes of it.
    """
    busy = True
    while busy:
        busy = False
        for executor in executors:
            while executor.step() or executor.deliver():
                busy = True


def make_store(
    path: str, clock: IReactorTime, retention_days: float = 100
) -> SqliteStore:
    """
    An open store that does everything at once.
    """
    return _opened(path, clock, retention_days, InlineExecutor(), InlineExecutor())


def make_stepped_store(
    path: str, clock: IReactorTime, retention_days: float = 100
) -> tuple[SqliteStore, SteppedExecutor, SteppedExecutor]:
    """
    An open store, its writer and its readers.
    """
    writer, readers = SteppedExecutor(), SteppedExecutor()
    return _opened(path, clock, retention_days, writer, readers), writer, readers


def _opened(
    path: str,
    clock: IReactorTime,
    retention_days: float,
    writer: SteppedExecutor,
    readers: SteppedExecutor,
) -> SqliteStore:
    store = SqliteStore(path, clock, retention_days, writer, readers)
    store.open()
    for executor in (writer, readers):
        assert executor.database is not None
        connection = executor.database.connection
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA busy_timeout = 0")
    return store


def crashed(path: str, into: str) -> str:
    """
    Copy what a crash at this moment would leave of an open store's files.

    :returns: *into*, the path of the copy.
    """
    for suffix in ("", "-wal"):
        if Path(path + suffix).exists():
            shutil.copyfile(path + suffix, into + suffix)
    return into


def temporary_path(case: SynchronousTestCase) -> str:
    """
    A path where there is nothing yet.
    """
    return case.mktemp()
