"""
Starts that cannot be: one clear line, status 1, nothing started, nothing left behind.
"""

import os
import socket
from collections.abc import Coroutine
from typing import Any

from tests.processes import TWISTD, Process, ProcessCase, free_port


class StartsTests(ProcessCase):
    """
    ``twistd -n wanderer-sse`` with something wrong.
    """

    def start(self, *options: str) -> Process:
        return self.twistd("wanderer-sse", *options)

    def written(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    async def ended(self, process: Process) -> str:
        """
        What it said on standard error, once it has ended by itself.
        """
        await self.until(
            f"the end of {process.command}", lambda: process.status is not None
        )
        self.assertNotIn("Traceback", process.out + process.err)
        return process.err

    async def refused(self, process: Process, line: str) -> None:
        """
        It ends by itself, with one line on standard error and nothing else said.
        """
        self.assertEqual(await self.ended(process), f"wanderer-sse: {line}\n")
        self.assertEqual((process.status, process.out), (1, ""))

    async def test_settings(self) -> None:
        """
        What is wrong with the settings is told by file or option, and key.
        """
        key = self.written("key.yaml", "lisen: []")
        value = self.written("value.yaml", "retention: {days: 3}")
        none = str(self.folder / "none.yaml")
        allowed = "a Twisted endpoint, as tcp:4004:interface=127.0.0.1"
        before = sorted(self.folder.rglob("*"))
        refusals: list[Coroutine[Any, Any, None]] = [
            self.refused(
                self.start("--config", key),
                f"{key}: lisen: unknown key, nearest known: listen",
            ),
            self.refused(
                self.start("--config", value, "--check-config"),
                f"{value}: retention.days: found 3, allowed: a whole number from 8 to"
                " 36500",
            ),
            self.refused(
                self.start("--config", none),
                f"{none}: cannot be read: No such file or directory",
            ),
            self.refused(
                self.twistd("--rundir", "nowhere", "wanderer-sse", "--check-config"),
                "--rundir nowhere: No such file or directory",
            ),
            self.refused(
                self.start("--listen", "udp:9", "--demo"),
                "--listen[0]: found 'udp:9' (Unknown endpoint type: 'udp'), allowed:"
                f" {allowed}",
            ),
        ]
        await self.together(*refusals)
        self.assertEqual(sorted(self.folder.rglob("*")), before)

    async def test_databases(self) -> None:
        """
        A database that cannot be used is told by its path; it stays as it was.
        """
        other = self.written("other.db", "something else than a database\n" * 50)
        await self.together(
            self.refused(
                self.start("--database", f"sqlite:{other}"),
                f"database {other}: file is not a database",
            ),
            self.refused(
                self.start("--database", f"sqlite:{other}/there"),
                f"database {other}/there: Not a directory",
            ),
            self.refuse_locked_folder(),
            self.refuse_second(),
        )
        self.assertEqual(
            (self.folder / "other.db").read_text(),
            "something else than a database\n" * 50,
        )

    async def refuse_locked_folder(self) -> None:
        folder = self.folder / "locked"
        folder.mkdir(mode=0o500)
        if os.access(folder, os.W_OK):  # we are root, for whom nothing is locked
            return
        await self.refused(
            self.start("--database", f"sqlite:{folder}/own.db"),
            f"database {folder}/own.db: Permission denied",
        )

    async def refuse_second(self) -> None:
        first = await self.server("first", contact="tests@example.org", feeds=NOWHERE)
        await self.refused(
            self.start("--database", f"sqlite:{first.database}"),
            f"database {first.database}: another server has it open",
        )
        self.assertEqual((await first.health())[0], 200)

    async def test_port_in_use(self) -> None:
        """
        It is told by its number; the demo takes its database away again.
        """
        with socket.create_server(("127.0.0.1", free_port())) as taken:
            port = taken.getsockname()[1]
            listen = f"tcp:{port}:interface=127.0.0.1"
            before = sorted(self.folder.rglob("*"))
            demo = self.start("--demo", "--listen", listen)
            await self.ended(demo)
        self.assertEqual(demo.status, 1)
        said = f"wanderer-sse: Couldn't listen on 127.0.0.1:{port}: "
        (line,) = demo.err.splitlines()
        self.assertIn(said, line)
        self.assertEqual(sorted(self.folder.rglob("*")), before)

    async def test_no_folder_for_a_socket(self) -> None:
        """
        It is told by the file that could not be made.
        """
        said = await self.ended(self.start("--demo", "--listen", "unix:/nowhere/own"))
        line = "wanderer-sse: /nowhere/own.lock: No such file or directory\n"
        self.assertEqual(said, line)

    async def test_simulators_port_in_use(self) -> None:
        """
        The simulator tells of it like the server.
        """
        with socket.create_server(("127.0.0.1", free_port())) as taken:
            port = taken.getsockname()[1]
            listen = f"tcp:{port}:interface=127.0.0.1"
            simulator = self.twistd("wanderer-simulator", "--listen", listen)
            said = await self.ended(simulator)
        (line,) = said.splitlines()
        start = f"wanderer-simulator: Couldn't listen on 127.0.0.1:{port}: "
        self.assertIn(start, line)
        self.assertEqual(simulator.status, 1)

    async def test_in_the_background(self) -> None:
        """
        twistd in the foreground, which waits for its daemon, tells why it did not start
        and ends.
        """
        with socket.create_server(("127.0.0.1", free_port())) as taken:
            listen = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            daemon = self.spawn(
                *(TWISTD, "--pidfile=own.pid", "--logfile=own.log", "wanderer-sse"),
                *("--database", "sqlite:own.db", "--admin-listen=", "--listen", listen),
            )
            await self.until("the end", lambda: daemon.status is not None)
        self.assertEqual(daemon.status, 1)
        self.assertIn("Couldn't listen on 127.0.0.1", daemon.out + daemon.err)
        self.assertFalse((self.folder / "own.pid").exists())

    async def test_check_config(self) -> None:
        """
        Good settings are said to be, and nothing is made or started.
        """
        before = sorted(self.folder.rglob("*"))
        check = self.start("--check-config")
        self.assertEqual(await self.ended(check), "")
        self.assertEqual((check.status, check.out), (0, "The settings are fine.\n"))
        self.assertEqual(sorted(self.folder.rglob("*")), before)


#: A feed that nobody serves.
NOWHERE = [{"kind": "r2z2", "url": f"http://127.0.0.1:{free_port()}"}]
