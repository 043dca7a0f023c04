"""
A restart under way: streams end over some seconds, their clients come back to the next
server as they were told, and have each killmail once.
"""

import heapq
import os
import re
import select
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator

import attrs

from bench.client import events, request
from bench.killmails import FIRST_LIVE_ID
from bench.report import options, tell
from bench.server import Server, Workshop

_STREAMS = 5_000
_KILLMAILS = 30
_INTERVAL = 0.3
_QUERY = "heartbeat=60"
_READ = 1 << 20

_ID = re.compile(rb"\nid: (\S+)\n\n")
_RETRY = re.compile(rb"retry: ([0-9]+)\n")


@attrs.define(eq=False)
class Client:
    """
    An EventSource, in little.

    :ivar got: the killmails that it was told of, of each connection.
    """

    number: int
    cursor: str = ""
    retry: float = 3.0
    received: bytearray = attrs.field(factory=bytearray)
    got: list[bytes] = attrs.field(factory=list)
    connection: socket.socket | None = None

    def connect(self, port: int) -> socket.socket:
        connection = socket.socket()
        connection.settimeout(10)
        connection.connect(("127.0.0.1", port))
        query = f"{_QUERY}&last_event_id={self.cursor}" if self.cursor else _QUERY
        connection.sendall(request(port, query))
        connection.setblocking(False)
        self.connection = connection
        self.received.clear()
        return connection

    def ended(self) -> None:
        """
        Take what came before the end, and what it says of coming back.
        """
        received = bytes(self.received)
        self.got += [data for name, data in events(received) if name == "killmail"]
        self.cursor = _ID.findall(received)[-1].decode()
        self.retry = int(_RETRY.findall(received)[-1]) / 1000
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Clients:
    """
    Many of them.

    :ivar returned: when each of those came back that did.
    :ivar turned_away: how many came when nobody listened.
    """

    def __init__(self, port: int, count: int) -> None:
        self._port = port
        self._epoll = select.epoll()
        self._open: dict[int, Client] = {}
        self._due: list[tuple[float, int]] = []
        self.all = list(map(Client, range(count)))
        self.returned: list[float] = []
        self.turned_away = 0
        self.bytes = 0
        for client in self.all:
            self._connect(client)

    def _connect(self, client: Client) -> None:
        connection = client.connect(self._port)
        self._open[connection.fileno()] = client
        self._epoll.register(connection, select.EPOLLIN)

    def run(self, seconds: float) -> None:
        """
        Read, and come back when it is time.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for handle, _ in self._epoll.poll(0.01):
                self._read(handle)
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                self._return(self.all[heapq.heappop(self._due)[1]], now)

    def run_until_quiet(self) -> None:
        """
        Read until nothing has come for some seconds.
        """
        before = -1
        while before != self.bytes:
            before = self.bytes
            self.run(3)

    def _read(self, handle: int) -> None:
        client = self._open[handle]
        assert client.connection is not None
        part = client.connection.recv(_READ)
        self.bytes += len(part)
        if part:
            client.received += part
            return
        self._epoll.unregister(handle)
        del self._open[handle]
        client.ended()
        self._wait(client)

    def _wait(self, client: Client) -> None:
        due = time.monotonic() + client.retry
        heapq.heappush(self._due, (due, client.number))

    def _return(self, client: Client, now: float) -> None:
        try:
            self._connect(client)
        except ConnectionRefusedError:
            self.turned_away += 1
            self._wait(client)
        else:
            self.returned.append(now)

    @property
    def away(self) -> int:
        return len(self._due)

    def per_second(self) -> Counter[int]:
        return Counter(int(each - self.returned[0]) for each in self.returned)

    def close(self) -> Iterator[list[bytes]]:
        """
        :returns: of each, the killmails that it was told of.
        """
        for client in self.all:
            client.ended()
            yield client.got


@attrs.frozen
class Restart:
    """
    :ivar seconds: from the signal to the end of the first server.
    :ivar most: the largest part of all that came back within one second.
    :ivar turned_away: how many came when nobody listened.
    """

    seconds: float
    most: float
    turned_away: int
    lost: int
    twice: int


def restart(shop: Workshop) -> Restart:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listen = [f"tcp:{port}:interface=127.0.0.1"]
    with shop.server(live=2 * _KILLMAILS, listen=listen) as first:
        clients = Clients(port, _STREAMS)
        clients.run_until_quiet()  # all are connected
        publish(first, clients)
        begun = time.monotonic()
        os.kill(first.pid, signal.SIGTERM)
        publish(first, clients)  # while the streams end
        while not first.ended:
            clients.run(0.05)
        stopped = time.monotonic() - begun
    more = FIRST_LIVE_ID + 2 * _KILLMAILS
    with shop.server(first.database, _KILLMAILS, more, listen=listen) as second:
        while clients.away:
            clients.run(0.5)
        publish(second, clients)
        clients.run_until_quiet()
    got = list(clients.close())
    return Restart(
        stopped,
        max(clients.per_second().values()) / _STREAMS,
        clients.turned_away,
        lost=sum(3 * _KILLMAILS - len(set(each)) for each in got),
        twice=sum(len(each) - len(set(each)) for each in got),
    )


def publish(server: Server, clients: Clients) -> None:
    server.ask("publish", count=_KILLMAILS, interval=_INTERVAL)
    clients.run(_KILLMAILS * _INTERVAL + 1)
    server.answer()


def main() -> None:
    wish = options(__doc__)
    with Workshop(wish.data) as shop:
        runs = [restart(shop) for _ in range(wish.runs)]
    what = f"{_STREAMS} streams, {3 * _KILLMAILS} killmails each"
    tell(f"{what}: from SIGTERM to the end", [each.seconds for each in runs], "s")
    tell("most that came back in one second", [100 * each.most for each in runs], "%")
    tell("came when nobody listened", [each.turned_away for each in runs], "clients")
    tell("lost", [each.lost for each in runs], "killmails")
    tell("told twice", [each.twice for each in runs], "killmails")


if __name__ == "__main__":
    main()
