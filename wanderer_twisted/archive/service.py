"""
The archive, looked at for as long as the server runs.
"""

from collections.abc import Callable
from random import Random
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from wanderer_twisted.archive import planning
from wanderer_twisted.archive.rounds import Rounds
from wanderer_twisted.backoff import backoff
from wanderer_twisted.interfaces import StoreUnavailable, UpstreamError
from wanderer_twisted.tasks import Tasks

_HOUR: Final = 3600.0
#: Not all servers shall come at once when the archive has been made.
_JITTER: Final = 1200.0
_STOP_SECONDS: Final = 5.0
#: How often the feeds are looked at before a round, and for how long.
_LOOK: Final = 10.0
_PATIENCE: Final = 3600.0


class Archive(Service):
    """
    Takes in days of the archive, and what changed of them, in the background.

    :param caught_up: whether the feeds have come to the present. Until they have, for
        an hour at the most, no day is taken in: those of a hole that a feed tells of
        later are taken in once more.

    :ivar rounds: the work, with its counters.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        rounds: Rounds,
        caught_up: Callable[[], bool] = lambda: True,
    ) -> None:
        self.rounds = rounds
        self._clock = clock
        self._caught_up = caught_up
        self._random = Random()
        self._tasks = Tasks()
        self._running: Deferred[None] | None = None
        self._pauses = backoff(300.0, _HOUR)

    def startService(self) -> None:
        super().startService()
        self.rounds.loader.clean_up()
        self._running = self._tasks.start(self._run())

    def stopService(self) -> Deferred[None] | None:
        """
        :returns: fires when what was under way is gone.
        """
        super().stopService()
        if self._running is None:
            return None
        self._running.cancel()
        return self._running.addTimeout(_STOP_SECONDS, self._clock)

    async def _run(self) -> None:
        while True:
            await deferLater(self._clock, await self._look())

    async def _look(self) -> float:
        """
        :returns: seconds until the next look.
        """
        try:
            await self._wait_for_feeds()
            outcome = await self.rounds.go()
        except CancelledError:
            raise
        except UpstreamError as error:
            self._log.warn("the archive waits: {why}", why=error.reason)
            return max(next(self._pauses), error.retry_after or 0.0)
        except StoreUnavailable as error:
            self._log.warn("the archive waits for the store: {why}", why=str(error))
            return next(self._pauses)
        except Exception:
            self._log.failure("the archive could not be looked at")
            return next(self._pauses)
        self._pauses = backoff(300.0, _HOUR)
        return self._pause(outcome.settled)

    def _pause(self, settled: bool) -> float:
        now = self._clock.seconds()
        if settled:
            return planning.next_run(now) - now + self._random.uniform(0, _JITTER)
        next_try = self.rounds.next_try()
        pause = _HOUR if next_try is None else min(_HOUR, next_try - now)
        return max(60.0, pause)

    async def _wait_for_feeds(self) -> None:
        patient_until = self._clock.seconds() + _PATIENCE
        await deferLater(self._clock, _LOOK)
        while not self._caught_up() and self._clock.seconds() < patient_until:
            await deferLater(self._clock, _LOOK)
