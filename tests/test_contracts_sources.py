"""
The real sources over the simulator, and the fakes, against the same contracts.
"""

from collections import deque
from collections.abc import Collection, Sequence
from hashlib import sha1
from random import Random
from typing import Any

import attrs
from twisted.internet.task import Clock

from tests.support import archive_contract, contracts
from tests.support.archive_contract import DAYS
from tests.support.backfill import PastArchive
from tests.support.contracts import NOON, TROUBLES, Simulated
from tests.support.killmails import DAY, esi
from tests.support.past import FakeBodies, FakeFeed, FakeListings, FakeNames, package
from wanderer_twisted.days import start_of
from wanderer_twisted.encoding import dumps
from wanderer_twisted.interfaces import (
    IArchiveSource,
    IBodySource,
    IKillmailFeed,
    IListingSource,
    INameSource,
    UpstreamError,
)
from wanderer_twisted.partition import Kind
from wanderer_twisted.records import FeedPage, FeedPosition
from wanderer_twisted.simulator.faults import Fault
from wanderer_twisted.sources.archive import make_archive
from wanderer_twisted.sources.esi import Esi, make_esi
from wanderer_twisted.sources.r2z2 import make_r2z2
from wanderer_twisted.sources.redisq import make_redisq
from wanderer_twisted.sources.zkillboard import make_zkillboard

HOST = "http://simulator.example"
DOWN = UpstreamError("down", 30.0)


def documents(days: Collection[float]) -> list[dict[str, Any]]:
    """
    Killmails with ids in the order of their times, their hashes made of their ids.
    """
    return [
        {
            **esi(100 + n, NOON - int(each * DAY)),
            "killmail_hash": sha1(b"%d" % n).hexdigest(),
        }
        for n, each in enumerate(sorted(days, reverse=True))
    ]


class SimulatedFeed:
    """
    A feed over the simulator.
    """

    service: str
    # What cuts an answer short belongs to the feeds' own tests: RedisQ forgets then.
    troubles: Sequence[Any] = tuple(
        attrs.evolve(each, count=1)
        for each in TROUBLES
        if each.kind not in ("truncate", "cut", "bad_gzip")
    )
    clock: Clock

    def setUp(self) -> None:
        self.simulated = Simulated(documents([0.1, 0.2, 0.3]))
        self.clock = self.simulated.clock

    def publish(self, count: int) -> list[int]:
        return [each.killmail_id for each in self.simulated.world.play(count)]

    def trouble(self, what: Fault) -> None:
        self.simulated.world.faults.add(attrs.evolve(what, service=self.service))


class R2Z2Test(SimulatedFeed, contracts.FeedContract):
    """
    R2Z2's feed.
    """

    service = "r2z2"

    def make_feed(self) -> IKillmailFeed:
        client = self.simulated.client()
        return make_r2z2(client, self.clock, f"{HOST}/r2z2", random=Random(1))


class RedisQTest(SimulatedFeed, contracts.FeedContract):
    """
    RedisQ's feed.
    """

    service = "redisq"

    def make_feed(self) -> IKillmailFeed:
        client, url = self.simulated.client(), f"{HOST}/redisq/listen.php"
        return make_redisq(client, self.clock, url, "tests", random=Random(1))


class FakeFeedTest(contracts.FeedContract):
    """
    The fake, over a queue that forgets what it hands out.
    """

    troubles = (DOWN,)

    def setUp(self) -> None:
        self.clock = Clock()
        self.queue: deque[FeedPage | Exception] = deque()
        self.published = 0

    def make_feed(self) -> IKillmailFeed:
        feed = FakeFeed()
        feed.pages = self.queue
        return feed

    def publish(self, count: int) -> list[int]:
        first = self.published + 1
        self.published += count
        ids = list(range(first, self.published + 1))
        for each in ids:
            position = FeedPosition("fake", str(each), 0.0)
            self.queue.append(FeedPage([package(each)], position))
        return ids

    def trouble(self, what: UpstreamError) -> None:
        self.queue.append(what)


class ZkillboardTest(contracts.ListingContract):
    """
    zKillboard's lists.
    """

    troubles = (*TROUBLES, contracts.status(404), Fault("null", count=None))

    def make_source(self, kind: Kind, owner: int, days: Collection[int]) -> Any:
        self.simulated = Simulated(documents(days))
        self.clock = self.simulated.clock
        self.clock.advance(600)  # the newest is not listed for five minutes
        return make_zkillboard(
            self.simulated.client(), self.clock, f"{HOST}/zkb/api", 5.0
        )

    def trouble(self, what: Fault) -> IListingSource:
        source: IListingSource = self.make_source("character", 90000001, [1])
        self.simulated.world.faults.add(what)
        return source


class FakeListingsTest(contracts.ListingContract):
    """
    The fake, with pages of zKillboard's size.
    """

    troubles = (DOWN,)

    def make_source(self, kind: Kind, owner: int, days: Collection[int]) -> Any:
        clock = self.clock = Clock()
        clock.rightNow = float(NOON)
        source = FakeListings(clock, size=200)
        packages = [package(1000 - each, NOON - each * DAY) for each in days]
        source.add(kind, owner, packages)
        return source

    def trouble(self, what: UpstreamError) -> IListingSource:
        source: FakeListings = self.make_source("character", 90000001, [1])
        source.errors.append(what)
        return source


class EsiCase:
    """
    ESI over the simulator.
    """

    clock: Clock

    def make_source(self) -> Esi:
        self.simulated = Simulated(documents([1]))
        self.clock = self.simulated.clock
        self.simulated.world.names.unknown.add(3001)
        return make_esi(
            self.simulated.client(), self.clock, f"{HOST}/esi", "2026-11-01"
        )

    def trouble(self, what: Fault) -> Esi:
        source = self.make_source()
        self.simulated.world.faults.add(what)
        return source


class EsiBodiesTest(EsiCase, contracts.BodyContract):
    """
    ESI's killmails.
    """

    held = (100, sha1(b"0").hexdigest())
    troubles = (
        *TROUBLES,
        contracts.status(400),
        contracts.status(420),
        Fault("null", count=None),
    )


class FakeBodiesTest(contracts.BodyContract):
    """
    The fake.
    """

    held = (1, "ab" * 20)
    troubles = (DOWN,)

    def make_source(self) -> IBodySource:
        self.clock = Clock()
        source = FakeBodies()
        source.bodies[1] = esi(1)
        return source

    def trouble(self, what: UpstreamError) -> IBodySource:
        source = FakeBodies()
        source.errors[1] = [what]
        self.clock = Clock()
        return source


class EsiNamesTest(EsiCase, contracts.NameContract):
    """
    ESI's names.
    """

    troubles = (*TROUBLES, contracts.status(420), Fault("null", count=None))

    def make_faltering(self) -> INameSource:
        source = self.make_source()
        faults = self.simulated.world.faults
        self.clock.callLater(0.1, faults.add, contracts.status(503))
        return source


class FakeNamesTest(contracts.NameContract):
    """
    The fake.
    """

    troubles = (DOWN,)

    def make_source(self) -> FakeNames:
        self.clock = Clock()
        source = FakeNames()
        source.known = {each: f"name {each}" for each in self.KNOWN}
        return source

    def make_faltering(self) -> INameSource:
        source = self.make_source()
        source.silent = set(range(1001, 1501))
        return source

    def trouble(self, what: UpstreamError) -> INameSource:
        source = self.make_source()
        source.error = what
        return source


class ArchiveTest(archive_contract.ArchiveContract):
    """
    The archive's files.
    """

    # Whether a file with bodies is one is found out when it is read.
    troubles = tuple(each for each in TROUBLES if each.kind not in ("cut", "html"))
    document_troubles = (
        Fault("cut", count=None),
        Fault("html", count=None),
        Fault("null", count=None),
        Fault("huge", count=None),
    )

    def make_source(self) -> IArchiveSource:
        times = [(id, start_of(day) + id) for day, ids in DAYS.items() for id in ids]
        newest = (999, NOON - 60)  # so that the simulator moves no other
        bodies = [esi(id, time) for id, time in (*times, newest)]
        self.simulated = Simulated(bodies)
        self.clock = self.simulated.clock
        client, url = self.simulated.client(), f"{HOST}/r2z2/history"
        return make_archive(client, self.clock, url)

    def trouble(self, what: Fault) -> IArchiveSource:
        source = self.make_source()
        self.simulated.world.faults.add(what)
        return source


class PastArchiveTest(archive_contract.ArchiveContract):
    """
    The fake.
    """

    troubles = (DOWN,)
    document_troubles = ()

    def make_source(self) -> PastArchive:
        self.clock = Clock()
        self.clock.rightNow = float(NOON)
        source = PastArchive(self.clock)
        for day, ids in DAYS.items():
            source.lists[day] = dict.fromkeys(ids, "ab" * 20)
            bodies = {id: esi(id, start_of(day) + id) for id in ids}
            source.files[day] = dumps(bodies)
        return source

    def trouble(self, what: UpstreamError) -> IArchiveSource:
        source = self.make_source()
        for each in ("totals", "listing", "bodies"):
            source.errors[each] = deque([what])
        return source
