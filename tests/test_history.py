"""
The past of some ids: fetched once, for all who want it, and told as far as it is there.
"""

from collections.abc import Collection
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail
from zope.interface.verify import verifyObject

from tests.support.killmails import DAY, entry
from tests.support.past import NOW, FakeListings, PastCase, package
from tests.support.store import make_store
from wanderer_twisted.history import History, coverage, keeper, service
from wanderer_twisted.history.coverage import HOUR, LAG, month_start
from wanderer_twisted.history.keeper import kill_time
from wanderer_twisted.interfaces import (
    IHistory,
    IListingSource,
    Refused,
    StoreUnavailable,
    UpstreamError,
)
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import (
    Change,
    Commit,
    Coverage,
    FeedPosition,
    Package,
    Report,
)

CUTOFF = NOW - 90 * DAY
NOVEMBER, OCTOBER, SEPTEMBER = (2026, 11), (2026, 10), (2026, 9)


def character(*ids: int) -> Filter:
    return Filter(character_ids=frozenset(ids))


class HistoryCase(PastCase):
    """
    Pages of three rows, a feed that has run for a day, and three histories at once.
    """

    def setUp(self) -> None:
        super().setUp()
        self.patch(coverage, "FULL_PAGE", 3)
        self.listings = FakeListings(self.clock)
        self.changes: list[Change] = []
        self.history = self.make_history()
        self.feed_since(NOW - DAY)

    def make_history(self) -> History:
        commit = self.store.commit

        def watched(change: Change) -> Deferred[Commit]:
            self.changes.append(change)
            return commit(change)

        self.store.commit = watched  # type: ignore[method-assign]
        history = History(
            self.clock,
            self.store,
            self.listings,
            self.intake,
            feeds=["fake"],
            histories_at_once=3,
        )
        history.startService()
        self.addCleanup(history.stopService)
        return history

    def feed_since(self, since: float) -> None:
        position = FeedPosition("fake", "1", since)
        self.successResultOf(self.store.commit(Change(position=position)))

    def prepare(self, *ids: int, cutoff: int = CUTOFF) -> Deferred[None]:
        """
        Ask for the past of *ids*, and let happen what can.
        """
        preparing = self.history.prepare(character(*ids), cutoff)
        self.settle()
        return preparing

    def prepared(self, *ids: int, cutoff: int = CUTOFF) -> None:
        self.successResultOf(self.prepare(*ids, cutoff=cutoff))

    def report(self, *ids: int, cutoff: int = CUTOFF) -> Report:
        return self.successResultOf(self.history.report(character(*ids), cutoff))

    def coverage(self, owner: int) -> Coverage | None:
        found = self.successResultOf(self.store.read_coverage("character", [owner]))
        return found.get(owner)

    def list_days_ago(
        self, owner: int, days: Collection[float], first: int = 0
    ) -> None:
        """
        Have killmails listed, with ids in the order of their times.
        """
        base = first or owner * 1000
        self.listings.add("character", owner, [])
        rows = [
            package(base + n, int(NOW - day * DAY), victim=owner)
            for n, day in enumerate(sorted(days, reverse=True))
        ]
        self.listings.add("character", owner, rows)

    def listed(self, owner: int) -> list[Package]:
        return self.listings.rows["character", owner]

    def bodies_of(self, owner: int) -> dict[int, Any]:
        return {each.esi["killmail_id"]: each.esi for each in self.listed(owner)}

    def places(self) -> list[tuple[int, tuple[int, int] | None]]:
        """
        The pages that were asked for, of whomever.
        """
        return [(number, month) for _, number, month in self.listings.asked]

    def has_all(self, owner: int, since: int = CUTOFF) -> bool:
        wanted = {
            each.killmail_id
            for each in self.listed(owner)
            if package_time(each) >= since and each.killmail_id is not None
        }
        return wanted == set(self.stored(wanted))


def package_time(row: Package) -> int:
    time = kill_time(row)
    assert time is not None
    return time


class OnePage(HistoryCase):
    def test_fakes(self) -> None:
        """
        The fake is a listing, and the history is one.
        """
        verifyObject(IListingSource, self.listings)
        verifyObject(IHistory, self.history)

    def test_stored_and_covered(self) -> None:
        """
        One page that reaches beyond the cutoff is all it takes.
        """
        self.list_days_ago(1, [1, 5, 95])
        self.assertEqual(self.report(1), Report(0, 1, None))
        self.prepared(1)
        self.assertEqual(self.places(), [(1, None)])
        self.assertEqual(set(self.stored(range(1000, 1003))), {1001, 1002})
        self.assertEqual(self.report(1), Report(0, 0, float(CUTOFF)))
        self.assertFalse(any(each.announce for each in self.changes))

    def test_covers_up_to_its_age(self) -> None:
        """
        An answer covers what was published until 65 minutes before it was asked for.
        """
        self.list_days_ago(1, [1, 5, 95])
        self.prepared(1)
        found = self.coverage(1)
        assert found is not None
        self.assertEqual((found.until, found.fetched_at), (NOW - LAG, NOW))
        self.assertEqual(found.since, NOW - 91 * DAY)

    def test_feed_that_began_later(self) -> None:
        """
        Where the feed does not reach back to the listing's end it is not complete.
        """
        self.feed_since(NOW - LAG + 1)
        self.list_days_ago(1, [1, 5, 95])
        self.prepared(1)
        self.assertEqual(self.report(1), Report(0, 1, None))

    def test_all_of_the_page_is_kept(self) -> None:
        """
        What a page has is stored though less was wanted, so a longer look back needs no
        other request.
        """
        self.list_days_ago(1, [1, 30, 95])
        self.prepared(1, cutoff=NOW - 7 * DAY)
        self.assertTrue(self.has_all(1))
        self.prepared(1)
        self.assertEqual(len(self.listings.asked), 1)
        self.assertTrue(self.report(1).complete)

    def test_nobody(self) -> None:
        """
        Somebody without any killmail is complete.
        """
        self.prepared(1)
        self.assertEqual(self.places(), [(1, None)])
        self.assertEqual(self.report(1), Report(0, 0, float(CUTOFF)))

    def test_short_list(self) -> None:
        """
        A short page may be the last one: an empty second page proves it.
        """
        self.list_days_ago(1, [1, 2])
        self.prepared(1)
        self.assertEqual(self.places(), [(1, None), (2, None)])
        self.assertTrue(self.report(1).complete)

    def test_covered_is_not_asked_again(self) -> None:
        """
        While the feed goes on, what is covered stays covered.
        """
        self.list_days_ago(1, [1, 5, 95])
        self.prepared(1)
        self.clock.advance(5 * HOUR)
        self.prepared(1, cutoff=CUTOFF + int(5 * HOUR))
        self.assertEqual(len(self.listings.asked), 1)

    def test_no_ids(self) -> None:
        """
        Without ids there is nothing to fetch and nothing missing.
        """
        self.prepared()
        self.assertTrue(self.report().complete)

    def test_restart(self) -> None:
        """
        After a restart what was covered still is.
        """
        self.list_days_ago(1, [1, 5, 95])
        self.prepared(1)
        self.history.stopService()
        self.store.close()
        self.store = make_store(self.path, self.clock)
        self.history = self.make_history()
        self.prepared(1)
        self.assertEqual(len(self.listings.asked), 1)
        self.assertTrue(self.report(1).complete)

    def test_system(self) -> None:
        """
        Systems have a past as well.
        """
        rows = [package(n, NOW - n * DAY, system=31000005) for n in (1, 2, 95)]
        rows.sort(key=lambda each: package_time(each))
        self.listings.add("system", 31000005, rows)
        wanted = Filter(system_ids=frozenset({31000005}))
        self.successResultOf(self.history.prepare(wanted, CUTOFF))
        report = self.successResultOf(self.history.report(wanted, CUTOFF))
        self.assertEqual(report.ids_incomplete, 0)
        self.assertEqual(set(self.stored([1, 2])), {1, 2})


class WithinTheHour(HistoryCase):
    def test_not_asked_again(self) -> None:
        """
        Where the feed leaves a gap the listing is asked again, not within the hour.
        """
        self.feed_since(NOW - 60)
        self.list_days_ago(1, [1, 5, 95])
        self.prepared(1)
        self.clock.advance(HOUR - 1)
        self.prepared(1)
        self.assertEqual(len(self.listings.asked), 1)
        self.clock.advance(1)
        self.prepared(1, cutoff=CUTOFF + int(HOUR))
        self.assertEqual(self.places(), [(1, None), (1, None)])
        self.assertFalse(self.report(1, cutoff=CUTOFF + int(HOUR)).complete)
        self.clock.advance(HOUR)
        self.prepared(1, cutoff=CUTOFF + int(2 * HOUR))
        self.assertTrue(self.report(1, cutoff=CUTOFF + int(2 * HOUR)).complete)

    def test_deeper(self) -> None:
        """
        A deeper cutoff goes on where the pages that were had end.
        """
        self.list_days_ago(1, [n * 3 for n in range(1, 35)])
        self.prepared(1, cutoff=NOW - 25 * DAY)
        before = len(self.listings.asked)
        self.prepared(1)
        self.assertTrue(self.has_all(1))
        self.assertTrue(self.report(1).complete)
        self.assertEqual(len(set(self.listings.asked)), len(self.listings.asked))
        self.assertGreater(len(self.listings.asked), before)

    def test_deeper_after_a_restart(self) -> None:
        """
        The first page is known to fall short, also by a server that just started.
        """
        self.list_days_ago(1, range(1, 100))
        self.prepared(1, cutoff=NOW - 2 * DAY)
        self.assertEqual(self.places(), [(1, None)])
        self.history.stopService()
        self.history = self.make_history()
        self.prepared(1, cutoff=NOW - 5 * DAY)
        self.assertEqual(self.places()[1:], [(1, NOVEMBER), (2, NOVEMBER)])


class Months(HistoryCase):
    def test_month_by_month(self) -> None:
        """
        What one page does not reach is listed month by month, newest first.
        """
        self.list_days_ago(1, [1, 2, 3, 4, 25, 26, 27, 28, 60, 95])
        self.prepared(1)
        self.assertTrue(self.has_all(1))
        expected = [
            (1, None),
            (1, NOVEMBER),
            (2, NOVEMBER),  # one row: perhaps something is hidden yet
            (3, NOVEMBER),
            (1, OCTOBER),
            (2, OCTOBER),  # one row of a month that is over: the last
            (1, SEPTEMBER),
            (1, (2026, 8)),
        ]
        self.assertEqual(self.places(), expected)
        self.assertEqual(self.report(1), Report(0, 0, float(CUTOFF)))

    def test_only_as_far_as_wanted(self) -> None:
        """
        It stops where the cutoff is reached, and claims no more than was listed.
        """
        self.list_days_ago(1, range(1, 100))
        cutoff = NOW - 10 * DAY
        self.prepared(1, cutoff=cutoff)
        self.assertEqual(self.places()[-1], (4, NOVEMBER))
        self.assertTrue(self.report(1, cutoff=cutoff).complete)
        found = self.coverage(1)
        assert found is not None
        self.assertEqual(found.since, NOW - 12 * DAY + 1)
        self.assertEqual(self.report(1), Report(0, 1, found.since))

    def test_partial_progress(self) -> None:
        """
        Every page that is stored extends what is covered, and never in between.
        """
        self.list_days_ago(1, range(1, 20))
        self.listings.gate.held = True
        self.prepare(1)
        since = []
        for _ in range(5):
            self.listings.gate.let_one()
            self.settle()
            found = self.coverage(1)
            since.append(None if found is None else (NOW - found.since + 1) // DAY)
            if found is not None:
                self.assertTrue(self.has_all(1, found.since))
        self.assertEqual(since, [3, 3, 6, 9, 12])

    def test_more_than_can_be_listed(self) -> None:
        """
        A month with more than a hundred pages is covered down to the last row.
        """
        self.patch(service, "_WALKS", 5)
        rows = [package(n, NOW - (400 - n) * 60, victim=1) for n in range(1, 401)]
        self.listings.add("character", 1, rows)
        self.prepared(1)
        self.assertEqual(self.places()[-1], (100, NOVEMBER))
        report = self.report(1)
        self.assertEqual(report.ids_incomplete, 1)
        self.assertEqual(report.since, NOW - 299 * 60 + 1)

    def test_overlap(self) -> None:
        """
        The next page is asked for while the one before waits for its bodies' names.
        """
        self.list_days_ago(1, range(1, 20))
        self.name_source.gate.held = True
        self.prepare(1)
        self.assertEqual(self.places(), [(1, None), (1, NOVEMBER)])
        self.assertEqual(self.stored(range(1000, 1020)), {})

    def test_empty_though_we_know_better(self) -> None:
        """
        An empty answer is not believed where the store has what it should have listed,
        and is not asked for again within the hour.
        """
        self.list_days_ago(1, [1, 5, 40])
        self.successResultOf(
            self.store.commit(
                Change([entry(1002, kill_time=NOW - DAY, victim=1)], announce=True)
            )
        )
        self.listings.empty = {(1, None), (1, NOVEMBER)}
        self.prepared(1)
        self.assertEqual(self.places(), [(1, None), (1, NOVEMBER)])
        self.assertEqual(self.report(1).ids_incomplete, 1)
        self.prepared(1)
        self.assertEqual(len(self.listings.asked), 2)
        self.listings.empty = set()
        self.clock.advance(HOUR)
        self.prepared(1)
        self.assertTrue(self.has_all(1))


class Rows(HistoryCase):
    def test_known_rows(self) -> None:
        """
        What is stored with its value is not taken in again; what lacks it is.
        """
        self.list_days_ago(1, [1, 5, 95])
        first, second = [
            entry(1002, kill_time=NOW - DAY, victim=1),
            entry(1001, value=None, kill_time=NOW - 5 * DAY, victim=1),
        ]
        self.successResultOf(self.store.commit(Change([first, second])))
        self.changes.clear()
        self.prepared(1)
        entries = [each for change in self.changes for each in change.entries]
        self.assertEqual([each.killmail.killmail_id for each in entries], [1001])
        self.assertEqual(self.stored([1001, 1002]), {1001: True, 1002: True})

    def test_bodies_from_esi(self) -> None:
        """
        Rows without a body get theirs from ESI; known ones cost nothing.
        """
        self.list_days_ago(1, [1, 5, 95])
        self.listings.bodies = False
        self.bodies.bodies = self.bodies_of(1)
        self.prepared(1)
        self.assertEqual(sorted(self.bodies.asked), [1000, 1001, 1002])
        self.assertEqual(set(self.stored(range(1000, 1003))), {1001, 1002})
        self.assertTrue(self.report(1).complete)

    def test_bodies_no_farther_than_wanted(self) -> None:
        """
        Without bodies, each of which costs a call, a page is read no farther than it
        must be.
        """
        self.listings.size = 200
        self.patch(coverage, "FULL_PAGE", 200)
        self.list_days_ago(1, [n / 5 for n in range(1, 201)])
        self.listings.bodies = False
        self.bodies.bodies = self.bodies_of(1)
        cutoff = NOW - 5 * DAY
        self.prepared(1, cutoff=cutoff)
        self.assertEqual(len(self.bodies.asked), 50)
        self.assertTrue(self.report(1, cutoff=cutoff).complete)
        found = self.coverage(1)
        assert found is not None
        self.assertEqual(found.since, NOW - 10 * DAY + 1)

    def test_page_that_was_read_in_part(self) -> None:
        """
        Who looks farther back gets the rest of such a page, too.
        """
        self.listings.size = 200
        self.patch(coverage, "FULL_PAGE", 200)
        self.list_days_ago(1, [n / 25 for n in range(1, 451)])
        self.listings.bodies = False
        self.bodies.bodies = self.bodies_of(1)
        for days in (9, 12, 17):
            self.prepared(1, cutoff=NOW - days * DAY)
            found = self.coverage(1)
            assert found is not None
            self.assertLessEqual(found.since, NOW - days * DAY)
            self.assertTrue(self.has_all(1, found.since))

    def test_month_that_was_read_in_part(self) -> None:
        """
        Nothing is claimed of a month's last page beyond the rows that were read.
        """
        self.patch(keeper, "AT_ONCE", 2)
        self.patch(coverage, "FULL_PAGE", 5)
        self.listings.size = 5
        self.list_days_ago(1, [1, 2, 3, 4, 5, 40, 41, 42, 43])
        self.listings.bodies = False
        self.bodies.bodies = self.bodies_of(1)
        self.prepared(1, cutoff=NOW - 41 * DAY + 1)
        found = self.coverage(1)
        assert found is not None
        self.assertEqual(found.since, NOW - 41 * DAY + 1)
        self.assertEqual(len(self.bodies.asked), 7)

    def test_times_of_known_rows(self) -> None:
        """
        Rows that are stored, and come without a body, still say how far a page goes.
        """
        self.list_days_ago(1, [1, 5, 80])
        entries = [
            entry(each.killmail_id or 0, kill_time=package_time(each), victim=1)
            for each in self.listed(1)
        ]
        self.successResultOf(self.store.commit(Change(entries)))
        self.listings.bodies = False
        self.prepared(1, cutoff=NOW - 60 * DAY)
        self.assertEqual(self.bodies.asked, [])
        self.assertEqual(self.places(), [(1, None)])
        self.assertTrue(self.report(1, cutoff=NOW - 60 * DAY).complete)

    def test_refused(self) -> None:
        """
        What ESI refuses is counted as missing from this history alone.
        """
        self.list_days_ago(1, [1, 5, 95])
        self.listings.bodies = False
        self.bodies.bodies = self.bodies_of(1)
        self.bodies.errors[1002] = [Refused("422")]
        self.prepared(1)
        self.prepared(2)
        self.assertEqual(self.report(1), Report(1, 0, float(CUTOFF)))
        self.assertEqual(self.report(2).missing, 0)

    def test_broken_row(self) -> None:
        """
        A row that is no killmail is missing; the others are stored.
        """
        self.list_days_ago(1, [1, 95])
        row = package(1002, NOW - 3600, victim=1)
        row.esi["victim"] = None
        self.listings.add("character", 1, [row])
        self.prepared(1)
        self.assertEqual(self.report(1).missing, 1)
        self.assertEqual(set(self.stored([1001])), {1001})

    def test_small_transactions(self) -> None:
        """
        A page is named by one look-up and stored in parts; what it proves comes with
        the last.
        """
        self.listings.size = 200
        self.list_days_ago(1, [n / 10 for n in range(1, 201)] + [95])
        self.prepared(1, cutoff=NOW - 15 * DAY)
        changes = [each for each in self.changes if each.entries]
        self.assertEqual([len(each.entries) for each in changes], [50] * 4)
        self.assertEqual([len(each.coverage) for each in changes], [0, 0, 0, 1])
        self.assertEqual(len(self.name_source.calls), 1)


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
        self.assertEqual(self.report(1, 2), Report(0, 1, None))
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
        self.patch(service, "_WALKS", 3)
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
        self.assertEqual(self.report(1), Report(0, 1, None))
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
        Nobody looks back farther than the limit.
        """
        self.prepared(1, cutoff=month_start((2020, 1)))
        self.assertEqual(self.places(), [(1, None)])
        report = self.report(1, cutoff=month_start((2020, 1)))
        self.assertEqual(report, Report(0, 0, float(NOW - 91 * DAY)))
