"""
When an upstream may be asked again: a token bucket, back-off, and a circuit breaker.
"""

from random import Random
from typing import Literal

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger


@attrs.define
class Pace:
    """
    A token bucket in the clock's time.

    :ivar interval: seconds between two requests in the long run.
    :ivar burst: how many may go at once after a rest.
    :ivar waiting: how many can wait for a token at the same time, at most.
    """

    _clock: IReactorTime
    interval: float
    burst: int = 1
    waiting: int = 1
    _empty_until: float = 0.0

    def take(self) -> float:
        """
        Take a token.

        :returns: seconds to wait before it may be used.
        """
        now = self._clock.seconds()
        # The clock is the wall clock: set back, it must not stop us for as long.
        latest = now + (self.waiting + self.burst) * self.interval
        begin = min(max(self._empty_until, now), latest)
        self._empty_until = begin + self.interval
        return max(0.0, begin - (self.burst - 1) * self.interval - now)


@attrs.define
class Backoff:
    """
    Waits that double from *first* to *most* seconds, and up to a quarter longer: what
    failed together shall not come back together.
    """

    first: float
    most: float
    _random: Random = attrs.field(factory=Random)
    _failures: int = 0

    def next(self) -> float:
        """
        The wait after one more failure, in seconds.
        """
        wait = min(self.most, self.first * 2.0**self._failures)
        if wait < self.most:
            self._failures += 1
        return wait * self._random.uniform(1.0, 1.25)

    def reset(self) -> None:
        """
        It went well.
        """
        self._failures = 0


@attrs.define
class Breaker:
    """
    A circuit breaker: after some failures in a row an upstream is left alone for a
    while, then asked by one request at a time until one of them goes well.

    :ivar threshold: how many failures open it.
    :ivar opened: how often it was opened.
    """

    name: str
    _clock: IReactorTime
    threshold: int = 5
    opened: int = 0
    _backoff: Backoff = attrs.field(factory=lambda: Backoff(15.0, 60.0))
    _failures: int = 0
    _until: float | None = None
    _probing: bool = False

    _log = Logger()

    @property
    def state(self) -> Literal["closed", "open", "half-open"]:
        if self._until is None:
            return "closed"
        waits = self._clock.seconds() < self._until
        return "open" if waits else "half-open"

    def wait(self) -> float:
        """
        Seconds until a request may be tried; 0 where it may now.
        """
        if self._until is None:
            return 0.0
        left = max(0.0, self._until - self._clock.seconds())
        return max(1.0, left) if self._probing else left

    def begin(self) -> None:
        """
        A request is about to be sent; one of the three below must follow.
        """
        self._probing = self._until is not None

    def succeeded(self) -> None:
        """
        The upstream answered.
        """
        if self._until is not None:
            self._log.info("{upstream} answers again", upstream=self.name)
        self._failures, self._until, self._probing = 0, None, False
        self._backoff.reset()

    def failed(self) -> None:
        """
        It did not, or said that it is broken.
        """
        self._failures += 1
        if self._probing or (self._until is None and self._failures >= self.threshold):
            seconds = self._backoff.next()
            self._until = self._clock.seconds() + seconds
            self.opened += 1
            self._log.warn(
                "{upstream} failed {failures} times in a row: left alone for"
                " {seconds:.0f} s",
                upstream=self.name,
                failures=self._failures,
                seconds=seconds,
            )
        self._probing = False

    def abandoned(self) -> None:
        """
        Nobody waited for the answer.
        """
        self._probing = False
