"""
The one polite HTTP client.
"""

import gzip
import zlib
from email.utils import formatdate

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from tests.support.cases import SyncCase
from tests.support.upstream import (
    NOON,
    FakeUpstream,
    Outcome,
    Reply,
    begin,
    finish,
    gzip_reply,
    json_reply,
)
from wanderer_twisted import SERVER_NAME
from wanderer_twisted.interfaces import UpstreamError
from wanderer_twisted.sources.body import BadAnswer
from wanderer_twisted.sources.exchange import TimedOut, Unreachable
from wanderer_twisted.sources.http import Client, Manners, Upstream

URL = "https://up.example/a.json"


class ClientCase(SyncCase):
    """
    A client before an upstream that follows a script.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOON
        self.there = FakeUpstream(self.clock)
        self.client = Client(self.there, self.clock, "ops@example.org")

    def upstream(
        self,
        per_second: float = 1000.0,
        in_flight: int = 1,
        timeout: float = 30.0,
        max_body: int = 1 << 20,
    ) -> Upstream:
        return self.client.upstream(
            "up",
            Manners(
                per_second, in_flight=in_flight, timeout=timeout, max_body=max_body
            ),
        )

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [], "a timer is left behind")


class RequestTests(ClientCase):
    def test_names_itself(self) -> None:
        """
        A request says who we are and how to reach the operator, and asks for gzip.
        """
        self.there.on(URL, json_reply({}))
        finish(self.clock, self.upstream().get(URL))
        headers = self.there.asked[0].headers
        self.assertEqual(
            headers.getRawHeaders("User-Agent"), [f"{SERVER_NAME} (+ops@example.org)"]
        )
        self.assertEqual(headers.getRawHeaders("Accept-Encoding"), ["gzip"])

    def test_contact_is_one_line(self) -> None:
        """
        A contact can neither blank the User-Agent nor add a header.
        """
        for contact, agent in (
            ("", SERVER_NAME),
            (" \r\n", SERVER_NAME),
            ("é a\r\nX-Y: b", f"{SERVER_NAME} (+a X-Y: b)"),
        ):
            self.client = Client(self.there, self.clock, contact)
            self.there.on(URL, json_reply({}))
            finish(self.clock, self.upstream().get(URL))
            headers = self.there.asked[-1].headers
            self.assertEqual(headers.getRawHeaders("User-Agent"), [agent])

    def test_no_cookies(self) -> None:
        """
        Cookies are not kept.
        """
        self.there.on(URL, Reply(200, b"{}", {"Set-Cookie": "a=b; Path=/"}))
        upstream = self.upstream()
        finish(self.clock, upstream.get(URL))
        finish(self.clock, upstream.get(URL))
        self.assertFalse(self.there.asked[1].headers.hasHeader("Cookie"))

    def test_no_redirects(self) -> None:
        """
        A redirect is an answer, and nobody else is asked.
        """
        self.there.on(URL, Reply(302, b"", {"Location": "https://evil.example/"}))
        answer = finish(self.clock, self.upstream().get(URL))
        self.assertEqual((answer.status, self.there.urls), (302, [URL]))
        self.assertIn("https://evil.example/", answer.unexpected().reason)

    def test_post(self) -> None:
        """
        A document goes out as JSON.
        """
        self.there.on(URL, json_reply([]))
        finish(self.clock, self.upstream().post(URL, [1, 2], headers={"X-A": "b"}))
        asked = self.there.asked[0]
        self.assertEqual((asked.method, asked.json), ("POST", [1, 2]))
        self.assertEqual(asked.headers.getRawHeaders("X-A"), ["b"])
        self.assertEqual(
            asked.headers.getRawHeaders("Content-Type"), ["application/json"]
        )

    def test_two_of_a_name(self) -> None:
        """
        Two upstreams cannot have one name: their figures would mix.
        """
        self.upstream()
        self.assertRaises(ValueError, self.upstream)


class BodyTests(ClientCase):
    def get(self, reply: Reply, max_body: int = 1 << 20) -> Outcome:
        self.there.on(URL, reply)
        return begin(self.upstream(max_body=max_body).get(URL))

    def test_gzip(self) -> None:
        """
        A gzipped body is decoded, in however small pieces it comes.
        """
        body = gzip.compress(b'{"a":[1,2,3]}')
        headers = {"Content-Encoding": "GZip"}
        outcome = self.get(Reply(200, body, headers, drip=(1, 0.01)))
        self.clock.pump([0.01] * len(body))
        self.assertEqual(outcome.result.json(), {"a": [1, 2, 3]})

    def test_gzip_bomb(self) -> None:
        """
        A body of 64 MB in 64 kB of gzip is refused before it is inflated.
        """
        bomb = gzip_reply(bytes(64 << 20))
        inflated = []
        real = zlib.decompressobj

        class Watched:
            def __init__(self, wbits: int) -> None:
                self._real = real(wbits)

            def decompress(self, data: bytes, most: int) -> bytes:
                part = self._real.decompress(data, most)
                inflated.append(len(part))
                return part

            def __getattr__(self, name: str) -> object:
                return getattr(self._real, name)

        self.patch(zlib, "decompressobj", Watched)
        error = self.get(bomb, max_body=1 << 20).error
        self.assertIsInstance(error, BadAnswer)
        self.assertIn("larger than 1048576 bytes", error.reason)
        self.assertLessEqual(sum(inflated), (1 << 20) + 1)
        self.assertTrue(self.there.asked[0].closed)

    def test_largest_body(self) -> None:
        """
        The limit is the largest body that passes, gzipped or not.
        """
        body = b"x" * 1000
        for reply in (Reply(200, body), gzip_reply(body)):
            for limit, passes in ((1000, True), (999, False)):
                self.client = Client(self.there, self.clock)
                outcome = self.get(reply, max_body=limit)
                if passes:
                    self.assertEqual(outcome.result.body, body)
                else:
                    self.assertIsInstance(outcome.error, BadAnswer)
                self.assertEqual(self.there.asked[-1].closed, not passes)

    def test_endless_body(self) -> None:
        """
        A body without end is cut off at the limit, not at its end.
        """
        outcome = self.get(Reply(200, b"x" * 5000, drip=(100, 1)), max_body=1000)
        self.clock.pump([1] * 10)
        self.assertIsInstance(outcome.error, BadAnswer)
        self.clock.advance(1)  # the piece that was on its way

    def test_broken_gzip(self) -> None:
        """
        Gzip that is truncated, corrupt, or goes on behind its end is an error.
        """
        whole = gzip.compress(b'{"a":1}' * 100)
        bad = {
            "ends too early": whole[:-9],
            "invalid": whole[:10] + b"\xff" * 20,
            "behind its end": whole + whole,
        }
        for words, body in bad.items():
            self.client = Client(self.there, self.clock)
            reply = Reply(200, body, {"Content-Encoding": "gzip"})
            error = self.get(reply).error
            self.assertIsInstance(error, BadAnswer)
            self.assertIn(words, error.reason)

    def test_no_body(self) -> None:
        """
        No body at all is no broken gzip.
        """
        answer = self.get(Reply(304, b"", {"Content-Encoding": "gzip"})).result
        self.assertEqual(answer.body, b"")

    def test_other_encoding(self) -> None:
        """
        An encoding that was not offered is an error, and the connection is closed.
        """
        for name in ("br", "gzip, gzip"):
            self.client = Client(self.there, self.clock)
            error = self.get(Reply(200, b"abc", {"Content-Encoding": name})).error
            self.assertIn(repr(name), error.reason)
            self.assertTrue(self.there.asked[-1].closed)

    def test_cut_body(self) -> None:
        """
        A connection that breaks within the body gives no part of it.
        """
        error = self.get(Reply(200, b'{"a":1}', cut=3)).error
        self.assertIsInstance(error, Unreachable)
        self.assertIn("ConnectionLost", error.reason)

    def test_bad_json(self) -> None:
        """
        HTML, nothing, half a document, NaN and bad UTF-8 are no JSON.
        """
        for body, words in (
            (b"<!DOCTYPE html>\n<html>", "'<!DOCTYPE html>"),
            (b"  ", "is empty"),
            (b'{"a":', "is not JSON"),
            (b'{"a":NaN}', "is not JSON"),
            (b'"\xff"', "is not JSON"),
        ):
            self.client = Client(self.there, self.clock)
            answer = self.get(Reply(200, body)).result
            error = self.assertRaises(BadAnswer, answer.json)
            self.assertIn(words, error.reason)
            self.assertNotIn("\n", error.reason)


class FaultTests(ClientCase):
    def test_no_head(self) -> None:
        """
        Silence before the head ends at the timeout, and closes the connection.
        """
        self.there.on(URL, Reply(never=True))
        upstream = self.upstream(timeout=30)
        outcome = begin(upstream.get(URL))
        self.clock.advance(29.9)
        self.assertFalse(outcome.done)
        self.clock.advance(0.1)
        self.assertIsInstance(outcome.error, TimedOut)
        self.assertIn("30 s", outcome.error.reason)
        self.assertTrue(self.there.asked[0].closed)
        self.assertEqual(upstream.requests, {"timeout": 1})

    def test_stalled_body(self) -> None:
        """
        Silence within the body ends at the same timeout, and closes the connection.
        """
        self.there.on(URL, Reply(200, b"{}" * 50, delay=20, stall=3))
        outcome = begin(self.upstream(timeout=30).get(URL))
        self.clock.pump([20, 9.9])
        self.assertFalse(outcome.done)
        self.clock.advance(0.1)
        self.assertIsInstance(outcome.error, TimedOut)
        self.assertTrue(self.there.asked[0].closed)

    def test_slow_drip(self) -> None:
        """
        A body that comes byte by byte has no longer than any other.
        """
        self.there.on(URL, Reply(200, b" " * 1000, drip=(1, 1)))
        outcome = begin(self.upstream(timeout=30).get(URL))
        self.clock.pump([1] * 30)
        self.assertIsInstance(outcome.error, TimedOut)
        self.assertTrue(self.there.asked[0].closed)
        self.clock.advance(1)

    def test_reset(self) -> None:
        """
        A reset connection is an error of one line.
        """
        self.there.on(URL, Reply(reset=True))
        upstream = self.upstream()
        error = begin(upstream.get(URL)).error
        self.assertIsInstance(error, Unreachable)
        self.assertNotIn("\n", error.reason)
        self.assertEqual(upstream.requests, {"broken": 1})

    def test_bad_url(self) -> None:
        """
        A URL that is none is an error like any other.
        """
        upstream = self.upstream()
        for url in ("", "nonsense", "ftp://a/", "https://[::1", "http://a:b/", "\0"):
            outcome = begin(upstream.get(url))
            self.clock.advance(1)
            self.assertIsInstance(outcome.error, UpstreamError, url)
            upstream.circuit.succeeded()

    def test_cancelled(self) -> None:
        """
        Cancelling, before or within the body, closes the connection and frees the
        slot for the next one.
        """
        upstream = self.upstream()
        for reply in (Reply(never=True), Reply(200, b"{}", stall=1)):
            self.there.on(URL, reply, json_reply(1))
            outcome = begin(upstream.get(URL))
            self.clock.advance(1)
            outcome.deferred.cancel()
            self.assertIsInstance(outcome.error, CancelledError)
            self.assertTrue(self.there.asked[-1].closed)
            answer = finish(self.clock, upstream.get(URL))
            self.assertEqual(answer.json(), 1)

    def test_cancelled_in_queue(self) -> None:
        """
        A request cancelled while it waits is never sent.
        """
        self.there.on(URL, json_reply(1))
        upstream = self.upstream(per_second=1)
        begin(upstream.get(URL))
        waiting = [begin(upstream.get(URL)) for _ in range(3)]
        for outcome in waiting[:2]:
            outcome.deferred.cancel()
        self.clock.pump([1] * 3)
        self.assertEqual(waiting[2].result.json(), 1)
        self.assertEqual(len(self.there.asked), 2)


class PoliteTests(ClientCase):
    def test_pace(self) -> None:
        """
        Requests go out no faster than the upstream allows.
        """
        self.there.on(URL, json_reply(1))
        upstream = self.upstream(per_second=2)
        outcomes = [begin(upstream.get(URL)) for _ in range(5)]
        self.clock.pump([0.25] * 8)
        self.assertTrue(all(outcome.done for outcome in outcomes))
        times = [time - NOON for time in self.there.times(URL)]
        self.assertEqual(times, [0, 0.5, 1.0, 1.5, 2.0])

    def test_serial(self) -> None:
        """
        With one in flight the next waits for the last byte of the one before.
        """
        self.there.on(URL, Reply(200, b"1", delay=5))
        upstream = self.upstream(in_flight=1)
        for _ in range(3):
            begin(upstream.get(URL))
        self.assertEqual((upstream.in_flight, upstream.waiting), (1, 2))
        self.clock.pump([5, 5, 5])
        self.assertEqual([t - NOON for t in self.there.times(URL)], [0, 5, 10])

    def test_in_flight(self) -> None:
        """
        Never more than the upstream allows are under way.
        """
        self.there.on(URL, Reply(200, b"1", delay=5))
        upstream = self.upstream(in_flight=3)
        for _ in range(7):
            begin(upstream.get(URL))
        self.clock.advance(1)
        self.assertEqual(len(self.there.asked), 3)
        self.clock.pump([4, 1, 4, 1, 5])
        self.assertEqual(len(self.there.asked), 7)

    def test_retry_after_short(self) -> None:
        """
        A short Retry-After is waited for by whoever asks next.
        """
        busy = json_reply({}, 429, Retry_After="10")
        self.there.on(URL, busy, json_reply(1))
        upstream = self.upstream()
        self.assertEqual(begin(upstream.get(URL)).result.retry_after, 10)
        outcome = begin(upstream.get(URL))
        self.clock.advance(9.9)
        self.assertEqual(len(self.there.asked), 1)
        self.clock.advance(0.2)
        self.assertEqual(outcome.result.json(), 1)

    def test_retry_after_long(self) -> None:
        """
        A long one fails what is asked meanwhile at once, with the time that is left.
        """
        busy = json_reply({}, 429, Retry_After="100")
        self.there.on(URL, busy, json_reply(1))
        upstream = self.upstream()
        begin(upstream.get(URL))
        self.clock.advance(40)
        error = begin(upstream.get(URL)).error
        self.assertEqual(error.retry_after, 60)
        self.assertEqual(len(self.there.asked), 1)
        self.clock.advance(60)
        self.assertEqual(begin(upstream.get(URL)).result.json(), 1)

    def test_retry_after_forms(self) -> None:
        """
        Retry-After may be seconds or a date; nonsense is none, and an hour the most.
        """
        for text, seconds in (
            ("7", 7.0),
            (formatdate(NOON + 90, usegmt=True), 90.0),
            (formatdate(NOON - 90, usegmt=True), None),
            ("99999999", 3600.0),
            ("-5", None),
            ("soon", None),
            ("0", None),
            ("", None),
        ):
            self.client = Client(self.there, self.clock)
            self.there.on(URL, json_reply({}, 429, Retry_After=text))
            answer = begin(self.upstream().get(URL)).result
            self.assertEqual(answer.retry_after, seconds, text)

    def test_repeats(self) -> None:
        """
        A request may be repeated where the connection broke or a 5xx came.
        """
        self.there.on(URL, Reply(reset=True), Reply(502), json_reply(1))
        upstream = self.upstream()
        answer = finish(self.clock, upstream.get(URL, attempts=3))
        self.assertEqual(answer.json(), 1)
        first, second, third = self.there.times(URL)
        self.assertTrue(1 <= second - first <= 1.3 and 2 <= third - second <= 2.6)
        self.assertEqual(upstream.retries, 2)
        self.assertEqual(upstream.requests, {"broken": 1, "502": 1, "200": 1})

    def test_repeats_end(self) -> None:
        """
        What fails each time fails in the end, with the last reason.
        """
        self.there.on(URL, Reply(502), Reply(503))
        upstream = self.upstream()
        answer = finish(self.clock, upstream.get(URL, attempts=3))
        self.assertEqual((answer.status, len(self.there.asked)), (503, 3))

    def test_not_repeated(self) -> None:
        """
        A timeout, a refusal and a 5xx with Retry-After are not repeated.
        """
        for reply in (
            Reply(never=True),
            Reply(404),
            Reply(429),
            json_reply({}, 503, Retry_After="60"),
        ):
            self.client = Client(self.there, self.clock)
            self.there.on(URL, reply)
            before = len(self.there.asked)
            begin(self.upstream().get(URL, attempts=3))
            self.clock.pump([30, 30])
            self.assertEqual(len(self.there.asked), before + 1)


class CircuitTests(ClientCase):
    def open(self) -> Upstream:
        self.there.on(URL, *[Reply(500)] * 5, Reply(200, b"1", delay=1))
        upstream = self.upstream(in_flight=2)
        for _ in range(5):
            finish(self.clock, upstream.get(URL))
        return upstream

    def test_open(self) -> None:
        """
        After five failures nobody is asked, and callers hear for how long.
        """
        upstream = self.open()
        error = begin(upstream.get(URL)).error
        self.assertTrue(0 < error.retry_after <= 18.75)
        self.assertEqual((upstream.circuit.state, len(self.there.asked)), ("open", 5))

    def test_half_open(self) -> None:
        """
        Then one is let through at a time, and its success lets everybody through.
        """
        upstream = self.open()
        self.clock.advance(20)
        probe = begin(upstream.get(URL))
        self.assertIsInstance(begin(upstream.get(URL)).error, UpstreamError)
        self.assertEqual(len(self.there.asked), 6)
        self.clock.advance(1)
        self.assertEqual(probe.result.json(), 1)
        self.assertEqual(upstream.circuit.state, "closed")
        finish(self.clock, upstream.get(URL))

    def test_cancelled_probe(self) -> None:
        """
        A probe that is cancelled does not keep the circuit from being tried.
        """
        upstream = self.open()
        self.clock.advance(20)
        begin(upstream.get(URL)).deferred.cancel()
        self.assertEqual(finish(self.clock, upstream.get(URL)).json(), 1)
        self.clock.advance(1)

    def test_refusals_are_answers(self) -> None:
        """
        A 404, a 429 or a bad body is no sign of a broken upstream.
        """
        gone, busy = Reply(404), Reply(429)
        odd = Reply(200, b"x", {"Content-Encoding": "br"})
        self.there.on(URL, *[gone, busy, odd] * 4)
        upstream = self.upstream()
        for _ in range(12):
            begin(upstream.get(URL))
            self.clock.advance(1)
        self.assertEqual(upstream.circuit.state, "closed")
        self.assertEqual(upstream.requests, {"404": 4, "429": 4, "unusable": 4})
