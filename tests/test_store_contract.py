"""
What every store must do, run on the real one without threads and with them.
"""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from tests.support.cases import SyncCase
from tests.support.killmails import DAY, START, entry
from tests.support.store import make_store, temporary_path
from wanderer_twisted.interfaces import IKillmailStore, StoreUnavailable
from wanderer_twisted.killmail import encode
from wanderer_twisted.partition import Filter, Snapshot
from wanderer_twisted.records import (
    BatchLimits,
    Change,
    Commit,
    Coverage,
    Entry,
    FeedPosition,
    Hole,
    NamesFound,
    Place,
    Plan,
    Record,
    Reject,
)
from wanderer_twisted.store.sqlite import SqliteStore
from wanderer_twisted.store.sqlite import make_store as make_threaded_store

EVERYTHING = Filter()
VICTIM = Filter(character_ids=frozenset({90000001}))
A_HOLE = Hole("r2z2", 7, 8, START, START + 60.0)
LIMITS = BatchLimits()

Self = TypeVar("Self", bound="StoreContract")


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


class StoreContract:
    """
    The tests. Each begins with an empty store at :data:`START`.
    """

    store: SqliteStore
    told: list[Commit]
    now: Clock
    assertEqual: Any  # noqa: N815

    def play(self, scenario: Deferred[None]) -> Any:
        raise NotImplementedError

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
        facts = (await self.record(killmail_id)).facts
        return facts.added_seq, facts.live_seq, facts.valued_seq

    async def live(self, wanted: Filter = EVERYTHING, after: int = 0) -> list[int]:
        page = await self.store.read_journal(wanted, None, after)
        return [
            each.killmail_id if isinstance(each, Record) else -each.seq
            for each in page.entries
        ]

    async def history(self, wanted: Filter = VICTIM, cutoff: int = 0) -> list[bytes]:
        snapshot = Snapshot(self.store.marks.head, cutoff)
        batch = await self.store.read_batch(wanted, snapshot, True, LIMITS, Place())
        return list(batch.bodies)

    # --- what it is

    def test_provides_the_interface(self) -> None:
        """
        It provides IKillmailStore.
        """
        verifyObject(IKillmailStore, self.store)

    @scenario
    async def test_starts_empty(self) -> None:
        """
        An empty store has a name of six characters, no numbers and no killmails.
        """
        self.assertEqual(len(self.store.epoch), 6)
        self.assertEqual(self.store.marks.head, 0)
        self.assertEqual(await self.live(), [])
        self.assertEqual(await self.store.read_killmail(1), None)
        self.assertEqual(await self.store.read_position("r2z2"), None)

    # --- numbers

    @scenario
    async def test_new_and_announced(self) -> None:
        """
        A new killmail from a live feed gets one number for all, and is told.
        """
        commit = await self.announce(entry(10), entry(11, value=None))
        self.assertEqual(commit.marks.head, 2)
        self.assertEqual(await self.numbers(10), (1, 1, 1))
        self.assertEqual(await self.numbers(11), (2, 2, None))
        self.assertEqual(commit.journal, [await self.record(10), await self.record(11)])
        self.assertEqual(self.told, [commit])
        self.assertEqual(self.store.marks, commit.marks)

    @scenario
    async def test_new_from_history(self) -> None:
        """
        A new killmail from a listing is numbered, and not announced.
        """
        commit = await self.add(entry(10))
        self.assertEqual(await self.numbers(10), (1, None, 1))
        self.assertEqual(commit.journal, [])
        self.assertEqual(await self.live(), [])

    @scenario
    async def test_announced_later(self) -> None:
        """
        A killmail that a listing brought is announced when a feed brings it first.
        """
        await self.add(entry(10))
        commit = await self.announce(entry(10))
        self.assertEqual(await self.numbers(10), (1, 2, 1))
        self.assertEqual(commit.journal, [await self.record(10)])

    @scenario
    async def test_announced_once(self) -> None:
        """
        A killmail that comes again is not announced again and takes no number.
        """
        await self.announce(entry(10))
        commit = await self.announce(entry(10), entry(10))
        self.assertEqual(commit.journal, [])
        self.assertEqual(commit.marks.head, 1)
        self.assertEqual(await self.live(), [10])

    @scenario
    async def test_twice_in_one_change(self) -> None:
        """
        A killmail that is twice in one change is announced once.
        """
        commit = await self.announce(entry(10), entry(10))
        self.assertEqual(commit.journal, [await self.record(10)])

    @scenario
    async def test_value_with_the_announcement(self) -> None:
        """
        A first value that comes with the first announcement shares its number.
        """
        await self.add(entry(10, value=None))
        commit = await self.announce(entry(10, value=5.0))
        self.assertEqual(await self.numbers(10), (1, 2, 2))
        self.assertEqual(commit.marks.head, 2)

    @scenario
    async def test_value_later(self) -> None:
        """
        A first value that comes alone gets a number of its own, whoever brings it.
        """
        await self.announce(entry(10, value=None), entry(11, value=None))
        await self.add(entry(10, value=5.0))
        commit = await self.announce(entry(11, value=5.0))
        self.assertEqual(await self.numbers(10), (1, 1, 3))
        self.assertEqual(await self.numbers(11), (2, 2, 4))
        self.assertEqual(commit.journal, [])

    @scenario
    async def test_value_is_written_once(self) -> None:
        """
        Another price changes neither the value nor its number.
        """
        await self.announce(entry(10, value=5.0))
        await self.announce(entry(10, value=9.0))
        facts = (await self.record(10)).facts
        self.assertEqual((facts.value, facts.valued_seq), (5.0, 1))
        self.assertEqual(await self.live(Filter(min_value=9.0)), [])

    @scenario
    async def test_value_reaches_the_history(self) -> None:
        """
        A value that comes later is in histories frozen after it, not before.
        """
        await self.add(entry(10, value=None))
        await self.add(entry(10, value=5.0))
        for wanted in (
            attrs.evolve(VICTIM, min_value=5.0),
            Filter(system_ids=frozenset({30000142}), min_value=5.0),
        ):
            for head, count in ((1, 0), (2, 1)):
                plan = await self.store.measure_history(
                    wanted, Snapshot(head, 0), False, LIMITS, Place()
                )
                self.assertEqual(plan, Plan(count, count, 0))

    @scenario
    async def test_facts_are_written_once(self) -> None:
        """
        A killmail that comes with other participants, time or size keeps its first.
        """
        await self.add(entry(10))
        first = await self.record(10)
        other = entry(10, victim=5, kill_time=START - 9, system=30000144, items=9)
        await self.announce(other)
        second = await self.record(10)
        self.assertEqual(second.facts, attrs.evolve(first.facts, live_seq=2))
        self.assertEqual(second.sizes, first.sizes)

    @scenario
    async def test_holes_come_after_killmails(self) -> None:
        """
        A hole gets a number behind the killmails of its change, is told, and is read
        under any filter.
        """
        commit = await self.store.commit(
            Change([entry(10)], announce=True, holes=[A_HOLE])
        )
        hole = attrs.evolve(A_HOLE, seq=2)
        self.assertEqual(commit.journal[1:], [hole])
        nobody = Filter(character_ids=frozenset({1}))
        page = await self.store.read_journal(nobody, None, 0)
        self.assertEqual((page.entries, page.upto), ([hole], 2))

    @scenario
    async def test_marks_are_read(self) -> None:
        """
        read_marks tells the numbers in the database.
        """
        await self.announce(entry(10))
        self.assertEqual(await self.store.read_marks(), self.store.marks)

    # --- bodies

    @scenario
    async def test_keeps_the_body(self) -> None:
        """
        A body comes back byte by byte, with and without items, in both kinds of read.
        """
        one = entry(10, items=3)
        await self.announce(one)
        self.assertEqual((await self.record(10)).body, one.body)
        self.assertEqual(await self.history(), [one.body.json(with_items=True)])
        batch = await self.store.read_batch(
            VICTIM, Snapshot(1, 0), False, LIMITS, Place()
        )
        self.assertEqual(batch.bodies, [one.body.json(with_items=False)])

    @scenario
    async def test_takes_the_better_body(self) -> None:
        """
        A body with zKillboard's block, then one with names, takes a lesser one's place.
        """
        bare = attrs.evolve(entry(10, value=None), named=False)
        valued = attrs.evolve(entry(10, value=5.0), named=False)
        named = Entry(
            valued.killmail,
            encode(valued.killmail, {90000001: "Somebody"}),
            valued.sizes,
        )
        for one in (bare, valued, named):
            await self.add(one)
            self.assertEqual((await self.record(10)).body, one.body)
        for one in (bare, valued):
            await self.add(one)
            self.assertEqual((await self.record(10)).body, named.body)

    @scenario
    async def test_announces_the_better_body(self) -> None:
        """
        What is announced is the best body there is, also where the feed's is worse.
        """
        await self.add(entry(10, value=5.0))
        commit = await self.announce(entry(10, value=None))
        (announced,) = commit.journal
        self.assertEqual(announced, await self.record(10))
        assert isinstance(announced, Record)
        self.assertEqual(announced.body, entry(10, value=5.0).body)

    @scenario
    async def test_renames(self) -> None:
        """
        Killmails without all names are found and get them; what is gone is passed over.
        """
        plain = attrs.evolve(entry(10), named=False)
        await self.announce(plain, entry(11))
        (found,) = await self.store.read_unnamed(5)
        self.assertEqual(found, await self.record(10))
        body = encode(plain.killmail, {90000001: "Somebody"})
        await self.store.rename([(10, body), (99, body)])
        self.assertEqual((await self.record(10)).body, body)
        self.assertEqual(await self.store.read_unnamed(5), [])

    @scenario
    async def test_renaming_loses_no_value(self) -> None:
        """
        A body with names that was made before the value came does not overwrite it.
        """
        plain = attrs.evolve(entry(10, value=None), named=False)
        valued = attrs.evolve(entry(10, value=5.0), named=False)
        await self.announce(plain)
        await self.add(valued)
        await self.store.rename([(10, encode(plain.killmail, {90000001: "Somebody"}))])
        self.assertEqual((await self.record(10)).body, valued.body)
        self.assertEqual(len(await self.store.read_unnamed(5)), 1)

    # --- the rest of a change

    @scenario
    async def test_keeps_positions(self) -> None:
        """
        A feed's position is the one of the last commit.
        """
        first = FeedPosition("r2z2", "96", START)
        other = FeedPosition("redisq", "", START)
        last = attrs.evolve(first, cursor="97")
        for position in (first, other, last):
            await self.store.commit(Change(position=position))
        self.assertEqual(await self.store.read_position("r2z2"), last)
        self.assertEqual(set(await self.store.read_positions()), {last, other})

    @scenario
    async def test_keeps_coverage(self) -> None:
        """
        Coverage is kept for each character or system; the last one counts.
        """
        old = Coverage("character", 5, START - DAY, START, START)
        new = attrs.evolve(old, since=START - 90 * DAY)
        system = attrs.evolve(old, kind="system")
        await self.store.commit(Change(coverage=[old, system]))
        await self.store.commit(Change(coverage=[new]))
        found = await self.store.read_coverage("character", [5, 6])
        self.assertEqual(found, {5: new})
        self.assertEqual(await self.store.read_coverage("system", [5]), {5: system})

    @scenario
    async def test_counts_what_is_missing(self) -> None:
        """
        Missing is each killmail of these ids that was set aside and never came.
        """
        refused = [
            Reject(10, None, "422", kind="character", owner=5),
            Reject(10, None, "422", kind="system", owner=30000142),
            Reject(11, None, "422", kind="character", owner=5),
            Reject(12, None, "422", kind="character", owner=6),
            Reject(None, None, "broken", kind="character", owner=5),
            Reject(13, None, "broken", b"{"),
        ]
        await self.store.commit(Change([entry(11)], rejects=refused))
        await self.store.commit(Change(rejects=refused))  # in the next hour, again
        both = Filter(frozenset({5}), frozenset({30000142}))
        self.assertEqual(await self.store.count_missing(both), 1)
        self.assertEqual(await self.store.count_missing(EVERYTHING), 0)

    @scenario
    async def test_knows_what_is_valued(self) -> None:
        """
        read_valued tells which killmails are stored, and whether their value is known.
        """
        await self.add(entry(10), entry(11, value=None))
        found = await self.store.read_valued([10, 11, 12])
        self.assertEqual(found, {10: True, 11: False})

    @scenario
    async def test_keeps_names(self) -> None:
        """
        Names are kept, and that an id has none; a later answer replaces it.
        """
        await self.store.keep_names(NamesFound({1: "One"}, frozenset({2, 3})))
        await self.store.keep_names(NamesFound({2: "Two"}))
        found = await self.store.read_names([1, 2, 3, 4])
        self.assertEqual(found, {1: "One", 2: "Two", 3: None})

    @scenario
    async def test_all_or_nothing(self) -> None:
        """
        Where one part of a change cannot be written, none of it is, and the next one
        finds the store as it was.
        """
        bad = attrs.evolve(entry(11), sizes=(2**63, 1))
        change = Change(
            [entry(10), bad], announce=True, position=FeedPosition("r2z2", "1", START)
        )
        try:
            await self.store.commit(change)
        except OverflowError:
            pass
        else:
            raise AssertionError("it was taken")
        self.assertEqual(self.told, [])
        self.assertEqual(await self.store.read_position("r2z2"), None)
        await self.announce(entry(12))
        self.assertEqual(await self.numbers(12), (1, 1, 1))
        self.assertEqual(await self.live(), [12])

    # --- histories and pages

    @scenario
    async def test_history_of_nobody(self) -> None:
        """
        Without ids there is no history.
        """
        await self.announce(entry(10))
        snapshot = Snapshot(1, 0)
        plan = await self.store.measure_history(
            EVERYTHING, snapshot, False, LIMITS, Place()
        )
        self.assertEqual(plan, Plan(0, 0, 0))
        batch = await self.store.read_batch(
            EVERYTHING, snapshot, False, LIMITS, Place()
        )
        self.assertEqual((batch.bodies, batch.last), ([], Place()))

    @scenario
    async def test_large_killmails_go_alone(self) -> None:
        """
        A killmail larger than the limit makes a batch of its own.
        """
        await self.add(*(entry(id, kill_time=START + id) for id in (10, 11, 12)))
        after, limits, sizes = Place(), BatchLimits(50, 1), []
        snapshot = Snapshot(3, 0)
        plan = await self.store.measure_history(VICTIM, snapshot, False, limits, after)
        self.assertEqual(plan, Plan(3, 3, 0))
        while True:
            batch = await self.store.read_batch(VICTIM, snapshot, False, limits, after)
            if not batch.bodies:
                break
            sizes.append(len(batch.bodies))
            after = batch.last
        self.assertEqual(sizes, [1, 1, 1])

    @scenario
    async def test_told_in_order_before_the_answer(self) -> None:
        """
        The listener hears of each commit in order, and before whoever asked for it.
        """
        order: list[str] = []
        self.store.listen(lambda commit: order.append(f"told {commit.marks.head}"))
        answers = [
            self.store.commit(Change([entry(id)], announce=True)).addCallback(
                lambda commit: order.append(f"answer {commit.marks.head}")
            )
            for id in (10, 11)
        ]
        for answer in answers:
            await answer
        self.assertEqual(order, ["told 1", "answer 1", "told 2", "answer 2"])

    @scenario
    async def test_prunes(self) -> None:
        """
        Pruning is told, moves the floors, and what it took stays out for ever.
        """
        old = entry(10, kill_time=START - 200 * DAY)
        await self.announce(old, entry(11))
        more = await self.store.prune(START + 101 * DAY - 50 * DAY)
        self.assertEqual((more, len(self.told)), (False, 1))
        await self.store.prune(START + 101 * DAY)
        marks = self.told[-1].marks
        self.assertEqual((marks.head, marks.floor_seq), (2, 2))
        self.assertEqual(marks.floor_time, START)
        self.assertEqual(marks, self.store.marks)
        self.assertEqual(marks, await self.store.read_marks())
        commit = await self.announce(old)
        self.assertEqual((commit.marks.head, commit.journal), (2, []))
        self.assertEqual(await self.store.read_killmail(10), None)
        self.assertEqual(await self.history(), [])

    @scenario
    async def test_closes(self) -> None:
        """
        A closed store refuses, at once and with the usual error.
        """
        await self.store.close()
        for answer in (self.store.commit(Change()), self.store.read_marks()):
            try:
                await answer
            except StoreUnavailable:
                continue
            raise AssertionError("it answered")


class InlineStoreTests(StoreContract, SyncCase):
    """
    The store without threads.
    """

    def setUp(self) -> None:
        clock = Clock()
        clock.advance(START)
        self.begin(make_store(temporary_path(self), clock))
        self.addCleanup(self.store.close)

    def play(self, scenario: Deferred[None]) -> None:
        self.successResultOf(scenario)


class ThreadedStoreTests(StoreContract, TestCase):
    """
    The store as it runs in production, but for its clock.
    """

    timeout = 20

    def setUp(self) -> None:
        from twisted.internet import reactor

        store = make_threaded_store(reactor, self.mktemp(), 100)
        self.clock = Clock()
        self.clock.advance(START)
        self.patch(store, "_clock", self.clock)
        store.open()
        self.begin(store)
        self.addCleanup(store.close)

    def play(self, scenario: Deferred[None]) -> Deferred[None]:
        return scenario
