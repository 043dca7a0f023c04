"""
The line between one client and the server, which can break.
"""

import re
from collections import deque
from typing import Any, Literal

import attrs
from twisted.internet.protocol import connectionDone
from twisted.protocols.portforward import (
    ProxyClient,
    ProxyClientFactory,
    ProxyFactory,
    ProxyServer,
)
from twisted.python.failure import Failure

How = Literal["end", "reset"]

#: So much of what a client got last is kept, as evidence.
_KEPT_BYTES = 2_000


@attrs.define
class Break:
    """
    A connection's end that is to come.

    :ivar left: how many bytes of the response's body get through before, by the
        response's encoding.
    :ivar how: with a FIN that comes too early, or with a RST.
    """

    left: dict[str, int]
    how: How


@attrs.define(eq=False)
class Visit:
    """
    One connection, and what it was used for first.

    :ivar received: bytes of the response's body, chunk lengths included.
    :ivar broken: whether the line broke.
    :ivar over: whether the connection has ended, however.
    """

    asked: bytes = b""
    head: bytes = b""
    received: int = 0
    last: bytes = b""
    broken: bool = False
    over: bool = False

    @property
    def status(self) -> int:
        """
        The response's status; 0 while there is none.
        """
        found = re.match(rb"HTTP/1\.1 (\d+)", self.head)
        return int(found[1]) if found else 0

    @property
    def encoding(self) -> str:
        return _header(self.head, b"content-encoding") or "identity"

    @property
    def accepted(self) -> str:
        """
        The encodings that the client asked for.
        """
        return _header(self.asked, b"accept-encoding")

    @property
    def cursor(self) -> str:
        return _header(self.asked, b"last-event-id")

    def request(self, data: bytes) -> None:
        """
        Take bytes of the client's.
        """
        if b"\r\n\r\n" not in self.asked:
            self.asked += data

    def response(self, data: bytes) -> None:
        """
        Take bytes of the server's.
        """
        self.last = (self.last + data)[-_KEPT_BYTES:]
        if b"\r\n\r\n" in self.head:
            self.received += len(data)
        else:
            head, end, body = (self.head + data).partition(b"\r\n\r\n")
            self.head = head + end
            self.received = len(body)


def _header(head: bytes, name: bytes) -> str:
    found = re.search(rb"(?im)^" + name + rb": *([^\r\n]*)", head)
    return found[1].decode("latin-1") if found else ""


class Line(ProxyFactory):
    """
    Listens on a port of its own and passes everything on to the server, up to where it
    is told to break.

    :ivar visits: all connections so far.
    """

    noisy = False

    def __init__(self, reactor: Any, server_port: int) -> None:
        super().__init__("127.0.0.1", server_port)
        self.protocol = _ToClient
        self.own_port = 0
        self.visits: list[Visit] = []
        self._reactor = reactor
        self._breaks: deque[Break] = deque()
        self._held: list[_ToClient] | None = None
        self._listening: Any = None

    def open(self) -> None:
        """
        Listen; on the same port every time.
        """
        self._listening = self._reactor.listenTCP(
            self.own_port, self, interface="127.0.0.1"
        )
        self.own_port = self._listening.getHost().port

    async def close(self) -> None:
        """
        Refuse connections from now on.
        """
        await self._listening.stopListening()

    def hold(self) -> None:
        """
        Keep what comes from the client, until :meth:`let_go`.
        """
        self._held = []

    def let_go(self) -> None:
        held, self._held = self._held or [], None
        for connection in held:
            connection.pass_on()

    def take(self, connection: "_ToClient") -> None:
        """
        A client has come.
        """
        self.visits.append(connection.visit)
        if self._held is None:
            connection.pass_on()
        else:
            self._held.append(connection)

    def break_off(self, how: How, **after: int) -> None:
        """
        Break when so many bytes more have come on the connection that there is, or else
        on the next one. What is told meanwhile is done when that has happened.

        :param after: bytes, by the response's encoding.
        """
        self._breaks.append(Break(after, how))

    @property
    def broken(self) -> bool:
        """
        Whether all that it was told has happened.
        """
        return not self._breaks

    def let_through(self, visit: Visit, data: bytes) -> tuple[bytes, How | None]:
        """
        :returns: how much of what the server sent gets through, and how the line breaks
            behind it, if it does.
        """
        before = visit.received
        visit.response(data)
        came = visit.received - before
        if not self._breaks or not came:
            return data, None
        next = self._breaks[0]
        next.left[visit.encoding] -= came
        too_much = -next.left[visit.encoding]
        if too_much < 0:
            return data, None
        self._breaks.popleft()
        visit.broken = True
        return data[: len(data) - too_much], next.how


class _FromServer(ProxyClient):
    peer: Any

    def dataReceived(self, data: bytes) -> None:
        client: Any = self.peer
        if not client.visit.broken:
            client.from_server(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # With one, Twisted would never close on a client that is slow at this moment.
        if self.peer is not None:
            self.peer.transport.unregisterProducer()
        super().connectionLost(reason)


class _FromServerFactory(ProxyClientFactory):
    noisy = False
    protocol = _FromServer


class _ToClient(ProxyServer):
    clientProtocolFactory = _FromServerFactory
    factory: Line
    peer: Any
    transport: Any

    def connectionMade(self) -> None:
        self.visit = Visit()
        self.transport.pauseProducing()
        self.factory.take(self)

    def pass_on(self) -> None:
        """
        Begin: connect to the server, and then take what the client has sent.
        """
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        self.visit.request(data)
        super().dataReceived(data)

    def from_server(self, data: bytes) -> None:
        through, how = self.factory.let_through(self.visit, data)
        self.transport.write(through)
        if how is None:
            return
        self.peer.transport.abortConnection()
        if how == "end":
            self.transport.loseConnection()
        else:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.visit.over = True
        super().connectionLost(reason)
