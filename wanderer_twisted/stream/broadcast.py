"""
Telling many streams of what was committed, some in each turn of the reactor.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from wanderer_twisted.distribution import Distribution
from wanderer_twisted.stream.entries import Entry

M = TypeVar("M")

#: How many streams are told in one turn: some milliseconds.
SLICE: Final = 500


@attrs.define(eq=False)
class _Outgoing(Generic[M]):
    """
    An entry on its way.

    :ivar ended: as of its commit.
    :ivar concerned: who has not been told yet; None before anybody was looked for.
    """

    entry: Entry
    ended: float | None
    concerned: list[M] | None = None
    has_any: bool = False


class Broadcast(Generic[M]):
    """
    Entries in the order of their numbers, each to all whom it concerns before the next.
    Where they are many, history and heartbeats have their turn between two slices.

    :param find: whom an entry concerns, asked when its turn has come.
    :param hand: gives it to some of them.
    :ivar latency: of what concerned anybody: seconds from the commit to the last
        stream's bytes being handed to its transport.
    """

    def __init__(
        self,
        clock: IReactorTime,
        find: Callable[[Entry], list[M]],
        hand: Callable[[list[M], Entry], None],
        slice: int = SLICE,
    ) -> None:
        self.latency = Distribution()
        self._clock = clock
        self._find = find
        self._hand = hand
        self._slice = slice
        self._outgoing: deque[_Outgoing[M]] = deque()
        self._turn: IDelayedCall | None = None

    @property
    def next(self) -> Entry | None:
        """
        What not everybody was told of yet.
        """
        return self._outgoing[0].entry if self._outgoing else None

    def add(self, entry: Entry, ended: float | None) -> None:
        """
        :param ended: as of its commit, by ``perf_counter``; None where nobody looked.
        """
        self._outgoing.append(_Outgoing(entry, ended))

    def go_on(self) -> None:
        """
        Tell some, unless the next turn does already.
        """
        if self._turn is None:
            self._tell()

    def stop(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.cancel()

    def _tell(self) -> None:
        self._turn, left = None, self._slice
        while self._outgoing:
            outgoing = self._outgoing[0]
            if outgoing.concerned is None:
                outgoing.concerned = self._find(outgoing.entry)
                outgoing.has_any = bool(outgoing.concerned)
            concerned = outgoing.concerned
            cut = len(concerned) - left
            if cut > 0:
                some = concerned[cut:]
                del concerned[cut:]
                self._hand(some, outgoing.entry)
                self._turn = self._clock.callLater(0, self._tell)
                return
            left = -cut
            self._hand(concerned, outgoing.entry)
            self._outgoing.popleft()
            if outgoing.has_any and outgoing.ended is not None:
                self.latency.observe(time.perf_counter() - outgoing.ended)
