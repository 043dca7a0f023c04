"""
Which days want work, and what may be claimed of them.
"""

import attrs

from tests.support.cases import SyncCase
from tests.support.killmails import DAY, START
from wanderer_twisted.archive.planning import (
    Plan,
    doubt,
    is_settled,
    listed_at,
    make_plan,
    missed,
    next_run,
    open_holes,
    spans,
)
from wanderer_twisted.days import day_of
from wanderer_twisted.records import ArchivedDay, Hole, Totals

HOUR = 3600
#: 2026-11-20, the day that it is in these tests.
TODAY = day_of(START) + 19
MIDNIGHT = TODAY * DAY
MORNING = MIDNIGHT + 9 * HOUR


def whole(
    day: int, count: int = 10, listed: float = MIDNIGHT - 18 * HOUR
) -> ArchivedDay:
    """
    A day that is complete, by yesterday's list as a rule.
    """
    return ArchivedDay(day, count, count, listed, listed, True, True)


class ListedAt(SyncCase):
    def test_of_a_whole_run(self) -> None:
        """
        A list holds what was published before the last 06:00 UTC that is two hours ago.
        """
        six = MIDNIGHT + 6 * HOUR
        self.assertEqual(listed_at(TODAY - 2, six + 2 * HOUR), six)
        self.assertEqual(listed_at(TODAY - 2, six + 2 * HOUR - 1), six - DAY)
        self.assertEqual(listed_at(TODAY - 2, MIDNIGHT + DAY - 1), six)
        self.assertEqual(listed_at(TODAY - 2, MIDNIGHT + DAY + 1), six)

    def test_of_a_day_that_is_not_over(self) -> None:
        """
        Nothing is claimed before the first 06:00 UTC behind a day's end.
        """
        six = MIDNIGHT + 6 * HOUR
        for moment in (MIDNIGHT, six, six + 2 * HOUR - 1):
            self.assertEqual(listed_at(TODAY - 1, moment), 0)
        self.assertEqual(listed_at(TODAY - 1, six + 2 * HOUR), six)
        self.assertEqual(listed_at(TODAY, six + 12 * HOUR), 0)


class Planned(SyncCase):
    def plan(
        self,
        *rows: ArchivedDay,
        now: float = MORNING,
        asked_at: float | None = None,
        counts: dict[int, int] | None = None,
        holes: tuple[Hole, ...] = (),
        backfill_days: int = 3,
    ) -> Plan:
        if counts is None:
            counts = {TODAY - n: 10 for n in range(1, 91)}
        totals = Totals(counts, now if asked_at is None else asked_at)
        known = {each.day: each for each in rows}
        still_open = open_holes(known, holes)
        return make_plan(known, totals, still_open, now, backfill_days, 90)

    def worked(self, plan: Plan) -> list[int]:
        return [TODAY - each.day for each in plan.work]

    def test_newest_first(self) -> None:
        """
        All days before today, as many as are wanted, the newest first.
        """
        self.assertEqual(self.worked(self.plan()), [1, 2, 3])

    def test_none(self) -> None:
        """
        Without a backfill and without a hole there is nothing to do.
        """
        plan = self.plan(backfill_days=0)
        self.assertEqual((plan.wanted, plan.work), ([], []))

    def test_whole(self) -> None:
        """
        A day that is whole and has not changed is only confirmed, as of now.
        """
        rows = [whole(TODAY - n) for n in (1, 2, 3)]
        plan = self.plan(*rows)
        self.assertEqual(self.worked(plan), [])
        self.assertEqual(
            [each.listed_at for each in plan.confirmed], [MIDNIGHT + 6 * HOUR] * 3
        )

    def test_claim_does_not_go_back(self) -> None:
        """
        What was claimed once stays, also where totals are older.
        """
        row = whole(TODAY - 2, listed=MIDNIGHT + 6 * HOUR)
        plan = self.plan(row, asked_at=MIDNIGHT + HOUR)
        (found,) = plan.confirmed
        self.assertEqual(found.listed_at, MIDNIGHT + 6 * HOUR)

    def test_changed(self) -> None:
        """
        A day whose total is another than the list's is worked on again, more or less.
        """
        rows = whole(TODAY - 1, 9), whole(TODAY - 2, 11), whole(TODAY - 3)
        self.assertEqual(self.worked(self.plan(*rows)), [1, 2])

    def test_not_whole(self) -> None:
        """
        So is one that is not whole, for whatever reason.
        """
        lacking = attrs.evolve(whole(TODAY - 1), have=9)
        unloaded = attrs.evolve(whole(TODAY - 2), loaded=False)
        doubted = attrs.evolve(whole(TODAY - 3), reason="odd")
        plan = self.plan(lacking, unloaded, doubted)
        self.assertEqual(self.worked(plan), [1, 2, 3])

    def test_dropped_from_the_totals(self) -> None:
        """
        A whole day that the totals forgot is neither touched nor confirmed.
        """
        plan = self.plan(whole(TODAY - 1), counts={}, backfill_days=1)
        self.assertEqual((plan.work, plan.confirmed), ([], []))
        self.assertEqual(plan.wanted, [TODAY - 1])

    def test_hole(self) -> None:
        """
        The days of a hole are wanted, and that of the hour before it, however few are
        to be backfilled.
        """
        hole = Hole("r2z2", 1, 2, MIDNIGHT - 6 * DAY + 60, MIDNIGHT - 5 * DAY + 60)
        self.assertEqual(
            self.worked(self.plan(holes=(hole,), backfill_days=0)), [5, 6, 7]
        )

    def test_hole_behind_the_list(self) -> None:
        """
        A whole day is looked at again where its list is older than the hole, once one
        that is younger can be had; and then no more.
        """
        hole = Hole("r2z2", 1, 2, MIDNIGHT - 20 * HOUR, MIDNIGHT - 17 * HOUR)
        row = whole(TODAY - 1)
        asked = {"holes": (hole,), "backfill_days": 0}
        self.assertEqual(self.worked(self.plan(row, **asked)), [1])  # type: ignore[arg-type]
        early = self.plan(row, now=MIDNIGHT + 7 * HOUR, **asked)  # type: ignore[arg-type]
        self.assertEqual(self.worked(early), [])
        newer = attrs.evolve(row, listed_at=MIDNIGHT + 6 * HOUR)
        self.assertEqual(self.plan(newer, **asked).wanted, [])  # type: ignore[arg-type]

    def test_hole_of_today(self) -> None:
        """
        A hole of today waits until its day is listed.
        """
        hole = Hole("r2z2", 1, 2, MORNING - 60, MORNING)
        plan = self.plan(holes=(hole,), backfill_days=0)
        self.assertEqual(plan.wanted, [])

    def test_hole_long_ago(self) -> None:
        """
        One that no history reaches back to is left.
        """
        hole = Hole("r2z2", 1, 2, MORNING - 92 * DAY, MORNING - 92 * DAY)
        self.assertEqual(self.plan(holes=(hole,), backfill_days=0).wanted, [])

    def test_night(self) -> None:
        """
        Yesterday is not wanted before its list is made, but where the totals have it.
        """
        older = {TODAY - n: 10 for n in range(2, 91)}
        night = self.plan(now=MIDNIGHT + 6 * HOUR, counts=older)
        self.assertEqual(night.wanted, [TODAY - 2, TODAY - 3])
        listed = self.plan(now=MIDNIGHT + 6 * HOUR)
        self.assertEqual(listed.wanted, [TODAY - 1, TODAY - 2, TODAY - 3])
        late = self.plan(now=MORNING, counts=older)
        self.assertEqual(late.wanted, [TODAY - 1, TODAY - 2, TODAY - 3])

    def test_clock_ahead(self) -> None:
        """
        By a clock that is a day ahead, today is not taken for yesterday.
        """
        plan = self.plan(now=MORNING + DAY, asked_at=MORNING)
        self.assertEqual(self.worked(plan), [1, 2, 3])

    def test_clock_behind(self) -> None:
        """
        By a clock that is a day behind, the newest day is not claimed yet.
        """
        plan = self.plan(whole(TODAY - 2), now=MORNING - DAY, asked_at=MORNING)
        self.assertEqual(self.worked(plan), [3, 4])
        (found,) = plan.confirmed
        self.assertEqual(found.listed_at, MIDNIGHT - 18 * HOUR)


class News(SyncCase):
    def test_hole(self) -> None:
        """
        What a hole took, and the hour before it, is news.
        """
        hole = Hole("r2z2", 1, 2, MORNING, MORNING + 60)
        self.assertEqual(
            spans(ArchivedDay(TODAY), [hole]), [(MORNING - HOUR, MORNING + 60)]
        )

    def test_backfill(self) -> None:
        """
        Without a hole nothing is, whether a feed runs or not: not before a first
        version of the list was loaded, ...
        """
        for followed in (False, True):
            row = attrs.evolve(whole(TODAY), loaded=False, followed=followed)
            self.assertEqual(spans(row, []), [])

    def test_unfollowed(self) -> None:
        """
        ... and not where that was without a feed.
        """
        self.assertEqual(spans(attrs.evolve(whole(TODAY), followed=False), []), [])

    def test_later_version(self) -> None:
        """
        What a later version adds is news, of whatever time.
        """
        ((since, until),) = spans(whole(TODAY), [])
        self.assertLessEqual(since, 0)
        self.assertGreater(until, 4_102_444_800)


class Missed(SyncCase):
    def missed(self, row: ArchivedDay, since: float, until: float) -> bool:
        found = missed(row, [Hole("r2z2", 1, 2, since, until)])
        self.assertIn(found, ([], [(since - HOUR, until)]))
        return bool(found)

    def test_open(self) -> None:
        """
        A hole, and the hour before it, was missed until a list from after it is whole.
        """
        hole = MORNING, MORNING + 60
        self.assertTrue(self.missed(ArchivedDay(TODAY), *hole))
        self.assertTrue(self.missed(whole(TODAY, listed=hole[1]), *hole))
        self.assertFalse(self.missed(whole(TODAY, listed=hole[1] + 1), *hole))
        lacking = attrs.evolve(whole(TODAY, listed=hole[1] + 1), have=9)
        self.assertTrue(self.missed(lacking, *hole))

    def test_other_days(self) -> None:
        """
        One of other days says nothing of this one, but in the hour before it.
        """
        row = ArchivedDay(TODAY)
        self.assertFalse(self.missed(row, MIDNIGHT + DAY + HOUR, MIDNIGHT + 2 * DAY))
        self.assertTrue(self.missed(row, MIDNIGHT + DAY + HOUR - 1, MIDNIGHT + 2 * DAY))
        self.assertFalse(self.missed(row, MIDNIGHT - DAY, MIDNIGHT - 1))


class Doubted(SyncCase):
    def test_agreed(self) -> None:
        """
        A list that grew as the totals say is believed, also where they say nothing.
        """
        self.assertEqual(doubt(whole(TODAY, 10), 12, 12), "")
        self.assertEqual(doubt(whole(TODAY, 10), 12, None), "")

    def test_shrunk(self) -> None:
        """
        One that names less than before is not.
        """
        self.assertIn("10 before", doubt(whole(TODAY, 10), 9, 9))

    def test_disagreed(self) -> None:
        """
        Nor is one that says something else than the totals.
        """
        self.assertIn("totals say 13", doubt(whole(TODAY, 10), 12, 13))
        self.assertIn("totals say 11", doubt(whole(TODAY, 10), 12, 11))


class Looks(SyncCase):
    def test_settled(self) -> None:
        """
        All is done once every day is whole by the last run's lists.
        """
        six = MIDNIGHT + 6 * HOUR
        rows = {TODAY - 1: whole(TODAY - 1, listed=six)}
        self.assertTrue(is_settled([TODAY - 1], rows, MORNING))
        self.assertFalse(is_settled([TODAY - 1, TODAY - 2], rows, MORNING))
        self.assertFalse(is_settled([TODAY - 1], rows, MORNING + DAY))
        self.assertTrue(is_settled([], {}, MORNING))

    def test_next_run(self) -> None:
        """
        The next look is some minutes behind the next run's beginning.
        """
        run = MIDNIGHT + 6 * HOUR + 600
        self.assertEqual(next_run(MORNING), run + DAY)
        self.assertEqual(next_run(MIDNIGHT), run)
        self.assertEqual(next_run(run), run + DAY)
