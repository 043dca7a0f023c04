"""
What else the store keeps, and for how long.
"""

import sqlite3

import attrs

from tests.support.killmails import DAY, START, entry
from tests.support.store_cases import (
    A_HOLE,
    EVERYTHING,
    LIMITS,
    VICTIM,
    InlineStoreCase,
    StoreScenarios,
    ThreadedStoreCase,
    scenario,
)
from wanderer_twisted.interfaces import Expired
from wanderer_twisted.partition import KINDS, Filter, Snapshot
from wanderer_twisted.records import (
    Change,
    Coverage,
    FeedPosition,
    NamesFound,
    Place,
    Plan,
    Reject,
)
from wanderer_twisted.store import pruning, writing


class KeepingContract(StoreScenarios):
    """
    Positions, coverage, rejects, names, and the end of it all.
    """

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

    @scenario
    async def test_nothing_with_a_part_missing(self) -> None:
        """
        What reaches below a floor is refused in the very view in which it would be
        read: a stream that began before the pruning must not go on without knowing.
        """
        await self.announce(entry(10, kill_time=START))
        await self.store.prune(START + 101 * DAY)
        live = Filter(), None
        with self.assertRaises(Expired):
            await self.store.read_journal(*live, after=0)
        self.assertEqual((await self.store.read_journal(*live, after=1)).entries, [])
        below = VICTIM, Snapshot(1, START), False, LIMITS
        with self.assertRaises(Expired):
            await self.store.measure_history(*below, at=Place())
        with self.assertRaises(Expired):
            await self.store.find_batches(*below, after=Place())
        with self.assertRaises(Expired):
            await self.store.read_bodies(Snapshot(1, START), False, [10])
        above = VICTIM, Snapshot(1, START + 1), False, LIMITS
        self.assertEqual(
            await self.store.measure_history(*above, at=Place()), Plan(0, 0, 0)
        )

    @scenario
    async def test_asks_again_for_the_unknown(self) -> None:
        """
        That an id has no name is forgotten after 7 days; a name is not.
        """
        await self.store.keep_names(NamesFound({1: "One"}, frozenset({2})))
        self.clock.advance(7 * DAY - 1)
        found = await self.store.read_names([1, 2])
        self.assertEqual(found, {1: "One", 2: None})
        self.clock.advance(2)
        self.assertEqual(await self.store.read_names([1, 2]), {1: "One"})

    @scenario
    async def test_keeps_no_more_rejects_than_it_can(self) -> None:
        """
        The oldest rejects make room for new ones, and no document is kept whole that
        is too large.
        """
        large = Reject(None, None, "not JSON", b"{" * (writing.MAX_DOCUMENT + 9))
        first = Reject(10, None, "422", kind="character", owner=5)
        await self.store.commit(Change(rejects=[first, large]))
        for count in (writing.MAX_REJECTS - 2, 1):
            missing = await self.store.count_missing(Filter(frozenset({5})))
            self.assertEqual(missing, 1)
            more = [Reject(None, None, "broken")] * count
            await self.store.commit(Change(rejects=more))
        missing = await self.store.count_missing(Filter(frozenset({5})))
        self.assertEqual(missing, 0)
        connection = sqlite3.connect(self.store.path)
        row = connection.execute("SELECT max(length(document)), count(*) FROM reject")
        self.assertEqual(row.fetchone(), (writing.MAX_DOCUMENT, writing.MAX_REJECTS))
        connection.close()

    @scenario
    async def test_prunes_by_both_times(self) -> None:
        """
        A killmail stays while it is young or was announced lately.
        """
        old = START - 90 * DAY
        await self.add(entry(10, kill_time=old), entry(11, kill_time=old))
        await self.announce(entry(11, kill_time=old))
        await self.store.prune(START + 10 * DAY)
        self.assertEqual(await self.store.read_valued([10, 11]), {10: True, 11: True})
        await self.store.prune(START + 11 * DAY)
        self.assertEqual(await self.store.read_valued([10, 11]), {11: True})
        await self.store.prune(START + 101 * DAY)
        self.assertEqual(await self.store.read_valued([10, 11]), {})

    @scenario
    async def test_prunes_in_slices(self) -> None:
        """
        One call removes a slice, bounded by killmails and by who took part, and says
        whether there is more.
        """
        self.patch(pruning, "KILLMAILS_AT_ONCE", 2)
        self.patch(pruning, "PARTICIPANTS", 8)
        crowd = entry(4, kill_time=START + 4, attackers=range(1, 9))
        await self.add(*(entry(id, kill_time=START + id) for id in (1, 2, 3)), crowd)
        await self.add(*(entry(id, kill_time=START + id) for id in (5, 6)))
        left = []
        while await self.store.prune(START + 101 * DAY):
            left.append(sorted(await self.store.read_valued(range(1, 7))))
        self.assertEqual(left, [[3, 4, 5, 6], [5, 6]])
        self.assertEqual(await self.store.read_valued(range(1, 7)), {})

    @scenario
    async def test_prunes_without_a_trace_in_the_index(self) -> None:
        """
        Of what was pruned only its id and its number are left.
        """
        await self.announce(entry(10, attackers=(5, 6), alliance=99))
        rejects = [Reject(11, None, "422", kind="character", owner=5)]
        await self.store.commit(Change(holes=[A_HOLE], rejects=rejects))
        await self.store.prune(START + 101 * DAY)
        connection = sqlite3.connect(self.store.path)
        indexes = [f"{kind}_kill" for kind in KINDS]
        for table in ("killmail", "body", *indexes, "hole", "reject"):
            rows = connection.execute(f"SELECT * FROM {table}").fetchall()
            self.assertEqual(rows, [])
        rows = connection.execute("SELECT * FROM tombstone").fetchall()
        self.assertEqual(rows, [(10, 1)])
        connection.close()


class InlineKeepingTests(KeepingContract, InlineStoreCase):
    """
    Without threads.
    """


class ThreadedKeepingTests(KeepingContract, ThreadedStoreCase):
    """
    With threads.
    """
