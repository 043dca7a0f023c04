"""
Names for ids, as ESI's ``POST /universe/names`` gives them (contracts.md §4.2).

Few of the names are real; the others say what they are. Some ids have none: NPC pilots,
which ESI may or may not know, and one character in ``RARITY``, so that whoever asks
meets ESI's refusal of a whole call.
"""

from collections.abc import Iterable, Mapping
from typing import Any

#: One character id in so many resolves to nothing.
RARITY = 4999

_KNOWN = {
    **{500001: "Caldari State", 500002: "Minmatar Republic", 500003: "Amarr Empire"},
    **{500004: "Gallente Federation", 500010: "Guristas Pirates"},
    **{500011: "Angel Cartel", 500012: "Blood Raider Covenant"},
    **{500019: "Sansha's Nation", 500020: "Serpentis"},
    **{30000142: "Jita", 30002187: "Amarr", 30002813: "Tama", 30002053: "Hek"},
    **{30002510: "Rens", 30002659: "Dodixie", 31000005: "Thera"},
    **{670: "Capsule", 585: "Slasher", 587: "Rifter", 593: "Tristan", 597: "Punisher"},
    **{588: "Reaper", 596: "Impairor", 601: "Ibis", 606: "Velator", 603: "Merlin"},
    **{608: "Atron", 16240: "Catalyst", 32880: "Venture", 35832: "Astrahus"},
    **{35834: "Keepstar"},
}

#: What an id is -> its category in ESI's answer, and what a made-up name begins with.
_ROLES = {
    "alliance": ("alliance", "Alliance"),
    "character": ("character", "Pilot"),
    "constellation": ("constellation", "Constellation"),
    "corporation": ("corporation", "Corporation"),
    "faction": ("faction", "Faction"),
    "region": ("region", "Region"),
    "ship": ("inventory_type", "Ship type"),
    "station": ("station", "Station"),
    "system": ("solar_system", "System"),
    "type": ("inventory_type", "Type"),
    "weapon": ("inventory_type", "Weapon type"),
}

_RANGES = (  # contracts.md §6; the first that holds the id
    (range(1, 400_000), "type"),
    (range(500_000, 600_000), "faction"),
    (range(1_000_000, 2_000_000), "corporation"),
    (range(3_000_000, 4_000_000), "character"),
    (range(10_000_000, 15_000_000), "region"),
    (range(20_000_000, 27_000_000), "constellation"),
    (range(30_000_000, 40_000_000), "system"),
    (range(60_000_000, 70_000_000), "station"),
    (range(90_000_000, 98_000_000), "character"),
    (range(98_000_000, 99_000_000), "corporation"),
    (range(99_000_000, 100_000_000), "alliance"),
    (range(100_000_000, 2_147_483_648), "character"),
)


class Names:
    """
    Who is called what.

    :ivar unknown: further ids that have no name; a test may add some.
    :ivar given: id -> name, before all other rules; a test may add some.
    """

    def __init__(self, roles: Mapping[int, str]) -> None:
        self._roles = roles
        self.unknown: set[int] = set()
        self.given: dict[int, str] = {}

    def find(self, ids: Iterable[int]) -> list[dict[str, Any]] | None:
        """
        :returns: ESI's answer; None where one of the ids has no name.
        """
        found = []
        for id in ids:
            role = self._role(id)
            if role is None:
                return None
            category, title = _ROLES[role]
            name = self.given.get(id) or _KNOWN.get(id) or _made_up(id, title)
            found.append({"category": category, "id": id, "name": name})
        return found

    def _role(self, id: int) -> str | None:
        if id in self.unknown or 3_000_000 <= id < 4_000_000:
            return None
        # Ids between 100 M and 2.1 b were given to characters, corporations and
        # alliances alike: what the data used one for comes first.
        role = self._roles.get(id)
        if role is None:
            role = next((name for ids, name in _RANGES if id in ids), None)
        return None if role == "character" and id % RARITY == 0 else role


def _made_up(id: int, title: str) -> str:
    if 31_000_000 <= id < 32_000_000:
        return f"{title} J{100_000 + id % 900_000}"
    return f"{title} {id}"
