"""
The past where the archive has it: what still has to be listed, and for how long
anybody waits for values.
"""

from typing import Any

import attrs
from twisted.internet.defer import Deferred

from tests.support.history import CUTOFF, ArchiveCase, HistoryCase, character
from tests.support.killmails import DAY, entry
from tests.support.past import HASH, NOW, package
from tests.support.staged import A_HASH
from wanderer_twisted.history import walks
from wanderer_twisted.history.coverage import HOUR
from wanderer_twisted.interfaces import UpstreamError
from wanderer_twisted.partition import KINDS, Filter, Kind
from wanderer_twisted.records import Change, Coverage, Report


class Days(ArchiveCase):
    """
    What days prove.
    """

    def test_nothing_to_ask_for(self) -> None:
        """
        Where whole days reach up to the feed nothing is listed, whoever asks.
        """
        stored = [entry(9, kill_time=NOW - 5 * DAY, victim=1)]
        self.successResultOf(self.store.commit(Change(stored)))
        self.prepared(1, 2, 3)
        self.assertEqual(self.places(), [])
        self.assertEqual(self.report(1, 2, 3), Report(0, 0, CUTOFF, 90, 89))

    def test_no_farther_than_the_days(self) -> None:
        """
        Where the feed began later the listing is read back to the days alone.
        """
        self.feed_since(NOW - 2 * HOUR)
        self.list_days_ago(1, [n / 2 for n in range(1, 100)])
        self.prepared(1)
        self.assertEqual(self.places(), [(1, None)])
        self.assertEqual(self.report(1), Report(0, 0, CUTOFF, 90, 89))

    def test_removed(self) -> None:
        """
        What was removed when less was kept nobody asks for any more, and no history
        that looks back farther is complete.
        """
        kept = NOW - 40 * DAY + 1
        stored = [entry(9, kill_time=kept - 1, victim=1)]
        self.successResultOf(self.store.commit(Change(stored)))
        self.successResultOf(self.store.prune(kept + 100 * DAY))
        for cutoff in (CUTOFF, kept):
            self.prepared(1, 2, cutoff=cutoff)
            self.assertEqual(
                self.report(1, 2, cutoff=cutoff), Report(0, 2, kept, 40, 39)
            )
        self.assertEqual(self.places(), [])
        self.assertTrue(self.report(1, 2, cutoff=kept + 1).complete)

    def test_removed_meanwhile(self) -> None:
        """
        Nor where more is removed in the middle of asking.
        """
        kept = NOW - 40 * DAY + 1
        stored = [entry(9, kill_time=kept - 1), entry(10, kill_time=kept + 10)]
        self.successResultOf(self.store.commit(Change(stored)))
        self.successResultOf(self.store.prune(kept + 100 * DAY))
        count = self.store.count_missing

        def prune_first(wanted: Filter) -> Deferred[int]:
            self.successResultOf(self.store.prune(kept + 100 * DAY + 20))
            return count(wanted)

        self.patch(self.store, "count_missing", prune_first)
        self.assertFalse(self.report(1, 2).complete)

    def test_removed_and_listed(self) -> None:
        """
        Nor is it stored again by a listing, which may be empty behind it.
        """
        self.feed_since(NOW - 2 * HOUR)
        kept = NOW - 40 * DAY + 1
        stored = [entry(9, kill_time=kept - 1, victim=1)]
        self.successResultOf(self.store.commit(Change(stored)))
        self.successResultOf(self.store.prune(kept + 100 * DAY))
        self.list_days_ago(2, [39, 41])
        self.prepared(1, 2)
        self.assertEqual([*self.stored(self.bodies_of(2))], [2001])
        self.assertEqual(self.report(1, 2), Report(0, 2, kept, 40, 39))

    def test_a_day_that_is_not_whole(self) -> None:
        """
        A listing is needed back to it, and without one it is told from where on all is
        there.
        """
        broken = attrs.evolve(
            self.successResultOf(self.store.read_days())[-10], reason="HTML"
        )
        self.successResultOf(self.store.commit(Change(days=[broken])))
        self.listings.errors.extend([UpstreamError("away")] * 6)
        preparing = self.prepare(1)
        self.clock.advance(30)
        self.successResultOf(preparing)
        self.assertEqual(self.report(1), Report(0, 1, NOW - 10 * DAY, 90, 88))

    def test_lists_older_than_the_feed(self) -> None:
        """
        Lists from before the feed began prove nothing; the days are whole all the same.
        """
        self.have_days(95, 2, listed_at=NOW - 2 * DAY)
        self.assertEqual(self.report(1), Report(0, 1, NOW - DAY, 90, 89))


class Values(ArchiveCase):
    """
    What came from the archive lacks values until a listing brings them.
    """

    def setUp(self) -> None:
        super().setUp()
        self.ids = self.archive(1, [3, 5, 60])

    def value(self, killmail_id: int) -> object:
        return self.document(killmail_id)["zkb"].get("totalValue")

    def hold(self) -> None:
        self.listings.gate.held = True

    def let(self) -> None:
        self.listings.gate.open()
        self.settle()

    def ask_by_value(self, *owners: int) -> Deferred[None]:
        wanted = attrs.evolve(character(*owners), min_value=1.0)
        preparing = self.history.prepare(wanted, CUTOFF)
        self.settle()
        return preparing

    def report_by_value(self, owner: int) -> Report:
        wanted = attrs.evolve(character(owner), min_value=1.0)
        return self.successResultOf(self.history.report(wanted, CUTOFF))

    def test_completed(self) -> None:
        """
        The listing's blocks are put in, and names with them, and stay; nothing is
        announced by that.
        """
        self.assertEqual(self.document(self.ids[0])["zkb"], {"hash": A_HASH})
        self.prepared(1)
        for each in self.ids:
            self.assertEqual(self.value(each), 1.0)
            self.assertEqual(self.document(each)["solar_system_name"], "Jita")
        self.assertEqual(self.document(self.ids[0])["zkb"]["hash"], HASH)
        self.assertEqual(self.stored(self.ids), dict.fromkeys(self.ids, True))
        self.assertFalse(any(each.announce for each in self.changes))
        self.assertEqual(self.history.naming.named, 0)

    def test_once(self) -> None:
        """
        What has its values, and its names, costs reads alone, and is ready at once.
        """
        self.prepared(1)
        asked, calls = len(self.listings.asked), len(self.name_source.calls)
        self.changes.clear()
        self.clock.advance(3 * HOUR)
        later = CUTOFF + int(3 * HOUR)
        preparing = self.history.prepare(character(1), later)
        self.assertIsNone(self.successResultOf(preparing))
        self.assertEqual(self.changes, [])
        self.assertEqual(len(self.listings.asked), asked)
        self.assertEqual(len(self.name_source.calls), calls)

    def test_not_for_long(self) -> None:
        """
        Nobody waits longer than a second for values alone; they come for the next time.
        """
        self.hold()
        preparing = self.prepare(1)
        self.clock.advance(0.9)
        self.assertNoResult(preparing)
        self.clock.advance(0.1)
        self.settle()
        self.successResultOf(preparing)
        self.assertEqual(self.report(1), Report(0, 0, CUTOFF, 90, 89))
        self.let()
        self.assertEqual(self.value(self.ids[0]), 1.0)
        self.assertEqual(self.history.late, 0)

    def test_not_at_all(self) -> None:
        """
        With a deadline of nothing they are fetched and not waited for.
        """
        self.history.stopService()
        self.history = self.make_history(values_deadline=0.0)
        self.hold()
        self.prepared(1)
        self.let()
        self.assertEqual(self.value(self.ids[0]), 1.0)

    def test_values_that_decide(self) -> None:
        """
        Who filters by value waits for them as for killmails, and is told where they
        are lacking.
        """
        self.hold()
        preparing = self.ask_by_value(1)
        self.clock.advance(29)
        self.settle()
        self.assertNoResult(preparing)
        self.assertEqual(self.report_by_value(1), Report(0, 1, None, 90, 89))
        self.let()
        self.successResultOf(preparing)
        self.assertTrue(self.report_by_value(1).complete)

    def test_upstream_that_is_down(self) -> None:
        """
        Where the listing can't be had nobody waits beyond the attempt, nor while the
        next one is a while off.
        """
        self.listings.errors.append(UpstreamError("down", retry_after=100))
        self.prepared(1)
        self.prepared(1)
        self.assertEqual(len(self.listings.asked), 1)
        self.assertTrue(self.report(1).complete)
        self.assertEqual(self.history.walks, 1)
        self.clock.advance(100)
        self.settle()
        self.assertEqual(self.value(self.ids[0]), 1.0)

    def test_upstream_that_went_down(self) -> None:
        """
        Who waits for the attempt that fails waits no longer.
        """
        self.hold()
        preparing = self.prepare(1)
        self.listings.errors.append(UpstreamError("down"))
        self.listings.gate.let_one()
        self.settle()
        self.successResultOf(preparing)

    def test_upstream_that_is_down_by_value(self) -> None:
        """
        The same for who filters by value, but that is told.
        """
        self.listings.errors.append(UpstreamError("down", retry_after=100))
        self.successResultOf(self.ask_by_value(1))
        self.assertEqual(self.report_by_value(1), Report(0, 1, None, 90, 89))

    def test_upstream_that_has_none(self) -> None:
        """
        A listing that lacks them is not asked again within the hour.
        """
        self.listings.rows["character", 1] = []
        self.prepared(1)
        asked = len(self.listings.asked)
        self.assertGreater(asked, 0)
        self.clock.advance(HOUR - 1)
        self.prepared(1, cutoff=CUTOFF + int(HOUR))
        self.successResultOf(self.ask_by_value(1))
        self.assertEqual(len(self.listings.asked), asked)
        self.assertTrue(self.report_by_value(1).complete)
        self.clock.advance(1)
        self.prepared(1, cutoff=CUTOFF + int(HOUR))
        self.assertGreater(len(self.listings.asked), asked)

    def test_listed_before_a_restart(self) -> None:
        """
        Nor by a server that just started, where the listing left its coverage.
        """
        listed = Coverage("character", 1, CUTOFF, NOW - HOUR, NOW)
        self.successResultOf(self.store.commit(Change(coverage=[listed])))
        self.prepared(1)
        self.assertEqual(self.places(), [])
        self.prepared(1, cutoff=CUTOFF - 1)
        self.assertNotEqual(self.places(), [])

    def test_takes_no_place(self) -> None:
        """
        Who lacks only values waits for no turn.
        """
        for owner in (2, 3, 4, 5):
            self.archive(owner, [4])
        self.hold()
        for owner in (2, 3, 4, 5):
            self.ask_by_value(owner)
        self.assertEqual(self.history.waiting, 1)
        preparing = self.prepare(1)
        self.clock.advance(1)
        self.settle()
        self.successResultOf(preparing)
        self.assertEqual((self.history.underway, self.history.waiting), (3, 1))

    def test_lacking_too(self) -> None:
        """
        Who lacks killmails of one id and values of others waits for both by turns, and
        for the values no longer than a second.
        """
        self.feed_since(NOW - 2 * HOUR)
        rows = [package(1100 + n, NOW - 7200, victim=1) for n in range(2)]
        self.listings.add("character", 1, rows)
        self.hold()
        preparing = self.prepare(1)
        self.listings.gate.let_one()
        self.settle()
        self.assertTrue(self.report(1).complete)
        self.assertEqual(self.value(self.ids[-1]), 1.0)
        self.assertIsNone(self.value(self.ids[0]))
        self.assertNoResult(preparing)
        self.clock.advance(1)
        self.settle()
        self.successResultOf(preparing)
        self.let()
        self.assertEqual(self.value(self.ids[0]), 1.0)


class Wanted(HistoryCase):
    """
    What look-ups have fetched.
    """

    def want(self, *ids: int) -> None:
        self.successResultOf(self.history.want(character(*ids), CUTOFF))
        self.settle()

    def setUp(self) -> None:
        super().setUp()
        for owner in (1, 2, 3):
            self.list_days_ago(owner, [1, 5, 95])
        self.listings.gate.held = True

    def owners(self) -> list[int]:
        return [owner for owner, *_ in self.listings.asked]

    def test_fetched(self) -> None:
        """
        What is lacking is fetched, and nobody waits, nor takes a place.
        """
        self.want(1)
        self.assertEqual((self.history.underway, self.history.walks), (0, 1))
        self.listings.gate.open()
        self.settle()
        self.assertTrue(self.report(1).complete)
        self.want(1)
        self.assertEqual(self.history.walks, 0)

    def test_last(self) -> None:
        """
        It comes behind what somebody waits for.
        """
        self.want(1, 2)
        self.prepare(3)
        self.listings.gate.open()
        self.settle()
        self.assertEqual(self.owners(), [1, 3, 2])

    def test_bounded(self) -> None:
        """
        Where too many are under way it is left, and nothing is given up for it.
        """
        self.patch(walks, "_WALKS", 1)
        self.want(1)
        self.want(2, 3)
        self.assertEqual(self.history.walks, 1)
        self.listings.gate.open()
        self.settle()
        self.assertEqual(self.owners(), [1])

    def test_no_values(self) -> None:
        """
        Values alone are not fetched for it.
        """
        self.feed_since(CUTOFF)
        unvalued = entry(1001, value=None, kill_time=NOW - 5 * DAY, victim=1)
        self.successResultOf(self.store.commit(Change([unvalued])))
        self.want(1)
        self.assertEqual(self.owners(), [])


class Kinds(HistoryCase):
    """
    Ids of all kinds have a past.
    """

    def only(self, kind: Kind) -> Filter:
        return Filter.only(kind, 7)

    def test_each(self) -> None:
        """
        Each has listings and coverage of its own, though the numbers are the same.
        """
        for n, kind in enumerate(KINDS, 1):
            rows = [package(n * 10 + 1, NOW - DAY, **_parts(kind))]
            self.listings.add(kind, 7, rows)
            report = self.history.report(self.only(kind), CUTOFF)
            self.assertEqual(self.successResultOf(report).ids_incomplete, 1)
            preparing = self.history.prepare(self.only(kind), CUTOFF)
            self.settle()
            self.successResultOf(preparing)
            report = self.history.report(self.only(kind), CUTOFF)
            self.assertEqual(self.successResultOf(report).ids_incomplete, 0)
            self.assertEqual(set(self.stored([n * 10 + 1])), {n * 10 + 1})

    def test_set_aside(self) -> None:
        """
        What is set aside is missing from that kind's history alone.
        """
        row = package(9, NOW - 3600)
        row.esi["victim"] = None
        self.listings.add("alliance", 7, [row])
        for kind in KINDS:
            preparing = self.history.prepare(self.only(kind), CUTOFF)
            self.settle()
            self.successResultOf(preparing)
        missing = {
            kind: self.successResultOf(self.store.count_missing(self.only(kind)))
            for kind in KINDS
        }
        expected = {"character": 0, "corporation": 0, "alliance": 1, "system": 0}
        self.assertEqual(missing, expected)


def _parts(kind: Kind) -> dict[str, Any]:
    parts = {"character": "victim", "system": "system"}
    return {parts.get(kind, kind): 7}
