"""
The manhole of a real server, by the real telnet.
"""

import re
import shutil
import socket
import stat
from pathlib import Path

from twisted.internet.threads import deferToThread

from tests.processes import Process, ProcessCase, Server, Simulator, free_port

TELNET = shutil.which("telnet") or ""


class Telnet:
    """
    A person at a terminal.
    """

    def __init__(self, case: ProcessCase, port: int) -> None:
        self._case = case
        self.process = case.spawn(TELNET, "127.0.0.1", str(port), terminal=True)
        self._seen = 0

    @property
    def shown(self) -> str:
        """
        All that there was to read, without what commands a terminal.
        """
        return re.sub(r"\x1b\[[0-9]*[A-Za-z]|\r", "", self.process.out)

    async def read(self, until: str) -> str:
        """
        Wait for something that was not read before.

        :returns: what was read, up to its end.
        """
        await self._case.until(until, lambda: until in self.shown[self._seen :])
        start = self._seen
        self._seen = self.shown.index(until, start) + len(until)
        return self.shown[start : self._seen]

    def type(self, keys: str) -> None:
        assert self.process.transport is not None
        self.process.transport.write(keys.encode())

    async def ask(self, line: str, until: str = "\n>>> ") -> str:
        """
        :returns: what comes of a line.
        """
        self.type(f"{line}\r")
        answer = await self.read(until)
        return answer.partition("\n")[2].removesuffix(until).strip()

    async def log_in(self, password: str = "secret") -> None:
        await self.read("User: ")
        self.type("ann\r")
        await self.read("Password: ")
        self.type(f"{password}\r")

    async def ended(self) -> None:
        await self._case.until("the end", lambda: self.process.status is not None)


class ManholeCase(ProcessCase):
    """
    A server with a manhole and a client that follows.
    """

    async def start(self, listen: str) -> tuple[Server, Simulator]:
        passwd = self.folder / "passwd"
        passwd.write_text("ann:secret\n")
        passwd.chmod(0o600)
        simulator = await self.simulator()
        server = await self.server(
            "own",
            manhole={"listen": listen, "passwd": str(passwd)},
            **simulator.settings(),
        )
        await self.until("a feed", server.has_begun)
        return server, simulator

    def check_log(self, server: Server) -> None:
        said = server.process.out + server.process.err
        for bad in ("Traceback", "Unhandled", "secret"):
            self.assertNotIn(bad, said)


class TelnetTests(ManholeCase):
    """
    By telnet.
    """

    if not TELNET:
        skip = "telnet is not installed (Debian: inetutils-telnet)"

    async def test_an_evening(self) -> None:
        """
        In, around, and out again; a stream that is kicked loses nothing.
        """
        port = free_port()
        server, simulator = await self.start(f"tcp:{port}:interface=127.0.0.1")
        client = await self.connected(server)

        guess = Telnet(self, port)
        await guess.log_in("guess")
        await guess.read("That is wrong.")
        await guess.ended()

        person = Telnet(self, port)
        await person.log_in()
        await person.read(">>> ")
        self.assertNotIn("secret", person.shown)
        self.assertIn("replay(killmail_id", await person.ask("help()"))
        session = client.events[0].data["session"]
        streams = await person.ask("streams()")
        self.assertIn(f"\n{session}  127.0.0.1", streams)
        self.assertIn("1 stream open", streams)
        self.assertIn("0 streams with 95465499", await person.ask("who(95465499)"))
        self.assertIn("0 streams behind", await person.ask("behind()"))
        self.assertIn("r2z2", await person.ask("feeds()"))

        await person.ask(f"trace('{session}')")
        played = await simulator.play(2)
        await person.read(f"{session}  killmail ")
        await person.read(f"{session}  killmail ")
        await self.until_all(client, played)
        answer = await person.ask(f"replay({played[0]})", until="it concerns")
        self.assertIn(f"{session}  told, live", answer)
        await person.read(">>> ")
        kicked = await person.ask(f"kick('{session}')")
        self.assertIn(f"{session}  closed: kicked\n{session} is closed", kicked)
        await self.until_all(client, await simulator.play(2))
        self.check_all_live(client, server)
        self.assertEqual(client.named("error")[0].data["type"], "kicked")

        person.type("\x04")
        await person.read("Connection closed by foreign host.")
        await person.ended()
        self.check_log(server)

    async def test_dropped(self) -> None:
        """
        Terminals that vanish, on the way in or with a trace, leave nothing in the log.
        """
        port = free_port()
        server, simulator = await self.start(f"tcp:{port}:interface=127.0.0.1")
        client = await self.connected(server)
        visitor, user, watcher = (Telnet(self, port) for _ in range(3))
        await visitor.read("User: ")
        await user.read("User: ")
        user.type("ann\r")
        await user.read("Password: ")
        await watcher.log_in()
        await watcher.read(">>> ")
        await watcher.ask(f"trace('{client.events[0].data['session']}')")
        for each in (visitor, user, watcher):
            await each.process.kill()
        await self.until_all(client, await simulator.play(2))
        self.assertEqual(len(client.named("connected")), 1)
        await server.stop()
        self.check_log(server)

    async def test_stopped(self) -> None:
        """
        A terminal that is open does not hold up the server's end.
        """
        port = free_port()
        server, _ = await self.start(f"tcp:{port}:interface=127.0.0.1")
        person = Telnet(self, port)
        await person.log_in()
        await person.read(">>> ")
        await server.stop()
        await person.ended()
        self.check_log(server)


class SocketTests(ManholeCase):
    """
    By a UNIX socket, and without telnet.
    """

    async def test_unix(self) -> None:
        """
        A socket with the mode that was asked for, and a script that sends all at once.
        """
        path = str(self.folder / "manhole")
        server, _ = await self.start(f"unix:{path}:mode=600")
        self.assertEqual(stat.S_IMODE(Path(path).stat().st_mode), 0o600)

        def ask() -> bytes:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(30)
                connection.connect(path)
                connection.sendall(b"ann\nsecret\nlen(hub) + 41\n\x04")
                found = b""
                while more := connection.recv(4096):
                    found += more
            return found

        self.assertRegex(await deferToThread(ask), rb"\n41\r")
        self.check_log(server)


class StartsTests(ProcessCase):
    """
    Passwords that cannot be used: one line, status 1, nothing started.
    """

    async def refused(self, passwd: str, why: str, *options: str) -> None:
        config = self.folder / f"{len(self.processes)}.yaml"
        listen = f"tcp:{free_port()}:interface=127.0.0.1"
        config.write_text(f"manhole: {{listen: '{listen}', passwd: '{passwd}'}}")
        process: Process = self.twistd(
            "wanderer-sse", "--config", str(config), "--demo", *options
        )
        await self.until("the end", lambda: process.status is not None)
        line = f"wanderer-sse: manhole.passwd: {passwd}: {why}\n"
        self.assertEqual((process.status, process.out, process.err), (1, "", line))

    async def test_refused(self) -> None:
        """
        A file that others may read, an empty one, and none; when checking, too.
        """
        for name, text, mode in (
            ("open", "ann:secret", 0o644),
            ("empty", "", 0o600),
            ("odd", "secret", 0o600),
        ):
            path = self.folder / name
            path.write_text(text)
            path.chmod(mode)
        folder = self.folder
        others = "others may use it, chmod it to 600"
        await self.together(
            self.refused(f"{folder}/open", others),
            self.refused(f"{folder}/open", others, "--check-config"),
            self.refused(
                f"{folder}/empty", "is empty, allowed: lines with USER:PASSWORD"
            ),
            self.refused(
                f"{folder}/odd", "line 1: allowed: USER:PASSWORD, without spaces"
            ),
            self.refused(f"{folder}/none", "No such file or directory"),
        )
