"""
An :class:`IClientTransport` in memory, whose other end takes what the test lets it.
"""

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from wanderer_twisted.frames import Frame, GzipStream
from wanderer_twisted.interfaces import IClientTransport


@implementer(IClientTransport)
class MemoryTransport:
    """
    :ivar waiting: written, and not taken by the client yet.
    :ivar limit: it pauses its producer while more bytes than this wait.

    :param gzip: compress.
    """

    def __init__(self, limit: int = 65536, gzip: bool = False) -> None:
        self.limit = limit
        self._gzip = GzipStream() if gzip else None
        self.waiting = b""
        self.written: list[bytes] = []
        self.producer: IPushProducer | None = None
        self.ended: str | None = None
        self._paused = False

    def open(self, producer: IPushProducer) -> None:
        assert self.producer is None, "opened twice"
        self.producer = producer
        if self.ended is not None:
            producer.stopProducing()

    def write(self, frame: Frame, end: bytes) -> int:
        chunk = frame.chunk(end)  # what HTTP/1.1 clients get
        event = chunk.partition(b"\r\n")[2].removesuffix(b"\r\n")
        assert event.endswith(b"\n\n"), f"not a whole event: {event[-80:]!r}"
        assert self.producer is not None, "written before it was opened"
        if self.ended is None:
            self.written.append(event)
            self.waiting += self._gzip.add(frame, end) if self._gzip else event
            if len(self.waiting) > self.limit:
                self._paused = True
                self.producer.pauseProducing()  # again and again, as Twisted does
        return len(event)

    def backlog(self) -> int:
        return len(self.waiting)

    def close(self) -> None:
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
