"""
The past of some ids: what one page and a few months tell, and what is claimed.
"""

from zope.interface.verify import verifyObject

from tests.support.history import (
    CUTOFF,
    NOVEMBER,
    OCTOBER,
    SEPTEMBER,
    HistoryCase,
    character,
    package_time,
)
from tests.support.killmails import DAY, START, entry
from tests.support.past import NOW, package
from tests.support.server import ServerCase
from tests.support.store import make_store
from wanderer_twisted.history.coverage import HOUR, LAG
from wanderer_twisted.ingest.feeds import CURRENT_SECONDS
from wanderer_twisted.interfaces import (
    IHistory,
    IListingSource,
)
from wanderer_twisted.partition import Filter, Snapshot, is_live
from wanderer_twisted.records import (
    Change,
    FeedPosition,
    Record,
    Report,
)


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
        self.assertEqual(self.report(1), Report(0, 1, NOW - DAY, 90))
        self.prepared(1)
        self.assertEqual(self.places(), [(1, None)])
        self.assertEqual(set(self.stored(range(1000, 1003))), {1001, 1002})
        self.assertEqual(self.report(1), Report(0, 0, CUTOFF, 90))
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

    def test_out_of_reach(self) -> None:
        """
        A stream that comes back after days looks further back than anybody may by now:
        what is not fetched for it is not claimed either.
        """
        cutoff = CUTOFF - 5 * DAY
        self.list_days_ago(1, [1, 5, 94])
        self.prepared(1, cutoff=cutoff)
        self.assertFalse(self.has_all(1, since=cutoff))
        self.assertEqual(
            self.report(1, cutoff=cutoff), Report(0, 1, NOW - 91 * DAY, 95)
        )

    def test_feed_that_began_later(self) -> None:
        """
        Where the feed does not reach back to the listing's end it is not complete.
        """
        self.feed_since(NOW - LAG + 1)
        self.list_days_ago(1, [1, 5, 95])
        self.prepared(1)
        self.assertEqual(self.report(1), Report(0, 1, NOW - LAG + 1, 90))

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
        self.assertEqual(self.report(1), Report(0, 0, CUTOFF, 90))

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


class Behind(HistoryCase):
    """
    Feeds that bring nothing, or what was published long ago.
    """

    def setUp(self) -> None:
        super().setUp()
        self.feed_since(NOW - 100 * DAY)
        self.list_days_ago(1, [0.2, 0.5, 1.5, 2.5])

    def test_listed(self) -> None:
        """
        What a feed that is behind would have is listed, once an hour, and is not said
        to be complete.
        """
        self.current = []
        self.prepared(1)
        self.assertTrue(self.has_all(1))
        self.assertEqual(self.report(1), Report(0, 1, None, 90))
        asked = len(self.listings.asked)
        self.prepared(1)
        self.assertEqual(len(self.listings.asked), asked)
        self.clock.advance(HOUR)
        self.prepared(1)
        self.assertGreater(len(self.listings.asked), asked)

    def test_current_again(self) -> None:
        """
        When it has caught up, it has what was published since the listing.
        """
        self.current = []
        self.prepared(1)
        self.feed_since(NOW - LAG)
        self.assertFalse(self.report(1).complete)
        self.current = ["fake"]
        self.assertEqual(self.report(1), Report(0, 0, CUTOFF, 90))

    def test_what_was_proven_before(self) -> None:
        """
        A short listing meanwhile does not take the place of a deep one from before.
        """
        self.feed_since(NOW - DAY)
        self.prepared(1)
        self.assertTrue(self.report(1).complete)
        self.clock.advance(2 * HOUR)
        self.current = []
        self.prepared(1, cutoff=NOW - DAY)
        self.current = ["fake"]
        self.assertTrue(self.report(1).complete)

    def test_brought_again(self) -> None:
        """
        What was listed meanwhile the feed brings again, and it is there once.
        """
        self.current = []
        self.prepared(1)
        history = Snapshot(self.store.marks.head, CUTOFF)
        again = Change(entries=[entry(1000)], announce=True)
        commit = self.successResultOf(self.store.commit(again))
        (record,) = commit.journal
        assert isinstance(record, Record)
        self.assertIsNotNone(record.facts.live_seq)
        self.assertFalse(is_live(record.facts, character(1), history))
        self.assertTrue(is_live(record.facts, character(1), None))

    def test_one_of_two(self) -> None:
        """
        A feed that is behind proves nothing for the one that is current.
        """
        position = FeedPosition("other", "1", NOW - 2 * HOUR)
        self.successResultOf(self.store.commit(Change(position=position)))
        self.current = ["other"]
        self.assertEqual(self.report(1), Report(0, 1, NOW - 2 * HOUR, 90))
        self.prepared(1)
        self.assertTrue(self.has_all(1))
        self.assertTrue(self.report(1).complete)

    def test_current(self) -> None:
        """
        One that is current has everything: nothing is listed.
        """
        self.prepared(1)
        self.assertEqual(self.listings.asked, [])
        self.assertTrue(self.report(1).complete)


class Running(ServerCase):
    def test_feeds(self) -> None:
        """
        In a server its own feeds count, for as long as they are current.
        """
        (feed,) = self.server.feeds
        position = FeedPosition(feed.name, "1", START - 100 * DAY)
        self.successResultOf(self.server.store.commit(Change(position=position)))
        for until, complete in (
            (START - CURRENT_SECONDS, False),
            (START - CURRENT_SECONDS + 1, True),
        ):
            feed.ingest.until = until
            reporting = self.server.history.report(character(1), int(START - DAY))
            self.assertEqual(self.successResultOf(reporting).complete, complete)


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
        self.list_days_ago(1, [1, *(n * 3 for n in range(1, 35))])
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
        self.assertEqual(self.report(1), Report(0, 0, CUTOFF, 90))

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
        self.assertEqual(self.report(1), Report(0, 1, found.since, 90))

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
        self.feed_since(NOW - LAG)
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

    def test_empty_behind_a_full_page(self) -> None:
        """
        An empty page behind a full one is no end of the month: only the rows that came
        are claimed, and an hour later it is asked for again.
        """
        self.list_days_ago(1, [2, *range(21, 32), 60])
        self.listings.empty = {(2, OCTOBER)}
        self.prepared(1)
        self.assertEqual(self.places()[-1], (2, OCTOBER))
        self.assertEqual(self.report(1), Report(0, 1, NOW - 23 * DAY + 1, 90))
        asked = len(self.listings.asked)
        self.prepared(1)
        self.assertEqual(len(self.listings.asked), asked)
        self.listings.empty = set()
        self.clock.advance(HOUR)
        self.prepared(1)
        self.assertTrue(self.has_all(1))
        self.assertTrue(self.report(1).complete)

    def test_full_last_page(self) -> None:
        """
        A month's last page may be full: the empty one behind it is believed when it is
        empty again an hour later.
        """
        self.list_days_ago(1, [2, *range(21, 27), 60])
        self.prepared(1)
        self.assertEqual(self.places()[-1], (3, OCTOBER))
        self.assertEqual(self.report(1).since, NOW - 26 * DAY + 1)
        self.clock.advance(HOUR)
        self.prepared(1)
        self.assertTrue(self.has_all(1))
        self.assertTrue(self.report(1).complete)

    def test_empty_again_from_a_cache(self) -> None:
        """
        The hour begins when the empty answer came, not when it was asked for: that long
        a cache repeats it.
        """
        self.list_days_ago(1, [2, *range(21, 32), 60])
        self.listings.empty = {(2, OCTOBER)}
        self.listings.gate.held = True
        self.prepare(1)
        while self.places()[-1] != (2, OCTOBER):
            self.listings.gate.let_one()
            self.settle()
        self.clock.advance(60)
        self.listings.gate.open()
        self.settle()
        self.clock.advance(HOUR - 60)
        self.prepared(1)
        self.assertEqual(self.places().count((1, OCTOBER)), 2)
        self.assertEqual(self.places().count((2, OCTOBER)), 1)
        self.assertFalse(self.report(1).complete)
