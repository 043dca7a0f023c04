"""
The HTTP client over real sockets: what it gives up it also closes.
"""

import gzip
import os
from collections.abc import Callable

from twisted.internet import defer
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from wanderer_twisted.interfaces import UpstreamError
from wanderer_twisted.sources.body import BadAnswer, NotKept
from wanderer_twisted.sources.exchange import TimedOut, Unreachable
from wanderer_twisted.sources.http import Client, Manners, Upstream, make_client

HEAD = b"HTTP/1.1 200 OK\r\n"


class Server(Protocol):
    """
    Answers the first bytes of a request with what its factory has.
    """

    def __init__(self, answer: Callable[["Server"], None]) -> None:
        self.answer = answer
        self.closed: Deferred[None] = Deferred()
        self.asked = False

    def write(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    def close(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        if not self.asked:
            self.asked = True
            self.answer(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closed.callback(None)


class SocketTests(TestCase):
    timeout = 10

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor = reactor
        self.connections: list[Server] = []
        self.port: IListeningPort | None = None
        self.client: Client = make_client(reactor, "ops@example.org")

    async def tearDown(self) -> None:  # type: ignore[override]
        await self.client.close()
        if self.port is not None:
            await defer.maybeDeferred(self.port.stopListening)
        for connection in self.connections:
            connection.close()
            await connection.closed

    def serve(self, answer: Callable[["Server"], None]) -> str:
        """
        :returns: a URL at which every connection gets *answer*.
        """

        def connect(_: object) -> Server:
            self.connections.append(Server(answer))
            return self.connections[-1]

        factory = ServerFactory()
        factory.buildProtocol = connect  # type: ignore[method-assign,assignment]
        factory.noisy = False
        self.port = self.reactor.listenTCP(0, factory, interface="127.0.0.1")
        address = self.port.getHost()
        assert isinstance(address, IPv4Address)
        return f"http://127.0.0.1:{address.port}/"

    def upstream(self, timeout: float = 5.0, max_body: int = 1 << 20) -> Upstream:
        manners = Manners(1000.0, timeout=timeout, max_body=max_body)
        return self.client.upstream("up", manners)

    async def error(
        self, kind: type[UpstreamError], upstream: Upstream, url: str
    ) -> UpstreamError:
        """
        Get *url*, and see that it fails as it should.
        """
        try:
            await upstream.get(url)
        except kind as error:
            return error
        self.fail(f"no {kind}")

    async def pause(self, seconds: float = 0.05) -> None:
        await deferLater(self.reactor, seconds)

    async def test_reuses_connections(self) -> None:
        """
        A connection whose answer was complete is used again.
        """

        def answer(server: Server) -> None:
            server.asked = False
            server.write(HEAD + b"Content-Length: 2\r\n\r\n[]")

        url, upstream = self.serve(answer), self.upstream()
        for _ in range(3):
            self.assertEqual((await upstream.get(url)).json(), [])
        self.assertEqual(len(self.connections), 1)

    async def test_logs_no_connections(self) -> None:
        """
        One that comes and goes says nothing.
        """

        def answer(server: Server) -> None:
            server.write(HEAD + b"\r\n")
            server.close()

        url = self.serve(answer)
        with capturedLogs() as said:
            await self.upstream().get(url)
            await self.connections[0].closed
            await self.pause()
        self.assertEqual([formatEvent(each) for each in said], [])

    async def test_silence_before_the_head(self) -> None:
        """
        A server that never answers is left at the timeout.
        """
        url = self.serve(lambda server: None)
        await self.error(TimedOut, self.upstream(timeout=0.2), url)
        await self.connections[0].closed

    async def test_stall_in_the_body(self) -> None:
        """
        A server that stalls within the body is left at the timeout.
        """
        url = self.serve(
            lambda server: server.write(HEAD + b"Content-Length: 9\r\n\r\n[1")
        )
        await self.error(TimedOut, self.upstream(timeout=0.2), url)
        await self.connections[0].closed

    async def test_endless_body(self) -> None:
        """
        A server that sends without end is left at the limit.
        """

        def pour(server: Server) -> None:
            server.write(HEAD + b"Connection: close\r\n\r\n")
            server.write(b"x" * (4 << 20))

        url, upstream = self.serve(pour), self.upstream(max_body=1 << 16)
        await self.error(BadAnswer, upstream, url)
        await self.connections[0].closed

    async def test_gzip_bomb(self) -> None:
        """
        A bomb of 32 MB is refused, and its server left.
        """
        bomb = gzip.compress(bytes(32 << 20))
        head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: 99999999\r\n\r\n"
        url = self.serve(lambda server: server.write(head + bomb))
        upstream = self.upstream(max_body=1 << 20)
        error = await self.error(BadAnswer, upstream, url)
        self.assertIn("larger than", error.reason)
        await self.connections[0].closed

    async def test_download(self) -> None:
        """
        A large body goes to a file in many pieces, and its connection is used again.
        """
        body = os.urandom(1 << 20) * 8
        packed = gzip.compress(body, 1)
        head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"

        def answer(server: Server) -> None:
            server.asked = False
            server.write(head % len(packed) + packed)

        url, upstream, path = self.serve(answer), self.upstream(), self.mktemp()
        for _ in range(2):
            with open(path, "wb") as sink:
                found = await upstream.download(url, sink, 5.0, 1 << 24)
            self.assertEqual((found.status, found.body), (200, b""))
            with open(path, "rb") as kept:
                self.assertTrue(kept.read() == body, "another body")
        self.assertEqual(len(self.connections), 1)

    async def test_nowhere_to_keep(self) -> None:
        """
        A server is left as soon as what it sends cannot be kept.
        """
        head = HEAD + b"Content-Length: 99999999\r\n\r\n"
        url = self.serve(lambda server: server.write(head + b"x" * (4 << 20)))
        upstream = self.upstream()
        with open(self.mktemp(), "wb") as kept, open(kept.name, "rb") as sink:
            downloading = upstream.download(url, sink, 5.0, 1 << 30)
            await self.assertFailure(Deferred.fromCoroutine(downloading), NotKept)
        await self.connections[0].closed

    async def test_truncated(self) -> None:
        """
        A body shorter than its length is no answer, chunked or not.
        """

        def cut(server: Server) -> None:
            server.write(heads.pop(0))
            server.close()

        heads = [
            HEAD + b"Content-Length: 9\r\n\r\n[1]",
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n[1]\r\n",
            HEAD + b"Conte",
        ]
        url, upstream = self.serve(cut), self.upstream()
        while heads:
            await self.error(Unreachable, upstream, url)

    async def test_nobody_listens(self) -> None:
        """
        A refused connection is an error of one line, and another try finds the server.
        """
        url = self.serve(lambda server: None)
        assert self.port is not None
        await defer.maybeDeferred(self.port.stopListening)
        self.port = None
        error = await self.error(Unreachable, self.upstream(), url)
        self.assertIn("refused", error.reason)
        self.assertNotIn("\n", error.reason)

    async def test_cancelled(self) -> None:
        """
        Cancelling gives CancelledError, and closes, whatever the request waits for.
        """
        answers = [b"", HEAD + b"Content-Length: 9\r\n\r\n[1"]
        url = self.serve(lambda server: server.write(answers.pop(0)))
        upstream = self.upstream()
        for _ in range(2):
            asking = Deferred.fromCoroutine(upstream.get(url))
            await self.pause()
            asking.cancel()
            await self.assertFailure(asking, CancelledError)
            await self.connections[-1].closed
        connecting = Deferred.fromCoroutine(upstream.get(url))
        connecting.cancel()
        await self.assertFailure(connecting, CancelledError)
        self.assertEqual(upstream.in_flight, 0)
