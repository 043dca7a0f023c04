"""
What the server measures of itself: its reactor, its log, its streams, its past, and how
many killmails it announces.
"""

from typing import Any

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import Logger, LogPublisher
from twisted.python.failure import Failure

from tests.support.cases import SyncCase
from tests.support.killmails import DAY, START
from tests.support.store import make_store, temporary_path
from wanderer_twisted.days import day_of
from wanderer_twisted.interfaces import StoreUnavailable
from wanderer_twisted.ops.census import Census, take_census
from wanderer_twisted.ops.covered import Covered
from wanderer_twisted.ops.log_counts import LogCounts
from wanderer_twisted.ops.reactor import ReactorDelay
from wanderer_twisted.records import ArchivedDay, Change
from wanderer_twisted.stream.rate import Rate


class ReactorDelayTests(SyncCase):
    """
    How late the reactor is.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.now = 1000.0
        self.delay = ReactorDelay(self.clock, lambda: self.now)
        self.delay.startService()

    def turn(self, late: float = 0.0) -> None:
        """
        One measurement, so much later than it is due.
        """
        self.now += 0.05 + late
        self.clock.advance(0.05)

    def test_measures(self) -> None:
        """
        Each delay is counted; being on time counts as none.
        """
        for late in (0.0, 0.0, 0.2, 0.0, 0.004):
            self.turn(late)
        delays = self.delay.delays
        self.assertEqual(delays.count, 5)
        self.assertAlmostEqual(delays.sum, 0.204)
        self.assertEqual(delays.counts[0], 3)
        self.assertAlmostEqual(self.delay.longest, 0.2)

    def test_early(self) -> None:
        """
        A call that comes early, by a clock that was set, is no negative delay.
        """
        self.turn(-0.04)
        self.assertEqual((self.delay.delays.sum, self.delay.longest), (0.0, 0.0))

    def test_longest_is_forgotten(self) -> None:
        """
        The longest delay is told for a minute at least, and two at most.
        """
        self.turn(0.3)
        for _ in range(int(59 / 0.05)):
            self.turn()
        self.assertAlmostEqual(self.delay.longest, 0.3)
        for _ in range(int(61 / 0.05)):
            self.turn()
        self.assertAlmostEqual(self.delay.longest, 0.0)

    def test_stops(self) -> None:
        """
        Nothing is left behind a stop.
        """
        self.delay.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class LogCountsTests(SyncCase):
    """
    How much was logged.
    """

    def test_by_level(self) -> None:
        """
        Counted by level, while the service runs; trouble is 0 from the start.
        """
        publisher = LogPublisher()
        log = Logger(observer=publisher)
        counts = LogCounts(publisher)
        log.error("before")
        counts.startService()
        log.info("one")
        log.info("two")
        log.failure("three", Failure(ZeroDivisionError()))
        publisher({"of": "an older kind, without a level"})
        counts.stopService()
        log.error("after")
        expected = {"warn": 0, "error": 0, "critical": 1, "info": 3}
        self.assertEqual(dict(counts.events), expected)


@attrs.frozen
class Streamer:
    following: bool
    mode: str = "realtime"
    lag: int = 0


class CensusTests(SyncCase):
    """
    What streams do.
    """

    def test_counts(self) -> None:
        """
        Each stream is one of three things; those that do not follow may be behind.
        """
        streams = [
            Streamer(True),
            Streamer(True),
            Streamer(False, lag=7),
            Streamer(False, "historical", lag=3),
            Streamer(False, "historical"),
        ]
        census = take_census(streams)
        self.assertEqual(census, Census(2, 1, 2, lag=10, most_lag=7))
        self.assertEqual(census.open, 5)
        self.assertEqual(take_census([]), Census())


class RateTests(SyncCase):
    """
    Killmails by the minute.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START)  # which begins a minute
        self.rate = Rate(self.clock)

    def count(self, number: int) -> None:
        for _ in range(number):
            self.rate.count()

    def test_whole_minutes(self) -> None:
        """
        Sixty whole minutes, the oldest first; the present one is not among them yet.
        """
        self.count(3)
        self.assertEqual(self.rate.minutes, [0] * 60)
        self.clock.advance(60)
        self.count(5)
        self.assertEqual(self.rate.minutes, [0] * 59 + [3])
        self.clock.advance(120)
        self.assertEqual(self.rate.minutes, [0] * 57 + [3, 5, 0])
        self.assertEqual(self.rate.total, 8)

    def test_forgets(self) -> None:
        """
        What is older than an hour is forgotten, also where nothing happened since.
        """
        self.count(3)
        self.clock.advance(60 * 60)
        self.assertEqual(self.rate.minutes, [3] + [0] * 59)
        self.clock.advance(60)
        self.assertEqual(self.rate.minutes, [0] * 60)
        self.count(2)
        self.clock.advance(1e6)
        self.assertEqual(self.rate.minutes, [0] * 60)
        self.assertEqual(self.rate.total, 5)

    def test_clock_set_back(self) -> None:
        """
        A clock that is set back loses nothing and stops nothing.
        """
        self.count(3)
        self.clock.rightNow -= 3600
        self.count(1)
        self.clock.advance(60)
        self.count(2)
        self.clock.advance(60)
        self.assertEqual(self.rate.minutes[-2:], [4, 2])


class CoveredTests(SyncCase):
    """
    How many days the store has whole.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        self.store = make_store(temporary_path(self), self.clock)
        self.addCleanup(self.store.close)
        self.covered = Covered(self.clock, self.store, 90, 2)
        self.addCleanup(self.stop)

    def stop(self) -> None:
        if self.covered.running:
            self.covered.stopService()

    def numbers(self) -> list[int]:
        covered = self.covered
        return [
            covered.days,
            covered.days_complete,
            covered.backfill_days,
            covered.backfill_days_complete,
        ]

    def have(self, *ago: int, complete: bool = True) -> None:
        """
        :param ago: how many days ago; 1 is yesterday.
        """
        today = day_of(START)
        days = [
            ArchivedDay(
                today - each,
                expected=5,
                have=5 if complete else 4,
                listed_at=START,
                loaded=True,
            )
            for each in ago
        ]
        self.successResultOf(self.store.commit(Change(days=days)))

    def test_counts(self) -> None:
        """
        Whole days of the span that a stream may ask for, and of the one that the
        server holds by itself; looked at again every minute.
        """
        self.have(1, 3, 90, 91)
        self.covered.startService()
        self.assertEqual(self.numbers(), [90, 3, 2, 1])
        self.have(2)
        self.have(1, complete=False)
        self.assertEqual(self.numbers(), [90, 3, 2, 1])
        self.clock.advance(60)
        self.assertEqual(self.numbers(), [90, 3, 2, 1])
        self.have(1)
        self.clock.advance(60)
        self.assertEqual(self.numbers(), [90, 4, 2, 2])
        self.clock.advance(DAY)
        self.assertEqual(self.numbers()[3], 1)

    def test_survives(self) -> None:
        """
        Neither a store that cannot be read nor an error ends it.
        """
        answers: list[Deferred[Any]] = [
            fail(StoreUnavailable("busy")),
            fail(ZeroDivisionError()),
            succeed([]),
        ]
        self.patch(self.store, "read_days", lambda: answers.pop(0))
        self.covered.startService()
        self.clock.pump([60, 60])
        self.assertEqual(answers, [])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
