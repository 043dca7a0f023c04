"""
The seams. Every implementation, fakes included, passes its interface's contract tests.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from wanderer_twisted.frames import Event
from wanderer_twisted.partition import Filter, Kind, Snapshot
from wanderer_twisted.records import (
    ArchivedDay,
    Batch,
    BatchLimits,
    Change,
    Commit,
    Coverage,
    Cut,
    DayList,
    FeedPage,
    FeedPosition,
    FeedStatus,
    Hole,
    JournalPage,
    ListingPage,
    Marks,
    NamesFound,
    Place,
    Plan,
    Record,
    Report,
    Totals,
)


class UpstreamError(Exception):
    """
    An upstream did not give what was asked for, this time.

    :ivar reason: for operators, one line.
    :ivar retry_after: seconds to leave it alone, where it said so or where its rules
        do (contracts.md §2: a 403 may be a ban of an hour); None otherwise.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class Refused(UpstreamError):
    """
    An upstream's final answer is no: asking again would not help (ESI's 422).
    """


class StoreUnavailable(Exception):
    """
    The store could not do it now: disk full, locked, or closed. Nothing was changed.
    """


class Expired(Exception):
    """
    A part of what was asked for has been pruned: it would come with a gap.
    """


class IKillmailFeed(Interface):
    """
    A live source of killmails. Its owner polls it, one poll at a time.
    """

    name: str = Attribute("The feed's name: key of its position, label of its metrics.")
    window: int = Attribute(
        "How many polled pages may be waiting for the store: 0 where the queue at the"
        " other end forgets what it handed out (contracts.md §1)."
    )

    parting: float = Attribute(
        "Seconds that a stop waits for the poll under way, since what it takes would be"
        " lost; 0 where it would not."
    )

    def restore(position: FeedPosition | None) -> None:
        """
        Go on where the store says that this feed was; None: begin anew.
        """

    def poll() -> Awaitable[FeedPage]:
        """
        Fetch what comes next. Advances by itself: the next poll asks for what follows.

        :raises UpstreamError: this attempt failed and moved nothing. ``retry_after``
            is never None: it says how long to wait, back-off included.
        """

    def status() -> FeedStatus:
        """
        How the feed is.
        """


class IListingSource(Interface):
    """
    Lists of the killmails of one character, corporation, alliance or system
    (contracts.md §3).
    """

    def page(
        kind: Kind, owner: int, number: int, month: tuple[int, int] | None
    ) -> Awaitable[ListingPage]:
        """
        :param number: from 1 to 100.
        :param month: (year, month), UTC, to list that month alone; None for all time.
        :raises UpstreamError: no answer, or none that is a list.
        """


class IBodySource(Interface):
    """
    Killmail bodies by id and hash (contracts.md §4.1).
    """

    def body(killmail_id: int, hash: str) -> Awaitable[Any]:
        """
        :returns: ESI's body, decoded.
        :raises Refused: ESI says that there is no such killmail.
        :raises UpstreamError: not now.
        """


class IArchiveSource(Interface):
    """
    Files of all killmails, day by day, made once a day (contracts.md §2.3). Days are
    those of :mod:`wanderer_twisted.days`.
    """

    def totals() -> Awaitable[Totals]:
        """
        How many killmails each day has.

        :raises UpstreamError: no answer, or none that is one.
        """

    def listing(day: int) -> Awaitable[DayList]:
        """
        The ids and hashes of a day.

        :raises Refused: there is no such file, perhaps not yet.
        :raises UpstreamError: no answer, or none that is a list.
        """

    def bodies(day: int, path: str) -> Awaitable[None]:
        """
        Write the bodies of a day to a file, as they come: a JSON object of ESI's
        bodies by id, not looked into. Where it fails, what is there is worthless.

        :raises OSError: the file cannot be written, the disk being full for instance.
        :raises Refused: there is no such file, perhaps not yet.
        :raises UpstreamError: no answer, or not the whole of one.
        """


class INameSource(Interface):
    """
    Names of ids (contracts.md §4.2).
    """

    def names(ids: Collection[int]) -> Awaitable[NamesFound]:
        """
        :param ids: any number; asked for in as few calls as the service allows. What
            is in neither part of the answer could not be asked for this time.
        :raises UpstreamError: not one of the ids could be asked for.
        """


class IKillmailStore(Interface):
    """
    The killmails, durable, numbered by one counter (design.md §3.1, §3.2).

    Every method that returns a Deferred fails with :exc:`StoreUnavailable` where the
    store cannot be read or written now; a cancelled read that has not begun is
    dropped. Answers come in the reactor thread.
    """

    epoch: str = Attribute("Six characters of base 36, made with the store: its name.")
    marks: Marks = Attribute("As of the last commit that was told to the listener.")

    def listen(listener: Callable[[Commit], None]) -> None:
        """
        Have *listener* called with every commit, in order, from one place, and before
        the Deferred of the writer fires. There is one listener.
        """

    def size() -> int:
        """
        Bytes that it takes on the disk, as far as it is on this machine.
        """

    def commit(change: Change) -> Deferred[Commit]:
        """
        Write all of *change*, or nothing. A killmail that is there keeps its body,
        facts and numbers, but for what comes once: its first announcement, its first
        value, and a zkb block or names that it lacked. One that was pruned stays out.
        """

    def read_marks() -> Deferred[Marks]:
        """
        The numbers as they are in the store now, whoever wrote them.
        """

    def read_journal(
        wanted: Filter, snapshot: Snapshot | None, after: int
    ) -> Deferred[JournalPage]:
        """
        The live part of a stream, and every hole, numbered above *after*. A page is
        bounded by what it scans, by what it holds and by bytes. Fails with
        :exc:`Expired` where *after* lies below ``floor_seq``.
        """

    def measure_history(
        wanted: Filter,
        snapshot: Snapshot,
        with_items: bool,
        limits: BatchLimits,
        at: Place,
    ) -> Deferred[Plan]:
        """
        Count a frozen history and its batches, of which *at* is a boundary. Fails
        with :exc:`Expired` where the history reaches back to ``floor_time``.
        """

    def find_batches(
        wanted: Filter,
        snapshot: Snapshot,
        with_items: bool,
        limits: BatchLimits,
        after: Place,
    ) -> Deferred[Sequence[Cut]]:
        """
        The next cuts behind *after*, which is a boundary; none behind the last. Fails
        with :exc:`Expired` where the history reaches back to ``floor_time``.
        """

    def read_bodies(
        snapshot: Snapshot, with_items: bool, killmail_ids: Sequence[int]
    ) -> Deferred[Sequence[bytes]]:
        """
        Bodies of a history, as JSON and in that order. Fails with :exc:`Expired` where
        the history reaches back to ``floor_time``: some of it may be gone.
        """

    def read_killmail(killmail_id: int) -> Deferred[Record | None]:
        """
        One killmail.
        """

    def read_valued(killmail_ids: Collection[int]) -> Deferred[Mapping[int, bool]]:
        """
        Which of these are stored, and whether their value is known.
        """

    def read_position(feed: str) -> Deferred[FeedPosition | None]:
        """
        Where a feed was at the last commit.
        """

    def read_positions() -> Deferred[Sequence[FeedPosition]]:
        """
        Where every feed was.
        """

    def read_coverage(
        kind: Kind, owners: Collection[int]
    ) -> Deferred[Mapping[int, Coverage]]:
        """
        What listings have covered of these ids.
        """

    def count_missing(wanted: Filter) -> Deferred[int]:
        """
        How many killmails of these ids were set aside and are not stored.
        """

    def read_latest(
        kind: Kind, owner: int, since: int, before: Place | None, limit: int
    ) -> Deferred[Batch]:
        """
        Killmails of one id, newest first, with their bodies without items.

        :param since: UNIX seconds: none older.
        :param before: only what lies before this place; None: from the newest on.
        :param limit: how many at most. ``last`` of the answer is where the next page
            begins; a page shorter than *limit* is the last.
        """

    def count_latest(kind: Kind, owner: int, since: int) -> Deferred[int]:
        """
        How many killmails one id has since then, UNIX seconds.
        """

    def read_indexed() -> Deferred[Collection[Kind]]:
        """
        The kinds of ids by which everything that is stored can be found: an older
        database is indexed by some of them while the server runs.
        """

    def index_more() -> Deferred[bool]:
        """
        Index one slice of what is not indexed by every kind.

        :returns: whether there is more.
        """

    def read_bare(
        wanted: Filter, cutoff: int, before: Place | None, limit: int
    ) -> Deferred[Sequence[Record]]:
        """
        Killmails of these ids that came from the archive, so without names, and since
        *cutoff* (UNIX seconds), the newest first.

        :param before: only what lies before this place; None: from the newest on.
        """

    def read_unvalued(
        wanted: Filter, cutoff: int
    ) -> Deferred[Collection[tuple[Kind, int]]]:
        """
        Which of these ids have killmails since *cutoff* (UNIX seconds) without anything
        of zKillboard's block.
        """

    def load(path: str, part: int) -> Deferred[int]:
        """
        Take in one part of a staged day (:mod:`wanderer_twisted.store.staging`), in
        one transaction and without announcing it. What is there already, or was
        pruned, stays as it is.

        :returns: how many killmails were new.
        """

    def read_absent(killmail_ids: Collection[int]) -> Deferred[Collection[int]]:
        """
        Which of these are not stored and were not pruned.
        """

    def read_unannounced(killmail_ids: Collection[int]) -> Deferred[Mapping[int, int]]:
        """
        Which of these are stored and were never announced, with their kill_time, UNIX
        seconds.
        """

    def read_days() -> Deferred[Sequence[ArchivedDay]]:
        """
        All days of the archive that anything was written about.
        """

    def read_holes() -> Deferred[Sequence[Hole]]:
        """
        All holes that are remembered.
        """

    def read_names(ids: Collection[int]) -> Deferred[Mapping[int, str | None]]:
        """
        Names that are kept; None for an id known to have none.
        """

    def keep_names(found: NamesFound) -> Deferred[None]:
        """
        Keep names, and that some ids have none (asked for again after some days).
        """

    def read_newest() -> Deferred[int]:
        """
        When the latest killmail happened, UNIX seconds; 0 where there is none.
        """

    def read_unnamed(limit: int) -> Deferred[Sequence[Record]]:
        """
        Killmails that were stored before all their names were known.
        """

    def rename(entries: Sequence[tuple[int, Any]]) -> Deferred[None]:
        """
        Replace bodies by ones with names.

        :param entries: (killmail_id, :class:`~wanderer_twisted.killmail.Body`).
        """

    def prune(now: float) -> Deferred[bool]:
        """
        Remove one slice of what is older than the retention.

        :param now: UNIX seconds.
        :returns: whether there is more.
        """


class IHistory(Interface):
    """
    Sees to it that the store holds the past of some ids.
    """

    def prepare(wanted: Filter, cutoff: int) -> Deferred[None]:
        """
        Fetch what the store lacks. Fires when all is there, or at the deadline, which
        counts from this request's turn; what is late goes on being fetched. Never
        fails; cancelling it gives up the place, not the fetch.

        :param cutoff: UNIX seconds.
        """

    def want(wanted: Filter, cutoff: int) -> Deferred[None]:
        """
        Have fetched what the store lacks, names included, behind what somebody waits
        for. Fires when that is under way; never fails.
        """

    def report(wanted: Filter, cutoff: int) -> Deferred[Report]:
        """
        How complete it is now. Fails with :exc:`StoreUnavailable`.
        """


class IClientTransport(Interface):
    """
    The way to one client (web/transport.py). Nothing here raises: after the first
    byte there is nobody to tell.
    """

    def open(producer: Any) -> None:
        """
        Take the client's connection and register *producer*, an ``IPushProducer``. The
        response's head, and the first events, are held until the flush, or until they
        are many.
        """

    def flush() -> None:
        """
        Send what is held, in one go; from now on each event is sent as it is written.
        """

    def write(event: Event) -> int:
        """
        Send one event.

        :returns: how many bytes that takes, compressed where it is, as a chunk where
            it is one.
        """

    def backlog() -> int:
        """
        Bytes that the client's side has not taken yet, in our memory and the kernel's.
        """

    def close() -> None:
        """
        End the response cleanly, behind what was written.
        """

    def abort() -> None:
        """
        Drop the connection and what was written.
        """
