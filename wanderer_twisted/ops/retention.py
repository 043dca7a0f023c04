"""
Removing what is older than the store keeps.
"""

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from wanderer_twisted.interfaces import IKillmailStore, StoreUnavailable
from wanderer_twisted.tasks import Background

#: Between two looks for something to remove, and between two slices of it.
EVERY_SECONDS = 600.0
_SLICE_SECONDS = 0.5


class Retention(Background):
    """
    Prunes in slices, so that the store's writer is never held for long.

    :ivar slices: how many were done; one every ten minutes finds nothing to remove.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, store: IKillmailStore) -> None:
        super().__init__()
        self.slices = 0
        self._clock = clock
        self._store = store

    async def _run(self) -> None:
        while True:
            more = False
            try:
                more = await self._store.prune(await self._now())
                self.slices += 1
            except CancelledError:
                raise
            except StoreUnavailable as error:
                self._log.warn("pruning waits: {reason}", reason=str(error))
            except Exception:
                self._log.failure("old killmails could not be removed")
            pause = _SLICE_SECONDS if more else EVERY_SECONDS
            await deferLater(self._clock, pause)

    async def _now(self) -> float:
        """
        By the clock, or by the newest killmail where that is behind: a clock that is
        months ahead would have all removed, and for good.
        """
        return min(self._clock.seconds(), await self._store.read_newest())
