"""
When an upstream may be asked again.
"""

from random import Random

from twisted.internet.task import Clock

from tests.support.cases import SyncCase
from wanderer_twisted.sources.pacing import Backoff, Breaker, Pace


class PaceTests(SyncCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = 1000.0

    def test_one_after_the_other(self) -> None:
        """
        Without a burst, tokens come one interval apart.
        """
        pace = Pace(self.clock, interval=0.5, waiting=3)
        self.assertEqual([pace.take() for _ in range(4)], [0.0, 0.5, 1.0, 1.5])

    def test_rest(self) -> None:
        """
        A token unused is lost: after a rest only one goes at once.
        """
        pace = Pace(self.clock, interval=0.5, waiting=3)
        pace.take()
        self.clock.advance(60)
        self.assertEqual([pace.take() for _ in range(2)], [0.0, 0.5])

    def test_burst(self) -> None:
        """
        A burst goes at once, and what follows at the interval.
        """
        pace = Pace(self.clock, interval=1.0, burst=3, waiting=3)
        self.assertEqual([pace.take() for _ in range(5)], [0, 0, 0, 1, 2])

    def test_clock_set_back(self) -> None:
        """
        A clock set back by an hour makes nobody wait for an hour.
        """
        pace = Pace(self.clock, interval=1.0)
        pace.take()
        self.clock.rightNow -= 3600
        self.assertLessEqual(pace.take(), 2.0)


class BackoffTests(SyncCase):
    def test_doubles_to_the_most(self) -> None:
        """
        Waits double up to the most, and are never shorter than they say.
        """
        backoff = Backoff(1.0, 60.0, Random(1))
        waits = [backoff.next() for _ in range(9)]
        for wait, least in zip(waits, (1, 2, 4, 8, 16, 32, 60, 60, 60), strict=True):
            self.assertTrue(least <= wait <= least * 1.25, (wait, least))

    def test_jitter(self) -> None:
        """
        Two that failed together do not come back together.
        """
        self.assertNotEqual(
            Backoff(1.0, 60.0, Random(1)).next(), Backoff(1.0, 60.0, Random(2)).next()
        )

    def test_reset(self) -> None:
        """
        A success begins the waits anew.
        """
        backoff = Backoff(1.0, 60.0, Random(1))
        for _ in range(5):
            backoff.next()
        backoff.reset()
        self.assertLessEqual(backoff.next(), 1.25)


class BreakerTests(SyncCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.breaker = Breaker("there", self.clock)

    def break_down(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.begin()
            self.breaker.failed()

    def test_opens(self) -> None:
        """
        Five failures in a row open it, four do not.
        """
        self.break_down(4)
        self.assertEqual((self.breaker.state, self.breaker.wait()), ("closed", 0.0))
        self.break_down()
        self.assertEqual(self.breaker.state, "open")
        self.assertTrue(15 <= self.breaker.wait() <= 18.75)

    def test_successes_between(self) -> None:
        """
        Failures count only in a row.
        """
        for _ in range(4):
            self.break_down(4)
            self.breaker.begin()
            self.breaker.succeeded()
        self.assertEqual(self.breaker.state, "closed")

    def test_one_probe(self) -> None:
        """
        When its time is over one request may try, and no other meanwhile.
        """
        self.break_down(5)
        self.clock.advance(self.breaker.wait())
        self.assertEqual((self.breaker.state, self.breaker.wait()), ("half-open", 0.0))
        self.breaker.begin()
        self.assertGreater(self.breaker.wait(), 0)

    def test_probe_succeeds(self) -> None:
        """
        A probe that goes well closes it.
        """
        self.break_down(5)
        self.clock.advance(self.breaker.wait())
        self.breaker.begin()
        self.breaker.succeeded()
        self.assertEqual((self.breaker.state, self.breaker.wait()), ("closed", 0.0))

    def test_probe_fails(self) -> None:
        """
        A probe that fails opens it again, for twice as long.
        """
        self.break_down(5)
        self.clock.advance(self.breaker.wait())
        self.break_down()
        self.assertTrue(30 <= self.breaker.wait() <= 37.5)
        self.assertEqual(self.breaker.opened, 2)

    def test_probe_abandoned(self) -> None:
        """
        A probe that nobody waited for leaves the next one its turn.
        """
        self.break_down(5)
        self.clock.advance(self.breaker.wait())
        self.breaker.begin()
        self.breaker.abandoned()
        self.assertEqual(self.breaker.wait(), 0.0)
