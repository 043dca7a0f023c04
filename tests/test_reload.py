"""
SIGHUP: what changed in the settings, what of it can be, and who gets it.
"""

import os
import signal
from collections.abc import Callable
from threading import Event, Thread, enumerate
from typing import Any

from msgspec import convert, structs, to_builtins
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogEvent, LogLevel, capturedLogs, formatEvent

from tests.support.cases import SyncCase
from tests.support.server import ServerCase
from wanderer_twisted.config import ConfigError, Settings, Token
from wanderer_twisted.ops import logs, reload
from wanderer_twisted.ops.reload import (
    CHANGEABLE,
    Change,
    Loaded,
    Reload,
    compare,
    merge,
)

TOKEN = Token("bot", "a" * 64)


def changed(key: str, value: object, settings: Settings | None = None) -> Settings:
    """
    The settings with another value under a dotted key.
    """
    document = to_builtins(settings or Settings())
    section, _, name = key.rpartition(".")
    (document[section] if section else document)[name] = value
    return convert(document, Settings)


class CompareTests(SyncCase):
    """
    Old and new settings.
    """

    def test_same(self) -> None:
        """
        Nothing differs where nothing does.
        """
        self.assertEqual(compare(Settings(), Settings()), [])

    def test_changes(self) -> None:
        """
        What differs is told by its key, and whether it can change.
        """
        new = changed("limits.connections", 5, changed("listen", ["tcp:1"]))
        listen, connections = compare(Settings(), new)
        self.assertEqual(
            listen, Change("listen", ("tcp:4004:interface=127.0.0.1",), ("tcp:1",))
        )
        self.assertFalse(listen.is_possible)
        self.assertEqual(connections, Change("limits.connections", 10_000, 5))
        self.assertTrue(connections.is_possible)

    def test_merge(self) -> None:
        """
        What cannot change stays as it was.
        """
        new = changed("retention.days", 200, changed("log_level", "warn"))
        new = changed("limits.connections", 7, new)
        merged = merge(Settings(), compare(Settings(), new))
        self.assertEqual(merged.log_level, "warn")
        self.assertEqual(merged.limits.connections, 7)
        self.assertEqual(merged.retention.days, 100)

    def test_feeds(self) -> None:
        """
        A list counts as a whole, and can be shown.
        """
        new = changed("feeds", [{"kind": "r2z2", "url": "https://a.example"}])
        (change,) = compare(Settings(), new)
        self.assertEqual(change.key, "feeds")


class ApplyTests(ServerCase):
    """
    A server whose settings change.
    """

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(logs.set_level, "info")

    def test_every_key(self) -> None:
        """
        Each value that can change arrives where it is used; no other key can.
        """
        server = self.server
        rules = lambda name: lambda: getattr(server.front.api.rules, name)  # noqa: E731
        admission, site = server.front.admission, server.front.site
        origin, other = "https://a.example", b"https://b.example"
        places: dict[str, tuple[object, Callable[[], object], object]] = {
            "cors.origins": (
                [origin],
                lambda: len(site.cors.headers(other)),
                len(server.front.site.cors.headers(other)) - 1,
            ),
            "features.character_preload": (False, rules("character_preload"), False),
            "limits.accept_per_second": (7, lambda: server.front.rate.per_second, 7),
            "limits.alliance_ids": (7, rules("alliance_ids"), 7),
            "limits.character_ids": (7, rules("character_ids"), 7),
            "limits.connections": (7, lambda: admission.connections, 7),
            "limits.connections_per_address": (
                7,
                lambda: admission.connections_per_address,
                7,
            ),
            "limits.corporation_ids": (7, rules("corporation_ids"), 7),
            "limits.histories_at_once": (7, lambda: server.history.places.most, 7),
            "limits.post_ids": (7, rules("post_ids"), 7),
            "limits.system_ids": (7, rules("system_ids"), 7),
            "log_level": (
                "error",
                lambda: logs._filter.level,
                LogLevel.error,
            ),
            "stream.heartbeat_seconds": (7.0, rules("heartbeat"), 7.0),
            "stream.retry_ms": (7000, lambda: server.hub.usual_retry_ms, 7000),
            "trusted_proxies": (
                ["198.51.100.0/24"],
                lambda: site.proxies.client("198.51.100.1", [b"192.0.2.1"]).address,
                "192.0.2.1",
            ),
        }
        self.assertEqual(CHANGEABLE, {*places, "auth.tokens_file"})
        for key, (value, read, expected) in places.items():
            self.assertNotEqual(read(), expected, key)
            server.apply(changed(key, value), None)
            self.assertEqual(read(), expected, key)

    def test_follow(self) -> None:
        """
        What follows from a limit follows it.
        """
        before = self.server.front.site.most_channels
        assert before is not None
        document = self.server.front.description._openapi
        new = changed("limits.connections", 10_001, changed("limits.system_ids", 7))
        self.server.apply(new, None)
        self.assertEqual(self.server.front.site.most_channels, before + 1)
        self.assertEqual(self.server.front.lookups.most_systems, 7)
        self.assertNotEqual(self.server.front.description._openapi, document)

    def test_room_beside_the_streams(self) -> None:
        """
        Where more streams are open than may be from now on, who asks for anything else
        is let in all the same.
        """
        front = self.server.front
        before = front.site.most_channels
        assert before is not None
        front.admission.open = 9_999
        self.server.apply(changed("limits.connections", 10), None)
        self.assertEqual(front.site.most_channels, before - 1)

    def test_tokens(self) -> None:
        """
        Tokens come and go.
        """
        self.server.apply(Settings(), [TOKEN])
        self.assertTrue(self.server.tokens.wanted)
        self.server.apply(Settings(), None)
        self.assertFalse(self.server.tokens.wanted)


class InlineThread:
    """
    A thread that is none.
    """

    def __init__(self, target: Callable[[], None], name: str, daemon: bool) -> None:
        self.start = target


class ThreadlessReactor(MemoryReactorClock):
    """
    One whose other threads are its own.
    """

    def callFromThread(  # noqa: N802  (Twisted's name)
        self, call: Callable[..., object], *arguments: Any
    ) -> None:
        self.callLater(0, call, *arguments)


class ReloadTests(SyncCase):
    """
    The service.
    """

    def setUp(self) -> None:
        self.before = signal.getsignal(signal.SIGHUP)
        self.addCleanup(signal.signal, signal.SIGHUP, self.before)
        self.patch(reload, "Thread", InlineThread)
        self.reactor = ThreadlessReactor()
        self.file: Loaded | Exception = Settings(), None
        self.applied: list[Loaded] = []
        self.reload = Reload(self.reactor, self.load, self.apply, Settings())

    def load(self) -> Loaded:
        if isinstance(self.file, Exception):
            raise self.file
        return self.file

    def apply(self, settings: Settings, tokens: Any) -> None:
        self.applied.append((settings, tokens))

    def hang_up(self) -> list[LogEvent]:
        """
        Get the signal; what is logged for it.
        """
        with capturedLogs() as events:
            os.kill(os.getpid(), signal.SIGHUP)
            self.reactor.pump([0, 0, 0])
        return list(events)

    def start(self) -> None:
        self.reload.startService()
        self.addCleanup(self.reload.stopService)

    def lines(self) -> list[str]:
        return [formatEvent(event) for event in self.hang_up()]

    def test_handler(self) -> None:
        """
        The signal is taken while the service runs, and given back after it.
        """
        self.reload.startService()
        self.hang_up()
        self.assertEqual(len(self.applied), 1)
        self.reload.stopService()
        self.assertEqual(signal.getsignal(signal.SIGHUP), self.before)

    def test_stopped_before_its_turn(self) -> None:
        """
        A signal just before the end changes nothing any more.
        """
        self.reload.startService()
        os.kill(os.getpid(), signal.SIGHUP)
        self.reload.stopService()
        self.reactor.pump([0, 0])
        self.assertEqual(self.applied, [])

    def test_told(self) -> None:
        """
        What changed is applied and told, and what cannot is told alone, each time.
        """
        self.start()
        self.file = changed("limits.connections", 5, changed("contact", "x")), [TOKEN]
        events = self.hang_up()
        self.assertEqual(
            [(event["log_level"].name, formatEvent(event)) for event in events],
            [
                ("warn", 'contact stays "" until a restart: "x"'),
                ("info", "limits.connections was 10000 and is 5 now"),
                ("info", "The settings were read again"),
            ],
        )
        expected = changed("limits.connections", 5)
        self.assertEqual(self.applied, [(expected, [TOKEN])])
        self.assertEqual(self.reload.settings, expected)
        contact, end = self.lines()
        self.assertIn("contact stays", contact)
        self.assertIn("read again", end)

    def test_wrong(self) -> None:
        """
        A file that is wrong changes nothing; one line says why.
        """
        self.start()
        self.file = ConfigError("a.yaml: limit: unknown key")
        (event,) = self.hang_up()
        self.assertEqual(event["log_level"], LogLevel.error)
        self.assertEqual(
            formatEvent(event), "Nothing is changed: a.yaml: limit: unknown key"
        )
        self.assertEqual(self.applied, [])
        self.file = Settings(), None
        self.hang_up()
        self.assertEqual(len(self.applied), 1)

    def test_unexpected(self) -> None:
        """
        Something else is logged with its traceback, and does not end the service.
        """
        self.start()
        self.file = RuntimeError("tested")
        self.hang_up()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.file = structs.replace(Settings()), None
        self.hang_up()
        self.assertEqual(len(self.applied), 1)

    def test_disk_that_hangs(self) -> None:
        """
        The thread that reads keeps no process from ending.
        """
        self.patch(reload, "Thread", Thread)
        read = Event()
        self.patch(self.reload, "_load", read.wait)
        self.start()
        self.hang_up()
        (reading,) = [each for each in enumerate() if each.name == "reload"]
        self.assertTrue(reading.daemon)
        read.set()
        reading.join()
