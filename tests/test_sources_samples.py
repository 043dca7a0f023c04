"""
What the real services sent, through the sources and into killmails.
"""

from pathlib import Path
from random import Random

from twisted.internet.task import Clock

from tests.support.cases import SyncCase
from tests.support.upstream import NOON, FakeUpstream, Reply, finish
from wanderer_twisted.killmail import decode
from wanderer_twisted.records import FeedPosition
from wanderer_twisted.sources.http import Client
from wanderer_twisted.sources.r2z2 import make_r2z2
from wanderer_twisted.sources.redisq import make_redisq
from wanderer_twisted.sources.zkillboard import make_zkillboard

DATA = Path(__file__).parent / "data" / "sources"


class SampleTests(SyncCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOON
        self.there = FakeUpstream(self.clock)
        self.client = Client(self.there, self.clock)

    def give(self, url: str, name: str) -> None:
        self.there.on(url, Reply(200, (DATA / name).read_bytes()))

    def test_r2z2(self) -> None:
        """
        A document of R2Z2 is a killmail with its value and hash.
        """
        feed = make_r2z2(self.client, self.clock, "https://r", random=Random(1))
        cursor = '{"next":96695606,"at":1774949000,"missing":[]}'
        feed.restore(FeedPosition("r2z2", cursor, 1.0))
        self.give("https://r/ephemeral/96695606.json", "ephemeral_96695606.json")
        page = finish(self.clock, feed.poll())
        (package,) = page.packages
        killmail = decode(package.esi, package.zkb, package.hash)
        self.assertEqual((killmail.killmail_id, killmail.value), (134398778, 16107.17))
        self.assertEqual(killmail.hash, "6b9681d6860f9ac9df634659231448017c977edb")
        assert page.position is not None
        self.assertIn("96695607", page.position.cursor)

    def test_r2z2_placeholder(self) -> None:
        """
        The placeholder that production had is passed.
        """
        feed = make_r2z2(self.client, self.clock, "https://r", random=Random(1))
        cursor = '{"next":96203634,"at":1772304300,"missing":[]}'
        feed.restore(FeedPosition("r2z2", cursor, 1.0))
        self.give(
            "https://r/ephemeral/96203634.json",
            "ephemeral_96203634_null_placeholder.json",
        )
        page = finish(self.clock, feed.poll())
        self.assertEqual(page.packages, [])
        assert page.position is not None
        self.assertIn("96203635", page.position.cursor)

    def test_redisq(self) -> None:
        """
        A body of RedisQ, from when it had the killmail in it, is a killmail.
        """
        feed = make_redisq(self.client, self.clock, "https://q/listen.php", "q")
        self.give("https://q/listen.php?queueID=q&ttw=10", "redisq_119455394.json")
        (package,) = finish(self.clock, feed.poll()).packages
        killmail = decode(package.esi, package.zkb, package.hash)
        self.assertEqual(killmail.killmail_id, 119455394)
        self.assertEqual(killmail.value, 142572993.92)

    def test_zkillboard(self) -> None:
        """
        Rows without bodies give the ids and hashes to fetch them by.
        """
        listings = make_zkillboard(self.client, self.clock, "https://z/api", 1.0)
        self.give("https://z/api/systemID/9/", "zkillboard_2019_without_bodies.json")
        page = finish(self.clock, listings.page("system", 9, 1, None))
        self.assertEqual(len(page.packages), 5)
        for package in page.packages:
            self.assertIsNone(package.esi)
            self.assertEqual(package.zkb["hash"], package.hash)
        self.assertEqual(page.packages[0].killmail_id, 78879321)
