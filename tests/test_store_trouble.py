"""
A store whose disk is full, or whose database somebody else has locked.
"""

import sqlite3

import attrs
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from tests.support.cases import SyncCase
from tests.support.killmails import START, entry
from tests.support.store import make_stepped_store, make_store, temporary_path
from wanderer_twisted.interfaces import StoreUnavailable
from wanderer_twisted.killmail import Body
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import Change, Commit, Entry, FeedPosition, Record
from wanderer_twisted.store.sqlite import SqliteStore


def large(killmail_id: int) -> Entry:
    """
    A killmail that compression does not make small.
    """
    noise = "".join(f"{n * 2654435761 % 2**32:x}" for n in range(9_000))
    body = Body(b'{"victim":{"noise":"%b"' % noise.encode())
    return attrs.evolve(entry(killmail_id), body=body)


class TroubleTests(SyncCase):
    """
    Nothing is lost, nothing is told, and it goes on by itself.
    """

    def setUp(self) -> None:
        self.path = temporary_path(self)
        self.clock = Clock()
        self.clock.advance(START)
        self.store = make_store(self.path, self.clock)
        self.addCleanup(self.store.close)
        self.told: list[Commit] = []
        self.store.listen(self.told.append)

    def announce(self, *entries: Entry) -> Commit:
        return self.successResultOf(self.store.commit(Change(entries, announce=True)))

    def ids(self, store: SqliteStore) -> list[int]:
        page = self.successResultOf(store.read_journal(Filter(), None, 0))
        return [each.killmail_id for each in page.entries]  # type: ignore[union-attr]

    def test_disk_full(self) -> None:
        """
        On a full disk a commit fails as a whole and reads go on; with room again, the
        same commit succeeds and no number is missing.
        """
        self.announce(entry(10))
        database = self.store._writer.database  # type: ignore[attr-defined]
        (pages,) = database.connection.execute("PRAGMA page_count").fetchone()
        database.connection.execute(f"PRAGMA max_page_count = {pages}")
        position = FeedPosition("r2z2", "1", START)
        change = Change([entry(11), large(12)], announce=True, position=position)
        failure = self.failureResultOf(self.store.commit(change), StoreUnavailable)
        self.assertEqual(str(failure.value), "database or disk is full")
        self.assertEqual(self.store.problem, "database or disk is full")
        self.assertEqual((self.store.marks.head, len(self.told)), (1, 1))
        self.assertEqual(self.ids(self.store), [10])
        self.assertEqual(self.successResultOf(self.store.read_positions()), [])

        database.connection.execute("PRAGMA max_page_count = 100000")
        commit = self.successResultOf(self.store.commit(change))
        self.assertEqual(commit.marks.head, 3)
        self.assertEqual(self.ids(self.store), [10, 11, 12])
        self.assertEqual((self.store.problem, self.store.failures), ("", 1))

    def test_locked(self) -> None:
        """
        While another program writes, a commit fails and reads go on; then it succeeds.
        """
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        self.announce(entry(10))
        other.execute("BEGIN IMMEDIATE")
        failure = self.failureResultOf(
            self.store.commit(Change([entry(11)], announce=True)), StoreUnavailable
        )
        self.assertEqual(str(failure.value), "database is locked")
        self.failureResultOf(self.store.prune(START * 2), StoreUnavailable)
        self.assertEqual(self.ids(self.store), [10])
        other.execute("ROLLBACK")
        self.announce(entry(11))
        self.assertEqual(self.ids(self.store), [10, 11])

    def test_a_failed_commit_holds_nothing(self) -> None:
        """
        After a commit that failed the database is free for others at once.
        """
        bad = attrs.evolve(entry(10), sizes=(2**63, 1))
        self.failureResultOf(self.store.commit(Change([bad])), OverflowError)
        other = sqlite3.connect(self.path, isolation_level=None, timeout=0)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")

    def test_a_damaged_body(self) -> None:
        """
        A body that cannot be read is the store's trouble; everything else can be read.
        """
        self.announce(entry(10), entry(11))
        other = sqlite3.connect(self.path)
        self.addCleanup(other.close)
        other.execute("UPDATE body SET main = x'00' WHERE killmail_id = 10")
        other.commit()
        self.failureResultOf(self.store.read_killmail(10), StoreUnavailable)
        self.successResultOf(self.store.read_killmail(11))
        self.announce(entry(10))  # comes again, and is in nobody's way

    def test_a_damaged_body_that_is_announced(self) -> None:
        """
        Where it was never announced it is by the body that comes now, which is kept.
        """
        self.successResultOf(self.store.commit(Change([entry(10)])))
        other = sqlite3.connect(self.path)
        self.addCleanup(other.close)
        other.execute("UPDATE body SET main = x'00' WHERE killmail_id = 10")
        other.commit()
        lesser = entry(10, value=None)
        with capturedLogs() as events:
            (told,) = self.announce(lesser).journal
        (said,) = map(formatEvent, events)
        self.assertRegex(said, r"^a stored body is damaged: .*; killmail 10 gets")
        stored = self.successResultOf(self.store.read_killmail(10))
        assert isinstance(told, Record) and stored is not None
        self.assertEqual((told.body, stored.body), (lesser.body, lesser.body))

    def test_a_listener_that_fails(self) -> None:
        """
        A listener's failure is logged; the commit stands, and the next is told.
        """
        self.store.listen(lambda commit: self.told[9])  # type: ignore[arg-type]
        self.announce(entry(10))
        self.assertEqual(len(self.flushLoggedErrors(IndexError)), 1)
        self.store.listen(self.told.append)
        self.announce(entry(11))
        self.assertEqual(self.told[0].marks.head, 2)

    def test_a_caller_that_went_away(self) -> None:
        """
        A commit whose caller went away while it ran is told to the listener all the
        same; one that had not begun is dropped.
        """
        store, writer, _ = make_stepped_store(temporary_path(self), self.clock)
        self.addCleanup(store.close)
        store.listen(self.told.append)
        begun = store.commit(Change([entry(10)], announce=True))
        waiting = store.commit(Change([entry(11)], announce=True))
        writer.step()
        for each in (begun, waiting):
            each.addErrback(lambda _: None)
            each.cancel()
        while writer.step() or writer.deliver():
            pass
        self.assertEqual([commit.marks.head for commit in self.told], [1])
        self.assertEqual(store.marks.head, 1)
