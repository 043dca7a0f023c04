"""
What streams have in common, and need to know of their hub.
"""

from typing import Any, Protocol

import attrs
from twisted.internet.interfaces import IReactorTime

from wanderer_twisted.distribution import Distribution
from wanderer_twisted.interfaces import IHistory, IKillmailStore
from wanderer_twisted.records import BatchLimits
from wanderer_twisted.stream.recent import Recent
from wanderer_twisted.stream.wheel import Wheel


@attrs.frozen
class Pace:
    """
    How a history is cut and paced (design.md §5, pacing).

    :ivar pause: seconds between two batches ...
    :ivar budget: ... and at most so many seconds over all of them.
    """

    limits: BatchLimits = BatchLimits()  # noqa: RUF009  (a frozen value)
    pause: float = 0.1
    budget: float = 5.0

    def between(self, batches: int) -> float:
        return min(self.pause, self.budget / max(batches, 1))


class Surroundings(Protocol):
    """
    The hub, to its sessions. :class:`~wanderer_twisted.stream.hub.Hub` tells what each
    is.
    """

    clock: IReactorTime
    store: IKillmailStore
    history: IHistory
    pace: Pace
    published: int
    recent: Recent
    wheel: Wheel[Any]
    history_seconds: Distribution
    history_killmails: Distribution

    @property
    def told(self) -> int: ...

    def count(self, name: str, events: int, size: int) -> None: ...

    def retry_ms(self) -> int: ...

    def forget(self, session: Any, why: str) -> None: ...
