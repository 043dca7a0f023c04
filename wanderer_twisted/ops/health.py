"""
Whether this server does its work: for machines that ask, and for streams whose feed
went silent.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from wanderer_twisted import SERVER_NAME
from wanderer_twisted.encoding import timestamp
from wanderer_twisted.interfaces import IKillmailStore
from wanderer_twisted.records import FeedState, FeedStatus
from wanderer_twisted.stream.hub import Hub

Statuses = Callable[[], Sequence[FeedStatus]]

#: From the best to the worst.
_STATES: Sequence[FeedState] = (
    "live",
    "quiet",
    "catching_up",
    "starting",
    "silent",
    "failing",
)
_BAD: frozenset[FeedState] = frozenset(["silent", "failing"])
_LOOK_SECONDS = 5.0


def best(statuses: Sequence[FeedStatus]) -> FeedStatus | None:
    """
    The feed that does best; one is enough, since all bring the same killmails.
    """
    return min(statuses, key=lambda each: _STATES.index(each.state), default=None)


@attrs.frozen
class Health:
    """
    Readiness.
    """

    _hub: Hub
    _store: IKillmailStore
    _statuses: Statuses

    def report(self) -> tuple[bool, dict[str, Any]]:
        """
        :returns: whether it is ready, and a document for ``/health``.
        """
        statuses = self._statuses()
        reasons = [
            f"{each.name} is {each.state}{': ' if each.reason else ''}{each.reason}"
            for each in statuses
            if each.state in _BAD
        ]
        top = best(statuses)
        ready = not self._hub.draining and (top is None or top.state not in _BAD)
        if self._hub.draining:
            reasons.insert(0, "The server is going down")
        return ready, {
            "status": "ready" if ready else "unavailable",
            "reasons": reasons,
            "server": SERVER_NAME,
            "streams": len(self._hub),
            "store": describe_store(self._store),
            "feeds": [describe_feed(each) for each in statuses],
        }


def describe_store(store: IKillmailStore) -> Mapping[str, Any]:
    return {
        "epoch": store.epoch,
        "head": store.marks.head,
        "bytes": store.size(),
    }


def describe_feed(status: FeedStatus) -> Mapping[str, Any]:
    def moment(seconds: float | None) -> str | None:
        return None if seconds is None else timestamp(seconds)

    return {
        "name": status.name,
        "state": status.state,
        "position": status.position,
        "last_killmail": moment(status.last_killmail),
        "last_contact": moment(status.last_contact),
        "reason": status.reason,
    }


class FeedWatch(Service):
    """
    Tells every stream when no feed is left that does well; that one is back is in the
    next heartbeat.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, hub: Hub, statuses: Statuses) -> None:
        self._hub = hub
        self._statuses = statuses
        self._states: dict[str, FeedState] = {}
        self._warned = False
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    def startService(self) -> None:
        super().startService()
        self._loop.start(_LOOK_SECONDS)

    def stopService(self) -> None:
        super().stopService()
        if self._loop.running:
            self._loop.stop()

    def _look(self) -> None:
        try:
            statuses = self._statuses()
            for status in statuses:
                self._note(status)
            self._warn(best(statuses))
        except Exception:
            self._log.failure("the feeds' states cannot be read")

    def _note(self, status: FeedStatus) -> None:
        if self._states.get(status.name) != status.state:
            self._states[status.name] = status.state
            self._log.info(
                "{feed} is {state} {reason}",
                feed=status.name,
                state=status.state,
                reason=status.reason,
            )

    def _warn(self, status: FeedStatus | None) -> None:
        """
        :param status: of the feed that does best: while it does well nothing is late.
        """
        bad = status is not None and status.state in _BAD
        if status is not None and bad and not self._warned:
            message = f"The feed {status.name} is {status.state}: killmails may be late"
            self._hub.warn("feed_silent", message)
        self._warned = bad
