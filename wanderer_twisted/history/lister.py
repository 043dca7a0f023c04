"""
Asking for pages: one at a time, no address twice within the hour, and patiently.
"""

from itertools import islice

from twisted.internet.defer import DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from wanderer_twisted.backoff import backoff
from wanderer_twisted.history.coverage import HOUR, Key, PageKey, Seen
from wanderer_twisted.history.turns import Turns
from wanderer_twisted.interfaces import IListingSource, UpstreamError
from wanderer_twisted.records import ListingPage

_ATTEMPTS = 6
_PAGES_IN_HAND = 8
_REMEMBERED = 8192


class Lister:
    """
    The one way to listings, for all walks.

    :ivar pages: pages that were had.
    :ivar errors: attempts that failed.
    :ivar resting: whose last attempt failed, so that it will be a while.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, listings: IListingSource, turns: Turns
    ) -> None:
        self.pages = 0
        self.errors = 0
        self.resting: set[Key] = set()
        self._clock = clock
        self._listings = listings
        self._turns = turns
        self._in_hand = DeferredSemaphore(_PAGES_IN_HAND)
        self._seen: dict[tuple[Key, PageKey], Seen] = {}

    async def page(self, key: Key, place: PageKey) -> ListingPage:
        """
        Ask for a page. Whoever gets it says :meth:`release` when it is dealt with: only
        so many are in memory, and the next one waits.

        :raises UpstreamError: it could not be had for a long time.
        """
        for pause in islice(backoff(5, 160), _ATTEMPTS - 1):
            try:
                return await self._attempt(key, place)
            except UpstreamError as error:
                self._log.info(
                    "no list of {kind} {owner} now: {reason}",
                    kind=key[0],
                    owner=key[1],
                    reason=error.reason,
                )
                rest = max(pause, min(error.retry_after or 0.0, HOUR))
            await self._rest(key, rest)
        return await self._attempt(key, place)

    async def _rest(self, key: Key, seconds: float) -> None:
        self.resting.add(key)
        self._turns.spare(key)
        try:
            await deferLater(self._clock, seconds)
        finally:
            self.resting.discard(key)

    async def _attempt(self, key: Key, place: PageKey) -> ListingPage:
        kind, owner = key
        await self._turns.take(key)
        try:
            await self._in_hand.acquire()
            try:
                page = await self._listings.page(kind, owner, place.number, place.month)
            except BaseException as error:
                self.errors += isinstance(error, UpstreamError)
                self.release()
                raise
        finally:
            self._turns.give_back()
        self.pages += 1
        return page

    def release(self) -> None:
        self._in_hand.release()

    def remember(self, key: Key, place: PageKey, seen: Seen) -> None:
        """
        Keep what a page said, once all of it is stored.
        """
        self._seen.pop((key, place), None)
        self._seen[key, place] = seen
        while len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def recall(self, key: Key, place: PageKey) -> Seen | None:
        """
        What a page said within the last hour, in which it would say it again.
        """
        seen = self._seen.get((key, place))
        if seen is None or self._clock.seconds() - seen.fetched_at >= HOUR:
            return None
        return seen

    def was_doubtful(self, key: Key, place: PageKey) -> bool:
        """
        Whether a page was not believed when it was had last, however long ago.
        """
        seen = self._seen.get((key, place))
        return seen is not None and seen.doubtful
