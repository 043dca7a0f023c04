"""
From a feed's pages to the store: order, places, trouble, and the poll loop.
"""

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail
from zope.interface.verify import verifyObject

from tests.support.killmails import DAY
from tests.support.past import NOW, FakeFeed, PastCase, package
from tests.support.store import make_store
from wanderer_twisted.ingest.committing import StoreFailed
from wanderer_twisted.ingest.feeds import (
    CURRENT_SECONDS,
    FeedService,
    statuses,
    that_count,
)
from wanderer_twisted.interfaces import IKillmailFeed, StoreUnavailable, UpstreamError
from wanderer_twisted.records import (
    Change,
    Commit,
    FeedPage,
    FeedPosition,
    FeedsThatCount,
    Hole,
    Package,
    Record,
)
from wanderer_twisted.sources.feed import FAILING_AFTER


def page(*ids: int, cursor: str | None = None, **parts: Any) -> FeedPage:
    position = None if cursor is None else FeedPosition("fake", cursor, NOW)
    return FeedPage([package(each) for each in ids], position, **parts)


class IngestCase(PastCase):
    window = 2

    def setUp(self) -> None:
        super().setUp()
        self.commits: list[Commit] = []
        self.store.listen(self.commits.append)
        self.changes: list[Change] = []
        self.errors: list[Exception] = []
        commit = self.store.commit

        def watched(change: Change) -> Deferred[Commit]:
            if self.errors:
                return fail(self.errors.pop(0))
            self.changes.append(change)
            return commit(change)

        self.patch(self.store, "commit", watched)
        self.feed = FakeFeed(window=self.window)
        self.service = FeedService(self.clock, self.feed, self.intake, self.store)

    def start(self) -> None:
        self.service.startService()
        self.addCleanup(self.stop)

    def stop(self) -> None:
        if self.service.running:
            stopping = self.service.stopService()
            self.clock.advance(10)
            self.successResultOf(stopping)

    def announced(self) -> Sequence[int]:
        return [
            each.killmail_id
            for commit in self.commits
            for each in commit.journal
            if isinstance(each, Record)
        ]

    def position(self) -> FeedPosition | None:
        return self.successResultOf(self.store.read_position("fake"))


class Order(IngestCase):
    def test_committed_together(self) -> None:
        """
        A page is one transaction: killmails, position and holes; each is announced.
        """
        hole = Hole("fake", 7, 9, NOW - 60, NOW)
        self.start()
        self.feed.give(page(3, 1, 2, cursor="10", holes=[hole]))
        self.settle()
        (change,) = self.changes
        self.assertTrue(change.announce)
        self.assertEqual(change.holes, [hole])
        self.assertEqual(self.announced(), [3, 1, 2])
        self.assertEqual(self.position(), FeedPosition("fake", "10", NOW))

    def test_what_waits_goes_together(self) -> None:
        """
        Pages that arrive while one is at work are one group, with the last position and
        one look-up of names.
        """
        self.name_source.gate.held = True
        self.feed.pages.extend([page(1, cursor="1"), page(2, cursor="2"), page(3)])
        self.start()
        self.settle()
        self.assertEqual(self.feed.polls, 3)
        self.name_source.gate.open()
        self.settle()
        self.assertEqual(self.announced(), [1, 2, 3])
        self.assertEqual([len(each.entries) for each in self.changes], [1, 2])
        self.assertEqual(self.position(), FeedPosition("fake", "2", NOW))

    def test_small_transactions(self) -> None:
        """
        Fifty killmails go at once at most, and the position comes with the last.
        """
        self.feed.pages.append(page(*range(1, 121), cursor="120"))
        self.start()
        self.settle()
        self.assertEqual([len(each.entries) for each in self.changes], [50, 50, 20])
        where = [each.position is not None for each in self.changes]
        self.assertEqual(where, [False, False, True])
        self.assertEqual(self.announced(), [*range(1, 121)])

    def test_position_alone(self) -> None:
        """
        A page without killmails moves the position; one without anything is no work.
        """
        self.feed.pages.extend([page(cursor="5"), page()])
        self.start()
        self.settle()
        self.assertEqual(len(self.changes), 1)
        self.assertEqual(self.position(), FeedPosition("fake", "5", NOW))

    def test_window(self) -> None:
        """
        No more pages are polled than may be waiting.
        """
        self.name_source.gate.held = True
        self.feed.pages.extend(page(each) for each in range(1, 10))
        self.start()
        self.settle()
        self.assertEqual(self.feed.polls, self.window + 1)
        self.name_source.gate.open()
        self.settle()
        self.assertEqual(self.announced(), [*range(1, 10)])

    def test_counted(self) -> None:
        """
        Killmails are counted by what became of them.
        """
        self.feed.pages.extend([page(1, 2), page(2, 3, 3)])
        self.feed.pages.append(FeedPage([package(4, system=0)]))
        self.start()
        self.settle()
        expected = {"new": 3, "known": 2, "rejected": 1}
        self.assertEqual(dict(self.service.ingest.killmails), expected)
        self.assertEqual(self.announced(), [1, 2, 3])
        self.assertEqual(self.service.ingest.last_killmail, NOW)


class ForgetfulQueue(IngestCase):
    """
    A queue that forgets what it handed out: the window is 0.
    """

    window = 0

    def test_stored_before_the_next_poll(self) -> None:
        """
        It is not polled again before its killmail is committed.
        """
        self.errors = [StoreUnavailable("locked")] * 3
        self.feed.pages.extend([page(1), page(2)])
        self.start()
        self.settle()
        self.assertEqual(self.feed.polls, 1)
        self.clock.pump([0.5, 1.0])
        self.settle()
        self.assertEqual(self.feed.polls, 1)
        self.clock.pump([2.0])
        self.settle()
        self.assertEqual(self.announced(), [1, 2])
        self.assertEqual(self.feed.polls, 3)

    def test_stop_keeps_what_was_taken(self) -> None:
        """
        Stopping lets the killmail in hand be committed first.
        """
        self.name_source.gate.held = True
        self.feed.pages.append(page(1))
        self.start()
        self.settle()
        stopping = self.service.stopService()
        self.assertNoResult(stopping)
        self.clock.advance(2)
        self.successResultOf(stopping)
        self.assertEqual(self.announced(), [1])


class Trouble(IngestCase):
    def test_store_unavailable(self) -> None:
        """
        While the store is unavailable the feed waits; the status says why; nothing is
        skipped.
        """
        self.errors = [StoreUnavailable("disk full")] * 2
        self.feed.pages.extend(page(each, cursor=str(each)) for each in (1, 2, 3))
        self.start()
        self.settle()
        status = self.service.status()
        self.assertEqual(status.state, "failing")
        self.assertEqual(status.reason, "The store is unavailable: disk full")
        self.assertEqual(self.announced(), [])
        self.clock.pump([0.5, 1.0])
        self.settle()
        self.assertEqual(self.announced(), [1, 2, 3])
        self.assertEqual(self.service.status().state, "live")
        self.assertEqual(self.service.status().last_killmail, NOW + 1.5)

    def test_poison_for_the_store(self) -> None:
        """
        A killmail that the store can't take is set aside, and the others are stored.
        """
        commit = self.store.commit

        def picky(change: Change) -> Deferred[Commit]:
            if 2 in [each.killmail.killmail_id for each in change.entries]:
                return fail(ZeroDivisionError())
            return commit(change)

        self.patch(self.store, "commit", picky)
        self.feed.pages.append(page(1, 2, 3, cursor="3"))
        self.start()
        self.settle()
        self.assertEqual(self.announced(), [1, 3])
        self.assertEqual(self.position(), FeedPosition("fake", "3", NOW))
        (reject,) = [each for change in self.changes for each in change.rejects]
        self.assertEqual(reject.killmail_id, 2)
        self.assertIn("ZeroDivisionError", reject.reason)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_id_that_is_none(self) -> None:
        """
        A number that no store can hold is no id, and stops no feed.
        """
        odd = Package(2**63, None, esi={}, zkb={})
        self.feed.pages.append(FeedPage([odd], FeedPosition("fake", "2", NOW)))
        self.feed.pages.append(page(3, cursor="3"))
        self.start()
        self.settle()
        self.assertEqual(self.announced(), [3])
        self.assertEqual(self.position(), FeedPosition("fake", "3", NOW))
        (reject,) = [each for change in self.changes for each in change.rejects]
        self.assertIs(reject.killmail_id, None)

    def test_body_that_is_given_up(self) -> None:
        """
        A body that can't be had holds up what follows, and is told as a hole in the
        end: streams hear of it, and the archive repairs it.
        """
        self.bodies.errors[1] = [UpstreamError("down")] * 100
        self.feed.pages.append(
            FeedPage([package(1, has_body=False)], FeedPosition("fake", "1", NOW))
        )
        self.feed.pages.append(page(2, cursor="2"))
        self.start()
        self.clock.pump([1.0] * 540)
        self.assertEqual(self.announced(), [])
        self.assertEqual(self.service.status().reason, "The body of 1 is lacking: down")
        self.clock.pump([1.0] * 60)
        self.settle()
        self.assertEqual(self.announced(), [2])
        (hole,) = self.successResultOf(self.store.read_holes())
        # Feeds keep a day: nobody knows when it was published.
        self.assertEqual(
            (hole.feed, hole.since, hole.until), ("fake", NOW - DAY, NOW + 542)
        )
        # Behind it the feed is whole again, whatever it says itself.
        self.assertEqual(self.position(), FeedPosition("fake", "2", NOW + 542))

    def test_hole_behind_what_is_known(self) -> None:
        """
        What was given up was published since the last that is stored.
        """
        self.start()
        self.feed.give(FeedPage([package(1, NOW - 7200)]))
        self.settle()
        self.bodies.errors[2] = [UpstreamError("down", 601)]
        self.feed.give(FeedPage([package(2, has_body=False)]))
        self.settle()
        (hole,) = self.successResultOf(self.store.read_holes())
        self.assertEqual((hole.since, hole.until), (NOW - 7200, NOW))

    def test_unexpected(self) -> None:
        """
        An error that nobody foresaw delays the pages and does not lose them.
        """
        self.errors = [ZeroDivisionError(), ZeroDivisionError()]
        self.feed.pages.append(page(cursor="3"))
        self.start()
        self.settle()
        self.assertEqual(self.service.status().state, "failing")
        self.clock.pump([1.0, 2.0])
        self.settle()
        self.assertEqual(self.position(), FeedPosition("fake", "3", NOW))
        self.assertEqual(self.service.status().state, "live")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_no_killmail_is_blamed_for_the_store(self) -> None:
        """
        Where not one of several can be stored it is not their fault: they are kept.
        """
        self.errors = [ZeroDivisionError()] * 4
        self.feed.pages.append(page(1, 2, 3, cursor="3"))
        self.start()
        self.settle()
        self.assertEqual(self.changes, [])
        self.clock.advance(1)
        self.settle()
        self.assertEqual(self.announced(), [1, 2, 3])
        self.assertEqual(self.service.ingest.killmails["rejected"], 0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 4)
        self.assertEqual(len(self.flushLoggedErrors(StoreFailed)), 1)

    def test_stop_has_a_deadline(self) -> None:
        """
        A store that stays away holds the stop up for five seconds.
        """
        self.errors = [StoreUnavailable("locked")] * 1000
        self.feed.pages.append(page(1))
        self.start()
        self.settle()
        stopping = self.service.stopService()
        self.clock.pump([1.0] * 4)
        self.assertNoResult(stopping)
        self.clock.advance(1.1)
        self.successResultOf(stopping)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.announced(), [])


class Polling(IngestCase):
    def test_position_read_later(self) -> None:
        """
        A position that cannot be read at first, for whatever reason, is read again.
        """
        whole = self.store.read_position
        answers = [fail(ZeroDivisionError())]

        def read_position(name: str) -> Deferred[Any]:
            return answers.pop() if answers else whole(name)

        self.patch(self.store, "read_position", read_position)
        self.feed.pages.append(page(1, cursor="1"))
        self.start()
        self.settle()
        self.assertEqual((self.feed.polls, self.feed.restored), (0, []))
        self.clock.advance(1)
        self.settle()
        self.assertEqual((self.announced(), self.feed.restored), ([1], [None]))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_fake_is_a_feed(self) -> None:
        """
        The fake is a feed.
        """
        verifyObject(IKillmailFeed, self.feed)

    def test_restored(self) -> None:
        """
        It begins where the store says that the feed was, and after a restart too.
        """
        self.feed.pages.append(page(1, cursor="77"))
        self.start()
        self.settle()
        self.assertEqual(self.feed.restored, [None])
        self.stop()
        self.store.close()
        self.store = make_store(self.path, self.clock)
        again = FakeFeed()
        service = FeedService(self.clock, again, self.intake, self.store)
        service.startService()
        self.assertEqual(again.restored, [FeedPosition("fake", "77", NOW)])
        service.stopService()

    def test_position_that_cannot_be_read(self) -> None:
        """
        The feed is not polled before its position is known.
        """
        answers = [fail(StoreUnavailable("locked")), self.store.read_position("fake")]
        self.patch(self.store, "read_position", lambda feed: answers.pop(0))
        self.start()
        self.assertEqual(self.feed.polls, 0)
        self.assertIn("locked", self.service.status().reason)
        self.clock.advance(0.5)
        self.assertEqual(self.feed.polls, 1)

    def test_position_that_the_feed_refuses(self) -> None:
        """
        A feed that can't go on where it was begins anew.
        """

        def restore(position: FeedPosition | None) -> None:
            if position is not None:
                raise ZeroDivisionError
            self.feed.restored.append(None)

        self.successResultOf(
            self.store.commit(Change(position=FeedPosition("fake", "x", NOW)))
        )
        self.patch(self.feed, "restore", restore)
        self.start()
        self.assertEqual(self.feed.restored, [None])
        self.assertEqual(self.feed.polls, 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_pause(self) -> None:
        """
        The next poll waits as long as the page says.
        """
        self.feed.pages.append(page(1, pause=6.0))
        self.start()
        self.clock.advance(5.9)
        self.assertEqual(self.feed.polls, 1)
        self.clock.advance(0.2)
        self.assertEqual(self.feed.polls, 2)

    def test_upstream_error(self) -> None:
        """
        A poll that failed is repeated after the time that the feed gives.
        """
        self.feed.pages.append(UpstreamError("ban", retry_after=600))
        self.start()
        self.clock.advance(599)
        self.assertEqual(self.feed.polls, 1)
        self.clock.advance(1)
        self.assertEqual(self.feed.polls, 2)
        self.assertEqual(self.service.errors, 1)

    def test_bug_in_the_feed(self) -> None:
        """
        A poll that fails in any other way is logged, told, and repeated.
        """
        self.feed.pages.extend([ZeroDivisionError(), ZeroDivisionError(), page(1)])
        self.start()
        self.assertIn("ZeroDivisionError", self.service.status().reason)
        self.clock.pump([1.0, 2.0])
        self.settle()
        self.assertEqual(self.announced(), [1])
        self.assertEqual(self.service.status().reason, "")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_stop(self) -> None:
        """
        Stopping cancels the poll in flight and leaves nothing behind.
        """
        self.start()
        self.successResultOf(self.service.stopService())
        self.assertEqual(self.feed.cancelled, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_statuses(self) -> None:
        """
        All feeds are told, in their order.
        """
        other = FeedService(self.clock, FakeFeed("other"), self.intake, self.store)
        names = [each.name for each in statuses([self.service, other])]
        self.assertEqual(names, ["fake", "other"])


class Current(IngestCase):
    """
    Whether a feed counts for what is proven to be in the store.
    """

    def assert_current(self, expected: bool) -> None:
        self.assertEqual(
            that_count([self.service]), FeedsThatCount(["fake"], current=expected)
        )

    def test_start(self) -> None:
        """
        Before anything is known of it, it is supposed to be current for two minutes.
        """
        self.start()
        self.clock.advance(FAILING_AFTER - 1)
        self.assert_current(True)
        self.clock.advance(1)
        self.assert_current(False)

    def test_catching_up(self) -> None:
        """
        One that brings what died long ago is not, from its first killmail on; it is
        when it comes to what died a short while ago.
        """
        self.feed.pages.append(FeedPage([package(1, int(NOW - 3600))]))
        self.start()
        self.settle()
        self.assert_current(False)
        self.feed.give(FeedPage([package(2, int(NOW - CURRENT_SECONDS))]))
        self.settle()
        self.assert_current(False)
        self.feed.give(FeedPage([package(3, int(NOW - CURRENT_SECONDS) + 1)]))
        self.settle()
        self.assert_current(True)

    def test_quiet(self) -> None:
        """
        While nobody dies, or what is brought died long ago, it is enough that the feed
        says that there is no more.
        """
        self.start()
        for number in range(1, 61):
            self.clock.advance(60)
            old = [package(number, int(NOW - 3600))] if number % 2 else []
            self.feed.give(FeedPage(old, until=self.clock.seconds()))
            self.settle()
            self.assert_current(True)

    def test_trouble(self) -> None:
        """
        A short one changes nothing; after a quarter of an hour it counts no more, until
        it is back.
        """
        self.feed.pages.append(page(until=NOW))
        self.feed.pages.append(UpstreamError("ban", retry_after=1800))
        self.start()
        self.settle()
        self.clock.advance(CURRENT_SECONDS - 1)
        self.assert_current(True)
        self.clock.advance(1)
        self.assert_current(False)
        self.clock.advance(CURRENT_SECONDS)
        self.feed.give(page(until=self.clock.seconds()))
        self.assert_current(True)

    def test_only_what_is_stored(self) -> None:
        """
        That there is no more counts when all that came before it is stored.
        """
        self.feed.pages.append(page(1, until=NOW))
        self.start()
        self.settle()
        self.clock.advance(CURRENT_SECONDS)
        self.errors = [StoreUnavailable("disk full")]
        self.feed.give(page(2))
        self.settle()
        self.feed.give(page(until=self.clock.seconds()))
        self.settle()
        self.assert_current(False)
        self.clock.advance(0.5)
        self.settle()
        self.assertEqual(self.announced(), [1, 2])
        self.assert_current(True)

    def test_killmail_of_the_future(self) -> None:
        """
        A clock that is wrong elsewhere makes no feed current for longer.
        """
        self.feed.pages.append(FeedPage([package(1, NOW + 86400)]))
        self.start()
        self.settle()
        self.clock.advance(CURRENT_SECONDS)
        self.assert_current(False)
