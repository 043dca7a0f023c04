"""
Streams asked for by JSON in a body, and what they are told not to be.
"""

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.lookups import LookupCase
from tests.support.web import (
    CONNECTED,
    NOW,
    Connection,
    Public,
    PublicCase,
    Response,
    chunks,
)
from wanderer_twisted.days import DAY
from wanderer_twisted.partition import Filter
from wanderer_twisted.stream.opening import Wish
from wanderer_twisted.web.channel import MAX_BODY_BYTES
from wanderer_twisted.web.given import IDS, KNOWN
from wanderer_twisted.web.parameters import Rules

STREAM = "/api/v1/kills/stream"
EVENTS = "Accept: text/event-stream"


class PostedCase(PublicCase):
    def post(self, body: Any, *headers: str, **how: Any) -> Connection:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.public(**how).post(STREAM, raw, *headers)

    def wish(self, body: Any, *headers: str) -> Wish:
        """
        What the hub is asked for.
        """
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        public = self.public()
        client = public.post(STREAM, raw, *headers)
        self.assertEqual(chunks(client.raw), [CONNECTED], raw)
        (wish,) = public.hub.wishes
        return wish

    def refused(self, body: Any, status: int = 400, **how: Any) -> str:
        """
        The message of a refusal that is final.
        """
        error = self.error(self.post(body, **how).response, status)
        self.assertFalse(error["retryable"])
        message: str = error["message"]
        return message

    def error(self, response: Response, status: int) -> dict[str, Any]:
        self.assertEqual(response.status, status)
        error: dict[str, Any] = json.loads(response.body)["error"]
        return error


class WishTests(PostedCase):
    """
    What a body asks for.
    """

    def test_everything(self) -> None:
        """
        Every key is taken, under the name that it has in a query.
        """
        body = {
            "character_ids": [1, 2, 2],
            "corporation_ids": [3],
            "alliance_ids": [4],
            "system_ids": [5],
            "min_value": 1e6,
            "preload_days": 7,
            "since": None,
            "heartbeat": 2.5,
            "items": True,
            "compress": False,
            "dry_run": False,
            "last_event_id": "l.abc123.00",
        }
        wanted = Filter(
            character_ids=frozenset([1, 2]),
            corporation_ids=frozenset([3]),
            alliance_ids=frozenset([4]),
            system_ids=frozenset([5]),
            min_value=1e6,
        )
        self.assertEqual(
            self.wish(body), Wish(wanted, 7, "l.abc123.00", True, heartbeat=2.5)
        )

    def test_nothing(self) -> None:
        """
        An empty object, nulls and empty values ask for everything.
        """
        for body in (
            {},
            dict.fromkeys(KNOWN),
            {**dict.fromkeys(KNOWN, ""), **{name: [] for name in IDS}},
        ):
            self.assertEqual(self.wish(body), Wish(Filter()))

    def test_both_routes(self) -> None:
        """
        The enhanced route takes bodies as well.
        """
        public = self.public()
        public.post(f"{STREAM}/enhanced?_=1", b'{"system_ids":[5]}')
        self.assertEqual({*public.hub.wishes[0].filter.system_ids}, {5})

    def test_text(self) -> None:
        """
        Numbers may be text, as in a query.
        """
        body = {
            "character_ids": ["1", " 2 ", ""],
            "min_value": "1e3",
            "preload_days": "7",
            "heartbeat": "15",
            "items": "1",
        }
        wish = self.wish(body)
        self.assertEqual(wish.filter, Filter(frozenset([1, 2]), min_value=1000.0))
        self.assertEqual((wish.preload_days, wish.heartbeat), (7, 15.0))
        self.assertTrue(wish.with_items)

    def test_switches(self) -> None:
        """
        Switches are on or off by truth or by 1 and 0.
        """
        for on in (True, 1):
            self.assertTrue(self.wish({"items": on, "compress": on}).with_items)
        for off in (False, 0):
            self.assertFalse(self.wish({"items": off, "compress": off}).with_items)
        for value, shown in ((2, "2"), (1.0, "1.0"), ("yes", "yes"), ([1], "[...]")):
            message = f"Invalid items: '{shown}' is not '1'"
            self.assertEqual(self.refused({"items": value}), message)

    def test_since(self) -> None:
        """
        A moment is text as in a query, or a number of UNIX seconds.
        """
        for since, seconds in (
            ("36h", NOW - 36 * 3600),
            (NOW - 60, NOW - 60),
            (int(NOW) - 60, NOW - 60),
            (NOW - 59.5, NOW - 60),
            ("2026-11-01T02:00:00+02:00", 1793491200),
            ("2026-11-01T02:00:00 02:00", 1793491200),
        ):
            wish = self.wish({"alliance_ids": [1], "since": since})
            self.assertEqual((wish.since, wish.preload_days), (seconds, 0), since)

    def test_cursor(self) -> None:
        """
        The header wins over the body; what is no cursor is the stream's to answer.
        """
        self.assertEqual(self.wish({"cursor": "a"}, "Last-Event-ID: b").cursor, "b")
        for value, cursor in ((5, "5"), ({}, "{...}"), ("\ud800", "?")):
            self.assertEqual(self.wish({"cursor": value}).cursor, cursor)

    def test_many_ids(self) -> None:
        """
        10,000 ids of all kinds together are taken, each on a line of its own, and one
        more is not.
        """
        body: dict[str, Any] = {
            name: [2_147_483_647 - number for number in range(2500)] for name in IDS
        }
        wish = self.wish(json.dumps(body, indent=4).encode())
        self.assertEqual(sum(len(getattr(wish.filter, name)) for name in IDS), 10_000)
        body["system_ids"].append(1)
        self.assertEqual(self.refused(body), "Too many ids specified (max 10000)")
        rules = Rules(post_ids=2)
        self.assertEqual(
            self.refused({"character_ids": [1], "alliance_ids": [1, 2]}, rules=rules),
            "Too many ids specified (max 2)",
        )

    def test_nothing_is_kept(self) -> None:
        """
        A stream keeps no byte of the body that asked for it.
        """
        public = self.public()
        client = public.post(STREAM, b'{"system_ids":[5]}')
        self.assertEqual(client.channel.requests, [])
        public.hub.sessions[0].close("draining")
        self.assertTrue(client.raw.endswith(b"0\r\n\r\n"))


class BadBodyTests(PostedCase):
    """
    Bodies that ask for nothing that there is.
    """

    def test_no_object(self) -> None:
        """
        What is no JSON object is refused.
        """
        for body in (b"", b"{", b"nonsense", b'{"items":1}}', b"\xff", b'{"a":NaN}'):
            self.assertEqual(
                self.refused(body), "The request's body is not valid JSON", body
            )
        for body in (b"[]", b"null", b'"{}"', b"1"):
            self.assertEqual(
                self.refused(body), "The request's body is not a JSON object"
            )
        deep = b'{"items":' + b"[" * 60_000 + b"]" * 60_000 + b"}"
        self.assertEqual(self.refused(deep), "The request's body is not valid JSON")

    def test_ids(self) -> None:
        """
        Ids are integers in lists.
        """
        value: Any
        for value in (1, "1,2", {"1": 2}, True):
            self.assertEqual(
                self.refused({"alliance_ids": value}),
                "alliance_ids must be a list of integers",
            )
        for value, shown in (
            (1.0, "1.0"),
            (True, "true"),
            (None, "null"),
            ([1], "[...]"),
            ({"id": 1}, "{...}"),
            ("x", "x"),
            ("1.0", "1.0"),
        ):
            self.assertEqual(
                self.refused({"alliance_ids": [5, value]}),
                f"Invalid alliance_ids: '{shown}' is not a valid integer",
            )
        for number in (0, -5, 2**31, 10**400):
            message = self.refused({"system_ids": [number]})
            self.assertTrue(message.endswith(" (1 to 2147483647)"), message)
            self.assertLess(len(message), 200)

    def test_values(self) -> None:
        """
        Every other key has the bounds and the messages that it has in a query.
        """
        for body, message in (
            ({"min_value": -100}, "min_value must be non-negative, got -100.0"),
            (b'{"min_value":1e999}', "Invalid min_value: 'inf' is not a valid number"),
            ({"min_value": True}, "Invalid min_value: 'true' is not a valid number"),
            (
                {"preload_days": 7.0},
                "Invalid preload_days: '7.0' is not a valid integer",
            ),
            (
                {"preload_days": 7},
                "preload_days needs character_ids, corporation_ids, alliance_ids or"
                " system_ids",
            ),
            (
                {"preload_days": 7, "since": "36h", "system_ids": [1]},
                "Give preload_days or since, not both",
            ),
            (
                {"heartbeat": 61},
                "heartbeat must be between 2 and 60 seconds, got 61.0",
            ),
            (
                {"since": NOW + 302, "system_ids": [1]},
                f"since must not be in the future, got '{NOW + 302}'",
            ),
            ({"_": 1}, "Unknown parameter '_', did you mean"),
            (
                {"character_id": [1]},
                "Unknown parameter 'character_id', did you mean 'character_ids'?",
            ),
            (
                b'{"items":1,"items":1}',
                "The request's body has a key more than once",
            ),
        ):
            self.assertIn(message, self.refused(body))

    def test_query(self) -> None:
        """
        Nothing but ``_`` may stand in the query.
        """
        for query in ("character_ids=1", "nope", "_=1&items=1"):
            response = self.public().post(f"{STREAM}?{query}", b"{}").response
            name = query.removeprefix("_=1&").partition("=")[0]
            self.assertEqual(
                self.error(response, 400)["message"],
                f"Parameter '{name}' must be in the request's body",
            )

    def test_types(self) -> None:
        """
        The body must be said to be JSON, and may be said to be UTF-8.
        """
        for type in (
            "application/json; charset=utf-8",
            'Application/JSON;charset="UTF-8"',
        ):
            client = self.public().post(STREAM, b"{}", type=type)
            self.assertEqual(chunks(client.raw), [CONNECTED])
        for type in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json; charset=latin-1",
            "application/jsonp",
            "",
        ):
            response = self.public().post(STREAM, b"{}", type=type).response
            error = self.error(response, 415)
            self.assertEqual(error["type"], "unsupported_media_type")

    def test_too_large(self) -> None:
        """
        A body over the bound is refused.
        """
        self.post(b"{" + b" " * (MAX_BODY_BYTES - 2) + b"}")
        message = self.refused(b" " * (MAX_BODY_BYTES + 1), 413)
        self.assertEqual(message, "The request's body is over 262144 bytes")

    def test_slow(self) -> None:
        """
        A body may take fifteen seconds in all, and not one more.
        """
        body = b'{"character_ids":[1]}'
        for seconds, events in ((14, [CONNECTED]), (16, [])):
            public = self.public()
            client = public.ask(
                STREAM,
                "Content-Type: application/json",
                f"Content-Length: {len(body)}",
                method="POST",
            )
            for byte in body[:seconds]:
                client.send(bytes([byte]))
                public.clock.advance(1)
            client.send(body[seconds:])
            self.assertEqual(chunks(client.raw), events)
            self.assertEqual(client.closed, not events)


class SoftRefusalTests(PostedCase):
    """
    Streams that cannot be had now.
    """

    def test_full(self) -> None:
        """
        A full server says so in a status, or in a stream to who accepts events.
        """
        response = self.post({}, connections=0).response
        self.assertEqual(self.error(response, 503)["type"], "connection_limit")
        response = self.post({}, EVENTS, connections=0).response
        self.assertEqual(response.status, 200)
        self.assertIn(b"event: error\n", response.body)

    def test_indexing(self) -> None:
        """
        So does one whose past is not indexed yet.
        """
        public = self.public()
        public.store.indexed = ("character", "system")
        response = public.post(STREAM, b'{"alliance_ids":[1]}').response
        self.assertEqual(self.error(response, 503)["type"], "indexing")

    def test_bad_body(self) -> None:
        """
        A body that is wrong is 400 for everybody.
        """
        response = self.post([], EVENTS, connections=0).response
        self.assertEqual(response.status, 400)


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["36h", "2026-10-01", "1", "", "0", "1e3"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner)
    ),
    max_leaves=8,
)


class AnyBodyTests(LookupCase):
    """
    Whatever a body holds is answered, and never by a 500.
    """

    def check(self, body: bytes) -> None:
        public = Public(past=self.store)
        client = public.post(STREAM, body)
        if public.hub.wishes:
            (wish,) = public.hub.wishes
            self.assertTrue(0 <= wish.preload_days <= 90)
            self.assertTrue(2 <= wish.heartbeat <= 60)
            if wish.since is not None:
                self.assertTrue(NOW - 90 * DAY <= wish.since <= NOW)
            for name in IDS:
                ids = getattr(wish.filter, name)
                self.assertTrue(all(type(each) is int for each in ids))
                self.assertTrue(all(1 <= each < 2**31 for each in ids))
            self.assertEqual(chunks(client.raw), [CONNECTED])
        elif client.response.status != 200:  # else a dry run
            self.assertEqual(client.response.status, 400)
            client.response.body.decode("ascii")
        public.stop()

    @settings(max_examples=300, deadline=None)
    @given(st.dictionaries(st.sampled_from(KNOWN) | st.text(max_size=4), _VALUES))
    def test_objects(self, document: dict[str, Any]) -> None:
        """
        Any object makes a wish within the limits, or a 400.
        """
        self.check(json.dumps(document).encode())

    @settings(max_examples=200, deadline=None)
    @given(
        st.fixed_dictionaries(
            {"character_ids": st.just([1])},
            optional={
                name: _VALUES for name in KNOWN if name not in ("character_ids",)
            },
        )
    )
    @example({"character_ids": [1], "dry_run": True, "preload_days": 7})
    def test_known_names(self, document: dict[str, Any]) -> None:
        """
        So does one of known names alone.
        """
        self.check(json.dumps(document).encode())

    @settings(max_examples=100, deadline=None)
    @given(_VALUES.map(json.dumps).map(str.encode) | st.binary(max_size=40))
    def test_anything(self, body: bytes) -> None:
        """
        Other JSON and no JSON is a 400.
        """
        self.check(body)
