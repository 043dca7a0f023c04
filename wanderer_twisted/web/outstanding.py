"""
Large answers, of which clients may have taken nothing yet: bounded in all.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from twisted.internet.defer import DeferredSemaphore

from wanderer_twisted.web.errors import busy
from wanderer_twisted.web.request import PublicRequest
from wanderer_twisted.web.transport import unsent


class Outstanding:
    """
    :param most_bytes: nothing is read while clients have more than this to take.
    :param at_once: how many are read at once; more wait, in order.
    """

    def __init__(self, most_bytes: int = 64 << 20, at_once: int = 4) -> None:
        self._most_bytes = most_bytes
        self._places = DeferredSemaphore(at_once)
        self._transports: set[Any] = set()

    @property
    def held(self) -> int:
        """
        What has not been taken.
        """
        waiting = {each: unsent(each) for each in self._transports}
        self._transports = {each for each, size in waiting.items() if size}
        return sum(waiting.values())

    @asynccontextmanager
    async def place(self, request: PublicRequest) -> AsyncIterator[None]:
        """
        A place to read an answer in, which is sent right behind it.

        :raises ApiError: 503: too much has not been taken.
        """
        async with self._places:
            if self.held > self._most_bytes:
                raise busy()
            yield
            if request.current_channel is not None:
                transport = request.current_channel.transport
                # Not before it is written: until then there is nothing to take.
                request.notifyFinish().addCallbacks(
                    lambda _: self._transports.add(transport), lambda _: None
                )
