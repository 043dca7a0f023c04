"""
A plausible zkb block for a killmail that came without one.

``npc``, ``solo`` and ``awox`` follow zKillboard's own rules (contracts.md §6); prices
are made up, the same for the same type in every run.
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha1
from typing import Any

_CAPSULES = frozenset({670, 33328})
_CORVETTES = frozenset({588, 596, 601, 606})
_SHUTTLES = frozenset({672, 11129, 11132, 11134})
#: Upwell structures and control towers, as far as anybody meets them often.
_STRUCTURES = frozenset(
    {*range(35825, 35838), 35840, 35841, 37534, 40340, *range(47512, 47517), 81826}
)
_FITTED = frozenset({*range(11, 35), 87, *range(92, 100), *range(125, 133)})
_BLUEPRINT_COPY = 2

_PLAYER_CHARACTERS = 4_000_000  # ids below are NPCs (contracts.md §6)
_PLAYER_CORPORATIONS = 2_000_000

_CROWDS = (1000, 100, 50, 25, 10, 5, 2)
_WEALTH = ((1e12, "1t+"), (1e11, "100b+"), (1e10, "10b+"), (5e9, "5b+"), (1e9, "1b+"))
_ZONES = ("use", "usw", "au", "ru", "eu", "eu")  # four hours each, from midnight


def appraise(esi: Mapping[str, Any], hash: str) -> dict[str, Any]:
    """
    :param esi: ESI's body.
    :returns: the block as zKillboard's API gives it: without attackerCount and href.
    """
    victim, attackers = esi["victim"], esi["attackers"]
    ship = _ship_price(victim.get("ship_type_id") or 0)
    items = list(_worths(victim.get("items") or ()))
    dropped = sum(lost for _, _, lost in items)
    destroyed = ship + sum(gone for _, gone, _ in items)
    fitted = ship + sum(gone + lost for flag, gone, lost in items if flag in _FITTED)
    npc, solo, awox = _npc(victim, attackers), _solo(victim, attackers), _awox(esi)
    total = destroyed + dropped
    block: dict[str, Any] = {
        "locationID": _location(esi),
        "hash": hash,
        "fittedValue": _isk(fitted),
        "droppedValue": _isk(dropped),
        "destroyedValue": _isk(destroyed),
        "totalValue": _isk(total),
        "totalDroppableValue": _isk(total - ship),
        "points": 1 if npc else max(1, 40 // max(1, len(attackers))),
        "npc": npc,
        "solo": solo,
        "awox": awox,
        "labels": list(_labels(esi, npc, solo, awox, total)),
    }
    if block["locationID"] is None:
        del block["locationID"]
    return block


def _share(*parts: object) -> float:
    """
    From 0 to 1, by chance, but always the same for the same thing.
    """
    text = ":".join(str(part) for part in parts).encode()
    return int.from_bytes(sha1(text).digest()[:4]) / 2**32


def _ship_price(type_id: int) -> float:
    if type_id in _CAPSULES:
        return 10_000
    if type_id in _STRUCTURES:
        return 10 ** (9 + 2 * _share("price", type_id))
    return 10 ** (4.5 + 4.5 * _share("price", type_id))


def _worths(items: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, float, float]]:
    """
    Of each item: its flag, the ISK destroyed, the ISK dropped.
    """
    for item in items:
        price = 10 ** (3 + 4.5 * _share("price", item["item_type_id"]))
        if item.get("singleton") == _BLUEPRINT_COPY:
            price = 0.01
        yield (
            item["flag"],
            price * item.get("quantity_destroyed", 0),
            price * item.get("quantity_dropped", 0),
        )
        yield from _worths(item.get("items") or ())


def _isk(value: float) -> float:
    return round(value, 2)


def _is_player(party: Mapping[str, Any]) -> bool:
    return (party.get("character_id") or 0) >= _PLAYER_CHARACTERS


def _npc(victim: Mapping[str, Any], attackers: Iterable[Mapping[str, Any]]) -> bool:
    by_players = any(
        _is_player(each) or (each.get("corporation_id") or 0) >= _PLAYER_CORPORATIONS
        for each in attackers
    )
    of_players = (
        _is_player(victim)
        or (victim.get("corporation_id") or 0) >= _PLAYER_CORPORATIONS
    )
    return not (by_players and of_players)


def _solo(victim: Mapping[str, Any], attackers: list[Mapping[str, Any]]) -> bool:
    ships = {each.get("ship_type_id") for each in (victim, *attackers)}
    fair = victim.get("ship_type_id") not in _CAPSULES | _CORVETTES | _SHUTTLES
    alone = sum(map(_is_player, attackers)) == 1
    return alone and fair and _is_player(victim) and not ships & _STRUCTURES


def _awox(esi: Mapping[str, Any]) -> bool:
    victim = esi["victim"]
    if victim.get("ship_type_id") in _CAPSULES | _CORVETTES:
        return False
    corporation = victim.get("corporation_id") or 0
    return corporation >= _PLAYER_CORPORATIONS and any(
        each.get("final_blow") and each.get("corporation_id") == corporation
        for each in esi["attackers"]
    )


def _location(esi: Mapping[str, Any]) -> int | None:
    if not esi["victim"].get("position"):
        return None
    if esi["solar_system_id"] >= 32_000_000:
        return 0  # the abyss has no celestials
    return 40_000_000 + int(500_000 * _share("celestial", esi["solar_system_id"]))


def _security(system_id: int) -> str:
    if system_id >= 32_000_000:
        return "abyssal"
    if system_id >= 31_000_000:
        return "w-space"
    return ("highsec", "lowsec", "nullsec")[int(3 * _share("security", system_id))]


def _labels(
    esi: Mapping[str, Any], npc: bool, solo: bool, awox: bool, total: float
) -> Iterator[str]:
    attackers = len(esi["attackers"])
    hour = int(esi["killmail_time"][11:13])
    structure = esi["victim"].get("ship_type_id") in _STRUCTURES
    yield f"tz:{_ZONES[hour // 4]}"
    yield "padding"
    yield "cat:65" if structure else "cat:6"
    crowd = next((size for size in _CROWDS if attackers >= size), 0)
    yield "solo" if solo else f"#:{crowd}+" if crowd else "#:1"
    yield "npc" if npc else "pvp"
    if awox:
        yield "awox"
    yield f"loc:{_security(esi['solar_system_id'])}"
    yield next(
        (f"isk:{name}" for least, name in _WEALTH if total >= least), "isk:under1b"
    )
