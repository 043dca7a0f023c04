"""
The way to one client: a connection that carries server-sent events and nothing else.

Klein and twisted.web see a request as far as the head of its response. Then the
connection is taken out of their hands: this small object takes the place of channel and
request, which are forgotten. An event goes to the kernel at once, in one call, where
nothing waits before it; what the kernel does not take goes through the transport's own
buffer, and so does everything where the connection is not plain TCP (TLS, a proxy's
protocol, a test's).
"""

import fcntl
import socket
import struct
import termios
from typing import Any, Final

from twisted.internet import tcp
from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import (
    IDelayedCall,
    IPushProducer,
    IReactorTime,
)
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from zope.interface import implementer

from wanderer_twisted.frames import Event, GzipStream, chunk
from wanderer_twisted.interfaces import IClientTransport
from wanderer_twisted.web.channel import LAST_BYTES_SECONDS, MAX_BEHIND_LAST
from wanderer_twisted.web.request import PublicRequest
from wanderer_twisted.web.site import PublicSite

_TYPE: Final = b"text/event-stream; charset=utf-8"

_LAST_CHUNK: Final = b"0\r\n\r\n"

#: Bytes that are held until a flush at most: as many as Twisted's buffer takes before
#: it pauses its producer, which it can't while they are here.
_MOST_HELD: Final = 64 * 1024


def set_stream_headers(headers: Headers, gzip: bool = False) -> None:
    """
    What makes a response an event stream, beside what every response has.
    """
    # What is compressed may be transformed: some proxies unpack it for who cannot.
    caching = b"no-store" if gzip else b"no-store, no-transform"
    headers.setRawHeaders(b"Content-Type", [_TYPE])
    headers.setRawHeaders(b"Cache-Control", [caching])
    headers.setRawHeaders(b"X-Accel-Buffering", [b"no"])
    if gzip:
        headers.setRawHeaders(b"Content-Encoding", [b"gzip"])


@implementer(IClientTransport)
class SSETransport:
    """
    Writes events, as chunks where the client speaks HTTP/1.1. To the connection it is
    the protocol.
    """

    __slots__ = (
        "_chunked",
        "_connection",
        "_gzip",
        "_held",
        "_idle",
        "_ignored",
        "_lingering",
        "_plainly",
        "_request",
        "_site",
        "_transport",
    )

    def __init__(self, request: PublicRequest, gzip: bool = False) -> None:
        """
        :param gzip: compress, which the client said that it can read.
        """
        self._request: PublicRequest | None = request
        self._site: PublicSite = request.site
        self._gzip = GzipStream() if gzip else None
        self._chunked = False
        self._plainly = False  # as a chunk that others get as well
        self._transport: Any = None  # None when there is no other end
        self._connection: tcp.Connection | None = None  # where we may send at once
        self._idle: socket.socket | None = None  # its socket, until something waits
        self._held: bytearray | None = None  # the head, and events until the flush
        self._ignored = 0
        self._lingering: IDelayedCall | None = None

    def open(self, producer: IPushProducer) -> None:
        """
        Take the connection over. A producer whose client is already gone is stopped at
        once, as Twisted's own consumers do.
        """
        request, self._request = self._request, None
        if request is None or request.current_channel is None:
            producer.stopProducing()
            return
        set_stream_headers(request.responseHeaders, self._gzip is not None)
        self._transport, head = request.hand_over(self)
        self._held = bytearray(head)
        self._chunked = bool(request.chunked)
        self._plainly = self._chunked and self._gzip is None
        self._transport.registerProducer(producer, True)

    def flush(self) -> None:
        held, self._held = self._held, None
        if held is not None and self._transport is not None:
            self._connection = _plain_tcp(self._transport)
            self._put(bytes(held))

    # --- events ----------------------------------------------------------------

    def write(self, event: Event) -> int:
        if self._plainly:
            data = event.chunk or event.make_chunk()
        else:
            data = self._encode(event)
        return self._put(data)

    def _encode(self, event: Event) -> bytes:
        if self._gzip is None:
            return event.plain
        data = self._gzip.add(event)
        return chunk(data) if self._chunked else data

    def _put(self, data: bytes) -> int:
        """
        Send it, at once where that can be.
        """
        idle = self._idle or self._find_idle()
        if idle is None:
            return self._wait(data)
        try:
            sent = idle.send(data)
        except OSError:  # full, or lost, which the reactor will find by itself
            sent = 0
        if sent < len(data):
            self._idle = None
            self._transport.write(data[sent:])
        return len(data)

    def _wait(self, data: bytes) -> int:
        """
        Have it go out behind what waits.
        """
        if self._transport is None:
            return 0
        if self._held is None:
            self._transport.write(data)
            self._notice_goodbye()
        else:
            self._held += data
            if len(self._held) > _MOST_HELD:
                self.flush()
        return len(data)

    def _notice_goodbye(self) -> None:
        """
        A client that ends TLS while we are paused leaves a connection that Twisted does
        not read any more, and does not close: nothing else would tell of its end.
        """
        connection = _beneath(self._transport)
        if connection is not None and connection.disconnecting:
            self._transport.abortConnection()

    def _find_idle(self) -> socket.socket | None:
        """
        The socket, where we may send at once: nothing waits in the transport's buffer,
        which nobody but we fill.
        """
        connection = self._connection
        # _tempDataLen is Twisted's own; a test fails when it is renamed.
        if connection is None or connection.dataBuffer or connection._tempDataLen:
            return None
        self._idle = connection.socket
        return self._idle

    def backlog(self) -> int:
        return 0 if self._transport is None else unsent(self._transport)

    def close(self) -> None:
        transport, self._transport = self._transport, None
        self._connection = self._idle = None
        # Where it is the client that left, there is nobody to tell.
        if transport is None or getattr(transport, "disconnected", False):
            return
        last = b"" if self._gzip is None else self._gzip.finish()
        if self._chunked:
            last = (chunk(last) if last else b"") + _LAST_CHUNK
        last = bytes(self._held or b"") + last
        transport.unregisterProducer()
        if last:
            transport.write(last)
        transport.loseConnection()
        clock: IReactorTime = self._site.reactor
        self._lingering = clock.callLater(LAST_BYTES_SECONDS, transport.abortConnection)

    def abort(self) -> None:
        transport, self._transport = self._transport, None
        self._connection = self._idle = None
        if transport is not None:
            transport.unregisterProducer()
            transport.abortConnection()

    # --- the connection's protocol -----------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """
        Read what a client sends behind its request, to notice that it leaves.
        """
        self._ignored += len(data)
        if self._ignored > MAX_BEHIND_LAST and self._transport is not None:
            self._transport.abortConnection()

    def connectionLost(self, reason: Failure) -> None:
        """
        The producer was stopped by the transport just before.
        """
        self._transport = self._connection = self._idle = None
        self._site.channels -= 1
        lingering, self._lingering = self._lingering, None
        if lingering is not None and lingering.active():
            lingering.cancel()


def _plain_tcp(transport: Any) -> tcp.Connection | None:
    """
    The connection itself, where nothing lies between it and us.
    """
    if isinstance(transport, tcp.Connection) and not transport.TLS:
        return transport
    return None


def unsent(transport: Any) -> int:
    """
    Bytes in the transport's buffer and in the kernel's.
    """
    connection = _beneath(transport)
    if connection is None or connection.disconnected:  # its buffer is left as it was
        return 0
    # _tempDataLen is Twisted's own; a test fails when it is renamed.
    buffered = len(connection.dataBuffer) - connection.offset + connection._tempDataLen
    try:
        answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, ValueError):  # closed meanwhile
        return buffered
    return buffered + struct.unpack("i", answer)[0]


def _beneath(transport: Any) -> Any:
    """
    The connection under TLS and other wrappers; None where there is none (tests).
    """
    while transport is not None and not isinstance(transport, FileDescriptor):
        transport = getattr(transport, "transport", None)
    return transport
