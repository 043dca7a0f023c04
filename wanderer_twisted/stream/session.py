"""
One stream: a cursor that moves over the store, never a queue (design.md §3.4).

A session is *replaying* (it reads pages of the store, at its client's pace) or
*following* (the hub hands it each killmail as it is published). A pause by the
transport sends it back to replaying; when it has read up to what the hub published
last, it follows again in the same reactor turn. So history, resuming and slow clients
are one mechanism, and a session holds no more than one page, and the ids of the next.
"""

import random
from collections.abc import Callable, Iterable, Mapping

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from wanderer_twisted.frames import Event, Frame
from wanderer_twisted.interfaces import IClientTransport
from wanderer_twisted.partition import Filter, Snapshot
from wanderer_twisted.stream import events
from wanderer_twisted.stream.cursor import (
    AfterHistory,
    Cursor,
    InHistory,
    Starting,
    base36,
)
from wanderer_twisted.stream.entries import Entry, Heartbeat, variant_of
from wanderer_twisted.stream.opening import Opening, Visitor, Wish
from wanderer_twisted.stream.replay import Replay
from wanderer_twisted.stream.stall import StallWatch
from wanderer_twisted.stream.surroundings import Surroundings


@implementer(IPushProducer)
class Session:
    """
    :ivar why: the reason of its end; None while the stream is open.
    :ivar events: how many were sent.
    :ivar bytes: how many were sent, compressed where they are.
    :ivar following: it takes each killmail from the hub.
    :ivar seq: the number up to which it has dealt with all of its live part.
    :ivar variant: of the bytes that it gets, in its live part.
    :ivar every: seconds between heartbeats.
    :ivar transport: the way to its client.
    """

    __slots__ = (
        "__weakref__",
        "_hub",
        "_opening",
        "_paused",
        "_replay",
        "_stall",
        "_when_closed",
        "bytes",
        "events",
        "every",
        "following",
        "id",
        "opened_at",
        "past",
        "seq",
        "snapshot",
        "tick",
        "transport",
        "variant",
        "visitor",
        "why",
        "wish",
    )

    def __init__(
        self,
        hub: Surroundings,
        wish: Wish,
        opening: Opening,
        transport: IClientTransport,
        visitor: Visitor = Visitor(),  # noqa: B008  (a frozen value)
    ) -> None:
        self.id = f"{random.getrandbits(32):08x}"  # a name, not a secret
        self.visitor = visitor
        self._when_closed: tuple[Callable[[str], object], ...] = ()
        self.opened_at = hub.clock.seconds()
        self.events = 0
        self.bytes = 0
        self.why: str | None = None
        self._hub = hub
        self.wish = wish
        self._opening = opening
        self.transport: IClientTransport = transport
        self._paused = False
        self.following = False
        # Only while there is something to read, or to watch: most streams follow, and
        # have neither.
        self._replay: Replay | None = None
        self._stall: StallWatch | None = None
        self.every = wish.heartbeat
        self.tick = 0  # the wheel's
        self.move_to(opening.cursor)

    @property
    def wanted(self) -> Filter:
        return self.wish.filter

    # --- the cursor ------------------------------------------------------------

    def move_to(self, cursor: Cursor) -> None:
        self.past: Starting | InHistory | None = None
        self.snapshot: Snapshot | None = None
        if isinstance(cursor, Starting | InHistory):
            self.past = cursor
            return
        if isinstance(cursor, AfterHistory):
            self.snapshot = cursor.snapshot
        self.seq = cursor.seq
        around = cursor.around(self._hub.store.epoch)
        wish = self.wish
        self.variant = variant_of(
            wish.filter.min_value, wish.with_items, self.snapshot, *around
        )

    @property
    def cursor(self) -> str:
        """
        Up to where everything is dealt with, match or not.
        """
        return events.cursor_in(self._end) or ""

    @property
    def _end(self) -> bytes:
        """
        Of an event, with the cursor as it is now.
        """
        if self.past is not None:
            return events.end(self.past.text(self._hub.store.epoch))
        return self.variant.end(base36(self._upto).encode())

    @property
    def _upto(self) -> int:
        if self.following:  # what the hub published since did not match
            return max(self.seq, self._hub.told)
        return self.seq

    @property
    def origin(self) -> int:
        """
        The number behind which its live part begins: H0, or where it was resumed.
        """
        return self._opening.cursor.start

    @property
    def mode(self) -> events.Mode:
        return "realtime" if self.past is None else "historical"

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def lag(self) -> int:
        """
        How many numbers lie between what was published and what it has dealt with.
        """
        start = self.seq if self.past is None else self.past.start
        return 0 if self.following else max(0, self._hub.published - start)

    # --- its life --------------------------------------------------------------

    def start(self) -> None:
        """
        Open the response and begin. The caller has put the session into the registry
        in this same turn.
        """
        now = self._hub.clock.seconds()
        self.transport.open(self)
        refused = self._opening.gap is not None
        connected = events.connected(
            self._filters(),
            self.id,
            self.mode,
            self._opening.resumed,
            self._hub.retry_ms(),
            now,
        )
        end = events.end(None) if refused else self._end
        self._write(Event(connected, end))
        if self._opening.gap is not None:
            requested = self.wish.cursor or ""
            gap = events.gap(self._opening.gap, requested, now)
            self.tell(gap)
        if self.why is None:
            self._hub.wheel.add(self)
            self._go_on()
        self.transport.flush()

    def _filters(self) -> Mapping[str, object]:
        """
        What is in force: where a cursor was taken, the span that it was made for.
        """
        since = None if self.wish.since is None else self._opening.cutoff
        return events.filters(self.wanted, self.wish.preload_days, since)

    def _go_on(self) -> None:
        """
        Read what it lacks, until it follows.
        """
        self._replay = Replay(self._hub, self)
        self._replay.start()

    def follow(self) -> None:
        """
        The replay's call: there is nothing left to read.
        """
        self.following, self._replay = True, None

    def end(self, kind: str, message: str) -> None:
        """
        Tell the client why, and end the stream.

        :param kind: the type of the error, and the reason.
        """
        now, retry_ms = self._hub.clock.seconds(), self._hub.retry_ms()
        self.tell(events.error(kind, message, retry_ms, now))
        self.close(kind)

    def drain(self, retry_ms: int) -> None:
        """
        End the stream since the server goes down.
        """
        message = "The server is going down; reconnect to go on"
        now = self._hub.clock.seconds()
        warning = events.warning("draining", message, now, retry_ms)
        self.tell(warning)
        self.close("draining")

    def close(self, why: str) -> None:
        """
        End the stream; only the first call counts.
        """
        if self.why is not None:
            return
        self.why, self.following = why, False
        self._hub.wheel.remove(self)
        if self._stall is not None:
            self._stall.stop()
        if self._replay is not None:
            self._replay.stop()
        if why == "stuck":  # nobody will take what waits there
            self.transport.abort()
        else:
            self.transport.close()
        self._hub.forget(self, why)
        calls, self._when_closed = self._when_closed, ()
        for call in calls:
            call(why)

    def when_closed(self, call: Callable[[str], object]) -> None:
        """
        Have it called with the reason, in the turn of the closing.
        """
        if self.why is None:
            self._when_closed += (call,)
        else:
            call(self.why)

    # --- killmails ---------------------------------------------------------------

    def take(self, entries: Iterable[Entry], upto: int) -> None:
        """
        Deal with what was read.

        :param upto: every number up to this one is among them, or matters to nobody.
        """
        for entry in entries:
            event = None
            if entry.concerns(self.wanted):
                event = entry.event_for(self.variant)
            self.seq = entry.seq  # before the write, which may pause us
            if event is not None:
                self._write(event)
        self.seq = max(self.seq, upto)

    def warn(self, kind: str, message: str) -> None:
        """
        Tell the client something; one that is paused has other worries.
        """
        if not self._paused:
            now = self._hub.clock.seconds()
            self.tell(events.warning(kind, message, now))

    # --- heartbeats ------------------------------------------------------------

    def beat(self, heartbeat: Heartbeat) -> None:
        """
        The hub's call, when one is due.
        """
        if self.following and heartbeat.seq >= self.seq:
            self.seq = heartbeat.seq
            event = heartbeat.event_for(self.variant)
        elif self._paused or self.why is not None:  # bytes are on their way anyhow
            return
        else:
            event = Event(heartbeat.frames[self.mode], self._end)
        self._write(event)

    # --- the transport's side --------------------------------------------------

    def pauseProducing(self) -> None:
        """
        Called again and again while the transport's buffer is over its limit, and for
        healthy clients after any burst: it says nothing about slowness.
        """
        if self._paused or self.why is not None:
            return
        self._paused, self.following = True, False
        self._stall = StallWatch(
            self._hub.clock, self.transport.backlog, lambda: self.close("stuck")
        )
        self._stall.start()

    def resumeProducing(self) -> None:
        if not self._paused or self.why is not None:
            return
        self._paused = False
        if self._stall is not None:
            self._stall.stop()
            self._stall = None
        if self._replay is None:  # it followed when it was paused
            self._go_on()
        else:
            self._replay.wake()

    def stopProducing(self) -> None:
        self.close("gone")

    # --- writing -----------------------------------------------------------------

    def tell(self, frame: Frame) -> None:
        """
        Send an event with the cursor as it is now.
        """
        self._write(Event(frame, self._end))

    def _write(self, event: Event) -> None:
        if self.why is None:
            size = self.transport.write(event)
            self.events += 1
            self.bytes += size
            self._hub.count(event.frame.name, 1, size)
