"""
Staging as a process of its own.
"""

import os
import sys
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import TestCase

from tests.support.killmails import START, esi
from tests.support.past import HASH
from wanderer_twisted.archive import stager
from wanderer_twisted.archive.stager import Stager
from wanderer_twisted.days import day_of
from wanderer_twisted.encoding import dumps
from wanderer_twisted.store.staging import Ask, BadDay, Staged, read_news

#: Says that it runs, and does not end.
HANGS = "import sys, time; print(1, file=open(sys.argv[1], 'w')); time.sleep(60)"


class StagerTests(TestCase):
    """
    A child, on the real reactor.
    """

    timeout = 60

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.raw, self.path = str(self.folder / "raw"), str(self.folder / "staged")
        self.ask = Ask(day_of(START), {1: HASH, 2: HASH}, frozenset({2}), [(0, 2**40)])
        Path(self.raw).write_bytes(dumps({1: esi(1), 2: esi(2)}))

    def stage(self, deadline: float = 30.0) -> "Deferred[Staged]":
        staging = Stager(self.reactor, deadline).stage(self.raw, self.path, self.ask)
        return Deferred.fromCoroutine(staging)

    def run_instead(self, code: str) -> None:
        self.patch(stager, "_COMMAND", (sys.executable, "-c", code))

    async def refusal(self, **more: Any) -> str:
        with self.assertRaises(BadDay) as caught:
            await self.stage(**more)
        return str(caught.exception)

    async def test_staged(self) -> None:
        """
        It does what the function does, and says the same.
        """
        staged = await self.stage()
        self.assertEqual((staged.parts, staged.killmails, staged.lacking), (1, 2, []))
        self.assertEqual([each.killmail_id for each in read_news(self.path, 0, 9)], [2])

    async def test_elsewhere(self) -> None:
        """
        Modules of the same names in the folder where the server runs do not get in
        its way.
        """
        (self.folder / "attrs.py").write_text("raise SystemExit(9)")
        before = os.getcwd()
        self.raw, self.path = os.path.abspath(self.raw), os.path.abspath(self.path)
        os.chdir(self.folder)
        self.addCleanup(os.chdir, before)
        self.assertEqual((await self.stage()).killmails, 2)

    async def test_bad_day(self) -> None:
        """
        What is no day comes with the reason, in one line.
        """
        Path(self.raw).write_text("<html>")
        self.assertIn("no object of killmails", await self.refusal())

    async def test_no_file(self) -> None:
        """
        So does a file that is not there.
        """
        os.unlink(self.raw)
        self.assertIn("No such file", await self.refusal())

    async def test_crash(self) -> None:
        """
        A process that fails otherwise tells by its last line.
        """
        self.run_instead("raise ZeroDivisionError('odd')")
        self.assertEqual(
            await self.refusal(), "Staging it failed (1): ZeroDivisionError: odd"
        )

    async def test_killed(self) -> None:
        """
        One that was killed, for want of memory for instance, says so.
        """
        self.run_instead("import os; os.kill(os.getpid(), 9)")
        self.assertIn("ended by a signal", await self.refusal())

    async def test_nonsense(self) -> None:
        """
        An answer that is none is an error, and so is one that is longer than any.
        """
        self.run_instead("print('x')")
        self.assertIn("told nothing", await self.refusal())
        answer = dumps(attrs.asdict(Staged(1, 0, 0, 0, 0, [], 0))).decode()
        self.run_instead(f"print(' ' * 100_000 + {answer!r})")
        self.assertIn("told nothing", await self.refusal())
        self.run_instead(f"print({answer!r})")
        self.assertEqual((await self.stage()).parts, 1)

    async def test_deadline(self) -> None:
        """
        One that takes too long is killed.
        """
        self.run_instead(HANGS)
        self.assertIn("more than 0 s", await self.refusal(deadline=0.3))

    async def test_stopped(self) -> None:
        """
        One that is not wanted any more is killed, and gone when that is told.
        """
        self.run_instead(f"import os; {HANGS.replace('print(1', 'print(os.getpid()')}")
        staging = self.stage()
        self.raw_pid = Path(self.raw)
        self.raw_pid.write_text("")
        await self.started()
        staging.cancel()
        with self.assertRaises(CancelledError):
            await staging
        pid = int(self.raw_pid.read_text())
        self.assertRaises(ProcessLookupError, os.kill, pid, 0)

    async def started(self) -> None:
        from twisted.internet.task import deferLater

        while not self.raw_pid.read_text().strip():
            await deferLater(self.reactor, 0.02)
