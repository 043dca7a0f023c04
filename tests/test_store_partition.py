"""
The store's reads against an oracle: whatever happened, in whatever order.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.support.cases import SyncCase
from tests.support.killmails import DAY, START, entry, esi
from tests.support.oracle import RETENTION, Oracle, Upstream, Wanted
from tests.support.staged import stage_all
from tests.support.store import make_store, temporary_path
from wanderer_twisted.days import day_of
from wanderer_twisted.partition import Filter, Snapshot
from wanderer_twisted.records import (
    BatchLimits,
    Change,
    Cut,
    Entry,
    Hole,
    Place,
    Plan,
    Record,
)
from wanderer_twisted.store import histories, index, journal
from wanderer_twisted.store.sqlite import SqliteStore

CHARACTERS = (1, 2, 3)
SYSTEMS = (30, 31)
CORPORATIONS = (1, 20)  # one of them a character's as well
ALLIANCES = (3, 20, None)
A_HOLE = Hole("feed", 1, 2, START, START)


def upstream(killmail_id: int) -> Upstream:
    """
    A killmail that follows from its id, so that it is the same whenever it comes: many
    of them at one time, of the same people, in different sizes.
    """
    mixed = killmail_id * 2654435761 % 2**32
    characters = {CHARACTERS[mixed % 3], CHARACTERS[mixed // 3 % 3]}
    return Upstream(
        killmail_id=killmail_id,
        kill_time=START - (mixed // 9 % 4) * 40 * DAY - mixed // 36 % 2,
        characters=frozenset(characters if mixed // 72 % 4 else ()),
        system=SYSTEMS[mixed // 288 % 2],
        value=float(mixed // 576 % 3),
        items=mixed // 1728 % 5,
        corporation=CORPORATIONS[mixed // 8640 % 2],
        alliance=ALLIANCES[mixed // 17280 % 3],
    )


def parts_of(upstream: Upstream) -> dict[str, Any]:
    somebody: list[int | None] = [*sorted(upstream.characters)]
    victim, *attackers = somebody or [None]
    return {
        "kill_time": upstream.kill_time,
        "victim": victim,
        "attackers": [each for each in attackers if each],
        "system": upstream.system,
        "items": upstream.items,
        "corporation": upstream.corporation,
        "alliance": upstream.alliance,
    }


def entry_of(upstream: Upstream, valued: bool) -> Entry:
    value = upstream.value if valued else None
    return entry(upstream.killmail_id, value, **parts_of(upstream))


def filter_of(wanted: Wanted) -> Filter:
    return Filter(
        wanted.characters,
        wanted.systems,
        wanted.min_value,
        wanted.corporations,
        wanted.alliances,
    )


killmails = st.tuples(st.integers(1, 40), st.booleans())
changes = st.tuples(
    st.just("change"),
    st.lists(killmails, max_size=6),
    st.booleans(),
    st.integers(0, 2),
)
loads = st.tuples(st.just("load"), st.lists(st.integers(1, 40), max_size=6))
operations = st.lists(
    changes
    | loads
    | st.tuples(st.just("wait"), st.sampled_from([1, 30 * DAY, 110 * DAY]))
    | st.tuples(st.just("prune")),
    min_size=1,
    max_size=15,
)
wishes = st.builds(
    Wanted,
    st.frozensets(st.sampled_from(CHARACTERS)),
    st.frozensets(st.sampled_from(SYSTEMS)),
    st.sampled_from([None, 0.0, 1.0, 2.0]),
    st.frozensets(st.sampled_from(CORPORATIONS)),
    st.frozensets(st.sampled_from([3, 20])),
)
limits = st.builds(
    BatchLimits,
    st.integers(1, 5),
    st.sampled_from([1, 900, 2_000, 1 << 20]),
    ahead=st.sampled_from([1, 4, 5_000]),
)


class PartitionTests(SyncCase):
    """
    Random runs on a store and on the oracle.
    """

    def setUp(self) -> None:
        # Small, so that a few killmails are read in several slices and pages.
        self.patch(index, "SLICE", 4)
        self.page_limits = journal.PageLimits(scanned=4, entries=3, size=1_500)

    def run_both(self, operations: list[Any]) -> tuple[SqliteStore, Oracle]:
        clock, oracle = Clock(), Oracle()
        clock.advance(START)
        self.holes: dict[int, float] = {}  # number -> when it was committed
        store = make_store(temporary_path(self), clock)
        self.addCleanup(store.close)
        for name, *arguments in operations:
            if name == "wait":
                clock.advance(*arguments)
            elif name == "prune":
                self.successResultOf(store.prune(clock.seconds()))
                oracle.prune(clock.seconds())
                before = clock.seconds() - RETENTION
                self.holes = {n: at for n, at in self.holes.items() if at >= before}
            elif name == "load":
                self.load(store, oracle, *arguments)
            else:
                self.change(store, oracle, clock.seconds(), *arguments)
        return store, oracle

    def load(self, store: SqliteStore, oracle: Oracle, ids: list[int]) -> None:
        ups = {id: upstream(id) for id in ids}
        bodies = [esi(id, **parts_of(each)) for id, each in ups.items()]
        for path, staged in stage_all(self.mktemp(), bodies, 2):
            day = int(Path(path).stem)
            there = sorted(id for id in ups if day_of(ups[id].kill_time) == day)
            for part in range(staged.parts):
                known = len(oracle.kept)
                oracle.load(ups[id] for id in there[2 * part : 2 * part + 2])
                new = self.successResultOf(store.load(path, part))
                self.assertEqual(new, len(oracle.kept) - known)

    def change(
        self,
        store: SqliteStore,
        oracle: Oracle,
        now: float,
        killmails: list[tuple[int, bool]],
        announce: bool,
        holes: int,
    ) -> None:
        ups = [(upstream(id), valued) for id, valued in killmails]
        commit = self.successResultOf(
            store.commit(
                Change(
                    [entry_of(*each) for each in ups], announce, holes=[A_HOLE] * holes
                )
            )
        )
        known, last = len(oracle.journal), oracle.head
        oracle.take(ups, announce, now)
        announced = oracle.journal[known:]
        for _ in range(holes):
            oracle.hole(now)
            self.holes[oracle.head] = now
        records = [each for each in commit.journal if isinstance(each, Record)]
        self.assertEqual(
            [(each.killmail_id, each.facts.live_seq) for each in records],
            [(each.upstream.killmail_id, each.live) for each in announced],
        )
        seqs = [each.seq for each in commit.journal if isinstance(each, Hole)]
        self.assertEqual(seqs, [seq for seq in oracle.holes if seq > last])

    @settings(max_examples=60, deadline=None)
    @given(operations)
    def test_numbers(self, operations: list[Any]) -> None:
        """
        Every killmail has the numbers that the design gives it, and no number is given
        twice, pruned or not.
        """
        store, oracle = self.run_both(operations)
        self.assertEqual(store.marks.head, oracle.head)
        for id in range(1, 41):
            record = self.successResultOf(store.read_killmail(id))
            kept = oracle.kept.get(id)
            self.assertEqual(record is None, kept is None)
            if record is not None and kept is not None:
                facts = record.facts
                self.assertEqual(
                    (facts.added_seq, facts.live_seq, facts.valued_seq),
                    (kept.added, kept.live, kept.valued),
                )

    @settings(max_examples=80, deadline=None)
    @given(
        operations,
        wishes,
        st.floats(0, 1),
        st.floats(0, 1),
        st.sampled_from([0, 60, 200]),
    )
    def test_journal(
        self,
        operations: list[Any],
        wanted: Wanted,
        since: float,
        frozen: float,
        days: int,
    ) -> None:
        """
        The pages of the journal are, joined, what the partition says, whole and in
        order, with and without a history; none goes beyond its bounds.
        """
        store, oracle = self.run_both(operations)
        after = max(round(since * oracle.head), store.marks.floor_seq)
        snapshot = Snapshot(round(frozen * oracle.head), START - days * DAY)
        lives = [
            (kept.live, kept.upstream.killmail_id)
            for kept in oracle.announced(after)
            if kept.upstream.killmail_id not in oracle.pruned
            and wanted.lives(kept)
            and not (
                days and oracle.holds(kept, wanted, snapshot.head, snapshot.cutoff)
            )
        ]
        holes = [(seq, 0) for seq in self.holes if seq > after]
        got = self.all_pages(store, wanted, snapshot if days else None, after)
        self.assertEqual(got, sorted(lives + holes))

    def all_pages(
        self,
        store: SqliteStore,
        wanted: Wanted,
        snapshot: Snapshot | None,
        after: int,
    ) -> list[tuple[int | None, int]]:
        got: list[tuple[int | None, int]] = []
        while after < store.marks.head:
            database = store._readers.database  # type: ignore[attr-defined]
            page = journal.read_journal(
                database, filter_of(wanted), snapshot, after, self.page_limits
            )
            records = [each for each in page.entries if isinstance(each, Record)]
            self.assertLessEqual(len(page.entries), 3)
            if len(records) > 1:
                self.assertLessEqual(sum(each.sizes[1] for each in records), 1_500)
            got += [
                (each.facts.live_seq, each.killmail_id)
                if isinstance(each, Record)
                else (each.seq, 0)
                for each in page.entries
            ]
            self.assertGreater(page.upto, after)
            after = page.upto
        return got

    @settings(max_examples=80, deadline=None)
    @given(operations, wishes, limits, st.floats(0, 1), st.booleans())
    def test_history(
        self,
        operations: list[Any],
        wanted: Wanted,
        limits: BatchLimits,
        frozen: float,
        with_items: bool,
    ) -> None:
        """
        The batches of a history are, joined, what the partition says, cut greedily;
        the plan is the same from every boundary, and right.
        """
        store, oracle = self.run_both(operations)
        cutoff = max(START - 60 * DAY, store.marks.floor_time + 1)
        snapshot = Snapshot(round(frozen * oracle.head), cutoff)
        expected: list[int] = []
        if wanted.names_somebody:
            expected = oracle.history(wanted, snapshot.head, snapshot.cutoff)
        cuts = self.cut(store, expected, with_items, limits)
        ask = (filter_of(wanted), snapshot, with_items, limits)
        after = Place()
        for done, cut in enumerate(cuts):
            plan = self.successResultOf(store.measure_history(*ask, at=after))
            found = self.successResultOf(store.find_batches(*ask, after=after))
            self.assertEqual(plan, Plan(len(expected), len(cuts), done, found))
            ids = [list(each.ids) for each in found]
            self.assertEqual(ids, cuts[done : done + len(ids)])
            self.assertTrue(done + len(ids) == len(cuts) or enough(found, limits))
            bodies = store.read_bodies(snapshot, with_items, found[0].ids)
            told = [self.record(store, id).body.json(with_items) for id in cut]
            self.assertEqual(self.successResultOf(bodies), told)
            after = found[0].last
        plan = self.successResultOf(store.measure_history(*ask, at=after))
        self.assertEqual(plan, Plan(len(expected), len(cuts), len(cuts)))
        self.assertEqual(
            self.successResultOf(store.find_batches(*ask, after=after)), ()
        )

    def record(self, store: SqliteStore, killmail_id: int) -> Record:
        record = self.successResultOf(store.read_killmail(killmail_id))
        assert record is not None
        return record

    def cut(
        self,
        store: SqliteStore,
        ids: list[int],
        with_items: bool,
        limits: BatchLimits,
    ) -> list[list[int]]:
        """
        Greedily, as the design says.
        """
        cuts: list[list[int]] = []
        size = 0
        for id in ids:
            nominal = self.record(store, id).sizes[with_items]
            size += nominal
            if not cuts or len(cuts[-1]) == limits.killmails or size > limits.size:
                cuts.append([])
                size = nominal
            cuts[-1].append(id)
        return cuts


def enough(cuts: Sequence[Cut], limits: BatchLimits) -> bool:
    """
    Whether these are all that are found at a time, and no more.
    """
    killmails = [len(each.ids) for each in cuts]
    return sum(killmails[:-1]) < limits.ahead <= sum(killmails)


class PlanTests(SyncCase):
    """
    What the oracle does not do: pretend that a cursor is what it is not.
    """

    def test_counts_on_from_where_a_client_is(self) -> None:
        """
        Behind a place where today's limits would not cut, batches are counted as they
        will be read.
        """
        cutter = histories.Cutter(BatchLimits(3), at=Place(4, 1))
        for time in range(1, 9):
            cutter.add(Place(time, 1), 1)
        plan = cutter.plan()
        self.assertEqual((plan.killmails, plan.batches, plan.done), (8, 4, 2))
        self.assertEqual([each.last.kill_time for each in plan.cuts], [7, 8])

    def test_is_frozen(self) -> None:
        """
        What comes after a history was frozen changes neither its plan nor its batches.
        """
        clock = Clock()
        clock.advance(START)
        store = make_store(temporary_path(self), clock)
        self.addCleanup(store.close)
        one = entry_of(attrs.evolve(upstream(1), characters=frozenset({1})), True)
        self.successResultOf(store.commit(Change([one])))
        ask = (Filter(frozenset({1})), Snapshot(1, 0), False, BatchLimits())
        before = self.successResultOf(store.measure_history(*ask, at=Place()))
        later = attrs.evolve(upstream(2), characters=frozenset({1}))
        self.successResultOf(store.commit(Change([entry_of(later, True)])))
        after = self.successResultOf(store.measure_history(*ask, at=Place()))
        self.assertEqual(before, after)
        self.assertEqual([list(each.ids) for each in after.cuts], [[1]])

    def test_slices_end_anywhere(self) -> None:
        """
        A slice that ends within a second leaves nothing out and repeats nothing.
        """
        self.patch(index, "SLICE", 3)
        clock = Clock()
        clock.advance(START)
        store = make_store(temporary_path(self), clock)
        self.addCleanup(store.close)
        times = enumerate([START, START, START + 1, START + 1], start=1)
        entries = [entry(id, victim=1, kill_time=time) for id, time in times]
        self.successResultOf(store.commit(Change(entries)))
        ask = (Filter(frozenset({1})), Snapshot(4, START), False, BatchLimits())
        plan = self.successResultOf(store.measure_history(*ask, at=Place()))
        self.assertEqual([list(each.ids) for each in plan.cuts], [[1, 2, 3, 4]])

    def test_items_take_room(self) -> None:
        """
        A batch has room for fewer killmails with items.
        """
        clock = Clock()
        clock.advance(START)
        store = make_store(temporary_path(self), clock)
        self.addCleanup(store.close)
        entries = [entry(id, victim=1, items=20) for id in (1, 2)]
        commit = self.successResultOf(store.commit(Change(entries)))
        record = self.successResultOf(store.read_killmail(1))
        assert record is not None
        limits = BatchLimits(size=2 * record.sizes[0])
        for with_items, batches in (False, 1), (True, 2):
            snapshot = Snapshot(commit.marks.head, 0)
            ask = (Filter(frozenset({1})), snapshot, with_items, limits)
            plan = self.successResultOf(store.measure_history(*ask, at=Place()))
            self.assertEqual(plan.batches, batches)
