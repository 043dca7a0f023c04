"""
Reading for one stream what it lacks, until it follows: its history, and what was
announced since. There is a replay only while there is something to read.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from wanderer_twisted.frames import Frame
from wanderer_twisted.interfaces import Expired, StoreUnavailable
from wanderer_twisted.partition import Snapshot
from wanderer_twisted.records import Place, Report
from wanderer_twisted.stream import events
from wanderer_twisted.stream.batches import Batches
from wanderer_twisted.stream.cursor import (
    AfterHistory,
    Cursor,
    InHistory,
    Starting,
)
from wanderer_twisted.stream.entries import Entry, as_entry
from wanderer_twisted.stream.opening import Wish
from wanderer_twisted.stream.surroundings import Surroundings
from wanderer_twisted.stream.waiting import Waiting

T = TypeVar("T")

#: How long to leave a store alone that could not be read.
_RETRY_SECONDS = 1.0

#: How long what was read before its turn is kept for a client that takes nothing.
_KEPT_SECONDS = 1.0


class Replayed(Protocol):
    """
    The session, to its replay. :class:`~wanderer_twisted.stream.session.Session` tells
    what each is.
    """

    id: str
    why: str | None
    wish: Wish
    opened_at: float
    past: Starting | InHistory | None
    snapshot: Snapshot | None
    seq: int

    @property
    def paused(self) -> bool: ...

    def move_to(self, cursor: Cursor) -> None: ...

    def tell(self, frame: Frame) -> None: ...

    def take(self, entries: Iterable[Entry], upto: int) -> None: ...

    def follow(self) -> None: ...

    def end(self, kind: str, message: str) -> None: ...

    def close(self, why: str) -> None: ...


class Replay:
    """
    One coroutine, which waits for its client as for the store.
    """

    _log = Logger()

    def __init__(self, hub: Surroundings, session: Replayed) -> None:
        self._hub = hub
        self._session = session
        self._waiting = Waiting(hub.clock)

    def start(self) -> None:
        try:
            # Most who come back lack a moment, and need not wait for anything.
            if self._session.past is None and self._catch_up_at_once():
                return
        except Exception:
            self._failed(Failure())
            return
        running = Deferred.fromCoroutine(self._run())
        running.addErrback(self._failed)

    def wake(self) -> None:
        """
        The client takes more.
        """
        self._waiting.wake()

    def stop(self) -> None:
        self._waiting.end()

    def _failed(self, failure: Failure) -> None:
        session = self._session
        if session.why is not None and failure.check(CancelledError):
            return
        self._log.failure("stream {session} failed", failure, session=session.id)
        session.end("internal", "Something went wrong here; reconnect to go on")

    async def _run(self) -> None:
        report = None
        if isinstance(self._session.past, Starting):
            report = await self._prepare(self._session.past)
        if isinstance(self._session.past, InHistory):
            await self._play(self._session.past, report)
        await self._catch_up()

    # --- history ---------------------------------------------------------------

    async def _prepare(self, cursor: Starting) -> Report:
        """
        Have the past fetched, then freeze it at the head that the *store* has: what
        another's fetch committed may not have been published yet.

        :returns: how complete it is. Of what is fetched later it has nothing.
        """
        wanted = self._session.wish.filter
        await self._waiting.wait(self._hub.history.prepare(wanted, cursor.cutoff))
        report = await self._report(cursor.cutoff)
        marks = await self._read(self._hub.store.read_marks)
        snapshot = Snapshot(marks.head, cursor.cutoff)
        first = InHistory(
            cursor.start, snapshot, Place(), cursor.fingerprint, report.complete
        )
        self._session.move_to(first)
        return report

    async def _report(self, cutoff: int) -> Report:
        wanted = self._session.wish.filter
        return await self._read(partial(self._hub.history.report, wanted, cutoff))

    async def _report_again(self, cursor: InHistory) -> Report:
        """
        The same of one that was frozen on another stream. What it lacked it lacks, even
        where the store has it by now; how much that was nobody knows any more.
        """
        report = await self._report(cursor.snapshot.cutoff)
        if cursor.complete:
            return report
        incomplete = max(report.ids_incomplete, 1)
        return attrs.evolve(report, ids_incomplete=incomplete, since=None)

    async def _play(self, cursor: InHistory, report: Report | None) -> None:
        """
        :param report: of when it was frozen; None where that was on another stream.
        """
        store, pace, wish = self._hub.store, self._hub.pace, self._session.wish
        asked = wish.filter, cursor.snapshot, wish.with_items, pace.limits
        plan = await self._read(partial(store.measure_history, *asked, cursor.place))
        pause = pace.between(plan.batches)
        batches = Batches(
            plan.cuts,
            cursor.place,
            find=partial(store.find_batches, *asked),
            read=partial(store.read_bodies, cursor.snapshot, wish.with_items),
            # What is read ahead would be kept for as long as the pauses take.
            at_once=0 if pause else pace.limits.size // 2,
        )
        try:
            for number in range(plan.done + 1, plan.batches + 1):
                if number > plan.done + 1:
                    await self._waiting.pause(pause)
                await self._taken(batches)
                batch = await self._read(batches.next)
                event = events.batch(batch.bodies, number, plan.batches)
                cursor = attrs.evolve(cursor, place=batch.last)
                self._session.move_to(cursor)
                self._session.tell(event)
        finally:
            batches.stop()
        report = report or await self._report_again(cursor)
        await self._finish_history(cursor, plan.killmails, report)

    async def _finish_history(
        self, cursor: InHistory, total: int, report: Report
    ) -> None:
        session = self._session
        await self._writable()
        now = self._hub.clock.seconds()
        if not report.complete:
            message = (
                "The history is not complete; what arrives later is not sent on this"
                " stream, a new one without a cursor gets it"
            )
            session.tell(events.warning("history_incomplete", message, now))
        transition = events.transition(total, report, now)
        session.move_to(AfterHistory(cursor.start, cursor.snapshot, cursor.fingerprint))
        session.tell(transition)
        self._hub.history_seconds.observe(now - session.opened_at)
        self._hub.history_killmails.observe(total)

    async def _taken(self, batches: Batches) -> None:
        """
        Wait until the client takes more. What was read for it meanwhile is not kept for
        long, so that a client which takes nothing costs little.
        """
        if self._session.paused:
            clock = self._hub.clock
            letting_go = clock.callLater(_KEPT_SECONDS, batches.keep_nothing)
            try:
                await self._writable()
            finally:
                if letting_go.active():
                    letting_go.cancel()

    # --- live ------------------------------------------------------------------

    async def _catch_up(self) -> None:
        """
        Read up to what the hub published last, and follow from there.
        """
        session, hub = self._session, self._hub
        while True:
            await self._writable()
            if self._catch_up_at_once():
                return
            if session.paused:
                continue
            # What it lacks is not in memory any more.
            asked = session.wish.filter, session.snapshot, session.seq
            page = await self._read(partial(hub.store.read_journal, *asked))
            now = hub.clock.seconds()
            session.take([as_entry(each, now) for each in page.entries], page.upto)

    def _catch_up_at_once(self) -> bool:
        """
        The same, with what is in memory, as far as the client takes it.

        :returns: whether there is nothing left to do.
        """
        session, hub = self._session, self._hub
        while session.why is None and not session.paused:
            if session.seq >= hub.published:
                session.follow()  # same turn as the test: nothing between
                return True
            recent = hub.recent.after(session.seq)
            if recent is None:
                return False
            is_last = len(recent) < hub.recent.page
            session.take(recent, hub.published if is_last else 0)
        return session.why is not None

    # --- waiting ---------------------------------------------------------------

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
                self._session.close("overtaken")
                raise CancelledError from None

    async def _writable(self) -> None:
        while self._session.paused:
            await self._waiting.until_woken()
