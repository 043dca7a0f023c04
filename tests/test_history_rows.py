"""
The rows of a listing: known ones, ones without a body, broken ones.
"""

from tests.support.history import CUTOFF, HistoryCase, package_time
from tests.support.killmails import DAY, entry
from tests.support.past import NOW, package
from wanderer_twisted.history import coverage, keeper
from wanderer_twisted.interfaces import Refused, UpstreamError
from wanderer_twisted.records import (
    Change,
    Report,
)


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

    def test_bodies_that_come_later(self) -> None:
        """
        What could not be had for a while is no proof of anything: it is asked for again
        when somebody wants it, and then everything is there.
        """
        self.list_days_ago(1, [1, 5, 95])
        self.listings.bodies = False
        self.bodies.bodies = self.bodies_of(1)
        self.bodies.errors[1001] = [UpstreamError("downtime", 1320.0)]
        self.prepared(1)
        self.assertEqual(set(self.stored(range(1000, 1003))), {1002})
        self.assertEqual(self.coverage(1), None)
        self.assertFalse(self.report(1).complete)
        asked = self.places()
        self.prepared(1)  # within the hour the answer would be the same
        self.assertEqual((self.places(), self.coverage(1)), (asked, None))
        self.clock.advance(3600)
        self.prepared(1)
        self.assertEqual(set(self.stored(range(1000, 1003))), {1001, 1002})
        self.assertTrue(self.report(1).complete)

    def test_pages_behind_one_with_a_body_lacking(self) -> None:
        """
        They are stored all the same.
        """
        self.list_days_ago(1, [1, 2, 3, 4, 20, 40, 95])
        self.listings.bodies = False
        self.bodies.bodies = self.bodies_of(1)
        self.bodies.errors[1005] = [UpstreamError("downtime", 1320.0)] * 9
        self.prepared(1)
        self.assertEqual(
            set(self.stored(range(1000, 1007))), {1001, 1002, 1003, 1004, 1006}
        )
        self.assertEqual(self.coverage(1), None)

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
        self.list_days_ago(1, [1, 2, 3, 4, 5, 6, 40, 41, 42, 43])
        self.listings.bodies = False
        self.bodies.bodies = self.bodies_of(1)
        self.prepared(1, cutoff=NOW - 41 * DAY + 1)
        found = self.coverage(1)
        assert found is not None
        self.assertEqual(found.since, NOW - 41 * DAY + 1)
        self.assertEqual(len(self.bodies.asked), 8)

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
        self.assertEqual(self.report(1), Report(1, 0, CUTOFF, 90))
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
