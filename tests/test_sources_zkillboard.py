"""
zKillboard's lists.
"""

from itertools import pairwise
from typing import Any

from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from tests.support.cases import SyncCase
from tests.support.upstream import (
    NOON,
    FakeUpstream,
    Reply,
    begin,
    finish,
    json_reply,
)
from wanderer_twisted.interfaces import IListingSource, UpstreamError
from wanderer_twisted.records import ListingPage
from wanderer_twisted.sources.http import Client
from wanderer_twisted.sources.zkillboard import Listings, make_zkillboard

BASE = "https://zkb.example/api"
MINE = f"{BASE}/characterID/95465499/"
HASH = "4b57224f402b47f4548e57bdf2540005bcac4c9a"


def row(killmail_id: int, **more: Any) -> dict[str, Any]:
    return {"killmail_id": killmail_id, "zkb": {"hash": HASH}, **more}


class ListingCase(SyncCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOON
        self.there = FakeUpstream(self.clock)
        self.listings = self.make_listings()

    def make_listings(self, per_second: float = 1.0) -> Listings:
        client = Client(self.there, self.clock)
        return make_zkillboard(client, self.clock, BASE + "/", per_second)

    def page(
        self, number: int = 1, month: tuple[int, int] | None = None
    ) -> ListingPage:
        return finish(
            self.clock, self.listings.page("character", 95465499, number, month)
        )


class PageTests(ListingCase):
    def test_provides(self) -> None:
        """
        It is a source of listings.
        """
        self.assertTrue(verifyObject(IListingSource, self.listings))

    def test_canonical_urls(self) -> None:
        """
        The owner comes first, page 1 is not named, every URL ends in a slash and has
        no query.
        """
        self.there.default = json_reply([])
        for kind, number, month in (
            ("character", 1, None),
            ("character", 2, None),
            ("system", 1, (2026, 3)),
            ("system", 17, (2026, 11)),
        ):
            finish(self.clock, self.listings.page(kind, 7, number, month))  # type: ignore[arg-type]
        self.assertEqual(
            self.there.urls,
            [
                f"{BASE}/characterID/7/",
                f"{BASE}/characterID/7/page/2/",
                f"{BASE}/systemID/7/year/2026/month/3/",
                f"{BASE}/systemID/7/year/2026/month/11/page/17/",
            ],
        )

    def test_rows(self) -> None:
        """
        A row with a body gives it without zKillboard's block, one without gives id and
        hash.
        """
        body = {"killmail_time": "2026-11-23T12:00:00Z", "victim": {}}
        self.there.on(MINE, json_reply([row(9, **body), row(8)]))
        page = self.page()
        with_body, without = page.packages
        self.assertEqual(with_body.esi, {"killmail_id": 9, **body})
        self.assertEqual((with_body.zkb, with_body.hash), ({"hash": HASH}, HASH))
        self.assertEqual((without.esi, without.killmail_id), (None, 8))
        self.assertEqual((without.zkb, without.hash), ({"hash": HASH}, HASH))

    def test_odd_rows(self) -> None:
        """
        One bad row does not spoil its page.
        """
        odd = [{}, {"killmail_id": "9", "zkb": []}, row(7), row(6, zkb={"hash": "x"})]
        self.there.on(MINE, json_reply(odd))
        ids = [(package.killmail_id, package.hash) for package in self.page().packages]
        self.assertEqual(ids, [(None, None), (None, None), (7, HASH), (6, None)])

    def test_fetched_at(self) -> None:
        """
        The time of a page is when it was asked for, not when it came.
        """
        slow = Reply(200, b"[]", delay=50)
        self.there.on(MINE, slow)
        self.assertEqual(self.page().fetched_at, NOON)

    def test_last(self) -> None:
        """
        An empty page is the last; a short one too, if it is of a month that is over
        for longer than caches live.
        """
        for count, month, last in (
            (0, None, True),
            (3, None, False),
            (200, None, False),
            (3, (2026, 11), False),
            (0, (2026, 11), True),
            (199, (2026, 10), True),
            (200, (2026, 10), False),
            (3, (2025, 12), True),
        ):
            self.there.default = json_reply([row(i + 1) for i in range(count)])
            self.assertEqual(self.page(2, month).last, last, (count, month))

    def test_month_just_over(self) -> None:
        """
        In the first 65 minutes of a month the one before is not over yet.
        """
        self.there.default = json_reply([row(1)])
        december = 1796083200.0  # 2026-12-01 00:00:00
        for seconds, last in ((60, False), (3800, False), (4000, True)):
            self.clock.rightNow = december + seconds
            self.assertEqual(self.page(1, (2026, 11)).last, last, seconds)


class MannersTests(ListingCase):
    def test_serial_and_paced(self) -> None:
        """
        One request at a time, and no more in a second than allowed.
        """
        self.there.on(MINE, Reply(200, b"[]", delay=0.2))
        self.listings = self.make_listings(per_second=2.0)
        for _ in range(4):
            begin(self.listings.page("character", 95465499, 1, None))
        self.clock.pump([0.1] * 30)
        times = self.there.times(MINE)
        self.assertEqual(len(times), 4)
        for before, after in pairwise(times):
            self.assertTrue(0.499 <= after - before <= 0.601, after - before)
        self.there.on(MINE, Reply(200, b"[]", delay=5))
        for _ in range(3):
            begin(self.listings.page("character", 95465499, 1, None))
        self.clock.pump([0.5] * 60)
        times = self.there.times(MINE)[4:]
        self.assertEqual([times[1] - times[0], times[2] - times[1]], [5, 5])

    def test_cold_query(self) -> None:
        """
        An answer may take over a minute, but not for ever.
        """
        self.there.on(MINE, Reply(200, b"[]", delay=66), Reply(never=True))
        self.assertEqual(self.page().packages, [])
        outcome = begin(self.listings.page("character", 95465499, 1, None))
        self.clock.advance(80)
        self.assertIsInstance(outcome.error, UpstreamError)
        self.assertTrue(self.there.asked[-1].closed)

    def test_no_cache(self) -> None:
        """
        Each page is asked for anew.
        """
        self.there.on(MINE, json_reply([row(1)]), json_reply([row(2)]))
        first, second = self.page(), self.page()
        self.assertNotEqual(first.packages, second.packages)


class ErrorTests(ListingCase):
    def error(self, *replies: Reply) -> UpstreamError:
        self.there.on(MINE, *replies)
        self.listings = self.make_listings()
        try:
            page = self.page()
        except UpstreamError as error:
            self.assertNotIn("\n", error.reason)
            return error
        raise AssertionError(f"no failure but {page}")

    def test_no_list(self) -> None:
        """
        Whatever is no list of objects is an error, never an empty page.
        """
        for reply in (
            json_reply({"error": "Please provide an entity filter first."}),
            json_reply([None]),
            json_reply([row(1), 5]),
            json_reply({}),
            json_reply(None),
            json_reply("x"),
            Reply(200, b"", {"Content-Type": "text/html"}),
            Reply(200, b"<html>Cloudflare"),
            Reply(200, b'[{"killmail_id":1,"zkb":'),
            Reply(200, b'[{"killmail_id":NaN}]'),
        ):
            self.error(reply)

    def test_says_why(self) -> None:
        """
        The service's own words are in the reason, and it is left alone for a while.
        """
        error = self.error(json_reply({"error": "page value > 100 not allowed"}))
        self.assertIn("page value > 100 not allowed", error.reason)
        self.assertEqual(error.retry_after, 600)

    def test_forbidden(self) -> None:
        """
        After a 403 nobody asks for ten minutes.
        """
        error = self.error(Reply(403, b"403 Forbidden - Do not include a query"))
        self.assertEqual(error.retry_after, 600)
        asked = len(self.there.asked)
        outcome = begin(self.listings.page("system", 5, 1, None))
        self.assertEqual(outcome.error.retry_after, 600)
        self.assertEqual(len(self.there.asked), asked)

    def test_blocked(self) -> None:
        """
        A redirect is not followed, and nobody asks for five minutes: that long errors
        are counted.
        """
        error = self.error(Reply(302, b"", {"Location": "/api/blocked.json"}))
        self.assertIn("/api/blocked.json", error.reason)
        self.assertEqual(error.retry_after, 300)
        outcome = begin(self.listings.page("system", 5, 1, None))
        self.assertEqual(outcome.error.retry_after, 300)
        self.assertEqual(self.there.urls, [MINE])

    def test_too_fast(self) -> None:
        """
        A 429 says how long to wait, or we do; nobody asks until then.
        """
        limited = json_reply({}, 429, Retry_After="70")
        for reply, seconds in ((Reply(429), 60), (limited, 70)):
            self.assertEqual(self.error(reply).retry_after, seconds)
            asked = len(self.there.asked)
            outcome = begin(self.listings.page("system", 5, 1, None))
            self.assertEqual(outcome.error.retry_after, seconds)
            self.assertEqual(len(self.there.asked), asked)
            self.clock.advance(seconds)

    def test_errors_are_few(self) -> None:
        """
        However many ids are answered by errors, fewer than forty are within five
        minutes; the next one that is not is had all the same.
        """
        self.there.default = json_reply({"error": "year is an invalid parameter"})
        for owner in range(1, 41):
            with self.assertRaises(UpstreamError):
                finish(self.clock, self.listings.page("character", owner, 1, None))
        times = [asked.at for asked in self.there.asked]
        self.assertEqual(len(times), 40)
        self.assertGreater(times[-1] - times[0], 300)
        self.there.on(MINE, json_reply([row(1)]))
        self.assertEqual(len(self.page().packages), 1)

    def test_overloaded(self) -> None:
        """
        A 503 is tried once more, then told.
        """
        error = self.error(Reply(503, b"503 Reinforced mode, please try again later"))
        self.assertIn("Reinforced mode", error.reason)
        self.assertEqual(len(self.there.asked), 2)
        self.there.on(MINE, Reply(502), json_reply([]))
        self.listings = self.make_listings()
        self.assertTrue(self.page().last)
