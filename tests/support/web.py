"""
The public site without sockets: fakes behind its seams, and a client that speaks HTTP
over a string.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.support.cases import SyncCase
from wanderer_twisted.frames import Event, Frame
from wanderer_twisted.interfaces import (
    IClientTransport,
    IHistory,
    IKillmailStore,
    StoreUnavailable,
)
from wanderer_twisted.killmail import Body
from wanderer_twisted.partition import KINDS, Facts, Filter, Kind
from wanderer_twisted.records import BatchLimits, Record, Report
from wanderer_twisted.stream.opening import Visitor, Wish
from wanderer_twisted.web.addresses import Proxies
from wanderer_twisted.web.admission import Admission
from wanderer_twisted.web.api import Api
from wanderer_twisted.web.channel import BoundedChannel
from wanderer_twisted.web.cors import Cors
from wanderer_twisted.web.coverage import Coverage
from wanderer_twisted.web.description.serving import Description
from wanderer_twisted.web.dry_runs import DryRuns
from wanderer_twisted.web.lookups import Lookups
from wanderer_twisted.web.parameters import Rules
from wanderer_twisted.web.rooms import Rooms
from wanderer_twisted.web.site import PublicSite

CONNECTED = b"retry: 3000\nevent: connected\ndata: {}\nid: l.abc123.1\n\n"
NOW = 1_795_000_000.0


class FakeSession:
    """
    A session that a test ends.
    """

    def __init__(self, transport: IClientTransport) -> None:
        self.transport = transport
        self.closings: list[str] = []
        self.ends: list[tuple[str, str]] = []
        self.pauses = 0
        self.calls: list[Callable[[str], object]] = []

    def close(self, why: str) -> None:
        self.closings.append(why)
        if len(self.closings) == 1:
            end = self.transport.abort if why == "stuck" else self.transport.close
            end()
            for call in self.calls:
                call(why)

    def end(self, kind: str, message: str) -> None:
        self.ends.append((kind, message))
        self.close(kind)

    def when_closed(self, call: Callable[[str], object]) -> None:
        self.calls.append(call)

    def pauseProducing(self) -> None:
        self.pauses += 1

    def resumeProducing(self) -> None:
        self.pauses -= 1

    def stopProducing(self) -> None:
        self.close("gone")


class FakeHub:
    """
    :ivar waiting: what opening a stream waits for; None for nothing.
    :ivar error: what it raises instead of opening one.
    """

    def __init__(self) -> None:
        self.draining = False
        self.error: Exception | None = None
        self.waiting: Deferred[None] | None = None
        self.drained_at = 0.0
        self.wishes: list[Wish] = []
        self.visitors: list[Visitor] = []
        self.sessions: list[FakeSession] = []

    async def open(
        self, wish: Wish, transport: IClientTransport, visitor: Visitor
    ) -> FakeSession:
        self.wishes.append(wish)
        self.visitors.append(visitor)
        if self.waiting is not None:
            await self.waiting
        if self.error is not None:
            raise self.error
        session = FakeSession(transport)
        self.sessions.append(session)
        transport.open(session)
        transport.write(Event(Frame("connected", CONNECTED[:-1]), b"\n"))
        transport.flush()
        return session


class FakeStore:
    """
    :ivar answer: the Deferred to answer with; None for the killmails at once.
    :ivar indexed: the kinds of ids by which it is indexed.
    :ivar asked: how often it was asked for them.
    """

    def __init__(self) -> None:
        self.indexed: Collection[Kind] = KINDS
        self.asked = 0
        self.killmails: dict[int, Record] = {}
        self.broken = False
        self.answer: Deferred[Record | None] | None = None

    async def read_killmail(self, killmail_id: int) -> Record | None:
        if self.broken:
            raise StoreUnavailable
        if self.answer is not None:
            return await self.answer
        return self.killmails.get(killmail_id)

    async def read_indexed(self) -> Collection[Kind]:
        self.asked += 1
        if self.broken:
            raise StoreUnavailable
        return self.indexed


@implementer(IHistory)
class FakeHistory:
    """
    A history that stands as a test says and fetches nothing.

    :ivar standing: what it reports.
    :ivar asked: what it was asked to report on.
    :ivar wanted: what it was asked to fetch, which never gets under way.
    """

    def __init__(self) -> None:
        self.standing = Report(missing=0, ids_incomplete=0, since=0.0)
        self.asked: list[tuple[Filter, int]] = []
        self.wanted: list[tuple[Filter, int]] = []

    def prepare(self, wanted: Filter, cutoff: int) -> Deferred[None]:
        return self.want(wanted, cutoff)

    def want(self, wanted: Filter, cutoff: int) -> Deferred[None]:
        self.wanted.append((wanted, cutoff))
        return Deferred()

    def report(self, wanted: Filter, cutoff: int) -> Deferred[Report]:
        self.asked.append((wanted, cutoff))
        return succeed(self.standing)


def record(killmail_id: int) -> Record:
    """
    A killmail with items, in little.
    """
    main = b'{"killmail_id":%d,"victim":{"ship_type_id":670' % killmail_id
    facts = Facts(killmail_id, int(NOW), 30000142, frozenset(), None, 1, 1, None)
    return Record(facts, Body(main, b'[{"flag":5}]'), (400, 500))


@attrs.frozen
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes
    head: bytes
    version: str


def parse(raw: bytes, head_only: bool = False) -> tuple[Response, bytes]:
    """
    Take one response off *raw*; a body without an end is taken as far as it goes.
    """
    head, _, rest = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    version, status, _ = first.split(" ", 2)
    headers = {}
    for line in lines:
        name, value = line.split(": ", 1)
        assert name not in headers, f"{name} comes twice"
        headers[name] = value
    if "Content-Length" in headers and not head_only:
        size = int(headers["Content-Length"])
        body, rest = rest[:size], rest[size:]
    elif headers.get("Transfer-Encoding") == "chunked":
        chunks, rest = _chunks(rest)
        body = b"".join(chunks)
    else:
        body = b"" if head_only else rest
        rest = rest if head_only else b""
    return Response(int(status), headers, body, head, version), rest


def _chunks(raw: bytes) -> tuple[list[bytes], bytes]:
    found: list[bytes] = []
    while raw:
        size_line, _, raw = raw.partition(b"\r\n")
        size = int(size_line, 16)
        assert raw[size : size + 2] == b"\r\n"
        if size == 0:
            return found, raw[2:]
        found.append(raw[:size])
        raw = raw[size + 2 :]
    return found, raw


def chunks(raw: bytes) -> list[bytes]:
    """
    The chunks of a response that goes on.
    """
    return _chunks(raw.partition(b"\r\n\r\n")[2])[0]


class WireTransport(StringTransport):
    """
    One that can be cut off as a real one can: the cut is noticed a turn later, and what
    is written meanwhile is dropped.

    :ivar aborted: cut off by the server.
    """

    aborted = False

    def write(self, data: bytes) -> None:
        if not (self.aborted or self.disconnecting):
            super().write(data)

    def abortConnection(self) -> None:
        self.aborted = True


class Connection:
    """
    One client's connection.
    """

    def __init__(self, site: PublicSite, peer: str = "203.0.113.7") -> None:
        address = IPv4Address("TCP", peer, 40000)
        self.transport = WireTransport(peerAddress=address, lenient=True)
        channel = site.buildProtocol(address)
        assert isinstance(channel, BoundedChannel)
        self.channel = channel
        self.transport.protocol = channel  # type: ignore[attr-defined]
        channel.makeConnection(self.transport)

    @property
    def protocol(self) -> Any:
        """
        What has the connection now.
        """
        return self.transport.protocol  # type: ignore[attr-defined]

    @property
    def raw(self) -> bytes:
        return self.transport.value()

    @property
    def closed(self) -> bool:
        return self.transport.disconnecting or self.transport.aborted

    @property
    def response(self) -> Response:
        return parse(self.raw)[0]

    @property
    def producer(self) -> Any:
        """
        What the transport tells of its buffer.
        """
        return self.transport.producer

    def send(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    def request(
        self, target: str, *headers: str, method: str = "GET", version: str = "HTTP/1.1"
    ) -> None:
        lines = [f"{method} {target} {version}", "Host: killmails.example", *headers]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def leave(self) -> None:
        """
        The client closes, as the reactor tells it: the producer first.
        """
        if self.producer is not None:
            self.producer.stopProducing()
        self.protocol.connectionLost(Failure(ConnectionDone()))


class PublicCase(SyncCase):
    """
    A test case that makes public sides and stops them.
    """

    def public(self, **settings: Any) -> "Public":
        public = Public(**settings)
        self.addCleanup(public.stop)
        return public


class Public:
    """
    The whole public side on a :class:`Clock`.

    :param past: the store of look-ups and dry runs, which need a real one.
    """

    def __init__(
        self,
        connections: int = 10,
        per_address: int = 5,
        rules: Rules | None = None,
        origins: tuple[str, ...] = ("*",),
        trusted: tuple[str, ...] = ("127.0.0.0/8", "::1"),
        reactor: IReactorTime | None = None,
        past: IKillmailStore | None = None,
        **site: Any,
    ) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.hub = FakeHub()
        self.store = FakeStore()
        self.admission = Admission(connections, per_address)
        self.healthy: tuple[bool, dict[str, Any]] = (True, {"status": "ok"})
        self.history = FakeHistory()
        past = past or cast(IKillmailStore, self.store)
        self.api = Api(
            hub=self.hub,
            store=self.store,  # type: ignore[arg-type]  # only what the API calls
            admission=self.admission,
            rules=rules or Rules(),
            health=self.health,
            clock=self.clock,
            dry_runs=DryRuns(past, self.history, self.clock, BatchLimits(2)),
        )
        self.lookups = Lookups(past, self.history, self.clock)
        self.coverage = Coverage(past, self.clock, backfill_days=30)
        self.site = PublicSite(
            Rooms(
                self.api.app,
                self.lookups.app,
                self.coverage.app,
                Description(rules or Rules()).app,
            ),
            reactor or self.clock,
            cors=Cors(origins),
            proxies=Proxies(trusted),
            **site,
        )

    def health(self) -> tuple[bool, dict[str, Any]]:
        return self.healthy

    def stop(self) -> None:
        """
        End what is open, which the garbage collector would do at a bad time.
        """
        for session in self.hub.sessions:
            session.close("draining")

    def connect(self, peer: str = "203.0.113.7") -> Connection:
        return Connection(self.site, peer)

    def ask(
        self,
        target: str,
        *headers: str,
        method: str = "GET",
        version: str = "HTTP/1.1",
        peer: str = "203.0.113.7",
    ) -> Connection:
        """
        One request on a connection of its own.
        """
        connection = self.connect(peer)
        connection.request(target, *headers, method=method, version=version)
        return connection

    def post(
        self,
        target: str,
        body: bytes,
        *headers: str,
        type: str = "application/json",
    ) -> Connection:
        """
        The same with a body.
        """
        connection = self.ask(
            target,
            f"Content-Type: {type}",
            f"Content-Length: {len(body)}",
            *headers,
            method="POST",
        )
        connection.send(body)
        return connection
