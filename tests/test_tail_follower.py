"""
``wanderer-tail``'s client: one life over many connections.
"""

import gzip
import zlib
from collections.abc import Sequence
from random import Random
from typing import Any

from twisted.internet.task import Clock
from twisted.web.client import ContentDecoderAgent, GzipDecoder

from tests.support.cases import SyncCase
from tests.support.tail import connected, event, live
from tests.support.upstream import FakeUpstream, Reply, json_reply
from wanderer_twisted.tail.follower import (
    LONGEST_PAUSE,
    PATIENCE,
    SILENCE,
    Follower,
    Refused,
    Request,
    Unavailable,
)
from wanderer_twisted.tail.parser import Event

URL = "http://there/stream?character_ids=1"
STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}


def stream(*events: bytes, **more: Any) -> Reply:
    """
    A response with these events; it ends behind them, unless told otherwise.
    """
    headers = {**STREAM, **more.pop("headers", {})}
    return Reply(200, b"".join(events), headers, **more)


def hanging(*events: bytes) -> Reply:
    """
    One that stays open.
    """
    return stream(*events, stall=len(b"".join(events)))


class Listening:
    """
    A listener that writes down.

    :ivar fails_at: raises at the event of this id.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.losses: list[tuple[str, float]] = []
        self.fails_at = ""

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.events]

    def take(self, event: Event) -> None:
        if self.fails_at and event.id == self.fails_at:
            raise OSError("the disk is full")
        self.events.append(event)

    def lost(self, reason: str, pause: float) -> None:
        self.losses.append((reason, pause))


class FollowerCase(SyncCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.there = FakeUpstream(self.clock)
        self.listener = Listening()

    def follow(self, *replies: Reply, cursor: str = "", attempts: int = 0) -> None:
        """
        Begin, with these answers to one request after the other; the last one stays.
        """
        self.there.on(URL, *replies)
        self.follower = Follower(
            ContentDecoderAgent(self.there, [(b"gzip", GzipDecoder)]),
            self.clock,
            Request(URL, {"Authorization": "Bearer secret"}, attempts),
            self.listener,
            cursor,
            Random(1),
        )
        self.running = self.follower.start()

    def cursors(self) -> list[Sequence[str] | None]:
        """
        What each request had as its Last-Event-ID.
        """
        return [
            each.headers.getRawHeaders("Last-Event-ID") for each in self.there.asked
        ]

    def reasons(self) -> list[str]:
        return [reason for reason, _ in self.listener.losses]

    def pass_pause(self) -> float:
        """
        Let the pause that was told last pass, to the moment.
        """
        (_, pause) = self.listener.losses[-1]
        asked = len(self.there.asked)
        self.clock.advance(pause - 0.01)
        self.assertEqual(len(self.there.asked), asked, "too early")
        self.clock.advance(0.02)
        self.assertEqual(len(self.there.asked), asked + 1, "too late")
        return pause


class ResumeTests(FollowerCase):
    def test_request(self) -> None:
        """
        It asks for an event stream, with the headers that it was given.
        """
        self.follow(hanging(connected("l.1")))
        (asked,) = self.there.asked
        self.assertEqual((asked.method, asked.url), ("GET", URL))
        headers = asked.headers
        self.assertEqual(headers.getRawHeaders("Accept"), ["text/event-stream"])
        self.assertEqual(headers.getRawHeaders("Authorization"), ["Bearer secret"])
        self.assertEqual(self.cursors(), [None])
        self.assertNoResult(self.running)

    def test_resumes(self) -> None:
        """
        After a break within an event, or a clean end, it goes on behind the last
        whole event, once the server's ``retry:`` is over.
        """
        first, second = connected("l.1"), live("l.2", 7)
        self.follow(
            stream(first, second, cut=len(first + second) - 5),
            stream(connected("l.1"), second),
            hanging(connected("l.2")),
            cursor="l.0",
        )
        self.assertEqual(self.reasons(), ["connection lost"])
        self.assertTrue(2.0 <= self.pass_pause() <= 2.4)
        self.assertEqual(self.reasons()[1:], ["the server ended the stream"])
        self.assertTrue(2.0 <= self.pass_pause() <= 2.4)
        self.assertEqual(self.cursors(), [["l.0"], ["l.1"], ["l.2"]])
        self.assertEqual(self.listener.ids, ["l.1", "l.1", "l.2", "l.2"])

    def test_heartbeats(self) -> None:
        """
        A heartbeat moves the cursor, and what has no id leaves it where it is.
        """
        beat = event("heartbeat", {"mode": "realtime"}, "l.9")
        error = event("error", {"type": "internal", "message": "x"}, retry=5000)
        self.follow(stream(connected("l.1"), beat, error), hanging(connected("l.9")))
        self.assertTrue(5.0 <= self.pass_pause() <= 6.0)
        self.assertEqual(self.cursors(), [None, ["l.9"]])

    def test_silence(self) -> None:
        """
        A connection without a byte for longer than any heartbeat takes is closed, and
        made anew.
        """
        self.follow(hanging(connected("l.1")))
        self.clock.advance(SILENCE - 1)
        self.assertEqual(self.listener.losses, [])
        self.clock.advance(1.5)
        self.assertTrue(self.there.asked[0].closed)
        self.assertEqual(self.reasons(), ["no sign of life for 75 s"])
        self.pass_pause()
        self.assertEqual(self.cursors(), [None, ["l.1"]])

    def test_signs_of_life(self) -> None:
        """
        Any byte is a sign of life.
        """
        self.follow(stream(connected("l.1"), b":" * 500, drip=(1, SILENCE - 1)))
        self.clock.pump([SILENCE - 1] * 20)
        self.assertEqual(self.listener.losses, [])
        self.assertFalse(self.there.asked[0].closed)

    def test_gzip(self) -> None:
        """
        Of a compressed stream each event arrives as soon as it was flushed.
        """
        zipper = zlib.compressobj(6, zlib.DEFLATED, 31)
        parts = []
        for part in (connected("l.1"), live("l.2", 7)):
            parts.append(zipper.compress(part) + zipper.flush(zlib.Z_SYNC_FLUSH))
        sent = b"".join(parts)
        encoding = {"Content-Encoding": "gzip"}
        self.follow(
            stream(sent, headers=encoding, stall=len(parts[0])),
            stream(sent, headers=encoding, stall=len(sent)),
        )
        self.assertEqual(self.listener.ids, ["l.1"])
        self.clock.advance(SILENCE)
        self.pass_pause()
        self.assertEqual(self.listener.ids, ["l.1", "l.1", "l.2"])
        accepted = self.there.asked[0].headers.getRawHeaders("Accept-Encoding")
        self.assertEqual(accepted, ["gzip"])

    def test_stop(self) -> None:
        """
        Stopped while it asks, reads or waits, it ends, and closes its connection.
        """
        for reply in (Reply(never=True), hanging(connected("l.1")), stream()):
            self.setUp()
            self.follow(reply)
            self.follower.stop()
            self.assertIsNone(self.successResultOf(self.running))
            waits = bool(self.listener.losses)
            self.assertEqual(self.there.asked[0].closed, not waits)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_listener_fails(self) -> None:
        """
        What the listener raises ends it, and the event does not count as taken.
        """
        self.listener.fails_at = "l.2"
        self.follow(hanging(connected("l.1"), live("l.2", 7), live("l.3", 8)))
        self.failureResultOf(self.running, OSError)
        self.assertEqual(self.follower.cursor, "l.1")
        self.assertTrue(self.there.asked[0].closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class RefusalTests(FollowerCase):
    def refused(self, reply: Reply) -> str:
        """
        What it ends with, after one request.
        """
        self.setUp()
        self.follow(reply)
        error = self.failureResultOf(self.running, Refused).value
        self.assertEqual(len(self.there.asked), 1)
        return str(error)

    def test_for_good(self) -> None:
        """
        A request that will never do ends it, with the server's words.
        """
        envelope = {
            "error": {"type": "invalid_format", "message": "Invalid since: 'x'"}
        }
        self.assertEqual(
            self.refused(json_reply(envelope, 400)), "400: Invalid since: 'x'"
        )
        envelope["error"]["message"] = "no such token"
        self.assertEqual(self.refused(json_reply(envelope, 401)), "401: no such token")

    def test_other_servers(self) -> None:
        """
        Refusals of others, whatever they look like, are told in short.
        """
        for body, said in (
            (b"<h1>Not\nFound</h1>" + b"!" * 500, "404: <h1>Not Found</h1>!!"),
            (b'{"error": 5}', '404: {"error": 5}'),
            (b"[" * 60_000, "404: [[["),
            (b"x" * 100_000, "404: "),
        ):
            refusal = self.refused(Reply(404, body))
            self.assertTrue(refusal.startswith(said), refusal)
            self.assertLess(len(refusal), 300)

    def test_204(self) -> None:
        """
        Status 204 means never to come back.
        """
        self.assertIn("for good", self.refused(Reply(204)))

    def test_redirect(self) -> None:
        """
        It goes nowhere else with a token.
        """
        reply = Reply(301, headers={"Location": "https://there/"})
        self.assertEqual(self.refused(reply), "301: redirected to https://there/")

    def test_no_stream(self) -> None:
        """
        A web page is no stream, and neither is an event without an end.
        """
        page = Reply(200, b"<html>", {"Content-Type": "text/html"})
        self.assertIn("no event stream but text/html", self.refused(page))
        self.assertIn("an event of more than", self.refused(stream(b"x" * (17 << 20))))

    def test_not_now(self) -> None:
        """
        At 429 and 503 it waits as long as the server says, or longer.
        """
        self.follow(
            json_reply({"error": {"message": "full"}}, 429, Retry_After="40"),
            Reply(503, headers={"Retry-After": "soon"}),
            hanging(connected("l.1")),
            cursor="l.1",
        )
        self.assertEqual(self.reasons(), ["429: full"])
        self.assertTrue(40 <= self.pass_pause() <= 48)
        self.assertTrue(6 <= self.pass_pause() <= 7.2)
        self.assertEqual(self.cursors(), [["l.1"]] * 3)

    def test_soft_refusal(self) -> None:
        """
        A refusal that comes as a stream is one: it waits as it was told, and longer
        from some time on; the cursor stands.
        """
        said = {"type": "connection_limit", "message": "full"}
        self.follow(stream(event("error", said, retry=20_000)), cursor="l.1")
        pauses = [self.pass_pause() for _ in range(5)]
        for pause, least in zip(pauses, (20, 20, 20, 24, 48), strict=True):
            self.assertTrue(least <= pause <= least * 1.2, pauses)
        self.assertEqual(self.cursors(), [["l.1"]] * 6)

    def test_hostile_retry(self) -> None:
        """
        No server has it ask without a pause, or wait for ever.
        """
        self.follow(stream(connected("l.1", retry=0)), hanging(connected("l.1")))
        self.assertGreaterEqual(self.pass_pause(), 1.0)
        self.setUp()
        self.follow(stream(connected("l.1", retry=10**11)), hanging(connected("l.1")))
        self.assertLess(self.pass_pause(), 2 * 3600)


class OutageTests(FollowerCase):
    def test_backs_off(self) -> None:
        """
        While nobody is there the pauses grow, to a limit, and differ; after a
        connection that was well they begin anew.
        """
        broken = Reply(reset=True)
        self.follow(*[broken] * 8, stream(connected("l.1")), broken)
        self.assertRegex(self.reasons()[0], "^no connection: .*reset$")
        pauses = [self.pass_pause() for _ in range(8)]
        for pause, least in zip(pauses, (3, 6, 12, 24, 48, 60, 60, 60), strict=True):
            self.assertTrue(least <= pause <= least * 1.2, pauses)
        self.assertEqual(len(set(pauses)), 8)
        self.assertLess(self.pass_pause(), 3)
        self.assertLess(LONGEST_PAUSE * 1.2, SILENCE)

    def test_no_answer(self) -> None:
        """
        A server that takes the request and is silent is tried again.
        """
        self.follow(Reply(never=True))
        self.clock.advance(PATIENCE)
        self.assertEqual(self.reasons(), ["no connection: no answer within 30 s"])
        self.assertTrue(self.there.asked[0].closed)

    def test_broken_gzip(self) -> None:
        """
        So is one that ends within its gzip, and nothing half comes of it.
        """
        sent = gzip.compress(connected("l.1") + live("l.2", 7))
        headers = {"Content-Encoding": "gzip"}
        self.follow(stream(sent, headers=headers, cut=len(sent) - 20))
        self.assertEqual(self.reasons(), ["connection lost"])
        self.assertNotIn("l.2", self.listener.ids)

    def test_gives_up(self) -> None:
        """
        With a number of attempts it gives up after as many failures in a row.
        """
        broken, well = Reply(reset=True), stream(connected("l.1"))
        self.follow(broken, broken, well, broken, attempts=3)
        for _ in range(3):
            self.pass_pause()
        self.assertNoResult(self.running)
        self.pass_pause()
        self.failureResultOf(self.running, Unavailable)
        self.assertEqual(len(self.there.asked), 5)
