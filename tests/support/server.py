"""
A whole server whose parts a test moves by hand: nothing of it has been started.
"""

from collections.abc import Mapping
from typing import Any

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock

from tests.support.cases import SyncCase
from tests.support.killmails import START, entry
from tests.support.store import make_store, temporary_path
from tests.support.transport import MemoryTransport
from wanderer_twisted import assembly, ground
from wanderer_twisted.config import Settings
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import Change
from wanderer_twisted.store.sqlite import SqliteStore
from wanderer_twisted.stream.opening import Visitor, Wish
from wanderer_twisted.stream.session import Session


class ServerCase(SyncCase):
    """
    A test case with a server, whose store is open and does everything at once, and
    whose hub hears of it.
    """

    def setUp(self) -> None:
        self.clock = MemoryReactorClock()
        self.clock.advance(START)
        self.patch(ground, "make_store", self._make_store)
        self.server = self.make_server()
        self.server.hub.startService()
        self.addCleanup(self._close)

    def make_server(self, **settings: Any) -> assembly.Server:
        path = temporary_path(self)
        return assembly.Server(
            Settings(database=f"sqlite:{path}", **settings), self.clock
        )

    def _make_store(self, reactor: Any, path: str, days: float) -> SqliteStore:
        store = make_store(path, reactor, days)
        self.addCleanup(store.close)
        return store

    def _close(self) -> None:
        for session in self.server.hub.sessions:
            session.close("gone")

    def open(
        self, visitor: Visitor | None = None, limit: int = 65536, **wish: Any
    ) -> Session:
        """
        Open a stream whose client takes nothing.

        :param limit: of bytes, over which it is paused.
        """
        asked = Wish(**{"filter": Filter(), **wish})
        opened = self.server.hub.open(
            asked, MemoryTransport(limit), visitor or Visitor()
        )
        return self.successResultOf(Deferred.fromCoroutine(opened))

    def announce(self, *ids: int) -> None:
        change = Change([entry(each) for each in ids], announce=True)
        self.successResultOf(self.server.store.commit(change))

    def settle(self) -> None:
        """
        Let everything run that waits for nothing but its next turn.
        """
        for _ in range(50):
            self.clock.advance(0)

    def scrape(self) -> Mapping[str, Metric]:
        """
        All metrics by name, through the parser of those who read them.
        """
        scraped = Deferred.fromCoroutine(self.server.metrics.scrape())
        self.settle()
        text = self.successResultOf(scraped).decode()
        families = list(text_string_to_metric_families(text))
        self.assertEqual(text.count("# TYPE "), len(families))
        return {family.name: family for family in families}

    def value(self, name: str, **labels: str) -> float | None:
        """
        One number out of a scrape; None where it is not there.
        """
        found = [
            sample.value
            for family in self.scrape().values()
            for sample in family.samples
            if sample.name == name and sample.labels == labels
        ]
        self.assertLessEqual(len(found), 1)
        return found[0] if found else None
