"""
The live feed from R2Z2.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from random import Random
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
from wanderer_twisted.interfaces import IKillmailFeed, UpstreamError
from wanderer_twisted.records import FeedPage, FeedPosition
from wanderer_twisted.sources.http import Client
from wanderer_twisted.sources.r2z2 import R2Z2Feed, make_r2z2

BASE = "https://r2z2.example"
HASH = "6b9681d6860f9ac9df634659231448017c977edb"
GONE = Reply(404, b"<!DOCTYPE html>")


def url(name: object) -> str:
    return f"{BASE}/ephemeral/{name}.json"


def document(sequence: int, at: float) -> dict[str, Any]:
    return {
        "killmail_id": 134_000_000 + sequence,
        "hash": HASH,
        "esi": {"killmail_id": 134_000_000 + sequence},
        "zkb": {"hash": HASH, "totalValue": 0},
        "uploaded_at": int(at),
        "sequence_id": sequence,
    }


class R2Z2Case(SyncCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOON
        self.there = FakeUpstream(self.clock)
        self.there.default = GONE
        self.feed = self.make_feed()

    def make_feed(self) -> R2Z2Feed:
        return make_r2z2(
            Client(self.there, self.clock), self.clock, BASE, random=Random(1)
        )

    def publish(self, numbers: Iterable[int], at: float | None = None) -> None:
        """
        :param at: of the upload; now, if nothing is said.
        """
        for number in numbers:
            when = self.clock.seconds() if at is None else at
            self.there.on(url(number), json_reply(document(number, when)))

    def publish_day(self, last: int, count: int, apart: float = 5.0) -> None:
        """
        Files up to *last*, uploaded *apart* seconds from each other until now.
        """
        for back in range(count):
            self.publish([last - back], self.clock.seconds() - back * apart)
        self.point_to(last)

    def point_to(self, number: int) -> None:
        self.there.on(url("sequence"), json_reply({"sequence": number}))

    def resume(self, following: int, at: float | None = None) -> None:
        """
        Let the feed go on at *following*, having taken the one before at *at*.
        """
        at = NOON if at is None else at
        cursor = f'{{"next":{following},"at":{at},"missing":[]}}'
        self.feed.restore(FeedPosition("r2z2", cursor, since=at - 9000))

    def poll(self) -> FeedPage:
        return finish(self.clock, self.feed.poll())

    def fail_poll(self) -> UpstreamError:
        try:
            page = self.poll()
        except UpstreamError as error:
            assert error.retry_after is not None
            return error
        raise AssertionError(f"no failure but {page}")

    def run_for(self, seconds: float) -> list[FeedPage]:
        """
        Poll as the feed's owner does.
        """
        end, pages = self.clock.seconds() + seconds, []
        while self.clock.seconds() < end:
            try:
                page = self.poll()
            except UpstreamError as error:
                assert error.retry_after is not None
                self.clock.advance(error.retry_after)
                continue
            pages.append(page)
            self.clock.advance(page.pause)
        return pages


def taken(pages: Iterable[FeedPage]) -> list[int]:
    """
    The sequence numbers of what was taken, in order.
    """
    return [
        package.killmail_id - 134_000_000
        for page in pages
        for package in page.packages
        if package.killmail_id is not None
    ]


def gaps(times: Sequence[float]) -> list[float]:
    return [after - before for before, after in pairwise(times)]


class SequenceTests(R2Z2Case):
    def test_provides(self) -> None:
        """
        It is a feed, and pages of it may wait for the store.
        """
        self.assertTrue(verifyObject(IKillmailFeed, self.feed))
        self.assertGreater(self.feed.window, 0)

    def test_takes_each_in_turn(self) -> None:
        """
        Each poll takes the next file, whole, with the position behind it.
        """
        self.resume(100)
        self.publish([100, 101], NOON - 3)
        page = self.poll()
        (package,) = page.packages
        self.assertEqual(package.killmail_id, 134_000_100)
        self.assertEqual(package.hash, HASH)
        self.assertEqual(package.esi, {"killmail_id": 134_000_100})
        self.assertEqual(package.zkb, {"hash": HASH, "totalValue": 0})
        self.assertEqual(page.pause, 0)
        assert page.position is not None
        self.assertEqual(
            (page.position.feed, page.position.since), ("r2z2", NOON - 9000)
        )
        self.assertEqual(taken([self.poll()]), [101])

    def test_resumes(self) -> None:
        """
        A feed restored at a position asks for what follows it, and nothing else.
        """
        self.resume(100)
        self.publish([100, 101])
        position = self.poll().position
        self.feed = self.make_feed()
        self.feed.restore(position)
        before = len(self.there.asked)
        self.assertEqual(taken([self.poll()]), [101])
        self.assertEqual(self.there.urls[before:], [url(101)])

    def test_pace(self) -> None:
        """
        Two hits are at least 100 ms apart.
        """
        self.resume(100)
        self.publish(range(100, 120))
        for _ in range(20):
            self.poll()
        times = [asked.at for asked in self.there.asked]
        self.assertGreaterEqual(min(gaps(times)), 0.1)
        self.assertLessEqual(max(gaps(times)), 0.12)

    def test_null_placeholder(self) -> None:
        """
        A placeholder without a killmail is passed, and the position moves.
        """
        self.resume(100)
        empty = dict.fromkeys(("killmail_id", "hash", "esi"))
        zkb = {"npc": None, "href": "https://esi.evetech.net/killmails///"}
        self.there.on(
            url(100),
            json_reply({**document(100, NOON), **empty, "zkb": zkb}),
        )
        self.publish([101])
        page = self.poll()
        self.assertEqual(page.packages, [])
        self.assertIsNotNone(page.position)
        self.assertEqual(taken([self.poll()]), [101])

    def test_body_to_be_fetched(self) -> None:
        """
        A document without ESI's body still tells the id and the hash, from wherever.
        """
        self.resume(100)
        self.there.on(
            url(100), json_reply({**document(100, NOON), "esi": None, "hash": None})
        )
        (package,) = self.poll().packages
        self.assertEqual((package.esi, package.hash), (None, HASH))

    def test_odd_values(self) -> None:
        """
        A killmail with values of wrong types comes through, to be set aside by id.
        """
        self.resume(100)
        odd = {"killmail_id": "7", "hash": 5, "zkb": [], "esi": 3, "uploaded_at": "x"}
        self.there.on(url(100), json_reply({**document(100, NOON), **odd}))
        (package,) = self.poll().packages
        self.assertEqual((package.killmail_id, package.hash), (None, None))
        self.assertEqual((package.esi, package.zkb), (3, []))


class AbsenceTests(R2Z2Case):
    def test_waits(self) -> None:
        """
        At the end of the sequence no URL is asked for twice within six seconds, nor
        much less often.
        """
        self.resume(100)
        self.point_to(90)
        self.run_for(300)
        for number in (100, 101):
            times = self.there.times(url(number))
            self.assertGreaterEqual(min(gaps(times)), 6.0)
            self.assertLessEqual(max(gaps(times)), 7.5)
        self.assertFalse(self.there.times(url(102)))

    def test_no_haste_after_errors(self) -> None:
        """
        An error beside an absent file does not bring the next try of either forward.
        """
        self.resume(100)
        self.there.on(url("sequence"), Reply(500))
        self.there.on(url(101), Reply(404, delay=3))
        self.run_for(600)
        self.assertGreaterEqual(min(gaps(self.there.times(url(100)))), 6.0)
        self.assertGreaterEqual(min(gaps(self.there.times(url(101)))), 3 + 6.0)

    def test_comes_late(self) -> None:
        """
        What was absent is taken as soon as it is asked for again.
        """
        self.resume(100)
        self.there.on(url(100), GONE, GONE, json_reply(document(100, NOON)))
        self.assertEqual(taken(self.run_for(20)), [100])

    def test_just_missed_one_ahead(self) -> None:
        """
        A number that was looked ahead at is left alone for six seconds as well.
        """
        self.resume(100)
        self.there.on(url(100), GONE, json_reply(document(100, NOON)))
        self.run_for(30)
        times = self.there.times(url(101))
        self.assertGreaterEqual(times[1] - times[0], 6.0)

    def test_passed_over(self) -> None:
        """
        If the next but one is there, it is taken, and the absent one when it comes;
        the absent one is part of the position.
        """
        self.resume(100)
        self.publish([101])
        page = self.poll()
        self.assertEqual(taken([page]), [101])
        self.publish([100, 102])
        self.feed = self.make_feed()
        self.feed.restore(page.position)
        pages = self.run_for(10)
        self.assertEqual(sorted(taken(pages)), [100, 102])
        self.assertEqual([hole for page in pages for hole in page.holes], [])

    def test_asked_again_politely(self) -> None:
        """
        What was passed over is asked for again not before six seconds.
        """
        self.resume(100)
        self.publish(range(101, 130))
        self.run_for(20)
        first, second = self.there.times(url(100))[:2]
        self.assertTrue(6.0 <= second - first <= 15, second - first)

    def test_given_up(self) -> None:
        """
        After two tries or more, and ten minutes at most, it is a hole between the
        uploads around it; what is complete is complete from there.
        """
        self.resume(100, at=NOON - 50)
        self.publish([101], NOON - 20)
        self.point_to(90)
        pages = self.run_for(620)
        (hole,) = [hole for page in pages for hole in page.holes]
        self.assertEqual((hole.feed, hole.first, hole.last), ("r2z2", 100, 100))
        self.assertEqual((hole.since, hole.until), (NOON - 50, NOON - 20))
        tries = self.there.times(url(100))[1:]
        self.assertGreaterEqual(len(tries), 2)
        self.assertLessEqual(tries[-1], NOON + 600)
        (page,) = [page for page in pages if page.holes]
        assert page.position is not None
        self.assertEqual(page.position.since, NOON - 20)
        self.assertNotIn("100", page.position.cursor)

    def test_old_absence_after_a_stop(self) -> None:
        """
        What was passed over before a long stop is tried twice more before it is given
        up.
        """
        cursor = (
            f'{{"next":105,"at":{NOON},'
            f'"missing":[[100,{NOON - 9000},{NOON - 8990},{NOON - 8980}]]}}'
        )
        self.feed.restore(FeedPosition("r2z2", cursor, NOON - 9999))
        self.point_to(90)
        pages = self.run_for(60)
        (hole,) = [hole for page in pages for hole in page.holes]
        self.assertEqual((hole.since, hole.until), (NOON - 9000, NOON - 8990))
        self.assertEqual(len(self.there.times(url(100))), 2)

    def test_pointer(self) -> None:
        """
        After one to two minutes of absence the pointer is asked; if it did not pass
        the number, waiting goes on.
        """
        self.resume(100)
        self.publish([100])
        self.point_to(100)
        pages = self.run_for(600)
        self.assertEqual(taken(pages), [100])
        times = [NOON, *self.there.times(url("sequence"))]
        for gap in gaps(times):
            self.assertTrue(60 <= gap <= 130, gap)
        self.assertGreater(len(times), 4)

    def test_old_pointer(self) -> None:
        """
        A pointer that was never asked for, or long ago, says nothing of the sequence.
        """
        last = 99_243_281
        self.resume(last)
        self.publish_day(last, count=1000)
        self.point_to(last - 51)
        pages = self.run_for(200)
        self.publish(range(last + 1, last + 500))
        pages += self.run_for(200)
        self.assertEqual(taken(pages), list(range(last, last + 500)))
        self.assertEqual(self.feed.status().position, str(last + 500))

    def test_pointer_passed(self) -> None:
        """
        What the pointer passed is passed over one at a time, and asked for again.
        """
        self.resume(100)
        self.point_to(103)
        pages = self.run_for(40)
        self.assertEqual(taken(pages), [])
        last = [page.position for page in pages if page.position is not None][-1]
        self.assertIn('"next":103', last.cursor)
        self.publish([103, 101])
        pages = self.run_for(60)
        self.assertEqual(sorted(taken(pages)), [101, 103])
        self.publish([104], NOON)
        pages = self.run_for(620)
        holes = [hole for page in pages for hole in page.holes]
        self.assertEqual(sorted(hole.first for hole in holes), [100, 102])

    def test_many_absences(self) -> None:
        """
        If every other number is absent, the others go on at the usual pace, and the
        position stays small.
        """
        self.resume(1000)
        self.publish(range(1001, 2000, 2))
        pages = self.run_for(150)
        numbers = [number for number in taken(pages) if number % 2]
        self.assertEqual(numbers[:200], list(range(1001, 1401, 2)))
        self.assertTrue(any(page.holes for page in pages))
        for page in pages:
            if page.position is not None:
                self.assertLess(len(page.position.cursor), 6000)


class JumpTests(R2Z2Case):
    def test_expired(self) -> None:
        """
        If the files at a stored position are gone, the feed goes on at the oldest
        that is there, with one hole for all that is lost.
        """
        self.publish_day(last=30_000, count=17_000)
        self.resume(2000, at=NOON - 200_000)
        pages = self.run_for(60)
        self.assertEqual(taken(pages)[:3], [13_001, 13_002, 13_003])
        (hole,) = [hole for page in pages for hole in page.holes]
        self.assertEqual((hole.first, hole.last), (2000, 13_000))
        self.assertEqual((hole.since, hole.until), (NOON - 200_000, NOON - 16_999 * 5))
        self.assertEqual(self.feed._since, hole.until)
        self.assertLess(len(self.there.times(url("sequence"))), 2)

    def test_expired_and_lacking(self) -> None:
        """
        A file that is absent or unusable alone does not hide the older ones.
        """
        self.publish_day(last=30_000, count=17_000)
        self.there.on(url(30_000 - 256), GONE)
        self.there.on(url(30_000 - 256 + 1 - 512), Reply(200, b"<html>"))
        self.resume(2000, at=NOON - 200_000)
        pages = self.run_for(60)
        for number in (30_000 - 256, 30_000 - 256 + 1 - 512):
            self.assertTrue(self.there.times(url(number)))
        self.assertEqual(taken(pages)[0], 13_001)

    def test_expired_near_the_end(self) -> None:
        """
        After more than a day what is absent is gone, however near the pointer is.
        """
        self.publish_day(last=2200, count=40)
        self.resume(2080, at=NOON - 100_000)
        pages = self.run_for(30)
        self.assertEqual(taken(pages)[0], 2161)
        (hole,) = [hole for page in pages for hole in page.holes]
        self.assertEqual((hole.first, hole.last), (2080, 2160))

    def test_expired_long_ago_but_there(self) -> None:
        """
        Files that are older than a day and still there are taken.
        """
        self.publish_day(last=30_000, count=100)
        self.resume(29_950, at=NOON - 200_000)
        pages = self.run_for(3)
        self.assertEqual(taken(pages)[:2], [29_950, 29_951])

    def test_small_gap(self) -> None:
        """
        A gap of a few numbers far behind the pointer is asked for again, not given up.
        """
        self.publish_day(last=3000, count=900)
        self.resume(2096)
        pages = self.run_for(15)
        self.assertEqual(taken(pages)[:2], [2101, 2102])
        self.assertEqual([hole for page in pages for hole in page.holes], [])
        self.assertTrue(all(self.there.times(url(n)) for n in range(2096, 2101)))
        pages = self.run_for(700)
        holes = [hole for page in pages for hole in page.holes]
        self.assertEqual(sorted(hole.first for hole in holes), list(range(2096, 2101)))

    def test_pointer_of_long_ago(self) -> None:
        """
        If the machine slept while it was behind, the pointer's files are gone too: it
        is asked for again.
        """
        self.publish_day(last=3000, count=900)
        self.resume(2000)
        self.assertEqual(taken([self.poll()]), [2101])
        self.there.scripts.clear()
        self.clock.advance(200_000)
        self.publish_day(last=40_000, count=17_000)
        pages = self.run_for(60)
        self.assertEqual(taken(pages)[0], 23_001)

    def test_sequence_went_back(self) -> None:
        """
        A sequence far behind the position is a new one: the feed begins anew, and says
        from when to when it missed something.
        """
        self.publish_day(last=500, count=400, apart=1)
        self.resume(90_000, at=NOON - 1000)
        pages = self.run_for(30)
        first = taken(pages)[0]
        self.assertTrue(101 <= first <= 101 + 64, first)
        (hole,) = [hole for page in pages for hole in page.holes]
        self.assertEqual((hole.since, hole.until), (NOON - 1000, NOON - 500 + first))


class StartTests(R2Z2Case):
    def test_overlaps(self) -> None:
        """
        A fresh start begins 65 minutes or more before now, in few and polite steps.
        """
        self.publish_day(last=20_000, count=17_000)
        page = self.poll()
        assert page.position is not None
        self.assertLessEqual(page.position.since, NOON - 65 * 60)
        self.assertGreaterEqual(page.position.since, NOON - 4 * 3600)
        first = document(taken([page])[0], 0)["sequence_id"]
        self.assertEqual(page.position.since, NOON - (20_000 - first) * 5)
        self.assertLess(len(self.there.asked), 10)
        times = [asked.at for asked in self.there.asked]
        self.assertGreaterEqual(min(gaps(times)), 0.1)
        self.assertEqual(taken([self.poll()]), [first + 1])

    def test_little_there(self) -> None:
        """
        Where less is there, a fresh start begins near its first file, soon.
        """
        self.publish_day(last=20_000, count=100)
        page = self.poll()
        (first,) = taken([page])
        self.assertTrue(19_901 <= first <= 19_901 + 64, first)
        self.assertLess(self.clock.seconds(), NOON + 8)

    def test_first_of_all(self) -> None:
        """
        It does not go back beyond number 1.
        """
        self.publish_day(last=3, count=3)
        self.assertEqual(taken([self.poll()]), [1])

    def test_pointer_without_file(self) -> None:
        """
        Where the pointer's own file is absent, those below it are tried.
        """
        self.publish_day(last=20_000, count=2000)
        self.there.on(url(20_000), GONE)
        self.assertEqual(len(taken([self.poll()])), 1)

    def test_nothing_there(self) -> None:
        """
        A pointer to nothing is an error, and the next poll begins again.
        """
        self.point_to(20_000)
        self.assertIn("20000", self.fail_poll().reason)
        self.clock.advance(60)
        self.publish_day(last=20_000, count=2000)
        self.assertEqual(len(taken([self.poll()])), 1)

    def test_no_pointer(self) -> None:
        """
        A pointer that cannot be read is an error each time.
        """
        for reply in (
            GONE,
            json_reply([]),
            json_reply({"sequence": "1"}),
            json_reply({"sequence": True}),
            Reply(200, b"<html>"),
            Reply(200, b'{"sequence":NaN}'),
        ):
            self.there.on(url("sequence"), reply)
            self.clock.advance(60)
            self.fail_poll()

    def test_unreadable_position(self) -> None:
        """
        A position that cannot be read is logged, and the feed begins anew.
        """
        for text in ("", "5", "{}", '{"next":0,"at":1,"missing":[]}', '{"next":"5"}'):
            self.feed = self.make_feed()
            self.feed.restore(FeedPosition("r2z2", text, NOON))
            self.publish_day(last=20_000, count=2000)
            self.assertEqual(len(taken([self.poll()])), 1)
            self.clock.advance(10)

    def test_cancelled(self) -> None:
        """
        A start that is cancelled leaves nothing behind and can be made again.
        """
        self.publish_day(last=20_000, count=300)
        for seconds in (0.0, 0.3, 0.8, 1.5):
            outcome = begin(self.feed.poll())
            self.clock.advance(seconds)
            outcome.deferred.cancel()
            self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(taken([self.poll()])), 1)


class FaultTests(R2Z2Case):
    def setUp(self) -> None:
        super().setUp()
        self.resume(100)

    def test_moves_nothing(self) -> None:
        """
        A failed attempt is repeated, and nothing is passed by it.
        """
        good = json_reply(document(100, NOON))
        self.there.on(url(100), Reply(reset=True), Reply(502), Reply(never=True), good)
        self.publish([101])
        self.assertEqual(taken(self.run_for(40)), [100, 101])

    def test_back_off(self) -> None:
        """
        Errors of the server and timeouts are waited for, 1 to 60 seconds, doubling.
        """
        self.there.on(url(100), Reply(500))
        waits = []
        for _ in range(12):
            error = self.fail_poll()
            assert error.retry_after is not None
            waits.append(error.retry_after)
            self.clock.advance(error.retry_after)
        self.assertTrue(1 <= waits[0] <= 1.25 and 2 <= waits[1] <= 2.5, waits)
        self.assertTrue(all(wait <= 75 for wait in waits), waits)
        self.assertGreaterEqual(max(waits), 15)

    def test_forbidden(self) -> None:
        """
        A 403 may be a ban: ten minutes, doubling to an hour.
        """
        self.there.on(url(100), Reply(403, b"banned"))
        for least in (600, 1200, 2400, 3600, 3600):
            error = self.fail_poll()
            assert error.retry_after is not None
            self.assertTrue(least <= error.retry_after <= least * 1.25)
            self.clock.advance(error.retry_after)
        self.publish([100])
        self.poll()
        self.there.on(url(101), Reply(403))
        self.assertLessEqual(self.fail_poll().retry_after or 0, 750)

    def test_too_many_requests(self) -> None:
        """
        A 429 is waited for as long as it says, else 10 to 20 seconds.
        """
        self.there.on(url(100), Reply(429), json_reply({}, 429, Retry_After="33"))
        wait = self.fail_poll().retry_after
        assert wait is not None
        self.assertTrue(10 <= wait <= 20)
        self.clock.advance(wait)
        self.assertEqual(self.fail_poll().retry_after, 33)

    def test_other_statuses(self) -> None:
        """
        A redirect, or a status without a meaning, is an error that moves nothing.
        """
        for status in (204, 301, 302, 304, 400, 401, 410, 418):
            headers = {"Location": "https://evil.example/"}
            self.there.on(url(100), Reply(status, b"", headers))
            self.assertIn(str(status), self.fail_poll().reason)
            self.clock.advance(60)
        self.assertNotIn("https://evil.example/", self.there.urls)
        self.publish([100])
        self.assertEqual(taken([self.poll()]), [100])

    def test_unusable_once(self) -> None:
        """
        HTML with status 200, half a document, another's number: tried again.
        """
        whole = json_reply(document(100, NOON)).body
        for reply in (
            Reply(200, b"<!DOCTYPE html><html>"),
            Reply(200, whole[:-20]),
            Reply(200, whole.replace(b"100}", b"99}")),
            Reply(200, whole.replace(b'"totalValue": 0', b'"totalValue": NaN')),
            Reply(200, b"[]"),
            Reply(200, b""),
            Reply(200, b"x" * (9 << 20)),
        ):
            self.feed = self.make_feed()
            self.resume(100)
            self.there.on(url(100), reply, Reply(200, whole))
            self.fail_poll()
            self.clock.advance(10)
            self.assertEqual(taken([self.poll()]), [100])
            self.clock.advance(10)

    def test_unusable_for_good(self) -> None:
        """
        A document that stays unusable does not stop the feed: it is passed over, and
        a hole in the end.
        """
        self.there.on(url(100), Reply(200, b'{"a":'))
        self.publish([101, 102])
        pages = self.run_for(10)
        self.assertEqual(taken(pages), [101, 102])
        self.point_to(90)
        (hole,) = [hole for page in self.run_for(620) for hole in page.holes]
        self.assertEqual(hole.first, 100)

    def test_broken_for_good(self) -> None:
        """
        Passed-over numbers that alone are broken hold up nothing that follows, and are
        holes in the end, no sooner than absent ones.
        """
        numbers = range(100, 120, 2)
        self.publish(range(101, 120, 2))
        self.point_to(199)
        self.run_for(3)
        for number in numbers:
            self.there.on(url(number), Reply(500))
        self.publish(range(120, 200))
        pages = self.run_for(530)
        self.assertEqual(taken(pages), list(range(120, 200)))
        self.assertEqual(self.feed.status().state, "quiet")
        self.assertEqual([hole for page in pages for hole in page.holes], [])
        holes = [hole for page in self.run_for(120) for hole in page.holes]
        self.assertEqual(sorted(hole.first for hole in holes), [*numbers])
        for number in numbers:
            times = self.there.times(url(number))
            self.assertLessEqual(len(times), 12)
            self.assertGreaterEqual(min(gaps(times)), 6.0)

    def test_broken_for_a_while(self) -> None:
        """
        A passed-over number that is broken for a while is taken when it works again.
        """
        self.there.on(url(100), GONE, Reply(502), Reply(never=True), GONE)
        self.publish([101])
        self.run_for(120)
        self.publish([100])
        self.assertEqual(taken(self.run_for(500)), [100])

    def test_banned_alone(self) -> None:
        """
        So it is with a passed-over number that alone is forbidden, ban after ban.
        """
        self.publish([101])
        self.run_for(1)
        self.there.on(url(100), Reply(403))
        self.publish(range(102, 110))
        self.point_to(90)
        pages = self.run_for(2000)
        self.assertEqual(taken(pages), [*range(102, 110)])
        (hole,) = [hole for page in pages for hole in page.holes]
        self.assertEqual(hole.first, 100)
        for banned in self.there.times(url(100))[1:]:
            following = min(each.at for each in self.there.asked if each.at > banned)
            self.assertGreaterEqual(following - banned, 600)

    def test_outage_gives_nothing_up(self) -> None:
        """
        While everything fails no passed-over number is given up, however long that
        takes; the feed fails and backs off.
        """
        for before in (3, 530):
            self.feed = self.make_feed()
            self.resume(100)
            self.there.scripts.clear()
            self.there.default = GONE
            self.publish(range(101, 120, 2))
            self.run_for(before)
            self.there.scripts.clear()
            self.there.default = Reply(500)
            asked = len(self.there.asked)
            self.assertEqual(self.run_for(7200), [])
            self.assertEqual(self.feed.status().state, "failing")
            self.assertLessEqual(len(self.there.asked) - asked, 7200 / 60 + 20)
            self.there.default = GONE
            self.publish(range(100, 121))
            pages = self.run_for(300)
            self.assertEqual(sorted(taken(pages)), [*range(100, 120, 2), 120])
            self.assertEqual([hole for page in pages for hole in page.holes], [])

    def test_all_unusable(self) -> None:
        """
        Where every document is unusable, nothing is passed over: it is the server.
        """
        self.there.default = Reply(200, b"<html>maintenance")
        self.run_for(600)
        self.there.default = GONE
        self.publish([100, 101])
        self.assertEqual(taken(self.run_for(80))[:2], [100, 101])

    def test_unusable_before_an_absent_one(self) -> None:
        """
        Nor does one that stays unusable where the next one is absent for good.
        """
        self.there.on(url(100), Reply(200, b'{"a":'))
        self.publish([102, 103], NOON)
        self.point_to(103)
        pages = self.run_for(900)
        self.assertEqual(taken(pages), [102, 103])
        holes = [hole for page in pages for hole in page.holes]
        self.assertEqual([hole.first for hole in holes], [100, 101])

    def test_unusable_long_behind(self) -> None:
        """
        So it is where the feed is far behind, but not where all documents are unusable.
        """
        self.publish_day(last=1000, count=890)
        self.there.on(url(105), Reply(200, b'{"a":'))
        self.publish([107, 108, 109], NOON - 4600)
        self.resume(105, at=NOON - 4700)
        self.assertEqual(taken(self.run_for(120))[:2], [107, 108])
        self.feed = self.make_feed()
        self.resume(105, at=NOON - 4700)
        for number in (106, 1000):
            self.there.on(url(number), Reply(200, b"<html>maintenance"))
        self.assertEqual(taken(self.run_for(120)), [])

    def test_unusable_side_by_side(self) -> None:
        """
        Several that stay unusable stop it no more than one, where others can be used.
        """
        for number in (100, 101, 102):
            self.there.on(url(number), Reply(200, b'{"a":'))
        self.publish([103, 104], NOON)
        self.point_to(104)
        pages = self.run_for(1500)
        self.assertEqual(taken(pages), [103, 104])
        holes = [hole for page in pages for hole in page.holes]
        self.assertEqual([hole.first for hole in holes], [100, 101, 102])

    def test_unusable_ahead(self) -> None:
        """
        An unusable document behind an absent one stops the feed no more than others.
        """
        self.there.on(url(101), Reply(200, b"<html>"))
        self.publish([102, 103], NOON)
        self.point_to(103)
        self.assertEqual(taken(self.run_for(200)), [102, 103])


class StatusTests(R2Z2Case):
    def state(self) -> str:
        return self.feed.status().state

    def test_starting(self) -> None:
        """
        Before the first answer it is starting; after two minutes without, failing.
        """
        self.there.default = Reply(500, b"out of order")
        self.assertEqual(self.state(), "starting")
        self.run_for(30)
        self.assertEqual(self.state(), "starting")
        self.run_for(120)
        status = self.feed.status()
        self.assertEqual(status.state, "failing")
        self.assertIsNone(status.last_contact)
        self.assertTrue(status.reason)

    def test_catching_up(self) -> None:
        """
        While it takes what was uploaded before it is catching up, then live.
        """
        self.publish_day(last=20_000, count=2000)
        self.poll()
        self.assertEqual(self.state(), "catching_up")
        self.run_for(400)
        self.publish(range(20_001, 20_100))
        self.run_for(8)
        status = self.feed.status()
        self.assertEqual(status.state, "live")
        self.assertIn("200", status.position)
        self.assertAlmostEqual(status.last_killmail or 0, self.clock.seconds(), delta=9)

    def test_caught_up(self) -> None:
        """
        At the end of the sequence nothing is left to catch up with, however old the
        last file is.
        """
        self.resume(100)
        self.publish([100], NOON - 5000)
        self.point_to(100)
        self.poll()
        self.assertEqual(self.state(), "catching_up")
        self.run_for(5)
        self.assertEqual(self.state(), "live")

    def test_until(self) -> None:
        """
        Where no file is left it has all up to the last one; until now where the pointer
        says so too, which it is asked for once in a while.
        """
        self.publish_day(last=20, count=3)
        self.resume(following=18)
        pages = [self.poll() for _ in range(4)]
        self.assertEqual(taken(pages), [18, 19, 20])
        self.assertEqual([page.until for page in pages], [None, None, None, NOON])
        for _ in range(3):
            said = [page.until or 0.0 for page in self.run_for(130)]
            self.assertGreater(max(said), self.clock.seconds() - 140)

    def test_files_that_are_missing(self) -> None:
        """
        Two that are missing are not the end of what there is: it is still far behind.
        """
        before = NOON - 20 * 3600
        self.publish([20, 23], at=before)
        self.point_to(23)
        self.resume(following=20, at=before)
        pages = [self.poll(), self.poll()]
        self.assertEqual(taken(pages), [20])
        self.assertEqual([page.until for page in pages], [None, before])

    def test_quiet_and_silent(self) -> None:
        """
        Without killmails it is quiet after 2 minutes, silent after 15; the next one
        makes it live again.
        """
        self.resume(100)
        self.publish([100])
        self.point_to(100)
        self.run_for(5)
        self.assertEqual(self.state(), "live")
        self.run_for(125)
        self.assertEqual(self.state(), "quiet")
        self.run_for(780)
        self.assertEqual(self.state(), "silent")
        self.publish([101])
        self.run_for(10)
        self.assertEqual(self.state(), "live")

    def test_failing(self) -> None:
        """
        Without contact it fails after two minutes, says why, and recovers.
        """
        self.resume(100)
        self.publish([100])
        self.run_for(1)
        self.there.on(url(101), Reply(502))
        self.run_for(50)
        self.assertEqual(self.state(), "live")
        self.run_for(140)
        self.assertEqual(self.state(), "failing")
        self.assertIn("r2z2", self.feed.status().reason)
        self.publish([101])
        self.run_for(80)
        self.assertEqual((self.state(), self.feed.status().reason), ("live", ""))
