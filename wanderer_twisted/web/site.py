"""
The public site: requests that are logged however they end, and answer every mishap
with the one envelope.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from io import BytesIO
from sys import intern
from typing import IO, Any
from urllib.parse import unquote_to_bytes

import attrs
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import datetimeToString
from twisted.web.iweb import INonQueuedRequestFactory
from twisted.web.resource import IResource
from twisted.web.server import Request, Site
from zope.interface import provider

from wanderer_twisted import SERVER_NAME
from wanderer_twisted.web.addresses import Client, Proxies
from wanderer_twisted.web.channel import MAX_BODY_BYTES, BoundedChannel
from wanderer_twisted.web.cors import Cors
from wanderer_twisted.web.errors import ApiError, bad_request, body_too_large, internal
from wanderer_twisted.web.tokens import Holder, Tokens

_SERVER = SERVER_NAME.encode()
_LONGEST_LOGGED = 200

#: Asked for every few seconds by machines; nobody wants to read that.
_HEALTH_CHECKS = frozenset(
    [b"/ping", b"/health", b"/health/live", b"/status", b"/metrics"]
)


@attrs.frozen
class Visit:
    """
    Who asks, and when.

    :ivar client: seen through the trusted proxies.
    :ivar agent: the browser or program, as it calls itself.
    :ivar began: UNIX seconds.
    :ivar holder: whose token it came with; None where none is needed.
    """

    client: Client
    agent: str
    began: float
    holder: Holder | None = None

    @property
    def token(self) -> str:
        """
        The name of that token.
        """
        return "" if self.holder is None else self.holder.name

    def most(self, name: str, otherwise: int) -> int:
        """
        How many ids it may name: what its token says, or else the server.

        :param name: of the limit.
        """
        ids = {} if self.holder is None else self.holder.ids
        return ids.get(name, otherwise)


class _Head:
    """
    Where a head is written that is not sent yet.
    """

    disconnecting = False

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def writeSequence(self, parts: Iterable[bytes]) -> None:
        self.parts.extend(parts)


@provider(INonQueuedRequestFactory)
class PublicRequest(Request):
    """
    One request.

    :ivar visit: who asks; set when the request is complete.
    :ivar left: the client did not wait for the end.
    :ivar handed_over: its connection carries something else now.
    """

    defaultContentType = None

    channel: BoundedChannel | None  # type: ignore[assignment]  # None when gone
    site: "PublicSite"
    visit: Visit

    left = False
    handed_over = False
    _body_bytes = 0

    @property
    def current_channel(self) -> BoundedChannel | None:
        """
        The connection, while there is one: twisted.web sets its attribute to None
        after a disconnect and deletes it after the end of the response.
        """
        return getattr(self, "channel", None)

    @property
    def query(self) -> bytes:
        """
        The raw query. It is not in ``args``, whose rules are laxer than ours.
        """
        return self.uri.partition(b"?")[2]

    @property
    def accepts_events(self) -> bool:
        """
        Whether it is an EventSource that asks: it names the type; ``*/*`` does not.
        """
        accepted = b",".join(self.requestHeaders.getRawHeaders(b"Accept", []))
        return any(
            each.partition(b";")[0].strip().lower() == b"text/event-stream"
            for each in accepted.split(b",")
        )

    def answer_last(self) -> None:
        """
        Close the connection behind this response.
        """
        if self.current_channel is not None:
            self.setHeader(b"Connection", b"close")
            self.current_channel.answer_last()

    def hand_over(self, protocol: object) -> tuple[Any, bytes]:
        """
        Leave the connection to *protocol*. This request is over; its handler may end
        as if it were answered.

        :param protocol: what the transport calls from now on: ``dataReceived`` and
            ``connectionLost``.
        :returns: the connection's transport, and the head of the response, which has
            not been sent: with the first event behind it, it takes one call.
        """
        channel = self.channel
        assert channel is not None
        self.answer_last()
        transport = channel.hand_over(protocol)
        channel.transport = head = _Head()
        self.write(b"")  # the head alone: no chunk
        self.handed_over = True
        self.channel = None
        self.site.responses[self.code] += 1
        return transport, b"".join(head.parts)

    def finish(self) -> None:
        if not self.handed_over:
            super().finish()

    def handleContentChunk(self, data: bytes) -> None:
        """
        Take in a part of the body, which may come in chunks without a length told.
        """
        self._body_bytes += len(data)
        if self._body_bytes <= MAX_BODY_BYTES:
            super().handleContentChunk(data)
        elif self.channel is not None:
            self.channel.refuse(body_too_large(MAX_BODY_BYTES))

    def process(self) -> None:
        channel = self.channel
        assert channel is not None
        self.site = channel.site
        self.uri += channel.query
        forwarded = self.requestHeaders.getRawHeaders(b"X-Forwarded-For", [])
        peer = getattr(self.getClientAddress(), "host", None)
        self.visit = Visit(
            client=self.site.proxies.client(peer, forwarded),
            agent=intern(_readable(self.getHeader(b"User-Agent") or b"")),
            began=self.site.reactor.seconds(),
        )
        if self._has_proper_target():
            super().process()
        else:
            self.setHeader(b"Date", datetimeToString())
            self._set_common_headers()
            self.answer_error(
                bad_request("The request's target is not a path in UTF-8")
            )

    def _has_proper_target(self) -> bool:
        try:
            unquote_to_bytes(self.path).decode("utf-8")
        except UnicodeDecodeError:
            return False
        return self.path.startswith(b"/")

    def getRequestHostname(self) -> bytes:
        """
        Not the client's: routing needs none, and stumbles over one that is no name.
        """
        return b"localhost"

    def render(self, resource: IResource) -> None:
        self._set_common_headers()
        super().render(resource)

    def _set_common_headers(self) -> None:
        self.setHeader(b"Server", _SERVER)
        for name, value in self.site.cors.headers(self.getHeader(b"Origin")):
            self.setHeader(name, value)

    def prepare_error(self, error: ApiError) -> bytes:
        """
        Set the status and the headers of an answer that is not what was asked for.

        :returns: its body.
        """
        body = error.body()
        self.setResponseCode(error.status, error.reason)
        for name, value in error.headers():
            self.setHeader(name, value)
        self.setHeader(b"Content-Length", b"%d" % len(body))
        return body

    def answer_error(self, error: ApiError) -> None:
        self.write(self.prepare_error(error))
        self.finish()

    def prepare_failure(self, reason: Failure) -> bytes | None:
        """
        Something unexpected: log it and tell nothing of it.

        :returns: the body of the answer; None behind the first byte, where there is
            only the connection left to end.
        """
        self._log.failure("{path} failed", reason, path=_readable(self.path))
        channel = self.current_channel
        if channel is not None and not self.startedWriting:
            return self.prepare_error(internal())
        if channel is not None:
            channel.transport.abortConnection()
        return None

    def processingFailed(self, reason: Failure) -> Failure:
        body = self.prepare_failure(reason)
        if body is not None:
            self.write(body)
            self.finish()
        return reason

    def connectionLost(self, reason: Failure) -> None:
        """
        The client left before the end. Twisted logs nothing then.
        """
        super().connectionLost(reason)
        if hasattr(self, "visit"):
            self.left = True
            self.site.log(self)


class _TurnedAway(Protocol):
    """
    A connection that is one too many. (Where there is no protocol at all Twisted closes
    it too, but not where it is wrapped, in TLS for one.)
    """

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()


class PublicSite(Site):
    """
    :param resource: what answers.
    :param reactor: for time alone.
    :param tokens: who may ask; None for everybody.
    :param accepted: called for each connection that is accepted.
    :param most_channels: connections beyond this are reset; None for no bound.
    :param request_seconds: within which a request must be complete.
    :param most_incoming: bytes of bodies that may be coming in at once, of all clients.
    :ivar channels: connections now.
    :ivar incoming: bytes of bodies that are not complete yet.
    :ivar late: connections closed because a request was not complete in time.
    :ivar turned_away: connections that were reset.
    :ivar responses: how many responses there were, by status.
    :ivar left: how many clients left before the end of theirs.
    """

    protocol = BoundedChannel  # type: ignore[assignment]  # without the HTTP/2 switch
    requestFactory = PublicRequest
    noisy = False  # the listener says where it listens
    _log = Logger()

    def __init__(
        self,
        resource: IResource,
        reactor: IReactorTime,
        cors: Cors,
        proxies: Proxies,
        tokens: Tokens | None = None,
        accepted: Callable[[], None] = lambda: None,
        most_channels: int | None = None,
        request_seconds: float = 15.0,
        most_incoming: int = 64 << 20,
    ) -> None:
        super().__init__(resource, reactor=reactor, parsePOSTFormSubmission=False)
        self.cors = cors
        self.proxies = proxies
        self.tokens = tokens or Tokens(reactor)
        self.request_seconds = request_seconds
        self.most_incoming = most_incoming
        self.channels = 0
        self.incoming = 0
        self.late = 0
        self.turned_away = 0
        self.left = 0
        self.responses: Counter[int] = Counter()
        self.most_channels = most_channels
        self._accepted = accepted

    def startFactory(self) -> None:
        """
        Nothing: no log file of twisted.web's, and no timer for its time stamps.
        """

    def stopFactory(self) -> None:
        """
        Nothing, likewise.
        """

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> Protocol:
        self._accepted()
        if self.most_channels is not None and self.channels >= self.most_channels:
            self.turned_away += 1
            return _TurnedAway()
        channel: BoundedChannel = super().buildProtocol(addr)
        return channel

    def acceptableProtocols(self) -> list[bytes]:
        """
        HTTP/1.1 alone; a proxy may speak HTTP/2 for us (style of one path).
        """
        return [b"http/1.1"]

    def getContentFile(self, length: int | None) -> IO[bytes]:
        """
        Where a body goes: memory, for it is bounded.
        """
        return BytesIO()

    def refusal(self, error: ApiError, peer: IAddress) -> bytes:
        """
        A whole response for a request that was not read to its end, and its log line.
        """
        self.responses[error.status] += 1
        self._log.info(
            "{address} sent what is refused: {status} {message}",
            address=getattr(peer, "host", "unix"),
            status=error.status,
            message=error.message,
        )
        body = error.body()
        lines = [
            b"HTTP/1.1 %d %b" % (error.status, error.reason),
            b"Server: " + _SERVER,
            b"Date: " + datetimeToString(),
        ]
        headers = [*self.cors.headers(None), *error.headers()]
        lines.extend(b"%b: %b" % header for header in headers)
        lines.append(b"Content-Length: %d" % len(body))
        lines.append(b"Connection: close")
        return b"%b\r\n\r\n%b" % (b"\r\n".join(lines), body)

    def log(self, request: PublicRequest) -> None:  # type: ignore[override]
        """
        One line for each request, without its query, which may hold secrets.
        """
        self.responses[request.code] += 1
        self.left += request.left
        is_check = request.path in _HEALTH_CHECKS
        log = self._log.debug if is_check else self._log.info
        visit = request.visit
        log(
            '{address} "{method} {path}" {status}{mark} {bytes} bytes in {seconds} s',
            address=visit.client.address,
            method=_readable(request.method),
            path=_readable(request.path),
            status=request.code,
            mark="!" if request.left else "",
            left=request.left,
            bytes=request.sentLength,
            seconds=round(self.reactor.seconds() - visit.began, 3),
            agent=visit.agent,
            token=visit.token,
        )


def _readable(raw: bytes) -> str:
    """
    What a client sent, for a log: short, and with nothing that a terminal would obey.
    """
    text = raw[:_LONGEST_LOGGED].decode("latin-1")
    return text.encode("unicode_escape").decode("ascii")
