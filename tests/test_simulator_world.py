"""
The simulator's state: times, ids, sequences, the pace, made-up values and names.
"""

from typing import Any

from twisted.internet.task import Clock

from tests.support.cases import SyncCase
from tests.support.killmails import START, esi
from tests.support.simulator import SimulatorCase
from wanderer_twisted.encoding import loads
from wanderer_twisted.killmail import decode
from wanderer_twisted.simulator.appraisal import appraise
from wanderer_twisted.simulator.data import make_data, read_shipped
from wanderer_twisted.simulator.names import RARITY, Names
from wanderer_twisted.simulator.player import Player, parse_pace
from wanderer_twisted.simulator.service import SHIPPED_DAYS, usual_tail
from wanderer_twisted.simulator.world import POINTER_LAG, World

DAY = 86_400


class TimeTests(SimulatorCase):
    """
    When things happen.
    """

    def test_the_past_is_moved_to_end_now(self) -> None:
        """
        Ids stay, distances stay, and the last killmail is published at the start.
        """
        postings = list(self.world.postings.values())
        self.assertEqual([p.killmail_id for p in postings], list(range(100, 108)))
        steps = {b.kill_time - a.kill_time for a, b in zip(postings, postings[1:])}  # noqa: B905, RUF007
        self.assertEqual(steps, {3600})
        self.assertEqual(postings[-1].published_at, self.clock.seconds())

    def test_publication_follows_the_kill_by_a_minute_or_two(self) -> None:
        """
        Past and live killmails are published 60 to 120 s after they happened.
        """
        self.world.play(5)
        for posting in self.world.postings.values():
            lag = posting.published_at - posting.kill_time
            self.assertTrue(60 <= lag <= 121, lag)

    def test_the_body_tells_the_moved_time(self) -> None:
        """
        Body and posting agree on id and time, and the body is still a killmail.
        """
        self.world.play(20)
        for posting in self.world.postings.values():
            killmail = decode(loads(posting.esi()), loads(posting.zkb()), posting.hash)
            self.assertEqual(killmail.killmail_id, posting.killmail_id)
            self.assertEqual(killmail.kill_time, posting.kill_time)
            self.assertEqual(killmail.hash, posting.hash)

    def test_the_tail_comes_first_then_everything_again_under_new_ids(self) -> None:
        """
        Live play never ends, and never uses an id or a hash twice.
        """
        played = self.world.play(32)
        ids = [posting.killmail_id for posting in played]
        self.assertEqual(ids[:2], [108, 109])
        self.assertEqual(ids, sorted(set(ids)))
        self.assertGreater(ids[2], 140_000_000)
        templates = [posting.template.killmail_id for posting in played[2:]]
        self.assertEqual(sorted(templates), sorted([*range(100, 110)] * 3))
        self.assertEqual(len({p.hash for p in self.world.postings.values()}), 40)

    def test_a_later_start_gives_out_other_numbers(self) -> None:
        """
        A world started later repeats neither new ids nor sequences.
        """
        first = self.world.play(50)[-1]
        clock = Clock()
        clock.advance(self.clock.seconds() + 60)
        later = World(clock, make_data(self.documents()), tail=0)
        self.assertGreater(later.sequence, self.world.sequence)
        self.assertGreater(later.play()[0].killmail_id, first.killmail_id)

    def test_a_late_killmail_is_old_and_has_an_id_of_its_time(self) -> None:
        """
        What is played with an age was killed so long ago; its id is lower than that of
        what happened since.
        """
        self.world.play(4)
        late = self.world.play(age=10 * DAY)[0]
        self.assertEqual(late.kill_time, int(self.clock.seconds()) - 10 * DAY)
        self.assertEqual(late.published_at, self.clock.seconds())
        self.assertLess(late.killmail_id, self.world.play()[0].killmail_id)

    def test_the_past_can_be_laid_out_over_days(self) -> None:
        """
        Lulls of years become as short as others; the order stays.
        """
        times = [1_200_000_000, 1_500_000_000, *range(1_500_000_010, 1_500_000_100, 10)]
        data = make_data(esi(n + 1, kill_time=at) for n, at in enumerate(times))
        world = World(self.clock, data, days=50.0)
        kills = [posting.kill_time for posting in world.postings.values()]
        self.assertEqual(kills, sorted(kills))
        reach = (self.clock.seconds() - kills[0]) / DAY
        self.assertTrue(40 < reach <= 50, reach)

    def test_killmails_of_one_second_can_be_laid_out(self) -> None:
        """
        Data without any distance in time does no harm.
        """
        data = make_data(esi(n, kill_time=START) for n in range(1, 5))
        world = World(self.clock, data, days=10.0)
        self.assertEqual(len(world.postings), 4)
        self.assertEqual(world.next_gap(), 5.0)


class SequenceTests(SimulatorCase):
    """
    What becomes of sequences.
    """

    def test_sequences_are_dense(self) -> None:
        """
        Each publication takes the next number.
        """
        before = self.world.sequence
        self.world.play(3)
        self.assertEqual(self.world.sequence, before + 3)
        self.assertEqual(sorted(self.world.slots), list(range(before - 7, before + 4)))

    def test_the_pointer_lags(self) -> None:
        """
        It stays until it would be more than 51 behind, then jumps to the newest.
        """
        seen = set()
        for _ in range(200):
            self.world.play()
            lag = self.world.sequence - self.world.pointer
            seen.add(lag)
        self.assertEqual(seen, set(range(POINTER_LAG + 1)))

    def test_the_pointer_starts_at_a_file_that_is_there(self) -> None:
        """
        Whatever its lag at the start: with a killmail a day, 51 back is long gone.
        """
        data = make_data([esi(n, kill_time=START + n) for n in range(1, 91)])
        for seconds in range(POINTER_LAG + 1):
            clock = Clock()
            clock.advance(START + seconds)
            world = World(clock, data, days=90)
            slot = world.slots[world.pointer]
            age = clock.seconds() - slot.uploaded_at
            self.assertLess(age, world.rules.r2z2_retention)

    def test_the_pointer_starts_where_lists_end(self) -> None:
        """
        With few killmails a day it is no newer than what lists hold back, so that a
        feed which begins there meets them.
        """
        data = make_data([esi(n, kill_time=START + n) for n in range(1, 901)])
        for seconds in range(POINTER_LAG + 1):
            clock = Clock()
            clock.advance(START + seconds)
            world = World(clock, data, days=90)
            age = clock.seconds() - world.slots[world.pointer].uploaded_at
            self.assertGreater(age, 70 * 60)

    def test_a_redelivery_takes_a_new_sequence(self) -> None:
        """
        The same killmail, unchanged, comes again.
        """
        before = self.world.sequence
        posting = self.world.redeliver()
        self.assertEqual(posting.killmail_id, 100)
        self.assertIs(self.world.slots[before + 1].posting, posting)
        self.assertRaises(KeyError, self.world.redeliver, 1)

    def test_null_puts_an_empty_document_before_the_killmail(self) -> None:
        """
        The placeholder takes a sequence of its own; nothing is lost.
        """
        before = self.world.sequence
        self.world.twist("null")
        (posting,) = self.world.play()
        self.assertIsNone(self.world.slots[before + 1].posting)
        self.assertIs(self.world.slots[before + 2].posting, posting)

    def test_what_is_remembered_is_bounded(self) -> None:
        """
        Beyond the bound the oldest killmail is forgotten everywhere.
        """
        from wanderer_twisted.simulator import world

        self.patch(world, "MEMORY", 10)
        self.world.play(25)
        self.assertEqual(len(self.world.postings), 10)
        self.assertEqual(len(self.world.slots), 10)
        self.assertEqual(
            {each.killmail_id for each in self.world.listing(("systemID", 30000142))},
            set(self.world.postings),
        )


class PlayerTests(SimulatorCase):
    """
    The pace.
    """

    def test_real_pace_is_one_in_five_seconds_on_average(self) -> None:
        """
        A hundred killmails take about 500 s.
        """
        self.player.set_pace(1.0)
        self.player.startService()
        before = len(self.world.postings)
        self.clock.pump([0.5] * 1000)
        self.assertTrue(90 <= len(self.world.postings) - before <= 110)

    def test_pace_can_be_changed_and_stopped(self) -> None:
        """
        A tenfold pace is ten times faster, manual stands still, a stopped player too.
        """
        self.player.startService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.player.set_pace(10.0)
        before = len(self.world.postings)
        self.clock.pump([0.02] * 2500)
        played = len(self.world.postings) - before
        self.assertTrue(90 <= played <= 110, played)
        self.player.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_it_survives_a_failure(self) -> None:
        """
        A killmail that cannot be played is logged, and the next one comes.
        """
        play, failing = self.world.play, [True]

        def sometimes() -> Any:
            if failing.pop() if failing else False:
                raise RuntimeError("disk on fire")
            return play()

        self.patch(self.world, "play", sometimes)
        self.player.set_pace(1.0)
        self.player.startService()
        before = len(self.world.postings)
        self.clock.pump([5.0] * 10)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertGreater(len(self.world.postings), before)

    def test_paces_are_read(self) -> None:
        """
        Words and factors are paces, anything else is refused.
        """
        self.assertEqual(parse_pace("real"), 1.0)
        self.assertIsNone(parse_pace("manual"))
        for text in ("20", "20x", "20\u00d7"):
            self.assertEqual(parse_pace(text), 20.0)
        for text in ("", "0", "-1", "fast", "1e3", "inf", "nan", "100000", "\u0663"):
            self.assertRaises(ValueError, parse_pace, text)


class NameTests(SyncCase):
    """
    Names made up and withheld.
    """

    def test_ids_are_named_for_what_they_are(self) -> None:
        """
        The data's use of an id comes first, then its range.
        """
        names = Names({150_000_000: "alliance", 3146: "weapon"})
        found = names.find([150_000_000, 95465499, 98000001, 31002345, 606, 3146, 650])
        assert found is not None
        self.assertEqual(
            [(each["category"], each["name"]) for each in found],
            [
                ("alliance", "Alliance 150000000"),
                ("character", "Pilot 95465499"),
                ("corporation", "Corporation 98000001"),
                ("solar_system", "System J502345"),
                ("inventory_type", "Velator"),
                ("inventory_type", "Weapon type 3146"),
                ("inventory_type", "Type 650"),
            ],
        )

    def test_some_ids_have_no_name(self) -> None:
        """
        One of them spoils the whole call.
        """
        names = Names({})
        names.unknown.add(95465499)
        for id in (0, -1, 3_019_582, 19_004 * RARITY, 95465499, 2**31, 10**12):
            self.assertIsNone(names.find([90000001, id]), id)


class AppraisalTests(SyncCase):
    """
    Values by zKillboard's rules.
    """

    def block(self, attackers: Any = (), **victim: Any) -> dict[str, Any]:
        body = esi(1)
        body["attackers"] = list(attackers)
        body["victim"].update(victim)
        return appraise(body, "ab" * 20)

    def test_npc(self) -> None:
        """
        No player among the attackers, or none as the victim.
        """
        pilot = {"character_id": 90000002, "final_blow": True}
        npc = {"faction_id": 500010, "corporation_id": 1000127}
        self.assertTrue(self.block([npc])["npc"])
        self.assertTrue(self.block([{**npc, "character_id": 3019582}])["npc"])
        self.assertFalse(self.block([npc, pilot])["npc"])
        self.assertTrue(
            self.block([pilot], character_id=0, corporation_id=1000127)["npc"]
        )

    def test_solo(self) -> None:
        """
        One player against a ship worth the name.
        """
        pilot = {"character_id": 90000002, "ship_type_id": 587}
        self.assertTrue(self.block([pilot])["solo"])
        self.assertIn("solo", self.block([pilot])["labels"])
        self.assertTrue(self.block([pilot, {"faction_id": 500010}])["solo"])
        self.assertFalse(self.block([pilot, pilot])["solo"])
        self.assertFalse(self.block([pilot], ship_type_id=670)["solo"])
        self.assertFalse(self.block([{**pilot, "ship_type_id": 35832}])["solo"])

    def test_awox(self) -> None:
        """
        The final blow from the victim's own player corporation.
        """
        friend = {"character_id": 90000002, "corporation_id": 98000001}
        self.assertFalse(self.block([friend])["awox"])
        self.assertTrue(self.block([{**friend, "final_blow": True}])["awox"])

    def test_values_add_up_and_stay(self) -> None:
        """
        Total is destroyed and dropped; the same killmail is worth the same again.
        """
        nested = {"item_type_id": 7, "flag": 5, "quantity_dropped": 2}
        item = {
            "item_type_id": 9,
            "flag": 5,
            "quantity_destroyed": 1,
            "items": [nested],
        }
        block = self.block(items=[item])
        self.assertEqual(block, self.block(items=[item]))
        self.assertGreater(block["droppedValue"], 0)
        self.assertAlmostEqual(
            block["totalValue"], block["destroyedValue"] + block["droppedValue"], 1
        )
        self.assertGreater(block["totalValue"], self.block()["totalValue"])

    def test_the_location_needs_a_position(self) -> None:
        """
        It is left out without one, and 0 in the abyss.
        """
        self.assertNotIn("locationID", self.block())
        self.assertGreater(self.block(position={"x": 1})["locationID"], 40_000_000)
        body = esi(1, system=32000002)
        body["victim"]["position"] = {"x": 1}
        self.assertEqual(appraise(body, "")["locationID"], 0)


class ShippedDataTests(SyncCase):
    """
    What the package brings along.
    """

    def test_it_serves_a_demo(self) -> None:
        """
        Every killmail is valid, both at rest and as published; a few characters share
        hundreds over 85 days; every kind that readers trip over is there.
        """
        data = read_shipped()
        self.assertTrue(1_500 <= len(data.templates) <= 3_000)
        clock = Clock()
        clock.advance(START)
        world = World(clock, data, usual_tail(data), SHIPPED_DAYS)
        bodies = [loads(posting.esi()) for posting in world.postings.values()]
        for posting, body in zip(world.postings.values(), bodies, strict=True):
            killmail = decode(body, loads(posting.zkb()))
            self.assertEqual(killmail.killmail_id, posting.killmail_id)
            self.assertEqual(killmail.kill_time, posting.kill_time)
            self.assertIsNotNone(killmail.value)
            self.assertEqual(len(killmail.hash or ""), 40)
        for character in world.busiest("characterID", 4):
            mine = world.listing(("characterID", character))
            self.assertGreater(len(mine), 100)
            self.assertGreater(mine[0].kill_time - mine[-1].kill_time, 60 * DAY)
        systems = [body["solar_system_id"] for body in bodies]
        for least in (31_000_000, 32_000_000, 34_000_000):
            self.assertTrue(any(least <= s < least + 1_000_000 for s in systems))
        victims = [body["victim"] for body in bodies]
        self.assertTrue(any("character_id" not in victim for victim in victims))
        self.assertTrue(any("position" not in victim for victim in victims))
        self.assertTrue(any("items" in i for v in victims for i in v.get("items", ())))
        crowds = [len(t.kills) for t in data.templates]
        self.assertGreater(max(crowds), 3_000)

    def test_the_player_is_needed_for_nothing_else(self) -> None:
        """
        A world without a player stands still.
        """
        clock = Clock()
        clock.advance(START)
        world = World(clock, make_data([esi(1), esi(2)]))
        Player(world, None)
        clock.advance(1000)
        self.assertEqual(len(world.postings), 2)
