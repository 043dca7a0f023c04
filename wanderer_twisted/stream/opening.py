"""
Where a stream starts: what its client asks for, held against what its cursor says.
"""

import attrs

from wanderer_twisted.days import DAY
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import Marks
from wanderer_twisted.stream.cursor import (
    BadCursor,
    Cursor,
    Live,
    Starting,
    decode,
)
from wanderer_twisted.stream.events import GapReason


@attrs.frozen
class Visitor:
    """
    Whom a stream is for, for operators.

    :ivar agent: the browser or program, as it calls itself.
    :ivar token: the name of the token that it came with.
    """

    address: str = ""
    agent: str = ""
    token: str = ""


@attrs.frozen
class Wish:
    """
    What a client asks for.

    :ivar preload_days: days to look back; 0 for none.
    :ivar since: UNIX seconds: look back to here instead; None for not.
    :ivar cursor: as the client brought it, unchecked; None on a first connect.
    :ivar with_items: with ``victim.items``.
    :ivar heartbeat: seconds.
    """

    filter: Filter
    preload_days: int = 0
    cursor: str | None = None
    with_items: bool = False
    heartbeat: float = 30.0
    since: int | None = None

    def cutoff(self, now: float, marks: Marks) -> int | None:
        """
        How far a stream that begins *now* looks back, UNIX seconds, but to nothing that
        was removed, when less was kept; None: not at all.

        :param marks: the store's own.
        """
        if self.since is None and not self.preload_days:
            return None
        asked = int(now) - self.preload_days * DAY if self.since is None else self.since
        return max(asked, marks.floor_time + 1)


@attrs.frozen
class Opening:
    """
    :ivar cursor: where the stream starts.
    :ivar gap: why the client's cursor could not be honoured; None where it could, and
        where there was none.
    """

    cursor: Cursor
    resumed: bool = False
    gap: GapReason | None = None

    @property
    def cutoff(self) -> int | None:
        """
        How far back the stream's history reaches, UNIX seconds; None: it has none.
        """
        if isinstance(self.cursor, Live):
            return None
        if isinstance(self.cursor, Starting):
            return self.cursor.cutoff
        return self.cursor.snapshot.cutoff


def open_at(
    wish: Wish, epoch: str, marks: Marks, published: int, now: float
) -> Opening:
    """
    Only the cursor decides, where there is one: the URL of a reconnect still says
    ``preload_days`` (lessons.md §2.2).

    :param epoch: the store's.
    :param marks: the store's own, read just now: a cached head would call a cursor
        from another machine a forgery.
    :param published: the last number that the hub handed out.
    """
    if wish.cursor is None:
        return Opening(_fresh(wish, published, marks, now))
    try:
        cursor_epoch, cursor = decode(wish.cursor)
    except BadCursor:
        return Opening(_fresh(wish, published, marks, now), gap="malformed")
    reason = _refuse(cursor, cursor_epoch == epoch, wish.filter, marks)
    if reason is None:
        return Opening(cursor, resumed=True)
    # Another filter's cursor still says what was announced to this client, so the
    # fresh start begins there: nothing is lost between the two.
    start = cursor.start if reason == "filter" else published
    return Opening(_fresh(wish, start, marks, now), gap=reason)


def _fresh(wish: Wish, start: int, marks: Marks, now: float) -> Cursor:
    cutoff = wish.cutoff(now, marks)
    if cutoff is None:
        return Live(start)
    return Starting(start, cutoff, wish.filter.fingerprint)


def _refuse(
    cursor: Cursor, own_epoch: bool, wanted: Filter, marks: Marks
) -> GapReason | None:
    if not own_epoch:
        return "unknown_epoch"
    if cursor.reaches > marks.head:
        return "ahead"
    if cursor.expired(marks):
        return "expired"
    if cursor.fingerprint is None or cursor.fingerprint == wanted.fingerprint:
        return None
    return "filter"
