"""
Rounds over the days of the archive, and what is noted of them.
"""

from collections import deque
from unittest.mock import patch

from twisted.internet.defer import fail
from twisted.logger import capturedLogs
from zope.interface.verify import verifyObject

from tests.support.backfill import MORNING, TODAY, ArchiveCase
from tests.support.killmails import DAY, entry
from wanderer_twisted.interfaces import (
    IArchiveSource,
    StoreUnavailable,
    UpstreamError,
)
from wanderer_twisted.records import Change

A, B, C = TODAY - 1, TODAY - 2, TODAY - 3
HOUR = 3600


class RoundsCase(ArchiveCase):
    def setUp(self) -> None:
        super().setUp()
        self.put_days(A, B, C)

    def asked(self, what: str) -> list[int]:
        """
        The days that were asked for since the last look here.
        """
        days = [day for each, day in self.archive.asked if each == what]
        self.archive.asked.clear()
        return days

    def next_day(self) -> None:
        """
        The next morning, with a new day of the archive.
        """
        self.clock.rightNow += DAY
        self.put_days(TODAY)


class Done(RoundsCase):
    def test_source(self) -> None:
        """
        The fake is an archive.
        """
        verifyObject(IArchiveSource, self.archive)

    def test_newest_first(self) -> None:
        """
        All wanted days are taken in, the newest first.
        """
        outcome = self.go()
        self.assertEqual(self.asked("listing"), [A, B, C])
        self.assertEqual([each.day for each in outcome.days], [A, B, C])
        self.assertEqual((outcome.incomplete, outcome.settled), ([], True))
        for day in (A, B, C):
            self.assertTrue(self.row(day).complete)
            self.assertEqual(self.lacking(self.ids(day)), [])
        self.assertEqual((self.rounds.days_done, self.rounds.errors), (3, 0))
        self.assertEqual(self.announced(), [])

    def test_again(self) -> None:
        """
        The next round asks for the totals only, and writes nothing.
        """
        self.go()
        self.archive.asked.clear()
        before = self.store.commits
        self.go()
        self.assertEqual(self.archive.asked, [("totals", 0)])
        self.assertEqual(self.store.commits, before)

    def test_confirmed(self) -> None:
        """
        A day that did not change is noted as whole until the next run, in one
        transaction with all others.
        """
        self.go()
        self.next_day()
        self.put_days(*range(TODAY - 3, TODAY + 1))
        before = self.store.commits
        self.rounds = self.make_rounds(4)
        self.go()
        for day in (A, B, C, TODAY):
            self.assertEqual(self.row(day).listed_at, (TODAY + 1) * DAY + 6 * HOUR)
        self.assertEqual(
            self.store.commits, before + 1 + 1 + 4
        )  # all, TODAY, its parts

    def test_changed(self) -> None:
        """
        A day that grew is fetched again, and another is not.
        """
        self.follow()
        self.go()
        self.asked("listing")
        self.put(B, [*self.ids(B), 7])
        self.go()
        self.assertEqual(self.asked("listing"), [B])
        self.assertEqual(self.announced(), [7])
        self.assertEqual(self.row(B).expected, 11)

    def test_removed(self) -> None:
        """
        A day of which something was removed, when less was kept, is left: it would
        never be whole.
        """
        old = entry(7, kill_time=C * DAY)
        self.successResultOf(self.store.commit(Change([old])))
        self.successResultOf(self.store.prune((C + 101) * DAY))
        self.assertEqual([each.day for each in self.go().days], [A, B])
        self.assertFalse(self.row(C).complete)

    def test_progress(self) -> None:
        """
        While it runs it says what it does and how much is left.
        """
        self.archive.gate.held = True
        going = self.begin()
        self.archive.gate.let_one()  # the totals
        self.settle()
        rounds = self.rounds
        self.assertEqual((rounds.current, rounds.wanted, rounds.left), ([A, B], 3, 3))
        self.archive.gate.open()
        self.run_on()
        self.successResultOf(going)
        self.assertEqual((rounds.current, rounds.wanted, rounds.left), ([], 3, 0))

    def test_stopped_and_begun_again(self) -> None:
        """
        After a stop it goes on with the day that it was at.
        """
        self.archive.errors["bodies"] = deque()
        going = self.begin()
        self.run_on(0.3)
        self.assertTrue(going.called is False and self.row(C).loaded is False)
        going.cancel()
        self.failureResultOf(going)
        self.check_clean()
        done = [day for day in (A, B, C) if self.row(day).complete]
        self.asked("listing")
        self.rounds = self.make_rounds()
        self.assertEqual(self.go().incomplete, [])
        self.assertEqual(self.asked("listing"), [A, B, C][len(done) :])


class Followed(RoundsCase):
    def test_followed(self) -> None:
        """
        A day is noted as followed where a feed of ours has begun.
        """
        self.follow()
        self.go()
        self.assertTrue(self.row(A).followed)

    def test_not_yet(self) -> None:
        """
        Where it begins later, it is from the next look on, but not before.
        """
        self.go()
        self.assertFalse(self.row(A).followed)
        self.follow()
        self.put(A, [*self.ids(A), 7])
        self.go()
        self.assertTrue(self.row(A).followed)
        self.assertTrue(self.row(B).followed)
        self.assertEqual(self.announced(), [])

    def test_another_feed(self) -> None:
        """
        The position of a feed that does not run says nothing.
        """
        self.follow()
        self.feeds = ("another",)
        self.rounds = self.make_rounds()
        self.go()
        self.assertFalse(self.row(A).followed)

    def test_without_feeds(self) -> None:
        """
        Whoever runs no feed leaves it as it is.
        """
        self.follow()
        self.go()
        self.feeds = ()
        self.rounds = self.make_rounds(4)
        self.put_days(TODAY - 4)
        self.put(A, [*self.ids(A), 7])
        self.go()
        self.assertTrue(self.row(A).followed)
        self.assertFalse(self.row(TODAY - 4).followed)
        self.assertEqual(self.announced(), [7])


class Holes(RoundsCase):
    def test_repaired(self) -> None:
        """
        A hole of yesterday is repaired without any backfill, once.
        """
        self.rounds = self.make_rounds(0)
        self.put(A, [1, 2], at=7200)
        self.miss(A * DAY + 7100, A * DAY + 7300)
        self.assertEqual([each.day for each in self.go().days], [A])
        self.assertEqual(self.announced(), [1, 2])
        self.archive.asked.clear()
        self.go()
        self.assertEqual(self.archive.asked, [])
        self.assertEqual(self.announced(), [1, 2])

    def test_told_late(self) -> None:
        """
        So is one that a feed tells of when the day was taken in already, and silently.
        """
        self.put(A, [1, 2], at=7200)
        self.go()
        self.assertEqual(self.announced(), [])
        self.miss(A * DAY + 7100, A * DAY + 7300)
        self.go()
        self.assertEqual(self.announced(), [1, 2])
        self.archive.asked.clear()
        self.go()
        self.assertEqual(self.archive.asked, [("totals", 0)])

    def test_told_meanwhile(self) -> None:
        """
        And one that a feed tells of while the day is being taken in.
        """
        self.rounds = self.make_rounds(1)
        self.put(A, [1, 2], at=7200)
        self.archive.gate.held = True
        going = self.begin()
        for what in ("totals", "listing"):
            self.run_on(1)
            self.assertEqual(self.archive.asked[-1][0], what)
            self.archive.gate.let_one()
        self.run_on(1)
        self.miss(A * DAY + 7100, A * DAY + 7300)
        self.archive.gate.open()
        self.run_on()
        self.successResultOf(going)
        self.assertEqual(self.announced(), [])
        self.go()
        self.assertEqual(self.announced(), [1, 2])

    def test_none(self) -> None:
        """
        Without a hole and without a backfill nobody is asked for anything.
        """
        self.rounds = self.make_rounds(0)
        self.assertTrue(self.go().settled)
        self.assertEqual(self.archive.asked, [])

    def test_of_today(self) -> None:
        """
        One of today is repaired tomorrow.
        """
        self.rounds = self.make_rounds(0)
        self.miss(MORNING - 60, MORNING)
        self.assertEqual(self.go().days, [])
        self.next_day()
        self.put(TODAY, [1, 2], at=9 * HOUR)
        self.go()
        self.assertEqual(self.announced(), [1, 2])
        self.assertTrue(self.row(TODAY).complete)


class Failed(RoundsCase):
    def test_others_go_on(self) -> None:
        """
        A day that fails is noted with its reason and keeps no other from its turn.
        """
        del self.archive.lists[A]
        outcome = self.go()
        self.assertEqual([each.day for each in outcome.incomplete], [A])
        self.assertFalse(outcome.settled)
        row = self.row(A)
        self.assertEqual(row.reason, "There is no such file")
        self.assertGreaterEqual(row.tried_at, MORNING)
        self.assertTrue(self.row(B).complete and self.row(C).complete)
        self.assertEqual((self.rounds.days_done, self.rounds.errors), (2, 1))

    def test_rests(self) -> None:
        """
        It is tried again after a while that doubles, and is whole then.
        """
        del self.archive.lists[A]
        self.go()
        for rest in (600, 1200, 2400):
            self.asked("listing")
            next_try = self.rounds.next_try()
            assert next_try is not None
            self.assertLess(abs(next_try - self.clock.seconds() - rest), 6)
            self.clock.rightNow = next_try - 1
            self.go()
            self.assertEqual(self.asked("listing"), [])
            self.clock.rightNow = next_try
            self.go()
            self.assertEqual(self.asked("listing"), [A])
        self.put_days(A)
        self.clock.rightNow += 4800
        self.assertEqual(self.go().incomplete, [])
        self.assertIsNone(self.rounds.next_try())
        self.assertEqual(self.row(A).reason, "")

    def test_clock_set_back(self) -> None:
        """
        A clock that is set back by a day does not make it rest for a day.
        """
        del self.archive.lists[B]
        self.go()
        self.clock.rightNow -= DAY
        self.asked("listing")
        self.go()
        self.assertIn(B, self.asked("listing"))

    def test_no_longer_wanted(self) -> None:
        """
        One that is no longer wanted is not waited for any more.
        """
        del self.archive.lists[C]
        self.go()
        self.assertIsNotNone(self.rounds.next_try())
        self.next_day()
        self.assertEqual(self.go().incomplete, [])
        self.assertIsNone(self.rounds.next_try())

    def test_told_once(self) -> None:
        """
        The log has its reason once, until it is another.
        """
        del self.archive.lists[A]
        with capturedLogs() as logs:
            self.go()
            self.rounds = self.make_rounds()
            self.go()
        reasons = [each["why"] for each in logs if "why" in each]
        self.assertEqual(reasons, ["There is no such file"])

    def test_left_alone(self) -> None:
        """
        Where the archive wants to be left alone, no other day is asked for.
        """
        self.archive.errors["listing"] = deque([UpstreamError("banned", 3600.0)])
        going = self.begin()
        self.run_on()
        error = self.failureResultOf(going, UpstreamError).value
        self.assertEqual(error.retry_after, 3600.0)
        self.assertEqual(self.asked("listing"), [A])
        self.assertEqual(self.row(A).reason, "banned")
        self.go()
        self.assertEqual(self.asked("listing"), [B, C])

    def test_bug(self) -> None:
        """
        An error that nobody foresaw is one day's, and is logged.
        """
        real = self.loader.load

        async def load(row: object, total: object) -> object:
            if row.day == A:  # type: ignore[attr-defined]
                raise ZeroDivisionError
            return await real(row, total)  # type: ignore[arg-type]

        with patch.object(self.loader, "load", load):
            self.go()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIn("ZeroDivisionError", self.row(A).reason)
        self.assertTrue(self.row(B).complete)

    def test_store_away(self) -> None:
        """
        A store that does not take what is to be noted ends the round; what is under
        way then is the last.
        """
        refusal = fail(StoreUnavailable("disk full"))
        with patch.object(self.store, "commit", return_value=refusal):
            going = self.begin()
            self.run_on()
            self.failureResultOf(going, StoreUnavailable)
        self.assertEqual(self.asked("listing"), [A, B])
        self.assertEqual(self.go().incomplete, [])

    def test_no_totals(self) -> None:
        """
        Without totals nothing is done.
        """
        self.archive.errors["totals"] = deque([UpstreamError("not now")])
        self.failureResultOf(self.begin(), UpstreamError)
        self.assertEqual(self.archive.asked, [("totals", 0)])

    def test_list_of_an_unfinished_run(self) -> None:
        """
        A day that is taken in while the archive is being made is looked at again when
        that is over.
        """
        self.clock.rightNow = float(TODAY * DAY + 6 * HOUR + 900)
        outcome = self.go()
        self.assertEqual((outcome.incomplete, outcome.settled), ([], False))
        self.assertEqual(self.row(A).listed_at, 0)
        self.clock.rightNow = float(TODAY * DAY + 8 * HOUR)
        self.assertTrue(self.go().settled)
        self.assertEqual(self.row(A).listed_at, TODAY * DAY + 6 * HOUR)
