"""
One timer for all that is due regularly, however many they are.
"""

import heapq
import math
from typing import Final, Generic, Protocol, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

_TICKS_PER_SECOND: Final = 20

#: How many are called in one turn of the reactor; more of them wait for the next.
_SLICE: Final = 500


class _Member(Protocol):
    def on_due(self) -> None: ...


M = TypeVar("M", bound=_Member)


class Wheel(Generic[M]):
    """
    Calls each member once when it is due, to a twentieth of a second.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._count = 0
        self._members: dict[int, set[M]] = {}  # by the tick at which they are due
        self._ticks: list[int] = []  # the same ticks, a heap
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return self._count

    def add(self, member: M, seconds: float) -> int:
        """
        :returns: what it is removed by.
        """
        due = self._clock.seconds() + seconds
        tick = math.ceil(due * _TICKS_PER_SECOND - 0.001)
        if tick not in self._members:
            self._members[tick] = set()
            heapq.heappush(self._ticks, tick)
            if self._ticks[0] == tick:
                self._wait()
        self._members[tick].add(member)
        self._count += 1
        return tick

    def remove(self, member: M, tick: int) -> None:
        """
        Forget *member*; one that was called already is no error.
        """
        members = self._members.get(tick, set())
        if member in members:
            members.remove(member)
            self._count -= 1
        if not self._count:
            self._members.clear()
            self._ticks.clear()
            self._wait()

    def _wait(self) -> None:
        """
        Have the timer run to the first tick.
        """
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        if self._ticks:
            wait = self._ticks[0] / _TICKS_PER_SECOND - self._clock.seconds()
            self._timer = self._clock.callLater(max(0.0, wait), self._turn)

    def _turn(self) -> None:
        now, left = self._clock.seconds() * _TICKS_PER_SECOND + 0.001, _SLICE
        while left and self._ticks and self._ticks[0] <= now:
            tick = self._ticks[0]
            members = self._members[tick]
            while members and left:
                left -= 1
                self._count -= 1
                self._call(members.pop())  # which may add and remove any
            if not members and self._members.get(tick) is members:
                heapq.heappop(self._ticks)
                del self._members[tick]
        self._wait()

    def _call(self, member: M) -> None:
        try:
            member.on_due()
        except Exception:
            self._log.failure("what was due failed")
