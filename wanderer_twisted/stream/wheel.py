"""
One timer for all that is due again and again, however many they are.
"""

import heapq
import math
from collections.abc import Callable, Iterable
from typing import Final, Generic, Protocol, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

_TICKS_PER_SECOND: Final = 20

#: How many are called in one turn of the reactor; more of them wait for the next. As
#: many are due at the same time, as long as there is room before it.
_SLICE: Final = 500

#: So much of its interval may a member be called early, for that.
_EARLY: Final = 0.1


class _Member(Protocol):
    """
    :ivar every: seconds from one call to the next.
    :ivar tick: when it is due: the wheel's own note; 0 where it is in none.
    """

    every: float
    tick: int


M = TypeVar("M", bound=_Member)


class Wheel(Generic[M]):
    """
    Has its members called again and again, to a twentieth of a second. Where many would
    be due at once some are called a little earlier, so they spread by themselves.

    :param call: gets some who are due.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, call: Callable[[list[M]], None]) -> None:
        self._clock = clock
        self._call = call
        self._count = 0
        self._members: dict[int, set[M]] = {}  # by the tick at which they are due
        self._ticks: list[int] = []  # the same ticks, a heap
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return self._count

    def add(self, member: M) -> None:
        first = self._ticks[0] if self._ticks else None
        self._schedule([member])
        if self._ticks[0] != first:
            self._wait()

    def remove(self, member: M) -> None:
        """
        Forget *member*; one that is not here is no error.
        """
        if not member.tick:
            return
        self._members[member.tick].remove(member)
        member.tick = 0
        self._count -= 1
        if not self._count:
            self._members.clear()
            self._ticks.clear()
            self._wait()

    def _schedule(self, members: Iterable[M]) -> None:
        now = self._clock.seconds()
        ticks: dict[float, int] = {}
        for member in members:
            every = member.every
            tick = ticks.get(every)
            if tick is None:
                tick = ticks[every] = self._choose(now + every, _EARLY * every)
            member.tick = tick
            self._members[tick].add(member)
            self._count += 1

    def _choose(self, due: float, early: float) -> int:
        """
        :returns: the last tick until *due* that is not full; where all are that are not
            too early, that of *due*.
        """
        last = math.ceil(due * _TICKS_PER_SECOND - 0.001)
        first = last - int(early * _TICKS_PER_SECOND)
        for tick in range(last, first - 1, -1):
            if len(self._members.get(tick, ())) < _SLICE:
                break
        else:
            tick = last
        if tick not in self._members:
            self._members[tick] = set()
            heapq.heappush(self._ticks, tick)
        return tick

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
            due = self._take(left)
            left -= len(due)
            self._schedule(due)  # before they are called, which may remove any
            try:
                self._call(due)
            except Exception:  # all others are due as well
                self._log.failure("what was due failed")
        self._wait()

    def _take(self, most: int) -> list[M]:
        """
        Some of those who are due at the first tick.
        """
        members = self._members[self._ticks[0]]
        if len(members) > most:
            due = [members.pop() for _ in range(most)]
        else:
            due = list(members)
            del self._members[heapq.heappop(self._ticks)]
        self._count -= len(due)
        return due
