"""
A killmail in one line, for people.
"""

from collections.abc import Collection
from typing import Final, Literal

import attrs

from wanderer_twisted.tail.wire import Killmail, Participant

_LINK: Final = "https://zkillboard.com/kill/{}/"

_GREEN, _RED, _DIM, _YELLOW = "32", "31", "2", "33"

_UNITS: Final = ("", " k", " m", " b", " t")


@attrs.frozen
class Side:
    """
    Those on whose behalf a killmail is a kill or a loss: the ids that were asked for.
    """

    characters: Collection[int] = frozenset()
    corporations: Collection[int] = frozenset()
    alliances: Collection[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.characters or self.corporations or self.alliances)

    def has(self, one: Participant) -> bool:
        return (
            one.character_id in self.characters
            or one.corporation_id in self.corporations
            or one.alliance_id in self.alliances
        )

    def judge(self, killmail: Killmail) -> Literal["kill", "loss", ""]:
        """
        What it is for us; a loss, where we were on both ends of it.
        """
        if self.has(killmail.victim):
            return "loss"
        return "kill" if any(map(self.has, killmail.attackers)) else ""


class Painter:
    """
    :param coloured: with colours, or plain text.
    """

    def __init__(self, coloured: bool) -> None:
        self._coloured = coloured

    def line(self, killmail: Killmail, side: Side) -> str:
        """
        When, what it was for *side*, its worth, what was lost, by whom, where, to how
        many, and where to read on.
        """
        victim = killmail.victim
        what = side.judge(killmail)
        colour = {"kill": _GREEN, "loss": _RED, "": ""}[what]
        ship = _called(victim.ship_name, "type", victim.ship_type_id)
        system = _called(killmail.solar_system_name, "system", killmail.system_id)
        count = killmail.attacker_count or len(killmail.attackers)
        parts = [
            self.paint(_moment(killmail.kill_time), _DIM),
            self.paint(f"{what:4}", colour) if side else "",
            f"{short(killmail.zkb.total_value):>7}",
            self.paint(f"{ship:20}", colour),
            _who(victim),
            system,
            f"{count} attacker{'s' * (count != 1)}",
            self.paint(_LINK.format(killmail.killmail_id), _DIM),
        ]
        return "  ".join(part for part in parts if part)

    def warning(self, text: str) -> str:
        return self.paint(text, _YELLOW)

    def paint(self, text: str, colour: str) -> str:
        if not (self._coloured and colour):
            return text
        return f"\x1b[{colour}m{text}\x1b[0m"


def short(value: float | None) -> str:
    """
    ISK, as players write it: ``1.2 b``.
    """
    if value is None:
        return "?"
    for unit in _UNITS:
        if abs(value) < 999.95 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{value:,.1f}{unit}" if unit else f"{value:.0f}"


def printable(text: str) -> str:
    """
    Text from the wire, without what a terminal would obey: control characters, and
    those that turn the direction of writing.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text
    )


def _who(victim: Participant) -> str:
    names = [
        _called(victim.character_name, "character", victim.character_id),
        _called(victim.corporation_name, "corporation", victim.corporation_id),
        _called(victim.alliance_name, "alliance", victim.alliance_id),
    ]
    first, *rest = [name for name in names if name] or ["nobody"]
    return f"{first} ({', '.join(rest)})" if rest else first


def _called(name: str, kind: str, id: int) -> str:
    """
    The name, or the id while nobody knows one; empty without either.
    """
    return printable(name) or (f"{kind} {id}" if id else "")


def _moment(kill_time: str) -> str:
    """
    UTC, which is the game's own time.
    """
    return printable(kill_time).replace("T", " ").removesuffix("Z")
