"""
Ports: bound at once or not at all, and paused in a storm.
"""

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from zope.interface import implementer

from tests.support.cases import SyncCase
from wanderer_twisted.web.listening import AcceptRate, Listener


@implementer(IListeningPort)
class FakePort(FileDescriptor):
    """
    A port that knows whether it is read.
    """

    reading = True
    listening = True

    def startReading(self) -> None:  # noqa: N802
        self.reading = True

    def stopReading(self) -> None:  # noqa: N802
        self.reading = False

    def startListening(self) -> None:  # noqa: N802
        pass

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", 4004)

    def stopListening(self) -> Deferred[None]:  # noqa: N802
        self.listening = self.reading = False
        return succeed(None)


@implementer(IStreamServerEndpoint)
class FakeEndpoint:
    def __init__(self, answer: Deferred[IListeningPort]) -> None:
        self.answer = answer

    def listen(self, protocolFactory: object) -> Deferred[IListeningPort]:  # noqa: N803
        return self.answer


class AcceptRateTests(SyncCase):
    """
    How many connections are taken in a second.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(100.25)
        self.rate = AcceptRate(self.clock, per_second=10)
        self.ports = [FakePort(), FakePort()]
        for port in self.ports:
            self.rate.watch(port)

    def accept(self, count: int) -> None:
        for _ in range(count):
            self.rate.accepted()

    @property
    def reading(self) -> list[bool]:
        return [port.reading for port in self.ports]

    def test_below(self) -> None:
        """
        Below the limit nothing happens, second after second.
        """
        for _ in range(5):
            self.accept(9)
            self.assertEqual(self.reading, [True, True])
            self.clock.advance(1)
        self.assertEqual((self.rate.pauses, self.clock.getDelayedCalls()), (0, []))

    def test_over(self) -> None:
        """
        At the limit all ports pause for the rest of the second, then go on.
        """
        self.accept(4)
        self.clock.advance(0.75)
        self.accept(6)
        self.assertEqual(self.reading, [False, False])
        self.clock.advance(0.125)
        self.assertEqual(self.reading, [False, False])
        self.clock.advance(0.125)
        self.assertEqual(self.reading, [True, True])
        self.accept(9)
        self.assertEqual(self.reading, [True, True])
        self.accept(1)
        self.assertEqual((self.reading, self.rate.pauses), ([False, False], 2))

    def test_accepted_all_the_same(self) -> None:
        """
        What the port still takes in the turn of the pause does not pause it twice.
        """
        self.accept(50)
        self.assertEqual(self.rate.pauses, 1)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_clock_steps_back(self) -> None:
        """
        A clock that steps back starts a new second.
        """
        self.accept(9)
        self.clock.rightNow -= 3600
        self.accept(9)
        self.assertEqual(self.reading, [True, True])

    def test_closed_meanwhile(self) -> None:
        """
        A port that was closed is not read again, and the last leaves no timer.
        """
        self.accept(10)
        self.rate.forget(self.ports[0])
        self.clock.advance(1)
        self.assertEqual(self.reading, [False, True])
        self.accept(10)
        self.rate.forget(self.ports[1])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ListenerTests(SyncCase):
    """
    The service.
    """

    def listener(self, answer: Deferred[IListeningPort]) -> Listener:
        rate = AcceptRate(Clock(), 10)
        return Listener(FakeEndpoint(answer), Factory(), rate)

    def test_bound(self) -> None:
        """
        It listens while it runs.
        """
        port = FakePort()
        listener = self.listener(succeed(port))
        listener.privilegedStartService()
        listener.startService()
        self.assertIs(listener.port, port)
        self.successResultOf(listener.stopService() or succeed(None))
        self.assertEqual((port.listening, listener.port), (False, None))

    def test_bound_by_start_alone(self) -> None:
        """
        A parent that was started long ago does not do the privileged part.
        """
        port = FakePort()
        listener = self.listener(succeed(port))
        listener.startService()
        self.assertIs(listener.port, port)

    def test_not_to_be_had(self) -> None:
        """
        A port that cannot be bound is raised at once, which stops the start.
        """
        error = CannotListenError("127.0.0.1", 4004, OSError("in use"))
        listener = self.listener(fail(error))
        self.assertRaises(CannotListenError, listener.privilegedStartService)
        self.assertIsNone(listener.stopService())

    def test_stopped_before_bound(self) -> None:
        """
        Stopping gives up an attempt that is under way.
        """
        cancelled: list[object] = []
        listener = self.listener(Deferred(cancelled.append))
        listener.startService()
        self.assertIsNone(listener.stopService())
        self.assertEqual(len(cancelled), 1)
