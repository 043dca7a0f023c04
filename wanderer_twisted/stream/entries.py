"""
Entries of the journal on their way to any number of streams.
"""

import attrs

from wanderer_twisted.frames import Frame
from wanderer_twisted.partition import Filter, Snapshot, live_part_holds
from wanderer_twisted.records import Hole, Record
from wanderer_twisted.stream import events
from wanderer_twisted.stream.cursor import base36


@attrs.define(eq=False)
class KillmailEntry:
    """
    A killmail on its way to any number of streams, encoded once for all of them: only
    the line with the cursor differs, and it comes last.

    :ivar digits: its number, as cursors have it.
    """

    name = "killmail"

    record: Record
    seq: int
    digits: bytes = attrs.field(init=False, repr=False)
    _frames: dict[bool, Frame] = attrs.field(factory=dict, init=False, repr=False)

    @property
    def size(self) -> int:
        """
        Bytes that it takes, roughly: its body, with items, and the frame without, by
        itself and as a chunk.
        """
        without, whole = self.record.sizes
        return whole + 2 * without

    def __attrs_post_init__(self) -> None:
        self.digits = base36(self.seq).encode()

    def concerns(self, wanted: Filter) -> bool:
        return wanted.concerns(self.record.facts)

    def frame_for(
        self, wanted: Filter, snapshot: Snapshot | None, with_items: bool
    ) -> Frame | None:
        """
        As a stream gets it whose filter it concerns; None where it does not belong to
        the stream's live part.
        """
        if not live_part_holds(self.record.facts, wanted, snapshot):
            return None
        return self._frames.get(with_items) or self._make_frame(with_items)

    def _make_frame(self, with_items: bool) -> Frame:
        body = self.record.body.json(with_items)
        frame = events.event("killmail", body, shared=True)
        self._frames[with_items] = frame
        return frame


@attrs.frozen
class HoleEntry:
    """
    A hole in a feed, which every stream is told of.
    """

    name = "warning"
    size = 1_000

    seq: int
    digits: bytes
    _frame: Frame

    def concerns(self, wanted: Filter) -> bool:
        return True

    def frame_for(
        self, wanted: Filter, snapshot: Snapshot | None, with_items: bool
    ) -> Frame:
        return self._frame


Entry = KillmailEntry | HoleEntry


def as_entry(entry: Record | Hole, now: float) -> Entry:
    """
    :param entry: out of the journal, so with a number.
    """
    if isinstance(entry, Hole):
        digits = base36(entry.seq).encode()
        return HoleEntry(entry.seq, digits, events.feed_gap(entry, now))
    assert entry.facts.live_seq is not None
    return KillmailEntry(entry, entry.facts.live_seq)
