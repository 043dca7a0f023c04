"""
A scrape: all metrics as text.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"


class Subject(Protocol):
    """
    One thing that there are metrics of.
    """

    def collect(self) -> Iterable[Metric]: ...


class Metrics:
    """
    All of them.
    """

    def __init__(self, clock: IReactorTime, subjects: Sequence[Subject]) -> None:
        self._clock = clock
        self._subjects = subjects

    async def scrape(self) -> bytes:
        """
        Each subject is read, and written, in a turn of its own: what is live goes
        between.
        """
        parts = []
        for subject in self._subjects:
            parts.append(generate_latest(subject))
            await deferLater(self._clock, 0)
        return b"".join(parts)
