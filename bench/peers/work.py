"""
The work that all do: killmails of 2.4 KB, the ids that each concerns, and those that
each stream follows.
"""

import json
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from bench.killmails import FIRST_LIVE_ID, Killmails, entry_of
from wanderer_twisted.encoding import dumps, loads
from wanderer_twisted.simulator.data import Template

Ids = Sequence[int]

#: Of an event, all in all, or as near as the data has them.
_EVENT_BYTES = 2_400
_FRAMING = 60

#: So many killmails take turns, the nearest of so many.
_TURNS, _LOOKED_AT = 20, 1_000

#: Ids that an event concerns: a killmail has as many participants, or some more.
PARTICIPANTS = 5

#: What nobody follows; all ids have to stay below the floor's limit of 2^20.
NOBODY = 1_000_000

#: Ids are this much larger where they have to look like characters.
_FIRST_CHARACTER = 90_000_000


def as_character(id: int) -> int:
    return _FIRST_CHARACTER + id


@attrs.frozen
class Event:
    """
    :ivar ids: whom it concerns.
    :ivar document: a killmail, for :func:`bench.killmails.entry_of`.
    :ivar body: the same as the server encodes it.
    """

    ids: Ids
    document: bytes
    body: bytes


class Work:
    """
    :ivar path: of a file for those who read one: of each event a line, with its ids, a
        tab, and its body.
    """

    def __init__(self, events: Sequence[Event], path: Path) -> None:
        self.events = events
        self.path = path
        with path.open("wb") as file:
            for event in events:
                ids = ",".join(map(str, event.ids))
                file.write(b"%b\t%b\n" % (ids.encode(), event.body))


class Maker:
    """
    Makes events of killmails that have the right size.
    """

    def __init__(self, killmails: Killmails) -> None:
        self._killmails = killmails
        self._templates = self._choose()

    def _choose(self) -> Sequence[Template]:
        few = (
            each
            for each in self._killmails.data.templates
            if PARTICIPANTS <= each.attacker_count + 1 <= 2 * PARTICIPANTS
            and _has_characters(each)
        )
        looked_at = [each for each, _ in zip(few, range(_LOOKED_AT), strict=False)]
        return sorted(looked_at, key=self._is_off)[:_TURNS]

    def _is_off(self, template: Template) -> int:
        document = self._killmails.document(template, FIRST_LIVE_ID, int(time.time()))
        return abs(len(_body(document)) + _FRAMING - _EVENT_BYTES)

    def make(self, events: Sequence[Ids]) -> Iterator[Event]:
        """
        A new killmail for each, with these ids among its participants.
        """
        kill_time = int(time.time()) - 60
        for number, ids in enumerate(events):
            template = self._templates[number % len(self._templates)]
            id = FIRST_LIVE_ID + number
            document = self._killmails.document(template, id, kill_time)
            document = _with_participants(document, ids)
            yield Event(ids, document, _body(document))


def _body(document: bytes) -> bytes:
    return entry_of(document).body.json(with_items=False)


def _has_characters(template: Template) -> bool:
    """
    Whether all who take part are players, and each once.
    """
    esi = json.loads(template.body)
    ids = [each.get("character_id") for each in (esi["victim"], *esi["attackers"])]
    return None not in ids and len(set(ids)) == len(ids)


def _with_participants(document: bytes, ids: Ids) -> bytes:
    """
    The same killmail with these characters in it; the names stay, under the new ids.
    """
    esi, zkb, hash, names = loads(document)
    known = dict(map(tuple, names))
    others = range(NOBODY, NOBODY + 2 * PARTICIPANTS)
    new = map(as_character, [*ids, *others])
    for participant in (esi["victim"], *esi["attackers"]):
        old, participant["character_id"] = participant["character_id"], next(new)
        known[participant["character_id"]] = known.pop(old)
    return dumps([esi, zkb, hash, list(known.items())])


def draw(streams: int, ids: int) -> list[Ids]:
    """
    What each stream follows, from so many ids that an event has as many matches as
    participants.
    """
    chosen = random.Random(ids)
    every = range(1, streams * ids + 1)
    return [chosen.sample(every, ids) for _ in range(streams)]


def draw_events(streams: int, ids: int, events: int) -> list[Ids]:
    """
    What each event concerns, from the same ids.
    """
    chosen = random.Random(-ids)
    every = range(1, streams * ids + 1)
    return [chosen.sample(every, PARTICIPANTS) for _ in range(events)]
