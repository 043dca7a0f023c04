"""
The admin listener.
"""

from typing import Any

from tests.support.server import ServerCase
from tests.support.web import Connection, Response
from wanderer_twisted.encoding import loads
from wanderer_twisted.partition import Filter
from wanderer_twisted.stream.opening import Visitor
from wanderer_twisted.web.admin import Admin, make_site
from wanderer_twisted.web.listening import Listener


class AdminCase(ServerCase):
    """
    The admin site over a server.
    """

    def setUp(self) -> None:
        super().setUp()
        admin = Admin(self.clock, self.server.hub, self.server.metrics)
        self.site = make_site(self.clock, admin)

    def begin(self, target: str, *headers: str, method: str = "GET") -> Connection:
        """
        Send a request whose answer may take some turns.
        """
        connection = Connection(self.site, "127.0.0.1")
        connection.request(target, *headers, method=method)
        return connection

    def ask(self, target: str, *headers: str, method: str = "GET") -> Response:
        connection = self.begin(target, *headers, method=method)
        self.settle()
        return connection.response

    def refusal(self, target: str, **parts: Any) -> tuple[int, str]:
        """
        The status and the message of an answer in the envelope.
        """
        response = self.ask(target, **parts)
        return response.status, loads(response.body)["error"]["message"]


class RoutesTests(AdminCase):
    """
    What there is, and how the rest is refused.
    """

    def test_metrics(self) -> None:
        """
        Text as Prometheus reads it, which nobody may keep.
        """
        response = self.ask("/metrics")
        self.assertEqual(response.status, 200)
        self.assertEqual(
            response.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8"
        )
        self.assertEqual(response.headers["Cache-Control"], "no-store")
        self.assertIn(b"\nwanderer_streams_limit 10000.0\n", response.body)

    def test_head(self) -> None:
        """
        ``HEAD`` is answered by the head alone.
        """
        for path in ("/metrics", "/admin/streams"):
            connection = self.begin(path, method="HEAD")
            self.settle()
            head, _, body = connection.raw.partition(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 200 "))
            self.assertEqual(body, b"")

    def test_no_web_page_reads_it(self) -> None:
        """
        No origin is allowed, whatever the public side allows.
        """
        response = self.ask("/admin/streams", "Origin: https://example.org")
        self.assertEqual(
            [each for each in response.headers if each.startswith("Access-Control")], []
        )

    def test_refused(self) -> None:
        """
        What is not there, or not done so, gets the envelope.
        """
        for path in ("/", "/admin", "/admin/streams/", "/api/v1/kills/stream", "/ping"):
            self.assertEqual(self.refusal(path)[0], 404, path)
        for path in ("/metrics", "/admin/streams"):
            for method in ("POST", "PUT", "DELETE", "OPTIONS"):
                response = self.ask(path, method=method)
                self.assertEqual(response.status, 405)
                self.assertEqual(response.headers["Allow"], "GET, HEAD")
        self.assertEqual(
            self.refusal("/metrics?name=x"),
            (400, "Unknown parameter 'name', this path takes none"),
        )

    def test_not_public(self) -> None:
        """
        The public side has neither route.
        """
        for path in ("/metrics", "/admin/streams"):
            connection = Connection(self.server.front.site)
            connection.request(path)
            self.assertEqual(connection.response.status, 404)

    def test_counts_for_itself(self) -> None:
        """
        What is asked here is in no figure of the public side.
        """
        self.ask("/metrics")
        self.assertEqual(self.site.responses[200], 1)
        self.assertEqual(self.server.front.site.responses, {})
        self.assertEqual(self.server.front.admission.admitted, 0)


class StreamsTests(AdminCase):
    """
    The open streams.
    """

    def streams(self, query: str = "") -> list[Any]:
        response = self.ask(f"/admin/streams{query}")
        self.assertEqual(response.status, 200, response.body)
        document = loads(response.body)
        self.assertEqual(document["count"], len(document["streams"]))
        self.assertEqual(document["open"], len(self.server.hub))
        streams: list[Any] = document["streams"]
        return streams

    def ids(self, query: str) -> list[str]:
        return [each["session"] for each in self.streams(query)]

    def test_all_of_one(self) -> None:
        """
        Everything that is known of a stream, and the numbers of its ids, not the ids.
        """
        self.announce(1, 2)
        wanted = Filter(
            character_ids=frozenset([1, 2, 3]),
            system_ids=frozenset([30000142]),
            min_value=1e9,
        )
        visitor = Visitor("192.0.2.7", "curl/8", "wormholers")
        session = self.open(visitor, filter=wanted)
        self.clock.advance(2.5)
        (told,) = self.streams()
        self.assertEqual(
            told,
            {
                "session": session.id,
                "address": "192.0.2.7",
                "agent": "curl/8",
                "token": "wormholers",
                "filter": {
                    "character_ids": 3,
                    "corporation_ids": 0,
                    "alliance_ids": 0,
                    "system_ids": 1,
                    "min_value": 1e9,
                },
                "mode": "realtime",
                "following": True,
                "paused": False,
                "lag": 0,
                "events": 1,
                "bytes": session.bytes,
                "age_seconds": 2.5,
                "cursor": session.cursor,
            },
        )
        self.assertGreater(session.bytes, 100)

    def test_order(self) -> None:
        """
        The farthest behind first, or who took most, or who has been there longest;
        equals by how long.
        """
        first = self.open().id
        self.clock.advance(1)
        busy = self.open(filter=Filter(frozenset([90000001])))
        self.announce(1, 2)
        self.clock.advance(1)
        slow = self.open(limit=1)
        self.announce(3, 4, 5)
        self.clock.advance(1)
        last = self.open().id
        self.server.hub.find(first).bytes = 5  # type: ignore[union-attr]
        busy.bytes = 10**9
        self.assertGreater(slow.lag, 0)
        by_lag = [slow.id, first, busy.id, last]
        self.assertEqual(self.ids(""), by_lag)
        self.assertEqual(self.ids("?order=lag&limit="), by_lag)
        self.assertEqual(self.ids("?order=age"), [first, busy.id, slow.id, last])
        by_bytes = self.ids("?order=bytes")
        self.assertEqual((by_bytes[0], by_bytes[-1]), (busy.id, first))
        self.assertEqual(self.ids("?order=age&limit=2"), [first, busy.id])
        self.assertEqual(self.ids("?limit=1"), [slow.id])

    def test_limit(self) -> None:
        """
        A thousand, where nobody says how many; all there are is told in a number.
        """
        for _ in range(1_010):
            self.open()
        self.assertEqual(len(self.streams()), 1_000)
        self.assertEqual(len(self.streams("?limit=10000")), 1_010)

    def test_bad_values(self) -> None:
        """
        Each is told with what is allowed.
        """
        for query, message in (
            ("limit=0", "limit must be between 1 and 10000, got 0"),
            ("limit=10001", "limit must be between 1 and 10000, got 10001"),
            ("limit=-1", "limit must be between 1 and 10000, got -1"),
            ("limit=x", "Invalid limit: 'x' is not a valid integer"),
            ("limit=1.5", "Invalid limit: '1.5' is not a valid integer"),
            ("order=name", "Invalid order: 'name' is not one of lag, bytes, age"),
            ("orders=lag", "Unknown parameter 'orders', did you mean 'order'?"),
            ("limit=1&limit=1", "Parameter 'limit' is given more than once"),
        ):
            self.assertEqual(self.refusal(f"/admin/streams?{query}"), (400, message))

    def test_in_turns(self) -> None:
        """
        Many are told in several turns; one that ends meanwhile is left out.
        """
        sessions = []
        for _ in range(250):
            sessions.append(self.open())
            self.clock.advance(0.01)
        connection = self.begin("/admin/streams?order=age")
        self.assertEqual(connection.raw, b"")
        sessions[-1].close("gone")
        self.settle()
        document = loads(connection.response.body)
        told = [each["session"] for each in document["streams"]]
        self.assertEqual(told, [each.id for each in sessions[:-1]])
        self.assertEqual((document["open"], document["count"]), (250, 249))

    def test_client_leaves(self) -> None:
        """
        Nothing goes on for one that left meanwhile.
        """
        for _ in range(250):
            self.open()
        connection = self.begin("/admin/streams")
        waiting = len(self.clock.getDelayedCalls())
        connection.leave()
        self.assertLess(len(self.clock.getDelayedCalls()), waiting)
        self.settle()
        self.assertEqual(self.flushLoggedErrors(), [])


class ListenerTests(ServerCase):
    """
    Where it listens.
    """

    def ports(self, **settings: Any) -> list[int]:
        """
        The ports of a server with these settings, in the order of their opening.
        """
        server = self.make_server(listen=("tcp:1",), **settings)
        for part in server:
            if isinstance(part, Listener):
                part.privilegedStartService()
        return [port for port, *_ in self.clock.tcpServers]

    def test_before_the_public(self) -> None:
        """
        It is there before the first client can be.
        """
        ports = self.ports(admin_listen="tcp:2:interface=127.0.0.1")
        self.assertEqual(ports, [2, 1])

    def test_off(self) -> None:
        """
        An empty setting opens nothing.
        """
        self.assertEqual(self.ports(admin_listen=""), [1])
