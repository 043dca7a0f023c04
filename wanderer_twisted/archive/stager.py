"""
Staging a day in a process of its own, which the reactor does not wait for.
"""

import os
import sys
from contextlib import suppress
from typing import Any, Final

from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredSemaphore,
    TimeoutError,
)
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from wanderer_twisted.store.staging import Ask, BadDay, Staged

#: Seconds that a day may take: some 20 times what one does on a small machine.
_DEADLINE: Final = 600.0
#: Seconds in which a killed process is gone.
_GONE: Final = 4.0
#: Bytes of what it says that are kept.
_MOST_SAID: Final = 1 << 16

_COMMAND: Final = (sys.executable, "-P", "-m", "wanderer_twisted.store.staging")


class Stager:
    """
    Runs ``python -m wanderer_twisted.store.staging``, for one day at a time.

    :param reactor: one with processes.
    :param deadline: seconds for one day.
    """

    def __init__(self, reactor: Any, deadline: float = _DEADLINE) -> None:
        self._reactor = reactor
        self._deadline = deadline
        self._place = DeferredSemaphore(1)  # a processor is for what is live

    async def stage(self, raw: str, path: str, ask: Ask) -> Staged:
        """
        As :func:`wanderer_twisted.store.staging.stage`. Whoever gives it up has the
        process killed, and gets the answer when it is gone.

        :raises BadDay: the file is no day, or what was made of it cannot be told.
        :raises OSError: there is no process to be had.
        """
        async with self._place:
            return await self._stage(raw, path, ask)

    async def _stage(self, raw: str, path: str, ask: Ask) -> Staged:
        staging = _Staging(ask)
        path_of_modules = os.pathsep.join(filter(None, sys.path))
        self._reactor.spawnProcess(
            staging,
            _COMMAND[0],
            (*_COMMAND, raw, path),
            {**os.environ, "PYTHONPATH": path_of_modules},
        )
        try:
            status = await staging.ended.addTimeout(self._deadline, self._reactor)
        except (CancelledError, TimeoutError) as error:
            await staging.kill(self._reactor)
            if isinstance(error, CancelledError):
                raise
            raise BadDay(f"Staging it took more than {self._deadline:.0f} s") from None
        return staging.result(status)


class _Staging(ProcessProtocol):
    """
    :ivar ended: fires with the exit status; None where a signal ended it.
    """

    def __init__(self, ask: Ask) -> None:
        self.ended: Deferred[int | None] = Deferred()
        self._gone: Deferred[None] = Deferred()
        self._ask = ask
        self._out = self._err = b""

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(self._ask.json())
        transport.closeStdin()

    def outReceived(self, data: bytes) -> None:  # noqa: N802  (Twisted's names)
        self._out = (self._out + data)[:_MOST_SAID]

    def errReceived(self, data: bytes) -> None:  # noqa: N802
        self._err = (self._err + data)[-_MOST_SAID:]

    def processEnded(self, reason: Failure) -> None:  # noqa: N802
        status: int | None = getattr(reason.value, "exitCode", None)
        if not self._gone.called:
            self._gone.callback(None)
        if not self.ended.called:
            self.ended.callback(status)

    async def kill(self, reactor: Any) -> None:
        transport: Any = self.transport
        try:
            transport.signalProcess("KILL")
        except ProcessExitedAlready:
            return
        with suppress(TimeoutError):  # a disk that hangs
            await self._gone.addTimeout(_GONE, reactor)

    def result(self, status: int | None) -> Staged:
        said = self._err.decode("utf-8", "replace").strip().splitlines()
        last = said[-1][:200] if said else "it said nothing"
        if status == 2:
            raise BadDay(last)
        if status is None:
            raise BadDay("Staging it was ended by a signal")
        if status != 0:
            raise BadDay(f"Staging it failed ({status}): {last}")
        try:
            return Staged.from_json(self._out)
        except (ValueError, TypeError) as error:
            raise BadDay(f"Staging it told nothing: {error!r:.200}") from None
