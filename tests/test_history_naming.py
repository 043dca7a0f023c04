"""
Names for killmails of the archive, when they are wanted for the first time.
"""

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import CancelledError, fail

from tests.support.history import CUTOFF, ArchiveCase, character
from tests.support.killmails import DAY, esi
from tests.support.past import NOW
from wanderer_twisted.history import naming
from wanderer_twisted.ingest import renaming
from wanderer_twisted.ingest.names import NameBook
from wanderer_twisted.interfaces import StoreUnavailable, UpstreamError
from wanderer_twisted.records import Change, Coverage

JITA, PERIMETER = 30000142, 30000144


class Named(ArchiveCase):
    """
    Killmails whose values no listing has, so that only names are lacking.
    """

    def setUp(self) -> None:
        super().setUp()
        self.name_source.known |= {1: "Ann", PERIMETER: "Perimeter"}
        listed = [
            Coverage("character", owner, CUTOFF, NOW - 3900, NOW) for owner in (1, 2)
        ]
        self.successResultOf(self.store.commit(Change(coverage=listed)))

    def load_days_ago(self, owner: int, days: Sequence[float], **parts: Any) -> None:
        """
        Have killmails loaded, with ids from a hundred times the owner's, oldest first.
        """
        times = sorted(int(NOW - each * DAY) for each in days)
        bodies = [
            esi(owner * 100 + n, time, victim=owner, **parts)
            for n, time in enumerate(times)
        ]
        self.load(bodies)

    def is_named(self, killmail_id: int) -> bool:
        return "solar_system_name" in self.document(killmail_id)

    def bare(self, owner: int) -> list[int]:
        found = self.store.read_bare(character(owner), CUTOFF, None, 1000)
        return [each.killmail_id for each in self.successResultOf(found)]

    def test_named_in_bulk(self) -> None:
        """
        All are named by one look-up before they are served, and stay so.
        """
        self.load_days_ago(1, [n / 2 for n in range(6, 56)], items=2)
        self.prepared(1)
        self.assertEqual(len(self.name_source.calls), 1)
        for each in range(100, 150):
            document = self.document(each)
            self.assertEqual(document["solar_system_name"], "Jita")
            self.assertEqual(document["victim"]["character_name"], "Ann")
            self.assertEqual(len(document["victim"]["items"]), 2)
        self.assertEqual(self.history.naming.named, 50)
        self.prepared(1)
        self.assertEqual(len(self.name_source.calls), 1)
        self.assertEqual(self.history.naming.named, 50)

    def test_lets_others(self) -> None:
        """
        Many are read, encoded and written a few at a time, with others in between.
        """
        work: list[str] = []

        def watch(name: str, function: Any) -> Any:
            def watched(*args: Any) -> Any:
                work.append(name)
                return function(*args)

            return watched

        for name in ("decode", "encode_again", "deferLater"):
            self.patch(renaming, name, watch(name, getattr(renaming, name)))
        self.patch(self.store, "rename", watch("rename", self.store.rename))
        self.load_days_ago(1, [n / 2 for n in range(6, 41)])
        self.prepared(1)
        decoded = ["decode", "decode", "deferLater"]
        encoded = ["encode_again", "encode_again", "deferLater"]
        expected = [
            *decoded * 17,
            "decode",
            *[*encoded * 10, "rename"],
            *[*encoded * 7, "encode_again", "rename"],
        ]
        self.assertEqual(work, expected)

    def test_pages(self) -> None:
        """
        More than a page are named page after page, the newest first.
        """
        self.patch(naming, "PAGE", 3)
        self.load_days_ago(1, range(3, 13))
        self.name_source.gate.held = True
        preparing = self.prepare(1)
        self.name_source.gate.let_one()
        self.settle()
        self.assertEqual(self.bare(1), [])
        self.successResultOf(preparing)

    def test_newest_first(self) -> None:
        """
        Where names come slowly the newest have theirs first, and nobody waits longer
        than for the names of one killmail.
        """
        self.patch(naming, "PAGE", 2)
        self.load_days_ago(1, [3, 4])
        self.load_days_ago(1, [5, 6, 7], system=PERIMETER)
        self.load([esi(190 + n, NOW - (20 + n) * DAY, victim=1) for n in range(2)])
        self.name_source.gate.held = True
        preparing = self.prepare(1)
        self.clock.advance(2)
        self.settle()
        self.successResultOf(preparing)
        self.assertEqual(self.history.naming.underway, 1)
        before = self.bare(1)
        self.name_source.gate.let_one()
        self.settle()
        self.assertEqual(self.bare(1), before[2:])
        self.name_source.gate.open()
        self.settle()
        self.assertEqual(self.bare(1), [])
        self.assertEqual(self.history.naming.underway, 0)

    def test_deeper(self) -> None:
        """
        Who looks farther back while others are being named gets those named too.
        """
        self.load_days_ago(1, [3, 30])
        self.name_source.gate.held = True
        near = self.prepare(1, cutoff=NOW - 7 * DAY)
        far = self.prepare(1)
        self.assertEqual(self.history.naming.underway, 1)
        self.name_source.gate.open()
        self.settle()
        self.successResultOf(near)
        self.successResultOf(far)
        self.assertEqual(self.bare(1), [])

    def test_bounded(self) -> None:
        """
        Where too many filters are at it, one more is served as it is, at once.
        """
        self.patch(naming, "_AT_ONCE", 1)
        self.load_days_ago(1, [3])
        self.load_days_ago(2, [3])
        self.name_source.gate.held = True
        self.prepare(1)
        self.prepared(2)
        self.assertEqual(self.history.naming.underway, 1)

    def test_service_that_is_down(self) -> None:
        """
        Nobody waits for a service that does not answer, and nothing is read for it.
        """
        self.load_days_ago(1, [3])
        self.name_source.error = UpstreamError("down")
        self.prepared(1)
        self.assertFalse(self.is_named(100))
        read = self.store.read_bare
        self.patch(self.store, "read_bare", None)
        self.prepared(1)
        self.patch(self.store, "read_bare", read)
        self.name_source.error = None
        self.clock.advance(5)
        self.settle()
        self.prepared(1, cutoff=CUTOFF + 5)
        self.assertTrue(self.is_named(100))

    def test_no_service(self) -> None:
        """
        Without a service for names they stay as they are.
        """
        self.history.stopService()
        self.names = NameBook(self.clock, self.store, None, 2.0)
        self.history = self.make_history()
        self.load_days_ago(1, [3])
        self.prepared(1)
        self.assertEqual(self.bare(1), [100])

    def test_no_time(self) -> None:
        """
        Where killmails wait for no names they come for the next time.
        """
        self.names.deadline_seconds = 0.0
        self.load_days_ago(1, [3])
        self.name_source.gate.held = True
        self.prepared(1)
        self.name_source.gate.open()
        self.settle()
        self.assertTrue(self.is_named(100))

    def test_name_that_never_comes(self) -> None:
        """
        A killmail with such a name holds up no other, and some day goes without.
        """
        self.name_source.silent = {PERIMETER}
        self.load_days_ago(1, [3, 4])
        self.load([esi(190, NOW - 3 * DAY, victim=1, system=PERIMETER)])
        self.prepared(1)
        self.assertEqual(self.bare(1), [190])
        for _ in range(5):
            self.prepared(1)
        self.assertEqual(self.bare(1), [])
        self.assertEqual(self.document(190)["victim"]["character_name"], "Ann")

    def test_store_that_cannot_write(self) -> None:
        """
        Then they are served as they are, and named when it can again.
        """
        self.load_days_ago(1, [3])
        rename = self.store.rename
        self.patch(self.store, "rename", lambda _: fail(StoreUnavailable("full")))
        self.prepared(1)
        self.assertFalse(self.is_named(100))
        self.patch(self.store, "rename", rename)
        self.prepared(1)
        self.assertTrue(self.is_named(100))

    def test_cancelled(self) -> None:
        """
        A client that leaves ends its own wait, and no other's.
        """
        self.load_days_ago(1, [3])
        self.name_source.gate.held = True
        gone, stays = self.prepare(1), self.prepare(1)
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.assertNoResult(stays)
        self.name_source.gate.open()
        self.settle()
        self.successResultOf(stays)
        self.assertTrue(self.is_named(100))

    def test_stop(self) -> None:
        """
        Stopping ends it, and every wait.
        """
        self.load_days_ago(1, [3])
        self.name_source.gate.held = True
        preparing = self.prepare(1)
        self.history.stopService()
        self.names.stopService()
        self.settle()
        self.successResultOf(preparing)
        self.assertEqual(self.history.naming.underway, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
