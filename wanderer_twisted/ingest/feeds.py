"""
The poll loop of a feed.
"""

from collections.abc import Iterable, Sequence

import attrs
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from wanderer_twisted.backoff import backoff
from wanderer_twisted.ingest.committing import Committer
from wanderer_twisted.ingest.intake import Intake
from wanderer_twisted.ingest.pages import Ingest
from wanderer_twisted.interfaces import IKillmailFeed, IKillmailStore, UpstreamError
from wanderer_twisted.records import FeedStatus, FeedsThatCount
from wanderer_twisted.sources.feed import FAILING_AFTER
from wanderer_twisted.tasks import Tasks

_STOP_SECONDS = 5.0

#: How far behind a feed may be, in seconds, and still count as current: a short trouble
#: shall not have all histories asked of zKillboard.
CURRENT_SECONDS = 900.0


class FeedService(Service):
    """
    Polls one feed for ever and hands its pages in, one poll at a time. It begins where
    the store says that the feed was.

    :ivar polls: polls that brought an answer.
    :ivar errors: polls that did not.
    :ivar ingest: what becomes of the pages.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        feed: IKillmailFeed,
        intake: Intake,
        store: IKillmailStore,
    ) -> None:
        self.name: str = feed.name
        self.polls = 0
        self.errors = 0
        self._clock = clock
        self._feed = feed
        self._store = store
        self._committer = Committer(clock, store)
        self.ingest = Ingest(clock, feed.name, self._committer, intake, feed.window)
        self._trouble = ""
        self._begun = 0.0
        self._polling: Deferred[None] = succeed(None)
        self._tasks = Tasks()

    def startService(self) -> None:
        super().startService()
        self._begun = self._clock.seconds()
        self._polling = self._tasks.start(self._run())

    def stopService(self) -> Deferred[None]:
        """
        Leave the feed, at once where that loses nothing; what it gave is committed, if
        that can be done soon.
        """
        super().stopService()
        if self._feed.parting:
            self._polling.addTimeout(self._feed.parting, self._clock)
        else:
            self._polling.cancel()
        return self._polling.addCallback(lambda _: self.ingest.stop(_STOP_SECONDS))

    def status(self) -> FeedStatus:
        status = self._feed.status()
        trouble = self.ingest.trouble or self._trouble
        if trouble:
            status = attrs.evolve(status, state="failing", reason=trouble)
        if self.ingest.last_killmail is not None:
            status = attrs.evolve(status, last_killmail=self.ingest.last_killmail)
        return status

    def is_current(self) -> bool:
        """
        Whether the store may be supposed to have all that the feed has by now. One
        that has said nothing yet gets as long as it may be ``starting``, since streams
        come back in crowds after a restart.
        """
        now = self._clock.seconds()
        if self.ingest.until is None:
            return now - self._begun < FAILING_AFTER
        return now - self.ingest.until < CURRENT_SECONDS

    async def _run(self) -> None:
        restored = False
        pauses = backoff(1, 60)
        while True:
            try:
                if not restored:
                    await self._restore()
                    restored = True
                pause = await self._turn()
            except CancelledError:
                raise
            except UpstreamError as error:
                self.errors += 1
                self._trouble = ""  # the feed's own status tells of this
                pause = error.retry_after or next(pauses)
                self._log.info(
                    "{reason}; {feed} asks again in {pause:.1f} s",
                    feed=self.name,
                    reason=error.reason,
                    pause=pause,
                )
            except Exception as error:
                self.errors += 1
                pause = next(pauses)
                self._trouble = f"The poll failed: {error!r}"
                self._log.failure("poll of {feed} failed", feed=self.name)
            else:
                pauses = backoff(1, 60)
                self._trouble = ""
            if not self.running:
                return
            await deferLater(self._clock, pause)

    async def _restore(self) -> None:
        position = await self._committer.when_available(
            lambda: self._store.read_position(self.name)
        )
        try:
            self._feed.restore(position)
        except Exception:
            self._log.failure("{feed} can't go on where it was", feed=self.name)
            self._feed.restore(None)

    async def _turn(self) -> float:
        page = await self._feed.poll()
        self.polls += 1
        await self.ingest.put(page)
        return page.pause


def that_count(feeds: Sequence[FeedService]) -> FeedsThatCount:
    """
    Those of *feeds* that say what the store has.
    """
    current = [feed.name for feed in feeds if feed.is_current()]
    names = current or [feed.name for feed in feeds]
    return FeedsThatCount(names, bool(current))


def statuses(feeds: Iterable[FeedService]) -> Sequence[FeedStatus]:
    """
    How all feeds are.
    """
    return [feed.status() for feed in feeds]
