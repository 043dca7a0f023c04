"""
The simulator as one service on a free port of the loopback interface, for
``wanderer-sse --demo``, tests and benchmarks.
"""

import socket
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort

from wanderer_twisted.simulator.data import Data, read_shipped
from wanderer_twisted.simulator.front import make_site
from wanderer_twisted.simulator.player import Pace, Player
from wanderer_twisted.simulator.world import World

#: How far back the shipped killmails are laid out.
SHIPPED_DAYS = 85.0


def usual_tail(data: Data) -> int:
    """
    How many of the data's last killmails are yet to come at the start.
    """
    return min(150, len(data.templates) // 10)


class Simulator(MultiService):
    """
    A world, its player and its web site.

    The port is taken at once, so that the address is known before anything runs;
    requests are answered once the service has started.

    :ivar world: commands and state.
    :ivar player: the pace.
    :ivar base_url: ``http://127.0.0.1:PORT``, without a slash at its end.
    """

    def __init__(self, reactor: Any, world: World, pace: Pace = 1.0) -> None:
        """
        :param reactor: sockets; time is the world's own clock.
        """
        super().__init__()
        self._reactor = reactor
        self.world = world
        self.player = Player(world, pace)
        self.player.setServiceParent(self)
        self._site = make_site(world, self.player)
        self._port: IListeningPort | None = None
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(128)
        host, port = self._socket.getsockname()
        self.base_url = f"http://{host}:{port}"

    def url(self, path: str) -> str:
        """
        :param path: ``r2z2``, ``redisq/listen.php``, ``zkb/api`` or ``esi``.
        """
        return f"{self.base_url}/{path}"

    def busy_characters(self, count: int) -> list[int]:
        return self.world.busiest("characterID", count)

    def busy_systems(self, count: int) -> list[int]:
        return self.world.busiest("systemID", count)

    def startService(self) -> None:
        self._port = self._reactor.adoptStreamPort(
            self._socket.fileno(), socket.AF_INET, self._site
        )
        self._socket.close()  # the port has its own copy
        super().startService()

    def stopService(self) -> Deferred[Any]:
        super().stopService()
        self._site.resource.close()
        self._socket.close()
        if self._port is None:
            return maybeDeferred(lambda: None)
        port, self._port = self._port, None
        return maybeDeferred(port.stopListening)


def make_demo(reactor: Any, pace: Pace = 2.0) -> Simulator:
    """
    The shipped killmails, at twice the pace of life, and no limits on requests.
    """
    data = read_shipped()
    world = World(reactor, data, tail=usual_tail(data), days=SHIPPED_DAYS)
    world.rules.limits = False  # so that nobody waits for history in a demo
    return Simulator(reactor, world, pace)
