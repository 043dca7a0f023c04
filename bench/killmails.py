"""
Real killmails in the volume that a figure needs.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from wanderer_twisted.encoding import dumps, loads
from wanderer_twisted.killmail import decode, encode, nameable_ids, nominal_sizes
from wanderer_twisted.partition import Kind
from wanderer_twisted.records import Entry
from wanderer_twisted.simulator.data import Data, Template, read, read_shipped
from wanderer_twisted.simulator.names import Names
from wanderer_twisted.simulator.postings import Posting

#: Ids of what is repeated; no killmail of the data has one as high.
FIRST_ARCHIVE_ID = 300_000_000
FIRST_HISTORY_ID = 500_000_000
FIRST_LIVE_ID = 900_000_000
FIRST_LATER_ID = 950_000_000

_MODIFIERS: Mapping[Kind, str] = {
    "character": "characterID",
    "corporation": "corporationID",
    "alliance": "allianceID",
    "system": "systemID",
}


@attrs.frozen
class Owner:
    """
    A character, a corporation and so on, and the killmails of the data that it is in.
    """

    kind: Kind
    id: int
    templates: Sequence[Template] = attrs.field(repr=False)

    @property
    def mean_body(self) -> float:
        """
        Bytes of ESI's body.
        """
        return sum(len(each.body) for each in self.templates) / len(self.templates)


class Killmails:
    """
    A data file, and who is in it.
    """

    def __init__(self, path: str | None) -> None:
        self.data: Data = read_shipped() if path is None else read(Path(path))
        self._names = Names(self.data.roles)

    def owners(self, kind: Kind) -> list[Owner]:
        """
        The busiest first.
        """
        found: dict[int, dict[int, Template]] = {}
        modifier = _MODIFIERS[kind]
        for template in self.data.templates:
            for its_modifier, id in (*template.losses, *template.kills):
                if its_modifier == modifier:
                    found.setdefault(id, {})[template.killmail_id] = template
        owners = [Owner(kind, id, list(all.values())) for id, all in found.items()]
        return sorted(owners, key=lambda owner: (-len(owner.templates), owner.id))

    def typical(self, count: int) -> list[Owner]:
        """
        Active characters whose killmails are as large as most active ones' are: big
        fights have many participants, so the busiest ones' are far larger.
        """
        busy = [each for each in self.owners("character") if len(each.templates) >= 20]
        busy = busy if len(busy) >= 4 * count else self.owners("character")[: 4 * count]
        by_size = sorted(busy, key=lambda owner: owner.mean_body)
        start = (len(by_size) - count) // 2
        return by_size[start : start + count]

    def document(self, template: Template, killmail_id: int, kill_time: int) -> bytes:
        """
        A new killmail as :func:`entry_of` takes it.
        """
        posting = Posting(killmail_id, kill_time, 0.0, template)
        esi, zkb = loads(posting.esi()), loads(posting.zkb())
        ids = nameable_ids(decode(esi, zkb, posting.hash))
        found = [self._names.find([id]) or () for id in ids]
        names = [[each["id"], each["name"]] for answer in found for each in answer]
        return dumps([esi, zkb, posting.hash, names])

    def live(self, count: int, now: float, first_id: int) -> Iterator[bytes]:
        """
        A fair sample of what happens, as new killmails.
        """
        templates = self.data.templates
        step = max(1, len(templates) // max(1, count))
        for number in range(count):
            template = templates[number * step % len(templates)]
            yield self.document(template, first_id + number, int(now) - 60)


def entry_of(document: bytes) -> Entry:
    """
    What ingest would make of it, with all names.
    """
    esi, zkb, hash, names = loads(document)
    killmail = decode(esi, zkb, hash)
    return Entry(killmail, encode(killmail, dict(names)), nominal_sizes(killmail))
