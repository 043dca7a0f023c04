"""
Who wants the past of which ids, and how much of it is there.
"""

from collections.abc import Collection, Mapping, Sequence

import attrs
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from wanderer_twisted.history.coverage import (
    DAY,
    Key,
    covers,
    feeds_since,
    is_lacking,
    joins,
    keys,
)
from wanderer_twisted.history.keeper import Keeper
from wanderer_twisted.history.lister import Lister
from wanderer_twisted.history.turns import Asker, Turns
from wanderer_twisted.history.walk import Walk
from wanderer_twisted.ingest.intake import Intake
from wanderer_twisted.interfaces import (
    IHistory,
    IKillmailStore,
    IListingSource,
    StoreUnavailable,
    UpstreamError,
)
from wanderer_twisted.partition import KINDS, Filter
from wanderer_twisted.records import Coverage, Report
from wanderer_twisted.tasks import Tasks

_WALKS = 10_000


@attrs.define
class _Underway:
    """
    A listing that is being walked.

    :ivar cutoff: the deepest that anybody wanted.
    """

    cutoff: int
    task: Deferred[None] | None = None


@implementer(IHistory)
class History(Service):
    """
    Sees to it that the store holds the past of some ids. Each listing is walked once
    for all who want it; what nobody waits for any more goes on behind what somebody
    does.

    :param intake: one of its own.
    :param feeds: the names of the feeds that run.
    :param max_days: how far back anybody may look.
    :param deadline_seconds: what a request may take, from its turn.
    :param histories_at_once: how many requests have their turn; more wait, in order.

    :ivar late: requests that reached their deadline.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        store: IKillmailStore,
        listings: IListingSource,
        intake: Intake,
        feeds: Collection[str],
        max_days: int = 90,
        deadline_seconds: float = 30.0,
        histories_at_once: int = 100,
    ) -> None:
        self.late = 0
        self._stopped = False
        self._clock = clock
        self._store = store
        self._feeds = frozenset(feeds)
        # A day more, for a cutoff that was noted a while ago.
        self._reach = (max_days + 1) * DAY
        self._deadline = deadline_seconds
        self._turns = Turns()
        self.lister = Lister(clock, listings, self._turns)
        self.keeper = Keeper(clock, store, intake)
        self._places = DeferredSemaphore(histories_at_once)
        self._walks: dict[Key, _Underway] = {}
        self._tasks = Tasks()

    @property
    def underway(self) -> int:
        """
        Requests that have their turn.
        """
        return len(self._turns.askers)

    @property
    def waiting(self) -> int:
        """
        Requests that wait for it.
        """
        return len(self._places.waiting)

    @property
    def walks(self) -> int:
        """
        Listings that are being walked, or wait for their first page.
        """
        return len(self._walks)

    def stopService(self) -> None:
        """
        End every wait. What was being fetched is fetched when it is wanted again.
        """
        super().stopService()
        self._stopped = True
        self._turns.stop()
        self._tasks.cancel()
        for asker in list(self._turns.askers):
            asker.finish()

    # --- requests ----------------------------------------------------------------

    def prepare(self, wanted: Filter, cutoff: int) -> Deferred[None]:
        """
        See :meth:`wanderer_twisted.interfaces.IHistory.prepare`.
        """
        return Deferred.fromCoroutine(self._prepare(keys(wanted), cutoff))

    def report(self, wanted: Filter, cutoff: int) -> Deferred[Report]:
        """
        See :meth:`wanderer_twisted.interfaces.IHistory.report`.
        """
        return Deferred.fromCoroutine(self._report(wanted, cutoff))

    async def _prepare(self, wanted: Sequence[Key], cutoff: int) -> None:
        try:
            if not await self._lacking(wanted, cutoff):
                return
            async with self._places:
                # Others may have had it fetched while this one waited.
                lacking = await self._lacking(wanted, cutoff)
                if lacking and not self._stopped:
                    await self._fetch(lacking, cutoff)
        except CancelledError:
            raise
        except StoreUnavailable as error:
            self._log.warn("a history is not fetched: {reason}", reason=str(error))
        except Exception:
            self._log.failure("a history could not be fetched")

    async def _fetch(self, lacking: Sequence[Key], cutoff: int) -> None:
        asker = Asker(self._within_reach(cutoff), lacking)
        self._turns.join(asker)
        timer = self._clock.callLater(self._deadline, self._give_up, asker)
        try:
            for key in lacking:
                if not self._want(key, asker.cutoff):
                    asker.got(key)
            await asker.done
        finally:
            self._turns.leave(asker)
            if timer.active():
                timer.cancel()

    def _give_up(self, asker: Asker) -> None:
        self.late += 1
        asker.finish()

    async def _report(self, wanted: Filter, cutoff: int) -> Report:
        asked = keys(wanted)
        coverage, feed_since = await self._known(asked)
        missing = await self._store.count_missing(wanted)
        cutoff = self._within_reach(cutoff)
        complete = [covers(coverage.get(key), feed_since, cutoff) for key in asked]
        joined = [
            coverage[key] for key in asked if joins(coverage.get(key), feed_since)
        ]
        since: float | None = None
        if len(joined) == len(asked):
            since = float(max([cutoff, *(each.since for each in joined)]))
        return Report(missing, complete.count(False), since)

    # --- what is there -----------------------------------------------------------

    def _within_reach(self, cutoff: int) -> int:
        return max(cutoff, int(self._clock.seconds()) - self._reach)

    async def _known(
        self, wanted: Sequence[Key]
    ) -> tuple[Mapping[Key, Coverage], float | None]:
        coverage: dict[Key, Coverage] = {}
        for kind in KINDS:
            owners = [owner for its_kind, owner in wanted if its_kind == kind]
            if owners:
                found = await self._store.read_coverage(kind, owners)
                coverage.update(((kind, owner), each) for owner, each in found.items())
        positions = await self._store.read_positions()
        return coverage, feeds_since(positions, self._feeds)

    async def _lacking(self, wanted: Sequence[Key], cutoff: int) -> list[Key]:
        coverage, feed_since = await self._known(wanted)
        cutoff, now = self._within_reach(cutoff), self._clock.seconds()
        return [
            key
            for key in wanted
            if is_lacking(coverage.get(key), feed_since, cutoff, now)
        ]

    # --- walks -------------------------------------------------------------------

    def _want(self, key: Key, cutoff: int) -> bool:
        """
        Have *key* walked.

        :returns: False where too much is under way already.
        """
        walk = self._walks.get(key)
        if walk is not None:
            walk.cutoff = min(walk.cutoff, cutoff)
            return True
        if len(self._walks) >= _WALKS and not self._drop_one():
            return False
        walk = self._walks[key] = _Underway(cutoff)
        walk.task = self._tasks.start(self._walk(key, walk))
        return True

    def _drop_one(self) -> bool:
        """
        Give up the newest of the walks that nobody waits for.
        """
        wanted = {key for asker in self._turns.askers for key in asker.keys}
        for key in reversed(self._walks):
            task = self._walks[key].task
            if key not in wanted and task is not None:
                task.cancel()
                return True
        return False

    async def _walk(self, key: Key, walk: _Underway) -> None:
        try:
            cutoff = None
            while cutoff is None or walk.cutoff < cutoff:  # somebody wanted more
                cutoff = walk.cutoff
                await self._walk_to(key, cutoff)
                self._tell(key, cutoff)
        except UpstreamError as error:
            self._log.warn("{key} is given up: {why}", key=key, why=error.reason)
        finally:
            del self._walks[key]
            self._tell(key, None)

    async def _walk_to(self, key: Key, cutoff: int) -> None:
        coverage, feed_since = await self.keeper.committer.when_available(
            lambda: Deferred.fromCoroutine(self._known([key]))
        )
        walk = Walk(
            self._clock,
            self._store,
            self.lister,
            self.keeper,
            key,
            int(self._clock.seconds()) - self._reach,
            coverage.get(key),
            feed_since,
        )
        await walk.go(cutoff)

    def _tell(self, key: Key, cutoff: int | None) -> None:
        """
        Tell those who wait for *key* that it is there back to *cutoff*; None: that
        there will be no more.
        """
        for asker in list(self._turns.askers):
            if cutoff is None or asker.cutoff >= cutoff:
                asker.got(key)
