"""
Who takes part: what every contender looks like to the figures.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import attrs

from bench.peers.processes import cpu, memory
from bench.peers.work import Ids, Work

GZIP_WANTED = "Accept-Encoding: gzip"


class Running(ABC):
    """
    A contender's server, ended by ``with``.

    :ivar pids: of the processes that do its work.
    """

    port: int
    pids: Sequence[int]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """
        End it.
        """

    @abstractmethod
    def publish(self, count: int, interval: float = 0.0) -> None:
        """
        Have the next events sent, one each *interval* seconds; do not wait for it.
        """

    @abstractmethod
    def finish(self) -> None:
        """
        Wait until the events of :meth:`publish` were handed out.
        """


@attrs.frozen(kw_only=True)
class Contender(ABC):
    """
    :ivar name: in the tables.
    :ivar version: of what it is made of; None where that is not installed ...
    :ivar package: ... but would be by this.
    :ivar gzips: whether it compresses.
    :ivar most_ids: how many ids a stream of it can follow.
    :ivar repeats: whether a stream that follows two ids of an event is told twice.
    """

    name: str
    version: str | None
    package: str
    gzips: bool = False
    most_ids: int = 1_000
    repeats: bool = False

    @abstractmethod
    def start(self, work: Work) -> Running:
        """
        Start its server, which is going to publish these events.
        """

    @abstractmethod
    def template(self, gzip: bool) -> str:
        """
        The request for a stream, with ``{}`` for :meth:`query`.
        """

    @abstractmethod
    def query(self, ids: Ids) -> str:
        """
        What in it says which ids the stream follows.
        """


class Meter:
    """
    What a server used since it was made, or last asked.
    """

    def __init__(self, running: Running) -> None:
        self._pids = running.pids
        self._cpu, self._memory = cpu(self._pids), memory(self._pids)

    def cpu(self) -> float:
        """
        Seconds of processor time.
        """
        before, self._cpu = self._cpu, cpu(self._pids)
        return self._cpu - before

    def memory(self) -> int:
        """
        Resident bytes.
        """
        before, self._memory = self._memory, memory(self._pids)
        return self._memory - before


def request(path: str, *headers: str) -> str:
    """
    An event stream's request.
    """
    first = f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: text/event-stream"
    return "".join(f"{line}\r\n" for line in (*first, *headers, ""))
