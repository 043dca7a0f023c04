"""
This server, with its limits raised.
"""

import re
import time
from pathlib import Path

import attrs

from bench.client import connect
from bench.peers.contender import GZIP_WANTED, Contender, Running, request
from bench.peers.work import Ids, Work, as_character
from bench.server import Server, Workshop

_PATH = "/api/v1/kills/stream"
_LIMITS = {
    "connections": 1_000_000,
    "accept_per_second": 1_000_000,
    "histories_at_once": 1_000,
}
_LOOK = 0.05
_ID = re.compile(rb"\nid: (\S+)\n\n")


class OurServer(Running):
    """
    A running one. What it publishes is durable before: the peers store nothing, so
    that they are compared with handing out alone.

    :param store: have each killmail stored only when it is published.
    :param buffered: have all writes go through Twisted's buffer.
    """

    def __init__(self, server: Server, count: int, store: bool, buffered: bool) -> None:
        self._server = server
        self._command = "publish" if store else "release"
        self.port = server.port
        self.pids = [server.pid]
        if buffered:
            server.do("buffer")
        if not store:
            server.do("hold", count=count)

    def close(self) -> None:
        self._server.__exit__()

    def publish(self, count: int, interval: float = 0.0) -> None:
        self._server.ask(self._command, count=count, interval=interval)

    def finish(self) -> None:
        self._server.answer()

    def idle(self, count: int) -> None:
        """
        Open more streams, which lead nowhere and match nothing.
        """
        self._server.do("idle", count=count)

    def wait_until_empty(self) -> None:
        """
        Until it knows that all its clients have left.
        """
        while self._server.do("streams")["open"]:
            time.sleep(_LOOK)

    def cursor(self) -> str:
        """
        Where a live stream is now.
        """
        received = b""
        with connect(self.port, "heartbeat=60") as connection:
            while not (found := _ID.search(received)):
                received += connection.recv(65_536)
        return found[1].decode()


@attrs.frozen(kw_only=True)
class Ours(Contender):
    """
    The contender.

    :ivar store: see :class:`OurServer`; :ivar buffered: likewise.
    :ivar heartbeat: of its streams, in seconds.
    """

    shop: Workshop
    store: bool = False
    buffered: bool = False
    heartbeat: int = 60

    def start(self, work: Work) -> OurServer:
        count = len(work.events)
        return OurServer(self.serve(work), count, self.store, self.buffered)

    def serve(self, work: Work, database: Path | None = None) -> Server:
        """
        A server that has the work's killmails to take in.

        :param database: a copy of it is used.
        """
        return self.shop.server(
            database,
            live=len(work.events),
            documents=(event.document for event in work.events),
            limits=_LIMITS,
            history={"batch_pause_ms": 0},
        )

    def template(self, gzip: bool, *headers: str) -> str:
        headers = (*headers, GZIP_WANTED) if gzip else headers
        return request(f"{_PATH}?{{}}", *headers)

    def query(self, ids: Ids) -> str:
        characters = ",".join(str(as_character(each)) for each in ids)
        return f"heartbeat={self.heartbeat}&character_ids={characters}"
