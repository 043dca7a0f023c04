"""
Cursors: the ``id`` of an event, which says what a client has (design.md §3.5).

The four kinds are four frozen classes; a stream's cursor is all the state that it has.
Numbers are written in base 36 with a fixed width, so a cursor's length does not change
while it moves.
"""

import re
from functools import lru_cache
from typing import ClassVar

import attrs

from wanderer_twisted.partition import Snapshot
from wanderer_twisted.records import Marks, Place

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_NUMBER, _TIME = 8, 7  # digits of a number or killmail id, and of UNIX seconds


class BadCursor(ValueError):
    """
    A text is not one of our cursors.
    """


@lru_cache(1024)  # thousands of streams are at the same number, or at the next
def base36(number: int, width: int = _NUMBER) -> str:
    """
    Write *number* with *width* digits.
    """
    if not width:
        return ""
    before, last = divmod(number, 36)
    return base36(before, width - 1) + _DIGITS[last]


@attrs.frozen
class _Moving:
    """
    A cursor of the live part.

    :ivar seq: everything up to this number is dealt with.
    """

    seq: int

    def around(self, epoch: str) -> tuple[str, str]:
        """
        The parts of the text before and behind the number, which alone moves.
        """
        raise NotImplementedError

    def text(self, epoch: str) -> str:
        return base36(self.seq).join(self.around(epoch))

    @property
    def start(self) -> int:
        return self.seq

    def expired(self, marks: Marks) -> bool:
        return self.seq < marks.floor_seq


@attrs.frozen
class Live(_Moving):
    """
    ``l``: live, without a history.
    """

    fingerprint: ClassVar[None] = None

    def around(self, epoch: str) -> tuple[str, str]:
        return f"l.{epoch}.", ""

    @property
    def reaches(self) -> int:
        return self.seq


@attrs.frozen
class AfterHistory(_Moving):
    """
    ``m``: live after a history, which is not told again.
    """

    snapshot: Snapshot
    fingerprint: str

    def around(self, epoch: str) -> tuple[str, str]:
        head, cutoff = base36(self.snapshot.head), base36(self.snapshot.cutoff, _TIME)
        return f"m.{epoch}.", f".{head}.{cutoff}.{self.fingerprint}"

    @property
    def reaches(self) -> int:
        return max(self.seq, self.snapshot.head)


@attrs.frozen
class Starting:
    """
    ``s``: the history is not frozen yet.

    :ivar start: H0: what is announced after it is live.
    :ivar cutoff: UNIX seconds.
    """

    start: int
    cutoff: int
    fingerprint: str

    def text(self, epoch: str) -> str:
        cutoff = base36(self.cutoff, _TIME)
        return f"s.{epoch}.{base36(self.start)}.{cutoff}.{self.fingerprint}"

    @property
    def reaches(self) -> int:
        return self.start

    def expired(self, marks: Marks) -> bool:
        return self.start < marks.floor_seq or self.cutoff <= marks.floor_time


@attrs.frozen
class InHistory:
    """
    ``h``: everything in the frozen history up to *place* is told.

    :ivar complete: whether it was when it was frozen; if not it is ``i``.
    """

    start: int
    snapshot: Snapshot
    place: Place
    fingerprint: str
    complete: bool = True

    def text(self, epoch: str) -> str:
        letter = "h" if self.complete else "i"
        numbers = (
            base36(self.start),
            base36(self.snapshot.head),
            base36(self.snapshot.cutoff, _TIME),
            base36(self.place.kill_time, _TIME),
            base36(self.place.killmail_id),
        )
        return f"{letter}.{epoch}.{'.'.join(numbers)}.{self.fingerprint}"

    @property
    def reaches(self) -> int:
        return max(self.start, self.snapshot.head)

    def expired(self, marks: Marks) -> bool:
        return self.start < marks.floor_seq or self.snapshot.cutoff <= marks.floor_time


Cursor = Live | AfterHistory | Starting | InHistory

_N, _T, _F = f"([0-9a-z]{{{_NUMBER}}})", f"([0-9a-z]{{{_TIME}}})", "([0-9a-f]{6})"
_EPOCH = "([0-9a-z]{6})"
_SHAPES = {
    "l": re.compile(rf"l\.{_EPOCH}\.{_N}"),
    "m": re.compile(rf"m\.{_EPOCH}\.{_N}\.{_N}\.{_T}\.{_F}"),
    "s": re.compile(rf"s\.{_EPOCH}\.{_N}\.{_T}\.{_F}"),
    "h": re.compile(rf"h\.{_EPOCH}\.{_N}\.{_N}\.{_T}\.{_T}\.{_N}\.{_F}"),
    "i": re.compile(rf"i\.{_EPOCH}\.{_N}\.{_N}\.{_T}\.{_T}\.{_N}\.{_F}"),
}


def decode(text: str) -> tuple[str, Cursor]:
    """
    Read a cursor that a client brought.

    :returns: the epoch that it names, and the cursor.
    :raises BadCursor: it is none of ours.
    """
    shape = _SHAPES.get(text[:1])
    match = shape.fullmatch(text) if shape else None
    if match is None:
        raise BadCursor("not a cursor of this server")
    epoch, *parts = match.groups()
    if text[0] == "l":
        return epoch, Live(int(parts[0], 36))
    *digits, fingerprint = parts
    numbers = [int(each, 36) for each in digits]
    if text[0] == "m":
        seq, head, cutoff = numbers
        return epoch, AfterHistory(seq, Snapshot(head, cutoff), fingerprint)
    if text[0] == "s":
        start, cutoff = numbers
        return epoch, Starting(start, cutoff, fingerprint)
    start, head, cutoff, kill_time, killmail_id = numbers
    place, complete = Place(kill_time, killmail_id), text[0] == "h"
    return epoch, InHistory(start, Snapshot(head, cutoff), place, fingerprint, complete)
