"""
An upstream in memory: an ``IAgent`` that answers by script, in the clock's time, and
remembers what it was asked and when.
"""

import gzip
import json
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IProtocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import (
    URI,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.error import SchemeNotSupported
from twisted.web.http_headers import Headers
from twisted.web.iweb import (
    UNKNOWN_LENGTH,
    IAgent,
    IBodyProducer,
    IClientRequest,
    IResponse,
)
from zope.interface import implementer

T = TypeVar("T")

#: Somewhere in the afternoon, UTC, far from ESI's downtime: 2026-11-23 15:00:00.
NOON = 1795446000.0


@attrs.frozen
class Reply:
    """
    One scripted answer.

    :ivar body: as it goes over the wire, but for *gzip*.
    :ivar delay: seconds to the head.
    :ivar never: there is no head, ever.
    :ivar reset: the connection breaks before the head.
    :ivar drip: (bytes, seconds): the body comes in such pieces, so far apart.
    :ivar stall: after so many bytes of the body nothing comes any more.
    :ivar cut: after so many bytes of the body the connection breaks.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    delay: float = 0.0
    never: bool = False
    reset: bool = False
    drip: tuple[int, float] | None = None
    stall: int | None = None
    cut: int | None = None


def json_reply(document: object, status: int = 200, **headers: str) -> Reply:
    """
    :param headers: with underscores for hyphens.
    """
    return Reply(
        status,
        json.dumps(document).encode(),
        {name.replace("_", "-"): value for name, value in headers.items()},
    )


def gzip_reply(body: bytes) -> Reply:
    return Reply(200, gzip.compress(body), {"Content-Encoding": "gzip"})


@attrs.define
class Asked:
    """
    A request as it came in.

    :ivar at: seconds by the clock.
    :ivar closed: its connection was closed before the answer was complete.
    """

    method: str
    url: str
    headers: Headers
    body: bytes
    at: float
    closed: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@implementer(IAgent)
class FakeUpstream:
    """
    Answers each URL by its own script, of which the last line stays; what has none
    gets *default*.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked: list[Asked] = []
        self.scripts: dict[str, list[Reply]] = {}
        self.default = Reply(404, b"<html>404 Not Found</html>")

    def on(self, url: str, *replies: Reply) -> None:
        self.scripts[url] = list(replies)

    @property
    def urls(self) -> list[str]:
        return [asked.url for asked in self.asked]

    def times(self, url: str) -> list[float]:
        """
        When *url* was asked for.
        """
        return [asked.at for asked in self.asked if asked.url == url]

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,  # noqa: N803
    ) -> "Deferred[IResponse]":
        if URI.fromBytes(uri).scheme not in (b"http", b"https"):
            return fail(SchemeNotSupported(uri))
        body = StringTransport()
        if bodyProducer is not None:
            bodyProducer.startProducing(body)
        asked = Asked(
            method.decode(),
            uri.decode(),
            headers or Headers(),
            body.value(),
            self.clock.seconds(),
        )
        self.asked.append(asked)
        script = self.scripts.get(asked.url, [self.default])
        reply = script.pop(0) if len(script) > 1 else script[0]

        def cancel(result: "Deferred[IResponse]") -> None:
            asked.closed = True
            result.errback(ResponseNeverReceived([Failure(CancelledError())]))

        result: Deferred[IResponse] = Deferred(cancel)
        if reply.reset:
            result.errback(ResponseNeverReceived([Failure(ConnectionLost("reset"))]))
        elif not reply.never:
            response = FakeResponse(reply, asked, self.clock)
            if reply.delay:
                self.clock.callLater(reply.delay, _fire, result, response)
            else:
                result.callback(response)
        return result


def _fire(result: "Deferred[IResponse]", response: "FakeResponse") -> None:
    if not result.called:
        result.callback(response)


@implementer(IResponse)
class FakeResponse:
    version = (b"HTTP", 1, 1)
    phrase = b""
    length = UNKNOWN_LENGTH
    request: IClientRequest | None = None
    previousResponse: IResponse | None = None  # noqa: N815

    def __init__(self, reply: Reply, asked: Asked, clock: Clock) -> None:
        self.code = reply.status
        self.headers = Headers()
        for name, value in reply.headers.items():
            self.headers.addRawHeader(name, value)
        self._reply = reply
        self._asked = asked
        self._clock = clock

    def setPreviousResponse(self, response: IResponse) -> None:  # noqa: N802
        self.previousResponse = response

    def deliverBody(self, protocol: IProtocol) -> None:  # noqa: N802
        body, reply = self._reply.body, self._reply
        protocol.makeConnection(_Closing(self._asked))
        if reply.stall is not None:
            self._give(protocol, body[: reply.stall])
        elif reply.cut is not None:
            self._give(protocol, body[: reply.cut])
            protocol.connectionLost(
                Failure(ResponseFailed([Failure(ConnectionLost("cut"))]))
            )
        elif reply.drip is not None:
            self._drip(protocol, body, *reply.drip)
        else:
            self._give(protocol, body)
            if not self._asked.closed:
                protocol.connectionLost(Failure(ResponseDone()))

    def _give(self, protocol: IProtocol, data: bytes) -> None:
        if data and not self._asked.closed:
            protocol.dataReceived(data)

    def _drip(self, protocol: IProtocol, body: bytes, size: int, pause: float) -> None:
        if self._asked.closed:
            return
        self._give(protocol, body[:size])
        if len(body) > size:
            self._clock.callLater(pause, self._drip, protocol, body[size:], size, pause)
        elif not self._asked.closed:
            protocol.connectionLost(Failure(ResponseDone()))


class _Closing(StringTransport):
    """
    A transport that tells when it is closed.
    """

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        self._asked = asked

    def loseConnection(self) -> None:
        self._asked.closed = True


@attrs.define
class Outcome:
    """
    What a coroutine came to so far.
    """

    deferred: "Deferred[Any]"
    results: list[Any] = attrs.field(factory=list)
    failures: list[Failure] = attrs.field(factory=list)

    @property
    def done(self) -> bool:
        return bool(self.results or self.failures)

    @property
    def result(self) -> Any:
        if self.failures:
            self.failures[0].raiseException()
        assert self.results, "not done"
        return self.results[0]

    @property
    def error(self) -> Any:
        assert self.failures, f"no failure but {self.results}"
        return self.failures[0].value


def begin(awaitable: Awaitable[T]) -> Outcome:
    """
    Run a coroutine as far as it goes by itself.
    """

    async def run() -> T:
        return await awaitable

    outcome = Outcome(Deferred.fromCoroutine(run()))
    outcome.deferred.addCallbacks(outcome.results.append, outcome.failures.append)
    return outcome


def finish(clock: Clock, awaitable: Awaitable[T], within: float = 600.0) -> T:
    """
    Run a coroutine to its end, letting the clock go from one call to the next.

    :param within: seconds by the clock, after which it counts as hanging.
    """
    outcome = begin(awaitable)
    limit = clock.seconds() + within
    while not outcome.done:
        calls = clock.getDelayedCalls()
        assert calls, "it waits for nothing"
        until = min(call.getTime() for call in calls)
        assert until <= limit, f"it hangs until {until - limit + within:.0f} s"
        clock.advance(max(0.0, until - clock.seconds()))
    result: T = outcome.result
    return result
