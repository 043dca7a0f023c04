"""
Killmails made for tests: the parts that matter given, the rest plausible.
"""

from collections.abc import Collection
from typing import Any

from wanderer_twisted.encoding import timestamp
from wanderer_twisted.killmail import Killmail, decode, encode, nominal_sizes
from wanderer_twisted.partition import Facts
from wanderer_twisted.records import Entry, Record

#: 2026-11-01T00:00:00Z, when the tests' clocks start.
START = 1793491200

DAY = 86400


def esi(
    killmail_id: int,
    kill_time: int = START,
    victim: int | None = 90000001,
    attackers: Collection[int] = (),
    system: int = 30000142,
    items: int = 0,
    corporation: int = 98000001,
    alliance: int | None = None,
) -> dict[str, Any]:
    """
    A body as ESI gives it; corporation and alliance are the victim's.
    """
    lost = {"corporation_id": corporation, "ship_type_id": 587, "damage_taken": 100}
    if alliance is not None:
        lost["alliance_id"] = alliance
    if victim is not None:
        lost["character_id"] = victim
    return {
        "attackers": [
            {"character_id": each, "damage_done": 1, "final_blow": False}
            for each in attackers
        ],
        "killmail_id": killmail_id,
        "killmail_time": timestamp(kill_time).replace(".000Z", "Z"),
        "solar_system_id": system,
        "victim": {
            **lost,
            "items": [{"item_type_id": 500 + n, "flag": 5} for n in range(items)],
        },
    }


def zkb(value: float | None = None, hash: str = "ab" * 20) -> dict[str, Any]:
    """
    zKillboard's block.
    """
    block: dict[str, Any] = {"hash": hash, "npc": False, "labels": ["pvp"]}
    if value is not None:
        block["totalValue"] = value
    return block


def killmail(
    killmail_id: int, value: float | None = 1_000_000.0, **parts: Any
) -> Killmail:
    """
    A checked killmail.
    """
    block = None if value is None else zkb(value)
    return decode(esi(killmail_id, **parts), block)


def entry(killmail_id: int, value: float | None = 1_000_000.0, **parts: Any) -> Entry:
    """
    A killmail ready for the store.
    """
    one = killmail(killmail_id, value, **parts)
    return Entry(one, encode(one, {}), nominal_sizes(one))


def record(
    killmail_id: int,
    added_seq: int = 1,
    live_seq: int | None = None,
    valued_seq: int | None = 1,
    value: float | None = 1_000_000.0,
    **parts: Any,
) -> Record:
    """
    A killmail as the store holds it.
    """
    one = killmail(killmail_id, value, **parts)
    facts = Facts(
        killmail_id=killmail_id,
        kill_time=one.kill_time,
        system_id=one.system_id,
        character_ids=one.character_ids,
        corporation_ids=one.corporation_ids,
        alliance_ids=one.alliance_ids,
        value=value,
        added_seq=added_seq,
        live_seq=live_seq,
        valued_seq=valued_seq,
    )
    return Record(facts, encode(one, {}), nominal_sizes(one))
