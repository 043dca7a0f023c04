"""
How late the reactor is: for so long nothing else had its turn either.
"""

import time
from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from wanderer_twisted.distribution import Distribution

_EVERY = 0.05
_WINDOW = 60.0
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class ReactorDelay(Service):
    """
    Measures, twenty times a second, how much later than due a call comes.

    :param now: seconds of a clock that nobody sets.

    :ivar delays: all of them, in seconds.
    """

    def __init__(
        self, clock: IReactorTime, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.delays = Distribution(_BOUNDS)
        self._clock = clock
        self._now = now
        self._due = 0.0
        self._call: IDelayedCall | None = None
        self._window_began = 0.0
        self._longest = self._longest_before = 0.0

    @property
    def longest(self) -> float:
        """
        The longest delay of the last one to two minutes.
        """
        return max(self._longest, self._longest_before)

    def startService(self) -> None:
        super().startService()
        self._window_began = self._now()
        self._wait()

    def stopService(self) -> None:
        super().stopService()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _wait(self) -> None:
        self._due = self._now() + _EVERY
        self._call = self._clock.callLater(_EVERY, self._measure)

    def _measure(self) -> None:
        now = self._now()
        delay = max(0.0, now - self._due)
        self.delays.observe(delay)
        if now - self._window_began >= _WINDOW:
            self._window_began = now
            self._longest_before, self._longest = self._longest, 0.0
        self._longest = max(self._longest, delay)
        self._wait()
