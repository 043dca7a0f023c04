"""
``wanderer-backfill``: its command line, and what it shows.
"""

from collections import deque
from io import StringIO
from pathlib import Path

from twisted.internet.task import deferLater
from twisted.python.usage import UsageError

from tests.support.backfill import TODAY, ArchiveCase
from tests.support.cases import SyncCase
from tests.support.terminal import Terminal
from wanderer_twisted.backfill import Options
from wanderer_twisted.interfaces import UpstreamError
from wanderer_twisted.progress import Screen, size
from wanderer_twisted.records import ArchivedDay


class OptionsTests(SyncCase):
    def options(self, *arguments: str, settings: str = "") -> Options:
        path = self.mktemp()
        Path(path).write_text(settings)
        options = Options()
        options.parseOptions(["--config", path, *arguments])
        return options

    def refusal(self, *arguments: str, settings: str = "") -> str:
        error = self.assertRaises(
            UsageError, self.options, *arguments, settings=settings
        )
        return str(error)

    def test_days(self) -> None:
        """
        As many days as are asked for, else as the settings say, else all.
        """
        some = "archive: {backfill_days: 7}"
        self.assertEqual(self.options("--days", "3", settings=some).days, 3)
        self.assertEqual(self.options(settings=some).days, 7)
        self.assertEqual(self.options().days, 90)
        self.assertEqual(self.options(settings="history: {max_days: 30}").days, 30)

    def test_bad_days(self) -> None:
        """
        Anything else is refused, and so is more than a history may reach back.
        """
        for text in ("x", "-1", "1.5", "", "٣", "1000"):
            self.assertIn("--days", self.refusal("--days", text))
        self.assertIn("more than 90", self.refusal("--days", "91"))
        short = "history: {max_days: 30}"
        self.assertIn("more than 30", self.refusal("--days", "31", settings=short))

    def test_nothing_to_do(self) -> None:
        """
        No days are only for a database that is to be made smaller.
        """
        self.assertIn("--vacuum", self.refusal("--days", "0"))
        self.assertEqual(self.options("--days", "0", "--vacuum").days, 0)

    def test_settings(self) -> None:
        """
        The settings are those of the server, checked likewise; --database wins.
        """
        options = self.options(
            "--database", "sqlite:a.db", settings="database: sqlite:b"
        )
        self.assertEqual(options.settings.database_path, "a.db")
        self.assertIn("unknown key", self.refusal(settings="databse: sqlite:b"))


class ScreenCase(ArchiveCase):
    feeds = ()

    def setUp(self) -> None:
        super().setUp()
        self.put_days(TODAY - 1, TODAY - 2)
        self.out, self.err = StringIO(), StringIO()

    def show(self) -> list[str]:
        """
        One round of two days; what was shown of it.
        """
        screen = Screen(self.clock, self.out, self.err)
        self.rounds = self.make_rounds(2, screen.told)
        screen.begin(self.rounds)
        screen.sum_up(self.go())
        screen.end()
        return self.out.getvalue().splitlines()


class ScreenTests(ScreenCase):
    def test_lines(self) -> None:
        """
        Where it is no terminal there is a line for each day, and the sum.
        """
        first, second, total = self.show()
        self.assertRegex(first, r"^2026-11-19  10 killmails; 1 of 2 days, [0-9]+ kill")
        self.assertRegex(second, r"^2026-11-18  10 killmails; 2 of 2 days, [0-9]+ kill")
        self.assertRegex(
            total, r"^2 of 2 days are complete; 20 killmails taken in, [0-9]+ kB read"
        )

    def test_again(self) -> None:
        """
        Where there was nothing to do there is the sum only.
        """
        self.show()
        self.out.truncate(self.out.seek(0))
        (total,) = self.show()
        self.assertTrue(total.startswith("2 of 2 days are complete; 20 killmails"))

    def test_incomplete(self) -> None:
        """
        What is not complete is told with its reason, behind the sum.
        """
        self.archive.errors["listing"] = deque([UpstreamError("odd")])
        _, total, day = self.show()
        self.assertTrue(total.startswith("1 of 2 days are complete"))
        self.assertEqual(day, "2026-11-19  not complete: odd")

    def test_terminal(self) -> None:
        """
        On a terminal there is a bar, which is wiped when it is over.
        """
        self.out = Terminal()
        real = self.loader.load

        async def load(row: ArchivedDay, total: int | None) -> ArchivedDay:
            if row.day == TODAY - 2:
                await deferLater(self.clock, 2)
            return await real(row, total)

        self.patch(self.loader, "load", load)
        self.show()
        bar, wiped, total = self.out.getvalue().rsplit("\r", 2)
        self.assertIn("2026-11-18 [##########..........] 1 of 2 days", bar)
        self.assertEqual(wiped.strip(), "")
        self.assertLess(len(wiped), 80)
        self.assertTrue(total.startswith("2 of 2 days are complete"))

    def test_sizes(self) -> None:
        """
        Bytes are told in a unit that suits them.
        """
        self.assertEqual(
            [size(n) for n in (0, 12_345, 2_500_000, 3_210_000_000)],
            ["0 kB", "12 kB", "2.5 MB", "3.21 GB"],
        )
