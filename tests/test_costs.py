"""
What the hot paths cost, counted and not timed: a generous bound on each, so that nobody
makes one dear without noticing.
"""

import gc
import tracemalloc
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from bench.nowhere import Nowhere
from tests.support.cases import SyncCase
from tests.support.counting import opcodes
from tests.support.killmails import START, entry
from tests.support.store import make_store, temporary_path
from tests.support.web import Public
from tests.test_session import ReadyHistory
from wanderer_twisted.frames import Event, Frame
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import Change, Commit
from wanderer_twisted.stream.hub import Hub
from wanderer_twisted.stream.opening import Wish


class HubCosts(SyncCase):
    """
    From a commit to the transports.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        self.store = make_store(temporary_path(self), self.clock)
        self.addCleanup(self.store.close)
        self.hub = self.new_hub()
        self.commits: list[Commit] = []
        self.store.listen(self.commits.append)
        self.successResultOf(
            self.store.commit(Change([entry(7, victim=1)], announce=True))
        )

    def new_hub(self) -> Hub:
        hub = Hub(self.clock, self.store, ReadyHistory(), lambda: None)
        self.addCleanup(self.close_all, hub)
        return hub

    def close_all(self, hub: Hub) -> None:
        for session in hub.sessions:
            session.close("gone")

    def open(self, hub: Hub, count: int, *ids: int) -> list[Nowhere]:
        transports = [Nowhere() for _ in range(count)]
        for number, transport in enumerate(transports):
            wanted = Filter(character_ids=[id + number for id in ids])
            opened = hub.open(Wish(wanted), transport)
            self.successResultOf(Deferred.fromCoroutine(opened))
        return transports

    def publishing(self, hub: Hub) -> int:
        (commit,) = self.commits
        hub.published = 0  # the same commit again, as if it were new
        for session in hub.sessions:
            session.seq = 0
        return opcodes(lambda: hub.publish(commit))

    def test_a_delivery(self) -> None:
        """
        A killmail for one more stream: some seventy instructions.
        """
        few, many = self.new_hub(), self.new_hub()
        self.open(few, 100)
        transports = self.open(many, 300)
        each = (self.publishing(many) - self.publishing(few)) / 200
        self.assertEqual({transport.sent for transport in transports}, {2})
        self.assertLess(each, 100)

    def test_no_match(self) -> None:
        """
        A killmail costs the same however many streams it does not concern.
        """
        few, many = self.new_hub(), self.new_hub()
        for hub, count in ((few, 10), (many, 1000)):
            self.open(hub, count, 1_000, 5_000)
        self.publishing(few)  # what is made once is made
        self.assertEqual(self.publishing(few), self.publishing(many))

    def test_heartbeats(self) -> None:
        """
        A heartbeat is made once for all that fall into one second.
        """
        self.open(self.hub, 300)
        cost = opcodes(lambda: self.clock.advance(30)) / 300
        self.assertEqual(self.hub.frames["heartbeat"], 300)
        self.assertLess(cost, 210)

    def test_memory(self) -> None:
        """
        A stream that follows fifty ids of its own: what of it is Python's, connection
        apart, is under 8 KB.
        """
        self.open(self.hub, 50, *range(10_000, 60_000, 1_000))
        gc.collect()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before, _ = tracemalloc.get_traced_memory()
        self.open(self.hub, 1000, *range(10_000_000, 60_000_000, 1_000_000))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        self.assertLess((after - before) / 1000, 8_000)


class Sink:
    """
    A socket that takes everything.
    """

    def send(self, data: bytes) -> int:
        return len(data)


class WireCosts(SyncCase):
    """
    From the session to the connection.
    """

    def test_an_event(self) -> None:
        """
        Handing an event that others had before to the idle socket, plain and
        compressed: some thirty and a hundred and fifty instructions.
        """
        frame = Frame("killmail", b"event: killmail\ndata: {}\n", shared=True)
        event = Event(frame, b"id: l.x\n\n")
        for header, most in ((), 50), (("Accept-Encoding: gzip",), 200):
            public = Public()
            self.addCleanup(public.stop)
            public.ask("/api/v1/kills/stream", *header)
            transport: Any = public.hub.sessions[0].transport
            transport._idle = Sink()
            transport.write(event)  # from here on it is a chunk, or compressed
            self.assertLess(opcodes(partial(transport.write, event)), most)


class RequestCosts(SyncCase):
    """
    From the first byte of a request to the stream.
    """

    def setUp(self) -> None:
        self.public = Public()
        self.addCleanup(self.public.stop)
        ids = ",".join(map(str, range(90_000_000, 90_000_050)))
        self.path = f"/api/v1/kills/stream?character_ids={ids}"
        self.public.ask(self.path)  # what is made once is made

    def test_opening(self) -> None:
        """
        A stream of fifty ids, up to the hub.
        """
        cost = opcodes(lambda: self.public.ask(self.path))
        self.assertLess(cost, 12_000)

    def test_no_garbage(self) -> None:
        """
        Nothing of a request waits for the collector: a storm of clients would have it
        run again and again.
        """
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for path in self.path, "/ping":
            for _ in range(10):
                self.public.ask(path)
            self.assertLess(gc.collect(), 50, path)
