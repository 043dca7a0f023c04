"""
The simulator as it is started: options, sockets, the demo.
"""

import gzip
from pathlib import Path
from typing import Any

import treq
from twisted.internet.task import Clock, deferLater
from twisted.internet.testing import MemoryReactorClock
from twisted.python.usage import UsageError
from twisted.trial.unittest import TestCase
from twisted.web.http_headers import Headers

from tests.support.cases import SyncCase
from tests.support.killmails import START, esi
from wanderer_twisted.encoding import dumps
from wanderer_twisted.simulator.data import BadData, make_data, read
from wanderer_twisted.simulator.service import Simulator, make_demo
from wanderer_twisted.simulator.tap import Options, makeService
from wanderer_twisted.simulator.world import World


class DataFileTests(SyncCase):
    """
    Files of killmails.
    """

    def write(self, content: bytes) -> Path:
        path = Path(self.mktemp())
        path.write_bytes(content)
        return path

    def test_plain_and_packed_lines_are_read(self) -> None:
        """
        In the order of ids, each once, blank lines skipped, whatever the name says.
        """
        lines = b"\n\n".join(dumps(esi(id)) for id in (7, 3, 7, 5)) + b"\n"
        for content in (lines, gzip.compress(lines)):
            templates = read(self.write(content)).templates
            self.assertEqual([each.killmail_id for each in templates], [3, 5, 7])

    def test_hash_and_block_stand_beside_the_body(self) -> None:
        """
        They are kept, and taken out of it; a hash is made where there is none.
        """
        given = {**esi(1), "killmail_hash": "cd" * 20, "zkb": {"totalValue": 5.0}}
        known, made = make_data([given, esi(2)]).templates
        self.assertEqual(known.hash, "cd" * 20)
        self.assertEqual(known.zkb, b'{"totalValue":5,"hash":"%b"}' % (b"cd" * 20))
        self.assertNotIn(b"zkb", known.body)
        self.assertEqual(len(made.hash), 40)

    def test_bad_files_are_told_by_name_and_line(self) -> None:
        """
        Each is one line.
        """
        good = dumps(esi(1)) + b"\n"
        for content, message in (
            (b"", "holds no killmail"),
            (good + b"{", "line 2"),
            (good + b"[]", "line 2: Expected an object"),
            (good + b'{"killmail_id":1}', "line 2"),
            (good + b"\xff", "line 2"),
            (gzip.compress(good * 100)[:-20], "cannot be read"),
            (gzip.compress(good)[:20] + b"x" * 50, "cannot be read"),
        ):
            path = self.write(content)
            error = self.assertRaises(BadData, read, path)
            self.assertIn(message, str(error))
            self.assertIn(str(path), str(error))
            self.assertNotIn("\n", str(error))
        self.assertRaises(BadData, read, Path(self.mktemp()))
        self.assertRaises(BadData, read, Path("."))


class OptionsTests(SyncCase):
    """
    ``twistd wanderer-simulator``.
    """

    def options(self, *arguments: str) -> Options:
        options = Options()
        options.parseOptions(list(arguments))
        return options

    def test_the_defaults(self) -> None:
        """
        The shipped killmails at the pace of life, over 85 days.
        """
        options = self.options()
        self.assertEqual((options.pace, options.days), (1.0, 85.0))
        self.assertEqual(options.tail, 150)
        self.assertEqual(options["listen"], "tcp:4010:interface=127.0.0.1")

    def test_other_data_keeps_its_times(self) -> None:
        """
        Unless days are given.
        """
        path = Path(self.mktemp())
        path.write_bytes(b"\n".join(dumps(esi(id)) for id in range(1, 31)))
        options = self.options("--data", str(path), "--pace", "manual")
        self.assertEqual((options.pace, options.days, options.tail), (None, None, 3))
        options = self.options("--data", str(path), "--days", "7.5", "--tail", "0")
        self.assertEqual((options.days, options.tail), (7.5, 0))

    def test_bad_options_are_told(self) -> None:
        """
        One line that names the option.
        """
        for name, value in (
            ("listen", "nonsense"),
            ("listen", "tcp:x"),
            ("listen", "tcp:99999"),
            ("listen", "ssl:4433:privateKey=/nowhere/at.all"),
            ("listen", ""),
            ("pace", "fast"),
            ("days", "many"),
            ("days", "9999"),
            ("tail", "-1"),
            ("tail", "100000"),
            ("data", "/nowhere/at.all"),
        ):
            error = self.assertRaises(UsageError, self.options, f"--{name}", value)
            self.assertIn(f"--{name}", str(error))
            self.assertNotIn("\n", str(error))
        self.assertRaises(UsageError, self.options, "--colour", "red")

    def test_the_service_listens_and_plays(self) -> None:
        """
        On the endpoint given, once it is started.
        """
        path = Path(self.mktemp())
        path.write_bytes(dumps(esi(1)))
        options = self.options("--listen", "tcp:4999", "--data", str(path))
        reactor = MemoryReactorClock()
        reactor.advance(START)
        service = makeService(options, reactor)
        service.privilegedStartService()
        service.startService()
        (server,) = reactor.tcpServers
        self.assertEqual(server[0], 4999)
        site: Any = server[1]
        world = site.resource._world
        reactor.pump([1.0] * 60)
        self.assertGreater(len(world.postings), 5)
        self.successResultOf(service.stopService())


class SocketTests(TestCase):
    """
    On real sockets.
    """

    timeout = 20

    async def fetch(self, url: str) -> Any:
        response = await treq.get(
            url, headers=Headers({"User-Agent": ["tests"]}), persistent=False
        )
        self.assertEqual(response.code, 200)
        return await response.json()

    async def test_the_demo_answers(self) -> None:
        """
        All services stand under one address that is known before the start.
        """
        from twisted.internet import reactor

        simulator = make_demo(reactor, pace=None)
        self.assertRegex(simulator.base_url, r"^http://127\.0\.0\.1:[0-9]+$")
        simulator.startService()
        self.addCleanup(simulator.stopService)
        (character,) = simulator.busy_characters(1)
        rows = await self.fetch(simulator.url(f"zkb/api/characterID/{character}/"))
        self.assertEqual(len(rows), 200)
        self.assertEqual(len(simulator.busy_systems(3)), 3)
        pointer = await self.fetch(simulator.url("r2z2/ephemeral/sequence.json"))
        self.assertEqual(pointer["sequence"], simulator.world.pointer)
        self.assertEqual(
            [each.service for each in simulator.world.requests], ["zkb", "r2z2"]
        )

    async def test_it_stops_with_requests_open(self) -> None:
        """
        A long poll does not hold it up, and is cut.
        """
        from twisted.internet import reactor

        world = World(reactor, make_data([esi(1)]))
        simulator = Simulator(reactor, world, pace=None)
        simulator.startService()
        polling = treq.get(
            simulator.url("redisq/listen.php?queueID=a"), persistent=False
        )
        while not world.requests:
            await deferLater(reactor, 0.01)
        await simulator.stopService()
        with self.assertRaises(Exception):  # noqa: B017  (whichever way it ends)
            await polling

    def test_one_that_never_ran_leaves_nothing(self) -> None:
        """
        Its port is given back.
        """
        from twisted.internet import reactor

        clock = Clock()
        clock.advance(START)
        simulator = Simulator(reactor, World(clock, make_data([esi(1)])), None)
        simulator.stopService()
        self.assertEqual(simulator._socket.fileno(), -1)
