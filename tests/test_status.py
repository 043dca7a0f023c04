"""
``/status`` and ``/health/live``.
"""

from typing import Any

from twisted.logger import LogLevel, capturedLogs

from tests.support.killmails import START
from tests.support.server import ServerCase
from tests.support.web import Connection, Response
from tests.test_docs import PROTOCOL
from wanderer_twisted import SERVER_NAME
from wanderer_twisted.encoding import loads, timestamp
from wanderer_twisted.ops.status import FRESH


class StatusCase(ServerCase):
    """
    The public site of a whole server.
    """

    def ask(self, target: str, *headers: str, method: str = "GET") -> Response:
        connection = Connection(self.server.front.site)
        connection.request(target, *headers, method=method)
        return connection.response

    def status(self) -> Any:
        response = self.ask("/status")
        self.assertEqual(response.status, 200)
        return loads(response.body)


class StatusTests(StatusCase):
    """
    The server in numbers.
    """

    def test_new(self) -> None:
        """
        All of it, of a server that was just started.
        """
        store = self.server.store
        self.assertEqual(
            self.status(),
            {
                "server": SERVER_NAME,
                "timestamp": timestamp(START),
                "started": timestamp(START),
                "uptime_seconds": 0,
                "streams": {
                    "open": 0,
                    "following": 0,
                    "replaying": 0,
                    "historical": 0,
                    "limit": 10_000,
                },
                "killmails": {"head": 0, "per_minute": [0] * 60},
                "sent": {"events": {}, "bytes": 0},
                "feeds": [
                    {
                        "name": "r2z2",
                        "state": "starting",
                        "position": "",
                        "last_killmail": None,
                        "last_contact": None,
                        "reason": "",
                    }
                ],
                "store": {"epoch": store.epoch, "head": 0, "bytes": store.size()},
                "coverage": {"days": 90, "days_complete": 0},
            },
        )

    def test_moves(self) -> None:
        """
        Streams, killmails by the minute, and what was sent.
        """
        self.clock.advance(50)
        self.open()
        self.open(limit=1)
        self.announce(1, 2)
        self.clock.advance(10)
        self.announce(3)
        self.server.covered.days_complete = 88
        status = self.status()
        self.assertEqual(status["uptime_seconds"], 60)
        streams = status["streams"]
        self.assertEqual(streams["open"], 2)
        self.assertEqual((streams["following"], streams["replaying"]), (1, 1))
        self.assertEqual(status["killmails"]["head"], self.server.store.marks.head)
        self.assertEqual(status["killmails"]["per_minute"], [0] * 59 + [2])
        self.assertEqual(status["sent"]["events"]["killmail"], 3)
        hub = self.server.hub
        self.assertEqual(status["sent"]["bytes"], sum(hub.bytes.values()))
        self.assertEqual(status["coverage"], {"days": 90, "days_complete": 88})

    def test_fresh_for_a_moment(self) -> None:
        """
        Within a second all get the same; however the clock is set, nobody gets what
        is old.
        """
        before = self.status()
        self.open()
        self.clock.advance(FRESH / 2)
        self.assertEqual(self.status(), before)
        self.clock.advance(FRESH / 2)
        self.assertEqual(self.status()["streams"]["open"], 1)
        self.open()
        self.clock.rightNow -= 3600
        self.assertEqual(self.status()["streams"]["open"], 2)
        self.assertEqual(self.status()["uptime_seconds"], 0)

    def test_document(self) -> None:
        """
        docs/protocol.rst shows the keys of a real one, and tells of them.
        """
        (block,) = (each for each in PROTOCOL.blocks() if '"per_minute"' in each)
        said = loads(block.replace("11,…,14", "").encode())
        ours = self.status()
        self.assertEqual(list(said), list(ours))
        told = PROTOCOL.names("Keys of the status")
        self.assertEqual(
            [each for each in ours if isinstance(ours[each], str | int)] + told,
            list(ours),
        )
        for key in told:
            one, other = said[key], ours[key]
            if isinstance(one, list):
                (one,), (other,) = one, other
            self.assertEqual(list(one), list(other), key)

    def test_nobody_keeps_it(self) -> None:
        """
        No cache does, and any page may read it.
        """
        headers = self.ask("/status", "Origin: https://example.org").headers
        self.assertEqual(headers["Cache-Control"], "no-store")
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(headers["Access-Control-Allow-Origin"], "*")

    def test_hardly_logged(self) -> None:
        """
        Machines and pages ask again and again; that is of no interest.
        """
        with capturedLogs() as events:
            self.status()
            self.ask("/health/live")
        levels = [event["log_level"] for event in events]
        self.assertEqual(levels, [LogLevel.debug] * 2)

    def test_methods(self) -> None:
        """
        It is read, and nothing else.
        """
        for path in ("/status", "/health/live"):
            self.assertEqual(self.ask(path, method="HEAD").status, 200)
            preflight = self.ask(path, method="OPTIONS")
            self.assertEqual(preflight.status, 204)
            self.assertEqual(preflight.headers["Allow"], "GET, HEAD, OPTIONS")
            self.assertEqual(self.ask(path, method="POST").status, 405)
            self.assertEqual(self.ask(f"{path}/").status, 404)


class LiveTests(StatusCase):
    """
    Liveness.
    """

    def test_whatever_else(self) -> None:
        """
        It is 200 where readiness is not.
        """
        self.server.hub.draining = True
        self.assertEqual(self.ask("/health").status, 503)
        response = self.ask("/health/live")
        self.assertEqual((response.status, response.body), (200, b'{"status":"live"}'))
