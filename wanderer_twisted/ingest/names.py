"""
The names of ids: from memory, from the store, from the service that knows them.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from math import inf

import attrs
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from wanderer_twisted.backoff import backoff
from wanderer_twisted.interfaces import (
    IKillmailStore,
    INameSource,
    StoreUnavailable,
    UpstreamError,
)
from wanderer_twisted.records import Names, NamesFound
from wanderer_twisted.tasks import Tasks

_REMEMBERED = 50_000
_QUEUED = 20_000
_IDS_A_CALL = 500
_CALLS_AT_ONCE = 2
_NAMELESS_FOR = 86400.0


@attrs.frozen
class Found:
    """
    The answer to one look-up.

    :ivar missing: ids that may have a name, which is not known yet.
    """

    names: Names
    missing: frozenset[int] = frozenset()

    @property
    def complete(self) -> bool:
        return not self.missing


class NameBook(Service):
    """
    The names of ids. Every look-up is answered within its deadline with what is there;
    what is late goes on being fetched, and is there the next time.

    While the service does not answer it is left alone for a time, in which nobody
    waits for it.

    :ivar deadline_seconds: what a killmail may wait for its names, from its arrival.
    :ivar calls: calls of the service.
    :ivar failures: calls of it that brought nothing.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        store: IKillmailStore,
        source: INameSource | None,
        deadline_seconds: float,
    ) -> None:
        self.deadline_seconds = deadline_seconds
        self.calls = 0
        self.failures = 0
        self._clock = clock
        self._store = store
        self._source = source
        self._memory = _Memory(_REMEMBERED)
        self._lookups: set[_LookUp] = set()
        self._sought: set[int] = (
            set()
        )  # being read from the store, queued, or asked for
        self._queue: dict[int, None] = {}  # to be asked for, in order of arrival
        self._asking = 0
        self._resting: IDelayedCall | None = None
        self._pauses = backoff(5, 300)
        self._tasks = Tasks()

    @property
    def enabled(self) -> bool:
        return self._source is not None

    @property
    def failing(self) -> bool:
        """
        Whether the service is left alone because it did not answer.
        """
        return self._resting is not None

    def look_up(self, ids: Collection[int], deadline: float) -> Deferred[Found]:
        """
        Find names. Never fails; cancelling it does not stop what is being fetched.

        :param deadline: UNIX seconds; one that has passed gets what is in memory.
        """
        if not self.enabled:
            return succeed(Found({}))
        known = self._memory.get(ids, self._clock.seconds())
        lookup = _LookUp(known, set(ids) - known.keys())
        if lookup.open:
            self._lookups.add(lookup)
            wait = max(0.0, deadline - self._clock.seconds())
            lookup.timer = self._clock.callLater(wait, self._answer, lookup)
            self._seek(lookup.open - self._sought)
            if self.failing:
                self._close(self._queue)
        else:
            self._answer(lookup)
        return lookup.answer

    def stopService(self) -> None:
        """
        Give every look-up what is there, and leave the service alone.
        """
        super().stopService()
        self._tasks.cancel()
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        for lookup in list(self._lookups):
            self._answer(lookup)

    # --- look-ups ----------------------------------------------------------------

    def _answer(self, lookup: "_LookUp") -> None:
        self._lookups.discard(lookup)
        if lookup.timer is not None and lookup.timer.active():
            lookup.timer.cancel()
        if not lookup.answer.called:  # called: cancelled by its owner
            lookup.answer.callback(lookup.found())

    def _learn(self, known: Mapping[int, str | None]) -> None:
        self._memory.put(known, self._clock.seconds())
        self._sought.difference_update(known)
        for lookup in list(self._lookups):
            lookup.learn(known)
        self._close(known)

    def _give_up(self, ids: Collection[int]) -> None:
        self._sought.difference_update(ids)
        self._close(ids)

    def _close(self, ids: Collection[int]) -> None:
        """
        Have nobody wait for *ids* any more.
        """
        for lookup in list(self._lookups):
            lookup.open.difference_update(ids)
            if not lookup.open:
                self._answer(lookup)

    # --- fetching ----------------------------------------------------------------

    def _seek(self, ids: Collection[int]) -> None:
        if ids:
            self._sought.update(ids)
            self._tasks.start(self._read(ids))

    async def _read(self, ids: Collection[int]) -> None:
        try:
            kept = await self._store.read_names(ids)
        except StoreUnavailable:
            self._give_up(ids)
            return
        self._learn(kept)
        rest = [each for each in ids if each not in kept]
        room = max(0, _QUEUED - len(self._queue))
        self._queue.update(dict.fromkeys(rest[:room]))
        self._give_up(rest[room:])
        if self.failing:
            self._close(self._queue)
        self._ask()

    def _ask(self) -> None:
        while self._queue and self._asking < _CALLS_AT_ONCE and not self.failing:
            batch = list(islice(self._queue, _IDS_A_CALL))
            for each in batch:
                del self._queue[each]
            self._asking += 1
            self._tasks.start(self._call(batch))

    async def _call(self, batch: Collection[int]) -> None:
        assert self._source is not None
        self.calls += 1
        try:
            found = await self._source.names(batch)
        except CancelledError:
            raise
        except Exception as error:
            self._failed(error)
        else:
            self._pauses = backoff(5, 300)
            self._learn({**dict.fromkeys(found.unknown), **found.names})
            self._tasks.start(self._keep(found))
        finally:
            self._asking -= 1
            self._give_up(self._sought.intersection(batch))
        self._ask()

    async def _keep(self, found: NamesFound) -> None:
        try:
            await self._store.keep_names(found)
        except StoreUnavailable as error:
            self._log.info("names are not kept: {reason}", reason=str(error))

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        pause = next(self._pauses)
        if isinstance(error, UpstreamError):
            pause = error.retry_after or pause
            self._log.info("no names for now: {reason}", reason=error.reason)
        else:
            self._log.failure("names could not be asked for")
        if self._resting is None:
            self._resting = self._clock.callLater(pause, self._rested)
        self._close(self._queue)

    def _rested(self) -> None:
        self._resting = None
        self._ask()


class _LookUp:
    """
    One question, until it is answered.

    :ivar open: ids that it still waits for.
    """

    def __init__(self, known: dict[int, str | None], open: set[int]) -> None:
        self.open = open
        self.answer: Deferred[Found] = Deferred()
        self.timer: IDelayedCall | None = None
        self._known = known
        self._unknown = set(open)

    def learn(self, known: Mapping[int, str | None]) -> None:
        learned = self._unknown.intersection(known)
        self._known.update((each, known[each]) for each in learned)
        self._unknown -= learned

    def found(self) -> Found:
        names = {each: name for each, name in self._known.items() if name is not None}
        return Found(names, frozenset(self._unknown))


class _Memory:
    """
    Names used lately, and for a day which ids have none.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._names: OrderedDict[int, tuple[str | None, float]] = OrderedDict()

    def get(self, ids: Iterable[int], now: float) -> dict[int, str | None]:
        known = {}
        for each in ids:
            name, until = self._names.get(each, (None, -inf))
            if until > now:
                self._names.move_to_end(each)
                known[each] = name
        return known

    def put(self, known: Mapping[int, str | None], now: float) -> None:
        for each, name in known.items():
            until = inf if name is not None else now + _NAMELESS_FOR
            self._names[each] = name, until
            self._names.move_to_end(each)
        while len(self._names) > self._size:
            self._names.popitem(last=False)
