"""
How many streams do what, and which of them come first in a list.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

import attrs

from wanderer_twisted.stream.session import Session

#: What comes first: who is farthest behind, took the most, or has been there longest.
ORDERS: Final[Mapping[str, Callable[[Session], float]]] = {
    "lag": lambda session: -session.lag,
    "bytes": lambda session: -session.bytes,
    "age": lambda session: session.opened_at,
}


def in_order(sessions: Iterable[Session], order: str) -> list[Session]:
    """
    Of equals, the one that has been there longest.

    :param order: of :data:`ORDERS`.
    """
    rank = ORDERS[order]
    return sorted(sessions, key=lambda session: (rank(session), session.opened_at))


class _Streamer(Protocol):
    """
    What is looked at of a session.
    """

    @property
    def following(self) -> bool: ...

    @property
    def mode(self) -> str: ...

    @property
    def lag(self) -> int: ...


@attrs.frozen
class Census:
    """
    The open streams at one moment.

    :ivar following: they take each killmail as it is announced.
    :ivar replaying: they read the store, because they came back or are slow.
    :ivar historical: they are told the past, or wait for it.
    :ivar lag: numbers that were published and that they have not dealt with, of all
        of them together ...
    :ivar most_lag: ... and of the one that is farthest behind.
    """

    following: int = 0
    replaying: int = 0
    historical: int = 0
    lag: int = 0
    most_lag: int = 0

    @property
    def open(self) -> int:
        return self.following + self.replaying + self.historical


def take_census(sessions: Iterable[_Streamer]) -> Census:
    """
    Look at all streams: some 0.1 ms for a thousand of them that follow.
    """
    following = replaying = historical = lag = most_lag = 0
    for session in sessions:
        if session.following:  # nearly all, and none of them is behind
            following += 1
            continue
        if session.mode == "historical":
            historical += 1
        else:
            replaying += 1
        behind = session.lag
        lag += behind
        most_lag = max(most_lag, behind)
    return Census(following, replaying, historical, lag, most_lag)
