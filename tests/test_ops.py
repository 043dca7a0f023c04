"""
What an operator's machines ask, and the upkeep of the store.
"""

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from tests.support.cases import SyncCase
from tests.support.eventsource import EventSource
from tests.support.killmails import DAY, START, entry
from tests.support.store import make_store, temporary_path
from tests.support.transport import MemoryTransport
from tests.test_session import ReadyHistory
from wanderer_twisted.interfaces import StoreUnavailable
from wanderer_twisted.ops.health import FeedWatch, Health, best
from wanderer_twisted.ops.indexing import Indexing
from wanderer_twisted.ops.retention import EVERY_SECONDS, Retention
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import Change, FeedState, FeedStatus
from wanderer_twisted.stream.hub import Hub
from wanderer_twisted.stream.opening import Wish


class OpsCase(SyncCase):
    """
    A hub and feeds whose state the test sets.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        self.store = make_store(temporary_path(self), self.clock)
        self.addCleanup(self.store.close)
        self.hub = Hub(self.clock, self.store, ReadyHistory(), lambda: None)
        self.hub.startService()
        self.feeds = [FeedStatus("r2z2", "live"), FeedStatus("redisq", "live")]

    def statuses(self) -> list[FeedStatus]:
        return self.feeds

    def set(self, number: int, state: FeedState, reason: str = "") -> None:
        self.feeds[number] = attrs.evolve(
            self.feeds[number], state=state, reason=reason
        )


class HealthTests(OpsCase):
    """
    Readiness.
    """

    def setUp(self) -> None:
        super().setUp()
        self.health = Health(self.hub, self.store, self.statuses)

    def test_ready(self) -> None:
        """
        With its feeds alive the server is ready.
        """
        ready, document = self.health.report()
        self.assertTrue(ready)
        self.assertEqual((document["status"], document["reasons"]), ("ready", []))
        size = self.store.size()
        self.assertGreater(size, 0)
        self.assertEqual(
            document["store"], {"epoch": self.store.epoch, "head": 0, "bytes": size}
        )
        self.assertEqual(document["streams"], 0)

    def test_quiet_game(self) -> None:
        """
        A quiet game is no trouble.
        """
        self.set(0, "quiet")
        self.set(1, "quiet")
        self.assertTrue(self.health.report()[0])

    def test_one_feed_is_enough(self) -> None:
        """
        While one feed lives the server is ready, and says what ails the other.
        """
        self.set(0, "failing", "status 500")
        ready, document = self.health.report()
        self.assertTrue(ready)
        self.assertEqual(document["reasons"], ["r2z2 is failing: status 500"])

    def test_no_feed_left(self) -> None:
        """
        Without a feed that lives it is not.
        """
        self.set(0, "failing", "The store is full")
        self.set(1, "silent")
        ready, document = self.health.report()
        self.assertFalse(ready)
        self.assertEqual(
            document["reasons"],
            [
                "r2z2 is failing: The store is full",
                "redisq is silent",
            ],
        )

    def test_draining(self) -> None:
        """
        Nor while it goes down.
        """
        self.hub.stopService()
        ready, document = self.health.report()
        self.assertFalse(ready)
        self.assertEqual(document["reasons"], ["The server is going down"])

    def test_best(self) -> None:
        """
        Clients are told of the feed that does best.
        """
        self.set(0, "failing")
        self.assertEqual(best(self.feeds), self.feeds[1])
        self.assertIsNone(best([]))


class FeedWatchTests(OpsCase):
    """
    Streams are told when a feed goes bad.
    """

    def test_warned_once(self) -> None:
        """
        Once for each time that the last good one goes bad, not for as long as it is.
        """
        transport = MemoryTransport()
        opened = Deferred.fromCoroutine(self.hub.open(Wish(Filter()), transport))
        session = self.successResultOf(opened)
        watch = FeedWatch(self.clock, self.hub, self.statuses)
        watch.startService()
        self.set(1, "failing")  # the other does well
        self.clock.pump([5, 5])
        self.set(0, "silent")
        self.clock.pump([5, 5])
        self.set(0, "failing")  # still bad
        self.clock.pump([5, 5])
        self.set(0, "live")
        self.clock.pump([5])
        self.set(0, "failing")
        self.clock.pump([5, 5])
        watch.stopService()
        events = EventSource().feed(transport.take())
        warnings = [each for each in events if each.name == "warning"]
        self.assertEqual(
            [each.data["message"].split(":")[0] for each in warnings],
            ["The feed r2z2 is silent", "The feed r2z2 is failing"],
        )
        self.assertEqual({each.data["type"] for each in warnings}, {"feed_silent"})
        session.close("gone")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_survives(self) -> None:
        """
        A state that cannot be read ends nothing.
        """
        watch = FeedWatch(self.clock, self.hub, lambda: [1 // 0])  # type: ignore[list-item]
        watch.startService()
        self.clock.pump([5, 5])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 3)
        watch.stopService()


class RetentionTests(OpsCase):
    """
    What is old is removed, a slice at a time.
    """

    def test_prunes(self) -> None:
        """
        Slices follow each other shortly while there is more.
        """
        entries = [entry(each, kill_time=START) for each in range(1, 451)]
        self.successResultOf(self.store.commit(Change(entries)))
        self.clock.advance(101 * DAY)
        newest = entry(451, kill_time=int(self.clock.seconds()))
        self.successResultOf(self.store.commit(Change([newest])))
        retention = Retention(self.clock, self.store)
        retention.startService()
        self.assertIsNotNone(self.successResultOf(self.store.read_killmail(450)))
        self.clock.pump([0.5] * 4)
        self.assertIsNone(self.successResultOf(self.store.read_killmail(450)))
        retention.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_clock_that_is_ahead(self) -> None:
        """
        What is old is so by the newest killmail, not by a clock that may be wrong.
        """
        for number, days in enumerate([0, 99, 101]):
            killmail = entry(number + 1, kill_time=START + days * DAY)
            self.successResultOf(self.store.commit(Change([killmail])))
            self.clock.advance(400 * DAY)
            retention = Retention(self.clock, self.store)
            retention.startService()
            retention.stopService()
        found = [
            id
            for id in (1, 2, 3)
            if self.successResultOf(self.store.read_killmail(id)) is not None
        ]
        self.assertEqual(found, [2, 3])

    def test_survives(self) -> None:
        """
        A store that can't do it now is asked again later.
        """
        answers = [fail(StoreUnavailable("locked")), succeed(False), succeed(False)]
        self.patch(self.store, "prune", lambda now: answers.pop(0))
        retention = Retention(self.clock, self.store)
        retention.startService()
        self.clock.pump([EVERY_SECONDS] * 2)
        self.assertEqual(answers, [])
        retention.stopService()


class IndexingTests(OpsCase):
    """
    An older database is indexed, a slice at a time.
    """

    def run_with(self, *answers: Deferred[bool]) -> list[Deferred[bool]]:
        """
        :returns: the answers that were not asked for within some minutes.
        """
        left = list(answers)
        self.patch(self.store, "index_more", lambda: left.pop(0))
        indexing = Indexing(self.clock, self.store)
        indexing.startService()
        self.clock.pump([30] * 6)
        indexing.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return left

    def test_until_all_is(self) -> None:
        """
        Slice follows slice until there is no more.
        """
        left = self.run_with(*map(succeed, (True, True, False, True)))
        self.assertEqual(len(left), 1)

    def test_survives(self) -> None:
        """
        Neither a store that can't do it now nor an error ends it.
        """
        troubles = fail(StoreUnavailable("locked")), fail(ZeroDivisionError())
        left = self.run_with(*troubles, succeed(True), succeed(False))
        self.assertEqual(left, [])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_stops_in_between(self) -> None:
        """
        A stop ends it between two slices.
        """
        self.patch(self.store, "index_more", lambda: succeed(True))
        indexing = Indexing(self.clock, self.store)
        indexing.startService()
        self.clock.advance(1)
        indexing.stopService()
        slices = indexing.slices
        self.assertGreater(slices, 0)
        self.clock.advance(10)
        self.assertEqual(indexing.slices, slices)
