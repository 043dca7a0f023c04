"""
An older database gets its missing indexes while the server runs.
"""

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from wanderer_twisted.interfaces import IKillmailStore, StoreUnavailable
from wanderer_twisted.tasks import Background

#: Between two slices, so that the writer is free for what comes live.
_PAUSE = 0.05
_RETRY = 30.0


class Indexing(Background):
    """
    Indexes slice after slice until all is; then it rests for good.

    :ivar slices: how many were done.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, store: IKillmailStore) -> None:
        super().__init__()
        self.slices = 0
        self._clock = clock
        self._store = store

    async def _run(self) -> None:
        more = True
        while more:
            pause = _PAUSE
            try:
                more = await self._store.index_more()
                self.slices += more
            except CancelledError:
                raise
            except StoreUnavailable as error:
                self._log.warn("indexing waits: {reason}", reason=str(error))
                pause = _RETRY
            except Exception:
                self._log.failure("killmails could not be indexed")
                pause = _RETRY
            await deferLater(self._clock, pause)
        if self.slices:
            self._log.info("All killmails are indexed by corporation and alliance")
