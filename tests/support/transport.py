"""
Ways to a client in memory, whose other end takes what the test lets it.
"""

from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IPushProducer
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from zope.interface import implementer

from wanderer_twisted.frames import Event, GzipStream
from wanderer_twisted.interfaces import IClientTransport


@implementer(IClientTransport)
class MemoryTransport:
    """
    The interface, and no more.

    :ivar waiting: written, and not taken by the client yet.
    :ivar limit: it pauses its producer while more bytes than this wait.

    :param gzip: compress.
    """

    def __init__(self, limit: int = 65536, gzip: bool = False) -> None:
        self.limit = limit
        self._gzip = GzipStream() if gzip else None
        self.waiting = b""
        self._held: bytes | None = b""
        self.written: list[bytes] = []
        self.producer: IPushProducer | None = None
        self.ended: str | None = None
        self._paused = False

    def open(self, producer: IPushProducer) -> None:
        assert self.producer is None, "opened twice"
        self.producer = producer
        if self.ended is not None:
            producer.stopProducing()

    def write(self, event: Event) -> int:
        chunk = event.chunk or event.make_chunk()  # what HTTP/1.1 clients get
        plain = chunk.partition(b"\r\n")[2].removesuffix(b"\r\n")
        assert plain.endswith(b"\n\n"), f"not a whole event: {plain[-80:]!r}"
        assert self.producer is not None, "written before it was opened"
        if self.ended is None:
            self.written.append(plain)
            self._put(self._gzip.add(event) if self._gzip else plain)
        return len(plain)

    def flush(self) -> None:
        held, self._held = self._held, None
        if held and self.ended is None:
            self._put(held)

    def _put(self, data: bytes) -> None:
        if self._held is not None:
            self._held += data
            if len(self._held) > self.limit:
                self.flush()
            return
        self.waiting += data
        if len(self.waiting) > self.limit:
            self._paused = True
            assert self.producer is not None
            self.producer.pauseProducing()  # again and again, as Twisted does

    def backlog(self) -> int:
        return len(self.waiting)

    def close(self) -> None:
        self.flush()
        if self.ended is None and self._gzip:
            self.waiting += self._gzip.finish()
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = self.ended or "aborted"
        self.waiting = b""

    def take(self, size: int | None = None) -> bytes:
        """
        The client reads; an emptied buffer resumes the producer.
        """
        taken = self.waiting if size is None else self.waiting[:size]
        self.waiting = self.waiting[len(taken) :]
        if not self.waiting and self._paused and self.ended is None:
            self._paused = False
            assert self.producer is not None
            self.producer.resumeProducing()
        return taken

    def lose(self) -> None:
        """
        The connection breaks.
        """
        if self.ended is None:
            self.ended = "lost"
            self.waiting = b""
            if self.producer is not None:
                self.producer.stopProducing()


class Descriptor(FileDescriptor):
    """
    Twisted's own buffer, over a kernel that takes what the test lets it.
    """

    def __init__(self, clock: MemoryReactorClock, protocol: Any) -> None:
        super().__init__(clock)
        self.connected = 1
        self.room = 0
        self.received = b""
        self.why: Failure | None = None
        self._clock = clock
        self.protocol = protocol
        protocol.makeConnection(self)

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "203.0.113.1", 80)

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "203.0.113.7", 40000)

    def fileno(self) -> int:
        return -1

    def writeSomeData(self, data: bytes) -> int:  # noqa: N802
        taken = bytes(data[: self.room])
        self.received += taken
        self.room -= len(taken)
        return len(taken)

    def take(self, size: int) -> None:
        self.room = size
        while self.room and self in self._clock.getWriters():  # as the reactor does
            why = self.doWrite()
            if why is not None and self.connected:
                self.connectionLost(Failure(why))

    def abortConnection(self) -> None:
        self._clock.callLater(0, self.connectionLost, Failure(ConnectionAborted()))

    def connectionLost(self, reason: Failure) -> None:
        self.why = reason
        super().connectionLost(reason)
        self.protocol.connectionLost(reason)
