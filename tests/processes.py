"""
Whole programs on real sockets: the server and the simulator as processes of their own.
"""

import json
import os
import signal
import socket
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import closing
from inspect import isawaitable
from pathlib import Path
from random import Random
from typing import Any

import treq
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.support.reader import BROKEN, Client

TWISTD = str(Path(sys.executable).parent / "twistd")


def free_port() -> int:
    """
    A port that nobody has, below those that the kernel gives to outgoing connections.
    """
    for port in Random().sample(range(15_000, 32_000), 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


class Process(ProcessProtocol):
    """
    A program, and what it said.

    :ivar status: its exit status, or minus the signal that ended it; None while it
        runs.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self.status: int | None = None
        self.ended: Deferred[None] = Deferred()
        self.out = self.err = ""

    @property
    def pid(self) -> int:
        assert self.transport is not None and self.transport.pid is not None
        return int(self.transport.pid)

    def outReceived(self, data: bytes) -> None:  # noqa: N802  (Twisted's names)
        self.out += data.decode("utf-8", "replace")

    def errReceived(self, data: bytes) -> None:  # noqa: N802
        self.err += data.decode("utf-8", "replace")

    def processEnded(self, reason: Failure) -> None:  # noqa: N802
        error: Any = reason.value
        self.status = 0
        if isinstance(error, ProcessTerminated):
            self.status = -error.signal if error.signal else error.exitCode
        self.ended.callback(None)

    def send(self, number: signal.Signals) -> None:
        """
        Send it a signal, if it is still there.
        """
        if self.status is None:
            os.kill(self.pid, number)

    async def kill(self) -> None:
        """
        End it as a power cut would, and wait until it is gone.
        """
        self.send(signal.SIGKILL)
        await self.ended

    def report(self) -> str:
        command = " ".join(self.command)
        return f"\n--- {command}\n(status {self.status})\n{self.out}{self.err}"


class Programs:
    """
    Starts programs and waits for things to happen.

    :ivar folder: an own, empty one, in which they run.
    :ivar processes: all that were started.
    """

    reactor: Any
    folder: Path
    processes: list[Process]

    def work_in(self, reactor: Any, folder: Path) -> None:
        """
        Before anything else.
        """
        self.reactor = reactor
        self.processes = []
        self.folder = folder.resolve()
        (self.folder / "tmp").mkdir(parents=True)

    # --- processes -------------------------------------------------------------

    def spawn(self, *command: str, terminal: bool = False) -> Process:
        """
        :param terminal: give it one, instead of pipes; all that it says is in ``out``.
        """
        process = Process(command)
        self.processes.append(process)
        environment = {**os.environ, "TMPDIR": str(self.folder / "tmp")}
        self.reactor.spawnProcess(
            process,
            command[0],
            command,
            environment,
            str(self.folder),
            usePTY=terminal,
        )
        return process

    def twistd(self, *arguments: str) -> Process:
        """
        A server gets no admin listener, whose usual port others may have, unless it is
        told of one.
        """
        named = any(each.startswith("--admin-listen") for each in arguments)
        if arguments[0] == "wanderer-sse" and not named:
            arguments = (*arguments, "--admin-listen=")
        return self.spawn(TWISTD, "-n", "--pidfile=", *arguments)

    async def simulator(self, *options: str, port: int = 0) -> "Simulator":
        """
        One that answers, and plays on command only.
        """
        port = port or free_port()
        process = self.twistd(
            "wanderer-simulator",
            *("--listen", f"tcp:{port}:interface=127.0.0.1", "--pace", "manual"),
            *options,
        )
        simulator = Simulator(process, f"http://127.0.0.1:{port}", port)
        await self.until("the simulator answers", simulator.answers)
        return simulator

    async def server(self, name: str, *, code: str = "", **settings: Any) -> "Server":
        """
        One that answers.

        :param name: of its files.
        :param code: run in its process before it starts.
        """
        server = Server(self, name, code, settings)
        await server.start()
        return server

    # --- waiting ---------------------------------------------------------------

    async def until(
        self, what: str, condition: Callable[[], Any], within: float = 40.0
    ) -> Any:
        """
        Wait for something to become true.

        :param condition: may be a coroutine function.
        :returns: what *condition* returned in the end.
        """
        deadline = self.reactor.seconds() + within
        while True:
            answer = condition()
            if isawaitable(answer):
                answer = await answer
            if answer:
                return answer
            if self.reactor.seconds() > deadline:
                raise AssertionError(f"not within {within} s: {what}")
            await self.pause(0.05)

    async def pause(self, seconds: float) -> None:
        await deferLater(self.reactor, seconds)

    async def together(self, *parts: Coroutine[Any, Any, None]) -> None:
        """
        Do several things side by side, since most of their time is waiting. All of
        them end before any failure is told.
        """
        running = [Deferred.fromCoroutine(part) for part in parts]
        ends: Any = await DeferredList(running, consumeErrors=True)
        failures = [result for well, result in ends if not well]
        for failure in failures[1:]:
            failure.printTraceback(file=sys.stdout)
        if failures:
            failures[0].raiseException()


class ProcessCase(Programs, TestCase):
    """
    A test case with processes: killed when it is over, their output shown when it
    failed.
    """

    timeout = 120

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.work_in(reactor, Path(self.mktemp()))

    def run(self, result: Any) -> None:  # type: ignore[override]  # trial's own
        before = len(result.errors) + len(result.failures)
        super().run(result)
        if len(result.errors) + len(result.failures) > before:
            for process in self.processes:
                print(process.report())

    def spawn(self, *command: str, terminal: bool = False) -> Process:
        process = super().spawn(*command, terminal=terminal)
        self.addCleanup(process.kill)
        return process

    async def until_all(self, client: "Client", wanted: Collection[int]) -> None:
        """
        Wait until the client has all of these killmails.
        """

        def lacking() -> list[int]:
            return sorted(set(wanted) - set(client.killmails))

        try:
            await self.until("all killmails", lambda: not lacking())
        except self.failureException as error:
            self.fail(f"{error}: {lacking()} of {wanted} are lacking")

    # --- clients ---------------------------------------------------------------

    def client(self, server: "Server", query: str = "", slow: float = 0.0) -> "Client":
        """
        An open one.
        """
        client = Client(self.reactor, server.stream_url(query), slow)
        client.open()
        self.addCleanup(client.close)
        return client

    async def connected(self, server: "Server", query: str = "") -> "Client":
        """
        One that has begun.
        """
        client = self.client(server, query)
        await self.until("a connection", lambda: client.events)
        return client

    def check_all_live(self, client: "Client", server: "Server") -> None:
        """
        The client, of everything, got all that was announced since its first one.
        """
        first, _ = client.live[0]
        announced = [id for seq, id in server.announced() if seq >= first]
        self.check_exactly_once(client, announced, server)

    def check_exactly_once(
        self, client: "Client", wanted: Collection[int], server: "Server"
    ) -> None:
        """
        The client got these and no others, each once, the live ones under the numbers
        that the store has for them, and in their order.
        """
        self.assertEqual(sorted(set(wanted) - set(client.killmails)), [], "lost")
        self.assertEqual(sorted(set(client.killmails) - set(wanted)), [], "not wanted")
        repeated = [id for id, n in Counter(client.killmails).items() if n > 1]
        self.assertEqual(repeated, [], "repeated")
        announced = dict(server.announced())
        self.assertEqual(client.live, sorted(client.live), "not in order")
        for seq, killmail_id in client.live:
            self.assertEqual(announced[seq], killmail_id)


class Simulator:
    """
    A simulator, commanded over HTTP.

    :ivar played: the killmails that it was told to play.
    """

    def __init__(self, process: Process, base_url: str, port: int) -> None:
        self.process = process
        self.port = port
        self.base_url = base_url
        self.played: list[int] = []

    def settings(self, *feeds: str) -> dict[str, Any]:
        """
        A server's settings with this one as its whole world.

        :param feeds: ``r2z2`` or ``redisq``.
        """
        return {
            "contact": "tests@example.org",
            "feeds": [self.feed(kind) for kind in feeds or ("r2z2",)],
            "zkillboard": {"url": self.url("zkb/api"), "requests_per_second": 100},
            "archive": {"url": self.url("r2z2/history")},
            "esi": {"url": self.url("esi")},
        }

    def feed(self, kind: str) -> dict[str, Any]:
        if kind == "r2z2":
            return {"kind": kind, "url": self.url("r2z2")}
        url = self.url("redisq/listen.php")
        return {"kind": kind, "url": url, "queue_id": "tests", "ttw": 1}

    def url(self, path: str) -> str:
        return f"{self.base_url}/{path}"

    async def answers(self) -> bool:
        return await answers(self.url("control/"))

    async def get(self, path: str) -> Any:
        return await self._command("GET", path)

    async def post(self, path: str, **wishes: Any) -> Any:
        return await self._command("POST", path, wishes)

    async def play(self, count: int = 1) -> list[int]:
        answer = await self.post("play", count=count)
        self.played += answer["killmail_ids"]
        return list(answer["killmail_ids"])

    async def fault(self, kind: str, service: str, path: str, **more: Any) -> None:
        fault = {"kind": kind, "service": service, "path": path, **more}
        await self._command("POST", "faults", fault)

    async def _command(self, method: str, path: str, wishes: Any = None) -> Any:
        response = await treq.request(
            method, self.url(f"control/{path}"), json=wishes, persistent=False
        )
        document = await response.json()
        assert response.code == 200, document
        return document


class Server:
    """
    A server that can be killed and started again on the same port and database.
    """

    def __init__(
        self, programs: Programs, name: str, code: str, settings: dict[str, Any]
    ) -> None:
        self._programs = programs
        self._code = code
        self.port = free_port()
        self.database = programs.folder / f"{name}.db"
        self.config = programs.folder / f"{name}.yaml"
        self.configure(**settings)

    def configure(self, **settings: Any) -> None:
        """
        Write its settings, which it reads when it starts.
        """
        self.config.write_text(
            json.dumps(
                {
                    "listen": [f"tcp:{self.port}:interface=127.0.0.1"],
                    "admin_listen": "",
                    "database": f"sqlite:{self.database}",
                    **settings,
                }
            )
        )

    async def start(self) -> None:
        """
        Start it and wait until it answers.
        """
        self.launch()
        await self._programs.until("the server answers", self.answers)

    async def stop(self) -> None:
        """
        End it as an operator does, and wait until it is gone.
        """
        self.process.send(signal.SIGTERM)
        process = self.process
        await self._programs.until("a stop", lambda: process.status is not None)

    def launch(self) -> None:
        command = ["-n", "--pidfile=", "wanderer-sse", "--config", str(self.config)]
        if self._code:
            code = f"{self._code}\nfrom twisted.scripts.twistd import run\nrun()"
            self.process = self._programs.spawn(sys.executable, "-c", code, *command)
        else:
            self.process = self._programs.spawn(TWISTD, *command)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def stream_url(self, query: str) -> str:
        return self.url("api/v1/kills/stream" + (f"?{query}" if query else ""))

    async def answers(self) -> bool:
        if self.process.status is not None:
            raise AssertionError(f"the server ended: {self.process.report()}")
        return await answers(self.url("ping"))

    async def health(self) -> tuple[int, Any]:
        response = await treq.get(self.url("health"), persistent=False)
        return response.code, await response.json()

    async def has_begun(self) -> bool:
        """
        Whether all feeds know where they are.
        """
        _, health = await self.health()
        return all(feed["position"] for feed in health["feeds"])

    def announced(self) -> list[tuple[int, int]]:
        """
        What the store says was announced: (live number, killmail_id).
        """
        uri = f"file:{self.database}?mode=ro"
        statement = "SELECT live_seq, killmail_id FROM killmail WHERE live_seq > 0"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return sorted(connection.execute(statement))


async def answers(url: str) -> bool:
    try:
        response = await treq.get(url, persistent=False)
        await response.content()
    except BROKEN:
        return False
    return bool(response.code == 200)
