"""
The store's numbers: who gets which, and who hears of it.
"""

import attrs
from zope.interface.verify import verifyObject

from tests.support.killmails import START, entry
from tests.support.store_cases import (
    A_HOLE,
    LIMITS,
    VICTIM,
    InlineStoreCase,
    StoreScenarios,
    ThreadedStoreCase,
    scenario,
)
from wanderer_twisted.interfaces import IKillmailStore, StoreUnavailable
from wanderer_twisted.partition import Filter, Snapshot
from wanderer_twisted.records import (
    Change,
    FeedPosition,
    Place,
)


class NumbersContract(StoreScenarios):
    """
    One counter, and what is told of it.
    """

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
                self.assertEqual((plan.killmails, plan.batches), (count, count))

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
        hole = attrs.evolve(A_HOLE, seq=2, told_at=START)
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


class InlineNumbersTests(NumbersContract, InlineStoreCase):
    """
    Without threads.
    """


class ThreadedNumbersTests(NumbersContract, ThreadedStoreCase):
    """
    With threads.
    """
