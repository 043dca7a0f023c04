"""
One look at the archive: what has changed, and the work of it, the newest day first. Two
days are under way at a time: one is fetched while the other is taken in.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from wanderer_twisted.archive import planning
from wanderer_twisted.archive.loading import Loader, NoDay
from wanderer_twisted.backoff import backoff
from wanderer_twisted.days import day_of, readable
from wanderer_twisted.interfaces import (
    IArchiveSource,
    IKillmailStore,
    UpstreamError,
)
from wanderer_twisted.records import ArchivedDay, Change

#: Days under way at a time.
_AT_ONCE: Final = 2
#: Seconds for which a day that failed lets others go first.
_FIRST_REST: Final = 600.0
_LONGEST_REST: Final = 3 * 3600.0


@attrs.frozen
class Outcome:
    """
    What a round came to.

    :ivar days: what is known of each day that should be whole, the newest first.
    :ivar settled: all that the archive's last run made is in the store.
    """

    days: Sequence[ArchivedDay]
    settled: bool

    @property
    def incomplete(self) -> Sequence[ArchivedDay]:
        return [each for each in self.days if not each.complete]


@attrs.define
class _Rest:
    """
    :ivar until: UNIX seconds.
    """

    pauses: Iterator[float]
    until: float = 0.0


class Rounds:
    """
    Does the work. A day that fails is told once, rests for a while of its own, and
    keeps no other from its turn.

    :param feeds: the names of the feeds that run.
    :param backfill_days: how many days back all killmails are wanted; days with a hole
        of a feed in them are in any case ...
    :param max_days: ... if they are not longer ago.
    :param told: called with each day that was worked on.

    :ivar current: the days that are being worked on.
    :ivar wanted: how many days should be whole ...
    :ivar left: ... and how many of them have not had their turn in this round.
    :ivar days_done: worked on, and whole now.
    :ivar errors: worked on, and not whole.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        store: IKillmailStore,
        source: IArchiveSource,
        loader: Loader,
        feeds: Collection[str],
        backfill_days: int,
        max_days: int,
        told: Callable[[ArchivedDay], None] = lambda day: None,
    ) -> None:
        self.current: list[int] = []
        self.wanted = 0
        self.left = 0
        self.days_done = 0
        self.errors = 0
        self.loader = loader
        self._clock = clock
        self._store = store
        self._source = source
        self._feeds = frozenset(feeds)
        self._backfill_days = backfill_days
        self._max_days = max_days
        self._told = told
        self._resting: dict[int, _Rest] = {}

    async def go(self) -> Outcome:
        """
        :raises UpstreamError: the archive does not answer, or wants to be left alone.
        :raises StoreUnavailable: the store can't be read or written.
        """
        rows = await self._rows()
        holes = planning.open_holes(rows, await self._store.read_holes())
        if not self._backfill_days and not holes:
            return Outcome([], True)
        totals = await self._source.totals()
        plan = planning.make_plan(
            rows,
            totals,
            holes,
            self._clock.seconds(),
            self._backfill_days,
            min(self._max_days, self._days_kept()),
        )
        # Of a day that is not wanted any more the next try would be due for ever.
        for day in self._resting.keys() - set(plan.wanted):
            del self._resting[day]
        await self._confirm(plan.confirmed, rows)
        due = [row for row in plan.work if not self._rests(row.day)]
        self.wanted, self.left = len(plan.wanted), len(due)
        queue = deque(due)
        workers = [
            Deferred.fromCoroutine(self._work_off(queue, totals.counts))
            for _ in range(_AT_ONCE)
        ]
        ended: list[tuple[bool, Any]] = await DeferredList(workers, consumeErrors=True)
        for succeeded, failure in ended:
            if not succeeded:
                failure.raiseException()
        rows = await self._rows()
        return Outcome(
            [rows.get(day, ArchivedDay(day)) for day in plan.wanted],
            planning.is_settled(plan.wanted, rows, self._clock.seconds()),
        )

    def next_try(self) -> float | None:
        """
        When the first of the days that rest may be tried again, UNIX seconds.
        """
        return min((each.until for each in self._resting.values()), default=None)

    def _days_kept(self) -> int:
        """
        How many days back nothing was removed; what was, no archive brings back.
        """
        today = day_of(self._clock.seconds())
        return today - 1 - day_of(self._store.marks.floor_time)

    async def _rows(self) -> Mapping[int, ArchivedDay]:
        return {each.day: each for each in await self._store.read_days()}

    async def _confirm(
        self, days: Sequence[ArchivedDay], known: Mapping[int, ArchivedDay]
    ) -> None:
        """
        Days that were found as they are known.
        """
        found = await self._followed(days)
        changed = [each for each in found if each != known.get(each.day)]
        if changed:
            await self._store.commit(Change(days=changed))

    async def _followed(self, days: Sequence[ArchivedDay]) -> Sequence[ArchivedDay]:
        """
        Days that are as their lists say: whether a feed has what will be added to them.
        """
        if not self._feeds:
            return days
        positions = await self._store.read_positions()
        followed = any(each.feed in self._feeds for each in positions)
        return [attrs.evolve(each, followed=followed) for each in days]

    async def _work_off(
        self, queue: deque[ArchivedDay], totals: Mapping[int, int]
    ) -> None:
        while queue:
            row = queue.popleft()
            self.current.append(row.day)
            try:
                await self._work(row, totals.get(row.day))
            except BaseException:
                queue.clear()  # the others have to wait as well
                raise
            finally:
                self.current.remove(row.day)
            self.left -= 1

    async def _work(self, row: ArchivedDay, total: int | None) -> None:
        """
        :raises UpstreamError: all other days would fail by the same now.
        :raises StoreUnavailable: the day could not be noted, nor could others.
        """
        retry_after = None
        try:
            found = await self.loader.load(row, total)
        except CancelledError:
            raise
        except NoDay as error:
            retry_after = error.retry_after
            found = self._failed(row, str(error))
        except Exception as error:
            self._log.failure("the archive's {day}", day=readable(row.day))
            found = self._failed(row, f"Unexpected: {error!r}")
        if found.complete:
            (found,) = await self._followed([found])
        await self._keep(row, found)
        if retry_after is not None:
            raise UpstreamError(found.reason, retry_after)

    def _failed(self, row: ArchivedDay, reason: str) -> ArchivedDay:
        return attrs.evolve(
            row, tried_at=self._clock.seconds(), reason=reason[:500].replace("\n", " ")
        )

    async def _keep(self, before: ArchivedDay, found: ArchivedDay) -> None:
        if found.complete:
            self.days_done += 1
            self._resting.pop(found.day, None)
        else:
            self.errors += 1
            rest = self._resting.setdefault(
                found.day, _Rest(backoff(_FIRST_REST, _LONGEST_REST))
            )
            rest.until = self._clock.seconds() + next(rest.pauses)
            if found.reason != before.reason:
                day, why = readable(found.day), found.reason
                self._log.warn("{day} is not whole: {why}", day=day, why=why)
        self._told(found)
        await self._store.commit(Change(days=[found]))

    def _rests(self, day: int) -> bool:
        rest = self._resting.get(day)
        if rest is None:
            return False
        left = rest.until - self._clock.seconds()
        return 0 < left <= _LONGEST_REST  # more: the clock was set back
