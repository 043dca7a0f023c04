"""
One public request: who asks, and an answer to every mishap.
"""

import re
from collections.abc import Iterable
from sys import intern
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import attrs
from twisted.python.failure import Failure
from twisted.web.http import datetimeToString
from twisted.web.iweb import INonQueuedRequestFactory
from twisted.web.resource import IResource
from twisted.web.server import Request
from zope.interface import provider

from wanderer_twisted import SERVER_NAME
from wanderer_twisted.web.addresses import Client
from wanderer_twisted.web.channel import MAX_BODY_BYTES, BoundedChannel
from wanderer_twisted.web.errors import ApiError, bad_request, body_too_large, internal
from wanderer_twisted.web.tokens import Holder

if TYPE_CHECKING:
    from wanderer_twisted.web.site import PublicSite

SERVER = SERVER_NAME.encode()
_LONGEST_LOGGED = 200
_ORIGIN = re.compile(rb"https?://[^/?]+", re.IGNORECASE)


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
        self.uri = _without_origin(self.uri + channel.query)
        self.path = self.uri.partition(b"?")[0]
        forwarded = self.requestHeaders.getRawHeaders(b"X-Forwarded-For", [])
        peer = getattr(self.getClientAddress(), "host", None)
        self.visit = Visit(
            client=self.site.proxies.client(peer, forwarded),
            agent=intern(readable(self.getHeader(b"User-Agent") or b"")),
            began=self.site.reactor.seconds(),
        )
        fault = self._find_fault()
        if fault is None:
            super().process()
        else:
            self.setHeader(b"Date", datetimeToString())
            self._set_common_headers()
            self.answer_error(bad_request(fault))

    def _find_fault(self) -> str | None:
        """
        What is wrong with the target.
        """
        if not self.path.startswith(b"/"):
            return "The request's target is not a path"
        try:
            unquote_to_bytes(self.path).decode("utf-8")
        except UnicodeDecodeError:
            return "The request's path is not valid UTF-8"
        return None

    def getRequestHostname(self) -> bytes:
        """
        Not the client's: routing needs none, and stumbles over one that is no name.
        """
        return b"localhost"

    def render(self, resource: IResource) -> None:
        self._set_common_headers()
        super().render(resource)

    def _set_common_headers(self) -> None:
        self.setHeader(b"Server", SERVER)
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
        self._log.failure("{path} failed", reason, path=readable(self.path))
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


def _without_origin(target: bytes) -> bytes:
    """
    A target as clients of proxies write it has the server's name before the path; a
    server must take it as well (RFC 9112, section 3.2.2).
    """
    origin = _ORIGIN.match(target)
    if origin is None:
        return target
    rest = target[origin.end() :]
    return rest if rest.startswith(b"/") else b"/" + rest


def readable(raw: bytes) -> str:
    """
    What a client sent, for a log: short, and with nothing that a terminal would obey.
    """
    text = raw[:_LONGEST_LOGGED].decode("latin-1")
    return text.encode("unicode_escape").decode("ascii")
