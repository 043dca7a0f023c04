"""
The way to one client: server-sent events over a request of twisted.web.
"""

import fcntl
import socket
import struct
import termios
from typing import Any

from twisted.internet import tcp
from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import IPushProducer
from twisted.web.http_headers import Headers
from zope.interface import implementer

from wanderer_twisted.frames import Frame, GzipStream
from wanderer_twisted.interfaces import IClientTransport
from wanderer_twisted.web.site import PublicRequest

_TYPE = b"text/event-stream; charset=utf-8"

#: A peer that acknowledges nothing for a minute is gone, or never reads. After 20 s of
#: silence the kernel asks, every 10 s, whether it is there.
_USER_TIMEOUT_MS, _KEEPALIVE_IDLE, _KEEPALIVE_INTERVAL = 60_000, 20, 10


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
    Writes events as chunks of a response.

    After a disconnect the request has no channel any more, and most of what twisted.web
    offers raises; here that is nothing to do.
    """

    def __init__(self, request: PublicRequest, gzip: bool = False) -> None:
        """
        :param gzip: compress, which the client said that it can read.
        """
        self._request = request
        self._gzip = GzipStream() if gzip else None

    def open(self, producer: IPushProducer) -> None:
        """
        Send the head. A producer whose client is already gone is stopped at once, as
        Twisted's own consumers do.
        """
        channel = self._request.current_channel
        if channel is None:
            producer.stopProducing()
            return
        _watch_peer(channel.transport)
        set_stream_headers(self._request.responseHeaders, self._gzip is not None)
        self._request.answer_last()
        self._request.registerProducer(producer, True)  # before the first write
        self._request.write(b"")  # the head alone: no chunk
        self._request.forget()

    def write(self, frame: Frame, end: bytes) -> int:
        if self._request.current_channel is None:
            return 0
        gzip = self._gzip
        data = frame.plain + end if gzip is None else gzip.add(frame, end)
        self._request.write(data)
        return len(data)

    def backlog(self) -> int:
        channel = self._request.current_channel
        if channel is None:
            return 0
        return unsent(channel.transport)

    def close(self) -> None:
        """
        Leave the end of the response to the handler, which ends with the stream.
        """
        if self._request.current_channel is not None:
            if self._gzip is not None:
                self._request.write(self._gzip.finish())
            self._request.unregisterProducer()

    def abort(self) -> None:
        channel = self._request.current_channel
        if channel is not None:
            self._request.unregisterProducer()
            channel.transport.abortConnection()


def _watch_peer(transport: Any) -> None:
    """
    Have the kernel notice a peer that vanished: nothing else does before a write
    fails, and writes fail late.
    """
    connection = _beneath(transport)
    if not isinstance(connection, tcp.Connection):
        return
    handle = connection.socket
    if handle.family == socket.AF_UNIX or not hasattr(socket, "TCP_USER_TIMEOUT"):
        return
    connection.setTcpKeepAlive(True)
    for option, value in (
        (socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE),
        (socket.TCP_KEEPINTVL, _KEEPALIVE_INTERVAL),
        (socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS),
    ):
        handle.setsockopt(socket.IPPROTO_TCP, option, value)


def unsent(transport: Any) -> int:
    """
    Bytes in the transport's buffer and in the kernel's.
    """
    connection = _beneath(transport)
    if connection is None:
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
