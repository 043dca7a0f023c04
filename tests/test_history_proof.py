"""
What feeds, days of the archive and listings prove together.
"""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import SyncCase
from tests.support.killmails import DAY
from tests.support.past import NOW
from wanderer_twisted.days import day_of
from wanderer_twisted.history import proof
from wanderer_twisted.history.coverage import HOUR, LAG
from wanderer_twisted.history.proof import Proof, feeds_since, make_proof
from wanderer_twisted.records import (
    ArchivedDay,
    Coverage,
    FeedPosition,
    FeedsThatCount,
)

CUTOFF = NOW - 30 * DAY
TODAY = day_of(NOW)


def covered(since: int = CUTOFF, fetched_at: float = NOW) -> Coverage:
    return Coverage("character", 1, since, fetched_at - LAG, fetched_at)


def days(first: int, last: int, listed_at: float = NOW) -> dict[int, float]:
    """
    Whole days, by how many days ago they began.
    """
    return {TODAY - ago: listed_at for ago in range(last, first + 1)}


class Listings(SyncCase):
    def test_listing_and_feed_meet(self) -> None:
        """
        Complete is what the listing reaches, where the feed begins before its end.
        """
        self.assertTrue(Proof(CUTOFF, NOW - LAG).covers(covered()))
        self.assertTrue(Proof(CUTOFF, NOW - 2 * LAG).covers(covered(CUTOFF - 1)))

    def test_listing_too_short(self) -> None:
        """
        A listing that ends one second later does not reach the cutoff.
        """
        self.assertFalse(Proof(CUTOFF, NOW - LAG).covers(covered(CUTOFF + 1)))

    def test_feed_began_too_late(self) -> None:
        """
        What was published between the two is in neither.
        """
        self.assertFalse(Proof(CUTOFF, NOW - LAG + 1).covers(covered()))

    def test_no_feed(self) -> None:
        """
        Neither a listing nor the archive says what was published just now.
        """
        proven = Proof(CUTOFF, None, days(30, 0))
        self.assertFalse(proven.covers(covered()))
        self.assertEqual(proven.start, CUTOFF)
        self.assertIsNone(proven.since([covered()]))

    def test_feed_alone(self) -> None:
        """
        A feed that began before the cutoff needs nothing else.
        """
        self.assertTrue(Proof(CUTOFF, CUTOFF).covers(None))
        self.assertFalse(Proof(CUTOFF, CUTOFF + 0.5).covers(None))

    def test_any_of_our_feeds(self) -> None:
        """
        The feed that goes back farthest counts; one that no longer runs does not.
        """
        positions = [
            FeedPosition("r2z2", "1", 500.0),
            FeedPosition("redisq", "2", 300.0),
            FeedPosition("gone", "3", 1.0),
        ]
        self.assertEqual(feeds_since(positions, {"r2z2", "redisq"}), 300.0)
        self.assertIsNone(feeds_since(positions, {"new"}))


class Lacking(SyncCase):
    def test_never_listed(self) -> None:
        """
        What was never listed is lacking.
        """
        self.assertTrue(Proof(CUTOFF, NOW).lacks(None, NOW))

    def test_covered(self) -> None:
        """
        What is covered is not listed again, however old the listing.
        """
        old = covered(fetched_at=NOW - 10 * DAY)
        self.assertFalse(Proof(CUTOFF, NOW - 20 * DAY).lacks(old, NOW))

    def test_within_the_hour(self) -> None:
        """
        An answer stays the same for an hour, so it is not asked for again before.
        """
        proven = Proof(CUTOFF)
        self.assertFalse(proven.lacks(covered(), NOW + HOUR - 1))
        self.assertTrue(proven.lacks(covered(), NOW + HOUR))

    def test_deeper(self) -> None:
        """
        A deeper cutoff is another question.
        """
        self.assertTrue(Proof(CUTOFF - 1, NOW - LAG).lacks(covered(), NOW))

    def test_no_deeper_than_the_archive(self) -> None:
        """
        Within the hour nothing is asked for that whole days have anyway.
        """
        proven = Proof(CUTOFF, NOW - 60, days(30, 2))
        shallow = covered(NOW - 1 * DAY)
        self.assertFalse(proven.lacks(shallow, NOW))
        self.assertTrue(proven.lacks(covered(NOW - 1 * DAY + 1), NOW))


class Archive(SyncCase):
    def test_all_days(self) -> None:
        """
        Whole days up to where the feed began need no listing.
        """
        self.assertTrue(Proof(CUTOFF, NOW - DAY, days(30, 2)).covers(None))
        self.assertFalse(Proof(CUTOFF, NOW - DAY + 1, days(30, 2)).covers(None))

    def test_no_farther_than_the_days(self) -> None:
        """
        Where the feed began later, a listing has to reach back to the days alone.
        """
        proven = Proof(CUTOFF, NOW - LAG, days(30, 2))
        self.assertEqual(proven.start, NOW - DAY)
        self.assertTrue(proven.covers(covered(NOW - DAY)))
        self.assertFalse(proven.covers(covered(NOW - DAY + 1)))

    def test_a_day_is_missing(self) -> None:
        """
        A listing has to reach back to the first day that is not whole.
        """
        whole = days(30, 2)
        del whole[TODAY - 10]
        proven = Proof(CUTOFF, NOW - DAY, whole)
        self.assertEqual(proven.start, NOW - 10 * DAY)
        self.assertEqual(proven.since([None]), NOW - 9 * DAY)

    def test_list_older_than_the_feed(self) -> None:
        """
        A list from before the feed began lacks what was published in between.
        """
        proven = Proof(CUTOFF, NOW - DAY, days(30, 2, listed_at=NOW - DAY - 1))
        self.assertEqual(proven.start, CUTOFF)
        self.assertEqual(proven.since([None]), NOW - DAY)

    def test_several_ids(self) -> None:
        """
        What is complete for all begins where the worst of them does.
        """
        proven = Proof(CUTOFF, NOW - LAG)
        deep, shallow = covered(NOW - 9 * DAY), covered(NOW - 5 * DAY)
        self.assertEqual(proven.since([deep, shallow]), NOW - 5 * DAY)
        self.assertEqual(proven.since([deep, None]), NOW - LAG)
        self.assertEqual(proven.since([]), CUTOFF)

    def test_only_whole_days(self) -> None:
        """
        A day counts when it was loaded, has all that its list names, and no trouble.
        """
        told = [
            ArchivedDay(TODAY - 5, 10, 10, NOW, NOW, loaded=True),
            ArchivedDay(TODAY - 4, 10, 9, NOW, NOW, loaded=True),
            ArchivedDay(TODAY - 3, 10, 10, NOW, NOW),
            ArchivedDay(TODAY - 2, 10, 10, NOW, NOW, loaded=True, reason="no list"),
            ArchivedDay(TODAY, 0, 0, NOW, NOW, loaded=True),
        ]
        positions = [FeedPosition("fake", "1", NOW - DAY)]
        proven = make_proof(
            NOW - 5 * DAY, positions, FeedsThatCount({"fake"}, True), told
        )
        self.assertEqual(proven.start, NOW - 4 * DAY)
        self.assertEqual(proven.count_days(NOW), (5, 1))


@st.composite
def _worlds(
    draw: st.DrawFn,
) -> tuple[int, float | None, dict[int, float], Coverage | None]:
    cutoff = draw(st.integers(0, 20))
    moments = st.integers(0, 60).map(lambda each: each / 2)
    feed_since = draw(st.none() | moments)
    listed_at = draw(st.dictionaries(st.integers(0, 6), moments, max_size=7))
    listing = st.builds(
        Coverage, st.just("character"), st.just(1), st.integers(0, 24), moments, moments
    )
    return cutoff, feed_since, listed_at, draw(st.none() | listing)


class Model(SyncCase):
    """
    Days of four seconds, and every killmail that there could be: one of each second,
    published in each half of a second from then on.
    """

    def setUp(self) -> None:
        self.patch(proof, "day_of", lambda seconds: int(seconds // 4))
        self.patch(proof, "start_of", lambda day: day * 4)

    def is_stored(
        self,
        kill_time: int,
        published: float,
        feed_since: float | None,
        listed_at: Mapping[int, float],
        coverage: Coverage | None,
    ) -> bool:
        by_feed = feed_since is not None and published >= feed_since
        by_day = published < listed_at.get(kill_time // 4, 0.0)
        by_listing = (
            coverage is not None
            and kill_time >= coverage.since
            and published < coverage.until
        )
        return by_feed or by_day or by_listing

    def complete_from(
        self,
        cutoff: int,
        feed_since: float | None,
        listed_at: Mapping[int, float],
        coverage: Coverage | None,
    ) -> int | None:
        """
        The first second from which on every killmail is stored.
        """
        begin: int | None = None
        for kill_time in range(40, cutoff - 1, -1):
            moments = [kill_time + n / 4 for n in range(200)]
            if not all(
                self.is_stored(kill_time, each, feed_since, listed_at, coverage)
                for each in moments
            ):
                break
            begin = kill_time
        return begin

    @given(_worlds())
    def test_covers(
        self, world: tuple[int, float | None, dict[int, float], Coverage | None]
    ) -> None:
        """
        It is covered exactly where every killmail that could be is stored.
        """
        cutoff, feed_since, listed_at, coverage = world
        proven = Proof(cutoff, feed_since, listed_at)
        expected = self.complete_from(*world) == cutoff
        self.assertEqual(proven.covers(coverage), expected)

    @given(_worlds())
    def test_start(
        self, world: tuple[int, float | None, dict[int, float], Coverage | None]
    ) -> None:
        """
        A listing back to there is enough, and one that ends later is not, but where
        the feed needs none.
        """
        cutoff, feed_since, listed_at, _ = world
        start = Proof(cutoff, feed_since, listed_at).start
        enough = Coverage("character", 1, start, 100.0, 100.0)
        short = Coverage("character", 1, start + 1, 100.0, 100.0)
        if feed_since is not None:
            begin = self.complete_from(cutoff, feed_since, listed_at, enough)
            self.assertEqual(begin, cutoff)
        if feed_since is None or feed_since > start:
            begin = self.complete_from(cutoff, feed_since, listed_at, short)
            self.assertNotEqual(begin, cutoff)

    @given(_worlds())
    def test_since(
        self, world: tuple[int, float | None, dict[int, float], Coverage | None]
    ) -> None:
        """
        What is told as complete begins at the first second from which all is stored.
        """
        cutoff, feed_since, listed_at, coverage = world
        told = Proof(cutoff, feed_since, listed_at).since([coverage])
        expected = self.complete_from(*world)
        if told is None:
            self.assertIsNone(expected)
        else:
            self.assertEqual(-(-told // 1), expected)
