"""
All the listings that are being walked, each once for all who want it.
"""

from collections.abc import Callable

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from wanderer_twisted.history.coverage import HOUR, Key
from wanderer_twisted.history.keeper import Keeper
from wanderer_twisted.history.lister import Lister
from wanderer_twisted.history.standing import read_listed
from wanderer_twisted.history.turns import Turns
from wanderer_twisted.history.walk import Walk
from wanderer_twisted.interfaces import IKillmailStore, UpstreamError
from wanderer_twisted.records import FeedsThatCount
from wanderer_twisted.tasks import Tasks

_WALKS = 10_000
_REMEMBERED = 10_000


@attrs.define
class _Underway:
    """
    A listing that is being walked.

    :ivar cutoff: the deepest that anybody wanted.
    """

    cutoff: int
    task: Deferred[None] | None = None


class Walks:
    """
    What nobody waits for any more goes on behind what somebody does.

    :param feeds: gives those that count.
    :param limit: gives UNIX seconds: nothing older is stored.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        store: IKillmailStore,
        feeds: Callable[[], FeedsThatCount],
        lister: Lister,
        keeper: Keeper,
        turns: Turns,
        limit: Callable[[], int],
    ) -> None:
        self._clock = clock
        self._store = store
        self._feeds = feeds
        self._lister = lister
        self._keeper = keeper
        self._turns = turns
        self._limit = limit
        self._walks: dict[Key, _Underway] = {}
        self._made: dict[Key, tuple[float, int]] = {}
        self._tasks = Tasks()

    def __len__(self) -> int:
        return len(self._walks)

    def stop(self) -> None:
        self._tasks.cancel()

    def want(self, key: Key, cutoff: int, urgent: bool) -> bool:
        """
        Have *key* walked.

        :param urgent: where there are too many, give up one that nobody waits for.
        :returns: False where too much is under way already.
        """
        walk = self._walks.get(key)
        if walk is not None:
            walk.cutoff = min(walk.cutoff, cutoff)
            return True
        if len(self._walks) >= _WALKS and not (urgent and self._drop_one()):
            return False
        walk = self._walks[key] = _Underway(cutoff)
        walk.task = self._tasks.start(self._walk(key, walk))
        return True

    def was_made(self, key: Key, cutoff: int) -> bool:
        """
        Whether *key* was walked back to *cutoff* within the hour, in which it would
        bring nothing more. A listing that proves nothing new leaves no coverage.
        """
        begun_at, reached = self._made.get(key, (0.0, 0))
        return self._clock.seconds() - begun_at < HOUR and reached <= cutoff

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
        begun_at = self._clock.seconds()
        coverage, feed_since = await self._keeper.committer.when_available(
            lambda: Deferred.fromCoroutine(read_listed(self._store, self._feeds(), key))
        )
        walk = Walk(
            self._clock,
            self._store,
            self._lister,
            self._keeper,
            key,
            self._limit(),
            coverage,
            feed_since,
        )
        await walk.go(cutoff)
        self._made.pop(key, None)
        self._made[key] = begun_at, cutoff
        while len(self._made) > _REMEMBERED:
            del self._made[next(iter(self._made))]

    def _tell(self, key: Key, cutoff: int | None) -> None:
        """
        Tell those who wait for *key* that it is there back to *cutoff*; None: that
        there will be no more.
        """
        for asker in list(self._turns.askers):
            wanted = asker.keys.get(key)
            if wanted is not None and (cutoff is None or wanted >= cutoff):
                asker.got(key)
