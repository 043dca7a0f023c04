"""
What anybody may know of the server in numbers (``/status``).
"""

from collections.abc import Mapping
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime

from wanderer_twisted import SERVER_NAME
from wanderer_twisted.encoding import dumps, timestamp
from wanderer_twisted.interfaces import IKillmailStore
from wanderer_twisted.ops.census import take_census
from wanderer_twisted.ops.covered import Covered
from wanderer_twisted.ops.health import Statuses, describe_feed, describe_store
from wanderer_twisted.stream.hub import Hub
from wanderer_twisted.web.admission import Admission

#: Seconds for which one answer does for all: many pages may ask.
FRESH: Final = 1.0


class Status:
    """
    Made when somebody asks, and kept for a moment.
    """

    def __init__(
        self,
        clock: IReactorTime,
        hub: Hub,
        store: IKillmailStore,
        statuses: Statuses,
        covered: Covered,
        admission: Admission,
    ) -> None:
        self._clock = clock
        self._hub = hub
        self._store = store
        self._statuses = statuses
        self._covered = covered
        self._admission = admission
        self._started = clock.seconds()
        self._made_at = 0.0
        self._made = b""

    def document(self) -> bytes:
        """
        JSON, at most a second old.
        """
        now = self._clock.seconds()
        if not (self._made and 0 <= now - self._made_at < FRESH):
            self._made_at, self._made = now, dumps(self._describe(now))
        return self._made

    def _describe(self, now: float) -> Mapping[str, Any]:
        hub = self._hub
        return {
            "server": SERVER_NAME,
            "timestamp": timestamp(now),
            "started": timestamp(self._started),
            "uptime_seconds": max(0, int(now - self._started)),
            "streams": self._describe_streams(),
            "killmails": {
                "head": self._store.marks.head,
                "per_minute": hub.rate.minutes,
            },
            "sent": {
                "events": dict(sorted(hub.frames.items())),
                "bytes": sum(hub.bytes.values()),
            },
            "feeds": [describe_feed(each) for each in self._statuses()],
            "store": describe_store(self._store),
            "coverage": {
                "days": self._covered.days,
                "days_complete": self._covered.days_complete,
            },
        }

    def _describe_streams(self) -> Mapping[str, int]:
        census = take_census(self._hub.sessions)
        return {
            "open": census.open,
            "following": census.following,
            "replaying": census.replaying,
            "historical": census.historical,
            "limit": self._admission.connections,
        }
