"""
Threads of the store's own, and the queue of what waits for them.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from threading import Thread
from typing import Any, Protocol, TypeVar

import attrs
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from wanderer_twisted.interfaces import StoreUnavailable
from wanderer_twisted.store.database import Database

T = TypeVar("T")


class Executor(Protocol):
    """
    Runs jobs, each with a database of its own while it runs.

    :ivar size: how many jobs run at a time, and how many databases it needs.
    :ivar waiting: jobs that have not begun.
    """

    size: int
    waiting: "JobQueue"

    def start(self, databases: Sequence[Database]) -> None:
        """
        Take these databases over.
        """

    def run(
        self,
        work: Callable[[Database], T],
        urgent: bool = False,
        told: Callable[[T], object] | None = None,
    ) -> Deferred[T]:
        """
        Have *work* done. Cancelling the answer drops a job that has not begun.

        :param urgent: overtake what is not.
        :param told: called in the reactor's thread with what *work* returned, just
            before the answer fires, and also where the answer was cancelled meanwhile.
        """

    def stop(self) -> Deferred[None]:
        """
        Refuse what waits, let what runs end, and close the databases.
        """


@attrs.frozen(eq=False)
class Job:
    """
    Something to be done with a database.
    """

    work: Callable[[Database], Any]
    told: Callable[[Any], object] | None
    answer: Deferred[Any]

    def finish(self, result: object) -> None:
        """
        :param result: what *work* returned, or a Failure.
        """
        if self.told is not None and not isinstance(result, Failure):
            self.told(result)
        if self.answer.called:  # cancelled
            return
        if isinstance(result, Failure):
            self.answer.errback(result)
        else:
            self.answer.callback(result)


class JobQueue:
    """
    Jobs that have not begun: first come, first served, but for the urgent ones, which
    go before all others.

    :ivar refused: how many found the queue full.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._urgent: OrderedDict[Job, None] = OrderedDict()
        self._others: OrderedDict[Job, None] = OrderedDict()
        self._closed = False
        self.refused = 0

    def __len__(self) -> int:
        return len(self._urgent) + len(self._others)

    def add(
        self,
        work: Callable[[Database], T],
        urgent: bool = False,
        told: Callable[[T], object] | None = None,
    ) -> Deferred[T]:
        """
        :returns: the answer; failed already where there is no room.
        """
        if self._closed:
            return fail(StoreUnavailable("The store is closed"))
        if len(self) >= self._limit:
            self.refused += 1
            return fail(StoreUnavailable("Too many requests wait for the store"))
        queue = self._urgent if urgent else self._others
        answer: Deferred[T] = Deferred(lambda _: queue.pop(job, None))
        job = Job(work, told, answer)
        queue[job] = None
        return answer

    def pop(self) -> Job | None:
        """
        :returns: the next job; None where there is none.
        """
        for queue in (self._urgent, self._others):
            if queue:
                return queue.popitem(last=False)[0]
        return None

    def close(self) -> None:
        """
        Refuse all that waits or comes.
        """
        self._closed = True
        while (job := self.pop()) is not None:
            job.answer.errback(StoreUnavailable("The store is closed"))


class Threads:
    """
    The executor in production: a few threads that do nothing else.
    """

    def __init__(
        self, reactor: IReactorFromThreads, name: str, size: int, limit: int
    ) -> None:
        """
        :param limit: how many jobs may wait.
        """
        self.size = size
        self.waiting = JobQueue(limit)
        self._reactor = reactor
        self._pool = ThreadPool(size, size, name)
        # A disk that hangs must not keep the process from ending.
        self._pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]
        self._idle: list[Database] = []
        self._open = 0
        self._stopped: Deferred[None] | None = None

    def start(self, databases: Sequence[Database]) -> None:
        self._idle = list(databases)
        self._open = len(databases)
        self._pool.start()

    def run(
        self,
        work: Callable[[Database], T],
        urgent: bool = False,
        told: Callable[[T], object] | None = None,
    ) -> Deferred[T]:
        answer = self.waiting.add(work, urgent, told)
        self._begin()
        return answer

    def stop(self) -> Deferred[None]:
        self.waiting.close()
        self._stopped = Deferred()
        self._close_idle()
        return self._stopped

    def _begin(self) -> None:
        while self._idle and (job := self.waiting.pop()) is not None:
            database = self._idle.pop()
            ended = partial(self._call, self._ended, job, database)
            self._pool.callInThreadWithCallback(ended, job.work, database)

    def _call(self, ended: Callable[..., None], *context: Any) -> None:
        self._reactor.callFromThread(ended, *context)

    def _ended(self, job: Job, database: Database, _: bool, result: object) -> None:
        self._idle.append(database)
        self._begin()  # the thread need not wait for what comes now
        job.finish(result)
        if self._stopped is not None:
            self._close_idle()

    def _close_idle(self) -> None:
        # In a thread: the last connection writes the log back into the database.
        while self._idle:
            ended = partial(self._call, self._database_closed)
            self._pool.callInThreadWithCallback(ended, self._idle.pop().close)
        if not self._open:
            self._all_closed()

    def _database_closed(self, _: bool, result: object) -> None:
        self._open -= 1
        if not self._open:
            self._all_closed()

    def _all_closed(self) -> None:
        self._pool.stop()  # idle threads end at once
        if self._stopped is not None and not self._stopped.called:
            self._stopped.callback(None)
