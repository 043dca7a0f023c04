"""
The hub: what was committed goes to the streams that follow.
"""

import random
from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from wanderer_twisted.interfaces import IClientTransport, IHistory, IKillmailStore
from wanderer_twisted.records import Commit, FeedStatus
from wanderer_twisted.stream import events
from wanderer_twisted.stream.entries import HoleEntry, as_entry
from wanderer_twisted.stream.opening import Wish, open_at
from wanderer_twisted.stream.registry import Registry
from wanderer_twisted.stream.session import Pace, Session


class Hub(Service):
    """
    All open streams, and the store's one listener.

    :ivar published: the last number that was handed out; everything up to it has been
        told to the streams that follow.
    :ivar closings: how many streams ended, by reason.
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
    ) -> None:
        self.clock = clock
        self.store = store
        self.history = history
        self.pace = pace or Pace()
        self.published = 0
        self.draining = False
        self.closings: dict[str, int] = {}
        self._feed_status = feed_status
        self._retry_ms = retry_ms
        self._registry: Registry[Session] = Registry()

    def startService(self) -> None:
        """
        Listen to the store, which is open by now.
        """
        super().startService()
        self.published = self.store.marks.head
        self.store.listen(self.publish)

    def __len__(self) -> int:
        return len(self._registry)

    @property
    def sessions(self) -> list[Session]:
        return list(self._registry)

    async def open(self, wish: Wish, transport: IClientTransport) -> Session:
        """
        Begin a stream.

        :raises StoreUnavailable: a cursor could not be held against the store. Nothing
            was written.
        """
        marks = self.store.marks
        if wish.cursor is not None:
            marks = await self.store.read_marks()
        # From here to the end nothing waits: H0 is noted and the registry joined in
        # one turn, so no killmail falls between.
        now = self.clock.seconds()
        opening = open_at(wish, self.store.epoch, marks, self.published, now)
        session = Session(self, wish, opening, transport)
        self._registry.add(session)
        session.closed.addCallback(self._forget, session)
        session.start()
        return session

    def _forget(self, why: str, session: Session) -> str:
        self._registry.remove(session)
        self.closings[why] = self.closings.get(why, 0) + 1
        return why

    def publish(self, commit: Commit) -> None:
        """
        Hand a commit out. ``published`` moves before the streams are told: one that
        catches up while they are must see that this number is already on its way.
        """
        for journalled in commit.journal:
            entry = as_entry(journalled)
            self.published = entry.seq
            if isinstance(entry, HoleEntry):
                concerned = self.sessions
            else:
                concerned = list(self._registry.find(entry.record.facts))
            for session in concerned:
                try:
                    session.publish(entry)
                except Exception:  # the others must have it all the same
                    self._log.failure("stream {session} failed", session=session.id)
                    session.close("error")
        self.published = max(self.published, commit.marks.head)

    def warn(self, kind: str, message: str) -> None:
        """
        Tell every stream something.
        """
        for session in self.sessions:
            session.warn(kind, message)

    def heartbeat(self, mode: events.Mode, cursor: str) -> bytes:
        now, status = self.clock.seconds(), self._feed_status()
        feed = None if status is None else events.feed_block(status, now)
        return events.heartbeat(mode, feed, cursor, now)

    def retry_ms(self) -> int:
        """
        What clients are told to wait, spread by a fifth so that they do not come back
        all at once (lessons.md §5, reconnect storms).
        """
        return max(1000, round(self._retry_ms * random.uniform(0.8, 1.2)))

    def stopService(self) -> None:
        """
        Close every stream cleanly; its client comes back by itself.
        """
        super().stopService()
        self.draining = True
        for session in self.sessions:
            message = "The server is going down; reconnect to go on"
            session.warn("draining", message, self.retry_ms())
            session.close("draining")
