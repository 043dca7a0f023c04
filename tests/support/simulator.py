"""
A simulated world on a hand-driven clock, asked over a transport in memory.
"""

from typing import Any

import attrs
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from tests.support.cases import SyncCase
from tests.support.killmails import START, esi
from wanderer_twisted.encoding import dumps, loads
from wanderer_twisted.simulator.data import make_data
from wanderer_twisted.simulator.front import make_site
from wanderer_twisted.simulator.player import Player
from wanderer_twisted.simulator.world import World


@attrs.frozen
class Answer:
    """
    A response, whole or not.

    :ivar headers: lower-case names.
    """

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return loads(self.body)


class _Transport(StringTransport):
    def __init__(self, exchange: "Exchange") -> None:
        super().__init__()
        self._exchange = exchange

    def abortConnection(self) -> None:
        self._exchange.aborted = True
        self._exchange.leave()


class Exchange:
    """
    One request on a connection of its own.
    """

    def __init__(self, site: Any, target: str, method: str, parts: list[bytes]) -> None:
        self.transport = _Transport(self)
        self.aborted = False
        channel = site.buildProtocol(None)
        self.channel: HTTPChannel = channel
        channel.makeConnection(self.transport)
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\n".encode()
        channel.dataReceived(head + b"".join(parts))

    def leave(self) -> None:
        """
        The client goes away, or is told to.
        """
        self.channel.connectionLost(Failure(ConnectionLost()))

    @property
    def silent(self) -> bool:
        return not self.transport.value()

    def answer(self) -> Answer:
        """
        What has come so far.
        """
        head, _, body = self.transport.value().partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        _, status, reason = first.split(" ", 2)
        pairs = (line.split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in pairs}
        return Answer(int(status), reason, headers, body)


class SimulatorCase(SyncCase):
    """
    Ten killmails: eight are past, an hour apart, two are still to come.
    """

    def documents(self) -> list[dict[str, Any]]:
        return [
            esi(100 + n, kill_time=START - 3600 * (10 - n), victim=90000001 + n % 2)
            for n in range(10)
        ]

    tail = 2

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START + 43_200)  # noon
        self.world = World(self.clock, make_data(self.documents()), self.tail)
        self.player = Player(self.world, None)
        self.site = make_site(self.world, self.player)

    def begin(
        self,
        target: str,
        method: str = "GET",
        body: object = None,
        agent: str | None = "tests (tests@example.org)",
        **headers: str,
    ) -> Exchange:
        """
        Send a request.

        :param headers: names with ``_`` for ``-``.
        """
        lines = [f"{k.replace('_', '-')}: {v}\r\n".encode() for k, v in headers.items()]
        if agent is not None:
            lines.append(f"User-Agent: {agent}\r\n".encode())
        if not isinstance(body, bytes):
            body = b"" if body is None else dumps(body)
        lines.append(b"Content-Length: %d\r\n\r\n" % len(body))
        return Exchange(self.site, target, method, [*lines, body])

    def ask(self, target: str, method: str = "GET", **more: Any) -> Answer:
        """
        Send a request that is answered at once.
        """
        return self.begin(target, method, **more).answer()

    def post(self, target: str, body: object) -> Answer:
        return self.ask(target, "POST", body=body)
