"""
Sources for tests, which say what the test told them to, when it told them to.
"""

from collections import deque
from collections.abc import Awaitable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer

from tests.support.cases import SyncCase
from tests.support.killmails import DAY, START, esi, zkb
from tests.support.store import make_store, temporary_path
from wanderer_twisted.encoding import loads
from wanderer_twisted.ingest.intake import Intake
from wanderer_twisted.ingest.names import NameBook
from wanderer_twisted.interfaces import (
    IBodySource,
    IKillmailFeed,
    IListingSource,
    INameSource,
    Refused,
    UpstreamError,
)
from wanderer_twisted.partition import Kind
from wanderer_twisted.records import (
    FeedPage,
    FeedPosition,
    FeedStatus,
    ListingPage,
    NamesFound,
    Package,
)

T = TypeVar("T")

#: 2026-11-20T00:00:00Z, when these tests begin.
NOW = START + 19 * DAY

HASH = "ab" * 20


def package(
    killmail_id: int,
    kill_time: int = NOW,
    value: float | None = 1.0,
    has_body: bool = True,
    **parts: Any,
) -> Package:
    """
    A killmail as a source sends it.
    """
    body = esi(killmail_id, kill_time, **parts) if has_body else None
    return Package(killmail_id, HASH, body, zkb(value))


class Gate:
    """
    Answers at once, or, while it is held, when it is opened.

    :ivar waiting: answers that are held back.
    :ivar most: how many were held back at once.
    """

    def __init__(self) -> None:
        self.held = False
        self.waiting: list[Deferred[None]] = []
        self.most = 0

    def pass_through(self) -> Deferred[None]:
        if not self.held:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self.waiting.remove)
        self.waiting.append(waiting)
        self.most = max(self.most, len(self.waiting))
        return waiting

    def let_one(self) -> None:
        self.waiting.pop(0).callback(None)

    def open(self) -> None:
        self.held = False
        while self.waiting:
            self.let_one()


@implementer(INameSource)
class FakeNames:
    """
    :ivar known: id -> name; every other id has none.
    :ivar silent: ids that it does not answer for.
    :ivar error: raised by every call, where it is set.
    :ivar calls: the ids of each.
    """

    def __init__(self) -> None:
        self.known: dict[int, str] = {}
        self.silent: set[int] = set()
        self.error: Exception | None = None
        self.calls: list[set[int]] = []
        self.gate = Gate()

    async def names(self, ids: Collection[int]) -> NamesFound:
        self.calls.append(set(ids))
        await self.gate.pass_through()
        if self.error is not None:
            raise self.error
        asked = set(ids) - self.silent
        names = {each: self.known[each] for each in asked if each in self.known}
        return NamesFound(names, frozenset(asked - names.keys()))


@implementer(IBodySource)
class FakeBodies:
    """
    :ivar bodies: id -> body, under the hash of :func:`package`; others are refused.
    :ivar errors: id -> what is raised instead, one after the other.
    :ivar asked: the ids, in order.
    """

    def __init__(self) -> None:
        self.bodies: dict[int, Any] = {}
        self.errors: dict[int, list[Exception]] = {}
        self.asked: list[int] = []
        self.gate = Gate()

    async def body(self, killmail_id: int, hash: str) -> Any:
        self.asked.append(killmail_id)
        await self.gate.pass_through()
        if self.errors.get(killmail_id):
            raise self.errors[killmail_id].pop(0)
        if killmail_id not in self.bodies or hash != HASH:
            raise Refused("no such killmail")
        return self.bodies[killmail_id]


@implementer(IKillmailFeed)
class FakeFeed:
    """
    :ivar pages: what the next polls bring; without any, a poll waits for :meth:`give`.
    :ivar restored: the positions that it was given.
    """

    parting = 0.0

    def __init__(self, name: str = "fake", window: int = 2) -> None:
        self.name = name
        self.window = window
        self.pages: deque[FeedPage | Exception] = deque()
        self.restored: list[FeedPosition | None] = []
        self.polls = 0
        self.cancelled = 0
        self._polling: Deferred[FeedPage] | None = None

    def restore(self, position: FeedPosition | None) -> None:
        self.restored.append(position)

    def poll(self) -> Awaitable[FeedPage]:
        self.polls += 1
        if self.pages:
            page = self.pages.popleft()
            if isinstance(page, UpstreamError):
                assert page.retry_after is not None, "feeds say how long to wait"
            return fail(page) if isinstance(page, Exception) else succeed(page)
        self._polling = Deferred(self._cancel)
        return self._polling

    def _cancel(self, polling: Deferred[FeedPage]) -> None:
        self.cancelled += 1
        self._polling = None

    def give(self, page: FeedPage) -> None:
        assert self._polling is not None
        polling, self._polling = self._polling, None
        polling.callback(page)

    def status(self) -> FeedStatus:
        return FeedStatus(self.name, "live")


@implementer(IListingSource)
class FakeListings:
    """
    Lists what it holds as zKillboard does, but with small pages.

    :ivar rows: all there is, newest first.
    :ivar size: rows of a page.
    :ivar bodies: whether rows have theirs.
    :ivar asked: (owner, number, month), in order.
    :ivar errors: what the next requests raise; None lets one through.
    :ivar empty: places, of any owner, that are answered by an empty list.
    """

    def __init__(self, clock: IReactorTime, size: int = 3) -> None:
        self.size = size
        self.bodies = True
        self.asked: list[tuple[int, int, tuple[int, int] | None]] = []
        self.errors: deque[Exception | None] = deque()
        self.empty: set[tuple[int, tuple[int, int] | None]] = set()
        self.gate = Gate()
        self._clock = clock
        self.rows: dict[tuple[Kind, int], list[Package]] = {}

    def add(self, kind: Kind, owner: int, packages: Collection[Package]) -> None:
        rows = self.rows.setdefault((kind, owner), [])
        rows.extend(packages)
        rows.sort(key=lambda each: -(each.killmail_id or 0))

    async def page(
        self, kind: Kind, owner: int, number: int, month: tuple[int, int] | None
    ) -> ListingPage:
        self.asked.append((owner, number, month))
        fetched_at = self._clock.seconds()
        await self.gate.pass_through()
        error = self.errors.popleft() if self.errors else None
        if error is not None:
            raise error
        if (number, month) in self.empty:
            return ListingPage((), fetched_at, last=True)
        rows = [
            each
            for each in self.rows.get((kind, owner), ())
            if month is None or _month(each) == month
        ]
        start, end = (number - 1) * self.size, number * self.size
        page = rows[start:end]
        if not self.bodies:
            page = [attrs.evolve(each, esi=None) for each in page]
        over = month is not None and month < month_of(fetched_at)
        last = not page or (over and len(page) < self.size)
        return ListingPage(page, fetched_at, last)


def _month(package: Package) -> tuple[int, int]:
    return month_of(datetime.fromisoformat(package.esi["killmail_time"]).timestamp())


def month_of(seconds: float) -> tuple[int, int]:
    """
    The month of a UNIX time, in UTC.
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.year, moment.month


class PastCase(SyncCase):
    """
    A test with a clock, a real store, and sources that do as they are told.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = float(NOW)
        self.path = temporary_path(self)
        self.store = make_store(self.path, self.clock)
        self.addCleanup(lambda: self.store.close())
        self.name_source = FakeNames()
        self.bodies = FakeBodies()
        self.names = NameBook(self.clock, self.store, self.name_source, 2.0)
        self.intake = Intake(self.clock, self.bodies, self.names)

    def settle(self) -> None:
        """
        Let everything run that waits for nothing but its next turn.
        """
        for _ in range(100):
            self.clock.advance(0)

    def stored(self, ids: Collection[int]) -> Mapping[int, bool]:
        """
        Which of *ids* are in the store, and whether their value is known.
        """
        return self.successResultOf(self.store.read_valued(ids))

    def document(self, killmail_id: int) -> dict[str, Any]:
        """
        A killmail as clients get it.
        """
        record = self.successResultOf(self.store.read_killmail(killmail_id))
        assert record is not None
        document: dict[str, Any] = loads(record.body.json(with_items=True))
        return document
