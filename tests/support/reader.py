"""
Clients on real sockets, which come back whenever their connection ends.
"""

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http_headers import Headers

from tests.support.eventsource import Event, EventSource
from wanderer_twisted.stream.cursor import AfterHistory, Live, decode

#: How a connection to a server that is killed and started again can fail.
BROKEN = (ConnectError, ConnectionClosed, ResponseFailed, ResponseNeverReceived)


class Client:
    """
    An EventSource on a real connection. Whenever that ends it comes back, at once, with
    the last id that it got.

    :param slow: seconds to rest after every read.
    :ivar killmails: ids, in the order in which they came, of history and live.
    :ivar live: (number, id) of what came live.
    :ivar ends: how each connection ended; True for a proper end of the response.
    """

    def __init__(self, reactor: Any, url: str, slow: float = 0.0) -> None:
        self.source = EventSource()
        self.events: list[Event] = []
        self.killmails: list[int] = []
        self.live: list[tuple[int, int]] = []
        self.ends: list[bool] = []
        self.returns = True
        self.slow = slow
        self.reactor = reactor
        self.url = url
        self._running: Deferred[None] | None = None

    def open(self) -> None:
        self._running = Deferred.fromCoroutine(self._run())

    async def close(self) -> None:
        if self._running is not None:
            running, self._running = self._running, None
            running.addErrback(lambda failure: failure.trap(CancelledError))
            running.cancel()
            await running

    def named(self, name: str) -> list[Event]:
        """
        The events of one name.
        """
        return [event for event in self.events if event.name == name]

    async def _run(self) -> None:
        agent = Agent(self.reactor)
        while True:
            headers = Headers({"Accept": ["text/event-stream"]})
            if self.source.last_event_id:
                headers.setRawHeaders("Last-Event-ID", [self.source.last_event_id])
            try:
                response = await agent.request(b"GET", self.url.encode(), headers)
                assert response.code == 200, response.code
                body = _Body(self)
                response.deliverBody(body)
                self.ends.append(await body.done)
            except BROKEN:
                pass  # it is not there yet
            if not self.returns:
                return
            await deferLater(self.reactor, 0.1)

    def take(self, data: bytes) -> None:
        for event in self.source.feed(data):
            self.events.append(event)
            if event.name == "batch":
                self.killmails += [kill["killmail_id"] for kill in event.data["kills"]]
            elif event.name == "killmail":
                killmail_id = event.data["killmail_id"]
                self.killmails.append(killmail_id)
                _, cursor = decode(event.id)
                assert isinstance(cursor, Live | AfterHistory)
                self.live.append((cursor.seq, killmail_id))


class _Body(Protocol):
    """
    The body of one response.

    :ivar done: fires with whether it was ended properly.
    """

    transport: Any

    def __init__(self, client: Client) -> None:
        self.done: Deferred[bool] = Deferred(lambda _: self.transport.loseConnection())
        self._client = client

    def connectionMade(self) -> None:
        self._client.source.connect()

    def dataReceived(self, data: bytes) -> None:
        self._client.take(data)
        if self._client.slow:
            producer: IPushProducer = self.transport
            producer.pauseProducing()
            self._client.reactor.callLater(self._client.slow, self._go_on)

    def _go_on(self) -> None:
        if not self.done.called:
            self.transport.resumeProducing()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        if not self.done.called:
            self.done.callback(reason.check(ResponseDone) is not None)
