"""
An archive of a few small days, and the work on it, without another process.
"""

import os
from collections import deque
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from tests.support.killmails import DAY, esi
from tests.support.past import HASH, NOW, Gate, PastCase
from wanderer_twisted.archive.loading import Loader
from wanderer_twisted.archive.rounds import Outcome, Rounds
from wanderer_twisted.days import day_of
from wanderer_twisted.encoding import dumps
from wanderer_twisted.interfaces import IArchiveSource, Refused
from wanderer_twisted.records import (
    ArchivedDay,
    Change,
    Commit,
    DayList,
    FeedPosition,
    Hole,
    Totals,
)
from wanderer_twisted.store.staging import Ask, Staged, stage

TODAY = day_of(NOW)
#: 09:00 UTC: the archive of today is made.
MORNING = NOW + 9 * 3600


@implementer(IArchiveSource)
class PastArchive:
    """
    :ivar lists: day -> id -> hash; every other day is refused.
    :ivar files: day -> its file with bodies, as it comes.
    :ivar counts: day -> what the totals say of it, where not what the list does.
    :ivar errors: ``totals``, ``listing`` or ``bodies`` -> what is raised instead, one
        after the other.
    :ivar asked: what was asked for, and the day, in order; 0 for the totals.
    :ivar clock_skew: seconds by which its clock is ahead of ours.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.lists: dict[int, dict[int, str]] = {}
        self.files: dict[int, bytes] = {}
        self.counts: dict[int, int] = {}
        self.errors: dict[str, deque[Exception]] = {}
        self.asked: list[tuple[str, int]] = []
        self.gate = Gate()
        self.clock_skew = 0
        self._clock = clock

    async def totals(self) -> Totals:
        await self._ask("totals", 0)
        counts = {day: len(ids) for day, ids in self.lists.items()} | self.counts
        return Totals(counts, self._now())

    async def listing(self, day: int) -> DayList:
        await self._ask("listing", day)
        if day not in self.lists:
            raise Refused("There is no such file")
        return DayList(dict(self.lists[day]), self._now())

    async def bodies(self, day: int, path: str) -> None:
        await self._ask("bodies", day)
        if day not in self.files:
            raise Refused("There is no such file")
        Path(path).write_bytes(self.files[day])

    async def _ask(self, what: str, day: int) -> None:
        self.asked.append((what, day))
        await self.gate.pass_through()
        if self.errors.get(what):
            raise self.errors[what].popleft()

    def _now(self) -> float:
        return self._clock.seconds() + self.clock_skew


class ArchiveCase(PastCase):
    """
    A test with an archive, which holds what :meth:`put` puts there.

    :cvar feeds: the names of those that run.
    :ivar part_size: killmails of one part.
    :ivar told: what the store told its listener.
    """

    feeds: Collection[str] = ("fake",)
    part_size = 3

    def setUp(self) -> None:
        super().setUp()
        self.clock.rightNow = float(MORNING)
        self.archive = PastArchive(self.clock)
        self.folder = f"{self.path}.archive"
        self.told: list[Commit] = []
        self.store.listen(self.told.append)
        self.loader = self.make_loader()
        self.rounds = self.make_rounds()

    def make_loader(self) -> Loader:
        return Loader(
            self.clock, self.store, self.archive, self.intake, self.stage, self.folder
        )

    def make_rounds(
        self,
        backfill_days: int = 3,
        told: Callable[[ArchivedDay], None] = lambda day: None,
    ) -> Rounds:
        return Rounds(
            self.clock,
            self.store,
            self.archive,
            self.loader,
            self.feeds,
            backfill_days,
            max_days=90,
            told=told,
        )

    async def stage(self, raw: str, path: str, ask: Ask) -> Staged:
        return stage(raw, path, ask, part_size=self.part_size)

    # --- the archive -------------------------------------------------------------

    def body(self, day: int, killmail_id: int, at: int = 0, **parts: Any) -> Any:
        """
        :param at: seconds from the day's beginning.
        """
        return esi(killmail_id, day * DAY + at, **parts)

    def put(self, day: int, ids: Collection[int], at: int = 0) -> None:
        """
        Have the archive make a day of these killmails, all of them *at* seconds from
        its beginning.
        """
        self.archive.lists[day] = dict.fromkeys(ids, HASH)
        bodies = {id: self.body(day, id, at) for id in ids}
        self.put_file(day, bodies)

    def put_file(self, day: int, bodies: object) -> None:
        self.archive.files[day] = dumps(bodies)

    def put_days(self, *days: int) -> None:
        """
        Ten killmails for each.
        """
        for day in days:
            self.put(day, self.ids(day))

    def ids(self, day: int) -> list[int]:
        return [day * 100 + n for n in range(10)]

    def errors(self, *errors: Exception) -> deque[Exception]:
        return deque(errors)

    # --- the store ---------------------------------------------------------------

    def row(self, day: int) -> ArchivedDay:
        """
        What the store has noted of a day.
        """
        days = self.successResultOf(self.store.read_days())
        return {each.day: each for each in days}.get(day, ArchivedDay(day))

    def announced(self) -> list[int]:
        """
        The ids of what was announced, in order.
        """
        entries = [each for commit in self.told for each in commit.journal]
        return [each.killmail_id for each in entries if not isinstance(each, Hole)]

    def lacking(self, ids: Collection[int]) -> list[int]:
        return sorted(set(ids) - set(self.stored(ids)))

    def follow(self) -> None:
        """
        A feed has begun.
        """
        position = FeedPosition("fake", "1", float(NOW))
        self.successResultOf(self.store.commit(Change(position=position)))

    def miss(self, since: float, until: float) -> None:
        """
        A feed had a hole.
        """
        hole = Hole("fake", 1, 2, since, until)
        self.successResultOf(self.store.commit(Change(holes=[hole])))

    # --- the work ----------------------------------------------------------------

    def begin(self) -> "Deferred[Outcome]":
        return Deferred.fromCoroutine(self.rounds.go())

    def go(self) -> Outcome:
        """
        One round, to its end.
        """
        going = self.begin()
        self.run_on()
        return self.successResultOf(going)

    def run_on(self, seconds: float = 5.0) -> None:
        """
        Let the clock go on, in small steps.
        """
        until = self.clock.seconds() + seconds
        while self.clock.seconds() < until:
            self.settle()
            self.clock.advance(0.1)

    def check_clean(self) -> None:
        """
        Nothing of a day's files is left.
        """
        self.assertFalse(os.path.exists(self.folder))
