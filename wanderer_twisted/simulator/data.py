"""
The killmails that the simulator plays, read from a file of JSON lines.

A line is ESI's body of one killmail; where known, ``killmail_hash`` and zKillboard's
``zkb`` stand beside its keys. Bodies are kept as bytes: parsed, they would take ten
times the memory, and nothing here needs to look into them again.
"""

import gzip
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha1
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from wanderer_twisted.encoding import dumps, loads
from wanderer_twisted.killmail import BadKillmail, decode
from wanderer_twisted.simulator.appraisal import appraise

if TYPE_CHECKING:
    from wanderer_twisted.simulator.postings import Posting

_ENTITIES = {
    "character_id": "characterID",
    "corporation_id": "corporationID",
    "alliance_id": "allianceID",
    "faction_id": "factionID",
    "ship_type_id": "shipTypeID",
}
_ROLES = {
    "weapon_type_id": "weapon",  # first: what is flown as well is called a ship
    "character_id": "character",
    "corporation_id": "corporation",
    "alliance_id": "alliance",
    "faction_id": "faction",
    "ship_type_id": "ship",
}

#: A modifier of zKillboard's API and its id: what a listing is asked by.
Entity = tuple[str, int]


class BadData(ValueError):
    """
    A data file cannot be played; the message is one line that names file and line.
    """


@attrs.define(eq=False)
class Template:
    """
    A killmail of the data, from which any number can be posted.

    :ivar kill_time: UNIX seconds, as in the data.
    :ivar time: the same, as the body spells it.
    :ivar body: ESI's body, as in the data.
    :ivar zkb: zKillboard's block without what only R2Z2 and RedisQ add.
    :ivar losses: what the victim is listed under; :ivar kills: what the attackers are.
    :ivar postings: what was posted from it and is still remembered, oldest first.
    """

    killmail_id: int
    kill_time: int
    time: bytes
    hash: str
    system_id: int
    attacker_count: int
    body: bytes = attrs.field(repr=False)
    zkb: bytes = attrs.field(repr=False)
    losses: Sequence[Entity] = attrs.field(repr=False)
    kills: Sequence[Entity] = attrs.field(repr=False)
    postings: "deque[Posting]" = attrs.field(factory=deque, repr=False)


@attrs.frozen
class Data:
    """
    A file's killmails.

    :ivar templates: in the order of their ids.
    :ivar roles: id -> what it was used for, one of ``_ROLES``.
    """

    templates: Sequence[Template] = attrs.field(repr=False)
    roles: Mapping[int, str] = attrs.field(repr=False)


def php(data: bytes) -> bytes:
    """
    JSON as zKillboard's PHP writes it: slashes escaped, no ``.0`` (contracts.md §2.2).
    """
    return re.sub(rb"(?<=\d)\.0(?=[,}\]])", b"", data).replace(b"/", rb"\/")


def read_shipped() -> Data:
    """
    Read the killmails that come with the package.
    """
    here = files("wanderer_twisted.simulator") / "data" / "killmails.jsonl.gz"
    with as_file(here) as path:
        return read(path)


def read(path: Path) -> Data:
    """
    :raises BadData: the file, or a line of it, cannot be used.
    """
    number = 0

    def documents() -> Iterator[dict[str, Any]]:
        nonlocal number
        for line in _lines(path):
            number += 1
            if line.strip():
                document = loads(line)
                if not isinstance(document, dict):
                    raise BadKillmail("Expected an object")
                yield document

    try:
        data = make_data(documents())
    except (OSError, EOFError, zlib.error) as error:
        raise BadData(f"{path}: cannot be read: {error}") from error
    except ValueError as error:
        raise BadData(f"{path}: line {number}: {error}") from error
    if not data.templates:
        raise BadData(f"{path}: holds no killmail")
    return data


def make_data(documents: Iterable[dict[str, Any]]) -> Data:
    """
    The same from documents at hand.

    :raises ValueError: one of them is no killmail.
    """
    found: dict[int, Template] = {}
    roles: dict[str, set[int]] = {role: set() for role in _ROLES.values()}
    for document in documents:
        template = make_template(dict(document))
        found[template.killmail_id] = template
        for party in (document["victim"], *document["attackers"]):
            for key, role in _ROLES.items():
                if party.get(key):
                    roles[role].add(party[key])
    return Data(
        [found[key] for key in sorted(found)],
        {id: role for role, ids in roles.items() for id in ids},
    )


def make_template(esi: dict[str, Any]) -> Template:
    """
    :param esi: ESI's body; ``killmail_hash`` and ``zkb`` beside it are taken out.
    :raises BadKillmail: it is no killmail.
    """
    hash = esi.pop("killmail_hash", None)
    zkb = esi.pop("zkb", None)
    killmail = decode(esi, zkb, hash)
    body = dumps(esi)
    hash = killmail.hash or sha1(body).hexdigest()
    if zkb is None:
        zkb = appraise(esi, hash)
    own = {key: zkb[key] for key in zkb if key not in ("attackerCount", "href")}
    place = (("systemID", killmail.system_id), *_war(esi))
    return Template(
        killmail_id=killmail.killmail_id,
        kill_time=killmail.kill_time,
        time=esi["killmail_time"].encode(),
        hash=hash,
        system_id=killmail.system_id,
        attacker_count=len(esi["attackers"]),
        body=body,
        zkb=php(dumps({**own, "hash": hash})),
        losses=(*dict.fromkeys(_entities([esi["victim"]])), *place),
        kills=(*dict.fromkeys(_entities(esi["attackers"])), *place),
    )


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as probe:
        packed = probe.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if packed else path.open("rb") as lines:
        yield from lines


def _entities(parties: Iterable[Mapping[str, Any]]) -> Iterator[Entity]:
    for party in parties:
        for key, modifier in _ENTITIES.items():
            if party.get(key):
                yield modifier, party[key]


def _war(esi: Mapping[str, Any]) -> Iterator[Entity]:
    if esi.get("war_id"):
        yield "warID", esi["war_id"]
