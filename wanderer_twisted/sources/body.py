"""
Reading the body of an answer: bounded, decoded, and never left half open.
"""

import zlib

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from wanderer_twisted.interfaces import UpstreamError

_GZIP = 16 + zlib.MAX_WBITS


class BadAnswer(UpstreamError):
    """
    An upstream answered, but with nothing that can be used.
    """


class Body(Protocol):
    """
    Collects a body. Whatever ends it early (too large, broken gzip, cancellation)
    closes the connection: that is the only way to stop a peer that goes on, or hangs.

    :ivar done: fires with the decoded body; :exc:`BadAnswer` if it is too large or
        broken, Twisted's reason if the connection ended before it.
    """

    def __init__(self, limit: int, encoding: str = "") -> None:
        """
        :param limit: decoded bytes.
        :param encoding: the answer's ``Content-Encoding``.
        """
        self._encoding = encoding.strip().lower()
        self.done: Deferred[bytes] = Deferred(self._close)
        self._limit = limit
        self._room = limit
        self._parts: list[bytes] = []
        gzipped = self._encoding in ("gzip", "x-gzip")
        self._gzip = zlib.decompressobj(_GZIP) if gzipped else None
        self._began = False

    def connectionMade(self) -> None:
        if self._gzip is None and self._encoding not in ("", "identity"):
            self._fail(f"Encoded as {self._encoding[:40]!r}, where gzip was offered")

    def dataReceived(self, data: bytes) -> None:
        if self.done.called:
            return  # a closing connection may still deliver
        self._began = True
        try:
            part = data if self._gzip is None else self._decode(self._gzip, data)
        except (zlib.error, BadAnswer) as error:
            self._fail(f"Broken gzip: {error}")
            return
        self._room -= len(part)
        if self._room < 0:
            self._fail(f"The body is larger than {self._limit} bytes")
        else:
            self._parts.append(part)

    def _decode(self, gzip: "zlib._Decompress", data: bytes) -> bytes:
        # One byte more than there is room for shows a bomb without inflating it.
        part = gzip.decompress(data, self._room + 1)
        if gzip.unused_data:
            raise BadAnswer("more data behind its end")
        return part

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.done.called:
            return
        # Without a length the end of the connection is the end of the body; whether
        # all came is for gzip and JSON to find out.
        if not reason.check(ResponseDone, PotentialDataLoss):
            self.done.errback(reason)
        elif self._gzip is not None and self._began and not self._gzip.eof:
            self.done.errback(BadAnswer("Broken gzip: it ends too early"))
        else:
            self.done.callback(b"".join(self._parts))

    def _fail(self, reason: str) -> None:
        self._parts.clear()
        self.done.errback(BadAnswer(reason))
        self._close()

    def _close(self, _: object = None) -> None:
        if self.transport is not None:
            self.transport.loseConnection()
