"""
Connections within bounds, and the log of what was asked.
"""

import json
import re
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs
from twisted.web.http import _parseRequestLine

from tests.support.web import (
    CONNECTED,
    Connection,
    Public,
    PublicCase,
    WireTransport,
    chunks,
    record,
)
from wanderer_twisted.frames import Event, Frame
from wanderer_twisted.web.channel import MAX_BODY_BYTES, MAX_HEAD_BYTES
from wanderer_twisted.web.site import PublicRequest

STREAM = "/api/v1/kills/stream"
LINE = b"GET /ping HTTP/1.1\r\n"


class BoundsCase(PublicCase):
    def assert_refused(self, client: Connection, status: int, kind: str) -> str:
        """
        One whole response in the envelope, and the end.

        :returns: its message.
        """
        self.assertTrue(client.closed)
        self.assertEqual(client.raw.count(b"HTTP/1.1 "), 1)
        response = client.response
        self.assertEqual(response.status, status)
        self.assertEqual(response.headers["Connection"], "close")
        self.assertEqual(response.headers["Access-Control-Allow-Origin"], "*")
        self.assertEqual(int(response.headers["Content-Length"]), len(response.body))
        error = json.loads(response.body)["error"]
        domain = "server" if status == 503 else "http"
        self.assertEqual((error["domain"], error["type"]), (domain, kind))
        message: str = error["message"]
        return message


class HeadTests(BoundsCase):
    """
    The head of a request.
    """

    def head(self, size: int) -> bytes:
        """
        A whole head of so many bytes.
        """
        lines = [LINE]
        size -= len(LINE) + 2
        while size:
            length = min(size, 1000) if size - 1000 != 1 else 990
            length = size if size < 1010 else length
            lines.append(b"X: " + b"y" * (length - 5) + b"\r\n")
            size -= length
        return b"".join([*lines, b"\r\n"])

    def test_largest(self) -> None:
        """
        A head of exactly 16 KiB is read.
        """
        head = self.head(MAX_HEAD_BYTES)
        self.assertEqual(len(head), 16384)
        client = self.public().connect()
        client.send(head)
        self.assertEqual(client.response.body, b"pong")

    def test_too_large(self) -> None:
        """
        One byte more is refused with 431, once, however it comes.
        """
        head = self.head(MAX_HEAD_BYTES + 1)
        for step in (len(head), 4096, 1000, 1):
            client = self.public().connect()
            for start in range(0, len(head), step):
                client.send(head[start : start + step])
            message = self.assert_refused(client, 431, "head_too_large")
            self.assertEqual(message, "The request's head is over 16384 bytes")

    def test_endless_line(self) -> None:
        """
        A line without an end, as a cursor of 10 MB makes one, is refused and not kept.
        """
        client = self.public().connect()
        client.send(f"GET {STREAM}?cursor=".encode())
        for _ in range(160):
            client.send(b"x" * 65536)
        self.assert_refused(client, 431, "head_too_large")
        self.assertEqual(client.channel._buffer, b"")

    def test_too_many_lines(self) -> None:
        """
        500 header lines are read, 501 are refused with 431.
        """
        client = self.public().connect()
        client.send(LINE + b"X: 1\r\n" * 500 + b"\r\n")
        self.assertEqual(client.response.body, b"pong")
        client = self.public().connect()
        client.send(LINE + b"X: 1\r\n" * 501 + b"\r\n")
        message = self.assert_refused(client, 431, "head_too_large")
        self.assertEqual(message, "The request's head has over 500 header lines")

    def test_each_request_has_its_own(self) -> None:
        """
        The bounds are those of one request, not of the connection.
        """
        client = self.public().connect()
        for _ in range(3):
            client.transport.clear()
            client.send(LINE + b"X: 1\r\n" * 400 + b"Y: %b\r\n\r\n" % (b"y" * 10000))
            self.assertEqual(client.response.body, b"pong")

    def test_not_http(self) -> None:
        """
        What is not HTTP is refused with 400, once.
        """
        for junk in (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"GET /ping\r\n\r\n",
            b"GET /p ing HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /ping HTTP/2.0\r\n\r\n",
            LINE + b"no colon\r\nno colon either\r\nA: b\r\n\r\n",
            LINE + b"bad name: 1\r\n\r\n",
            LINE + b"Content-Length: -1\r\n\r\n",
            LINE + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
            LINE + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            LINE + b"Transfer-Encoding: gzip\r\n\r\n",
            LINE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        ):
            client = self.public().connect()
            client.send(junk)
            self.assert_refused(client, 400, "bad_request")


class BodyTests(BoundsCase):
    """
    The body of a request.
    """

    def test_told(self) -> None:
        """
        A body that is told to be too large is refused before any of it comes, and
        before the client is told to go on.
        """
        client = self.public().ask(
            STREAM,
            f"Content-Length: {MAX_BODY_BYTES + 1}",
            "Expect: 100-continue",
            method="POST",
        )
        message = self.assert_refused(client, 413, "body_too_large")
        self.assertEqual(message, "The request's body is over 262144 bytes")

    def test_chunked(self) -> None:
        """
        A body in chunks is refused as soon as it is too large.
        """
        client = self.public().ask(STREAM, "Transfer-Encoding: chunked", method="POST")
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        for _ in range(4):
            client.send(chunk)
        self.assertEqual(client.raw, b"")
        for _ in range(4):
            client.send(chunk)
        client.send(b"0\r\n\r\n")
        self.assert_refused(client, 413, "body_too_large")

    def test_largest(self) -> None:
        """
        A body within the bound is read, and the request answered.
        """
        client = self.public().ask(
            STREAM, f"Content-Length: {MAX_BODY_BYTES}", method="POST"
        )
        client.send(b"x" * MAX_BODY_BYTES)
        self.assertEqual(client.response.status, 415)


class IncomingTests(BoundsCase):
    """
    Bodies that are coming in, of all clients together.
    """

    def begin(self, public: Public, size: int = 1000) -> Connection:
        client = public.ask(STREAM, f"Content-Length: {size}", method="POST")
        client.send(b"x" * (size // 2))
        return client

    def test_too_much(self) -> None:
        """
        Who brings more than there is room for is told to come back; bodies that are
        complete, are given up or come too late make room.
        """
        public = self.public(most_incoming=1999)
        clients = [self.begin(public) for _ in range(3)]
        self.assertEqual(public.site.incoming, 1500)
        late = self.begin(public)
        self.assert_refused(late, 503, "busy")
        self.assertEqual(public.site.incoming, 1500)
        clients[0].send(b"x" * 400)
        self.assertEqual(public.site.incoming, 1900)
        clients[1].leave()
        self.assertEqual(public.site.incoming, 1400)
        clients[0].send(b"x" * 100)
        self.assertEqual(public.site.incoming, 500)
        self.assertEqual(clients[0].response.status, 415)
        public.clock.advance(15)
        self.assertTrue(clients[2].closed)
        clients[2].leave()
        self.assertEqual(public.site.incoming, 0)

    def test_a_stream_keeps_none(self) -> None:
        """
        Nor does a stream keep a body that nobody asked it for.
        """
        public = self.public()
        client = public.ask(STREAM, "Content-Length: 1000")
        client.send(b"x" * 1000)
        self.assertEqual(chunks(client.raw), [CONNECTED])
        self.assertEqual(client.channel.requests, [])
        self.assertEqual(public.site.incoming, 0)


class DeadlineTests(BoundsCase):
    """
    The time that a request may take to come.
    """

    def drip(self, public: Public, client: Connection, data: bytes) -> float:
        """
        :returns: seconds after which the server had enough.
        """
        for second, byte in enumerate(data):
            if client.closed:
                return second
            client.send(bytes([byte]))
            public.clock.advance(1)
        self.fail("never closed")

    def test_dripping_head(self) -> None:
        """
        A byte now and then does not keep a head alive over 15 seconds in all.
        """
        public = self.public()
        self.assertEqual(self.drip(public, public.connect(), LINE * 2), 15)
        self.assertEqual(public.site.late, 1)

    def test_dripping_body(self) -> None:
        """
        Nor a body.
        """
        public = self.public()
        client = public.ask(STREAM, "Content-Length: 900", method="POST")
        self.assertEqual(self.drip(public, client, b"x" * 100), 15)

    def test_silence(self) -> None:
        """
        A connection that says nothing is closed as well.
        """
        public = self.public()
        client = public.connect()
        public.clock.advance(14.9)
        self.assertFalse(client.closed)
        public.clock.advance(0.2)
        self.assertTrue(client.closed)

    def test_next_request(self) -> None:
        """
        Between two requests a connection may idle; the second has its own 15 seconds,
        from its first byte.
        """
        public = self.public()
        client = public.ask("/ping")
        public.clock.advance(50)
        self.assertFalse(client.closed)
        self.assertEqual(self.drip(public, client, LINE * 2), 15)

    def test_idle(self) -> None:
        """
        A kept connection is closed after a minute.
        """
        public = self.public()
        client = public.ask("/ping")
        public.clock.advance(61)
        self.assertTrue(client.closed)

    def test_streams_have_none(self) -> None:
        """
        No deadline ends a stream, or a response that is waited for.
        """
        public = self.public()
        public.store.answer = Deferred()
        stream, killmail = public.ask(STREAM), public.ask("/api/v1/killmail/1")
        public.clock.advance(3600)
        self.assertFalse(stream.closed)
        self.assertFalse(killmail.closed)

    def test_late_bytes(self) -> None:
        """
        What comes after the deadline is not answered.
        """
        public = self.public()
        client = public.connect()
        public.clock.advance(16)
        client.request("/ping")
        self.assertEqual(client.raw, b"")

    def test_untaken_response(self) -> None:
        """
        A client that does not take the rest of its last response is cut off.
        """
        public = self.public()
        client = public.ask("/ping", "Connection: close")
        self.assertFalse(client.transport.aborted)
        public.clock.advance(60)
        self.assertTrue(client.transport.aborted)

    def test_nothing_is_left_behind(self) -> None:
        """
        Connections that end leave no timers and no count.
        """
        public = self.public()
        refused = public.connect()
        refused.send(b"junk\r\n\r\n")
        last = public.ask("/ping", "Connection: close")
        for client in (public.connect(), public.ask("/ping"), refused, last):
            self.assertGreater(public.site.channels, 0)
            client.leave()
        self.assertEqual(public.site.channels, 0)
        self.assertEqual(public.clock.getDelayedCalls(), [])


class PipeliningTests(BoundsCase):
    """
    Requests at the heels of others.
    """

    def test_first_alone(self) -> None:
        """
        Of many requests in one read the first is answered, and the connection closed:
        a client asks again, and nobody waits for all of them.
        """
        client = self.public().connect()
        client.send((LINE + b"\r\n") * 3000)
        response = client.response
        self.assertEqual(response.body, b"pong")
        self.assertEqual(response.headers["Connection"], "close")
        self.assertEqual(client.raw.count(b"HTTP/1.1 200"), 1)
        self.assertTrue(client.closed)

    def test_behind_a_body(self) -> None:
        """
        The same of requests with bodies, told or in chunks.
        """
        for head, body in (
            (b"Content-Length: 1", b"x"),
            (b"Transfer-Encoding: chunked", b"1\r\nx\r\n0\r\n\r\n"),
        ):
            client = self.public().connect()
            one = b"POST /ping HTTP/1.1\r\n%b\r\n\r\n%b" % (head, body)
            client.send(one * 300)
            self.assertEqual(client.response.headers["Connection"], "close")
            self.assertEqual(client.raw.count(b"HTTP/1.1 405"), 1)
            self.assertTrue(client.closed)

    def test_while_one_is_answered(self) -> None:
        """
        What comes while a response is waited for is answered after it, and reading
        pauses when it is much.
        """
        public = self.public()
        public.store.answer = Deferred()
        client = public.ask("/api/v1/killmail/1")
        client.request("/ping")
        self.assertEqual(client.raw, b"")
        public.store.answer.callback(record(1))
        self.assertTrue(client.raw.endswith(b"pong"))

        public.store.answer = Deferred()
        client = public.ask("/api/v1/killmail/1")
        client.send(LINE * 2000)
        self.assertEqual(client.transport.producerState, "paused")

    def test_stream_behind_another(self) -> None:
        """
        A stream that was asked for while the request before it was answered is bound by
        nothing of that one's.
        """
        for header in (), ("Connection: close",):
            public = self.public()
            public.store.answer = Deferred()
            client = public.ask("/api/v1/killmail/1")
            client.request(STREAM, *header)
            public.store.answer.callback(record(1))
            self.assertIn(CONNECTED, client.raw)
            public.clock.advance(3600)
            self.assertFalse(client.closed)


class ConnectionsTests(BoundsCase):
    """
    Connections, as distinct from streams.
    """

    def test_most(self) -> None:
        """
        Over the bound of connections the next is reset.
        """
        public = self.public(most_channels=2)
        first = public.connect()
        public.connect()
        transport = WireTransport()
        public.site.buildProtocol(None).makeConnection(transport)
        self.assertTrue(transport.aborted)
        self.assertEqual((public.site.turned_away, public.site.channels), (1, 2))
        first.leave()
        public.connect()
        self.assertEqual((public.site.turned_away, public.site.channels), (1, 2))

    def test_accepted(self) -> None:
        """
        Each connection is told to whoever counts them.
        """
        told: list[None] = []
        public = self.public(accepted=lambda: told.append(None))
        public.connect()
        public.connect()
        self.assertEqual(len(told), 2)

    def test_one_protocol(self) -> None:
        """
        TLS clients are offered HTTP/1.1 alone.
        """
        self.assertEqual(self.public().site.acceptableProtocols(), [b"http/1.1"])


class RequestLineTests(PublicCase):
    """
    The first line of a request.
    """

    PARTS = st.sampled_from(
        [
            *(b"GET", b"/", b"/a", b"?", b"?b=c", b"%3f", b"#", b" ", b"\t", b"@"),
            *(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2", b"\0", b"\x7f", b"\xb0", b"\xb1"),
        ]
    )
    LINES = st.one_of(
        st.lists(PARTS, min_size=1).map(b"".join),
        st.lists(PARTS).map(lambda parts: b"GET /%b HTTP/1.1" % b"".join(parts)),
    )

    @settings(deadline=None)
    @given(LINES, st.sampled_from([b"", b"Content-Length: 2\r\n"]))
    def test_as_twisted(self, line: bytes, length: bytes) -> None:
        """
        What Twisted takes is taken, and nothing else, with its query as it came; that
        of one request is not the next one's.
        """
        try:
            expected = [_parseRequestLine(line)]
        except ValueError:
            expected = []
        seen: list[tuple[bytes, bytes, bytes]] = []

        def see(request: PublicRequest) -> str:
            seen.append((request.method, request.uri, request.clientproto))
            return "seen"

        public = Public()
        with patch.object(PublicRequest, "_find_fault", see):
            client = public.connect()
            client.send(b"%b\r\nHost: x\r\n%b\r\n" % (line, length))
            client.send(b"ab" if length else b"")
            self.assertEqual(seen, expected)
            if not client.closed:
                client.send(LINE + b"\r\n")
                self.assertEqual(seen[1:], [(b"GET", b"/ping", b"HTTP/1.1")])


class AnyBytesTests(PublicCase):
    """
    Whatever comes in over a connection.
    """

    PIECES = st.one_of(
        st.sampled_from(
            [
                LINE,
                b"POST /api/v1/kills/stream HTTP/1.1\r\n",
                b"GET /api/v1/kills/stream HTTP/1.0\r\n",
                b"Host: x\r\n",
                b"Content-Length: 5\r\n",
                b"Content-Length: 99999999999999999999999\r\n",
                b"Transfer-Encoding: chunked\r\n",
                b"Expect: 100-continue\r\n",
                b"Connection: close\r\n",
                b"X-Forwarded-For: 1.2.3.4, junk\r\n",
                b"\r\n",
                b"5\r\nhello\r\n",
                b"0\r\n\r\n",
                b" folded\r\n",
                b"x" * 17000,
            ]
        ),
        st.binary(max_size=6),
    )

    @settings(max_examples=300, deadline=None)
    @given(st.lists(PIECES, max_size=12), st.booleans())
    def test_pieces(self, pieces: list[bytes], at_once: bool) -> None:
        """
        Any bytes are answered properly or not at all, never by a 500, and leave
        neither connection nor timer nor place behind.
        """
        public = Public()
        client = public.connect(peer="127.0.0.1")
        for data in [b"".join(pieces)] if at_once else pieces:
            if not client.closed:
                client.send(data)
        for status in re.findall(rb"HTTP/1\.[01] (\d+) ", client.raw):
            self.assertIn(int(status), (100, 200, 204, 400, 404, 405, 413, 415, 431))
        client.leave()
        self.assertEqual((public.site.channels, public.admission.open), (0, 0))
        self.assertEqual(public.clock.getDelayedCalls(), [])


class LogTests(PublicCase):
    """
    One line for each request.
    """

    def lines(self, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [each for each in events if "seconds" in each]

    def test_ended(self) -> None:
        """
        An answered request is logged with its path, not its query.
        """
        public = self.public()
        public.store.killmails[1] = record(1)
        with capturedLogs() as events:
            public.ask("/api/v1/killmail/1?token=secret", "User-Agent: curl/8")
        (line,) = self.lines(events)
        self.assertEqual(line["log_level"], LogLevel.info)
        self.assertEqual(
            {key: line[key] for key in ("address", "method", "path", "status", "left")},
            {
                "address": "203.0.113.7",
                "method": "GET",
                "path": "/api/v1/killmail/1",
                "status": 200,
                "left": False,
            },
        )
        self.assertEqual(line["agent"], "curl/8")
        self.assertGreater(line["bytes"], 60)
        self.assertNotIn("secret", repr(events))

    def test_stream(self) -> None:
        """
        A stream has lines of its own elsewhere, and none here; its response counts.
        """
        public = self.public()
        with capturedLogs() as events:
            public.ask(f"{STREAM}?cursor=secret").leave()
            public.ask(STREAM)
            public.stop()
        self.assertEqual(self.lines(events), [])
        self.assertEqual((public.site.responses[200], public.site.left), (2, 0))

    def test_left_before_the_answer(self) -> None:
        """
        A request whose client left before there was an answer is logged too.
        """
        public = self.public()
        public.store.answer = Deferred()
        with capturedLogs() as events:
            public.ask("/api/v1/killmail/1").leave()
        (line,) = self.lines(events)
        self.assertTrue(line["left"])

    def test_unfinished_requests(self) -> None:
        """
        A client that leaves in the middle of its request asked nothing.
        """
        public = self.public()
        with capturedLogs() as events:
            client = public.connect()
            client.send(LINE)
            client.leave()
        self.assertEqual(self.lines(events), [])

    def test_health_checks(self) -> None:
        """
        Health checks are for debugging.
        """
        public = self.public()
        with capturedLogs() as events:
            public.ask("/ping")
            public.ask("/health")
        levels = [each["log_level"] for each in self.lines(events)]
        self.assertEqual(levels, [LogLevel.debug, LogLevel.debug])

    def test_refused(self) -> None:
        """
        A request that was not read to its end is logged as refused.
        """
        public = self.public()
        with capturedLogs() as events:
            public.connect().send(b"junk\r\n\r\n")
        (line,) = [each for each in events if "status" in each]
        self.assertEqual((line["status"], line["address"]), (400, "203.0.113.7"))

    def test_odd_text(self) -> None:
        """
        Whatever a client sends takes one line of bounded length.
        """
        public = self.public()
        with capturedLogs() as events:
            client = public.connect()
            client.send(
                b"GET /%b HTTP/1.1\r\nUser-Agent: \xff\x1b[31m\r\n\r\n" % (b"x" * 9000)
            )
        (line,) = self.lines(events)
        self.assertEqual(len(line["path"]), 200)
        self.assertTrue(line["agent"].startswith("\\xff\\x1b["))

    def test_counters(self) -> None:
        """
        Responses are counted by status.
        """
        public = self.public()
        for path in ("/ping", "/nowhere", STREAM + "?nope"):
            public.ask(path)
        public.connect().send(b"junk\r\n\r\n")
        self.assertEqual(public.site.responses, {200: 1, 404: 1, 400: 2})

    def test_chunks_of_a_stream_are_not_logged(self) -> None:
        """
        No event of a stream is worth a line.
        """
        public = self.public()
        client = public.ask(STREAM)
        event = Event(Frame("connected", CONNECTED[:-1]), b"\n")
        with capturedLogs() as events:
            for _ in range(5):
                public.hub.sessions[0].transport.write(event)
        self.assertEqual((events, len(chunks(client.raw))), ([], 6))
