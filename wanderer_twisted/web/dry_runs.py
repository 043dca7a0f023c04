"""
What a stream would begin with, told without streaming.
"""

from typing import Any, Final

from twisted.internet.interfaces import IReactorTime

from wanderer_twisted.encoding import dumps, timestamp
from wanderer_twisted.interfaces import (
    Expired,
    IHistory,
    IKillmailStore,
    StoreUnavailable,
)
from wanderer_twisted.partition import Snapshot
from wanderer_twisted.records import BatchLimits, Place
from wanderer_twisted.stream.events import coverage, filters
from wanderer_twisted.stream.opening import Wish
from wanderer_twisted.web.errors import busy, unavailable

#: Each counts a whole history, as a stream does once in its life; but nothing keeps
#: anybody from asking for one after the other.
MOST_AT_ONCE: Final = 8


class DryRuns:
    """
    :param limits: by which streams cut batches.
    """

    def __init__(
        self,
        store: IKillmailStore,
        history: IHistory,
        clock: IReactorTime,
        limits: BatchLimits,
    ) -> None:
        self._store = store
        self._history = history
        self._clock = clock
        self._limits = limits
        self._under_way = 0

    async def answer(self, wish: Wish) -> bytes:
        """
        Measure what is there now; nothing is fetched for it. A cursor says nothing: it
        is the plan of a stream that begins anew.

        :returns: a JSON document.
        :raises ApiError: 503: the store cannot be read, or too many ask.
        """
        if self._under_way >= MOST_AT_ONCE:
            raise busy(f"{MOST_AT_ONCE} dry runs are under way; try again soon")
        self._under_way += 1
        try:
            data = await self._measure(wish)
        except (StoreUnavailable, Expired):  # pruned in this moment
            raise unavailable() from None
        finally:
            self._under_way -= 1
        now = timestamp(self._clock.seconds())
        return dumps({"data": data, "timestamp": now})

    async def _measure(self, wish: Wish) -> dict[str, Any]:
        asked = filters(wish.filter, wish.preload_days, wish.since)
        killmails, batches, missing, covered = 0, 0, 0, None
        cutoff = wish.cutoff(self._clock.seconds(), self._store.marks)
        if cutoff is not None:
            # First, as a stream does: what comes behind it is not claimed.
            report = await self._history.report(wish.filter, cutoff)
            marks = await self._store.read_marks()
            plan = await self._store.measure_history(
                wish.filter,
                Snapshot(marks.head, cutoff),
                wish.with_items,
                self._limits,
                Place(),
            )
            killmails, batches = plan.killmails, plan.batches
            missing, covered = report.missing, coverage(report)
        return {
            "filters": asked,
            "total_historical": killmails,
            "total_batches": batches,
            "missing": missing,
            "coverage": covered,
        }
