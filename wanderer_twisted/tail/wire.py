"""
What is read of the events' data (docs/protocol.rst, "Events"); the rest is passed over.
"""

from typing import Any, TypeVar

import msgspec

from wanderer_twisted.encoding import loads


class Participant(msgspec.Struct):
    """
    Whoever lost a ship, or shot at it.
    """

    character_id: int = 0
    character_name: str = ""
    corporation_id: int = 0
    corporation_name: str = ""
    alliance_id: int = 0
    alliance_name: str = ""
    ship_type_id: int = 0
    ship_name: str = ""


class Zkb(msgspec.Struct):
    """
    zKillboard's block.
    """

    total_value: float | None = None


class Numbered(msgspec.Struct):
    """
    The least that a killmail has.
    """

    killmail_id: int


class Killmail(Numbered):
    kill_time: str
    victim: Participant
    system_id: int = 0
    solar_system_name: str = ""
    attacker_count: int = 0
    attackers: list[Participant] = []
    zkb: Zkb = msgspec.field(default_factory=Zkb)


class Connected(msgspec.Struct):
    mode: str


class Batch(msgspec.Struct):
    kills: list[Any]
    batch_number: int
    total_batches: int


class Coverage(msgspec.Struct):
    complete: bool
    ids_incomplete: int = 0


class Transition(msgspec.Struct):
    total_historical: int
    missing: int
    coverage: Coverage


class Gap(msgspec.Struct):
    reason: str


class Told(msgspec.Struct):
    """
    A warning or an error.
    """

    type: str
    message: str


T = TypeVar("T")


class Nonsense(Exception):
    """
    It is not what the protocol says; one line says how.
    """


def parse(text: str) -> Any:
    """
    An event's data.

    :raises Nonsense: it is no JSON.
    """
    try:
        return loads(text.encode())
    except ValueError as error:
        raise Nonsense(str(error)) from error


def read(data: Any, kind: type[T]) -> T:
    """
    :param data: JSON that was decoded.
    :raises Nonsense: it lacks something that *kind* needs.
    """
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise Nonsense(str(error)) from error
