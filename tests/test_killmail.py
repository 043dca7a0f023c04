"""
The killmail: what is taken, what is refused, and how it goes out.
"""

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import SyncCase
from tests.support.killmails import esi, zkb
from wanderer_twisted.encoding import dumps, loads
from wanderer_twisted.killmail import (
    BadKillmail,
    decode,
    encode,
    encode_again,
    nameable_ids,
    nominal_sizes,
)

#: What :func:`loads` may give: it takes no number out of range.
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


class DecodeTests(SyncCase):
    """
    What an upstream sent is checked once, here.
    """

    def refused(self, message: str, **changes: Any) -> None:
        body = {**esi(7), **changes}
        error = self.assertRaises(BadKillmail, decode, body, zkb(1.0))
        self.assertIn(message, str(error))

    def test_characters(self) -> None:
        """
        The victim and every attacker that is a character count, zeros do not.
        """
        body = esi(7, victim=1, attackers=[2, 3, 0])
        self.assertEqual(decode(body).character_ids, {1, 2, 3})

    def test_no_victim_character(self) -> None:
        """
        A victim need not be a character.
        """
        self.assertEqual(decode(esi(7, victim=None)).character_ids, frozenset())

    def test_unknown_value(self) -> None:
        """
        Without zKillboard's block the value is unknown, not zero.
        """
        self.assertIsNone(decode(esi(7)).value)
        self.assertEqual(decode(esi(7), zkb(0)).value, 0.0)

    def test_integer_value(self) -> None:
        """
        PHP writes integral floats without a fraction.
        """
        self.assertEqual(decode(esi(7), {"totalValue": 10000}).value, 10000.0)

    def test_refusals(self) -> None:
        """
        A part that we rely on and that is missing or wrong is named.
        """
        self.refused("$.victim", victim=None)
        self.refused("$.attackers[0].character_id", attackers=[{"character_id": "x"}])
        self.refused("$.killmail_id", killmail_id=True)
        self.refused("$.solar_system_id", solar_system_id=0)
        self.refused("YYYY-MM-DDTHH:MM:SSZ", killmail_time="2026-11-01T00:00:00+07:00")
        self.refused("killmail_time", killmail_time="2026-13-01T00:00:00Z")
        self.refused("out of range", killmail_time="1999-01-01T00:00:00Z")

    def test_placeholder(self) -> None:
        """
        R2Z2's null placeholder is no killmail.
        """
        self.assertRaises(BadKillmail, decode, None, {"npc": None})

    @given(_JSON, _JSON)
    def test_anything(self, body: object, block: object) -> None:
        """
        Whatever comes is a killmail or a BadKillmail.
        """
        with contextlib.suppress(BadKillmail):
            decode(body, block)

    @given(st.sampled_from(sorted(esi(7))), _JSON)
    def test_one_part_replaced(self, key: str, value: object) -> None:
        """
        What is accepted can be encoded and measured.
        """
        try:
            killmail = decode({**esi(7), key: value})
        except BadKillmail:
            return
        loads(encode(killmail, {}).json(with_items=True))
        nominal_sizes(killmail)


class EncodeTests(SyncCase):
    """
    The form that clients get.
    """

    def test_keys(self) -> None:
        """
        Both spellings are there, names where known, and the victim comes last.
        """
        killmail = decode(esi(7, victim=1, attackers=[2], items=2), zkb(5.5))
        names = {1: "Ann", 2: "Bob \u2028", 30000142: "Jita", 587: "Rifter"}
        body = encode(killmail, names)
        self.assertTrue(body.json(True).isascii())
        document = loads(body.json(with_items=True))
        self.assertEqual(list(document)[-1], "victim")
        self.assertEqual(list(document["victim"])[-1], "items")
        self.assertEqual(len(document["victim"]["items"]), 2)
        self.assertEqual(document["kill_time"], document["killmail_time"])
        self.assertEqual(document["system_id"], document["solar_system_id"])
        self.assertEqual(document["solar_system_name"], "Jita")
        self.assertEqual(document["attacker_count"], 1)
        self.assertEqual(document["attackers"][0]["character_name"], "Bob \u2028")
        self.assertEqual(document["victim"]["ship_name"], "Rifter")
        self.assertEqual(document["zkb"]["totalValue"], 5.5)
        self.assertEqual(document["zkb"]["total_value"], 5.5)
        self.assertNotIn("war_id", document)

    def test_without_items(self) -> None:
        """
        Both forms differ in ``victim.items`` alone.
        """
        body = encode(decode(esi(7, items=3)), {})
        whole, plain = loads(body.json(True)), loads(body.json(False))
        self.assertEqual(len(whole["victim"].pop("items")), 3)
        self.assertEqual(whole, plain)

    def test_empty_victim(self) -> None:
        """
        Items of a victim that has nothing else still make good JSON.
        """
        body = {**esi(7), "victim": {"items": [{"flag": 1}]}}
        document = loads(encode(decode(body), {}).json(True))
        self.assertEqual(document["victim"], {"items": [{"flag": 1}]})

    def test_unknown_keys(self) -> None:
        """
        Keys that we do not know pass through; ours cannot be forged by them.
        """
        body = {**esi(7), "new_key": [1], "system_id": 5, "attacker_count": 99}
        document = loads(encode(decode(body), {}).json(False))
        self.assertEqual(document["new_key"], [1])
        self.assertEqual(document["system_id"], 30000142)
        self.assertEqual(document["attacker_count"], 0)

    def test_hash_alone(self) -> None:
        """
        The hash is there whenever it is known.
        """
        document = loads(encode(decode(esi(7), None, "cd" * 20), {}).json(False))
        self.assertEqual(document["zkb"], {"hash": "cd" * 20})

    def test_again(self) -> None:
        """
        Names that come later change nothing else, and those told before stay.
        """
        killmail = decode(esi(7, victim=1, attackers=[2], items=1), zkb(5.5))
        first = encode(killmail, {1: "Ann", 30000142: "Jita"})
        again = encode_again(first, {2: "Bob"})
        at_once = encode(killmail, {1: "Ann", 2: "Bob", 30000142: "Jita"})
        self.assertEqual(loads(again.json(True)), loads(at_once.json(True)))

    def test_again_of_little(self) -> None:
        """
        A block that held nothing but the hash stays one, and one that is not there is
        not made.
        """
        for hash in ("cd" * 20, None):
            killmail = decode(esi(7, victim=1), None, hash)
            again = encode_again(encode(killmail, {}), {1: "Ann"})
            at_once = encode(killmail, {1: "Ann"})
            self.assertEqual(loads(again.json(True)), loads(at_once.json(True)))

    def test_nominal_sizes(self) -> None:
        """
        They leave room for the names of every participant.
        """
        killmail = decode(esi(7, attackers=[2, 3], items=4))
        plain, whole = nominal_sizes(killmail)
        body = encode(killmail, {})
        self.assertEqual(plain, len(body.json(False)) + 3 * 160)
        self.assertEqual(whole, len(body.json(True)) + 3 * 160)

    def test_nameable(self) -> None:
        """
        Every participant, ship, weapon and the system have names; big ids have none.
        """
        body = esi(7, victim=1, attackers=[2, 2**33])
        self.assertEqual(nameable_ids(decode(body)), {1, 2, 587, 98000001, 30000142})


class EncodingTests(SyncCase):
    """
    JSON, strictly.
    """

    def test_refused(self) -> None:
        """
        NaN, infinity, broken text and bottomless documents are ValueErrors.
        """
        for text in (b"NaN", b"[1e999]x", b'"\xff"', b"[" * 5000, b"", b"{"):
            self.assertRaises(ValueError, loads, text)
        self.assertRaises(ValueError, dumps, float("inf"))
        deep: list[object] = []
        for _ in range(100_000):
            deep = [deep]
        self.assertRaises(ValueError, dumps, deep)
