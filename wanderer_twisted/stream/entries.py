"""
Entries of the journal on their way to any number of streams.
"""

import attrs

from wanderer_twisted.frames import Frame
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
    _frames: dict[bool, Frame] = attrs.field(factory=dict, init=False, repr=False)

    @property
    def size(self) -> int:
        """
        Bytes that it takes, roughly: its body, with items, and the frame without.
        """
        return sum(self.record.sizes)

    def frame(self, with_items: bool) -> Frame:
        if with_items not in self._frames:
            body = self.record.body.json(with_items)
            self._frames[with_items] = events.event("killmail", body, shared=True)
        return self._frames[with_items]


@attrs.frozen
class HoleEntry:
    """
    A hole in a feed, which every stream is told of.
    """

    hole: Hole

    size = 1_000

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
