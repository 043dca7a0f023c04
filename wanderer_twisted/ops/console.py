"""
What an operator can ask at the manhole's prompt (:mod:`wanderer_twisted.ops.manhole`).

All of it runs in the reactor's thread, between two events, and must be over within
milliseconds: each answer is bounded, and the store is only asked for what has a key.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from typing import Any, Concatenate, Final, ParamSpec

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from wanderer_twisted.interfaces import IKillmailStore, StoreUnavailable
from wanderer_twisted.killmail import MAX_ID, MAX_KILLMAIL_ID
from wanderer_twisted.ops import listing
from wanderer_twisted.ops.census import ORDERS, in_order
from wanderer_twisted.ops.health import Statuses
from wanderer_twisted.ops.tables import Text, plain
from wanderer_twisted.ops.verdicts import verdict
from wanderer_twisted.ops.watched import Watched
from wanderer_twisted.partition import KINDS, Facts
from wanderer_twisted.stream.cursor import decode
from wanderer_twisted.stream.hub import Hub
from wanderer_twisted.stream.session import Session

#: No answer has more lines, and no trace more events.
MOST: Final = 1000

#: How each helper is called, and what it is for.
HELPERS: Final[Mapping[str, str]] = {
    "help()": "this list",
    "streams(n=20, by='lag')": "the first n open streams, by 'lag', 'bytes' or 'age'",
    "behind(n=20)": "streams that lack something, the slowest first",
    "who(id, n=20)": "streams that name a character, corporation, alliance or system",
    "feeds()": "how the feeds are",
    "trace(session, n=100)": "show the next n events of a stream as they are sent",
    "untrace(session)": "end that",
    "kick(session)": "end a stream; its client comes back and loses nothing",
    "replay(killmail_id, session=None)": "what became of a killmail, for each stream",
}
_REST: Final = """\
hub and store are the server's own, and whatever else you type is Python. All streams
wait while it runs."""

P = ParamSpec("P")


class Mistake(Exception):
    """
    What was asked cannot be answered; the message is one line for who asked.
    """


def helper(
    answer: Callable[Concatenate["Console", P], str],
) -> Callable[Concatenate["Console", P], Text]:
    """
    Have the answer, or what was wrong with the question, shown as text.
    """

    @wraps(answer)
    def asked(console: "Console", *args: P.args, **kw: P.kwargs) -> Text:
        try:
            return Text(answer(console, *args, **kw))
        except Mistake as mistake:
            return Text(mistake)

    return asked


class Console:
    """
    The helpers of one terminal.

    :param tell: writes a line to it, at any time.
    """

    def __init__(
        self,
        hub: Hub,
        store: IKillmailStore,
        statuses: Statuses,
        tell: Callable[[str], None],
    ) -> None:
        self._hub = hub
        self._store = store
        self._statuses = statuses
        self._tell = tell
        self._traced: dict[str, Session] = {}

    @property
    def namespace(self) -> dict[str, Any]:
        """
        The helpers by their names, with what their authors work with.
        """
        names = [use.partition("(")[0] for use in HELPERS]
        helpers = {name: getattr(self, name) for name in names}
        return {**helpers, "hub": self._hub, "store": self._store}

    def close(self) -> None:
        """
        The terminal is gone.
        """
        for session in list(self._traced.values()):
            self._stop_tracing(session)

    @helper
    def help(self) -> str:
        width = max(map(len, HELPERS))
        lines = [f"{use.ljust(width)}  {what}" for use, what in HELPERS.items()]
        return "\n".join([*lines, "", _REST])

    # --- many streams ----------------------------------------------------------

    @helper
    def streams(self, n: int = 20, by: str = "lag") -> str:
        if by not in ORDERS:
            raise Mistake(f"by={_shown(by)}: allowed are 'lag', 'bytes' and 'age'")
        return self._list(in_order(self._hub.sessions, by), n, "open")

    @helper
    def behind(self, n: int = 20) -> str:
        late = [session for session in self._hub.sessions if session.lag]
        return self._list(in_order(late, "lag"), n, "behind")

    @helper
    def who(self, id: int, n: int = 20) -> str:
        _whole("id", id, MAX_ID)
        naming = [
            session
            for session in in_order(self._hub.sessions, "age")
            if any(id in session.wanted.ids(kind) for kind in KINDS)
        ]
        return self._list(naming, n, f"with {id}")

    def _list(self, sessions: Sequence[Session], n: int, what: str) -> str:
        _whole("n", n)
        shown = listing.streams(sessions[:n], self._hub.clock.seconds())
        return f"{shown}\n{listing.count(n, len(sessions), what)}"

    @helper
    def feeds(self) -> str:
        return listing.feeds(self._statuses(), self._hub.clock.seconds())

    # --- one stream ------------------------------------------------------------

    @helper
    def trace(self, session: str, n: int = 100) -> str:
        _whole("n", n)
        found = self._find(session)
        if isinstance(found.transport, Watched):
            raise Mistake(f"{found.id} is traced already")
        left = n

        def watch(name: str, cursor: str | None, size: int) -> None:
            nonlocal left
            left -= 1
            self._tell(f"{found.id}  {name:<10}  {size:>9,} B  {cursor or '-'}")
            if not left:
                self._stop_tracing(found)
                self._tell(f"{found.id}  traced to the end")

        found.transport = Watched(found.transport, watch)
        self._traced[found.id] = found
        found.when_closed(partial(self._closed, found))
        return f"Tracing {n} events of {found.id}"

    @helper
    def untrace(self, session: str) -> str:
        found = self._traced.get(session) if isinstance(session, str) else None
        if found is None:
            raise Mistake(f"{_shown(session)} is not traced here")
        self._stop_tracing(found)
        return f"{found.id} is no longer traced"

    def _stop_tracing(self, session: Session) -> None:
        del self._traced[session.id]
        if isinstance(session.transport, Watched):
            session.transport = session.transport.inner

    def _closed(self, session: Session, why: str) -> None:
        if session.id in self._traced:
            self._stop_tracing(session)
            self._tell(f"{session.id}  closed: {why}")

    @helper
    def kick(self, session: str) -> str:
        found = self._find(session)
        found.end("kicked", "The operator ended this stream; reconnect to go on")
        return f"{found.id} is closed"

    def _find(self, session: str) -> Session:
        found = self._hub.find(session)
        if found is None:
            raise Mistake(f"No stream {_shown(session)} is open; streams() lists them")
        return found

    # --- one killmail ----------------------------------------------------------

    def replay(
        self, killmail_id: int, session: str | None = None, n: int = 20
    ) -> Deferred[Text]:
        told = Deferred.fromCoroutine(self._replay(killmail_id, session, n))
        told.addErrback(_explain)
        return told.addCallback(lambda text: Text(f"\n{text}"))

    async def _replay(self, killmail_id: int, session: str | None, n: int) -> str:
        _whole("killmail_id", killmail_id, MAX_KILLMAIL_ID)
        _whole("n", n)
        record = await self._store.read_killmail(killmail_id)
        if record is None:
            raise Mistake(f"The store has no killmail {killmail_id}")
        facts = record.facts
        if session is not None:
            found = self._find(session)
            return listing.killmail(facts, [(found.id, self._verdict(facts, found))])
        concerned = [
            each
            for each in in_order(self._hub.sessions, "age")
            if each.wanted.concerns(facts)
        ]
        shown = listing.killmail(
            facts, [(each.id, self._verdict(facts, each)) for each in concerned[:n]]
        )
        return f"{shown}\n{listing.count(n, len(concerned), 'that it concerns')}"

    def _verdict(self, facts: Facts, session: Session) -> str:
        _, cursor = decode(session.cursor)
        head = self._store.marks.head
        return verdict(facts, session.wanted, cursor, session.origin, head)


def _whole(name: str, value: object, most: int = MOST) -> None:
    """
    :raises Mistake: *value* is no number from 1 to *most*.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise Mistake(f"{name}={_shown(value)}: allowed is a number from 1 to {most}")


def _shown(value: object) -> str:
    return plain(repr(value))


def _explain(failure: Failure) -> str:
    """
    An answer all the same, where it is no fault of ours.
    """
    failure.trap(Mistake, StoreUnavailable)
    reason = failure.getErrorMessage()
    return f"The store: {reason}" if failure.check(StoreUnavailable) else reason
