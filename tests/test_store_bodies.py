"""
Bodies in the store: the best one there is, and joined to batches.
"""

import attrs

from tests.support.killmails import START, entry
from tests.support.store_cases import (
    EVERYTHING,
    LIMITS,
    VICTIM,
    InlineStoreCase,
    StoreScenarios,
    ThreadedStoreCase,
    scenario,
)
from wanderer_twisted.killmail import encode
from wanderer_twisted.partition import Snapshot
from wanderer_twisted.records import (
    BatchLimits,
    Entry,
    Place,
    Plan,
    Record,
)


class BodiesContract(StoreScenarios):
    """
    What is sent.
    """

    @scenario
    async def test_keeps_the_body(self) -> None:
        """
        A body comes back byte by byte, with and without items, in both kinds of read.
        """
        one = entry(10, items=3)
        await self.announce(one)
        self.assertEqual((await self.record(10)).body, one.body)
        self.assertEqual(await self.history(), [one.body.json(with_items=True)])
        bodies = await self.first_batch(VICTIM, Snapshot(1, 0), with_items=False)
        self.assertEqual(bodies, [one.body.json(with_items=False)])

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
    async def test_keeps_a_body_that_is_as_good(self) -> None:
        """
        A body that is no better, though another, changes nothing.
        """
        await self.add(entry(10, value=5.0))
        await self.add(entry(10, value=9.0))
        self.assertEqual((await self.record(10)).body, entry(10, value=5.0).body)

    @scenario
    async def test_names_what_has_an_empty_block(self) -> None:
        """
        A killmail whose zKillboard block says nothing can be given names.
        """
        killmail = attrs.evolve(entry(10, value=None).killmail, zkb={"points": None})
        plain = Entry(killmail, encode(killmail, {}), (1, 1), named=False)
        await self.add(plain)
        body = encode(killmail, {90000001: "Somebody"})
        await self.store.rename([(10, body)])
        self.assertEqual((await self.record(10)).body, body)

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
        cuts = await self.store.find_batches(
            EVERYTHING, snapshot, False, LIMITS, Place()
        )
        self.assertEqual(cuts, ())

    @scenario
    async def test_large_killmails_go_alone(self) -> None:
        """
        A killmail larger than the limit makes a batch of its own.
        """
        await self.add(*(entry(id, kill_time=START + id) for id in (10, 11, 12)))
        ask = VICTIM, Snapshot(3, 0), False, BatchLimits(50, 1)
        plan = await self.store.measure_history(*ask, at=Place())
        self.assertEqual((plan.killmails, plan.batches), (3, 3))
        self.assertEqual([list(cut.ids) for cut in plan.cuts], [[10], [11], [12]])


class InlineBodiesTests(BodiesContract, InlineStoreCase):
    """
    Without threads.
    """


class ThreadedBodiesTests(BodiesContract, ThreadedStoreCase):
    """
    With threads.
    """
