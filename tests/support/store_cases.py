"""
Test cases for what every store must do: written once, run without threads and with.
"""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from tests.support.cases import SyncCase
from tests.support.killmails import START
from tests.support.store import make_store, temporary_path
from wanderer_twisted.partition import Filter, Snapshot
from wanderer_twisted.records import (
    BatchLimits,
    Change,
    Commit,
    Entry,
    Hole,
    Place,
    Record,
)
from wanderer_twisted.store.sqlite import SqliteStore
from wanderer_twisted.store.sqlite import make_store as make_threaded_store

EVERYTHING = Filter()
#: The victim of :func:`~tests.support.killmails.entry`.
VICTIM = Filter(character_ids=frozenset({90000001}))
A_HOLE = Hole("r2z2", 7, 8, START, START + 60.0)
LIMITS = BatchLimits()

Self = TypeVar("Self", bound="StoreScenarios")


def scenario(
    test: Callable[[Self], Coroutine[Deferred[Any], Any, None]],
) -> Callable[[Self], Any]:
    """
    A test that awaits, for both kinds of test case.
    """

    @wraps(test)
    def run(self: Self) -> Any:
        return self.play(Deferred.fromCoroutine(test(self)))

    return run


class StoreScenarios:
    """
    What the tests share. Each begins with an empty store at
    :data:`~tests.support.killmails.START`.

    :ivar told: what the listener heard.
    """

    store: SqliteStore
    clock: Clock
    told: list[Commit]
    assertEqual: Any  # noqa: N815
    assertRaises: Any  # noqa: N815
    patch: Any
    play: Callable[[Deferred[None]], Any]

    def begin(self, store: SqliteStore) -> None:
        self.store = store
        self.told = []
        store.listen(self.told.append)

    async def announce(self, *entries: Entry) -> Commit:
        return await self.store.commit(Change(entries, announce=True))

    async def add(self, *entries: Entry) -> Commit:
        return await self.store.commit(Change(entries))

    async def record(self, killmail_id: int) -> Record:
        found = await self.store.read_killmail(killmail_id)
        assert found is not None
        return found

    async def numbers(self, killmail_id: int) -> tuple[int, int | None, int | None]:
        """
        Added, live and valued.
        """
        facts = (await self.record(killmail_id)).facts
        return facts.added_seq, facts.live_seq, facts.valued_seq

    async def live(self, wanted: Filter = EVERYTHING) -> list[int]:
        """
        The ids of what was announced; of a hole, its number with a minus.
        """
        page = await self.store.read_journal(wanted, None, 0)
        return [
            each.killmail_id if isinstance(each, Record) else -each.seq
            for each in page.entries
        ]

    async def history(self, wanted: Filter = VICTIM) -> list[bytes]:
        snapshot = Snapshot(self.store.marks.head, 0)
        return await self.first_batch(wanted, snapshot, with_items=True)

    async def first_batch(
        self, wanted: Filter, snapshot: Snapshot, with_items: bool
    ) -> list[bytes]:
        """
        Bodies of a history's first batch; empty where there is none.
        """
        ask = wanted, snapshot, with_items, LIMITS
        cuts = await self.store.find_batches(*ask, after=Place())
        ids = cuts[0].ids if cuts else ()
        return list(await self.store.read_bodies(snapshot, with_items, ids))


class InlineStoreCase(SyncCase):
    """
    The store without threads.
    """

    begin: Callable[[SqliteStore], None]

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        store = make_store(temporary_path(self), self.clock)
        self.addCleanup(store.close)
        self.begin(store)

    def play(self, scenario: Deferred[None]) -> None:
        self.successResultOf(scenario)


class ThreadedStoreCase(TestCase):
    """
    The store as it runs in production, but for its clock.
    """

    timeout = 20
    begin: Callable[[SqliteStore], None]

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.clock = Clock()
        self.clock.advance(START)
        store = make_threaded_store(reactor, self.mktemp(), 100)
        self.patch(store, "_clock", self.clock)
        store.open()
        self.addCleanup(store.close)
        self.begin(store)

    def play(self, scenario: Deferred[None]) -> Deferred[None]:
        return scenario
