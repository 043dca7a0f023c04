"""
What goes to any number of streams: entries of the journal, and heartbeats. Most streams
get the very same bytes, which are made once.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Generic, TypeVar

import attrs

from wanderer_twisted.frames import Event, Frame
from wanderer_twisted.partition import Filter, Snapshot, live_part_holds
from wanderer_twisted.records import Hole, Record
from wanderer_twisted.stream import events
from wanderer_twisted.stream.cursor import base36


@attrs.frozen(eq=False)
class Variant:
    """
    All of a stream that decides about the bytes that it gets of what concerns it.

    :ivar value: the filter's, without its ids.
    :ivar snapshot: of its history; None where it has none.
    """

    value: Filter
    with_items: bool
    snapshot: Snapshot | None
    _around: tuple[bytes, bytes]

    def end(self, digits: bytes) -> bytes:
        """
        :param digits: the number in the cursor.
        """
        return digits.join(self._around)


@lru_cache(1024)  # live streams all have the same
def variant_of(
    min_value: float | None,
    with_items: bool,
    snapshot: Snapshot | None,
    before: str,
    behind: str,
) -> Variant:
    """
    :param before: of the cursor, before the number.
    :param behind: the same, behind it.
    :returns: as long as it is in use by many, the same object for the same parts.
    """
    around = events.end_around(before, behind)
    return Variant(Filter(min_value=min_value), with_items, snapshot, around)


E = TypeVar("E", bound=Event | None)


@attrs.define(eq=False)
class _ToMany(Generic[E]):
    """
    What streams of the same variant get the same event of.
    """

    _variant: Variant | None = attrs.field(default=None, init=False, repr=False)
    _event: E = attrs.field(init=False, repr=False)

    def event_for(self, variant: Variant) -> E:
        """
        As a stream gets it. That for the last variant is kept.
        """
        if variant is not self._variant:
            self._event = self._make_event(variant)
            self._variant = variant
        return self._event

    def _make_event(self, variant: Variant) -> E:
        raise NotImplementedError


@attrs.define(eq=False)
class KillmailEntry(_ToMany[Event | None]):
    """
    A killmail, encoded once: only the line with the cursor differs, and it comes last.

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

    def _make_event(self, variant: Variant) -> Event | None:
        """
        For a stream whose filter it concerns; None where it does not belong to the
        stream's live part.
        """
        if not live_part_holds(self.record.facts, variant.value, variant.snapshot):
            return None
        with_items = variant.with_items
        frame = self._frames.get(with_items) or self._make_frame(with_items)
        return Event(frame, variant.end(self.digits))

    def _make_frame(self, with_items: bool) -> Frame:
        body = self.record.body.json(with_items)
        frame = events.event("killmail", body, shared=True)
        self._frames[with_items] = frame
        return frame


@attrs.define(eq=False)
class HoleEntry(_ToMany[Event]):
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

    def _make_event(self, variant: Variant) -> Event:
        return Event(self._frame, variant.end(self.digits))


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


@attrs.define(eq=False)
class Heartbeat(_ToMany[Event]):
    """
    A heartbeat, for streams in either mode; the event is that of one that follows.

    :ivar seq: what streams that follow have dealt with.
    """

    frames: Mapping[events.Mode, Frame]
    seq: int

    def _make_event(self, variant: Variant) -> Event:
        return Event(self.frames["realtime"], variant.end(base36(self.seq).encode()))
