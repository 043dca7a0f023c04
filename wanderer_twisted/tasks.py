"""
An owner for coroutines that run by themselves.
"""

from collections.abc import Coroutine
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure


class Tasks:
    """
    Coroutines that nobody waits for: what fails is logged, and all of them can be
    cancelled.

    :ivar failures: how many ended with an error.
    """

    _log = Logger()

    def __init__(self) -> None:
        self.failures = 0
        self._running: set[Deferred[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, None]) -> Deferred[None]:
        """
        :returns: something to cancel it by, which never fails.
        """
        task = Deferred.fromCoroutine(work)
        self._running.add(task)
        return task.addBoth(self._ended, task)

    def cancel(self) -> None:
        for task in list(self._running):
            task.cancel()

    def _ended(self, result: Failure | None, task: Deferred[None]) -> None:
        self._running.discard(task)
        if isinstance(result, Failure) and not result.check(CancelledError):
            self.failures += 1
            self._log.failure("a task failed", result)


class Background(Service):
    """
    A service that is one coroutine, begun at its start and cancelled at its end.
    """

    def __init__(self) -> None:
        self._tasks = Tasks()

    def startService(self) -> None:
        super().startService()
        self._tasks.start(self._run())

    def stopService(self) -> None:
        super().stopService()
        self._tasks.cancel()

    async def _run(self) -> None:
        raise NotImplementedError
