"""
The body of a response, as it comes.
"""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss


class Broken(Exception):
    """
    The connection ended before the body did.
    """


class Body(Protocol, TimeoutMixin):
    """
    Hands on what comes. Whatever ends it early (silence, an error of the taker's,
    cancellation) closes the connection.

    :ivar done: fires at the body's end; fails with what *take* raised, or with
        :exc:`Broken`.
    """

    def __init__(
        self, take: Callable[[bytes], None], clock: IReactorTime, silence: float
    ) -> None:
        """
        :param silence: seconds without a byte after which the peer counts as gone.
        """
        self.done: Deferred[None] = Deferred(lambda _: self._close())
        self._take = take
        self._clock = clock
        self._silence = silence

    def callLater(self, period: float, func: Callable[[], None]) -> Any:
        """
        For :class:`TimeoutMixin`, which would take the global reactor.
        """
        return self._clock.callLater(period, func)

    def connectionMade(self) -> None:
        self.setTimeout(self._silence)

    def dataReceived(self, data: bytes) -> None:
        if self.done.called:
            return  # a closing connection may still deliver
        self.resetTimeout()
        try:
            self._take(data)
        except Exception:
            self._end(Failure())

    def timeoutConnection(self) -> None:
        self._end(Failure(Broken(f"no sign of life for {self._silence:.0f} s")))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.setTimeout(None)
        if self.done.called:
            return
        # Without a length the connection's end is the body's.
        if reason.check(ResponseDone, PotentialDataLoss):
            self.done.callback(None)
        else:
            self.done.errback(Broken(f"connection lost{_detail(reason)}"))

    def _end(self, failure: Failure) -> None:
        if not self.done.called:
            self.done.errback(failure)
        self._close()

    def _close(self) -> None:
        self.setTimeout(None)
        if self.transport is not None:
            self.transport.loseConnection()


def cause_of(error: BaseException | None) -> BaseException | None:
    """
    What is behind an error of the HTTP client's.
    """
    reasons = getattr(error, "reasons", None)
    return reasons[0].value if reasons else error


def _detail(reason: Failure) -> str:
    cause = cause_of(reason.value)
    if isinstance(cause, ConnectionClosed):
        return ""  # which is no news
    return f": {cause}"
