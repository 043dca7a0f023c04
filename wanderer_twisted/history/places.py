"""
How many may be at something at once.
"""

from collections import deque

from twisted.internet.defer import Deferred


class Places:
    """
    To be had by ``async with``. Where all are taken one more waits, in order.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._waiting: deque[Deferred[None]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def most(self) -> int:
        """
        How many there are. Where they become fewer, who has one keeps it.
        """
        return self._most

    @most.setter
    def most(self, most: int) -> None:
        self._most = most
        self._let_in()

    async def __aenter__(self) -> None:
        if self._taken < self._most:
            self._taken += 1
            return
        turn: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(turn)
        await turn

    async def __aexit__(self, *error: object) -> None:
        self._taken -= 1
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self._taken < self._most:
            self._taken += 1
            self._waiting.popleft().callback(None)
