"""
The public site: its connections, counted and bounded, and a line in the log for each
request, however it ends.
"""

from collections import Counter
from collections.abc import Callable
from io import BytesIO
from typing import IO, Any

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.web.http import datetimeToString
from twisted.web.resource import IResource
from twisted.web.server import Site

from wanderer_twisted.web.addresses import Proxies
from wanderer_twisted.web.channel import BoundedChannel
from wanderer_twisted.web.cors import Cors
from wanderer_twisted.web.errors import ApiError
from wanderer_twisted.web.request import SERVER, PublicRequest, readable
from wanderer_twisted.web.tokens import Tokens

#: Asked for every few seconds by machines; nobody wants to read that.
_HEALTH_CHECKS = frozenset(
    [b"/ping", b"/health", b"/health/live", b"/status", b"/metrics"]
)


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
            b"Server: " + SERVER,
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
            method=readable(request.method),
            path=readable(request.path),
            status=request.code,
            mark="!" if request.left else "",
            left=request.left,
            bytes=request.sentLength,
            seconds=round(self.reactor.seconds() - visit.began, 3),
            agent=visit.agent,
            token=visit.token,
        )
