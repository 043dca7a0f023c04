"""
Waiting, of a coroutine that can be woken and ended from outside.
"""

from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

T = TypeVar("T")


class Waiting:
    """
    Every wait of one coroutine. Cancelling the coroutine itself would not do: it may
    be running, further up in the very call that wants to end it.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._ended = False
        self._current: Deferred[object] | None = None
        self._wake: Deferred[None] | None = None

    async def wait(self, deferred: Deferred[T]) -> T:
        """
        :raises CancelledError: :meth:`end` was called, before or meanwhile.
        """
        if self._ended:
            deferred.cancel()
            deferred.addErrback(lambda failure: None)
            raise CancelledError
        self._current = deferred  # type: ignore[assignment]  # Deferred is invariant
        try:
            return await deferred
        finally:
            self._current = None

    async def pause(self, seconds: float) -> None:
        await self.wait(deferLater(self._clock, seconds))

    async def until_woken(self) -> None:
        self._wake = Deferred()
        await self.wait(self._wake)

    def wake(self) -> None:
        """
        End the wait of :meth:`until_woken`, if there is one.
        """
        wake, self._wake = self._wake, None
        if wake is not None and not wake.called:
            wake.callback(None)

    def end(self) -> None:
        """
        End the present wait and all that would follow.
        """
        self._ended = True
        if self._current is not None:
            self._current.cancel()
