"""
Entries of the journal on their way to any number of streams.
"""

import attrs

from wanderer_twisted.records import Hole, Record
from wanderer_twisted.stream import events


@attrs.define(eq=False)
class KillmailEntry:
    """
    A killmail on its way to any number of streams, encoded once for all of them: only
    the line with the cursor differs, and it comes last.
    """

    record: Record
    seq: int
    _rest: dict[bool, bytes] = attrs.field(factory=dict, init=False, repr=False)

    def rest(self, with_items: bool) -> bytes:
        """
        All but the event's end.
        """
        if with_items not in self._rest:
            body = self.record.body.json(with_items)
            self._rest[with_items] = events.event("killmail", body)[:-1]
        return self._rest[with_items]


@attrs.frozen
class HoleEntry:
    """
    A hole in a feed, which every stream is told of.
    """

    hole: Hole

    @property
    def seq(self) -> int:
        return self.hole.seq


Entry = KillmailEntry | HoleEntry


def as_entry(entry: Record | Hole) -> Entry:
    """
    :param entry: out of the journal, so with a number.
    """
    if isinstance(entry, Hole):
        return HoleEntry(entry)
    assert entry.facts.live_seq is not None
    return KillmailEntry(entry, entry.facts.live_seq)
