"""
What is asked of the store, in threads that only read.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from wanderer_twisted.interfaces import StoreUnavailable
from wanderer_twisted.partition import Filter, Kind, Snapshot
from wanderer_twisted.records import (
    ArchivedDay,
    Batch,
    BatchLimits,
    Coverage,
    Cut,
    FeedPosition,
    Hole,
    JournalPage,
    Marks,
    Place,
    Plan,
    Record,
)
from wanderer_twisted.store import histories, indexing, journal, lookups, reading
from wanderer_twisted.store.database import Database
from wanderer_twisted.store.index import END
from wanderer_twisted.store.threads import Executor

T = TypeVar("T")


class Questions:
    """
    The questions of :class:`~wanderer_twisted.interfaces.IKillmailStore`, which tells
    what each answers. What may take long is asked in slices: each waits its turn.

    :ivar read_failures: questions that the database could not answer.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, readers: Executor) -> None:
        self.read_failures = 0
        self._told = ""
        self._clock = clock
        self._readers = readers

    def _ask(self, work: Callable[[Database], T]) -> Deferred[T]:
        return self._readers.run(work).addErrback(self._not_read)

    def _not_read(self, failure: Failure) -> Failure:
        if failure.check(StoreUnavailable):
            self.read_failures += 1
            reason = str(failure.value)
            if reason != self._told:  # streams ask again every second
                self._log.warn("The database cannot be read: {reason}", reason=reason)
            self._told = reason
        return failure

    def read_marks(self) -> Deferred[Marks]:
        return self._ask(reading.read_marks)

    def read_journal(
        self, wanted: Filter, snapshot: Snapshot | None, after: int
    ) -> Deferred[JournalPage]:
        return self._ask(
            partial(journal.read_journal, wanted=wanted, snapshot=snapshot, after=after)
        )

    def measure_history(
        self,
        wanted: Filter,
        snapshot: Snapshot,
        with_items: bool,
        limits: BatchLimits,
        at: Place,
    ) -> Deferred[Plan]:
        ask = histories.Ask(wanted, snapshot, with_items, limits)
        return Deferred.fromCoroutine(self._cut(ask, at, whole=True))

    def find_batches(
        self,
        wanted: Filter,
        snapshot: Snapshot,
        with_items: bool,
        limits: BatchLimits,
        after: Place,
    ) -> Deferred[Sequence[Cut]]:
        ask = histories.Ask(wanted, snapshot, with_items, limits)
        cutting = Deferred.fromCoroutine(self._cut(ask, after, whole=False))
        return cutting.addCallback(lambda plan: plan.cuts)

    async def _cut(self, ask: histories.Ask, at: Place, whole: bool) -> Plan:
        cutter = histories.Cutter(ask.limits, at)
        after: Place | None = Place() if whole else at
        while after is not None:  # each slice waits its turn again
            after = await self._ask(
                partial(histories.cut, ask=ask, cutter=cutter, after=after, whole=whole)
            )
        return cutter.plan()

    def read_bodies(
        self, snapshot: Snapshot, with_items: bool, killmail_ids: Sequence[int]
    ) -> Deferred[Sequence[bytes]]:
        return self._ask(
            partial(
                histories.read_bodies,
                snapshot=snapshot,
                with_items=with_items,
                ids=killmail_ids,
            )
        )

    def read_killmail(self, killmail_id: int) -> Deferred[Record | None]:
        return self._ask(partial(reading.read_killmail, killmail_id=killmail_id))

    def read_valued(
        self, killmail_ids: Collection[int]
    ) -> Deferred[Mapping[int, bool]]:
        return self._ask(partial(reading.read_valued, ids=killmail_ids))

    def read_absent(self, killmail_ids: Collection[int]) -> Deferred[Collection[int]]:
        return self._ask(partial(reading.read_absent, ids=killmail_ids))

    def read_unannounced(
        self, killmail_ids: Collection[int]
    ) -> Deferred[Mapping[int, int]]:
        return self._ask(partial(reading.read_unannounced, ids=killmail_ids))

    def read_latest(
        self, kind: Kind, owner: int, since: int, before: Place | None, limit: int
    ) -> Deferred[Batch]:
        return self._ask(
            partial(
                lookups.read_latest,
                kind=kind,
                owner=owner,
                since=since,
                before=before,
                limit=limit,
            )
        )

    def count_latest(self, kind: Kind, owner: int, since: int) -> Deferred[int]:
        return self._ask(
            partial(lookups.count_latest, kind=kind, owner=owner, since=since)
        )

    def read_bare(
        self, wanted: Filter, cutoff: int, before: Place | None, limit: int
    ) -> Deferred[Sequence[Record]]:
        return Deferred.fromCoroutine(self._bare(wanted, cutoff, before or END, limit))

    async def _bare(
        self, wanted: Filter, cutoff: int, before: Place | None, limit: int
    ) -> Sequence[Record]:
        found: list[Record] = []
        while before is not None and len(found) < limit:
            more, before = await self._ask(
                partial(
                    lookups.read_bare,
                    wanted=wanted,
                    cutoff=cutoff,
                    before=before,
                    limit=limit - len(found),
                )
            )
            found += more
        return found

    def read_unvalued(
        self, wanted: Filter, cutoff: int
    ) -> Deferred[Collection[tuple[Kind, int]]]:
        return Deferred.fromCoroutine(self._unvalued(wanted, cutoff))

    async def _unvalued(
        self, wanted: Filter, cutoff: int
    ) -> Collection[tuple[Kind, int]]:
        found: set[tuple[Kind, int]] = set()
        since: int | None = cutoff
        while since is not None:
            more, since = await self._ask(
                partial(
                    lookups.read_unvalued, wanted=wanted, cutoff=cutoff, since=since
                )
            )
            found |= more
        return found

    def read_indexed(self) -> Deferred[Collection[Kind]]:
        return self._ask(indexing.read_indexed)

    def read_days(self) -> Deferred[Sequence[ArchivedDay]]:
        return self._ask(reading.read_days)

    def read_holes(self) -> Deferred[Sequence[Hole]]:
        return self._ask(reading.read_holes)

    def read_position(self, feed: str) -> Deferred[FeedPosition | None]:
        return self.read_positions().addCallback(
            lambda all: next((each for each in all if each.feed == feed), None)
        )

    def read_positions(self) -> Deferred[Sequence[FeedPosition]]:
        return self._ask(reading.read_positions)

    def read_coverage(
        self, kind: Kind, owners: Collection[int]
    ) -> Deferred[Mapping[int, Coverage]]:
        return self._ask(partial(reading.read_coverage, kind=kind, owners=owners))

    def count_missing(self, wanted: Filter) -> Deferred[int]:
        return self._ask(partial(reading.count_missing, wanted=wanted))

    def read_names(self, ids: Collection[int]) -> Deferred[Mapping[int, str | None]]:
        now = self._clock.seconds()
        return self._ask(partial(reading.read_names, ids=ids, now=now))

    def read_newest(self) -> Deferred[int]:
        return self._ask(reading.read_newest)

    def read_unnamed(self, limit: int) -> Deferred[Sequence[Record]]:
        return self._ask(partial(reading.read_unnamed, limit=limit))
