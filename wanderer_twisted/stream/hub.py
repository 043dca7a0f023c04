"""
The hub: what was committed goes to the streams that follow.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from wanderer_twisted.distribution import Distribution
from wanderer_twisted.frames import Event, Frame
from wanderer_twisted.interfaces import IClientTransport, IHistory, IKillmailStore
from wanderer_twisted.records import Commit, FeedStatus
from wanderer_twisted.stream import events
from wanderer_twisted.stream.broadcast import SLICE, Broadcast
from wanderer_twisted.stream.cursor import AfterHistory, BadCursor, Live, decode
from wanderer_twisted.stream.drain import Drain
from wanderer_twisted.stream.entries import (
    Entry,
    Heartbeat,
    HoleEntry,
    Variant,
    as_entry,
)
from wanderer_twisted.stream.opening import Visitor, Wish, open_at
from wanderer_twisted.stream.rate import Rate
from wanderer_twisted.stream.recent import Recent
from wanderer_twisted.stream.registry import Registry
from wanderer_twisted.stream.session import Session
from wanderer_twisted.stream.surroundings import Pace
from wanderer_twisted.stream.wheel import Wheel

#: Killmails of a history, from a pilot's quiet month to a large fleet's quarter.
_KILLMAILS = (0, 10, 50, 100, 300, 1_000, 3_000, 10_000, 30_000)
#: A large history waits for its client: minutes.
_HISTORY_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Hub(Service):
    """
    All open streams, and the store's one listener.

    :ivar published: the last number that was handed out: a stream follows when it has
        read up to here. Of what is not :attr:`told` yet, the streams' turn comes.
    :ivar usual_retry_ms: what clients are told to wait, before it is spread.
    :ivar drained_at: UNIX seconds: when a drain that has begun is over.
    :ivar closings: how many streams ended, by reason.
    :ivar frames: how many events were sent, by name.
    :ivar bytes: how many bytes that took, by name of the event.
    :ivar rate: how many killmails were announced.
    :ivar history_seconds: from ``connected`` to ``transition``.
    :ivar history_killmails: in a history.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        store: IKillmailStore,
        history: IHistory,
        feed_status: Callable[[], FeedStatus | None],
        pace: Pace | None = None,
        retry_ms: int = 3000,
        slice: int = SLICE,
    ) -> None:
        """
        :param slice: how many streams are told in one turn of the reactor.
        """
        self.clock = clock
        self.store = store
        self.history = history
        self.pace = pace or Pace()
        self.published = 0
        self.draining = False
        self.drained_at = 0.0
        self.closings: Counter[str] = Counter()
        self.frames: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.rate = Rate(clock)
        self.history_seconds = Distribution(_HISTORY_SECONDS)
        self.history_killmails = Distribution(_KILLMAILS)
        self._feed_status = feed_status
        self.usual_retry_ms = retry_ms
        self.recent = Recent()
        self.wheel: Wheel[Session] = Wheel(clock, self._beat)
        self._registry: Registry[Session] = Registry()
        self._broadcast = Broadcast(clock, self._concerned, self._hand, slice)
        self._heartbeats: Mapping[events.Mode, Frame] = {}
        self._heartbeats_of = 0  # the second that they are of

    def startService(self) -> None:
        """
        Listen to the store, which is open by now.
        """
        super().startService()
        self.published = self.store.marks.head
        self.recent.begin(self.published)
        self.store.listen(self.publish)

    def __len__(self) -> int:
        return len(self._registry)

    @property
    def sessions(self) -> list[Session]:
        return list(self._registry)

    def find(self, session_id: str) -> Session | None:
        """
        An open stream by its id.
        """
        return next((each for each in self._registry if each.id == session_id), None)

    async def open(
        self,
        wish: Wish,
        transport: IClientTransport,
        visitor: Visitor = Visitor(),  # noqa: B008  (a frozen value)
    ) -> Session:
        """
        Begin a stream.

        :raises StoreUnavailable: a cursor could not be held against the store. Nothing
            was written.
        """
        marks = self.store.marks
        if wish.cursor is not None and not self._is_recent(wish.cursor):
            marks = await self.store.read_marks()
        # From here to the end nothing waits: H0 is noted and the registry joined in
        # one turn, so no killmail falls between.
        now = self.clock.seconds()
        opening = open_at(wish, self.store.epoch, marks, self.published, now)
        session = Session(self, wish, opening, transport, visitor)
        self._registry.add(session)
        self._log_opened(session, opening.resumed)
        session.start()
        return session

    def forget(self, session: Session, why: str) -> None:
        """
        A session is closed.
        """
        self._registry.remove(session)
        self.closings[why] += 1
        self._log.info(
            "stream {session} closed: {why}; {events} events, {bytes} bytes"
            " in {seconds} s, {lag} behind",
            session=session.id,
            address=session.visitor.address,
            token=session.visitor.token,
            why=why,
            mode=session.mode,
            events=session.events,
            bytes=session.bytes,
            lag=session.lag,
            seconds=round(self.clock.seconds() - session.opened_at, 3),
        )

    def _log_opened(self, session: Session, resumed: bool) -> None:
        self._log.info(
            "stream {session} opened for {address}: {ids} ids, {mode}",
            session=session.id,
            address=session.visitor.address,
            token=session.visitor.token,
            agent=session.visitor.agent,
            ids=session.wanted.owners,
            mode=session.mode,
            resumed=resumed,
        )

    def _is_recent(self, cursor: str) -> bool:
        """
        Whether a stream can go on there without the store: what it lacks is here, so
        nothing of it was pruned, and its number is one that was given.
        """
        try:
            epoch, at = decode(cursor)
        except BadCursor:
            return False
        return (
            isinstance(at, Live | AfterHistory)
            and epoch == self.store.epoch
            and self.recent.since <= at.seq
            and at.reaches <= self.store.marks.head
        )

    # --- telling what was committed ----------------------------------------------

    @property
    def latency(self) -> Distribution:
        """
        Seconds from a commit to the last stream's bytes being handed to its transport.
        """
        return self._broadcast.latency

    @property
    def told(self) -> int:
        """
        Everything up to this number has been told to the streams that follow.
        """
        entry = self._broadcast.next
        return self.published if entry is None else entry.seq - 1

    def publish(self, commit: Commit) -> None:
        """
        Hand a commit out. ``published`` moves before the streams are told: one that
        catches up while they are must see that this number is already on its way.
        """
        now = self.clock.seconds()
        for journalled in commit.journal:
            entry = as_entry(journalled, now)
            self.published = entry.seq
            self.recent.add(entry)
            self._broadcast.add(entry, commit.ended)
        self.published = max(self.published, commit.marks.head)
        self._broadcast.go_on()

    def _concerned(self, entry: Entry) -> list[Session]:
        if isinstance(entry, HoleEntry):
            return self.sessions
        self.rate.count()
        return self._registry.find(entry.record.facts)

    def _hand(self, sessions: list[Session], entry: Entry) -> None:
        """
        What concerns them, to each that follows: any other finds it in the store. This
        is all that is done for each, written out: for thousands of them a call more is
        a fiftieth more.
        """
        variant: Variant | None = None
        event: Event | None = None
        events = size = 0
        for session in sessions:
            if not session.following or session.seq >= entry.seq:
                continue
            session.seq = entry.seq  # before the write, which may pause it
            try:
                if session.variant is not variant:
                    variant, event = session.variant, entry.event_for(session.variant)
                if event is None:
                    continue
                written = session.transport.write(event)
            except Exception:
                self._end_failed(session)
                continue
            session.events += 1
            session.bytes += written
            events += 1
            size += written
        if events:
            self.count(entry.name, events, size)

    def _beat(self, sessions: list[Session]) -> None:
        """
        Heartbeats that fall into the same second are the same.
        """
        now = self.clock.seconds()
        if int(now) != self._heartbeats_of:
            status = self._feed_status()
            feed = None if status is None else events.feed_block(status, now)
            self._heartbeats = {
                mode: events.heartbeat(mode, feed, now) for mode in events.MODES
            }
            self._heartbeats_of = int(now)
        heartbeat = Heartbeat(self._heartbeats, self.told)
        for session in sessions:
            try:
                session.beat(heartbeat)
            except Exception:
                self._end_failed(session)

    def _end_failed(self, session: Session) -> None:
        """
        A bug ends one stream; the others must have theirs all the same.
        """
        self._log.failure("stream {session} failed", session=session.id)
        session.close("internal")

    def count(self, name: str, events: int, size: int) -> None:
        """
        So many events were sent, which took so many bytes together.
        """
        self.frames[name] += events
        self.bytes[name] += size

    def warn(self, kind: str, message: str) -> None:
        """
        Tell every stream something.
        """
        for session in self.sessions:
            session.warn(kind, message)

    def retry_ms(self) -> int:
        """
        What clients are told to wait, spread by a fifth so that they do not come back
        all at once (lessons.md §5, reconnect storms).
        """
        return max(1000, round(self.usual_retry_ms * random.uniform(0.8, 1.2)))

    async def drain(self) -> None:
        """
        End all streams, spread over some seconds, while everything goes on.
        """
        self.draining = True
        drain = Drain(self.clock, self.sessions)
        self.drained_at = drain.ends_at
        await drain.run()

    def stopService(self) -> None:
        """
        End what is open; :meth:`drain` leaves nothing but those who came meanwhile.
        """
        super().stopService()
        self.draining = True
        self._broadcast.stop()
        for session in self.sessions:
            session.drain(self.retry_ms())
