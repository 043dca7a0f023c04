"""
Telling a slow client from a dead one.
"""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

#: A client that takes no byte for so long while bytes wait for it is closed.
STUCK_SECONDS = 60.0

_LOOK_SECONDS = 5.0


class StallWatch:
    """
    Watches a backlog, while there is one, and says when it no longer shrinks.

    A pause alone says nothing: a client on a slow line is paused for minutes, and
    takes bytes all the while.

    :param backlog: bytes that the client has not taken.
    :param stuck: called once when none was taken for :data:`STUCK_SECONDS`.
    """

    def __init__(
        self,
        clock: IReactorTime,
        backlog: Callable[[], int],
        stuck: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._backlog = backlog
        self._stuck = stuck
        self._look: IDelayedCall | None = None

    def start(self) -> None:
        self._seen = self._backlog()
        self._taken_at = self._clock.seconds()
        self._look = self._clock.callLater(_LOOK_SECONDS, self._on_look)

    def stop(self) -> None:
        if self._look is not None and self._look.active():
            self._look.cancel()

    def _on_look(self) -> None:
        backlog, now = self._backlog(), self._clock.seconds()
        if backlog < self._seen:
            self._taken_at = now
        self._seen = backlog
        if now - self._taken_at >= STUCK_SECONDS:
            self._stuck()
        else:
            self._look = self._clock.callLater(_LOOK_SECONDS, self._on_look)
