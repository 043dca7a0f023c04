"""
The service that looks at the archive for as long as the server runs.
"""

from collections import deque

from twisted.internet.defer import Deferred

from tests.support.backfill import TODAY, ArchiveCase
from tests.support.killmails import DAY
from wanderer_twisted.archive import Archive
from wanderer_twisted.interfaces import UpstreamError

A = TODAY - 1
HOUR = 3600


class ServiceCase(ArchiveCase):
    def setUp(self) -> None:
        super().setUp()
        self.put_days(A, A - 1, A - 2)
        self.caught_up = True
        self.service = Archive(self.clock, self.rounds, lambda: self.caught_up)

    def start(self) -> None:
        self.service.startService()
        self.addCleanup(self.service.stopService)

    def looks(self) -> int:
        return self.archive.asked.count(("totals", 0))

    def pass_time(self, seconds: float) -> None:
        """
        Jump, and let what is due happen.
        """
        self.clock.advance(seconds)
        self.run_on(15)


class Runs(ServiceCase):
    def test_takes_in(self) -> None:
        """
        Soon after the start all days are there.
        """
        self.start()
        self.run_on(20)
        self.assertTrue(self.row(A).complete)
        self.assertEqual(self.looks(), 1)

    def test_every_morning(self) -> None:
        """
        When all is there it looks again when the archive has been made, within half an
        hour.
        """
        self.start()
        self.run_on(20)
        self.clock.advance((TODAY + 1) * DAY + 6 * HOUR + 590 - self.clock.seconds())
        self.run_on(5)
        self.assertEqual(self.looks(), 1)
        self.pass_time(1215)
        self.assertEqual(self.looks(), 2)

    def test_more_often(self) -> None:
        """
        While a day is not whole it looks again when that may be tried, and every hour.
        """
        del self.archive.lists[A]
        self.start()
        self.run_on(20)
        for looks, pause in ((2, 600), (3, 1200), (4, 2400), (5, 3600), (6, 3600)):
            self.pass_time(pause)
            self.assertEqual(self.looks(), looks)
        self.put_days(A)
        for _ in range(3):
            self.pass_time(3600)
        self.assertTrue(self.row(A).complete)

    def test_no_longer_wanted(self) -> None:
        """
        A day that failed and is no longer wanted does not have it look more often.
        """
        del self.archive.lists[A - 2]
        self.start()
        self.run_on(20)
        self.clock.rightNow = float((TODAY + 1) * DAY + 6 * HOUR + 700)
        self.put_days(TODAY)
        self.run_on(15)
        before = self.looks()
        for _ in range(5):
            self.pass_time(300)
        self.assertEqual(self.looks(), before)

    def test_waits_for_feeds(self) -> None:
        """
        No day is taken in before the feeds have told of their holes, ...
        """
        self.caught_up = False
        self.start()
        self.pass_time(1800)
        self.assertEqual(self.archive.asked, [])
        self.caught_up = True
        self.run_on(15)
        self.assertTrue(self.row(A).complete)

    def test_waits_an_hour_at_most(self) -> None:
        """
        ... but for an hour at the most.
        """
        self.caught_up = False
        self.start()
        self.pass_time(3580)
        self.assertEqual(self.archive.asked, [])
        self.run_on(30)
        self.assertTrue(self.row(A).complete)


class Survives(ServiceCase):
    def test_archive_away(self) -> None:
        """
        It comes back to an archive that does not answer, later each time.
        """
        self.archive.errors["totals"] = deque([UpstreamError("down")] * 2)
        self.start()
        self.run_on(20)
        for looks, pause in ((2, 300), (3, 600)):
            self.pass_time(pause - 60)
            self.assertEqual(self.looks(), looks - 1)
            self.pass_time(60)
            self.assertEqual(self.looks(), looks)
        self.assertTrue(self.row(A).complete)

    def test_left_alone(self) -> None:
        """
        It leaves the archive alone for as long as that asked.
        """
        self.archive.errors["totals"] = deque([UpstreamError("banned", 7200.0)])
        self.start()
        self.run_on(20)
        self.pass_time(7100)
        self.assertEqual(self.looks(), 1)
        self.pass_time(100)
        self.assertEqual(self.looks(), 2)

    def test_bug(self) -> None:
        """
        An error that nobody foresaw is logged and does not end it.
        """
        self.archive.errors["totals"] = deque([ZeroDivisionError()])
        self.start()
        self.run_on(20)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.pass_time(300)
        self.assertTrue(self.row(A).complete)


class Stops(ServiceCase):
    def test_anywhere(self) -> None:
        """
        It stops in the middle of a day, and leaves no files.
        """
        self.service.startService()
        self.run_on(10.2)
        self.assertLess(len(self.lacking(self.ids(A))), 10)
        stopped = self.service.stopService()
        assert isinstance(stopped, Deferred)
        self.assertIsNone(self.successResultOf(stopped))
        self.check_clean()
        asked = len(self.archive.asked)
        self.pass_time(DAY)
        self.assertEqual(len(self.archive.asked), asked)

    def test_not_started(self) -> None:
        """
        One that was never started has nothing to stop.
        """
        self.assertIsNone(self.service.stopService())

    def test_cleans_up(self) -> None:
        """
        What a crash left of a day's files is removed at the start.
        """
        import os

        os.mkdir(self.folder)
        with open(f"{self.folder}/raw.json", "w") as file:
            file.write("{")
        self.start()
        self.check_clean()
