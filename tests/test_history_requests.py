"""
Who wants the past of which ids: shared, fair, within a deadline, and in trouble.
"""

from twisted.internet.defer import CancelledError, Deferred, fail

from tests.support.history import CUTOFF, HistoryCase, character
from tests.support.killmails import DAY
from tests.support.past import NOW
from wanderer_twisted.days import day_of
from wanderer_twisted.history import walks
from wanderer_twisted.history.coverage import HOUR, month_start
from wanderer_twisted.interfaces import (
    StoreUnavailable,
    UpstreamError,
)
from wanderer_twisted.records import (
    Change,
    Commit,
    Report,
)


class Shared(HistoryCase):
    def setUp(self) -> None:
        super().setUp()
        for owner in range(1, 20):
            self.list_days_ago(owner, [1, 5, 95])
        self.listings.gate.held = True

    def let(self, count: int = 1) -> None:
        for _ in range(count):
            self.listings.gate.let_one()
            self.settle()

    def test_one_fetch(self) -> None:
        """
        Two who want the same share one fetch.
        """
        first, second = self.prepare(1), self.prepare(1)
        self.let()
        self.successResultOf(first)
        self.successResultOf(second)
        self.assertEqual(len(self.listings.asked), 1)

    def test_deepest_wins(self) -> None:
        """
        Who wants more than the fetch under way gets it too, by the same fetch; who
        wants less does not wait for it.
        """
        self.list_days_ago(30, range(1, 100))
        near = self.prepare(30, cutoff=NOW - 2 * DAY)
        far = self.prepare(30, cutoff=NOW - 8 * DAY)
        self.let()
        self.successResultOf(near)
        self.assertNoResult(far)
        self.let(3)
        self.successResultOf(far)
        self.assertTrue(self.report(30, cutoff=NOW - 8 * DAY).complete)
        self.assertEqual(len(set(self.listings.asked)), len(self.listings.asked))

    def test_one_page_at_a_time(self) -> None:
        """
        However many wait, one page is asked for at a time.
        """
        waiting = [self.prepare(1, 2, 3), self.prepare(4)]
        self.let(4)
        for each in waiting:
            self.successResultOf(each)
        self.assertEqual(self.listings.gate.most, 1)

    def test_fair(self) -> None:
        """
        Who wants one id does not wait for all of another's.
        """
        many = self.prepare(*range(1, 11))
        one = self.prepare(11)
        self.let(3)
        self.successResultOf(one)
        self.assertNoResult(many)

    def test_histories_at_once(self) -> None:
        """
        One more than three waits its turn, in order, and its deadline with it.
        """
        first = [self.prepare(each) for each in (1, 2, 3)]
        fourth, fifth = self.prepare(4), self.prepare(5)
        self.assertEqual((self.history.underway, self.history.waiting), (3, 2))
        self.clock.advance(29)
        self.let()
        self.successResultOf(first[0])
        self.assertEqual((self.history.underway, self.history.waiting), (3, 1))
        self.clock.advance(2)
        self.successResultOf(first[1])
        self.assertNoResult(fourth)
        self.clock.advance(28)
        self.successResultOf(fourth)
        self.assertNoResult(fifth)
        self.clock.advance(3)
        self.successResultOf(fifth)
        self.assertEqual((self.history.underway, self.history.waiting), (0, 0))
        self.assertEqual(self.history.late, 4)

    def test_more_or_fewer_at_once(self) -> None:
        """
        Who waits has a place as soon as there are more; where they become fewer nobody
        loses one, and the next waits until so many are free.
        """
        every = [self.prepare(each) for each in range(1, 8)]
        self.history.places.most = 5
        self.assertEqual((self.history.underway, self.history.waiting), (5, 2))
        every[6].addErrback(lambda _: None).cancel()
        self.history.places.most = 1
        self.assertEqual((self.history.underway, self.history.waiting), (5, 1))
        self.let(4)
        self.assertEqual((self.history.underway, self.history.waiting), (1, 1))
        self.let()
        self.assertEqual((self.history.underway, self.history.waiting), (1, 0))
        self.let()
        for each in every:
            self.successResultOf(each)
        self.assertEqual((self.history.underway, self.history.waiting), (0, 0))

    def test_covered_does_not_wait(self) -> None:
        """
        Who needs nothing is served though all places are taken.
        """
        covered = self.prepare(1)
        self.let()
        self.successResultOf(covered)
        for each in (2, 3, 4, 5):
            self.prepare(each)
        self.prepared(1)

    def test_deadline(self) -> None:
        """
        At the deadline what is there is told, and the rest goes on being fetched.
        """
        preparing = self.prepare(1, 2)
        self.let()
        self.clock.advance(30)
        self.successResultOf(preparing)
        self.assertEqual(self.report(1, 2), Report(0, 1, NOW - DAY, 90))
        self.assertEqual(self.history.walks, 1)
        self.let()
        self.assertTrue(self.report(1, 2, cutoff=CUTOFF + 30).complete)
        self.assertEqual(self.history.walks, 0)

    def test_background_last(self) -> None:
        """
        What nobody waits for any more comes behind what somebody does.
        """
        self.prepare(*range(1, 6)).addErrback(lambda _: None).cancel()
        waiting = self.prepare(10)
        self.let(2)
        self.successResultOf(waiting)

    def test_cancelled(self) -> None:
        """
        A client that leaves gives up its place, not the fetch.
        """
        gone = [self.prepare(each) for each in (1, 2, 3)]
        queued, last = self.prepare(4), self.prepare(5)
        queued.cancel()
        self.failureResultOf(queued, CancelledError)
        gone[0].cancel()
        self.failureResultOf(gone[0], CancelledError)
        self.settle()
        self.assertEqual((self.history.underway, self.history.waiting), (3, 0))
        self.let(4)
        self.successResultOf(last)
        self.assertTrue(self.report(1).complete)
        self.assertEqual(self.report(4).ids_incomplete, 1)

    def test_too_many_ids(self) -> None:
        """
        Over the bound the newest that nobody waits for is given up; where all are
        waited for, one more is told as incomplete at once.
        """
        self.patch(walks, "_WALKS", 3)
        self.prepare(1, 2, 3).addErrback(lambda _: None).cancel()
        self.prepare(4, 5)
        self.assertEqual(self.history.walks, 3)
        self.prepare(6)
        refused = self.prepare(7)
        self.assertEqual(self.history.walks, 3)
        self.successResultOf(refused)
        self.let(3)
        self.assertTrue(self.report(4, 5, 6).complete)
        self.assertEqual(self.report(3).ids_incomplete, 1)

    def test_stop(self) -> None:
        """
        Stopping ends every wait and leaves nothing behind.
        """
        waiting = [self.prepare(each) for each in range(1, 6)]
        self.history.stopService()
        self.settle()
        for each in waiting:
            self.successResultOf(each)
        self.assertEqual(len(self.listings.asked), 1)
        self.assertEqual(self.listings.gate.waiting, [])
        self.assertEqual(self.history.walks, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class Trouble(HistoryCase):
    def setUp(self) -> None:
        super().setUp()
        self.list_days_ago(1, [1, 5, 95])
        self.list_days_ago(2, [1, 5, 95])

    def test_asked_again(self) -> None:
        """
        A page that could not be had is asked for again, and others go on meanwhile.
        """
        self.listings.errors.append(UpstreamError("timeout"))
        first = self.prepare(1)
        self.prepared(2)
        self.assertNoResult(first)
        self.clock.advance(5)
        self.settle()
        self.successResultOf(first)
        self.assertTrue(self.report(1, cutoff=CUTOFF + 5).complete)

    def test_incomplete_at_the_deadline(self) -> None:
        """
        While the upstream is away a request ends by its deadline; the fetch goes on.
        """
        self.listings.errors.append(UpstreamError("busy", retry_after=120))
        preparing = self.prepare(1)
        self.clock.advance(30)
        self.successResultOf(preparing)
        self.assertEqual(self.report(1), Report(0, 1, NOW - DAY, 90))
        self.clock.advance(90)
        self.settle()
        self.assertTrue(self.report(1, cutoff=CUTOFF + 120).complete)

    def test_given_up(self) -> None:
        """
        A page that can't be had for a long time is given up, and asked for when
        somebody wants it again.
        """
        self.listings.errors.extend([UpstreamError("away")] * 6)
        preparing = self.prepare(1)
        self.clock.pump([5.0] * 40)
        self.successResultOf(preparing)
        self.assertEqual(self.history.walks, 0)
        self.prepared(1, cutoff=CUTOFF + 200)
        self.assertTrue(self.report(1, cutoff=CUTOFF + 200).complete)

    def test_bug_in_the_source(self) -> None:
        """
        An error that nobody foresaw is logged and ends that one fetch.
        """
        self.listings.errors.append(ZeroDivisionError())
        self.prepared(1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.prepared(2)
        self.assertTrue(self.report(2).complete)

    def test_store_that_cannot_write(self) -> None:
        """
        What was fetched waits for the store; nothing is claimed before.
        """
        failures = [StoreUnavailable("disk full")] * 2
        commit = self.store.commit

        def flaky(change: Change) -> Deferred[Commit]:
            return fail(failures.pop()) if failures else commit(change)

        self.store.commit = flaky  # type: ignore[method-assign]
        preparing = self.prepare(1)
        self.assertEqual(self.report(1).ids_incomplete, 1)
        self.assertIn("disk full", self.history.keeper.committer.trouble)
        self.clock.pump([0.5, 1.0])
        self.settle()
        self.successResultOf(preparing)
        self.assertTrue(self.report(1, cutoff=CUTOFF + 2).complete)

    def test_store_that_cannot_be_read(self) -> None:
        """
        Preparing never fails; the report does, and says that the store is unavailable.
        """
        self.patch(
            self.store, "read_positions", lambda: fail(StoreUnavailable("locked"))
        )
        self.prepared(1)
        report = self.history.report(character(1), CUTOFF)
        self.failureResultOf(report, StoreUnavailable)

    def test_hole_in_the_feed(self) -> None:
        """
        A feed that lost something makes listings necessary again.
        """
        self.prepared(1)
        self.clock.advance(3 * HOUR)
        self.feed_since(NOW + 2 * HOUR)
        later = CUTOFF + int(4 * HOUR)
        self.assertEqual(self.report(1, cutoff=later).ids_incomplete, 1)
        self.clock.advance(1 * HOUR)
        self.prepared(1, cutoff=later)
        self.assertEqual(len(self.listings.asked), 2)
        self.assertTrue(self.report(1, cutoff=later).complete)

    def test_too_far_back(self) -> None:
        """
        Nobody has more fetched than the limit, nor is told that there is more.
        """
        cutoff = month_start((2020, 1))
        self.prepared(1, cutoff=cutoff)
        self.assertEqual(self.places(), [(1, None)])
        days = day_of(NOW) - day_of(cutoff)
        report = Report(0, 1, NOW - 91 * DAY, days)
        self.assertEqual(self.report(1, cutoff=cutoff), report)
