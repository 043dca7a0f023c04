"""
The store on an SQLite file.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from wanderer_twisted.days import DAY
from wanderer_twisted.distribution import Distribution
from wanderer_twisted.interfaces import IKillmailStore, StoreUnavailable
from wanderer_twisted.killmail import Body
from wanderer_twisted.records import Change, Commit, Marks, NamesFound
from wanderer_twisted.store import compacting, indexing, loading, pruning, writing
from wanderer_twisted.store.compacting import size_of
from wanderer_twisted.store.database import Database
from wanderer_twisted.store.files import DatabaseFile
from wanderer_twisted.store.questions import Questions
from wanderer_twisted.store.threads import Executor, JobQueue, Threads

#: Seconds that closing waits for what is being done.
_CLOSING: Final = 5.0
#: More reads than streams may be open; a write that waits holds a feed or a listing.
_READS_WAITING: Final = 20_000
_WRITES_WAITING: Final = 1_000


@implementer(IKillmailStore)
class SqliteStore(Questions):
    """
    Killmails in one file, read and written in threads of its own: the file, what is
    written, and who is told.

    A :class:`~wanderer_twisted.records.Change` should hold about 100 killmails at
    most: its transaction keeps the writer from announcing what comes live.

    :ivar path: of the file.
    :ivar commits: transactions that were told to the listener.
    :ivar commit_seconds: of changes: how long their transactions took.
    :ivar failures: commits that the database could not do.
    :ivar problem: why the last commit failed; empty while they succeed.
    """

    _log = Logger()

    def __init__(
        self,
        path: str,
        clock: IReactorTime,
        retention_days: float,
        writer: Executor,
        readers: Executor,
    ) -> None:
        """
        :param writer: one job at a time.
        """
        super().__init__(clock, readers)
        self.path = path
        self.epoch = ""
        self.marks = Marks()
        self.commits = 0
        self.commit_seconds = Distribution()
        self.failures = 0
        self.problem = ""
        self._file = DatabaseFile(path)
        self._retention = retention_days * DAY
        self._writer = writer
        self._listener: Callable[[Commit], None] | None = None
        self._is_open = False

    def open(self) -> None:
        """
        Open the file; make it, or bring it up to date, where needed. Blocks, a moment
        only, and must be called in the process that goes on: not before a fork.

        :raises DatabaseUnusable: it cannot be; the message is one line.
        """
        opened = self._file.open(self._writer.size, self._readers.size)
        self.epoch, self.marks = opened.epoch, opened.marks
        self._writer.start(opened.writing)
        self._readers.start(opened.reading)
        self._is_open = True

    def close(self) -> Deferred[None]:
        """
        Refuse what has not begun, let the rest end, and close the file.

        :returns: fires within some seconds, whatever the disk does.
        """
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        stopped = Deferred.fromCoroutine(self._stop())
        stopped.addTimeout(_CLOSING, self._clock)
        try:
            await stopped
        except CancelledError:
            raise
        except Exception:
            self._log.failure("The database could not be closed in time")

    async def _stop(self) -> None:
        """
        The writer's connection is closed by itself, as the last: of two that close at
        the same time neither writes the log back into the database.
        """
        self._writer.waiting.close()
        await self._readers.stop()
        await self._writer.stop()
        self._file.release()

    # --- writing

    def listen(self, listener: Callable[[Commit], None]) -> None:
        self._listener = listener

    def commit(self, change: Change) -> Deferred[Commit]:
        work = partial(_commit_timed, change=change, now=self._clock.seconds())
        answer = self._writer.run(work, urgent=change.announce, told=self._tell)
        return answer.addErrback(self._failed)

    def rename(self, entries: Sequence[tuple[int, Body]]) -> Deferred[None]:
        return self._writer.run(partial(writing.rename, entries=entries))

    def keep_names(self, found: NamesFound) -> Deferred[None]:
        now = self._clock.seconds()
        return self._writer.run(partial(writing.keep_names, found=found, now=now))

    def load(self, path: str, part: int) -> Deferred[int]:
        work = partial(loading.load, path=path, part=part)
        loaded = self._writer.run(work, told=lambda it: self._tell(it.commit))
        return loaded.addCallbacks(lambda it: it.killmails, self._failed)

    def index_more(self) -> Deferred[bool]:
        return self._writer.run(indexing.index_more)

    def vacuum(self) -> Deferred[tuple[int, int]]:
        """
        Give the space of what was removed back to the disk. Takes long, and as much
        space again while it runs: not for a server at work.

        :returns: the file's size before and after, bytes.
        """
        return self._writer.run(partial(compacting.vacuum, path=self.path))

    @property
    def waiting(self) -> Mapping[str, JobQueue]:
        """
        What has not begun.
        """
        return {"reads": self._readers.waiting, "writes": self._writer.waiting}

    def size(self) -> int:
        """
        Bytes of the file and of what is not written back to it yet.
        """
        return size_of(self.path)

    def prune(self, now: float) -> Deferred[bool]:
        def told(pruned: pruning.Pruned) -> None:
            if pruned.commit is not None:
                self._tell(pruned.commit)

        work = partial(pruning.prune, before=now - self._retention)
        return self._writer.run(work, told=told).addCallback(lambda it: it.more)

    def _tell(self, commit: Commit) -> None:
        """
        The one place that publishes. Runs in the order of commits, since there is one
        writer and its answers come in order.
        """
        self.marks = commit.marks
        self.commits += 1
        self.problem = ""
        if commit.ended is not None:
            self.commit_seconds.observe(commit.seconds)
        if self._listener is None:
            return
        try:
            self._listener(commit)
        except Exception:
            self._log.failure("The listener failed at {marks}", marks=commit.marks)

    def _failed(self, failure: Failure) -> Failure:
        if failure.check(StoreUnavailable):
            self.failures += 1
            self.problem = str(failure.value)
        return failure


def _commit_timed(database: Database, change: Change, now: float) -> Commit:
    began = time.perf_counter()
    done = writing.commit(database, change=change, now=now)
    ended = time.perf_counter()
    return attrs.evolve(done, ended=ended, seconds=ended - began)


def make_store(reactor: Any, path: str, retention_days: float) -> SqliteStore:
    """
    The store as the server uses it; to be opened before anything else.
    """
    return SqliteStore(
        path,
        reactor,
        retention_days,
        writer=Threads(reactor, "store-writer", 1, _WRITES_WAITING),
        readers=Threads(reactor, "store-readers", 2, _READS_WAITING),
    )
