"""
The way back through one listing, page by page.
"""

from math import inf

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime

from wanderer_twisted.history.coverage import (
    LAG,
    LAST_PAGE,
    Key,
    PageKey,
    Seen,
    month_end,
    month_start,
    months_back,
    weigh,
)
from wanderer_twisted.history.keeper import Keeper, Kept, last_time
from wanderer_twisted.history.lister import Lister
from wanderer_twisted.history.proof import is_fresh, joins
from wanderer_twisted.interfaces import IKillmailStore, UpstreamError
from wanderer_twisted.partition import Filter, Snapshot
from wanderer_twisted.records import BatchLimits, Coverage, ListingPage, Place


class Walk:
    """
    Lists the killmails of one id back to a cutoff and has it stored. One page is
    fetched while the one before is stored.

    Page 1 of all time is enough for nearly everybody. Where it is not, the months are
    listed one by one: a month that is over has pages that do not change, so no row
    slips from one to the next between two requests (contracts.md §3, page drift), and
    more killmails can be reached than one listing holds.

    :param limit: UNIX seconds; nothing older is stored. All of a page back to here is,
        whatever the cutoff: it is there, and somebody may want it next.
    :param coverage: what is covered already.
    :param feed_since: since when the feed has been uninterrupted, whether it is current
        or not.
    """

    def __init__(
        self,
        clock: IReactorTime,
        store: IKillmailStore,
        lister: Lister,
        keeper: Keeper,
        key: Key,
        limit: int,
        coverage: Coverage | None,
        feed_since: float | None,
    ) -> None:
        self._clock = clock
        self._store = store
        self._lister = lister
        self._keeper = keeper
        self._key = key
        self._limit = limit
        self._coverage = coverage
        self._feed_since = feed_since
        self._asked_at = inf  # of the pages that the next claim rests on, the first
        self._storing: Deferred[Seen] | None = None
        self._lacking = False  # so nothing is proven any more

    async def go(self, cutoff: int) -> None:
        """
        Walk back to *cutoff*, or as far as the listing goes.

        :raises UpstreamError: a page could not be had for a long time, and the pages
            before it are stored; or bodies could not, and all others are.
        """
        try:
            await self._go(cutoff)
        except CancelledError:
            if self._storing is not None:
                self._storing.cancel()
            raise
        finally:
            await self._stored()
        if self._lacking:
            raise UpstreamError("Not all bodies can be had now")

    async def _go(self, cutoff: int) -> None:
        if not self._first_page_falls_short(cutoff):
            seen = await self._see(PageKey(1), cutoff)
            if seen.short and not (seen.doubtful or seen.reaches(cutoff)):
                seen = await self._see(PageKey(2), cutoff)  # empty: that was all
            if seen.reaches(cutoff):
                return
        await self._walk_months(cutoff)

    def _first_page_falls_short(self, cutoff: int) -> bool:
        """
        Known without asking again: it was had within the hour, and more is wanted.
        """
        coverage = self._coverage
        if coverage is None or not is_fresh(coverage, self._clock.seconds()):
            return False
        return coverage.since > cutoff

    async def _walk_months(self, cutoff: int) -> None:
        self._asked_at = inf
        for month in months_back(self._clock.seconds(), cutoff):
            behind_full = False
            for number in range(1, LAST_PAGE + 1):
                seen = await self._see(PageKey(number, month), cutoff, behind_full)
                if seen.doubtful or seen.reaches(cutoff):
                    return
                if seen.ended:
                    break
                behind_full = not seen.short
            else:
                return  # more than can be listed

    # --- one page ----------------------------------------------------------------

    async def _see(
        self, place: PageKey, cutoff: int, behind_full: bool = False
    ) -> Seen:
        seen = self._lister.recall(self._key, place)
        if seen is not None:
            await self._stored()
            await self._claim_again(seen)
            return seen
        page = await self._lister.page(self._key, place)
        try:
            await self._stored()
            doubtful = await self._is_doubtful(place, page, behind_full)
        except BaseException:
            self._lister.release()
            raise
        storing = Deferred.fromCoroutine(self._keep(place, page, cutoff, doubtful))
        oldest = last_time(page)
        if oldest is None:
            return await storing
        self._storing = storing
        return weigh(place, page, oldest, self._limit)

    async def _stored(self) -> None:
        """
        Wait for the page before to be stored.
        """
        storing, self._storing = self._storing, None
        if storing is not None:
            await storing

    async def _keep(
        self, place: PageKey, page: ListingPage, cutoff: int, doubtful: bool
    ) -> Seen:
        def seen_in(kept: Kept) -> Seen:
            seen = weigh(place, page, kept.oldest, self._limit, kept.whole)
            return attrs.evolve(seen, lacking=kept.lacking)

        kept = Kept(None, whole=True)
        try:
            if doubtful:
                # From when it came, caches have it for an hour.
                now = self._clock.seconds()
                seen = Seen(now, since=None, ended=True, doubtful=True)
            else:
                kept = await self._keeper.keep(
                    self._key,
                    page,
                    self._limit,
                    cutoff,
                    lambda kept: self._claim(seen_in(kept)),
                )
                seen = seen_in(kept)
        finally:
            self._lister.release()
        if kept.whole:
            self._lister.remember(self._key, place, seen)
        return seen

    async def _is_doubtful(
        self, place: PageKey, page: ListingPage, behind_full: bool
    ) -> bool:
        """
        Whether an empty answer is none: the service gives one too where it is
        overloaded (contracts.md §3, Latency). Of page 1 then the store knows a killmail
        that should have been listed. Of others the page before is full; that may be the
        last one, so what is empty again when it is asked for anew is believed.
        """
        if page.packages:
            return False
        if place.number > 1:
            return behind_full and not self._lister.was_doubtful(self._key, place)
        start = max(self._limit, month_start(place.month) if place.month else 0)
        end = int(page.fetched_at - LAG)
        if place.month is not None:
            end = min(end, month_end(place.month))
        return start < end and await self._count(start) > await self._count(end)

    async def _count(self, since: int) -> int:
        kind, owner = self._key
        wanted = Filter.only(kind, owner)
        marks = await self._keeper.committer.when_available(self._store.read_marks)
        snapshot = Snapshot(marks.head, since)
        limits, start = BatchLimits(), Place()
        plan = await self._keeper.committer.when_available(
            lambda: self._store.measure_history(wanted, snapshot, False, limits, start)
        )
        return plan.killmails

    # --- what is proven ----------------------------------------------------------

    def _claim(self, seen: Seen) -> Coverage | None:
        """
        What all pages up to this one prove; None where as much is known already.
        """
        self._asked_at = min(self._asked_at, seen.fetched_at)
        self._lacking = self._lacking or seen.lacking
        if seen.since is None or self._lacking:
            return None
        kind, owner = self._key
        until = self._asked_at - LAG
        claim = Coverage(kind, owner, seen.since, until, self._asked_at)
        known = self._coverage
        deeper = known is not None and known.since <= claim.since
        if deeper and joins(known, self._feed_since):
            return None
        self._coverage = claim
        return claim

    async def _claim_again(self, seen: Seen) -> None:
        claim = self._claim(seen)
        if claim is not None:
            await self._keeper.claim(claim)
