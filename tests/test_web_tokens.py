"""
Access by tokens: who is let in, what each may do, and what ends with a token.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import (
    ILogObserver,
    LogEvent,
    capturedLogs,
    formatEvent,
    globalLogPublisher,
)
from zope.interface import implementer

from tests.support.cases import SyncCase
from tests.support.lookups import OF_SYSTEM, LookupCase
from tests.support.web import NOW, Connection
from wanderer_twisted import web
from wanderer_twisted.config import Token, TokenLimits
from wanderer_twisted.encoding import loads
from wanderer_twisted.web import admin, tokens
from wanderer_twisted.web.tokens import Tokens, find_token

STREAM = "/api/v1/kills/stream"
EVENTS = "Accept: text/event-stream"
SECRET = "5ec2e7"
BEARER = f"Authorization: Bearer {SECRET}"

#: What needs no token, beside the answers to OPTIONS.
OPEN = {
    *("/", "/static/<name>", "/ping", "/health", "/health/live", "/status"),
    *("/api/openapi", "/api/asyncapi"),
}


def token(secret: str = SECRET, name: str = "bot", **parts: Any) -> Token:
    return Token(name, sha256(secret.encode()).hexdigest(), **parts)


def apps() -> Iterator[Klein]:
    """
    The applications in all modules of the public side: the admin's has a listener of
    its own.
    """
    for each in walk_packages(web.__path__, f"{web.__name__}."):
        if each.name == admin.__name__:
            continue
        for kind in vars(import_module(each.name)).values():
            app = getattr(kind, "app", None)
            if isinstance(app, Klein) and kind.__module__ == each.name:
                yield app


def expiring(seconds: float) -> str:
    """
    So many whole seconds after :data:`NOW`.
    """
    return datetime.fromtimestamp(NOW + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class FindTests(SyncCase):
    """
    Where a token may stand.
    """

    def test_header(self) -> None:
        """
        In the header, whose scheme may be written in any case.
        """
        for header in (b"Bearer abc", b"bearer  abc ", b"BEARER abc"):
            self.assertEqual(find_token(header, b""), b"abc")

    def test_query(self) -> None:
        """
        In the query, encoded or not, wherever it stands.
        """
        for query in (
            b"token=abc",
            b"a=b&token=%61bc",
            b"%74oken=abc&a",
            b"&token=abc",
        ):
            self.assertEqual(find_token(None, query), b"abc")

    def test_header_wins(self) -> None:
        """
        The header wins, unless it is of another scheme, which a proxy has asked for.
        """
        self.assertEqual(find_token(b"Bearer abc", b"token=x"), b"abc")
        self.assertEqual(find_token(b"Bearer", b"token=x"), b"")
        self.assertEqual(find_token(b"Basic abc", b"token=x"), b"x")

    def test_none(self) -> None:
        """
        Nowhere.
        """
        for query in (b"", b"tokens=abc", b"a=token"):
            self.assertIsNone(find_token(None, query))


class TokensCase(LookupCase):
    """
    A public side that wants tokens.
    """

    def setUp(self) -> None:
        super().setUp()
        self.tokens = self.site.site.tokens
        self.tokens.startService()
        self.addCleanup(self.tokens.stopService)
        self.tokens.replace([token()])

    def check_error(self, client: Connection, type: str) -> None:
        response = client.response
        self.assertEqual(response.status, 401)
        self.assertEqual(response.headers["WWW-Authenticate"], "Bearer")
        self.assertEqual(response.headers["Cache-Control"], "no-store")
        error = loads(response.body)["error"]
        self.assertEqual((error["domain"], error["type"]), ("auth", type))
        self.assertFalse(error["retryable"])


class GuardTests(TokensCase):
    """
    Who is let in.
    """

    def ask_all(self, *headers: str) -> dict[tuple[str, str], Connection]:
        """
        Ask for every route that there is, by path and method.
        """
        answers = {}
        for app in apps():
            for rule in app.url_map.iter_rules():
                target = re.sub("<.*>", "1", rule.rule)
                for method in rule.methods or ():
                    client = self.site.ask(
                        target, *headers, "Content-Length: 0", method=method
                    )
                    answers[rule.rule, method] = client
        return answers

    def test_every_route(self) -> None:
        """
        Each route of each application wants a token, but for those that are known not
        to, and none does for a preflight.
        """
        answers = self.ask_all()
        guarded = {
            path
            for (path, method), client in answers.items()
            if method != "OPTIONS" and client.raw.startswith(b"HTTP/1.1 401 ")
        }
        paths = {path for path, _ in answers}
        self.assertEqual(paths - guarded, paths & OPEN)
        self.assertGreater(len(guarded), 8)
        for (path, method), client in answers.items():
            refused = client.raw.startswith(b"HTTP/1.1 401 ")
            self.assertEqual(refused, path in guarded and method != "OPTIONS", path)
        self.assertEqual(self.site.hub.sessions, [])

    def test_every_route_with_a_token(self) -> None:
        """
        With one nothing is refused for the lack of one.
        """
        for (path, _), client in self.ask_all(BEARER).items():
            self.assertFalse(client.raw.startswith(b"HTTP/1.1 401 "), path)

    def test_other_spellings(self) -> None:
        """
        A path is guarded however it is written.
        """
        for target in (
            "/%61pi/v1/kills/stream",
            "/api%2Fv1/kills/stream",
            "//api/v1/kills/stream",
            "///api/v1/kills/stream",
            "////api/v1/kills/count/30000142",
            "/%2F/api/v1/kills/stream",
            "/%2f%2f%2fapi/v1/kills/stream",
            "/api/v1/kills%2Fstream",
            "/api/v1/nothing",
            "http://x/api/v1/kills/stream",
            "http://x//api/v1/kills/stream",
        ):
            self.check_error(self.site.ask(target), "unauthorized")
        self.assertEqual(self.site.hub.sessions, [])

    def test_stream(self) -> None:
        """
        A token opens a stream, in the header or in the query, by GET and by POST; the
        stream knows its name.
        """
        self.site.ask(STREAM, BEARER)
        self.site.ask(f"{STREAM}?token={SECRET}&min_value=1", EVENTS)
        self.site.post(STREAM, b"{}", BEARER)
        self.site.post(f"{STREAM}?token={SECRET}", b"{}")
        self.assertEqual(len(self.site.hub.sessions), 4)
        self.assertEqual({each.token for each in self.site.hub.visitors}, {"bot"})

    def test_wrong(self) -> None:
        """
        Without a token, with an empty one, and with one that nobody knows, it is a 401;
        for EventSource too, which then does not come back.
        """
        for target, *headers in (
            (STREAM,),
            (STREAM, EVENTS),
            (f"{STREAM}?token=",),
            (f"{STREAM}?token=%ff",),
            (STREAM, "Authorization: Bearer"),
            (STREAM, "Authorization: Bearer wrong"),
            (f"{STREAM}?token={SECRET}", "Authorization: Bearer wrong"),
            (f"{STREAM}?token=wrong", EVENTS),
            (STREAM, f"Authorization: Basic {SECRET}"),
        ):
            self.check_error(self.site.ask(target, *headers), "unauthorized")
        self.assertEqual(self.site.hub.sessions, [])

    def test_head(self) -> None:
        """
        A refused HEAD has no body.
        """
        client = self.site.ask(STREAM, method="HEAD")
        head, _, body = client.raw.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 401 "))
        self.assertEqual(body, b"")

    def test_cors(self) -> None:
        """
        A page may read the refusal.
        """
        response = self.site.ask(STREAM, "Origin: https://a.example").response
        self.assertEqual(response.headers["Access-Control-Allow-Origin"], "*")

    def test_unasked(self) -> None:
        """
        Where no token is wanted one does no harm, nor does it in any query.
        """
        side = self.public()
        self.assertEqual(side.ask(f"{STREAM}?token=x").response.status, 200)
        self.assertEqual(side.ask(STREAM, BEARER).response.status, 200)
        side.post(f"{STREAM}?token=x", b"{}")
        self.assertEqual(len(side.hub.sessions), 3)
        self.assertEqual({each.token for each in side.hub.visitors}, {""})
        twice = side.ask(f"{STREAM}?token=x&token=y").response
        self.assertEqual(twice.status, 400)

    def test_not_echoed(self) -> None:
        """
        No answer and no line of the log has the token.
        """
        lines: list[str] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            lines.append(f"{formatEvent(event)} {event}")

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        for target in (
            f"{STREAM}?token={SECRET}x",
            f"{STREAM}?token={SECRET}&token={SECRET}",
            f"{STREAM}?token={SECRET}&nonsense=1",
            f"{STREAM}?token={SECRET}&last_event_id=nonsense",
            f"/api/v1/coverage?token={SECRET}&nonsense=1",
            f"/api/v1/kills/system/x?token={SECRET}",
            f"/api/v1/nothing?token={SECRET}",
        ):
            for headers in ((), (BEARER,)):
                self.assertNotIn(SECRET, self.site.ask(target, *headers).raw.decode())
        refused = self.site.post(f"{STREAM}?token={SECRET}&a=b", b"{}")
        self.assertNotIn(SECRET, refused.raw.decode())
        self.assertGreater(len(lines), 10)
        for line in lines:
            self.assertNotIn(SECRET, line)


class LimitsTests(TokensCase):
    """
    What one token may do.
    """

    def limit(self, **limits: int) -> None:
        self.tokens.replace([token(limits=TokenLimits(**limits))])

    def test_connections(self) -> None:
        """
        One stream more than its token may have is refused, softly where it is an
        EventSource; the streams of others are not counted.
        """
        self.tokens.replace(
            [token(limits=TokenLimits(connections=1)), token("other", "other")]
        )
        first = self.site.ask(STREAM, BEARER)
        refused = self.site.ask(STREAM, BEARER).response
        self.assertEqual(refused.status, 429)
        error = loads(refused.body)["error"]
        self.assertEqual(error["type"], "connection_limit")
        self.assertIn("Your token has 1 streams open", error["message"])
        soft = self.site.ask(STREAM, BEARER, EVENTS).response
        self.assertEqual(soft.status, 200)
        self.assertIn(b"event: error\n", soft.body)
        self.site.ask(f"{STREAM}?token=other")
        self.assertEqual(len(self.site.hub.sessions), 2)
        first.leave()
        self.site.ask(STREAM, BEARER)
        self.assertEqual(len(self.site.hub.sessions), 3)

    def test_lowered(self) -> None:
        """
        A lower number closes nobody; a higher one counts at once.
        """
        self.site.ask(STREAM, BEARER)
        self.site.ask(STREAM, BEARER)
        self.limit(connections=1)
        self.assertEqual([each.closings for each in self.site.hub.sessions], [[], []])
        self.assertEqual(self.site.ask(STREAM, BEARER).response.status, 429)
        self.limit(connections=3)
        self.assertEqual(self.site.ask(STREAM, BEARER).response.status, 200)

    def test_ids(self) -> None:
        """
        Its ids are counted by its own numbers, fewer or more than the server's.
        """
        ids = ",".join(map(str, range(1, 102)))
        for name in ("character", "corporation", "alliance", "system"):
            target = f"{STREAM}?{name}_ids={ids}"
            self.limit()
            self.assertEqual(self.site.ask(target, BEARER).response.status, 400)
            self.limit(**{f"{name}_ids": 101})
            self.assertEqual(self.site.ask(target, BEARER).response.status, 200)
            self.site.hub.sessions[-1].close("gone")
        self.limit(system_ids=1)
        refused = self.site.ask(f"{STREAM}?system_ids=1,2", BEARER).response
        message = "Too many system_ids specified (max 1)"
        self.assertEqual(loads(refused.body)["error"]["message"], message)

    def test_posted(self) -> None:
        """
        So are those of a body.
        """
        self.limit(post_ids=2)
        refused = self.site.post(STREAM, b'{"system_ids":[1,2,3]}', BEARER).response
        message = "Too many ids specified (max 2)"
        self.assertEqual(loads(refused.body)["error"]["message"], message)

    def test_systems(self) -> None:
        """
        And those of a look-up of several systems.
        """
        self.limit(system_ids=1)
        refused = self.site.post(
            "/api/v1/kills/systems", b'{"system_ids":[1,2]}', BEARER
        ).response
        message = "Too many system_ids specified (max 1)"
        self.assertEqual(loads(refused.body)["error"]["message"], message)


class CachingTests(LookupCase):
    """
    What caches may keep.
    """

    def test_private(self) -> None:
        """
        An answer that needs a token is for the client's own cache alone, a 304 too.
        """
        response = self.get(OF_SYSTEM)
        self.assertEqual(response.headers["Cache-Control"], "no-cache")
        self.site.site.tokens.replace([token()])
        again = f"If-None-Match: {response.headers['ETag']}"
        for headers, status in ((BEARER,), 200), ((BEARER, again), 304):
            response = self.get(OF_SYSTEM, *headers)
            self.assertEqual(response.status, status)
            self.assertEqual(response.headers["Cache-Control"], "private, no-cache")


class EndsTests(TokensCase):
    """
    What ends with a token.
    """

    def ends(self) -> list[list[str]]:
        return [[kind for kind, _ in each.ends] for each in self.site.hub.sessions]

    def check_over(self, type: str) -> None:
        """
        Whoever comes back with it is told to stop.
        """
        response = self.site.ask(f"{STREAM}?token={SECRET}", EVENTS).response
        self.assertEqual((response.status, response.body), (204, b""))
        self.assertEqual(response.headers["Cache-Control"], "no-store")
        self.assertEqual(response.headers["Access-Control-Allow-Origin"], "*")
        self.check_error(self.site.ask(STREAM, BEARER), type)
        self.check_error(self.site.ask(OF_SYSTEM, BEARER), type)

    def test_revoked(self) -> None:
        """
        A revoked token's streams are ended at once, those of others are not.
        """
        self.tokens.replace([token(), token("other", "other")])
        client = self.site.ask(STREAM, BEARER)
        self.site.ask(f"{STREAM}?token=other")
        self.tokens.replace([token(revoked=True), token("other", "other")])
        self.assertEqual(self.ends(), [["token_revoked"], []])
        self.assertTrue(client.closed)
        self.check_over("token_revoked")

    def test_removed(self) -> None:
        """
        So are those of one that is not in the file any more, and of one that was
        replaced under the same name.
        """
        self.site.ask(STREAM, BEARER)
        self.tokens.replace([token("another")])
        self.assertEqual(self.ends(), [["token_revoked"]])
        self.check_over("token_revoked")
        self.assertEqual(self.site.ask(f"{STREAM}?token=another").response.status, 200)

    def test_back_again(self) -> None:
        """
        One that comes back into the file counts again.
        """
        self.tokens.replace([])
        self.check_over("token_revoked")
        self.tokens.replace([token()])
        self.assertEqual(self.site.ask(STREAM, BEARER).response.status, 200)

    def test_renamed(self) -> None:
        """
        Another name is the same token: nobody is ended, but with it later.
        """
        self.site.ask(STREAM, BEARER)
        self.tokens.replace([token(name="bot-2")])
        self.assertEqual(self.ends(), [[]])
        self.tokens.replace([])
        self.assertEqual(self.ends(), [["token_revoked"]])

    def test_expired(self) -> None:
        """
        A token's streams end when it expires, by one timer for all of them; the next
        one to expire has its turn after it.
        """
        self.tokens.replace(
            [token(expires=expiring(10)), token("b", "b", expires=expiring(20))]
        )
        for _ in range(2):
            self.site.ask(STREAM, BEARER)
        self.site.ask(f"{STREAM}?token=b")
        self.assertEqual(len(self.timers()), 1)
        self.site.clock.advance(9.9)
        self.assertEqual(self.ends(), [[], [], []])
        self.site.clock.advance(0.1)
        self.assertEqual(self.ends(), [["token_expired"], ["token_expired"], []])
        self.check_over("token_expired")
        self.site.clock.advance(10)
        self.assertEqual(self.ends()[2], ["token_expired"])
        self.assertEqual(self.timers(), [])

    def timers(self) -> list[Any]:
        return [
            each
            for each in self.site.clock.getDelayedCalls()
            if getattr(each, "func", None) == self.tokens._expire
        ]

    def test_prolonged(self) -> None:
        """
        A later expiry counts at once, also for one that has expired.
        """
        self.tokens.replace([token(expires=expiring(10))])
        self.site.ask(STREAM, BEARER)
        self.tokens.replace([token(expires=expiring(30))])
        self.site.clock.advance(20)
        self.assertEqual(self.ends(), [[]])
        self.site.clock.advance(20)
        self.assertEqual(self.ends(), [["token_expired"]])
        self.tokens.replace([token(expires=expiring(50))])
        self.assertEqual(self.site.ask(STREAM, BEARER).response.status, 200)

    def test_over_while_opening(self) -> None:
        """
        A stream whose token is revoked while it is being opened ends at once.
        """
        self.site.hub.waiting = opening = Deferred[None]()
        self.site.ask(STREAM, BEARER)
        self.tokens.replace([])
        self.assertEqual(self.site.hub.sessions, [])
        opening.callback(None)
        self.assertEqual(self.ends(), [["token_revoked"]])
        self.assertEqual(self.site.admission.open, 0)

    def test_forgotten(self) -> None:
        """
        A stream that ended by itself is ended by nobody, and leaves nothing behind.
        """
        client = self.site.ask(STREAM, BEARER)
        client.leave()
        (holder,) = self.tokens._holders.values()
        self.assertEqual((holder.streams, holder.places), (set(), 0))
        self.tokens.replace([])
        self.assertEqual(self.ends(), [[]])

    def test_no_longer_wanted(self) -> None:
        """
        When tokens are not wanted any more nobody is ended, and everybody may come.
        """
        self.site.ask(STREAM, BEARER)
        self.tokens.replace([token(expires=expiring(10))])
        self.tokens.replace(None)
        self.assertEqual(self.timers(), [])
        self.site.clock.advance(20)
        self.assertEqual(self.ends(), [[]])
        self.assertEqual(self.site.ask(STREAM).response.status, 200)
        self.tokens.replace([])
        self.assertEqual(self.ends(), [["token_revoked"], []])

    def test_logged(self) -> None:
        """
        The line of a request names its token, also one that is over.
        """
        self.tokens.replace([token(revoked=True), token("other", "other")])
        with capturedLogs() as events:
            self.site.ask(f"{OF_SYSTEM}?token={SECRET}")
            self.site.ask(f"{OF_SYSTEM}?token=other")
            self.site.ask(f"{OF_SYSTEM}?token=nobody")
        names = [event["token"] for event in events if "token" in event]
        self.assertEqual(names, ["bot", "other", ""])

    def test_remembered(self) -> None:
        """
        Of tokens that were removed the last ones are remembered, and no more.
        """
        self.patch(tokens, "MOST_REMOVED", 2)
        for secret in ("1", "2", "3"):
            self.tokens.replace([token(secret)])
        self.tokens.replace([])
        self.assertEqual(len(self.tokens._holders), 2)
        self.check_error(self.site.ask(f"{STREAM}?token=1"), "unauthorized")
        for secret in ("2", "3"):
            client = self.site.ask(f"{STREAM}?token={secret}")
            self.check_error(client, "token_revoked")


class ServiceTests(SyncCase):
    """
    The timer has an owner.
    """

    def test_stopped(self) -> None:
        """
        It waits only while the service runs.
        """
        clock = Clock()
        clock.advance(NOW)
        book = Tokens(clock, [token(expires=expiring(10))])
        self.assertEqual(clock.getDelayedCalls(), [])
        book.startService()
        self.assertEqual(len(clock.getDelayedCalls()), 1)
        book.stopService()
        self.assertEqual(clock.getDelayedCalls(), [])
