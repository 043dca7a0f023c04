"""
Reading the body of an answer: bounded, decoded, and never left half open.
"""

import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from wanderer_twisted.interfaces import UpstreamError

_GZIP = 16 + zlib.MAX_WBITS

#: Bytes that are inflated at a time.
_STEP: Final = 1 << 20


class BadAnswer(UpstreamError):
    """
    An upstream answered, but with nothing that can be used.
    """


class NotKept(OSError):
    """
    The file that a body goes to cannot be written, the disk being full for instance: no
    fault of the upstream's.
    """


class Body(Protocol):
    """
    Collects a body, or writes it to a file as it comes. Whatever ends it early (too
    large, broken gzip, cancellation) closes the connection: that is the only way to
    stop a peer that goes on, or hangs.

    :ivar done: fires with the decoded body, empty where it went to a file;
        :exc:`BadAnswer` if it is too large or broken, :exc:`NotKept` if the file fails,
        Twisted's reason if the connection ended before it.
    """

    def __init__(
        self, limit: int, encoding: str = "", sink: BinaryIO | None = None
    ) -> None:
        """
        :param limit: decoded bytes.
        :param encoding: the answer's ``Content-Encoding``.
        :param sink: where the decoded body goes; None to collect it.
        """
        self._sink = sink
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
            told = self._encoding[:40]
            self._fail(BadAnswer(f"Encoded as {told!r}, where gzip was offered"))

    def dataReceived(self, data: bytes) -> None:
        if self.done.called:
            return  # a closing connection may still deliver
        self._began = True
        try:
            for part in self._decoded(data):
                self._room -= len(part)
                if self._room < 0:
                    self._fail(
                        BadAnswer(f"The body is larger than {self._limit} bytes")
                    )
                    return
                self._keep(part)
        except (zlib.error, BadAnswer) as error:
            self._fail(BadAnswer(f"Broken gzip: {error}"))
        except NotKept as error:
            self._fail(error)

    def _decoded(self, data: bytes) -> Iterator[bytes]:
        """
        In steps, so that a bomb is seen long before it has gone off.
        """
        gzip = self._gzip
        if gzip is None:
            yield data
            return
        while data:
            # One byte more than there is room for shows that it is too much.
            yield gzip.decompress(data, min(_STEP, self._room + 1))
            if gzip.unused_data:
                raise BadAnswer("more data behind its end")
            data = gzip.unconsumed_tail

    def _keep(self, part: bytes) -> None:
        if self._sink is None:
            self._parts.append(part)
            return
        try:
            self._sink.write(part)
        except OSError as error:
            raise NotKept(error.errno, error.strerror) from error

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

    def _fail(self, error: Exception) -> None:
        self._parts.clear()
        self.done.errback(error)
        self._close()

    def _close(self, _: object = None) -> None:
        if self.transport is not None:
            self.transport.loseConnection()
