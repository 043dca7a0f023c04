"""
From a command line to services, without starting them.
"""

import contextlib
import io
import signal
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, TimeoutError, succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogLevel, capturedLogs
from twisted.python.usage import UsageError

from tests.support.cases import SyncCase
from wanderer_twisted import tap
from wanderer_twisted.archive import Archive
from wanderer_twisted.assembly import Server
from wanderer_twisted.history import History
from wanderer_twisted.ingest.feeds import FeedService
from wanderer_twisted.ops import logs
from wanderer_twisted.ops.health import FeedWatch
from wanderer_twisted.ops.reload import Reload
from wanderer_twisted.ops.retention import Retention
from wanderer_twisted.partition import KINDS
from wanderer_twisted.simulator.service import Simulator
from wanderer_twisted.stream.hub import Hub
from wanderer_twisted.tap import Demo, Options, makeService
from wanderer_twisted.web.listening import Listener


class TapCase(SyncCase):
    """
    A folder of its own.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.database = f"sqlite:{self.folder / 'own.db'}"

    def write(self, text: str) -> str:
        path = self.folder / "settings.yaml"
        path.write_text(text)
        return str(path)

    def options(self, *arguments: str) -> Options:
        options = Options()
        options.parseOptions(list(arguments))
        return options


class OptionsTests(TapCase):
    """
    ``twistd wanderer-sse``'s command line.
    """

    def refusal(self, *arguments: str) -> str:
        """
        The line that a start is refused with.
        """
        error = self.assertRaises(SystemExit, self.options, *arguments)
        line = str(error.code)
        self.assertNotIn("\n", line)
        self.assertTrue(line.startswith("wanderer-sse: "), line)
        return line.removeprefix("wanderer-sse: ")

    def test_nothing_given(self) -> None:
        """
        The defaults, with the database in the working folder.
        """
        settings = self.options().settings
        self.assertEqual(settings.database_path, "wanderer.db")
        self.assertEqual(settings.listen, ("tcp:4004:interface=127.0.0.1",))
        self.assertEqual([feed.kind for feed in settings.feeds], ["r2z2"])

    def test_options_win_over_the_file(self) -> None:
        """
        What is given on the command line replaces what the file says; the rest of the
        file holds.
        """
        path = self.write(
            "listen: ['tcp:1']\ndatabase: 'sqlite:other.db'\ncontact: me@example.org"
        )
        settings = self.options("--config", path).settings
        self.assertEqual(settings.listen, ("tcp:1",))
        self.assertEqual(settings.database_path, "other.db")
        settings = self.options(
            *("-c", path, "-d", self.database, "-l", "tcp:2", "--listen", "tcp:3")
        ).settings
        self.assertEqual(settings.listen, ("tcp:2", "tcp:3"))
        self.assertEqual(settings.database, self.database)
        self.assertEqual(settings.contact, "me@example.org")

    def test_refused(self) -> None:
        """
        One line names the file and the key, or the option, or the database.
        """
        path = self.write("limits: {connections: 0}")
        self.assertIn(
            f"{path}: limits.connections: found 0, allowed: ",
            self.refusal("--config", path),
        )
        self.assertIn("--listen[1]: found 'x'", self.refusal("-l", "tcp:1", "-l", "x"))
        self.assertIn("--database: found 'x.db'", self.refusal("-d", "x.db"))
        nowhere = f"{self.folder}/nowhere/own.db"
        self.assertEqual(
            self.refusal("--database", f"sqlite:{nowhere}"),
            f"database {nowhere}: No such file or directory",
        )

    def test_unknown(self) -> None:
        """
        Options that there are not, and words, are twistd's to refuse.
        """
        self.assertRaises(UsageError, self.options, "--colour", "red")
        self.assertRaises(UsageError, self.options, "words")

    def test_check_config(self) -> None:
        """
        Good settings end it with status 0, bad ones as a start does; nothing is made.
        """
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            error = self.assertRaises(
                SystemExit, self.options, "--check-config", "-d", self.database
            )
        self.assertEqual((error.code, out.getvalue()), (0, "The settings are fine.\n"))
        self.assertEqual(list(self.folder.iterdir()), [])
        path = self.write("x: 1")
        self.assertIn("x: unknown key", self.refusal("--check-config", "-c", path))

    def test_tokens(self) -> None:
        """
        A wrong file of tokens stops the start, with its line.
        """
        tokens = self.folder / "tokens.yaml"
        path = self.write(f"auth: {{tokens_file: '{tokens}'}}")
        line = f"{tokens}: cannot be read: No such file or directory"
        for more in ((), ("--check-config",)):
            self.assertEqual(self.refusal("-c", path, *more), line)
        tokens.write_text("tokens: [{name: a}]")
        self.assertIn("tokens[0].sha256: found nothing", self.refusal("-c", path))

    def test_demo_needs_no_database(self) -> None:
        """
        Where none is given it has its own, and a bad one in the working folder is
        nobody's business; one that is given is checked.
        """
        nowhere = f"sqlite:{self.folder}/nowhere/own.db"
        path = self.write(f"database: '{nowhere}'")
        self.assertTrue(self.options("--demo", "--config", path)["demo"])
        self.assertIn("No such file", self.refusal("--demo", "-d", nowhere))


class MakeServiceTests(TapCase):
    """
    The tree of services.
    """

    def setUp(self) -> None:
        super().setUp()
        self.reactor = MemoryReactorClock()
        self.limits: list[Any] = []
        self.patch(tap.resource, "setrlimit", lambda *what: self.limits.append(what))
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())

    def make(self, text: str, *arguments: str) -> Any:
        path = self.write(text)
        options = self.options("-c", path, "-d", self.database, *arguments)
        return makeService(options, self.reactor)

    def test_all_parts(self) -> None:
        """
        Listeners are stopped first and the hub last: services stop in reverse. Nothing
        is opened before the start.
        """
        server = self.make("{}")
        self.assertIsInstance(server, Server)
        kinds = [type(each) for each in server]
        self.assertIs(kinds[0], Hub)
        self.assertEqual(kinds[-2:], [Listener, Reload])
        for kind in (History, Archive, FeedService, FeedWatch, Retention):
            self.assertEqual(kinds.count(kind), 1, kind)
        self.assertEqual(list(self.folder.glob("own.db*")), [])
        self.assertEqual(self.reactor.tcpServers, [])
        (limit,) = self.limits
        self.assertEqual(limit[0], tap.resource.RLIMIT_NOFILE)
        self.assertEqual(*limit[1])

    def test_impatience(self) -> None:
        """
        Once it goes down another signal changes nothing, and is no traceback.
        """
        heard: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, lambda number, frame: heard.append(number))
            self.addCleanup(signal.signal, number, before)
        self.make("{}")
        signal.raise_signal(signal.SIGTERM)
        for call, arguments, options in self.reactor.triggers["before"]["shutdown"]:
            call(*arguments, **options)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        self.assertEqual(heard, [signal.SIGTERM])

    def test_feeds_of_one_kind(self) -> None:
        """
        Are numbered in the order of the file, since their positions are kept by name.
        """
        redisq = "{kind: redisq, url: 'http://localhost:1/l.php', queue_id: q}"
        other = "{kind: redisq, url: 'http://localhost:2/l.php', queue_id: q}"
        r2z2 = "{kind: r2z2, url: 'http://localhost:3'}"
        server = self.make(f"feeds: [{redisq}, {{kind: r2z2}}, {r2z2}, {other}]")
        names = ["redisq", "r2z2", "r2z2-2", "redisq-2"]
        self.assertEqual([feed.name for feed in server.feeds], names)
        self.assertEqual([status.name for status in server.statuses()], names)
        self.assertLessEqual(set(names), set(server.client.upstreams))

    def test_settings_arrive(self) -> None:
        """
        In the parts that they are for.
        """
        server = self.make(
            "listen: ['tcp:1', 'tcp:2']\n"
            "zkillboard: {requests_per_second: 0.5}\n"
            "history: {batch_size: 7, batch_pause_ms: 250, pacing_budget_seconds: 9}\n"
            "limits: {connections: 11, connections_per_address: 3, character_ids: 4,"
            " corporation_ids: 5, alliance_ids: 6, system_ids: 7, post_ids: 8}"
        )
        self.assertEqual(len(server.listeners), 2)
        pace = server.hub.pace
        self.assertEqual((pace.limits.killmails, pace.pause, pace.budget), (7, 0.25, 9))
        admission = server.front.admission
        self.assertEqual(
            (admission.connections, admission.connections_per_address), (11, 3)
        )
        rules = server.front.api.rules
        most = [getattr(rules, f"{name}_ids") for name in (*KINDS, "post")]
        self.assertEqual(most, [4, 5, 6, 7, 8])
        self.assertFalse(server.tokens.wanted)
        intervals = {
            name: upstream.pace.interval
            for name, upstream in server.client.upstreams.items()
        }
        self.assertIn(2.0, intervals.values())

    def test_tokens(self) -> None:
        """
        Where a file of tokens is named they are wanted, and not where none is.
        """
        path = self.folder / "tokens.yaml"
        path.write_text(f"tokens: [{{name: a, sha256: {'a' * 64}}}]")
        server = self.make(f"auth: {{tokens_file: '{path}'}}")
        self.assertTrue(server.tokens.wanted)
        self.assertTrue(server.front.site.tokens is server.tokens)
        self.assertIn(server.tokens, list(server))

    def test_log_level(self) -> None:
        """
        The log's level is that of the settings.
        """
        self.addCleanup(logs.set_level, "info")
        self.make("log_level: warn")
        level = logs._filter.level
        self.assertEqual(level, LogLevel.warn)

    def test_contact(self) -> None:
        """
        Without one there is a warning in the log.
        """
        with capturedLogs() as events:
            self.make("contact: me@example.org")
        self.assertEqual(events, [])
        with capturedLogs() as events:
            self.make("contact: ''")
        (event,) = events
        self.assertEqual(event["log_level"], LogLevel.warn)
        self.assertIn("contact", event["log_format"])


async def _wait_for(waited: Deferred[None]) -> None:
    await waited


class StopTests(TapCase):
    """
    The order of the end.
    """

    def setUp(self) -> None:
        super().setUp()
        self.reactor = MemoryReactorClock()
        options = self.options("-d", self.database)
        self.server = Server(options.settings, self.reactor)
        for part in list(self.server):
            part.disownServiceParent()
        self.done: list[str] = []
        self.patch(self.server.client, "close", lambda: self.note("client"))
        self.patch(self.server.store, "close", lambda: self.note("store"))

    def note(self, what: str) -> Deferred[None]:
        self.done.append(what)
        return succeed(None)

    def add_part(self) -> Deferred[None]:
        """
        A part that has ended when the answer fires.
        """
        ended: Deferred[None] = Deferred()
        ended.addErrback(lambda failure: None)  # given up
        part = Service()
        self.patch(part, "stopService", lambda: ended)
        part.setServiceParent(self.server)
        return ended

    def test_streams_come_first(self) -> None:
        """
        Nothing else stops before they have ended, or for 25 seconds.
        """
        for seconds, done in ((5, True), (26, False)):
            drained: Deferred[None] = Deferred()
            self.patch(self.server.hub, "drain", partial(_wait_for, drained))
            part = Service()
            part.startService()
            part.setServiceParent(self.server)
            stopped = self.server.stopService()
            self.reactor.pump([1.0] * seconds)
            if done:
                self.assertTrue(part.running)
                drained.callback(None)
            self.successResultOf(stopped)
            self.assertFalse(part.running)
        self.assertEqual(len(self.flushLoggedErrors(TimeoutError)), 1)

    def test_the_store_comes_last(self) -> None:
        """
        It stays open until every part has ended: feeds commit what they have.
        """
        first, second = self.add_part(), self.add_part()
        stopped = self.server.stopService()
        first.callback(None)
        self.reactor.advance(5)
        self.assertEqual(self.done, [])
        second.callback(None)
        self.assertEqual(self.done, ["client", "store"])
        self.assertIsNone(self.successResultOf(stopped))

    def test_nothing_holds_it_up_for_ever(self) -> None:
        """
        A part, or a connection, that does not end is not waited for for long.
        """
        self.add_part()
        self.patch(self.server.client, "close", Deferred)
        stopped = self.server.stopService()
        self.reactor.pump([1.0] * 29)
        self.assertNoResult(stopped)
        self.reactor.pump([1.0] * 2)
        self.assertEqual(self.done, ["store"])
        self.successResultOf(stopped)
        self.assertEqual(len(self.flushLoggedErrors(TimeoutError)), 1)

    def test_the_store_is_closed_whatever_fails(self) -> None:
        """
        A failure on the way is logged.
        """

        def fail() -> Deferred[None]:
            raise ValueError("broken")

        self.patch(self.server.client, "close", fail)
        self.successResultOf(self.server.stopService())
        self.assertEqual(self.done, ["store"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class DemoTests(TapCase):
    """
    ``--demo``.
    """

    def test_it_prints_a_line_to_try(self) -> None:
        """
        With the address on which it listens, once it does; its folder goes with it.
        """
        clock = MemoryReactorClock()
        demo = Demo(clock)
        port = SimpleNamespace(getHost=lambda: IPv4Address("TCP", "0.0.0.0", 4999))
        demo.tell(SimpleNamespace(listeners=[SimpleNamespace(port=port)]), [3, 1])
        out = io.StringIO()
        self.patch(sys, "__stdout__", out)
        demo.startService()
        self.assertEqual(out.getvalue(), "")
        clock.advance(0)
        line = (
            "    curl -N 'http://127.0.0.1:4999/api/v1/kills/stream"
            "?character_ids=3,1&preload_days=90'"
        )
        self.assertIn(line, out.getvalue().splitlines())
        self.assertTrue(demo.folder.is_dir())
        self.successResultOf(demo.stopService())
        self.assertFalse(demo.folder.exists())

    def test_where(self) -> None:
        """
        The line is right for every kind of port.
        """
        for address, beginning in (
            (IPv4Address("TCP", "0.0.0.0", 4004), "'http://127.0.0.1:4004"),
            (IPv6Address("TCP", "::", 4004), "'http://[::1]:4004"),
            (UNIXAddress(b"/run/w"), "--unix-socket /run/w 'http://localhost"),
        ):
            self.assertEqual(tap._where(address), beginning)

    def test_the_simulator_is_its_world(self) -> None:
        """
        All that the server asks is on the simulator's address, its database in a folder
        that goes away, unless one was given.
        """
        reactor = MemoryReactorClock()
        reactor.advance(1_793_491_200)
        self.patch(tap, "_raise_file_limit", lambda: None)
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        for arguments, own in (((), True), (("-d", self.database), False)):
            options = self.options("--demo", "-l", "tcp:4999", *arguments)
            demo: Any = makeService(options, reactor)
            simulator, server = demo
            self.assertIsInstance(simulator, Simulator)
            self.assertIsInstance(server, Server)
            folder = demo.folder if own else self.folder
            self.assertEqual(Path(server.store.path).parent, folder)
            self.successResultOf(demo.stopService())
            self.assertFalse(demo.folder.exists())
