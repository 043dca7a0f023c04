"""
From a feed's pages to the store, in order.
"""

from collections import Counter, deque
from collections.abc import Sequence

import attrs
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from wanderer_twisted.backoff import backoff
from wanderer_twisted.days import DAY
from wanderer_twisted.ingest.committing import AT_ONCE, Committer
from wanderer_twisted.ingest.intake import Intake, Prepared
from wanderer_twisted.records import Change, FeedPage, Hole, Record
from wanderer_twisted.tasks import Tasks


@attrs.define
class _Arrival:
    """
    :ivar until: as of :class:`FeedPage`; later ones without killmails may move it.
    """

    page: FeedPage
    at: float
    until: float | None


class Ingest:
    """
    Takes the pages of one feed and commits them in order. What waits is prepared and
    committed together, so a burst costs few calls and few transactions.

    :param feed: its name.
    :param window: how many pages may be waiting for the store.

    :ivar killmails: by outcome: ``new``, ``known``, ``rejected``.
    :ivar last_killmail: UNIX seconds of the last one committed; None before it.
    :ivar until: UNIX seconds: all that was published before then is in the store; None
        where nothing is known yet.
    :ivar trouble: what is wrong now; empty where nothing is.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        feed: str,
        committer: Committer,
        intake: Intake,
        window: int,
    ) -> None:
        self.killmails: Counter[str] = Counter()
        self.last_killmail: float | None = None
        self.until: float | None = None
        self._clock = clock
        self._feed = feed
        self._committer = committer
        self._intake = intake
        self._window = window
        self._failed = ""
        self._lacked_until = 0.0  # of the last hole that the feed knows nothing of
        self._waiting: deque[_Arrival] = deque()
        self._working = False
        self._room: Deferred[None] | None = None
        self._idle: Deferred[None] | None = None
        self._tasks = Tasks()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def trouble(self) -> str:
        return self._committer.trouble or self._intake.trouble or self._failed

    def put(self, page: FeedPage) -> Deferred[None]:
        """
        Take the next page.

        :returns: fires when another may follow; with a window of 0 that is when this
            one is committed.
        """
        if not (page.packages or page.position or page.holes):
            self._bring_nothing(page.until)
            return succeed(None)
        self._waiting.append(_Arrival(page, self._clock.seconds(), page.until))
        if not self._working:
            self._working = True
            self._tasks.start(self._work())
        if len(self._waiting) <= self._window:
            return succeed(None)
        self._room = Deferred()
        return self._room

    def _bring_nothing(self, until: float | None) -> None:
        """
        A page has only this to say, which holds when those before it are stored.
        """
        if not self._waiting:
            self._reach(until)
        elif until is not None:
            self._waiting[-1].until = until

    def stop(self, within: float) -> Deferred[None]:
        """
        Finish what was taken, but not for longer than *within* seconds: what is not
        committed by then comes again, by the feed's position.
        """
        if not self._working:
            return succeed(None)
        self._idle = Deferred()
        deadline = self._clock.callLater(within, self._tasks.cancel)
        return self._idle.addCallback(_stop_timer, deadline)

    async def _work(self) -> None:
        pauses = backoff(1, 60)
        try:
            while self._waiting:
                group = self._group()
                try:
                    await self._take(group)
                except CancelledError:
                    raise
                except Exception as error:
                    self._log.failure("{n} pages can't be taken in", n=len(group))
                    self._failed = f"The last pages can't be taken in: {error!r}"
                    await deferLater(self._clock, next(pauses))
                    continue
                self._failed = ""
                pauses = backoff(1, 60)
                for arrival in group:
                    self._waiting.popleft()
                    self._reach(arrival.until)
                self._let_in()
        finally:
            self._working = False
            if self._idle is not None:
                self._idle.callback(None)

    def _group(self) -> Sequence[_Arrival]:
        """
        The pages to take together: the first one, and what fits one transaction.
        """
        group: list[_Arrival] = []
        killmails = 0
        for arrival in self._waiting:
            killmails += len(arrival.page.packages)
            if group and killmails > AT_ONCE:
                break
            group.append(arrival)
        return group

    async def _take(self, group: Sequence[_Arrival]) -> None:
        pages = [arrival.page for arrival in group]
        packages = [package for page in pages for package in page.packages]
        prepared = Prepared()
        if packages:
            prepared = await self._intake.prepare(packages, arrived=group[0].at)
        positions = [page.position for page in pages if page.position is not None]
        holes = [hole for page in pages for hole in page.holes]
        if prepared.lacking:  # told, and repaired by the archive, as any other hole
            self._lacked_until = self._clock.seconds()
            since = group[0].at - DAY if self.until is None else self.until
            holes.append(Hole(self._feed, 0, 0, since, self._lacked_until))
            self._log.error(
                "{feed} has a hole: bodies of its killmails could not be had",
                feed=self._feed,
            )
        position = None
        if positions:
            since = max(positions[-1].since, self._lacked_until)
            position = attrs.evolve(positions[-1], since=since)
        change = Change(
            entries=prepared.entries,
            announce=True,
            position=position,
            holes=holes,
            rejects=prepared.rejects,
        )
        journal = await self._committer.write(change)
        self._count(prepared, sum(isinstance(each, Record) for each in journal))

    def _count(self, prepared: Prepared, new: int) -> None:
        known = len(prepared.entries) - new
        self.killmails.update(new=new, known=known, rejected=len(prepared.rejects))
        if prepared.entries:
            self.last_killmail = self._clock.seconds()
            # They come in the order of publication, which is at kill_time or later.
            self._reach(max(each.killmail.kill_time for each in prepared.entries))

    def _reach(self, moment: float | None) -> None:
        if moment is not None:
            moment = min(moment, self._clock.seconds())
            self.until = max(self.until or 0.0, moment)

    def _let_in(self) -> None:
        if self._room is not None and len(self._waiting) <= self._window:
            room, self._room = self._room, None
            if not room.called:  # called: cancelled by a poll loop that stops
                room.callback(None)


def _stop_timer(result: None, timer: IDelayedCall) -> None:
    if timer.active():
        timer.cancel()
