"""
A history for tests, of listings with small pages.
"""

from collections.abc import Collection
from typing import Any

from twisted.internet.defer import Deferred

from tests.support.killmails import DAY
from tests.support.past import NOW, FakeListings, PastCase, package
from tests.support.staged import stage_all
from wanderer_twisted.days import day_of
from wanderer_twisted.history import History, coverage
from wanderer_twisted.history.keeper import kill_time
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import (
    ArchivedDay,
    Change,
    Commit,
    Coverage,
    FeedPosition,
    FeedsThatCount,
    Package,
    Report,
)

CUTOFF = NOW - 90 * DAY
NOVEMBER, OCTOBER, SEPTEMBER = (2026, 11), (2026, 10), (2026, 9)


def character(*ids: int) -> Filter:
    return Filter(character_ids=frozenset(ids))


class HistoryCase(PastCase):
    """
    Pages of three rows, a feed that has run for a day, and three histories at once.

    :ivar current: the names of the feeds that are current.
    """

    def setUp(self) -> None:
        super().setUp()
        self.patch(coverage, "FULL_PAGE", 3)
        self.listings = FakeListings(self.clock)
        self.changes: list[Change] = []
        self.current = ["fake"]
        self.history = self.make_history()
        self.feed_since(NOW - DAY)

    def make_history(self, values_deadline: float = 1.0) -> History:
        commit = self.store.commit

        def watched(change: Change) -> Deferred[Commit]:
            self.changes.append(change)
            return commit(change)

        self.store.commit = watched  # type: ignore[method-assign]
        history = History(
            self.clock,
            self.store,
            self.listings,
            self.intake,
            self.names,
            feeds=lambda: FeedsThatCount(self.current or ["fake"], bool(self.current)),
            values_deadline_seconds=values_deadline,
            histories_at_once=3,
        )
        history.startService()
        self.addCleanup(history.stopService)
        return history

    def feed_since(self, since: float) -> None:
        position = FeedPosition("fake", "1", since)
        self.successResultOf(self.store.commit(Change(position=position)))

    def prepare(self, *ids: int, cutoff: int = CUTOFF) -> Deferred[None]:
        """
        Ask for the past of *ids*, and let happen what can.
        """
        preparing = self.history.prepare(character(*ids), cutoff)
        self.settle()
        return preparing

    def prepared(self, *ids: int, cutoff: int = CUTOFF) -> None:
        self.successResultOf(self.prepare(*ids, cutoff=cutoff))

    def report(self, *ids: int, cutoff: int = CUTOFF) -> Report:
        return self.successResultOf(self.history.report(character(*ids), cutoff))

    def coverage(self, owner: int) -> Coverage | None:
        found = self.successResultOf(self.store.read_coverage("character", [owner]))
        return found.get(owner)

    def list_days_ago(
        self, owner: int, days: Collection[float], first: int = 0
    ) -> None:
        """
        Have killmails listed, with ids in the order of their times.
        """
        base = first or owner * 1000
        self.listings.add("character", owner, [])
        rows = [
            package(base + n, int(NOW - day * DAY), victim=owner)
            for n, day in enumerate(sorted(days, reverse=True))
        ]
        self.listings.add("character", owner, rows)

    def listed(self, owner: int) -> list[Package]:
        return self.listings.rows["character", owner]

    def bodies_of(self, owner: int) -> dict[int, Any]:
        return {each.esi["killmail_id"]: each.esi for each in self.listed(owner)}

    def places(self) -> list[tuple[int, tuple[int, int] | None]]:
        """
        The pages that were asked for, of whomever.
        """
        return [(number, month) for _, number, month in self.listings.asked]

    def has_all(self, owner: int, since: int = CUTOFF) -> bool:
        wanted = {
            each.killmail_id
            for each in self.listed(owner)
            if package_time(each) >= since and each.killmail_id is not None
        }
        return wanted == set(self.stored(wanted))


class ArchiveCase(HistoryCase):
    """
    The same, where the archive has been loaded up to where the feed began.
    """

    def setUp(self) -> None:
        super().setUp()
        self.name_source.known = {30000142: "Jita", 587: "Rifter", 98000001: "Lost"}
        self.have_days(95, 2)

    def have_days(self, first: int, last: int, listed_at: float = NOW) -> None:
        """
        Have days whole, by how many days ago they began.
        """
        today = day_of(NOW)
        days = [
            ArchivedDay(today - ago, 1, 1, listed_at, listed_at, loaded=True)
            for ago in range(last, first + 1)
        ]
        self.successResultOf(self.store.commit(Change(days=days)))

    def archive(self, owner: int, days: Collection[float]) -> list[int]:
        """
        Have killmails listed, and loaded from the archive.

        :returns: their ids, oldest first.
        """
        self.list_days_ago(owner, days)
        self.load([each.esi for each in self.listed(owner)])
        return sorted(self.bodies_of(owner))

    def load(self, bodies: Collection[Any]) -> None:
        for path, staged in stage_all(self.mktemp(), bodies):
            for part in range(staged.parts):
                self.successResultOf(self.store.load(path, part))


def package_time(row: Package) -> int:
    time = kill_time(row)
    assert time is not None
    return time
