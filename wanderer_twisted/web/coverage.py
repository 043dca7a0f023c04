"""
What the store has of the past, day by day (``/api/v1/coverage``).
"""

from collections.abc import Mapping
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime

from wanderer_twisted.completeness import is_repaired, past_days
from wanderer_twisted.days import readable
from wanderer_twisted.encoding import dumps, timestamp
from wanderer_twisted.interfaces import IKillmailStore, StoreUnavailable
from wanderer_twisted.records import ArchivedDay, Hole
from wanderer_twisted.web.answers import answer_tagged, tag_of
from wanderer_twisted.web.errors import unavailable
from wanderer_twisted.web.request import PublicRequest
from wanderer_twisted.web.rooms import answer_preflight, make_app
from wanderer_twisted.web.selection import read_nothing

#: A feed that was broken for long has many.
MOST_HOLES: Final = 1000

_COVERAGE = "/api/v1/coverage"


class Coverage:
    """
    :param max_days: how far back anybody may look.
    :param backfill_days: how many days of the archive the server holds by itself.
    """

    app = make_app()

    def __init__(
        self,
        store: IKillmailStore,
        clock: IReactorTime,
        max_days: int = 90,
        backfill_days: int = 0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._days = max(max_days, backfill_days)
        self._backfill_days = backfill_days

    @app.route(_COVERAGE, methods=["GET"])
    async def coverage(self, request: PublicRequest) -> bytes:
        """
        Each day that anybody may look back to, and the feeds' holes.
        """
        read_nothing(request.query)
        try:
            known = await self._store.read_days()
            holes = await self._store.read_holes()
        except StoreUnavailable:
            raise unavailable() from None
        now = self._clock.seconds()
        days = past_days(known, now, self._days)
        by_day = {each.day: each for each in known}
        newest = sorted(holes, key=lambda hole: hole.seq, reverse=True)[:MOST_HOLES]
        data = {
            "days": [_tell_day(each) for each in days],
            "complete": sum(each.complete for each in days),
            "days_total": len(days),
            "backfill_days": self._backfill_days,
            "holes": [_tell_hole(each, by_day) for each in newest],
        }
        members = dumps(data)[1:-1]
        return answer_tagged(request, tag_of(members), [members], now)

    @app.route(_COVERAGE, methods=["OPTIONS"])
    def options(self, request: PublicRequest) -> None:
        answer_preflight(request, b"GET, HEAD, OPTIONS")


def _tell_day(day: ArchivedDay) -> dict[str, Any]:
    return {
        "day": readable(day.day),
        "expected": day.expected,
        "have": day.have,
        "complete": day.complete,
        "listed_at": timestamp(day.listed_at) if day.listed_at else None,
        "reason": day.reason,
    }


def _tell_hole(hole: Hole, days: Mapping[int, ArchivedDay]) -> dict[str, Any]:
    return {
        "source": hole.feed,
        "since": timestamp(hole.since),
        "until": timestamp(hole.until),
        "repaired": is_repaired(hole, days),
    }
