"""
Names for killmails of the archive, when somebody wants them for the first time.
"""

from contextlib import suppress

import attrs
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from wanderer_twisted.ingest.names import NameBook
from wanderer_twisted.ingest.renaming import Namer
from wanderer_twisted.interfaces import IKillmailStore, StoreUnavailable
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import Place
from wanderer_twisted.tasks import Tasks

#: Killmails whose names are looked up at once.
PAGE = 50

_AT_ONCE = 4


@attrs.define
class _Underway:
    """
    Killmails of one filter that are being named.

    :ivar cutoff: the deepest that anybody wanted.
    :ivar waiting: who waits for it.
    """

    cutoff: int
    waiting: list[Deferred[None]] = attrs.field(factory=list)
    ended: bool = False


class Naming:
    """
    Names what came without names, page by page, the newest first. What is late goes on
    being named; while names can't be had nobody waits for them.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, store: IKillmailStore, names: NameBook
    ) -> None:
        self._clock = clock
        self._store = store
        self._names = names
        self._namer = Namer(clock, store, names)
        self._underway: dict[Filter, _Underway] = {}
        self._tasks = Tasks()

    @property
    def named(self) -> int:
        """
        Killmails that got names.
        """
        return self._namer.renamed

    @property
    def underway(self) -> int:
        """
        Filters whose killmails are being named.
        """
        return len(self._underway)

    def stop(self) -> None:
        self._tasks.cancel()

    async def name(self, wanted: Filter, cutoff: int) -> None:
        """
        Have all killmails of a filter named, and wait for it, but not long.
        """
        underway = self.begin(wanted, cutoff)
        if underway is not None and self._names.deadline_seconds:
            await self._wait(underway)

    def begin(self, wanted: Filter, cutoff: int) -> _Underway | None:
        """
        The same without waiting.

        :returns: what to wait for; None where names can't be had, or enough are being
            put in already: those come when they are wanted again.
        """
        if not self._names.enabled or self._names.failing:
            return None
        ids = attrs.evolve(wanted, min_value=None)
        underway = self._underway.get(ids)
        if underway is None:
            if len(self._underway) >= _AT_ONCE:
                return None
            underway = self._underway[ids] = _Underway(cutoff)
            self._tasks.start(self._run(ids, underway))
        underway.cutoff = min(underway.cutoff, cutoff)
        return None if underway.ended else underway

    async def _wait(self, underway: _Underway) -> None:
        waiting: Deferred[None] = Deferred(underway.waiting.remove)
        underway.waiting.append(waiting)
        waiting.addTimeout(self._names.deadline_seconds, self._clock)
        with suppress(TimeoutError):
            await waiting

    async def _run(self, wanted: Filter, underway: _Underway) -> None:
        try:
            await self._pages(wanted, underway)
        except StoreUnavailable as error:
            self._log.info("names have to wait: {reason}", reason=str(error))
        finally:
            del self._underway[wanted]
            underway.ended = True
            while underway.waiting:
                underway.waiting.pop().callback(None)

    async def _pages(self, wanted: Filter, underway: _Underway) -> None:
        before: Place | None = None
        while not self._names.failing:
            page = await self._store.read_bare(wanted, underway.cutoff, before, PAGE)
            if not page:
                return
            await self._namer.name(page)
            last = page[-1].facts
            before = Place(last.kill_time, last.killmail_id)
