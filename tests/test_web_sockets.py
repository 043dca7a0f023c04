"""
The public site on real sockets: what only the kernel can show.
"""

import contextlib  # trial takes a name "suppress" in a module for its own
import json
import socket
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet import ssl
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ServerEndpoint,
    connectProtocol,
    serverFromString,
    wrapClientTLS,
)
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.support.web import CONNECTED, FakeSession, Public, parse
from wanderer_twisted.frames import Event, Frame
from wanderer_twisted.web.listening import AcceptRate, Listener

STREAM = b"GET /api/v1/kills/stream HTTP/1.1\r\nHost: x\r\n\r\n"


class Client(Protocol):
    """
    A client that keeps what it gets.
    """

    transport: Any

    def __init__(self) -> None:
        self.raw = b""
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.raw += data

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.lost.callback(None)


class SocketsCase(TestCase):
    timeout = 20

    async def serve(self, endpoint: str = "tcp:0:interface=127.0.0.1") -> Public:
        """
        Serve until the test is over.
        """
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.public = Public(reactor=reactor, request_seconds=self.request_seconds)
        self.listener = Listener(
            serverFromString(reactor, endpoint),
            self.public.site,
            AcceptRate(reactor, 1000),
        )
        self.listener.startService()
        self.addCleanup(self.stop)
        return self.public

    request_seconds = 15.0

    async def stop(self) -> None:
        self.public.stop()
        stopped = self.listener.stopService()
        if stopped is not None:
            await stopped
        await self.until(lambda: not self.public.site.channels)

    @property
    def address(self) -> tuple[str, int]:
        assert self.listener.port is not None
        address: Any = self.listener.port.getHost()
        return "127.0.0.1", address.port

    async def connect(self) -> Client:
        endpoint = HostnameEndpoint(self.reactor, *self.address)
        client: Client = await connectProtocol(endpoint, Client())
        self.addCleanup(client.transport.abortConnection)
        return client

    async def until(self, condition: Callable[[], object]) -> None:
        """
        Wait; the test's timeout is the bound.
        """
        while not condition():
            await deferLater(self.reactor, 0.005)


class BoundsTests(SocketsCase):
    """
    Refusals reach the client, though it is still sending.
    """

    async def refused(self, data: bytes, status: int) -> None:
        await self.serve()
        client = await self.connect()
        client.transport.write(data)
        await client.lost
        response, rest = parse(client.raw)
        self.assertEqual((response.status, rest), (status, b""))
        self.assertTrue(response.body.startswith(b'{"error":{"domain":"http"'))
        await self.until(lambda: not self.public.site.channels)

    async def test_oversized_head(self) -> None:
        """
        A cursor of 10 MB gets its 431.
        """
        await self.refused(b"GET /?cursor=" + b"x" * 10_000_000 + b"\r\n\r\n", 431)

    async def test_told_body(self) -> None:
        """
        A body that is told to be too large gets its 413.
        """
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n"
        await self.refused(head + b"x" * 5_000_000, 413)

    async def test_chunked_body(self) -> None:
        """
        So does one in chunks.
        """
        head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        await self.refused(head + (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 100, 413)

    async def test_one_that_stays(self) -> None:
        """
        A refused client that keeps its side open is cut off soon.
        """
        await self.serve()
        peer = socket.create_connection(self.address)
        self.addCleanup(peer.close)
        peer.sendall(b"junk\r\n\r\n")
        await self.until(lambda: self.public.site.responses[400])
        self.assertEqual(self.public.site.channels, 1)
        await self.until(lambda: not self.public.site.channels)


class DeadlineTests(SocketsCase):
    """
    The time that a request may take.
    """

    request_seconds = 0.3

    async def test_slow_head(self) -> None:
        """
        A head that drips in is cut off at the deadline.
        """
        await self.serve()
        client = await self.connect()
        began = self.reactor.seconds()
        for byte in STREAM:
            if client.lost.called:
                break
            client.transport.write(bytes([byte]))
            await deferLater(self.reactor, 0.02)
        await client.lost
        self.assertLess(self.reactor.seconds() - began, 2)
        self.assertEqual(client.raw, b"")

    async def test_stream_outlives_it(self) -> None:
        """
        An open stream is not a request any more.
        """
        await self.serve()
        client = await self.connect()
        client.transport.write(STREAM)
        await deferLater(self.reactor, 0.5)
        self.assertIn(CONNECTED, client.raw)
        self.assertFalse(client.lost.called)


class StreamTests(SocketsCase):
    """
    A stream on a socket.
    """

    async def open(self) -> Client:
        client = await self.connect()
        client.transport.write(STREAM)
        await self.until(lambda: CONNECTED in client.raw)
        return client

    async def test_disconnect(self) -> None:
        """
        A client that leaves is noticed at once, by close and by reset, and also when it
        sent a lot behind its request.
        """
        await self.serve()
        for behind, leave in (
            (b"", "loseConnection"),
            (b"", "abortConnection"),
            (b"x" * 40000, "loseConnection"),
        ):
            client = await self.open()
            client.transport.write(behind)
            self.assertEqual(self.public.admission.open, 1)
            getattr(client.transport, leave)()
            await self.until(lambda: not self.public.admission.open)
            self.assertEqual(self.public.hub.sessions[-1].closings[0], "gone")
        self.assertEqual(self.public.site.channels, 0)

    async def peer(self) -> socket.socket:
        """
        A client that reads when the test does, while the reactor stands still.
        """
        peer = socket.create_connection(self.address)
        self.addCleanup(peer.close)
        peer.sendall(STREAM)
        peer.setblocking(False)
        received = b""
        while CONNECTED not in received:
            await deferLater(self.reactor, 0.005)
            with contextlib.suppress(BlockingIOError):
                received += peer.recv(65536)
        peer.setblocking(True)
        peer.settimeout(5)
        return peer

    async def test_at_once(self) -> None:
        """
        Where nothing waits before it an event is on its way when ``write`` returns: the
        reactor need not turn.
        """
        await self.serve()
        peer = await self.peer()
        (session,) = self.public.hub.sessions
        for number in range(3):
            event = b"data: %d\n" % number
            session.transport.write(Event(Frame("x", event), b"\n"))
            self.assertEqual(peer.recv(65536), b"9\r\n%b\n\r\n" % event)

    async def test_room_meanwhile(self) -> None:
        """
        What waits is not overtaken either where the client has made room by now, and
        the reactor did not turn since.
        """
        await self.serve()
        peer = await self.peer()
        (session,) = self.public.hub.sessions
        write = session.transport.write
        write(Event(Frame("x", b"1" * 20_000_000), b"\n"))
        received = bytearray(peer.recv(1_000_000))
        write(Event(Frame("x", b"2" * 10), b"\n"))
        session.close("draining")
        peer.setblocking(False)
        while not received.endswith(b"0\r\n\r\n"):
            await deferLater(self.reactor, 0.001)
            with contextlib.suppress(BlockingIOError):
                received += peer.recv(1 << 20)
        first, second = b"1" * 20_000_000 + b"\n", b"2" * 10 + b"\n"
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(x), x) for x in (first, second))
        self.assertTrue(received == chunks + b"0\r\n\r\n", "they come in order")

    async def test_behind_others(self) -> None:
        """
        What waits is not overtaken.
        """
        await self.serve()
        peer = await self.peer()
        (session,) = self.public.hub.sessions
        events = [b"%07d" % number * 100_000 for number in range(12)]
        for event in events:
            session.transport.write(Event(Frame("x", event), b"\n"))
        session.close("draining")
        peer.setblocking(False)
        received = bytearray()
        while not received.endswith(b"0\r\n\r\n"):
            await deferLater(self.reactor, 0.001)
            with contextlib.suppress(BlockingIOError):
                received += peer.recv(1 << 20)
        chunk = b"%x\r\n%b\n\r\n"
        whole = b"".join(chunk % (len(each) + 1, each) for each in events)
        self.assertEqual(hash(bytes(received)), hash(whole + b"0\r\n\r\n"))

    async def test_broken(self) -> None:
        """
        A client that broke the connection is found by the reactor, not by ``write``.
        """
        await self.serve()
        peer = await self.peer()
        (session,) = self.public.hub.sessions
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        for _ in range(3):
            session.transport.write(Event(Frame("x", b"data: 1\n"), b"\n"))
        self.assertEqual(session.closings, [])
        await self.until(lambda: not self.public.site.channels)
        self.assertEqual(session.closings[0], "gone")

    async def test_clean_end(self) -> None:
        """
        A stream that we end arrives whole, to its last chunk.
        """
        await self.serve()
        client = await self.open()
        (session,) = self.public.hub.sessions
        session.transport.write(Event(Frame("x", b"event: warning\ndata: {}\n"), b"\n"))
        session.close("draining")
        await client.lost
        response, _ = parse(client.raw)
        self.assertEqual(response.body, CONNECTED + b"event: warning\ndata: {}\n\n")
        self.assertTrue(client.raw.endswith(b"\r\n0\r\n\r\n"))

    async def test_posted(self) -> None:
        """
        A body of 10,000 ids arrives, behind a word that it may come.
        """
        await self.serve()
        client = await self.connect()
        body = json.dumps({"character_ids": list(range(1, 10_001))}, indent=8).encode()
        client.transport.write(
            b"POST /api/v1/kills/stream HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/json\r\nExpect: 100-continue\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        await self.until(lambda: b"100 Continue" in client.raw)
        client.transport.write(body)
        await self.until(lambda: CONNECTED in client.raw)
        (wish,) = self.public.hub.wishes
        self.assertEqual(len(wish.filter.character_ids), 10_000)

    async def test_socket_options(self) -> None:
        """
        The kernel is told to watch the peer.
        """
        await self.serve()
        await self.open()
        (session,) = self.public.hub.sessions
        sock = session.transport._transport.socket  # type: ignore[attr-defined]
        for level, option, value in (
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20),
            (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 60_000),
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        ):
            self.assertEqual(sock.getsockopt(level, option), value, option)

    async def test_backlog(self) -> None:
        """
        The backlog is what the client has not taken, in our memory and the kernel's,
        and shrinks as it takes it.
        """
        await self.serve()
        peer = socket.socket()
        self.addCleanup(peer.close)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        peer.connect(self.address)
        peer.sendall(STREAM)
        await self.until(lambda: self.public.hub.sessions)
        (session,) = self.public.hub.sessions
        await self.until(lambda: session.transport.backlog() == 0)
        session.transport.write(Event(Frame("x", b"x" * 10_000_000), b"\n"))
        self.assertGreater(session.transport.backlog(), 9_000_000)
        await deferLater(self.reactor, 0.1)
        before = session.transport.backlog()
        self.assertGreater(before, 5_000_000)
        self.assertEqual(session.pauses, 1)
        taken = 0
        peer.settimeout(1)
        while taken < 1_000_000:
            taken += len(peer.recv(65536))
        await self.until(lambda: session.transport.backlog() <= before - 900_000)
        session.close("stuck")
        await self.until(lambda: not self.public.admission.open)
        self.assertEqual(session.transport.backlog(), 0)

    async def test_stuck(self) -> None:
        """
        A client that never reads is cut off, with all that waits for it.
        """
        await self.serve()
        peer = socket.create_connection(self.address)
        self.addCleanup(peer.close)
        peer.sendall(STREAM)
        await self.until(lambda: self.public.hub.sessions)
        (session,) = self.public.hub.sessions
        session.transport.write(Event(Frame("x", b"x" * 10_000_000), b"\n"))
        await deferLater(self.reactor, 0.05)
        session.close("stuck")
        await self.until(lambda: not self.public.site.channels)
        self.assertEqual(self.public.admission.open, 0)

    async def test_gone_is_gone(self) -> None:
        """
        Nothing of a transport raises once its client has left.
        """
        await self.serve()
        client = await self.open()
        (session,) = self.public.hub.sessions
        client.transport.abortConnection()
        await self.until(lambda: not self.public.admission.open)
        transport = session.transport
        transport.write(Event(Frame("x", b"event: x\ndata: {}\n"), b"\n"))
        transport.close()
        transport.abort()
        self.assertEqual(transport.backlog(), 0)
        closings = len(session.closings)
        transport.open(session)
        self.assertEqual(session.closings[closings:], ["gone"])


class UnixTests(SocketsCase):
    """
    A UNIX socket, as a local proxy may use.
    """

    async def test_stream(self) -> None:
        """
        Streams run over it, and their clients' addresses come from the proxy.
        """
        path = self.mktemp()[-60:].replace("/", "_")
        await self.serve(f"unix:{path}")
        peer = socket.socket(socket.AF_UNIX)
        self.addCleanup(peer.close)
        peer.connect(path)
        peer.sendall(
            STREAM.replace(b"x\r\n\r\n", b"x\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
        )
        await self.until(lambda: self.public.hub.sessions)
        self.assertEqual(self.public.admission.addresses, 1)
        (session,) = self.public.hub.sessions
        session.transport.write(Event(Frame("x", b"x" * 5_000_000), b"\n"))
        self.assertGreater(session.transport.backlog(), 1_000_000)
        peer.close()
        await self.until(lambda: not self.public.admission.open)


class WrappedTests(SocketsCase):
    """
    A listener whose connections are wrapped in another protocol.
    """

    async def test_stream(self) -> None:
        """
        A stream gets through it and ends cleanly.
        """
        client, session = await self.open_wrapped()
        session.transport.write(Event(Frame("x", b"data: 1\n"), b"\n"))
        session.close("draining")
        await client.lost
        response, _ = parse(client.raw)
        self.assertEqual(response.body, CONNECTED + b"data: 1\n\n")

    async def test_disconnect(self) -> None:
        """
        A client that leaves is noticed.
        """
        client, session = await self.open_wrapped()
        client.transport.loseConnection()
        await self.until(lambda: session.closings)
        self.assertEqual(session.closings[0], "gone")
        self.assertEqual(self.public.admission.open, 0)

    async def test_turned_away(self) -> None:
        """
        One too many is reset, as without a wrapper, and kept by nobody.
        """
        await self.serve("haproxy:tcp:0:interface=127.0.0.1")
        self.public.site.most_channels = 0
        client = await self.connect()
        await client.lost
        self.assertEqual(self.public.site.turned_away, 1)

    async def open_wrapped(self) -> tuple[Client, FakeSession]:
        await self.serve("haproxy:tcp:0:interface=127.0.0.1")
        client = await self.connect()
        client.transport.write(b"PROXY TCP4 1.2.3.4 127.0.0.1 5 80\r\n" + STREAM)
        await self.until(lambda: CONNECTED in client.raw)
        return client, self.public.hub.sessions[-1]


class TlsTests(SocketsCase):
    """
    A stream over TLS, whose transport is not a socket's.
    """

    async def test_stuck(self) -> None:
        """
        It opens, tells its backlog, and ends by a cut.
        """
        client = await self.open_over_tls()
        client.transport.pauseProducing()
        (session,) = self.public.hub.sessions
        session.transport.write(Event(Frame("x", b"x" * 20_000_000), b"\n"))
        await self.until(lambda: session.transport.backlog() > 1_000_000)
        session.close("stuck")
        await self.until(lambda: not self.public.admission.open)
        client.transport.resumeProducing()
        client.transport.abortConnection()
        await client.lost

    async def test_clean_end(self) -> None:
        """
        What was written arrives, and the end behind it.
        """
        client = await self.open_over_tls()
        (session,) = self.public.hub.sessions
        session.transport.write(Event(Frame("x", b"x" * 1_000_000), b"\n"))
        session.close("draining")
        await client.lost
        response, _ = parse(client.raw)
        self.assertEqual(len(response.body), len(CONNECTED) + 1_000_001)
        self.assertTrue(client.raw.endswith(b"\r\n0\r\n\r\n"))

    async def test_goodbye_while_paused(self) -> None:
        """
        A client that says goodbye while it is behind, and leaves, is noticed.
        """
        client = await self.open_over_tls()
        client.transport.pauseProducing()
        (session,) = self.public.hub.sessions
        session.transport.write(Event(Frame("x", b"x" * 20_000_000), b"\n"))
        await self.until(lambda: session.pauses)
        client.transport.loseConnection()
        client.transport.resumeProducing()
        await client.lost

        def has_left() -> bool:
            session.transport.write(Event(Frame("x", b"data: 1\n"), b"\n"))
            return not self.public.admission.open

        await self.until(has_left)
        self.assertEqual(session.closings, ["gone"])

    async def open_over_tls(self) -> Client:
        certificate = self_signed()
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(certificate.dumpPEM())
            file.write(certificate.privateKey.dump(1))
        await self.serve(f"ssl:0:interface=127.0.0.1:privateKey={path}:certKey={path}")
        options = ssl.optionsForClientTLS(
            "localhost", trustRoot=ssl.Certificate.loadPEM(certificate.dumpPEM())
        )
        endpoint = HostnameEndpoint(self.reactor, *self.address)
        client: Client = await connectProtocol(
            wrapClientTLS(options, endpoint), Client()
        )
        client.transport.write(STREAM)
        await self.until(lambda: CONNECTED in client.raw)
        return client


class ListeningTests(SocketsCase):
    """
    Real ports.
    """

    async def test_taken(self) -> None:
        """
        A port that another has stops the start.
        """
        await self.serve()
        endpoint = TCP4ServerEndpoint(
            self.reactor, self.address[1], interface="127.0.0.1"
        )
        second = Listener(endpoint, self.public.site, AcceptRate(self.reactor, 10))
        self.assertRaises(CannotListenError, second.startService)

    async def test_backlog(self) -> None:
        """
        A hundred clients that come before the reactor turns are all let in.
        """
        await self.serve()
        for _ in range(100):
            client = socket.create_connection(self.address, timeout=0.5)
            self.addCleanup(client.close)
        await self.until(lambda: self.public.site.channels == 100)

    async def test_storm(self) -> None:
        """
        Over the rate nobody is refused: the rest waits and is served in the next
        second.
        """
        public = await self.serve()
        rate = AcceptRate(public.clock, 3)
        public.site._accepted = rate.accepted
        assert self.listener.port is not None
        rate.watch(self.listener.port)
        port: Any = self.listener.port
        port.numberAccepts = 1
        clients = [await self.connect() for _ in range(8)]
        for client in clients:
            client.transport.write(b"GET /ping HTTP/1.1\r\n\r\n")
        await self.until(lambda: sum(b"pong" in each.raw for each in clients) == 3)
        await deferLater(self.reactor, 0.05)
        self.assertEqual(sum(b"pong" in each.raw for each in clients), 3)
        for _ in range(2):
            port.numberAccepts = 1
            public.clock.advance(1)
            await deferLater(self.reactor, 0.05)
        await self.until(lambda: all(b"pong" in each.raw for each in clients))
        rate.forget(self.listener.port)


def self_signed() -> Any:
    """
    A certificate of our own for localhost.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    pem += key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return ssl.PrivateCertificate.loadPEM(pem)
