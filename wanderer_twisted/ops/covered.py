"""
How many days of the past the store has whole.
"""

from collections.abc import Sequence

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from wanderer_twisted.completeness import past_days
from wanderer_twisted.interfaces import IKillmailStore, StoreUnavailable
from wanderer_twisted.records import ArchivedDay
from wanderer_twisted.tasks import Background

_EVERY = 60.0


class Covered(Background):
    """
    Looks from time to time, so that whoever asks need not wait for the store.

    :ivar days: how many days anybody may look back to, today left out ...
    :ivar days_complete: ... and how many of them are whole.
    :ivar backfill_days: how many days the server holds by itself ...
    :ivar backfill_days_complete: ... and how many of them are whole.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        store: IKillmailStore,
        max_days: int,
        backfill_days: int,
    ) -> None:
        super().__init__()
        self.days = max(max_days, backfill_days)
        self.backfill_days = backfill_days
        self.days_complete = 0
        self.backfill_days_complete = 0
        self._clock = clock
        self._store = store

    async def _run(self) -> None:
        while True:
            try:
                self._count(await self._store.read_days())
            except CancelledError:
                raise
            except StoreUnavailable as error:
                self._log.debug("days are not counted: {reason}", reason=str(error))
            except Exception:
                self._log.failure("the days of the archive could not be counted")
            await deferLater(self._clock, _EVERY)

    def _count(self, known: Sequence[ArchivedDay]) -> None:
        days = past_days(known, self._clock.seconds(), self.days)
        self.days_complete = sum(each.complete for each in days)
        of_backfill = days[: self.backfill_days]
        self.backfill_days_complete = sum(each.complete for each in of_backfill)
