"""
How many killmails were announced, minute by minute.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from twisted.internet.interfaces import IReactorTime

MINUTES: Final = 60


class Rate:
    """
    :ivar total: how many since the start.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.total = 0
        self._clock = clock
        self._minute = self._now()
        # The last one is the present minute, which is not over.
        self._counts = deque([0] * (MINUTES + 1), maxlen=MINUTES + 1)

    def count(self) -> None:
        """
        One was announced.
        """
        if self._now() != self._minute:
            self._turn()
        self._counts[-1] += 1
        self.total += 1

    @property
    def minutes(self) -> Sequence[int]:
        """
        Of each of the last 60 whole minutes, oldest first.
        """
        self._turn()
        return [*self._counts][:MINUTES]

    def _turn(self) -> None:
        minute = self._now()
        passed = minute - self._minute  # below 0 where the clock was set back
        self._counts.extend([0] * min(passed, MINUTES + 1))
        self._minute = minute

    def _now(self) -> int:
        return int(self._clock.seconds() // 60)
