"""
The public routes, byte by byte, without sockets.
"""

import json
import random
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from tests.support.web import (
    CONNECTED,
    NOW,
    Connection,
    Public,
    PublicCase,
    Response,
    chunks,
    record,
)
from wanderer_twisted import SERVER_NAME
from wanderer_twisted.encoding import timestamp
from wanderer_twisted.frames import Event, Frame
from wanderer_twisted.interfaces import StoreUnavailable
from wanderer_twisted.web.parameters import Rules

STREAM = "/api/v1/kills/stream"
EVENTS = "Accept: text/event-stream"


def error_of(response: Response) -> dict[str, Any]:
    """
    The envelope's inside, of which every key is there.
    """
    document = json.loads(response.body)
    assert list(document) == ["error"]
    keys = ["domain", "type", "message", "details", "retryable"]
    assert list(document["error"]) == keys
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert ("Retry-After" in response.headers) == document["error"]["retryable"]
    if "Retry-After" in response.headers:  # pages of other origins may read it
        assert response.headers["Access-Control-Expose-Headers"] == "Retry-After"
    error: dict[str, Any] = document["error"]
    return error


class StreamTests(PublicCase):
    """
    The life of a stream.
    """

    def test_head_of_the_response(self) -> None:
        """
        The response begins with exactly these headers, and the first event is a chunk.
        """
        client = self.public().ask(f"{STREAM}?character_ids=7", EVENTS)
        head, _, rest = client.raw.partition(b"\r\n\r\n")
        head = re.sub(rb"Date: [^\r]+ GMT", b"Date: now", head)
        self.assertEqual(
            head.split(b"\r\n"),
            [
                b"HTTP/1.1 200 OK",
                b"Server: " + SERVER_NAME.encode(),
                b"Date: now",
                b"Vary: Accept, Accept-Encoding, Origin",
                b"Access-Control-Allow-Origin: *",
                b"Content-Type: text/event-stream; charset=utf-8",
                b"Cache-Control: no-store, no-transform",
                b"X-Accel-Buffering: no",
                b"Connection: close",
                b"Transfer-Encoding: chunked",
            ],
        )
        self.assertEqual(rest, b"%x\r\n%b\r\n" % (len(CONNECTED), CONNECTED))

    def test_both_routes(self) -> None:
        """
        The enhanced route is the same stream.
        """
        public = self.public()
        client = public.ask(f"{STREAM}/enhanced?system_ids=3&items=1&preload_days=2")
        self.assertEqual(chunks(client.raw), [CONNECTED])
        (wish,) = public.hub.wishes
        self.assertEqual({*wish.filter.system_ids}, {3})
        self.assertEqual((wish.with_items, wish.preload_days), (True, 2))

    def test_one_event_one_chunk(self) -> None:
        """
        Each event is one chunk.
        """
        public = self.public()
        client = public.ask(STREAM)
        (session,) = public.hub.sessions
        for event in (b"event: a\ndata: 1\n\n", b"event: b\ndata: 2\n\n"):
            session.transport.write(Event(Frame("a", event[:-1]), b"\n"))
        self.assertEqual(
            chunks(client.raw),
            [CONNECTED, b"event: a\ndata: 1\n\n", b"event: b\ndata: 2\n\n"],
        )

    def test_http_1_0(self) -> None:
        """
        An HTTP/1.0 client gets the bare events, ended by the connection's end.
        """
        public = self.public()
        client = public.ask(STREAM, version="HTTP/1.0")
        self.assertNotIn(b"Transfer-Encoding", client.raw)
        self.assertTrue(client.raw.startswith(b"HTTP/1.0 200 OK\r\n"))
        self.assertTrue(client.raw.endswith(b"\r\n\r\n" + CONNECTED))
        public.hub.sessions[0].close("draining")
        self.assertTrue(client.raw.endswith(CONNECTED))
        self.assertTrue(client.closed)

    def test_ended_by_the_server(self) -> None:
        """
        A closed session ends its response cleanly, and its place is free.
        """
        public = self.public()
        client = public.ask(STREAM)
        self.assertEqual(public.admission.open, 1)
        public.hub.sessions[0].close("draining")
        self.assertTrue(client.raw.endswith(b"0\r\n\r\n"))
        self.assertTrue(client.closed)
        self.assertEqual(public.admission.open, 0)

    def test_the_client_leaves(self) -> None:
        """
        A client that leaves closes its session as gone, and its place is free.
        """
        public = self.public()
        client = public.ask(STREAM)
        client.leave()
        self.assertEqual(public.hub.sessions[0].closings[0], "gone")
        self.assertEqual(public.admission.open, 0)

    def test_stuck(self) -> None:
        """
        A client that takes nothing is cut off, with what was waiting for it.
        """
        public = self.public()
        client = public.ask(STREAM)
        public.hub.sessions[0].close("stuck")
        self.assertTrue(client.transport.aborted)
        self.assertEqual(public.admission.open, 0)

    def test_the_client_leaves_while_opening(self) -> None:
        """
        A client that leaves while the store is asked leaves nothing behind.
        """
        public = self.public()
        public.hub.waiting = Deferred()
        client = public.ask(STREAM)
        self.assertEqual((client.raw, public.admission.open), (b"", 1))
        client.leave()
        self.assertEqual((public.admission.open, public.hub.sessions), (0, []))

    def test_back_pressure(self) -> None:
        """
        The session is the producer from the first byte on.
        """
        public = self.public()
        client = public.ask(STREAM)
        (session,) = public.hub.sessions
        client.producer.pauseProducing()
        self.assertEqual(session.pauses, 1)
        client.producer.resumeProducing()
        self.assertEqual(session.pauses, 0)

    def test_cursor_of_the_header(self) -> None:
        """
        The header's cursor reaches the hub, before that of the URL.
        """
        public = self.public()
        public.ask(f"{STREAM}?cursor=old", "Last-Event-ID: new")
        self.assertEqual(public.hub.wishes[0].cursor, "new")

    def test_pipelined_requests_behind_a_stream(self) -> None:
        """
        What comes behind a stream is not answered and not kept, and one who sends a
        lot of it is cut off.
        """
        public = self.public()
        client = public.connect()
        line = f"GET {STREAM} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        client.send(line * 20)
        for _ in range(100):
            client.send(line)
        self.assertEqual(chunks(client.raw), [CONNECTED])
        self.assertEqual(len(public.hub.sessions), 1)
        self.assertEqual(client.channel._dataBuffer, [])
        self.assertEqual(client.channel._buffer, b"")
        self.assertFalse(client.closed)
        client.send(b"x" * 65536)
        self.assertTrue(client.transport.aborted)


class HeadAndOptionsTests(PublicCase):
    """
    What is not GET.
    """

    def test_head(self) -> None:
        """
        HEAD gets the headers, no stream and no body; bad parameters are bad for it.
        """
        public = self.public()
        for route in (STREAM, f"{STREAM}/enhanced"):
            client = public.ask(route, method="HEAD")
            self.assertTrue(client.raw.endswith(b"\r\n\r\n"))
            self.assertIn(
                b"\r\nContent-Type: text/event-stream; charset=utf-8\r\n", client.raw
            )
        self.assertEqual((public.hub.wishes, public.admission.open), ([], 0))
        client = public.ask(f"{STREAM}?nope", method="HEAD")
        self.assertTrue(client.raw.startswith(b"HTTP/1.1 400 "))
        self.assertTrue(client.raw.endswith(b"\r\n\r\n"))

    def test_options(self) -> None:
        """
        A preflight is told all that a page may send.
        """
        streams, others = "GET, HEAD, OPTIONS, POST", "GET, HEAD, OPTIONS"
        for path, methods in (
            (STREAM, streams),
            (f"{STREAM}/enhanced", streams),
            ("/api/v1/killmail/1", others),
            ("/ping", others),
        ):
            response = (
                self.public()
                .ask(path, "Origin: https://a.example", method="OPTIONS")
                .response
            )
            self.assertEqual((response.status, response.body), (204, b""))
            headers = dict(response.headers)
            del headers["Date"]
            self.assertEqual(
                headers,
                {
                    "Server": SERVER_NAME,
                    "Vary": "Accept, Accept-Encoding, Origin",
                    "Access-Control-Allow-Origin": "*",
                    "Allow": methods,
                    "Access-Control-Allow-Methods": methods,
                    "Access-Control-Allow-Headers": (
                        "Last-Event-ID, Authorization, Cache-Control, Content-Type"
                    ),
                    "Access-Control-Max-Age": "86400",
                },
            )

    def test_other_methods(self) -> None:
        """
        Any other method is refused with the ones that there are.
        """
        for method in ("PUT", "DELETE", "TRACE", "PROPFIND"):
            response = self.public().ask(STREAM, method=method).response
            self.assertEqual(response.status, 405)
            self.assertEqual(response.headers["Allow"], "GET, HEAD, OPTIONS, POST")
            self.assertEqual(error_of(response)["type"], "method_not_allowed")

    def test_allowlist(self) -> None:
        """
        With a list, a listed origin is told so, on errors too, and others nothing.
        """
        public = self.public(origins=("https://a.example",))
        for path in (STREAM, f"{STREAM}?nope", "/nowhere"):
            listed = public.ask(path, "Origin: https://a.example").raw
            self.assertIn(b"Access-Control-Allow-Origin: https://a.example\r\n", listed)
            other = public.ask(path, "Origin: https://b.example").raw
            self.assertNotIn(b"Access-Control-Allow-Origin", other)


class RefusalTests(PublicCase):
    """
    Streams that cannot be had now.
    """

    def refused(
        self, public: Public, status: int, kind: str, message: str, **how: Any
    ) -> None:
        response = public.ask(STREAM, **how).response
        self.assertEqual(response.status, status)
        error = error_of(response)
        self.assertEqual(
            (error["domain"], error["type"], error["message"], error["retryable"]),
            ("server", kind, message, True),
        )
        self.assertTrue(5 <= int(response.headers["Retry-After"]) <= 20)
        self.assertEqual(response.headers["Access-Control-Allow-Origin"], "*")

        client = public.ask(STREAM, "accept: Text/Event-Stream", **how)
        self.assertTrue(client.raw.endswith(b"\r\n0\r\n\r\n"))
        self.assertTrue(client.closed)
        response = client.response
        self.assertEqual(response.status, 200)
        self.assertEqual(
            response.headers["Content-Type"], "text/event-stream; charset=utf-8"
        )
        self.assertNotIn("Content-Length", response.headers)
        found = re.fullmatch(
            rb"retry: (\d+)\nevent: error\ndata: (.+)\n\n", response.body
        )
        assert found is not None
        document = json.loads(found[2])
        self.assertEqual(
            document,
            {
                "type": kind,
                "message": message,
                "timestamp": timestamp(NOW),
                "fatal": True,
                "retry_after_ms": int(found[1]),
            },
        )
        self.assertTrue(5000 <= int(found[1]) <= 20000)
        self.assertEqual(public.api.refused, {kind: 2})
        self.assertEqual(public.admission.open, len(public.hub.sessions))

    def test_all_taken(self) -> None:
        """
        Over the limit of all it is 503, or told within a stream.
        """
        public = self.public(connections=1)
        public.ask(STREAM)
        message = "All 1 streams of this server are taken"
        self.refused(public, 503, "connection_limit", message)

    def test_address_full(self) -> None:
        """
        Over the limit of an address it is 429; the proxy's word on it counts.
        """
        public = self.public(per_address=1)
        public.ask(STREAM)
        message = "Your address has 1 streams open, the most it may"
        self.refused(public, 429, "connection_limit", message)
        public.ask(STREAM, "X-Forwarded-For: 192.0.2.1", peer="127.0.0.1")
        public.ask(STREAM, "X-Forwarded-For: 192.0.2.2", peer="127.0.0.1")
        public.ask(STREAM, peer="127.0.0.1")
        public.ask(STREAM, peer="127.0.0.1")
        self.assertEqual(public.admission.open, 5)
        client = public.ask(
            STREAM, "X-Forwarded-For: 6.6.6.6, 192.0.2.1", peer="127.0.0.1"
        )
        self.assertEqual(client.response.status, 429)
        client = public.ask(STREAM, "X-Forwarded-For: 192.0.2.9")
        self.assertEqual(client.response.status, 429)

    def test_draining(self) -> None:
        """
        A server that goes down takes no new streams.
        """
        public = self.public()
        public.hub.draining = True
        message = "The server is going down; try again soon"
        self.refused(public, 503, "draining", message)
        public.hub.drained_at = NOW + 15
        client = public.ask(STREAM, "accept: text/event-stream")
        (retry,) = re.findall(rb"retry: ([0-9]+)\n", client.raw)
        self.assertTrue(20_000 <= int(retry) <= 40_000, "behind the end, and spread")

    def test_store_unavailable(self) -> None:
        """
        A cursor that cannot be held against the store gets no stream, and no place.
        """
        public = self.public()
        public.hub.error = StoreUnavailable()
        message = "The store cannot be read now; try again soon"
        self.refused(public, 503, "unavailable", message)

    def test_indexing(self) -> None:
        """
        While the past is not indexed by corporations and alliances, streams of these
        are told to come back, and others are served without asking.
        """
        public = self.public()
        public.store.indexed = ("character", "system")
        for query in ("corporation_ids=1", "alliance_ids=1&character_ids=1"):
            response = public.ask(f"{STREAM}?{query}").response
            self.assertEqual(response.status, 503)
            self.assertEqual(error_of(response)["type"], "indexing")
        client = public.ask(f"{STREAM}?alliance_ids=1", EVENTS)
        self.assertTrue(client.response.body.startswith(b"retry: "))
        self.assertIn(b'"type":"indexing"', client.response.body)
        self.assertEqual((public.store.asked, public.admission.open), (3, 0))
        public.ask(f"{STREAM}?character_ids=1&system_ids=1")
        public.ask(STREAM)
        self.assertEqual((public.store.asked, public.admission.open), (3, 2))

    def test_indexed(self) -> None:
        """
        Once all is indexed the store is not asked again.
        """
        public = self.public()
        public.ask(f"{STREAM}?corporation_ids=1")
        public.ask(f"{STREAM}?alliance_ids=1")
        self.assertEqual((public.store.asked, public.admission.open), (1, 2))

    def test_index_unknown(self) -> None:
        """
        Where the store cannot be asked there is no stream, and no place.
        """
        public = self.public()
        public.store.broken = True
        response = public.ask(f"{STREAM}?corporation_ids=1").response
        self.assertEqual(error_of(response)["type"], "unavailable")
        self.assertEqual((public.hub.wishes, public.admission.open), ([], 0))

    def test_bad_parameters_are_400_for_everybody(self) -> None:
        """
        A refusal by parameters is a status even for an EventSource, and while the
        server is full.
        """
        public = self.public(connections=0)
        response = public.ask(f"{STREAM}?preload_days=-1", EVENTS).response
        self.assertEqual(response.status, 400)
        self.assertEqual(
            error_of(response),
            {
                "domain": "validation",
                "type": "invalid_format",
                "message": "preload_days must be non-negative",
                "details": None,
                "retryable": False,
            },
        )

    def test_accepting_anything_is_no_event_source(self) -> None:
        """
        ``*/*`` and ``text/*`` get the status.
        """
        public = self.public(connections=0)
        for accept in ("*/*", "text/*", "text/html, application/json"):
            response = public.ask(STREAM, f"Accept: {accept}").response
            self.assertEqual(response.status, 503)
        for accept in ("text/html, text/event-stream;q=0.9", "text/event-stream"):
            response = public.ask(STREAM, f"Accept: {accept}").response
            self.assertEqual(response.status, 200)

    def test_disabled_preload(self) -> None:
        """
        The operator's rules hold.
        """
        public = self.public(rules=Rules(character_preload=False))
        response = public.ask(f"{STREAM}?character_ids=1&preload_days=1").response
        self.assertEqual(error_of(response)["message"], "preload_days is disabled here")


class CountersTests(PublicCase):
    """
    Places, however streams end.
    """

    def test_churn(self) -> None:
        """
        After a thousand streams opened, refused, closed, broken and left at random, the
        counters say what is open.
        """
        chance = random.Random(1)
        public = self.public(connections=9, per_address=3)
        live: list[tuple[Connection, Any]] = []
        for _ in range(1500):
            what = chance.random()
            if what < 0.6:
                public.hub.error = chance.choice([None] * 9 + [StoreUnavailable()])
                before = len(public.hub.sessions)
                query = chance.choice(["", "", "?nope"])
                headers = chance.choice([(), (EVENTS,)])
                peer = f"192.0.2.{chance.randrange(5)}"
                client = public.ask(STREAM + query, *headers, peer=peer)
                if len(public.hub.sessions) > before:
                    live.append((client, public.hub.sessions[-1]))
            elif live:
                client, session = live.pop(chance.randrange(len(live)))
                if what < 0.8:
                    client.leave()
                else:
                    session.close(chance.choice(["draining", "stuck", "error"]))
            self.assertEqual(public.admission.open, len(live))
        for client, _ in live:
            client.leave()
        self.assertEqual((public.admission.open, public.admission.addresses), (0, 0))
        self.assertGreater(public.admission.refused[429], 10)
        self.assertGreater(public.admission.refused[503], 3)


class KillmailTests(PublicCase):
    """
    ``/api/v1/killmail/{id}``.
    """

    def test_found(self) -> None:
        """
        A killmail comes with its items, as JSON with a length.
        """
        public = self.public()
        public.store.killmails[137000001] = record(137000001)
        response = public.ask("/api/v1/killmail/137000001").response
        self.assertEqual(response.status, 200)
        self.assertEqual(response.headers["Content-Type"], "application/json")
        self.assertEqual(
            response.body,
            b'{"data":{"killmail_id":137000001,"victim":{"ship_type_id":670,'
            b'"items":[{"flag":5}]}},"timestamp":"%b"}' % timestamp(NOW).encode(),
        )

    def test_head(self) -> None:
        """
        HEAD tells the length without the body.
        """
        public = self.public()
        public.store.killmails[1] = record(1)
        length = public.ask("/api/v1/killmail/1").response.headers["Content-Length"]
        raw = public.ask("/api/v1/killmail/1", method="HEAD").raw
        self.assertIn(f"\r\nContent-Length: {length}\r\n".encode(), raw)
        self.assertTrue(raw.endswith(b"\r\n\r\n"))

    def test_unknown(self) -> None:
        """
        One that is not here is not found.
        """
        response = self.public().ask("/api/v1/killmail/5").response
        self.assertEqual(response.status, 404)
        self.assertEqual(error_of(response)["message"], "There is no killmail 5 here")

    def test_bad_ids(self) -> None:
        """
        What is no killmail id is refused as such.
        """
        for text, shown in (
            ("abc", "abc"),
            ("0", "0"),
            ("-1", "-1"),
            ("1.0", "1.0"),
            ("%D9%A3", "٣"),
            ("9" * 40, "9" * 40),
            (str(36**8), str(36**8)),
        ):
            response = self.public().ask(f"/api/v1/killmail/{text}").response
            self.assertEqual(response.status, 400)
            self.assertEqual(
                error_of(response)["message"],
                f"Invalid killmail_id: '{shown}' is not a valid integer",
            )

    def test_store_unavailable(self) -> None:
        """
        A store that cannot be read is said to be, with a time to come back.
        """
        public = self.public()
        public.store.broken = True
        response = public.ask("/api/v1/killmail/5", EVENTS).response
        self.assertEqual(response.status, 503)
        self.assertEqual(error_of(response)["type"], "unavailable")

    def test_the_client_leaves_while_reading(self) -> None:
        """
        A client that leaves meanwhile cancels the read.
        """
        public = self.public()
        cancelled: list[object] = []
        public.store.answer = Deferred(cancelled.append)
        public.ask("/api/v1/killmail/5").leave()
        self.assertEqual(cancelled, [public.store.answer])


class OtherRoutesTests(PublicCase):
    """
    The rest, and what is none.
    """

    def test_ping(self) -> None:
        """
        ``/ping`` answers ``pong``, and the connection is kept.
        """
        public = self.public()
        client = public.ask("/ping")
        self.assertEqual(client.response.body, b"pong")
        self.assertEqual(
            client.response.headers["Content-Type"], "text/plain; charset=utf-8"
        )
        self.assertFalse(client.closed)
        client.transport.clear()
        client.request("/ping")
        self.assertEqual(client.response.body, b"pong")

    def test_health(self) -> None:
        """
        ``/health`` is 200 when ready, 503 when not, and says why either way.
        """
        public = self.public()
        self.assertEqual(public.ask("/health").response.status, 200)
        public.healthy = (False, {"status": "unavailable", "reasons": ["feed silent"]})
        response = public.ask("/health").response
        self.assertEqual(response.status, 503)
        self.assertEqual(json.loads(response.body), public.healthy[1])

    def test_nothing_there(self) -> None:
        """
        Unknown paths are not found; there are no redirects.
        """
        for path in (
            "/",
            "/ping/",
            "/api//v1/killmail/1",
            "/api/v1/kills",
            "/x%0d%0aSet-Cookie:a",
        ):
            response = self.public().ask(path).response
            self.assertEqual(response.status, 404, path)
            self.assertEqual(
                error_of(response)["message"], "There is nothing at this path"
            )

    def test_unexpected_error(self) -> None:
        """
        An error nobody expected is logged, and told without its inside.
        """
        public = self.public()
        public.hub.error = ZeroDivisionError("secret")
        client = public.ask(STREAM, EVENTS)
        self.assertEqual(client.response.status, 500)
        self.assertEqual(error_of(client.response)["type"], "internal")
        self.assertNotIn(b"secret", client.raw)
        self.assertNotIn(b"Traceback", client.raw)
        self.assertEqual(public.admission.open, 0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_targets_with_an_origin(self) -> None:
        """
        A target may be a whole URL, whose path and query count.
        """
        for path in ("http://x/ping", "HTTPS://x:4/ping"):
            self.assertEqual(self.public().ask(path).response.body, b"pong", path)
        for path in ("http://x", "http://x?a=/ping"):
            self.assertEqual(self.public().ask(path).response.status, 404, path)
        public = self.public()
        public.ask(f"http://x{STREAM}?character_ids=5", EVENTS)
        self.assertEqual([*public.hub.wishes[0].filter.character_ids], [5])

    def test_paths_that_are_no_text(self) -> None:
        """
        A path that is not UTF-8, or not a path, is refused without a traceback.
        """
        no_text = "The request's path is not valid UTF-8"
        no_path = "The request's target is not a path"
        for path, message in (
            ("/%ff", no_text),
            ("/api/v1/killmail/%c3", no_text),
            ("*", no_path),
            ("ftp://x/ping", no_path),
            ("http:///ping", no_path),
            ("ping", no_path),
        ):
            response = self.public().ask(path).response
            self.assertEqual(response.status, 400, path)
            error = error_of(response)
            self.assertEqual(
                (error["type"], error["message"]), ("bad_request", message)
            )

    def test_odd_hosts(self) -> None:
        """
        What the client calls us does not matter.
        """
        for host in (b"", b"\xff\xfe", b"a" * 300, b"[::1", b"..", b"x y"):
            client = self.public().connect()
            client.send(b"GET /ping HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
            self.assertEqual(client.response.body, b"pong", host)

    def test_no_header_injection(self) -> None:
        """
        Nothing of a request gets into the head of a response.
        """
        public = self.public(origins=("https://a.example",))
        client = public.ask(
            f"{STREAM}?cursor=%0d%0aX-Evil:1",
            "Origin: https://a.example\tX-Evil: 1",
            "Last-Event-ID: \x0bX-Evil",
        )
        self.assertNotIn(b"Evil", client.raw.partition(b"\r\n\r\n")[0])


class AnyRequestTests(PublicCase):
    """
    Whatever is asked is answered, and never by a 500.
    """

    @settings(max_examples=300, deadline=None)
    @given(
        st.sampled_from(["", STREAM, "/api/v1/killmail/", "/", "/ping", "/%"]),
        st.text(max_size=20),
        st.sampled_from(["GET", "HEAD", "OPTIONS", "POST", "X"]),
    )
    def test_targets(self, path: str, rest: str, method: str) -> None:
        """
        Any target gets a proper response.
        """
        target = path + "".join(
            f"%{byte:02X}" if byte <= 32 or byte >= 127 else chr(byte)
            for byte in rest.encode("utf-8", "surrogatepass")
        )
        public = Public()
        raw = public.ask(target or "/", method=method).raw
        public.stop()
        found = re.match(rb"HTTP/1\.1 (\d+) ", raw)
        assert found is not None, raw
        self.assertIn(int(found[1]), (200, 204, 400, 404, 405, 415))
