"""
The live feed that speaks RedisQ's protocol.
"""

from random import Random
from typing import Any

import attrs
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from tests.support.cases import SyncCase
from tests.support.killmails import esi
from tests.support.past import PastCase
from tests.support.upstream import NOON, FakeUpstream, Reply, finish, json_reply
from wanderer_twisted.encoding import loads
from wanderer_twisted.ingest.feeds import FeedService
from wanderer_twisted.interfaces import IKillmailFeed, UpstreamError
from wanderer_twisted.records import FeedPage, FeedPosition
from wanderer_twisted.sources.http import Client
from wanderer_twisted.sources.redisq import RedisQFeed, make_redisq

BASE = "https://q.example/listen.php"
LISTEN = f"{BASE}?queueID=my+queue&ttw=7"
HASH = "d2913bf86b9681d6860f9ac9df63465923144801"
HREF = f"https://esi.evetech.net/v1/killmails/5/{HASH}/"


def object_url(name: object) -> str:
    return f"https://q.example/object.php?objectID={name}"


def redirect(location: str, delay: float = 0.0) -> Reply:
    return Reply(302, b"", {"Location": location}, delay=delay)


def handed(name: object, delay: float = 0.0) -> Reply:
    return redirect(f"/object.php?objectID={name}", delay)


def package(killmail_id: int = 5, **more: Any) -> Reply:
    document = {"killID": killmail_id, "zkb": {"hash": HASH, "href": HREF}, **more}
    return json_reply({"package": document})


class RedisQCase(SyncCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOON
        self.there = FakeUpstream(self.clock)
        self.there.on(LISTEN, handed("null", delay=8.0))
        self.there.on(object_url("null"), json_reply({"package": None}))
        self.there.on(object_url(5), package(5))
        self.feed = self.make_feed()

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [], "a timer is left behind")

    def make_feed(self, queue_id: str = "my queue") -> RedisQFeed:
        client = Client(self.there, self.clock)
        return make_redisq(client, self.clock, BASE, queue_id, ttw=7, random=Random(1))

    def poll(self) -> FeedPage:
        page = finish(self.clock, self.feed.poll())
        self.clock.advance(page.pause)
        return page

    def fail_poll(self) -> UpstreamError:
        try:
            page = self.poll()
        except UpstreamError as error:
            assert error.retry_after is not None
            self.clock.advance(error.retry_after)
            return error
        raise AssertionError(f"no failure but {page}")

    def run_for(self, seconds: float) -> list[FeedPage]:
        end, pages = self.clock.seconds() + seconds, []
        while self.clock.seconds() < end:
            try:
                pages.append(self.poll())
            except UpstreamError as error:
                assert error.retry_after is not None
                self.clock.advance(error.retry_after)
        return pages


class QueueTests(RedisQCase):
    def test_provides(self) -> None:
        """
        It is a feed, and nothing is asked for while a page waits for the store.
        """
        self.assertTrue(verifyObject(IKillmailFeed, self.feed))
        self.assertEqual(self.feed.window, 0)

    def test_follows_to_its_own_host(self) -> None:
        """
        What the queue hands out is fetched where it says, on the same server.
        """
        for location in (
            "/object.php?objectID=5",
            "object.php?objectID=5",
            "https://q.example/object.php?objectID=5",
            "https://q.example:443/object.php?objectID=5",
        ):
            self.there.on(LISTEN, redirect(location, delay=1.0))
            self.there.on("https://q.example:443/object.php?objectID=5", package())
            self.assertEqual(self.poll().packages, ())
            (found,) = self.poll().packages
            self.assertEqual(found.killmail_id, 5)

    def test_follows_nowhere_else(self) -> None:
        """
        Another host, port or scheme, or no URL at all, is an error; nobody is asked.
        """
        for location in (
            "https://evil.example/object.php?objectID=5",
            "//127.0.0.1/object.php",
            "https://q.example:8443/object.php",
            "http://q.example/object.php",
            "https://q.example:x/object.php",
            "https://q.example@evil.example/",
            "file:///etc/passwd",
            "https://[",
            "",
        ):
            self.there.on(LISTEN, redirect(location))
            self.fail_poll()
        self.assertEqual(set(self.there.urls), {LISTEN})

    def test_null_package(self) -> None:
        """
        An empty queue is asked again at once: the server does the waiting.
        """
        self.run_for(80)
        times = self.there.times(LISTEN)
        self.assertEqual(len(times), 10)

    def test_impatient_server(self) -> None:
        """
        A server that does not wait is asked no more than once a second.
        """
        self.there.on(LISTEN, handed("null"))
        self.run_for(10)
        self.assertLessEqual(len(self.there.times(LISTEN)), 11)

    def test_pace(self) -> None:
        """
        No more than two requests a second, however full the queue.
        """
        self.there.on(LISTEN, handed(5))
        self.run_for(10)
        self.assertLessEqual(len(self.there.asked), 21)
        self.assertGreaterEqual(len(self.there.asked), 19)

    def test_packages(self) -> None:
        """
        A package comes with or without a body, its hash in the block or its link.
        """
        esi = {"killmail_id": 5}
        for zkb, killmail, hash in (
            ({"hash": HASH}, esi, HASH),
            ({"href": HREF}, None, HASH),
            ({"hash": 5, "href": HREF}, None, HASH),
            ({"href": "https://esi.evetech.net/killmails///"}, None, None),
            ([], None, None),
        ):
            self.there.on(LISTEN, handed(5))
            self.there.on(object_url(5), package(5, zkb=zkb, killmail=killmail))
            self.poll()
            (found,) = self.poll().packages
            self.assertEqual(
                (found.killmail_id, found.esi, found.hash, found.zkb),
                (5, killmail, hash, zkb),
            )

    def test_old_server(self) -> None:
        """
        A server of the old kind answers at once, without a redirect.
        """
        self.there.on(LISTEN, package(5, killmail={"killmail_id": 5}))
        (found,) = self.poll().packages
        self.assertEqual(found.killmail_id, 5)

    def test_handed_out_once(self) -> None:
        """
        The queue forgets what it hands out: a package whose fetching fails is fetched
        again, and the queue is not asked meanwhile.
        """
        self.there.on(LISTEN, handed(5))
        self.there.on(
            object_url(5), Reply(503), Reply(reset=True), Reply(never=True), package()
        )
        self.poll()
        for _ in range(3):
            self.fail_poll()
        self.assertEqual(len(self.poll().packages), 1)
        self.assertEqual(len(self.there.times(LISTEN)), 1)

    def test_lost_package(self) -> None:
        """
        A package that is gone, or stays unusable, is told as a hole since the queue was
        last seen empty, and the queue goes on.
        """
        for reply in (
            Reply(404),
            Reply(200, b"<html>"),
            json_reply({"package": 5}),
            json_reply([]),
            Reply(200, b'{"package":{"killID":NaN}}'),
            Reply(500),
        ):
            self.feed = self.make_feed()
            self.there.on(LISTEN, handed("null", delay=8.0), handed(6))
            self.poll(), self.poll()
            empty = self.there.times(LISTEN)[-1]
            self.there.on(object_url(6), reply)
            pages = self.run_for(400)
            holes = [hole for page in pages for hole in page.holes]
            self.assertEqual((holes[0].first, holes[0].last), (0, 0))
            # The queue began empty, when its first answer came.
            self.assertEqual(holes[0].since, empty + 8.0)
            self.assertGreater(holes[0].until, holes[0].since)


class InterruptionTests(RedisQCase):
    def position(self, pages: list[FeedPage]) -> FeedPosition:
        return [page.position for page in pages if page.position is not None][-1]

    def test_since(self) -> None:
        """
        A new queue is complete from its first answer; its position is told each minute
        though nothing comes.
        """
        pages = self.run_for(600)
        positions = [page.position for page in pages if page.position is not None]
        self.assertEqual({position.since for position in positions}, {NOON + 8})
        self.assertTrue(9 <= len(positions) <= 11, len(positions))

    def test_short_interruption(self) -> None:
        """
        A queue that waited for us for less than three hours lost nothing.
        """
        position = self.position(self.run_for(600))
        self.clock.advance(3 * 3600 - 120)
        self.feed = self.make_feed()
        self.feed.restore(position)
        pages = self.run_for(100)
        self.assertEqual([hole for page in pages for hole in page.holes], [])
        self.assertEqual(self.position(pages).since, NOON + 8)

    def test_long_interruption(self) -> None:
        """
        After more than three hours the queue is another one: a hole by times, and
        complete anew from here.
        """
        position = self.position(self.run_for(600))
        self.clock.advance(3 * 3600 + 60)
        self.feed = self.make_feed()
        self.feed.restore(position)
        pages = self.run_for(100)
        (hole,) = [hole for page in pages for hole in page.holes]
        self.assertEqual((hole.first, hole.last), (0, 0))
        self.assertTrue(NOON + 480 <= hole.since <= NOON + 600, hole.since - NOON)
        self.assertEqual(self.position(pages).since, hole.until)

    def test_begins_when_it_is_asked(self) -> None:
        """
        The three hours begin when the queue was asked the last time, not with its
        answer.
        """
        position = self.position([self.poll()])
        asked = self.there.times(LISTEN)[-1]
        self.clock.rightNow = asked + 3 * 3600 + 1
        self.feed = self.make_feed()
        self.feed.restore(position)
        self.there.on(LISTEN, handed("null"))
        pages = self.run_for(3)
        self.assertEqual(len([hole for page in pages for hole in page.holes]), 1)

    def test_another_queue(self) -> None:
        """
        So it is where the settings name another one: that has nothing of before.
        """
        position = self.position(self.run_for(600))
        self.there.on(LISTEN.replace("my+", "your+"), handed("null", delay=8.0))
        self.feed = self.make_feed("your queue")
        self.feed.restore(position)
        pages = self.run_for(100)
        (hole,) = [hole for page in pages for hole in page.holes]
        self.assertTrue(NOON + 480 <= hole.since <= NOON + 600, hole.since - NOON)
        self.assertEqual(self.position(pages).since, hole.until)
        self.assertNotIn("your queue", self.position(pages).cursor)

    def test_restored(self) -> None:
        """
        And where an operator says that a back-up knows nothing of what came since.
        """
        position = self.position(self.run_for(600))
        listened = loads(position.cursor.encode())["listened"]
        cursor = position.cursor.replace(str(listened), "0")
        self.feed = self.make_feed()
        self.feed.restore(attrs.evolve(position, cursor=cursor))
        pages = self.run_for(100)
        self.assertEqual(len([hole for page in pages for hole in page.holes]), 1)

    def test_long_failure(self) -> None:
        """
        The same holds for a server that was away so long while we ran.
        """
        self.run_for(60)
        self.there.on(LISTEN, Reply(503))
        self.run_for(3 * 3600 + 120)
        self.there.on(LISTEN, handed("null", delay=8.0))
        pages = self.run_for(200)
        self.assertEqual(len([hole for page in pages for hole in page.holes]), 1)

    def test_handed_out_before_a_stop(self) -> None:
        """
        What the queue handed out is told with the position before it is fetched: after
        a stop it is fetched first, and only once.
        """
        null = handed("null", delay=8.0)
        self.there.on(LISTEN, null, handed(5), null)
        self.poll(), self.poll()
        position = self.position([self.poll()])
        self.feed = self.make_feed()
        self.feed.restore(position)
        page = self.poll()
        (found,) = page.packages
        self.assertEqual(found.killmail_id, 5)
        self.assertEqual(len(self.there.times(LISTEN)), 2)
        self.feed = self.make_feed()
        self.feed.restore(page.position)
        self.run_for(20)
        self.assertEqual(len(self.there.times(object_url(5))), 1)

    def test_handed_out_long_before(self) -> None:
        """
        If its document is gone after the stop, that is a hole since the queue was last
        seen to be empty.
        """
        null = handed("null", delay=8.0)
        self.there.on(LISTEN, null, handed(5), null)
        position = self.position([self.poll() for _ in range(3)])
        self.clock.advance(2 * 3600)
        self.there.on(object_url(5), Reply(404))
        self.feed = self.make_feed()
        self.feed.restore(position)
        pages = self.run_for(60)
        (hole,) = [hole for page in pages for hole in page.holes]
        self.assertEqual(hole.since, NOON + 8)
        self.assertEqual(self.position(pages).since, hole.until)

    def test_position_of_an_older_version(self) -> None:
        """
        A position that does not say what was handed out is one where nothing was.
        """
        cursor = f'{{"listened":{NOON - 60},"empty":{NOON - 60}}}'
        self.feed.restore(FeedPosition("redisq", cursor, NOON - 9000))
        pages = self.run_for(20)
        self.assertEqual(self.position(pages).since, NOON - 9000)

    def assert_until(self, page: FeedPage) -> None:
        """
        It says when the queue was asked the last time, but for the wait at our side.
        """
        assert page.until is not None
        wait = self.there.times(LISTEN)[-1] - page.until
        self.assertTrue(0 <= wait < 1, wait)

    def test_until(self) -> None:
        """
        It has all that was queued before it last found the queue empty, as its position
        says too; what the queue hands out afterwards may be of any age.
        """
        pages = [self.poll() for _ in range(4)]
        self.assert_until(pages[-1])
        position = self.position(self.run_for(100))
        empty = self.there.times(LISTEN)[-1]
        self.clock.advance(3600)
        self.feed = self.make_feed()
        self.feed.restore(position)
        self.there.on(LISTEN, handed(5))
        for page in [self.poll() for _ in range(4)]:
            assert page.until is not None
            self.assertLessEqual(page.until, empty)
        self.there.on(LISTEN, handed("null", delay=8.0))
        last = self.run_for(20)[-1]
        assert last.until is not None
        self.assertGreater(last.until, empty + 3600)

    def test_unreadable_position(self) -> None:
        """
        A position that cannot be read is logged, and the feed begins anew.
        """
        for text in (
            "",
            "[]",
            '{"listened":"x","empty":1}',
            '{"listened":1,"empty":1,"handed":5}',
            "5",
        ):
            self.feed = self.make_feed()
            self.feed.restore(FeedPosition("redisq", text, 5.0))
            position = self.position(self.run_for(20))
            self.assertGreaterEqual(position.since, NOON)


class StopTests(PastCase):
    def setUp(self) -> None:
        super().setUp()
        self.there = FakeUpstream(self.clock)
        null = handed("null", delay=8.0)
        self.there.on(LISTEN, null, handed(5, delay=0.2), null)
        self.there.on(object_url("null"), json_reply({"package": None}))
        self.there.on(object_url(5), package(5, killmail=esi(5)))

    def start(self) -> FeedService:
        client = Client(self.there, self.clock)
        feed = make_redisq(client, self.clock, BASE, "my queue", 7, random=Random(1))
        service = FeedService(self.clock, feed, self.intake, self.store)
        service.startService()
        return service

    def hand_out(self) -> FeedService:
        """
        Run until the queue, once empty, has handed out a killmail.
        """
        service = self.start()
        self.clock.pump([0.1] * 91)
        self.assertEqual(self.there.urls, [LISTEN, object_url("null"), LISTEN])
        return service

    def stop(self, service: FeedService) -> None:
        """
        There is nothing to wait for.
        """
        self.successResultOf(service.stopService())

    def stop_late(self, service: FeedService) -> None:
        """
        The queue is being asked.
        """
        stopping = service.stopService()
        self.clock.pump([0.1] * 101)
        self.successResultOf(stopping)

    def test_handed_out(self) -> None:
        """
        What the queue handed out just before a stop is stored after the next start.
        """
        self.stop(self.hand_out())
        self.assertEqual(self.stored([5]), {})
        service = self.start()
        self.clock.pump([0.1] * 100)
        self.assertEqual([*self.stored([5])], [5])
        self.assertEqual(self.there.urls[3:5], [object_url(5), LISTEN])
        self.assertEqual(len(self.there.times(object_url(5))), 1)
        self.stop_late(service)

    def test_being_fetched(self) -> None:
        """
        So is what was being fetched, and what was to be fetched again.
        """
        whole = package(5, killmail=esi(5))
        self.there.on(object_url(5), Reply(never=True), Reply(500), whole)
        service = self.hand_out()
        for asked in (1, 2):
            self.clock.pump([0.1] * 5)
            self.stop(service)
            self.assertEqual(self.there.urls[3:], [object_url(5)] * asked)
            service = self.start()
        self.clock.pump([0.1] * 30)
        self.assertEqual([*self.stored([5])], [5])
        self.assertEqual(len(self.there.times(object_url(5))), 3)
        self.stop_late(service)

    def test_asked(self) -> None:
        """
        A queue that was asked is heard out: what it takes out meanwhile would be lost.
        """
        self.there.on(LISTEN, handed(5, delay=6.0))
        service = self.start()
        self.clock.advance(0.1)
        stopping = service.stopService()
        self.clock.pump([0.1] * 58)
        self.assertNoResult(stopping)
        self.clock.pump([0.1] * 2)
        self.successResultOf(stopping)
        self.assertEqual(self.there.urls, [LISTEN])
        service = self.start()
        self.clock.pump([0.1] * 10)
        self.assertEqual([*self.stored([5])], [5])
        self.stop_late(service)

    def test_silent(self) -> None:
        """
        But not for longer than it may take.
        """
        self.there.on(LISTEN, Reply(never=True))
        service = self.start()
        self.clock.advance(0.1)
        stopping = service.stopService()
        self.clock.advance(9.8)
        self.assertNoResult(stopping)
        self.clock.advance(0.2)
        self.successResultOf(stopping)
        (asked,) = self.there.asked
        self.assertTrue(asked.closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_refused(self) -> None:
        """
        Nor is it asked again where it gives nothing.
        """
        self.there.on(LISTEN, Reply(503, delay=1.0))
        service = self.start()
        self.clock.advance(0.1)
        stopping = service.stopService()
        self.clock.advance(1.0)
        self.successResultOf(stopping)
        self.assertEqual(self.there.urls, [LISTEN])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class RefusalTests(RedisQCase):
    def refused(self, *replies: Reply) -> list[UpstreamError]:
        self.there.on(LISTEN, *replies)
        return [self.fail_poll() for _ in replies]

    def test_locked(self) -> None:
        """
        A 429 is waited for 10 to 20 seconds, or as long as it says, and says what it
        may mean.
        """
        first, second = self.refused(Reply(429), json_reply({}, 429, Retry_After="40"))
        assert first.retry_after is not None
        self.assertTrue(10 <= first.retry_after <= 20)
        self.assertEqual(second.retry_after, 40)
        self.assertIn("another listener", first.reason)

    def test_forbidden(self) -> None:
        """
        A 403 is waited for from ten minutes to an hour, and its message is passed on.
        """
        denied = json_reply({"access": "denied!", "message": "shutting down"}, 403)
        errors = self.refused(*[denied] * 4)
        for error, least in zip(errors, (600, 1200, 2400, 3600), strict=True):
            assert error.retry_after is not None
            self.assertTrue(least <= error.retry_after <= 1.25 * least)
            self.assertIn("shutting down", error.reason)

    def test_misconfigured(self) -> None:
        """
        A 400 or a 404 is our own mistake: it is said, and asked again rarely.
        """
        bad, nowhere = self.refused(Reply(400), Reply(404))
        self.assertEqual((bad.retry_after, nowhere.retry_after), (600, 600))
        self.assertIn("queueID", bad.reason)
        self.assertIn("no such listener", nowhere.reason)

    def test_broken(self) -> None:
        """
        A 503, silence, HTML: waited for from a second to a minute.
        """
        for reply in (Reply(503), Reply(never=True), Reply(200, b"<html>")):
            self.feed = self.make_feed()
            waits = [error.retry_after or 0 for error in self.refused(*[reply] * 10)]
            self.assertLessEqual(waits[0], 1.25)
            self.assertTrue(30 <= max(waits) <= 75, waits)

    def test_status(self) -> None:
        """
        It fails after two minutes without an answer, and is live with the next.
        """
        self.assertEqual(self.feed.status().state, "starting")
        self.run_for(20)
        self.assertEqual(self.feed.status().state, "live")
        self.run_for(130)
        self.assertEqual(self.feed.status().state, "quiet")
        self.there.on(LISTEN, Reply(503))
        self.run_for(150)
        self.assertEqual(self.feed.status().state, "failing")
        self.assertIn("503", self.feed.status().reason)
        self.there.on(LISTEN, handed(5))
        self.run_for(80)
        self.assertEqual(self.feed.status().state, "live")

    def test_status_tells_no_queue(self) -> None:
        """
        Everybody may read a status, and who knows the queue can empty it: it tells only
        when the queue was last seen empty, also where the server sends us elsewhere.
        """
        self.assertEqual(self.feed.status().position, "")
        self.run_for(20)
        self.assertEqual(self.feed.status().position, "2026-11-23T15:00:08.000Z")
        self.feed = self.make_feed()
        there = "https://elsewhere.example/listen.php"
        (error,) = self.refused(redirect(f"{there}?queueID=my+queue&ttw=7"))
        self.assertIn(there, error.reason)
        self.assertNotIn("queue", str(self.feed.status()))
