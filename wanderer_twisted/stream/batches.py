"""
The batches of one history, one after the other.

A hop to a thread and back takes as long as reading a small batch. So where nothing is
waited for between two, small ones are read several at a time, and the next ones while
these are sent.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from twisted.internet.defer import Deferred

from wanderer_twisted.records import Batch, Cut, Place


class Batches:
    """
    To be stopped when nobody asks any more.
    """

    def __init__(
        self,
        cuts: Iterable[Cut],
        after: Place,
        find: Callable[[Place], Deferred[Sequence[Cut]]],
        read: Callable[[Sequence[int]], Deferred[Sequence[bytes]]],
        at_once: int,
    ) -> None:
        """
        :param cuts: of the first ones.
        :param after: what is told already.
        :param find: gives the cuts behind a place.
        :param read: gives the bodies of killmails, by their ids.
        :param at_once: nominal bytes that are read together, and ahead; a batch that
            has more is read by itself when its turn comes, and any where it is 0.
        """
        self._cuts = deque(cuts)
        self._after = after
        self._find = find
        self._read = read
        self._at_once = at_once
        self._ready: deque[Sequence[bytes]] = deque()  # of the first cuts
        self._ahead: Deferred[list[Sequence[bytes]]] | None = None  # of the next ones

    def next(self) -> Deferred[Batch]:
        """
        The next one; where that failed it can be asked for again.

        :raises StoreUnavailable: it cannot be read now.
        :raises Expired: some of the history was removed.
        """
        return Deferred.fromCoroutine(self._next())

    def keep_nothing(self) -> None:
        """
        Let go of what was read before its turn, and read nothing so any more: for one
        who takes long, every batch is there in time.
        """
        self._at_once = 0
        self._ready.clear()
        self.stop()

    def stop(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.addErrback(lambda failure: None)  # nobody is left to be told
            ahead.cancel()

    async def _next(self) -> Batch:
        if not self._ready:
            ahead, self._ahead = self._ahead, None
            self._ready.extend(await (ahead or self._read_some()))
            behind = len(self._ready)
            if behind < len(self._cuts) and self._cuts[behind].size <= self._at_once:
                self._ahead = Deferred.fromCoroutine(self._read_some())
        cut = self._cuts.popleft()
        self._after = cut.last
        return Batch(self._ready.popleft(), cut.last)

    async def _read_some(self) -> list[Sequence[bytes]]:
        if not self._cuts:
            self._cuts.extend(await self._find(self._after))
        cuts = self._together()
        bodies = iter(await self._read([id for cut in cuts for id in cut.ids]))
        return [list(islice(bodies, len(cut.ids))) for cut in cuts]

    def _together(self) -> list[Cut]:
        """
        What is read in one go.
        """
        some: list[Cut] = []
        size = 0
        for cut in islice(self._cuts, len(self._ready), None):
            size += cut.size
            if some and size > self._at_once:
                break
            some.append(cut)
        return some
