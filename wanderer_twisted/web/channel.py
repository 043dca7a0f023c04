"""
HTTP/1.1 connections with bounds: on a request's head, its body, and the time that
sending both may take.

Twisted's own channel closes without a word where a head is too large, and waits for one
for as long as a byte drips in now and then.
"""

import re
from typing import TYPE_CHECKING, Any

import attrs
from twisted.internet import tcp
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request

from wanderer_twisted.web.errors import (
    ApiError,
    bad_request,
    body_too_large,
    busy,
    head_too_large,
)

if TYPE_CHECKING:
    from wanderer_twisted.web.site import PublicSite

MAX_HEAD_BYTES = 16 * 1024
MAX_HEAD_LINES = 500
MAX_BODY_BYTES = 256 * 1024  # 10,000 ids, one on each line

#: A request line with a query of bytes that Twisted takes.
_WITH_QUERY = re.compile(
    rb"(?P<before>[^ ]+ [^ ?]+)(?P<query>\?[\x21-\xb0]*)(?P<behind> [^ ]+)"
)

#: A client that sends more than this behind its last request is dropped.
MAX_BEHIND_LAST = 64 * 1024

#: Seconds during which a refused client's bytes are still taken in: closing on them
#: would reset the connection, and the refusal with it.
_LINGER_SECONDS = 2.0

#: Seconds that a client has to take what is left of its last response.
LAST_BYTES_SECONDS = 60.0


@attrs.define
class _Incoming:
    """
    The request that is being read.
    """

    deadline: IDelayedCall
    head_bytes: int = 0
    head_lines: int = 0
    body_bytes: int = 0


class BoundedChannel(HTTPChannel):
    """
    One connection. A request must be complete by an absolute deadline. There is no
    pipelining: the connection ends behind a request that has another at its heels,
    and behind a stream, so nothing is ever kept for later.

    :ivar query: of the request that is being read, with its ``?``.
    """

    MAX_LENGTH = MAX_HEAD_BYTES  # of one line
    totalHeadersSize = MAX_HEAD_BYTES + 1  # ours, below, is met first
    maxHeaders = MAX_HEAD_LINES + 1

    site: "PublicSite"
    transport: Any

    query = b""
    _incoming: _Incoming | None = None
    _lingering: IDelayedCall | None = None
    _refused = False
    _ignored = 0

    def connectionMade(self) -> None:
        super().connectionMade()
        self.site.channels += 1
        self._begin()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.site.channels -= 1
        self._end()
        if self._lingering is not None and self._lingering.active():
            self._lingering.cancel()
        super().connectionLost(reason)

    def getHost(self) -> None:
        """
        Nothing: Twisted asks for each request, which is a call of the kernel for what
        nobody wants to know.
        """

    def dataReceived(self, data: bytes) -> None:
        if self._refused:
            return
        if self._deaf:
            self._ignored += len(data)
            if self._ignored > MAX_BEHIND_LAST:
                self.transport.abortConnection()
            return
        if self._incoming is None and not self.requests:
            self._begin()
        super().dataReceived(data)

    # --- the head -------------------------------------------------------------

    def lineReceived(self, line: bytes) -> None:
        if self._refused:
            return
        incoming = self._incoming or self._begin()
        incoming.head_bytes += len(line) + len(self.delimiter)
        incoming.head_lines += bool(line)
        if incoming.head_bytes > MAX_HEAD_BYTES:
            self._refuse_head()
        elif incoming.head_lines > MAX_HEAD_LINES + 1:  # and the request line
            message = f"The request's head has over {MAX_HEAD_LINES} header lines"
            self.refuse(head_too_large(message))
        else:
            if line and incoming.head_lines == 1:
                line = self._take_query_off(line)
            super().lineReceived(line)

    def _take_query_off(self, line: bytes) -> bytes:
        """
        Keep the query of a request line from Twisted, which looks at each byte of a
        target by itself and splits the query by rules that are not ours.
        """
        match = _WITH_QUERY.fullmatch(line)
        if match is None:
            self.query = b""
            return line
        self.query = match["query"]
        return match["before"] + match["behind"]

    def headerReceived(self, line: bytes) -> bool:
        try:
            return super().headerReceived(line)
        except ValueError:  # a length of more digits than Python reads
            self._respondToBadRequestAndDisconnect()
            return False

    def lineLengthExceeded(self, line: bytes) -> None:
        self._refuse_head()

    def _refuse_head(self) -> None:
        message = f"The request's head is over {MAX_HEAD_BYTES} bytes"
        self.refuse(head_too_large(message))

    def allHeadersReceived(self) -> None:
        if self._refused:
            return
        if self.length is not None and self.length > MAX_BODY_BYTES:
            self.refuse(body_too_large(MAX_BODY_BYTES))
            return
        super().allHeadersReceived()

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        """
        End the connection behind a request that another follows at once: a queue of
        them would hold the reactor for as long as all of them take.
        """
        persistent = super().checkPersistence(request, version)
        if persistent and self.length == 0 and self._buffer:
            _say_last(request)
            return False
        return persistent

    # --- the body -------------------------------------------------------------

    def rawDataReceived(self, data: bytes) -> None:
        if self._refused:
            return
        if self._incoming is not None:
            self._incoming.body_bytes += len(data)
            self.site.incoming += len(data)
            if self.site.incoming > self.site.most_incoming:
                self.refuse(busy("Too much is coming in at once; try again soon"))
                return
        super().rawDataReceived(data)

    def _finishRequestBody(self, data: bytes) -> None:
        """
        :param data: what came behind the body; as of :meth:`checkPersistence`.
        """
        if data and self.persistent:
            _say_last(self.requests[-1])
            self.persistent = False
        super()._finishRequestBody(data)

    def allContentReceived(self) -> None:
        if self._refused:
            return
        self._end()
        if not self.persistent:
            self._forget_buffers()
        super().allContentReceived()

    # --- the end --------------------------------------------------------------

    def answer_last(self) -> None:
        """
        Take no request after the present one. What still comes is read, to notice the
        client's leaving, and not kept.
        """
        self.persistent = False
        self._forget_buffers()

    def hand_over(self, protocol: object) -> Any:
        """
        Leave the connection to *protocol*, and forget it.

        :returns: its transport.
        """
        transport = self.transport
        self._end()
        self.setTimeout(None)
        self.requests.clear()
        transport.unregisterProducer()
        # A wrapper (TLS, a proxy's protocol) has another name for it than a connection.
        wraps = hasattr(transport, "wrappedProtocol")
        setattr(transport, "wrappedProtocol" if wraps else "protocol", protocol)
        return transport

    def requestDone(self, request: Request) -> None:
        is_last = not self.persistent  # the next one, which begins here, may be
        super().requestDone(request)
        if is_last:
            self._abort_in(LAST_BYTES_SECONDS)

    @property
    def _deaf(self) -> bool:
        """
        Whether the last request that this connection takes has been read.
        """
        return not self.persistent and self._incoming is None

    def _forget_buffers(self) -> None:
        self._dataBuffer: list[bytes] = []
        self.clearLineBuffer()

    def refuse(self, error: ApiError) -> None:
        """
        Answer a request that will not be read to its end, and close.
        """
        if self._refused:
            return
        self._refused = True
        self.clearLineBuffer()
        self._end()
        self.setTimeout(None)
        self.transport.write(self.site.refusal(error, self.getPeer()))
        if isinstance(self.transport, tcp.Connection) and not self.transport.TLS:
            self.transport.unregisterProducer()
            self.transport.loseWriteConnection()
        else:
            self.loseConnection()
        self._abort_in(_LINGER_SECONDS)

    def _abort_in(self, seconds: float) -> None:
        self._lingering = self.callLater(seconds, self.transport.abortConnection)

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(bad_request("The request is not proper HTTP/1.1"))

    def _begin(self) -> _Incoming:
        seconds = self.site.request_seconds
        self._incoming = _Incoming(self.callLater(seconds, self._too_late))
        return self._incoming

    def _end(self) -> None:
        incoming, self._incoming = self._incoming, None
        if incoming is None:
            return
        self.site.incoming -= incoming.body_bytes
        if incoming.deadline.active():
            incoming.deadline.cancel()

    def _too_late(self) -> None:
        self.site.late += 1
        self._refused = True  # whatever still comes
        self.setTimeout(None)
        self.timeoutConnection()


def _say_last(request: Request) -> None:
    request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
