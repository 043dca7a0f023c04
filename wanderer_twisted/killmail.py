"""
The killmail: what an upstream sent, checked, and the one form in which it goes out.

No I/O. The shapes come from contracts.md §2.2 (R2Z2), §3 (zKillboard) and §4.1 (ESI),
the form that clients get from design.md §2.4.
"""

import re
from calendar import timegm
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

import attrs
import msgspec

from wanderer_twisted.encoding import dumps, loads

#: Bytes counted per participant in the nominal size, for the names that may come
#: after the size was written (design.md §5, store).
NAME_ALLOWANCE = 160

#: Cursors write a killmail id in eight characters of base 36.
MAX_KILLMAIL_ID = 36**8 - 1

#: The most ever were 3,753 (contracts.md §6).
MAX_ATTACKERS = 60_000

#: No character, corporation, alliance or system has a higher one (contracts.md §6), so
#: nobody can ask for one, and none is indexed.
MAX_ID = 2**31 - 1

_EARLIEST, _LATEST = 1_000_000_000, 4_102_444_800  # 2001-09-09 and 2100-01-01
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

#: id key -> the key under which its name is sent.
PARTICIPANT_NAMES = {
    "character_id": "character_name",
    "corporation_id": "corporation_name",
    "alliance_id": "alliance_name",
    "ship_type_id": "ship_name",
    "weapon_type_id": "weapon_name",
}
#: Of a participant: with a name of its own or without.
PARTICIPANT_IDS = (*PARTICIPANT_NAMES, "faction_id")


class BadKillmail(ValueError):
    """
    What an upstream sent is not a killmail; the message says why.
    """


class _Participant(msgspec.Struct):
    character_id: _Id | None = None
    corporation_id: _Id | None = None
    alliance_id: _Id | None = None
    faction_id: _Id | None = None
    ship_type_id: _Id | None = None
    weapon_type_id: _Id | None = None


class _Victim(_Participant):
    items: list[dict[str, Any]] | None = None
    position: dict[str, Any] | None = None


class _Esi(msgspec.Struct):
    """
    The parts of ESI's body that this server relies on; all else passes through.
    """

    killmail_id: Annotated[int, msgspec.Meta(ge=1, le=MAX_KILLMAIL_ID)]
    killmail_time: str
    solar_system_id: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    victim: _Victim
    attackers: Annotated[list[_Participant], msgspec.Meta(max_length=MAX_ATTACKERS)]
    moon_id: _Id | None = None
    war_id: _Id | None = None


class _Zkb(msgspec.Struct):
    hash: str | None = None
    totalValue: float | None = None  # noqa: N815  (zKillboard's spelling)


@attrs.frozen
class Killmail:
    """
    A killmail as an upstream gave it, checked.

    :ivar kill_time: UNIX seconds.
    :ivar character_ids: the victim and every attacker that is a character;
        ``corporation_ids`` and ``alliance_ids`` are theirs.
    :ivar value: ISK, by zKillboard's ``totalValue``; None while nobody gave one.
    :ivar hash: ESI's hash, 40 hexadecimal digits, where known.
    :ivar esi: ESI's body.
    :ivar zkb: zKillboard's block; empty where there is none.
    """

    killmail_id: int
    kill_time: int
    system_id: int
    character_ids: frozenset[int]
    corporation_ids: frozenset[int]
    alliance_ids: frozenset[int]
    value: float | None
    hash: str | None
    esi: Mapping[str, Any] = attrs.field(repr=False)
    zkb: Mapping[str, Any] = attrs.field(repr=False)

    @property
    def participants(self) -> int:
        return 1 + len(self.esi["attackers"])


def as_killmail_id(told: object) -> int | None:
    """
    What was told as an id, where it is one: the store cannot even hold any number.
    """
    if type(told) is int and 1 <= told <= MAX_KILLMAIL_ID:
        return told
    return None


@attrs.frozen
class Body:
    """
    A killmail's JSON as it goes out, in two parts, so that it can be sent with and
    without ``victim.items`` without being encoded again.

    :ivar main: everything up to the end of ``victim``, without the closing ``}}``.
    :ivar items: the array ``victim.items``; empty where the killmail has none.
    """

    main: bytes
    items: bytes = b""

    def json(self, with_items: bool) -> bytes:
        return join(self.main, self.items if with_items else b"")


def join(main: bytes, items: bytes) -> bytes:
    """
    The parts of a :class:`Body`, as it goes out.

    :param items: empty to leave them out.
    """
    if not items:
        return main + b"}}"
    comma = b"" if main.endswith(b"{") else b","
    return b'%b%b"items":%b}}' % (main, comma, items)


def decode(esi: object, zkb: object = None, hash: str | None = None) -> Killmail:
    """
    Check what an upstream sent.

    :param esi: ESI's body, decoded.
    :param zkb: zKillboard's block, decoded; None where there is none.
    :param hash: ESI's hash, where it came beside the block.
    :raises BadKillmail: a part that we rely on is missing or of a wrong type.
    """
    if not isinstance(esi, dict):
        raise BadKillmail(f"Expected an object, got {type(esi).__name__}")
    zkb = {} if zkb is None else zkb
    try:
        known = msgspec.convert(esi, _Esi)
        block = msgspec.convert(zkb, _Zkb)
    except msgspec.ValidationError as error:
        raise BadKillmail(str(error)) from error
    participants = (known.victim, *known.attackers)
    return Killmail(
        killmail_id=known.killmail_id,
        kill_time=_seconds(known.killmail_time),
        system_id=known.solar_system_id,
        character_ids=_ids(p.character_id for p in participants),
        corporation_ids=_ids(p.corporation_id for p in participants),
        alliance_ids=_ids(p.alliance_id for p in participants),
        value=block.totalValue,
        hash=block.hash or hash or None,
        esi=esi,
        zkb=zkb,  # type: ignore[arg-type]  # msgspec found it to be an object
    )


def _ids(ids: Iterable[int | None]) -> frozenset[int]:
    return frozenset(each for each in ids if each and each <= MAX_ID)


def _seconds(text: str) -> int:
    if not _TIME.fullmatch(text):
        raise BadKillmail(f"killmail_time is not YYYY-MM-DDTHH:MM:SSZ: {text[:40]!r}")
    try:
        seconds = timegm(datetime.fromisoformat(text).timetuple())
    except ValueError as error:
        raise BadKillmail(f"killmail_time: {error}") from error
    if not _EARLIEST <= seconds <= _LATEST:
        raise BadKillmail(f"killmail_time is out of range: {text}")
    return seconds


def encode(killmail: Killmail, names: Mapping[int, str]) -> Body:
    """
    Write a killmail as clients get it (design.md §2.4). Keys without a value are left
    out, and ``0`` for an id counts as none (contracts.md §5: EVE-KILL sends zeros).

    :param names: id -> name, of whatever is known.
    """
    esi = killmail.esi
    head = {
        "killmail_id": killmail.killmail_id,
        "kill_time": esi["killmail_time"],
        "killmail_time": esi["killmail_time"],
        "system_id": killmail.system_id,
        "solar_system_id": killmail.system_id,
        "solar_system_name": names.get(
            killmail.system_id, esi.get("solar_system_name")
        ),
        "moon_id": esi.get("moon_id") or None,
        "war_id": esi.get("war_id") or None,
        "attacker_count": len(esi["attackers"]),
    }
    last = {
        "attackers": [_participant(each, names) for each in esi["attackers"]],
        "zkb": _zkb(killmail),
    }
    passed_through = {
        key: value
        for key, value in esi.items()
        if key not in head and key not in last and key != "victim"
    }
    victim = _participant(esi["victim"], names)
    items = victim.pop("items", None)
    document = _without_none({**head, **passed_through, **last})
    document["victim"] = victim  # last, and its items last in it: the two parts of Body
    return Body(main=dumps(document)[:-2], items=dumps(items) if items else b"")


def encode_again(body: Body, names: Mapping[int, str]) -> Body:
    """
    The same killmail with names that came later; what it was told before stays.
    """
    document = loads(body.json(with_items=True))
    esi = {key: document[key] for key in document if key not in ("zkb", "kill_time")}
    esi.pop("system_id"), esi.pop("attacker_count")
    zkb = document.get("zkb", {})
    zkb.pop("total_value", None)
    return encode(decode(esi, zkb), names)


def nominal_sizes(killmail: Killmail) -> tuple[int, int]:
    """
    The sizes by which batches are cut: without and with ``victim.items``. They leave
    room for names and never change once written, so cuts stay where they were.
    """
    return sizes_of(encode(killmail, {}), killmail.participants)


def sizes_of(body: Body, participants: int) -> tuple[int, int]:
    """
    The nominal sizes of a killmail.

    :param body: without names.
    """
    rest = NAME_ALLOWANCE * participants
    return len(body.json(False)) + rest, len(body.json(True)) + rest


def nameable_ids(killmail: Killmail) -> frozenset[int]:
    """
    Every id in a killmail that has a name of its own in ESI (contracts.md §4.2).
    """

    def ids() -> Iterator[int | None]:
        yield killmail.system_id
        for participant in (killmail.esi["victim"], *killmail.esi["attackers"]):
            for key in PARTICIPANT_NAMES:
                yield participant.get(key)

    return frozenset(each for each in ids() if each and each < 2**31)


def _participant(
    upstream: Mapping[str, Any], names: Mapping[int, str]
) -> dict[str, Any]:
    participant: dict[str, Any] = {}
    for key, value in upstream.items():
        if value is None or (key in PARTICIPANT_IDS and value == 0):
            continue
        participant[key] = value
        if key in PARTICIPANT_NAMES and value in names:
            participant[PARTICIPANT_NAMES[key]] = names[value]
    return participant


def _zkb(killmail: Killmail) -> dict[str, Any] | None:
    zkb = _without_none({**killmail.zkb, "total_value": killmail.value})
    if killmail.hash is not None:
        zkb["hash"] = killmail.hash
    return zkb or None


def _without_none(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value is not None}
