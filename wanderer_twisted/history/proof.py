"""
What is proven to be in the store, by feeds, by days of the archive and by listings
together (design.md §5, history). Pure functions.

A killmail is published at its kill_time or later. So what was killed since a feed began
is in the store by the feed alone. Of what is older the feed has what was published
since; the rest must be in a day's list, or in a listing, from after the feed began.
"""

from collections.abc import Collection, Iterable, Mapping
from math import ceil

import attrs

from wanderer_twisted.days import day_of, start_of
from wanderer_twisted.history.coverage import HOUR
from wanderer_twisted.records import (
    ArchivedDay,
    Coverage,
    FeedPosition,
    FeedsThatCount,
)


@attrs.frozen
class Proof:
    """
    What is proven for every id, held against one cutoff.

    :ivar cutoff: UNIX seconds.
    :ivar feed_since: UNIX seconds: all that was published since then is in the store,
        or will be as soon as the feed is current again; None where no feed has begun.
    :ivar listed_at: of each whole day of the archive: all of it that was published
        before then is in the store.
    :ivar current: whether that feed is; while it is not, nothing is proven until now.
    :ivar start: UNIX seconds: how far back a listing must reach. Before it, from the
        cutoff on, there are whole days, one after the other.
    """

    cutoff: int
    feed_since: float | None = None
    listed_at: Mapping[int, float] = attrs.field(factory=dict, repr=False)
    current: bool = True
    start: int = attrs.field(init=False)

    @start.default
    def _past_the_days(self) -> int:
        start = self.cutoff
        while self._has(day_of(start)):
            start = start_of(day_of(start) + 1)
        return start

    def _has(self, day: int) -> bool:
        """
        Whether all killmails of a day are in the store, whenever they were published.
        """
        if self.feed_since is None or day not in self.listed_at:
            return False
        return self.feed_since <= self.listed_at[day]

    def covers(self, coverage: Coverage | None) -> bool:
        """
        Whether everything from the cutoff until now is in the store.

        :param coverage: what a listing has covered of an id.
        """
        if self.feed_since is None or not self.current:
            return False
        if self.feed_since <= self.start:
            return True
        return (
            coverage is not None
            and joins(coverage, self.feed_since)
            and coverage.since <= self.start
        )

    def lacks(self, coverage: Coverage | None, now: float) -> bool:
        """
        Whether it is worth asking for a listing: the same answer comes for an hour.
        """
        if self.covers(coverage):
            return False
        return coverage is None or not (
            is_fresh(coverage, now) and coverage.since <= self.start
        )

    def since(self, coverages: Iterable[Coverage | None]) -> float | None:
        """
        From where on everything is in the store, for all of several ids.

        :param coverages: theirs.
        :returns: UNIX seconds, not before the cutoff; None for nowhere.
        """
        if self.feed_since is None or not self.current:
            return None
        begins = max((self._begin(each) for each in coverages), default=self.cutoff)
        while begins > self.cutoff:
            day = day_of(ceil(begins) - 1)
            if not self._has(day):
                return begins
            begins = start_of(day)
        return float(self.cutoff)

    def _begin(self, coverage: Coverage | None) -> float:
        """
        From where on everything is in the store without the archive.
        """
        assert self.feed_since is not None
        if coverage is None or not joins(coverage, self.feed_since):
            return self.feed_since
        return min(self.feed_since, float(coverage.since))

    def count_days(self, now: float) -> tuple[int, int]:
        """
        The days of the archive from that of the cutoff to yesterday, and how many of
        them the store has whole.
        """
        days = range(day_of(self.cutoff), day_of(now))
        return len(days), sum(day in self.listed_at for day in days)


def make_proof(
    cutoff: int,
    positions: Iterable[FeedPosition],
    feeds: FeedsThatCount,
    days: Iterable[ArchivedDay],
) -> Proof:
    listed_at = {each.day: each.listed_at for each in days if each.complete}
    since = feeds_since(positions, feeds.names)
    return Proof(cutoff, since, listed_at, feeds.current)


def feeds_since(
    positions: Iterable[FeedPosition], feeds: Collection[str]
) -> float | None:
    """
    Since when some feed of these has been uninterrupted; None where none has begun.

    :param feeds: the names of those that count: a position outlives its feed.
    """
    spans = [each.since for each in positions if each.feed in feeds]
    return min(spans, default=None)


def joins(coverage: Coverage | None, feed_since: float | None) -> bool:
    """
    Whether the feed has all that was published after the listing.
    """
    if coverage is None or feed_since is None:
        return False
    return feed_since <= coverage.until


def is_fresh(coverage: Coverage, now: float) -> bool:
    """
    Whether the same listing would say the same again.
    """
    return now - coverage.fetched_at < HOUR
