"""
Ending all streams, so that neither this server nor the next is stormed.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

#: So many streams are ended in a second, or more, so as to be over in so many seconds.
_ENDED_PER_SECOND: Final = 250
_SECONDS: Final = 20.0
_STEP: Final = 0.02

#: Those who come back find the next server after so many seconds, so many of them a
#: second, or more, so as to be there within as many seconds as above.
_RESTART_SECONDS: Final = 5.0
_RETURNS_PER_SECOND: Final = 25


class Stream(Protocol):
    """
    What can be ended.
    """

    def drain(self, retry_ms: int) -> None: ...


class Drain:
    """
    Ends streams a few at a time, and tells each client when to come back.

    :ivar ends_at: UNIX seconds: when the last one has ended.
    """

    def __init__(self, clock: IReactorTime, streams: Sequence[Stream]) -> None:
        self._clock = clock
        self._streams = streams
        self._began = clock.seconds()
        self._lasts = min(_SECONDS, len(streams) / _ENDED_PER_SECOND)
        self._returning = min(_SECONDS, len(streams) / _RETURNS_PER_SECOND)
        self.ends_at = self._began + self._lasts

    async def run(self) -> None:
        for number, stream in enumerate(self._streams):
            share = number / len(self._streams)
            ahead = self._began + self._lasts * share - self._clock.seconds()
            if ahead > _STEP:
                await deferLater(self._clock, ahead)
            left = max(0.0, self.ends_at - self._clock.seconds())
            wait = left + _RESTART_SECONDS + self._returning * share
            stream.drain(round(wait * 1000))
