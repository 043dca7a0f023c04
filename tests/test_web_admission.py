"""
Who a client is, how many streams it may have, and which pages may read them.
"""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.support.cases import SyncCase
from tests.support.web import Connection, FakeHub, FakeSession, PublicCase
from wanderer_twisted.config import Token
from wanderer_twisted.interfaces import StoreUnavailable
from wanderer_twisted.partition import KINDS
from wanderer_twisted.web.addresses import Client, Proxies
from wanderer_twisted.web.admission import Admission, Place
from wanderer_twisted.web.cors import Cors
from wanderer_twisted.web.errors import Refusal
from wanderer_twisted.web.tokens import Tokens

OUTSIDE = "198.51.100.9"


class ProxiesTests(SyncCase):
    """
    Whose word on the client's address counts.
    """

    proxies = Proxies(["127.0.0.0/8", "::1", "10.0.0.0/8"])

    def client(self, peer: str | None, *forwarded: str) -> Client:
        return self.proxies.client(peer, [each.encode() for each in forwarded])

    def test_direct(self) -> None:
        """
        Without a proxy it is the peer, whatever it says of itself.
        """
        self.assertEqual(self.client(OUTSIDE), Client(OUTSIDE, OUTSIDE))
        for spoof in ("127.0.0.1", "203.0.113.7, 10.0.0.1", "junk"):
            self.assertEqual(self.client(OUTSIDE, spoof), Client(OUTSIDE, OUTSIDE))

    def test_behind_proxies(self) -> None:
        """
        Behind trusted proxies it is the right-most hop that is none of them.
        """
        for forwarded in (
            (OUTSIDE,),
            (f"203.0.113.7, {OUTSIDE}",),
            (f"{OUTSIDE}, 10.1.2.3",),
            ("127.0.0.1", f"{OUTSIDE}", "10.1.2.3"),
            (f"evil, {OUTSIDE}:4711",),
        ):
            self.assertEqual(
                self.client("127.0.0.1", *forwarded), Client(OUTSIDE, OUTSIDE)
            )

    def test_all_trusted(self) -> None:
        """
        A client inside the trusted networks counts as itself.
        """
        self.assertEqual(self.client("::1", "10.0.0.7").key, "10.0.0.7")

    def test_unreadable_hop(self) -> None:
        """
        Where a hop cannot be read, the last good one is as far as is known.
        """
        self.assertEqual(self.client("127.0.0.1", "unknown, 10.0.0.7").key, "10.0.0.7")
        self.assertEqual(self.client("127.0.0.1", "").key, "127.0.0.1")

    def test_loopback_is_not_counted(self) -> None:
        """
        Loopback without the header, and a UNIX socket, are not counted by address.
        """
        for peer in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"):
            self.assertIsNone(self.client(peer).key)
        self.assertEqual(self.client(None), Client("unix", None))
        self.assertEqual(self.client(None, OUTSIDE).key, OUTSIDE)

    def test_ipv6_counts_by_64(self) -> None:
        """
        A household has a /64: its addresses count together, others apart.
        """
        one = self.client("2001:db8:1:2:3::1")
        self.assertEqual(one, Client("2001:db8:1:2:3::1", "2001:db8:1:2::/64"))
        self.assertEqual(self.client("2001:db8:1:2:ffff::9").key, one.key)
        self.assertNotEqual(self.client("2001:db8:1:3::1").key, one.key)
        self.assertEqual(self.client("127.0.0.1", "[2001:db8:1:2::7]:443").key, one.key)
        self.assertEqual(self.client("fe80::1%eth0").key, "fe80::/64")

    def test_ipv4_within_ipv6(self) -> None:
        """
        An IPv4 client of an IPv6 port is that IPv4 client.
        """
        self.assertEqual(self.client("::ffff:198.51.100.9").key, OUTSIDE)


class AdmissionTests(SyncCase):
    """
    The limits.
    """

    def enter(self, admission: Admission, key: str | None) -> Place:
        return admission.enter(Client("-", key))

    def test_in_all(self) -> None:
        """
        One more than all places is refused with 503, also where it is not counted by
        address.
        """
        admission = Admission(2, 2)
        self.enter(admission, "a")
        self.enter(admission, None)
        error = self.assertRaises(Refusal, self.enter, admission, None)
        self.assertEqual(
            (error.status, error.type, error.message),
            (503, "connection_limit", "All 2 streams of this server are taken"),
        )
        self.assertEqual(admission.refused, Counter({503: 1}))

    def test_by_address(self) -> None:
        """
        One more than an address may have is refused with 429; others come in.
        """
        admission = Admission(10, 1)
        self.enter(admission, "a")
        error = self.assertRaises(Refusal, self.enter, admission, "a")
        self.assertEqual(
            (error.status, error.type, error.message),
            (
                429,
                "connection_limit",
                "Your address has 1 streams open, the most it may",
            ),
        )
        self.enter(admission, "b")
        self.enter(admission, None)
        self.enter(admission, None)
        self.assertEqual((admission.open, admission.addresses), (4, 2))

    def test_waits_are_spread(self) -> None:
        """
        Those refused together are not told to come back together.
        """
        admission = Admission(0, 1)
        waits = {
            self.assertRaises(Refusal, self.enter, admission, None).retry_after
            for _ in range(50)
        }
        self.assertGreater(len(waits), 40)
        self.assertTrue(all(10 <= (each or 0) <= 20 for each in waits))

    def test_left_once(self) -> None:
        """
        A place is given back once, however often it is left.
        """
        admission = Admission(2, 2)
        kept = self.enter(admission, "a")
        with self.enter(admission, "a") as place:
            place.leave()
            place.leave()
        self.assertEqual((admission.open, admission.addresses), (1, 1))
        kept.leave()
        self.assertEqual((admission.open, admission.addresses), (0, 0))

    def test_left_by_an_exception(self) -> None:
        """
        An exception gives it back as well.
        """
        admission = Admission(2, 2)

        def fail() -> None:
            with self.enter(admission, "a"):
                raise ZeroDivisionError

        self.assertRaises(ZeroDivisionError, fail)
        self.assertEqual(admission.open, 0)


class _Counting(RuleBasedStateMachine):
    """
    The counters against a plain list of who is in.
    """

    def __init__(self) -> None:
        super().__init__()
        self.admission = Admission(7, 3)
        self.inside: list[tuple[str | None, Place]] = []

    @rule(key=st.sampled_from(["a", "b", "c", "d", None]))
    def enter(self, key: str | None) -> None:
        here = [each for each, _ in self.inside if each == key]
        full = len(self.inside) == 7 or (key is not None and len(here) == 3)
        try:
            place = self.admission.enter(Client("-", key))
        except Refusal:
            assert full
        else:
            assert not full
            self.inside.append((key, place))

    @rule(which=st.integers(0, 6), times=st.integers(1, 3))
    def leave(self, which: int, times: int) -> None:
        if which < len(self.inside):
            _, place = self.inside.pop(which)
            for _ in range(times):
                place.leave()

    @invariant()
    def counted(self) -> None:
        keys = [key for key, _ in self.inside if key is not None]
        assert self.admission.open == len(self.inside)
        assert self.admission._by_key == dict(Counter(keys))


class CountingTests(SyncCase):
    """
    Any order of coming and going.
    """

    def test_exact(self) -> None:
        """
        The counters are exact after any of it.
        """
        case = _Counting.TestCase  # a stdlib test case: run as a plain function
        case.settings = settings(max_examples=50, stateful_step_count=60, deadline=None)
        case("runTest").runTest()


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from(["", "alliance_ids=1", "x=1"])),
        st.tuples(st.just("go_on"), st.sampled_from([None, StoreUnavailable()])),
        st.tuples(st.just("leave"), st.integers(0, 9)),
        st.tuples(st.just("close"), st.integers(0, 9)),
        st.tuples(st.just("revoke"), st.booleans()),
    ),
    max_size=25,
)


class AbandonedTests(PublicCase):
    """
    Clients that leave at any moment, and streams that end at any.
    """

    @settings(max_examples=100, deadline=None)
    @given(_STEPS)
    def test_nothing_is_kept(self, steps: Sequence[tuple[str, Any]]) -> None:
        """
        Whatever happened, when all are gone no place is taken.
        """
        token = Token("bot", sha256(b"abc").hexdigest())
        tokens = Tokens(Clock(), [token])
        self.server = self.public(connections=4, per_address=3, tokens=tokens)
        self.clients: list[Connection] = []
        self.waiting: list[Deferred[Any]] = []
        self.patch(self.server.store, "read_indexed", self.wait)
        self.patch(self.server.hub, "open", self.open)
        for name, argument in steps:
            if name == "revoke":
                tokens.replace([msgspec.structs.replace(token, revoked=argument)])
            else:
                getattr(self, f"do_{name}")(argument)
        for client in self.clients:
            client.leave()
        holder = tokens.find(b"abc")
        assert holder is not None
        admission, site = self.server.admission, self.server.site
        self.assertEqual((admission.open, admission.addresses), (0, 0))
        self.assertEqual((holder.places, holder.streams), (0, set()))
        self.assertEqual(site.channels, 0)

    def wait(self) -> Deferred[Any]:
        self.waiting.append(Deferred())
        return self.waiting[-1]

    async def open(self, *asked: Any) -> FakeSession:
        hub = self.server.hub
        hub.waiting = self.wait()
        return await FakeHub.open(hub, *asked)

    def do_ask(self, query: str) -> None:
        target = f"/api/v1/kills/stream?{query}"
        client = self.server.ask(target, "Authorization: Bearer abc")
        self.clients.append(client)

    def do_go_on(self, error: Exception | None) -> None:
        if self.waiting:
            waiting = self.waiting.pop(0)
            if not waiting.called:
                waiting.errback(error) if error else waiting.callback(KINDS)

    def do_leave(self, which: int) -> None:
        if which < len(self.clients):
            self.clients.pop(which).leave()

    def do_close(self, which: int) -> None:
        if which < len(self.server.hub.sessions):
            self.server.hub.sessions[which].close("kicked")


class CorsTests(SyncCase):
    """
    Which origins get to read.
    """

    def allowed(self, cors: Cors, origin: bytes | None) -> bytes | None:
        headers = dict(cors.headers(origin))
        self.assertEqual(headers.pop(b"Vary"), b"Accept, Accept-Encoding, Origin")
        allowed = headers.pop(b"Access-Control-Allow-Origin", None)
        self.assertEqual(headers, {}, "credentials are never allowed")
        return allowed

    def test_matrix(self) -> None:
        """
        ``*`` is told to all; of a list, each origin to itself alone; others nothing.
        """
        anybody = Cors(["*"])
        listed = Cors(["https://a.example", "http://localhost:3000"])
        odd = Cors(["null"])
        for cors, origin, answer in (
            (anybody, None, b"*"),
            (anybody, b"https://a.example", b"*"),
            (anybody, b"null", b"*"),
            (anybody, b"x\r\ny: z", b"*"),
            (listed, b"https://a.example", b"https://a.example"),
            (listed, b"http://localhost:3000", b"http://localhost:3000"),
            (listed, b"https://a.example.evil.example", None),
            (listed, b"http://a.example", None),
            (listed, b"null", None),
            (listed, None, None),
            (odd, b"null", b"null"),
            (Cors([]), b"https://a.example", None),
        ):
            self.assertEqual(self.allowed(cors, origin), answer, origin)
