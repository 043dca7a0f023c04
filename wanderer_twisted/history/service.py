"""
Who wants the past of which ids.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from wanderer_twisted.days import DAY
from wanderer_twisted.history.coverage import Key
from wanderer_twisted.history.keeper import Keeper
from wanderer_twisted.history.lister import Lister
from wanderer_twisted.history.naming import Naming
from wanderer_twisted.history.places import Places
from wanderer_twisted.history.standing import Standing, read_standing, together
from wanderer_twisted.history.turns import Asker, Turns
from wanderer_twisted.history.walks import Walks
from wanderer_twisted.ingest.intake import Intake
from wanderer_twisted.ingest.names import NameBook
from wanderer_twisted.interfaces import (
    IHistory,
    IKillmailStore,
    IListingSource,
    StoreUnavailable,
)
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import FeedsThatCount, Report


@implementer(IHistory)
class History(Service):
    """
    Sees to it that the store holds the past of some ids, with values and names.

    :param intake: one of its own.
    :param feeds: gives those that count: one that is behind lacks what was published
        since.
    :param max_days: how far back anybody may look.
    :param deadline_seconds: what a request may take, from its turn, where killmails
        are lacking, or values by which it filters.
    :param values_deadline_seconds: the same, where only other values are; 0: it does
        not wait for them.
    :param histories_at_once: how many requests have their turn; more wait, in order.

    :ivar places: of those that have their turn.
    :ivar late: requests that reached their deadline with killmails lacking.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        store: IKillmailStore,
        listings: IListingSource,
        intake: Intake,
        names: NameBook,
        feeds: Callable[[], FeedsThatCount],
        max_days: int = 90,
        deadline_seconds: float = 30.0,
        values_deadline_seconds: float = 1.0,
        histories_at_once: int = 100,
    ) -> None:
        self.late = 0
        self._stopped = False
        self._clock = clock
        self._store = store
        self._feeds = feeds
        # A day more, for a cutoff that was noted a while ago.
        self._reach = (max_days + 1) * DAY
        self._deadline = deadline_seconds
        self._values_deadline = values_deadline_seconds
        self._turns = Turns()
        self.lister = Lister(clock, listings, self._turns)
        self.keeper = Keeper(clock, store, intake)
        self.naming = Naming(clock, store, names)
        self._walks = Walks(
            clock,
            store,
            self._feeds,
            self.lister,
            self.keeper,
            self._turns,
            self._limit,
        )
        self.places = Places(histories_at_once)

    @property
    def underway(self) -> int:
        """
        Requests that wait for listings.
        """
        return len(self._turns.askers)

    @property
    def waiting(self) -> int:
        """
        Requests that wait for their turn.
        """
        return self.places.waiting

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
        self._walks.stop()
        self.naming.stop()
        for asker in list(self._turns.askers):
            asker.finish()

    # --- requests ----------------------------------------------------------------

    def prepare(self, wanted: Filter, cutoff: int) -> Deferred[None]:
        """
        See :meth:`wanderer_twisted.interfaces.IHistory.prepare`.
        """
        return Deferred.fromCoroutine(self._never_fail(self._prepare(wanted, cutoff)))

    def want(self, wanted: Filter, cutoff: int) -> Deferred[None]:
        """
        See :meth:`wanderer_twisted.interfaces.IHistory.want`.
        """
        return Deferred.fromCoroutine(self._never_fail(self._start(wanted, cutoff)))

    def report(self, wanted: Filter, cutoff: int) -> Deferred[Report]:
        """
        See :meth:`wanderer_twisted.interfaces.IHistory.report`.
        """
        return Deferred.fromCoroutine(self._report(wanted, cutoff))

    async def _never_fail(self, request: Coroutine[Any, Any, None]) -> None:
        try:
            await request
        except CancelledError:
            raise
        except StoreUnavailable as error:
            self._log.warn("a history is not fetched: {reason}", reason=str(error))
        except Exception:
            self._log.failure("a history could not be fetched")

    async def _prepare(self, wanted: Filter, cutoff: int) -> None:
        if not wanted.names_somebody:
            return
        cutoff = self._within_reach(cutoff)
        standing = await self._stand(wanted, cutoff)
        decides = wanted.min_value is not None
        lacking = self._lacking(standing, with_values=decides)
        if lacking:
            async with self.places:
                # Others may have had it fetched while this one waited.
                standing = await self._stand(wanted, cutoff)
                needed = self._lacking(standing, with_values=decides)
                await self._fetch(standing, needed, self._deadline)
            standing = await self._stand(wanted, cutoff)
        values = {} if decides else self._values(standing)
        await self._fetch(standing, values, self._values_deadline)
        if standing.bare:
            await self.naming.name(wanted, cutoff)

    async def _start(self, wanted: Filter, cutoff: int) -> None:
        cutoff = self._within_reach(cutoff)
        standing = await self._stand(wanted, cutoff)
        for key, back_to in self._lacking(standing, with_values=False).items():
            if not self._walks.want(key, back_to, urgent=False):
                break
        if standing.bare:
            self.naming.begin(wanted, cutoff)

    async def _report(self, wanted: Filter, cutoff: int) -> Report:
        # All that is kept: of a stream that comes back after days some is out of reach.
        kept_since = self._kept_since
        is_cut, cutoff = cutoff <= kept_since, max(cutoff, kept_since)
        decides = wanted.min_value is not None
        standing, missing = await together(
            self._stand(wanted, cutoff, decides), self._store.count_missing(wanted)
        )
        unvalued = self._unvalued(standing) if decides else ()
        return standing.report(missing, unvalued, is_cut, self._clock.seconds())

    # --- what is lacking ---------------------------------------------------------

    @property
    def _kept_since(self) -> int:
        """
        UNIX seconds: nothing from here on was removed.
        """
        return self._store.marks.floor_time + 1

    def _limit(self) -> int:
        """
        UNIX seconds: what is older nobody may look back to, or it was removed.
        """
        return max(int(self._clock.seconds()) - self._reach, self._kept_since)

    def _within_reach(self, cutoff: int) -> int:
        return max(cutoff, self._limit())

    async def _stand(
        self, wanted: Filter, cutoff: int, with_values: bool = True
    ) -> Standing:
        return await read_standing(
            self._store, self._feeds(), wanted, cutoff, with_values
        )

    def _lacking(self, standing: Standing, with_values: bool) -> dict[Key, int]:
        """
        What has to be listed, and how far back.

        :param with_values: for values too.
        """
        lacking = dict.fromkeys(
            standing.lacking(self._clock.seconds()), standing.proof.start
        )
        if with_values:
            lacking.update(
                dict.fromkeys(self._unvalued(standing), standing.proof.cutoff)
            )
        return lacking

    def _values(self, standing: Standing) -> dict[Key, int]:
        """
        The same, of those of which values alone are lacking.
        """
        unvalued = self._unvalued(standing)
        covered = standing.covered(unvalued)
        return dict.fromkeys(covered, standing.proof.cutoff)

    def _unvalued(self, standing: Standing) -> list[Key]:
        cutoff = standing.proof.cutoff
        return [
            each
            for each in standing.unvalued(self._clock.seconds())
            if not self._walks.was_made(each, cutoff)
        ]

    # --- fetching ----------------------------------------------------------------

    async def _fetch(
        self, standing: Standing, wants: Mapping[Key, int], seconds: float
    ) -> None:
        """
        Have listings walked, and wait for it.

        :param wants: how far back each.
        :param seconds: 0: without waiting.
        """
        if self._stopped or not wants:
            return
        if not seconds:
            for key, cutoff in wants.items():
                self._walks.want(key, cutoff, urgent=False)
            return
        asker = Asker(wants, standing.covered(wants))
        self._turns.join(asker)
        timer = self._clock.callLater(seconds, self._give_up, asker)
        try:
            for key, cutoff in wants.items():
                if not self._walks.want(key, cutoff, urgent=True):
                    asker.got(key)
            for key in asker.covered & self.lister.resting:
                asker.got(key)
            await asker.done
        finally:
            self._turns.leave(asker)
            if timer.active():
                timer.cancel()

    def _give_up(self, asker: Asker) -> None:
        self.late += any(each not in asker.covered for each in asker.keys)
        asker.finish()
