"""
The values that pass between sources, ingest, store and streams.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import attrs

from wanderer_twisted.killmail import Body, Killmail, as_killmail_id
from wanderer_twisted.partition import Facts, Kind

# --- what a source gives ------------------------------------------------------------


@attrs.frozen
class Package:
    """
    One killmail as a source sent it, not yet checked.

    :ivar killmail_id: as told beside the body, for a body that is missing or broken;
        None where what was told is no id.
    :ivar esi: ESI's body, decoded, or None where it must be fetched by id and hash.
    :ivar zkb: zKillboard's block, decoded.
    """

    killmail_id: int | None = attrs.field(converter=as_killmail_id)
    hash: str | None
    esi: Any = attrs.field(default=None, repr=False)
    zkb: Any = attrs.field(default=None, repr=False)


@attrs.frozen
class Hole:
    """
    A part of a feed that could not be had (design.md §5, r2z2).

    :ivar first: the first position that is missing, in the feed's own numbers.
    :ivar last: the last one.
    :ivar since: UNIX seconds: what was published from here ...
    :ivar until: ... to here may be missing.
    :ivar seq: the store's number for it; 0 until it is committed.
    :ivar told_at: UNIX seconds: when it was; 0 until then.
    """

    feed: str
    first: int
    last: int
    since: float
    until: float
    seq: int = 0
    told_at: float = 0.0


@attrs.frozen
class FeedsThatCount:
    """
    The feeds by which is told what the store has.

    :ivar names: of those that are current; where none is, of all.
    :ivar current: whether they are: they have brought nearly all that they have.
    """

    names: Collection[str]
    current: bool


@attrs.frozen
class FeedPosition:
    """
    Where a feed is, committed together with the killmails that brought it there.

    :ivar feed: the feed's name.
    :ivar cursor: the feed's own text, opaque to everybody else.
    :ivar since: UNIX seconds: all that was published since then is in the store.
    """

    feed: str
    cursor: str
    since: float


@attrs.frozen
class FeedPage:
    """
    What one poll of a feed brought.

    :ivar packages: in the feed's own order.
    :ivar position: to be committed with them; None where it did not move.
    :ivar holes: given up with this position.
    :ivar pause: seconds to wait before the next poll.
    :ivar until: UNIX seconds: all that was published before then was brought, with this
        page or earlier; None where the feed cannot say. What it passed over and asks
        for again may be lacking.
    """

    packages: Sequence[Package] = ()
    position: FeedPosition | None = None
    holes: Sequence[Hole] = ()
    pause: float = 0.0
    until: float | None = None


@attrs.frozen
class ListingPage:
    """
    A page of a character's or a system's killmails, newest first.

    :ivar fetched_at: UNIX seconds.
    :ivar last: there is no page after this one.
    """

    packages: Sequence[Package]
    fetched_at: float
    last: bool


@attrs.frozen
class Totals:
    """
    How many killmails the archive has of each day.

    :ivar counts: by :mod:`day <wanderer_twisted.days>`.
    :ivar asked_at: UNIX seconds, by the upstream's own clock and less the age of a
        cached answer: what was published later may be missing.
    """

    counts: Mapping[int, int] = attrs.field(repr=False)
    asked_at: float


@attrs.frozen
class DayList:
    """
    The killmails of one day: id -> hash.

    :ivar asked_at: as of :class:`Totals`.
    """

    hashes: Mapping[int, str] = attrs.field(repr=False)
    asked_at: float


# --- what the store takes and gives -------------------------------------------------


@attrs.frozen
class Entry:
    """
    A killmail on its way into the store.

    :ivar named: every name that can be had is in the body.
    """

    killmail: Killmail
    body: Body
    sizes: tuple[int, int]
    named: bool = True


@attrs.frozen
class Reject:
    """
    A killmail that was set aside (a broken document, a body that ESI refuses).

    :ivar kind: with *owner*, whose history it is missing from; None from a feed.
    """

    killmail_id: int | None
    hash: str | None
    reason: str
    document: bytes = attrs.field(default=b"", repr=False)
    kind: Kind | None = None
    owner: int | None = None


@attrs.frozen
class Coverage:
    """
    What the store has of one character or system, by a listing.

    :ivar since: UNIX seconds: killmails of this time and newer ...
    :ivar until: ... that were published before this time are all in the store.
    :ivar fetched_at: UNIX seconds: when the listing was asked for.
    """

    kind: Kind
    owner: int
    since: int
    until: float
    fetched_at: float


@attrs.frozen
class ArchivedDay:
    """
    What the store has of one day of the archive.

    :ivar expected: killmails that the day's list names; 0 until there is one.
    :ivar have: how many of these are stored.
    :ivar listed_at: UNIX seconds: all of the day that was published before this is in
        the list; 0 until there is one.
    :ivar tried_at: UNIX seconds: when the last attempt began.
    :ivar loaded: some version of the list was loaded to its end.
    :ivar followed: a feed ran when that, or the last look at it, was: what a later
        version adds is news.
    :ivar reason: why it is not complete, one line; empty where it is.
    """

    day: int
    expected: int = 0
    have: int = 0
    listed_at: float = 0.0
    tried_at: float = 0.0
    loaded: bool = False
    followed: bool = False
    reason: str = ""

    @property
    def complete(self) -> bool:
        return self.loaded and self.have >= self.expected and not self.reason


@attrs.frozen
class Change:
    """
    One transaction.

    :ivar announce: the killmails come from a live feed: each that was not announced
        before gets its ``live_seq``.
    """

    entries: Sequence[Entry] = ()
    announce: bool = False
    position: FeedPosition | None = None
    holes: Sequence[Hole] = ()
    rejects: Sequence[Reject] = ()
    coverage: Sequence[Coverage] = ()
    days: Sequence[ArchivedDay] = ()


@attrs.frozen
class Record:
    """
    A killmail as the store holds it.

    :ivar sizes: nominal, without and with ``victim.items``.
    """

    facts: Facts
    body: Body = attrs.field(repr=False)
    sizes: tuple[int, int]

    @property
    def killmail_id(self) -> int:
        return self.facts.killmail_id


@attrs.frozen
class Marks:
    """
    How far the store's numbers go.

    :ivar head: the highest committed number.
    :ivar floor_seq: the highest ``live_seq`` ever removed.
    :ivar floor_time: the latest kill_time ever removed, UNIX seconds.
    """

    head: int = 0
    floor_seq: int = 0
    floor_time: int = 0


@attrs.frozen
class Commit:
    """
    What a transaction did, told to one listener, in the order of commits.

    :ivar journal: what was announced, in the order of its numbers.
    :ivar ended: when it was durable, by ``perf_counter``; None where nobody looked.
    :ivar seconds: how long it took.
    """

    marks: Marks
    journal: Sequence[Record | Hole] = ()
    ended: float | None = None
    seconds: float = 0.0


@attrs.frozen
class JournalPage:
    """
    A part of the journal.

    :ivar entries: what matched, in the order of its numbers.
    :ivar upto: every number up to this one is dealt with, match or not.
    """

    entries: Sequence[Record | Hole]
    upto: int


class Place(NamedTuple):
    """
    A place in a history's order. A tuple, since each killmail of a history is compared
    with one.
    """

    kill_time: int = 0
    killmail_id: int = 0


@attrs.frozen
class BatchLimits:
    """
    Where a batch is cut: before it holds more than either, and never empty.

    :ivar size: nominal bytes.
    :ivar ahead: killmails of the cuts that are found at a time, or few more: a stream
        keeps their ids, of 8 bytes each, while it gets their bodies.
    """

    killmails: int = 50
    size: int = 1 << 20
    ahead: int = 5_000


@attrs.frozen
class Cut:
    """
    What belongs to one batch.

    :ivar ids: of its killmails, in the history's order.
    :ivar last: the place of the last one.
    :ivar size: nominal bytes of all of them.
    """

    ids: Sequence[int]
    last: Place
    size: int


@attrs.frozen
class Plan:
    """
    A frozen history, measured.

    :ivar killmails: how many there are in all.
    :ivar batches: how many batches they make.
    :ivar done: how many of these lie at or before the place asked about.
    :ivar cuts: the first ones behind that place, not all of them where they are many.
    """

    killmails: int
    batches: int
    done: int
    cuts: Sequence[Cut] = ()


@attrs.frozen
class Batch:
    """
    :ivar bodies: JSON, as it goes out.
    :ivar last: the place of the last one.
    """

    bodies: Sequence[bytes] = attrs.field(repr=False)
    last: Place


# --- what history tells -------------------------------------------------------------


@attrs.frozen
class Report:
    """
    How complete a history is (design.md §2.3, ``transition``).

    :ivar missing: killmails known by id that could not be had.
    :ivar ids_incomplete: ids whose span is not covered.
    :ivar since: UNIX seconds: from here on it is complete for every id; None where
        for some id nothing is.
    :ivar days: of the archive that it touches, today left out ...
    :ivar days_complete: ... and how many of them the store has whole.
    """

    missing: int
    ids_incomplete: int
    since: float | None
    days: int = 0
    days_complete: int = 0

    @property
    def complete(self) -> bool:
        return self.ids_incomplete == 0 and self.missing == 0


FeedState = Literal["starting", "catching_up", "live", "quiet", "silent", "failing"]


@attrs.frozen
class FeedStatus:
    """
    What an operator, and a client in its heartbeat, may know of a feed.

    :ivar last_killmail: UNIX seconds of the last killmail taken in; None before it.
    :ivar last_contact: UNIX seconds of the last proper answer.
    :ivar position: the feed's own, for people to read.
    :ivar reason: what is wrong, where something is.
    """

    name: str
    state: FeedState
    position: str = ""
    last_killmail: float | None = None
    last_contact: float | None = None
    reason: str = ""


Names = Mapping[int, str]


@attrs.frozen
class NamesFound:
    """
    :ivar names: id -> name.
    :ivar unknown: ids that have no name at all, a final answer.
    """

    names: Names
    unknown: frozenset[int] = frozenset()
