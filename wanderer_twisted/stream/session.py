"""
One stream: a cursor that moves over the store, never a queue (design.md §3.4).

A session is *replaying* (it reads pages of the store, at its client's pace) or
*following* (the hub hands it each killmail as it is published). A pause by the
transport sends it back to replaying; when it has read up to what the hub published
last, it follows again in the same reactor turn. So history, resuming and slow clients
are one mechanism, and a session holds no more than one page.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from wanderer_twisted.distribution import Distribution
from wanderer_twisted.frames import Frame
from wanderer_twisted.interfaces import (
    Expired,
    IClientTransport,
    IHistory,
    IKillmailStore,
    StoreUnavailable,
)
from wanderer_twisted.partition import Filter, Snapshot, is_live
from wanderer_twisted.records import BatchLimits, Place
from wanderer_twisted.stream import events
from wanderer_twisted.stream.cursor import (
    AfterHistory,
    Cursor,
    InHistory,
    Starting,
    base36,
)
from wanderer_twisted.stream.entries import Entry, HoleEntry, as_entry
from wanderer_twisted.stream.opening import Opening, Visitor, Wish
from wanderer_twisted.stream.stall import StallWatch
from wanderer_twisted.stream.waiting import Waiting

T = TypeVar("T")

_RETRY_SECONDS = 1.0  # how long to leave a store alone that could not be read


@attrs.frozen
class Pace:
    """
    How a history is cut and paced (design.md §5, pacing).

    :ivar pause: seconds between two batches ...
    :ivar budget: ... and at most so many seconds over all of them.
    """

    limits: BatchLimits = BatchLimits()  # noqa: RUF009  (a frozen value)
    pause: float = 0.1
    budget: float = 5.0

    def between(self, batches: int) -> float:
        return min(self.pause, self.budget / max(batches, 1))


class Surroundings(Protocol):
    """
    What a session needs to know of its hub.
    """

    clock: IReactorTime
    store: IKillmailStore
    history: IHistory
    pace: Pace
    published: int
    frames: Counter[str]
    bytes: Counter[str]
    history_seconds: Distribution
    history_killmails: Distribution

    def retry_ms(self) -> int: ...

    def heartbeat(self, mode: events.Mode) -> Frame: ...


@implementer(IPushProducer)
class Session:
    """
    :ivar closed: fires with the reason, once, and in the turn of the closing;
        cancelling it closes the session.
    :ivar why: that reason; None while the stream is open.
    :ivar events: how many were sent.
    :ivar bytes: how many were sent, compressed where they are.
    :ivar watch: called with each event that is sent: its name, cursor and bytes.
    """

    _log = Logger()

    def __init__(
        self,
        hub: Surroundings,
        wish: Wish,
        opening: Opening,
        transport: IClientTransport,
        visitor: Visitor = Visitor(),  # noqa: B008  (a frozen value)
    ) -> None:
        self.id = secrets.token_hex(4)
        self.wanted: Filter = wish.filter
        self.visitor = visitor
        self.closed: Deferred[str] = Deferred(lambda _: self.close("gone"))
        self.opened_at = hub.clock.seconds()
        self.events = 0
        self.bytes = 0
        self.why: str | None = None
        self.watch: Callable[[str, str | None, int], None] | None = None
        self._hub = hub
        self._wish = wish
        self._opening = opening
        self._transport = transport
        self._paused = False
        self._following = False
        self._waiting = Waiting(hub.clock)
        self._beat: IDelayedCall | None = None
        self._stall = StallWatch(
            hub.clock, transport.backlog, lambda: self.close("stuck")
        )
        self._move_to(opening.cursor)

    # --- the cursor ------------------------------------------------------------

    def _move_to(self, cursor: Cursor) -> None:
        self._past: Starting | InHistory | None = None
        self._snapshot: Snapshot | None = None
        if isinstance(cursor, Starting | InHistory):
            self._past = cursor
            return
        if isinstance(cursor, AfterHistory):
            self._snapshot = cursor.snapshot
        self.seq = cursor.seq
        before, behind = cursor.around(self._hub.store.epoch)
        self._id_around = before, behind

    @property
    def cursor(self) -> str:
        """
        Up to where everything is dealt with, match or not.
        """
        if self._past is not None:
            return self._past.text(self._hub.store.epoch)
        return base36(self._upto).join(self._id_around)

    @property
    def _upto(self) -> int:
        if self._following:  # what the hub published since did not match
            return max(self.seq, self._hub.published)
        return self.seq

    @property
    def origin(self) -> int:
        """
        The number behind which its live part begins: H0, or where it was resumed.
        """
        return self._opening.cursor.start

    @property
    def mode(self) -> events.Mode:
        return "realtime" if self._past is None else "historical"

    @property
    def following(self) -> bool:
        return self._following

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def lag(self) -> int:
        """
        How many numbers lie between what was published and what it has dealt with.
        """
        start = self.seq if self._past is None else self._past.start
        return 0 if self._following else max(0, self._hub.published - start)

    # --- its life --------------------------------------------------------------

    def start(self) -> None:
        """
        Open the response and begin. The caller has put the session into the registry
        in this same turn.
        """
        now = self._hub.clock.seconds()
        self._transport.open(self)
        refused = self._opening.gap is not None
        self._write(
            events.connected(
                self._filters(),
                self.id,
                self.mode,
                self._opening.resumed,
                self._hub.retry_ms(),
                now,
            ),
            None if refused else self.cursor,
        )
        if self._opening.gap is not None:
            requested = self._wish.cursor or ""
            gap = events.gap(self._opening.gap, requested, now)
            self._write(gap, self.cursor)
        if self.why is None:
            self._schedule_beat()
            running = Deferred.fromCoroutine(self._run())
            running.addErrback(self._failed)

    def _filters(self) -> Mapping[str, object]:
        """
        What is in force: where a cursor was taken, the span that it was made for.
        """
        since = None if self._wish.since is None else self._opening.cutoff
        return events.filters(self.wanted, self._wish.preload_days, since)

    async def _run(self) -> None:
        if isinstance(self._past, Starting):
            await self._prepare(self._past)
        if isinstance(self._past, InHistory):
            await self._play(self._past)
        await self._follow()

    def _failed(self, failure: Failure) -> None:
        if self.why is not None and failure.check(CancelledError):
            return
        self._log.failure("stream {session} failed", failure, session=self.id)
        self.end("internal", "Something went wrong here; reconnect to go on")

    def end(self, kind: str, message: str) -> None:
        """
        Tell the client why, and end the stream.

        :param kind: the type of the error, and the reason.
        """
        now, retry_ms = self._hub.clock.seconds(), self._hub.retry_ms()
        self._write(events.error(kind, message, retry_ms, now), self.cursor)
        self.close(kind)

    def drain(self, retry_ms: int) -> None:
        """
        End the stream since the server goes down.
        """
        message = "The server is going down; reconnect to go on"
        now = self._hub.clock.seconds()
        warning = events.warning("draining", message, now, retry_ms)
        self._write(warning, self.cursor)
        self.close("draining")

    def close(self, why: str) -> None:
        """
        End the stream; only the first call counts.
        """
        if self.why is not None:
            return
        self.why, self._following = why, False
        self._stall.stop()
        if self._beat is not None and self._beat.active():
            self._beat.cancel()
        self._waiting.end()
        if why == "stuck":  # nobody will take what waits there
            self._transport.abort()
        else:
            self._transport.close()
        self.closed.callback(why)

    # --- history ---------------------------------------------------------------

    async def _prepare(self, cursor: Starting) -> None:
        """
        Have the past fetched, then freeze it at the head that the *store* has: what
        another's fetch committed may not have been published yet.
        """
        await self._waiting.wait(self._hub.history.prepare(self.wanted, cursor.cutoff))
        marks = await self._read(self._hub.store.read_marks)
        snapshot = Snapshot(marks.head, cursor.cutoff)
        self._move_to(InHistory(cursor.start, snapshot, Place(), cursor.fingerprint))

    async def _play(self, cursor: InHistory) -> None:
        store, pace, snapshot = self._hub.store, self._hub.pace, cursor.snapshot
        asked = self.wanted, snapshot, self._wish.with_items, pace.limits
        plan = await self._read(partial(store.measure_history, *asked, cursor.place))
        for number in range(plan.done + 1, plan.batches + 1):
            if number > plan.done + 1:
                await self._waiting.pause(pace.between(plan.batches))
            await self._writable()
            batch = await self._read(partial(store.read_batch, *asked, cursor.place))
            cursor = attrs.evolve(cursor, place=batch.last)
            self._move_to(cursor)
            self._write(events.batch(batch.bodies, number, plan.batches), self.cursor)
        await self._finish_history(cursor, plan.killmails)

    async def _finish_history(self, cursor: InHistory, total: int) -> None:
        cutoff = cursor.snapshot.cutoff
        report = await self._read(
            partial(self._hub.history.report, self.wanted, cutoff)
        )
        await self._writable()
        now = self._hub.clock.seconds()
        if not report.complete:
            message = (
                "The history is not complete; what arrives later is not sent on this"
                " stream, a new one without a cursor gets it"
            )
            warning = events.warning("history_incomplete", message, now)
            self._write(warning, self.cursor)
        self._move_to(AfterHistory(cursor.start, cursor.snapshot, cursor.fingerprint))
        self._write(events.transition(total, report, now), self.cursor)
        self._hub.history_seconds.observe(now - self.opened_at)
        self._hub.history_killmails.observe(total)

    # --- live ------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            await self._writable()
            if self.seq >= self._hub.published:
                self._following = True  # same turn as the test: nothing between
                await self._waiting.until_woken()
                continue
            page = await self._read(
                partial(
                    self._hub.store.read_journal, self.wanted, self._snapshot, self.seq
                )
            )
            for entry in page.entries:
                self._deal_with(as_entry(entry))
            self.seq = max(self.seq, page.upto)

    def publish(self, entry: Entry) -> None:
        """
        The hub's call, in the order of numbers. A session that does not follow finds
        the entry in the store.
        """
        if self._following and entry.seq > self.seq:
            self._deal_with(entry)

    def _deal_with(self, entry: Entry) -> None:
        self.seq = entry.seq  # before the write, which may pause us
        if isinstance(entry, HoleEntry):
            frame = events.feed_gap(entry.hole, self._hub.clock.seconds())
        elif is_live(entry.record.facts, self.wanted, self._snapshot):
            frame = entry.frame(self._wish.with_items)
        else:
            return
        self._write(frame, base36(self.seq).join(self._id_around))

    def warn(self, kind: str, message: str) -> None:
        """
        Tell the client something; one that is paused has other worries.
        """
        if not self._paused:
            now = self._hub.clock.seconds()
            self._write(events.warning(kind, message, now), self.cursor)

    # --- heartbeats ------------------------------------------------------------

    def _schedule_beat(self) -> None:
        self._beat = self._hub.clock.callLater(self._wish.heartbeat, self._on_beat)

    def _on_beat(self) -> None:
        self._schedule_beat()
        if self._past is None:
            self.seq = self._upto
        if not self._paused:  # else bytes are on their way to it anyhow
            self._write(self._hub.heartbeat(self.mode), self.cursor)

    # --- the transport's side --------------------------------------------------

    def pauseProducing(self) -> None:
        """
        Called again and again while the transport's buffer is over its limit, and for
        healthy clients after any burst: it says nothing about slowness.
        """
        if self._paused or self.why is not None:
            return
        self._paused, self._following = True, False
        self._stall.start()
        self._waiting.wake()

    def resumeProducing(self) -> None:
        if not self._paused:
            return
        self._paused = False
        self._stall.stop()
        self._waiting.wake()

    def stopProducing(self) -> None:
        self.close("gone")

    # --- reading and writing ---------------------------------------------------

    def _write(self, frame: Frame, cursor: str | None) -> None:
        if self.why is not None:
            return
        size = self._transport.write(frame, events.end(cursor))
        self.events += 1
        self.bytes += size
        self._hub.frames[frame.name] += 1
        self._hub.bytes[frame.name] += size
        if self.watch is not None:
            self.watch(frame.name, cursor, size)

    async def _read(self, read: Callable[[], Deferred[T]]) -> T:
        """
        Read the store; while it cannot be read, wait: heartbeats go on. A stream that
        would go on with a part missing is closed: its reconnect is told.
        """
        while True:
            try:
                return await self._waiting.wait(read())
            except StoreUnavailable:
                await self._waiting.pause(_RETRY_SECONDS)
            except Expired:
                self.close("overtaken")
                raise CancelledError from None

    async def _writable(self) -> None:
        while self._paused:
            await self._waiting.until_woken()
