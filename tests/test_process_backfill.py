"""
``wanderer-backfill`` as a process, and a server beside it.
"""

import json
import shlex
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.processes import Process, ProcessCase, Simulator
from wanderer_twisted import SERVER_NAME

RUN = "from wanderer_twisted.backfill import main; main()"
#: Code for the process: it is told to stop when it has opened the database.
STOPPED_AT_ONCE = """
import os, signal
from wanderer_twisted.store.sqlite import SqliteStore
opens = SqliteStore.open
def told_to_stop(self):
    opens(self)
    os.kill(os.getpid(), signal.SIGTERM)
SqliteStore.open = told_to_stop
"""
#: What it says goes there.
ON_A_FULL_DISK = """
import os
os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
"""


class BackfillTests(ProcessCase):
    """
    Two days of the simulator's archive.

    :ivar listed: how many of them it has.
    """

    timeout = 180

    async def prepare(self) -> Simulator:
        simulator = await self.simulator("--days", "3")
        # Yesterday is listed from 06:00 UTC on.
        self.listed = 2 if self.reactor.seconds() % 86_400 >= 6 * 3600 else 1
        self.settings = {
            **simulator.settings(),
            "archive": {"url": simulator.url("r2z2/history")},
        }
        return simulator

    def backfill(self, name: str, *options: str, code: str = "") -> Process:
        """
        A run for the database of this name, in the case's folder.

        :param code: run in its process before it starts.
        """
        config = self.folder / f"{name}-backfill.yaml"
        settings = {"database": f"sqlite:{self.database(name)}", **self.settings}
        config.write_text(json.dumps(settings))
        return self.spawn(
            *(sys.executable, "-c", code + RUN, "--config", str(config)),
            *("--days", "2", *options),
        )

    async def ended(self, process: Process) -> int:
        await self.until("its end", lambda: process.status is not None)
        self.assertNotIn("Traceback", process.out + process.err)
        assert process.status is not None
        return process.status

    def database(self, name: str) -> Path:
        return self.folder / f"{name}.db"

    def stored(self, name: str) -> list[tuple[Any, ...]]:
        """
        What a database holds, but for its numbers.
        """
        uri = f"file:{self.database(name)}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return connection.execute(
                "SELECT killmail_id, kill_time, live_seq, main, items FROM killmail"
                " JOIN body USING (killmail_id) ORDER BY killmail_id"
            ).fetchall()

    def have(self, name: str) -> int:
        if not self.database(name).exists():
            return 0
        uri = f"file:{self.database(name)}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            try:
                return int(
                    connection.execute("SELECT count(*) FROM killmail").fetchone()[0]
                )
            except sqlite3.OperationalError:  # not made yet
                return 0

    async def test_filled(self) -> None:
        """
        A fresh database is filled; again, there is nothing to do; a vacuum is told.
        """
        await self.prepare()
        first = self.backfill("own")
        self.assertEqual(await self.ended(first), 0)
        *days, total = first.out.splitlines()
        self.assertEqual(len(days), self.listed)
        self.assertIn(f"{self.listed} of {self.listed} days are complete", total)
        stored = self.stored("own")
        self.assertGreater(len(stored), 100)
        self.assertEqual({live for _, _, live, _, _ in stored}, {None})

        second = self.backfill("own", "--vacuum")
        self.assertEqual(await self.ended(second), 0)
        nothing, vacuumed = second.out.splitlines()
        self.assertIn("; 0 killmails taken in, 0 kB read", nothing)
        self.assertIn("The database had ", vacuumed)
        self.assertEqual(self.stored("own"), stored)
        self.assertFalse((self.folder / "own.db.archive").exists())

    async def test_nowhere_to_write(self) -> None:
        """
        Output that cannot be written ends it with one line.
        """
        await self.prepare()
        full = self.backfill("own", code=ON_A_FULL_DISK)
        self.assertEqual(await self.ended(full), 1)
        self.assertEqual(
            full.err, "wanderer-backfill: output: No space left on device\n"
        )

    async def test_help(self) -> None:
        """
        It says its name and its version; who reads only the beginning sees no error.
        """
        command = shlex.join((sys.executable, "-c", RUN, "--help"))
        help = self.spawn("/bin/sh", "-c", f"{command} | head -n 1")
        self.assertEqual(await self.ended(help), 0)
        self.assertTrue(help.out.startswith("Usage: wanderer-backfill "), help.out)
        version = self.spawn(sys.executable, "-c", RUN, "--version")
        self.assertEqual(await self.ended(version), 0)
        self.assertEqual(version.out, f"{SERVER_NAME}\n")
        cut = self.spawn("/bin/sh", "-c", f"(sleep 0.1; {command}) | true")
        self.assertEqual(await self.ended(cut), 0)
        self.assertEqual(cut.err, "")

    async def test_stopped_at_once(self) -> None:
        """
        It hears of a stop from the moment on at which it does anything.
        """
        self.settings = {}
        stopped = self.backfill("own", code=STOPPED_AT_ONCE)
        self.assertEqual(await self.ended(stopped), 1)
        self.assertIn("stopped; the next run goes on from here", stopped.err)

    async def test_beside_a_server(self) -> None:
        """
        It leaves a running server its database, with one line; the server takes the
        days in by itself.
        """
        await self.prepare()
        settings = json.loads(json.dumps(self.settings))
        settings["archive"]["backfill_days"] = 2
        server = await self.server("own", **settings)
        beside = self.backfill("own")
        self.assertEqual(await self.ended(beside), 1)
        self.assertEqual(beside.out, "")
        (line,) = beside.err.splitlines()
        self.assertIn(f"{self.database('own')}: another server has it open; ", line)
        self.assertIn("archive.backfill_days", line)

        await self.until(
            "days", lambda: self.days_done("own") == self.listed, within=90
        )
        await server.stop()
        again = self.backfill("own")
        self.assertEqual(await self.ended(again), 0)
        self.assertIn("; 0 killmails taken in", again.out)

    def days_done(self, name: str) -> int:
        uri = f"file:{self.database(name)}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            found = connection.execute(
                "SELECT count(*) FROM day WHERE loaded AND reason = ''"
            )
            return int(found.fetchone()[0])

    async def test_killed(self) -> None:
        """
        Killed or stopped in the middle and run again, it comes to the same store.
        """
        await self.prepare()
        await self.together(self.whole("whole"), self.in_pieces("pieces"))
        self.assertEqual(self.stored("pieces"), self.stored("whole"))
        self.assertFalse((self.folder / "pieces.db.archive").exists())

    async def whole(self, name: str) -> None:
        self.assertEqual(await self.ended(self.backfill(name)), 0)

    async def in_pieces(self, name: str) -> None:
        folder = Path(f"{self.database(name)}.archive")
        killed = self.backfill(name)
        await self.until("a day's files", folder.exists)
        await killed.kill()
        killed = self.backfill(name)
        await self.until("some killmails", lambda: self.have(name))
        await killed.kill()
        left = folder / "left"
        folder.mkdir(exist_ok=True)
        left.touch()
        stopped = self.backfill(name)
        await self.until("a start that cleans up", lambda: not left.exists())
        stopped.send(signal.SIGTERM)
        await self.ended(stopped)
        self.assertFalse(folder.exists())
        if not stopped.out:  # else it was through before it heard of it
            self.assertIn("stopped; the next run goes on from here", stopped.err)
        self.assertEqual(await self.ended(self.backfill(name)), 0)
