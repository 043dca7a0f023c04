"""
Listening: a port that cannot be had stops the start, and one that is stormed pauses.
"""

import socket
from typing import Final

from twisted.application.service import Service
from twisted.internet import tcp, unix
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IListeningPort,
    IProtocolFactory,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.logger import Logger
from twisted.python.failure import Failure

#: Connections that wait in the kernel until they are accepted, where the endpoint does
#: not say (the kernel has a maximum of its own, net.core.somaxconn). Over Twisted's 50
#: a connecting client hears nothing and tries again after one second, then two, ...
_BACKLOG: Final = 4096
_TWISTED_BACKLOG: Final = 50

#: A peer that acknowledges nothing for a minute is gone, or never reads. After 20 s of
#: silence the kernel asks, every 10 s, whether it is there.
_USER_TIMEOUT_MS, _KEEPALIVE_IDLE, _KEEPALIVE_INTERVAL = 60_000, 20, 10


class AcceptRate:
    """
    Over so many connections in a second nobody is refused: all ports pause for the
    rest of it, and who comes meanwhile waits in the kernel's queue.

    :ivar pauses: how often that happened.
    """

    def __init__(self, clock: IReactorTime, per_second: int) -> None:
        self.pauses = 0
        self._clock = clock
        self.per_second = per_second
        self._since = clock.seconds()
        self._count = 0
        self._resume: IDelayedCall | None = None
        self._ports: list[IListeningPort] = []

    def accepted(self) -> None:
        now = self._clock.seconds()
        if not 0 <= now - self._since < 1:  # a clock may step back
            self._since, self._count = now, 0
        self._count += 1
        if self._count >= self.per_second and self._resume is None:
            self.pauses += 1
            self._resume = self._clock.callLater(self._since + 1 - now, self._go_on)
            for port in self._ports:
                _set_reading(port, False)

    def watch(self, port: IListeningPort) -> None:
        self._ports.append(port)

    def forget(self, port: IListeningPort) -> None:
        self._ports.remove(port)
        if not self._ports and self._resume is not None:
            self._resume.cancel()
            self._resume = None

    def _go_on(self) -> None:
        self._resume = None
        self._since, self._count = self._clock.seconds(), 0
        for port in self._ports:
            _set_reading(port, True)


def _set_reading(port: IListeningPort, on: bool) -> None:
    if isinstance(port, FileDescriptor):  # so is every real one
        if on:
            port.startReading()
        else:
            port.stopReading()


def _watch_peers(port: tcp.Port) -> None:
    """
    Have the kernel notice peers that vanished: nothing else does before a write fails,
    and writes fail late. Connections inherit it from what they were accepted on.
    """
    if isinstance(port, unix.Port) or not hasattr(socket, "TCP_USER_TIMEOUT"):
        return
    port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE),
        (socket.TCP_KEEPINTVL, _KEEPALIVE_INTERVAL),
        (socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS),
    ):
        port.socket.setsockopt(socket.IPPROTO_TCP, option, value)


class Listener(Service):
    """
    Listens on one endpoint while it runs.

    :param rate: of accepting; None where few connect.
    :ivar port: the port, once there is one.
    """

    _log = Logger()

    def __init__(
        self,
        endpoint: IStreamServerEndpoint,
        factory: IProtocolFactory,
        rate: AcceptRate | None = None,
    ) -> None:
        self.port: IListeningPort | None = None
        self._endpoint = endpoint
        self._factory = factory
        self._rate = rate
        self._listening: Deferred[None] | None = None

    def privilegedStartService(self) -> None:
        """
        Bind, while we may still be root.

        :raises CannotListenError: the port cannot be had. Raised from here it stops
            twistd with status 1; told by the Deferred alone it would leave a process
            that runs and hears nothing.
        """
        super().privilegedStartService()
        failures: list[Failure] = []
        listening = self._endpoint.listen(self._factory)
        self._listening = listening.addCallbacks(self._bound, failures.append)
        if failures:
            failures[0].raiseException()

    def startService(self) -> None:
        super().startService()
        if self._listening is None:
            self.privilegedStartService()

    def _bound(self, port: IListeningPort) -> None:
        self.port = port
        if isinstance(port, tcp.Port):
            _watch_peers(port)
            if port.backlog == _TWISTED_BACKLOG:
                port.socket.listen(_BACKLOG)
        if self._rate is not None:
            self._rate.watch(port)
        self._log.info("Listening on {address}", address=port.getHost())

    def stopService(self) -> Deferred[None] | None:
        super().stopService()
        listening, self._listening = self._listening, None
        port, self.port = self.port, None
        if port is None:
            if listening is not None:
                listening.cancel()
            return None
        if self._rate is not None:
            self._rate.forget(port)
        return port.stopListening()
