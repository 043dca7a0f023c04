"""
What every source must do, stated once: the real ones run it against the simulator, the
fakes of :mod:`tests.support.past` by themselves.

A subclass says how its source is made and how its upstream is filled and spoiled.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any, get_args

from treq.testing import RequestTraversalAgent
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from tests.support.cases import SyncCase
from tests.support.killmails import DAY
from tests.support.past import NOW, month_of
from tests.support.upstream import begin, finish
from wanderer_twisted.interfaces import (
    IBodySource,
    IKillmailFeed,
    IListingSource,
    INameSource,
    Refused,
    UpstreamError,
)
from wanderer_twisted.killmail import decode
from wanderer_twisted.partition import Kind
from wanderer_twisted.records import (
    FeedPage,
    FeedPosition,
    FeedState,
    ListingPage,
    NamesFound,
    Package,
)
from wanderer_twisted.simulator.data import make_data
from wanderer_twisted.simulator.faults import Fault
from wanderer_twisted.simulator.front import make_site
from wanderer_twisted.simulator.player import Player
from wanderer_twisted.simulator.world import World
from wanderer_twisted.sources.http import Client

NOON = NOW + DAY // 2


class Simulated:
    """
    The simulator, reached without sockets: what its clock sets off arrives at once.
    """

    def __init__(self, documents: Sequence[dict[str, Any]]) -> None:
        self.clock = _PumpedClock()
        self.clock.rightNow = float(NOON)
        self.world = World(self.clock, make_data(documents))
        site = make_site(self.world, Player(self.world, None))
        self._agent = RequestTraversalAgent(site.resource)
        self.clock.agent = self._agent

    def client(self) -> Client:
        """
        A new one, with nothing remembered of earlier failures.
        """
        return Client(self._agent, self.clock)


class _PumpedClock(Clock):
    agent: RequestTraversalAgent | None = None

    def advance(self, amount: float) -> None:
        super().advance(amount)
        if self.agent is not None:
            self.agent.flush()


class Contract(SyncCase):
    """
    What all of them have.
    """

    clock: Clock

    def fails(self, awaitable: Any) -> UpstreamError:
        """
        It must fail, and as an upstream does.
        """
        try:
            result = finish(self.clock, awaitable)
        except UpstreamError as error:
            self.assertTrue(error.reason)
            self.assertNotIn("\n", error.reason)
            return error
        raise AssertionError(f"no failure but {result!r:.200}")


class FeedContract(Contract):
    """
    What a live feed does.
    """

    troubles: Sequence[Any]

    def make_feed(self) -> IKillmailFeed:
        """
        A new object that asks the same upstream, as after a restart.
        """
        raise NotImplementedError

    def publish(self, count: int) -> list[int]:
        raise NotImplementedError

    def trouble(self, what: Any) -> None:
        """
        Have the upstream fail once.

        :param what: one of :attr:`troubles`.
        """
        raise NotImplementedError

    def poll(self, feed: IKillmailFeed) -> FeedPage:
        page = finish(self.clock, feed.poll())
        self.check(feed, page)
        self.clock.advance(page.pause)
        return page

    def check(self, feed: IKillmailFeed, page: FeedPage) -> None:
        self.assertGreaterEqual(page.pause, 0.0)
        for hole in page.holes:
            self.assertLessEqual(hole.since, hole.until)
        if page.packages or page.holes:
            self.assertIsNotNone(page.position, "nothing to commit with them")
        if page.position is not None:
            self.assertEqual(page.position.feed, feed.name)

    def follow(self, feed: IKillmailFeed) -> list[int | None]:
        """
        Poll until there is nothing more: three polls bring nothing, or one waits.
        """
        ids: list[int | None] = []
        empty = 0
        while empty < 3:
            outcome = begin(feed.poll())
            end = self.clock.seconds() + 60
            while not outcome.done and self.clock.seconds() < end:
                self.clock.advance(0.5)
            if not outcome.done:
                outcome.deferred.cancel()
                return ids
            page = outcome.result
            self.check(feed, page)
            self.clock.advance(page.pause)
            ids += [each.killmail_id for each in page.packages]
            empty = 0 if page.packages else empty + 1
        return ids

    def take_one(self, feed: IKillmailFeed) -> tuple[list[int | None], FeedPosition]:
        """
        Poll until a page has something.
        """
        for _ in range(20):
            page = self.poll(feed)
            if page.packages:
                assert page.position is not None
                return [each.killmail_id for each in page.packages], page.position
        raise AssertionError("nothing came")

    def begun(self) -> IKillmailFeed:
        feed = self.make_feed()
        feed.restore(None)
        self.follow(feed)
        return feed

    def test_interface(self) -> None:
        """
        It has what the interface names.
        """
        feed = self.make_feed()
        self.assertTrue(verifyObject(IKillmailFeed, feed))
        self.assertTrue(feed.name)
        self.assertGreaterEqual(feed.window, 0)

    def test_each_once_in_order(self) -> None:
        """
        What is published comes once, in order, and then nothing.
        """
        feed = self.begun()
        published = self.publish(5)
        self.assertEqual(self.follow(feed), published)
        self.assertEqual(self.follow(feed), [])
        more = self.publish(2)
        self.assertEqual(self.follow(feed), more)

    def test_restored(self) -> None:
        """
        A new feed goes on right behind the page whose position it is given.
        """
        feed = self.begun()
        published = self.publish(5)
        found: list[int | None] = []
        while len(found) < 5:
            ids, position = self.take_one(feed)
            found += ids
            feed = self.make_feed()
            feed.restore(position)
        self.assertEqual(found, published)
        self.assertEqual(self.follow(feed), [])

    def test_failure_moves_nothing(self) -> None:
        """
        A failed poll says how long to wait, and what was published comes after all.
        """
        for what in self.troubles:
            feed = self.begun()
            self.trouble(what)
            published = self.publish(2)
            error = self.fails(feed.poll())
            self.assertIsNotNone(error.retry_after, what)
            assert error.retry_after is not None
            self.assertGreater(error.retry_after, 0.0)
            self.assertEqual(feed.status().name, feed.name)
            self.clock.advance(error.retry_after)
            self.assertEqual(self.follow(feed), published, what)

    def test_status(self) -> None:
        """
        Its status has its name and one of the known states, at any time.
        """
        feed = self.make_feed()
        before = feed.status()
        self.follow(feed)
        self.publish(1)
        self.take_one(feed)
        for status in (before, feed.status()):
            self.assertEqual(status.name, feed.name)
            self.assertIn(status.state, get_args(FeedState))


class ListingContract(Contract):
    """
    What a source of lists does. The pages are of 200.
    """

    troubles: Sequence[Any]

    def make_source(self, kind: Kind, owner: int, days: Collection[int]) -> Any:
        """
        :param days: how many days ago each of the killmails of *owner* was.
        """
        raise NotImplementedError

    def trouble(self, what: Any) -> IListingSource:
        """
        A source over an upstream that fails for good.
        """
        raise NotImplementedError

    def page(
        self,
        source: IListingSource,
        number: int = 1,
        month: tuple[int, int] | None = None,
        kind: Kind = "character",
        owner: int = 90000001,
    ) -> ListingPage:
        asked_at = self.clock.seconds()
        page = finish(self.clock, source.page(kind, owner, number, month))
        self.assertLessEqual(asked_at, page.fetched_at)
        self.assertLessEqual(page.fetched_at, self.clock.seconds())
        return page

    def times(self, packages: Collection[Package]) -> list[int]:
        return [decode(each.esi, each.zkb, each.hash).kill_time for each in packages]

    def test_interface(self) -> None:
        """
        It has what the interface names.
        """
        source = self.make_source("character", 90000001, [1])
        self.assertTrue(verifyObject(IListingSource, source))

    def test_pages(self) -> None:
        """
        Full pages follow each other, newest first; behind the last there is nothing.
        """
        kinds: tuple[tuple[Kind, int], ...] = (
            ("character", 90000001),
            ("system", 30000142),
        )
        for kind, owner in kinds:
            source = self.make_source(kind, owner, range(1, 206))
            pages = [self.page(source, n, None, kind, owner) for n in (1, 2, 3)]
            self.assertEqual([len(each.packages) for each in pages], [200, 5, 0])
            self.assertEqual([pages[0].last, pages[2].last], [False, True])
            rows = [row for each in pages for row in each.packages]
            for row in rows:
                self.assertIsInstance(row.killmail_id, int)
                self.assertRegex(row.hash or "", "^[0-9a-f]{40}$")
            times = self.times(rows)
            self.assertTrue(all(newer > older for newer, older in pairwise(times)))

    def test_months(self) -> None:
        """
        A month's pages hold that month alone; of one that is over, a short one is last.
        """
        source = self.make_source("character", 90000001, range(1, 80))
        found = []
        for month in ((2026, 11), (2026, 10), (2026, 9)):
            page = self.page(source, 1, month)
            times = self.times(page.packages)
            self.assertEqual({month_of(each) for each in times}, {month})
            self.assertEqual(page.last, month != (2026, 11))
            found += times
        self.assertEqual(found, self.times(self.page(source).packages))

    def test_empty(self) -> None:
        """
        Of somebody without killmails there is one page, the last.
        """
        source = self.make_source("character", 90000001, [1])
        page = self.page(source, owner=90000002)
        self.assertEqual((list(page.packages), page.last), ([], True))

    def test_failures(self) -> None:
        """
        Whatever goes wrong is the upstream's error, never a list.
        """
        for what in self.troubles:
            source = self.trouble(what)
            self.fails(source.page("character", 90000001, 1, None))


class BodyContract(Contract):
    """
    What a source of bodies does.

    :ivar held: the id and hash of a killmail that it has.
    """

    held: tuple[int, str]
    troubles: Sequence[Any]

    def make_source(self) -> IBodySource:
        raise NotImplementedError

    def trouble(self, what: Any) -> IBodySource:
        """
        A source over an upstream that fails for good.
        """
        raise NotImplementedError

    def test_body(self) -> None:
        """
        A body is ESI's, and can be decoded.
        """
        source = self.make_source()
        self.assertTrue(verifyObject(IBodySource, source))
        body = finish(self.clock, source.body(*self.held))
        self.assertEqual(decode(body).killmail_id, self.held[0])

    def test_refused(self) -> None:
        """
        A wrong hash, or id, is refused for good.
        """
        source, (killmail_id, hash) = self.make_source(), self.held
        for wrong in ((killmail_id, "cd" * 20), (999, hash)):
            self.assertIsInstance(self.fails(source.body(*wrong)), Refused)

    def test_failures(self) -> None:
        """
        What goes wrong for now is no refusal.
        """
        for what in self.troubles:
            error = self.fails(self.trouble(what).body(*self.held))
            self.assertNotIsInstance(error, Refused)


class NameContract(Contract):
    """
    What a source of names does. It knows 1 to 1500 and 3000 to 3002, but for 3001.
    """

    KNOWN, UNKNOWN = frozenset([*range(1, 1501), 3000, 3002]), frozenset([3001])
    troubles: Sequence[Any]

    def make_source(self) -> INameSource:
        raise NotImplementedError

    def make_faltering(self) -> INameSource:
        """
        A source over an upstream that fails for ids above 1000, if it was asked for
        others before.
        """
        raise NotImplementedError

    def trouble(self, what: Any) -> INameSource:
        """
        A source over an upstream that fails for good.
        """
        raise NotImplementedError

    def names(self, source: INameSource, ids: Collection[int]) -> NamesFound:
        found = finish(self.clock, source.names(ids))
        told = found.names.keys() | found.unknown
        self.assertFalse(found.names.keys() & found.unknown)
        self.assertLessEqual(told, set(ids))
        self.assertTrue(all(found.names.values()))
        return found

    def test_partition(self) -> None:
        """
        What was asked for has a name or has none, and nothing else is told.
        """
        source = self.make_source()
        self.assertTrue(verifyObject(INameSource, source))
        for ids in ([1, 2, 2, 3001], {3000, 3001, 3002}, [3001], [7], []):
            found = self.names(source, ids)
            self.assertEqual(found.names.keys(), set(ids) - self.UNKNOWN)
            self.assertEqual(found.unknown, set(ids) & self.UNKNOWN)

    def test_many(self) -> None:
        """
        Any number may be asked for.
        """
        found = self.names(self.make_source(), self.KNOWN)
        self.assertEqual(found.names.keys(), self.KNOWN)

    def test_part_of_an_answer(self) -> None:
        """
        Where only some could be asked for, theirs is the answer.
        """
        found = self.names(self.make_faltering(), range(1, 1501))
        self.assertEqual(found.names.keys(), set(range(1, 1001)))
        self.assertEqual(found.unknown, frozenset())

    def test_failures(self) -> None:
        """
        Where none could be asked for, that is an error.
        """
        for what in self.troubles:
            self.fails(self.trouble(what).names([1, 2]))


def status(code: int) -> Fault:
    return Fault("status", status=code, count=None)


#: What any service may do instead of answering properly.
TROUBLES: Sequence[Fault] = (
    *map(status, (403, 429, 500, 503)),
    *(Fault(kind, count=None) for kind in ("silence", "reset", "truncate")),
    *(Fault(kind, count=None) for kind in ("cut", "bad_gzip", "html", "redirect")),
)
