"""
The way to a client, real and in memory, against the same contract.
"""

import gzip
import zlib
from typing import Any

from twisted.internet.error import ConnectionAborted, ConnectionLost
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.support.cases import SyncCase
from tests.support.transport import Descriptor, MemoryTransport
from tests.support.web import chunks
from wanderer_twisted.frames import GZIP_HEAD, Event, Frame, chunk
from wanderer_twisted.interfaces import IClientTransport
from wanderer_twisted.web.addresses import Proxies
from wanderer_twisted.web.cors import Cors
from wanderer_twisted.web.request import PublicRequest
from wanderer_twisted.web.site import PublicSite
from wanderer_twisted.web.transport import SSETransport, unsent

FRAME = Frame("x", b"data: " + b"x" * 10_000 + b"\n")
END = b"id: y\n\n"
EVENT = FRAME.plain + END


@implementer(IPushProducer)
class Producer:
    """
    One that counts what it is told; pausing it twice is pausing it.
    """

    paused = False
    stops = 0

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False

    def stopProducing(self) -> None:
        self.stops += 1


class InMemory:
    """
    The fake and its other end.
    """

    def __init__(self) -> None:
        self.transport = self._transport = MemoryTransport()
        self.received = b""

    def take(self, size: int | None = None) -> None:
        self.received += self._transport.take(size)

    def lose(self) -> None:
        self._transport.lose()

    def close(self) -> None:
        self.transport.close()

    @property
    def ended(self) -> bool:
        return self._transport.ended == "closed"

    @property
    def dropped(self) -> bool:
        return self._transport.ended == "aborted"


class _Stream(Resource):
    isLeaf = True
    request: PublicRequest

    def render_GET(self, request: Any) -> int:  # noqa: N802
        self.request = request
        request.notifyFinish().addErrback(lambda _: None)
        return NOT_DONE_YET


class OverHttp:
    """
    The real one, over a request of the public site, and its other end.
    """

    def __init__(self, gzip: bool = False) -> None:
        self._clock = MemoryReactorClock()
        resource = _Stream()
        site = PublicSite(resource, self._clock, Cors(("*",)), Proxies(()))
        channel = site.buildProtocol(None)
        assert channel is not None
        self._peer = Descriptor(self._clock, channel)
        channel.dataReceived(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self._request = resource.request
        self.transport = SSETransport(self._request, gzip)

    @property
    def received(self) -> bytes:
        return b"".join(chunks(self._peer.received))

    def take(self, size: int | None = None) -> None:
        self._peer.take(1 << 30 if size is None else size)

    def lose(self) -> None:
        self._peer.connectionLost(Failure(ConnectionLost()))

    def close(self) -> None:
        self.transport.close()

    @property
    def ended(self) -> bool:
        return self._peer.received.endswith(b"\r\n0\r\n\r\n") and (
            self._peer.disconnected == 1
        )

    @property
    def dropped(self) -> bool:
        self._clock.advance(0)
        return self._peer.why is not None and bool(
            self._peer.why.check(ConnectionAborted)
        )


class TransportContract:
    """
    What the way to a client does.
    """

    make: Any

    def setUp(self: Any) -> None:
        self.end = self.make()
        self.transport = self.end.transport
        self.producer = Producer()

    def open(self: Any) -> None:
        self.transport.open(self.producer)
        self.transport.flush()
        self.end.take()

    def test_events(self: Any) -> None:
        """
        Events come as they were written.
        """
        self.assertTrue(verifyObject(IClientTransport, self.transport))
        self.open()
        for event in (b"data: 1\n", b"data: 2\n"):
            self.transport.write(Event(Frame("x", event), b"\n"))
        self.end.take()
        self.assertEqual(self.end.received, b"data: 1\n\ndata: 2\n\n")
        self.assertFalse(self.producer.paused)

    def test_held(self: Any) -> None:
        """
        The first events come together, in their order, when all are there.
        """
        self.transport.open(self.producer)
        self.transport.write(Event(FRAME, END))
        self.transport.write(Event(FRAME, b"id: z\n\n"))
        self.end.take()
        self.assertEqual(self.end.received, b"")
        self.transport.flush()
        self.transport.write(Event(FRAME, END))
        self.end.take()
        expected = EVENT + FRAME.plain + b"id: z\n\n" + EVENT
        self.assertEqual(self.end.received, expected)

    def test_much_held(self: Any) -> None:
        """
        Many events are not held: their producer is paused as ever.
        """
        self.transport.open(self.producer)
        for _ in range(20):
            self.transport.write(Event(FRAME, END))
        self.assertTrue(self.producer.paused)
        self.transport.flush()
        self.end.take()
        self.assertEqual(self.end.received, 20 * EVENT)

    def test_closed_while_held(self: Any) -> None:
        """
        A response that is closed before the flush ends behind all that was written.
        """
        self.transport.open(self.producer)
        self.transport.write(Event(FRAME, END))
        self.end.close()
        self.transport.flush()
        self.end.take()
        self.assertEqual(self.end.received, EVENT)
        self.assertTrue(self.end.ended)
        self.use_in_vain()

    def test_backlog(self: Any) -> None:
        """
        The backlog grows with what is written and falls as the client takes it.
        """
        self.open()
        self.assertEqual(self.transport.backlog(), 0)
        self.transport.write(Event(FRAME, END))
        whole = self.transport.backlog()
        self.assertGreaterEqual(whole, len(EVENT))
        self.end.take(4000)
        self.assertEqual(self.transport.backlog(), whole - 4000)
        self.end.take()
        self.assertEqual(self.transport.backlog(), 0)

    def test_pausing(self: Any) -> None:
        """
        A producer is paused while much waits, may write on, and is resumed.
        """
        self.open()
        for _ in range(6):
            self.transport.write(Event(FRAME, END))
        self.assertFalse(self.producer.paused)
        for _ in range(6):
            self.transport.write(Event(FRAME, END))
        self.assertTrue(self.producer.paused)
        self.end.take(30_000)
        self.assertTrue(self.producer.paused)
        self.end.take()
        self.assertFalse(self.producer.paused)
        self.assertEqual(self.end.received, 12 * EVENT)

    def test_close(self: Any) -> None:
        """
        A response that is closed ends behind all that was written.
        """
        self.open()
        self.transport.write(Event(FRAME, END))
        self.end.close()
        self.end.take()
        self.assertEqual(self.end.received, EVENT)
        self.assertTrue(self.end.ended)
        self.assertEqual(self.producer.stops, 0)
        self.use_in_vain()

    def test_abort(self: Any) -> None:
        """
        A connection that is dropped takes along what was written.
        """
        self.open()
        self.transport.write(Event(FRAME, END))
        self.transport.abort()
        self.assertTrue(self.end.dropped)
        self.assertEqual(self.transport.backlog(), 0)
        self.end.take()
        self.assertEqual(self.end.received, b"")
        self.assertEqual(self.producer.stops, 0)
        self.use_in_vain()

    def test_lost(self: Any) -> None:
        """
        A lost client stops the producer, once, and leaves nothing to be done.
        """
        self.open()
        self.transport.write(Event(FRAME, END))
        self.end.lose()
        self.assertEqual(self.producer.stops, 1)
        self.use_in_vain()
        self.assertEqual(self.producer.stops, 1)

    def test_lost_before(self: Any) -> None:
        """
        Where the client has gone before, the producer is stopped as it is registered.
        """
        self.end.lose()
        self.transport.open(self.producer)
        self.assertEqual(self.producer.stops, 1)
        self.use_in_vain()

    def use_in_vain(self: Any) -> None:
        """
        Nothing raises, and nothing waits, once there is no other end.
        """
        before = self.end.received
        self.transport.write(Event(FRAME, END))
        self.assertEqual(self.transport.backlog(), 0)
        for end in (self.transport.close, self.transport.abort) * 2:
            end()
        self.assertEqual(self.transport.backlog(), 0)
        self.assertEqual(self.end.received, before)


class MemoryTransportTest(TransportContract, SyncCase):
    """
    The fake.
    """

    make = InMemory


class SSETransportTest(TransportContract, SyncCase):
    """
    The real one.
    """

    make = OverHttp


class UnsentTest(SyncCase):
    """
    What a connection has not sent.
    """

    def test_gone(self) -> None:
        """
        One that is gone sends nothing any more, though Twisted leaves its buffer.
        """
        descriptor = Descriptor(MemoryReactorClock(), Protocol())
        descriptor.write(b"x" * 1000)
        self.assertEqual(unsent(descriptor), 1000)
        descriptor.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(unsent(descriptor), 0)


class GzipTest(SyncCase):
    """
    The real one, compressed.
    """

    def setUp(self) -> None:
        self.end = OverHttp(gzip=True)
        self.end.transport.open(Producer())
        self.end.transport.flush()

    def test_each_at_once(self) -> None:
        """
        A client that unpacks what it gets has each event as soon as it is written, and
        the size of what is sent is told.
        """
        unpacking = zlib.decompressobj(31)
        seen = 0
        for number in range(5):
            size = self.end.transport.write(Event(FRAME, b"id: %d\n\n" % number))
            self.end.take()
            received, seen = self.end.received[seen:], len(self.end.received)
            whole = FRAME.plain + b"id: %d\n\n" % number
            self.assertEqual(unpacking.decompress(received), whole)
            self.assertEqual(len(chunk(received)), size)
            self.assertLess(size, len(FRAME.plain))

    def test_one_event_one_chunk(self) -> None:
        """
        Each event is one chunk, the head of the whole with the first.
        """
        for _ in range(3):
            self.end.transport.write(Event(FRAME, END))
        self.end.take()
        parts = chunks(self.end._peer.received)
        self.assertEqual(len(parts), 3)
        self.assertEqual(parts[0], GZIP_HEAD + parts[1])

    def test_close(self) -> None:
        """
        One that is closed ends as a gzip file does, and is checked as one.
        """
        for _ in range(3):
            self.end.transport.write(Event(FRAME, END))
        self.end.close()
        self.end.take()
        self.assertEqual(gzip.decompress(self.end.received), 3 * EVENT)
        self.assertTrue(self.end.ended)

    def test_close_before_all(self) -> None:
        """
        So does one without an event.
        """
        self.end.close()
        self.end.take()
        self.assertEqual(gzip.decompress(self.end.received), b"")

    def test_after_the_end(self) -> None:
        """
        Nothing is sent, and nothing raises, once there is no other end.
        """
        self.end.lose()
        self.assertEqual(self.end.transport.write(Event(FRAME, END)), 0)
        self.end.transport.close()
        self.assertEqual(self.end.received, b"")

    def test_headers(self) -> None:
        """
        The head says that it is compressed, and does not forbid what has been done.
        """
        self.end.transport.write(Event(FRAME, END))
        self.end.take()
        head = self.end._peer.received.partition(b"\r\n\r\n")[0].split(b"\r\n")
        self.assertIn(b"Content-Encoding: gzip", head)
        self.assertIn(b"Cache-Control: no-store", head)
