"""
The store's file: opened, refused, brought up to date, found again after a crash.
"""

import os
import sqlite3
import struct
from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.support.cases import SyncCase
from tests.support.killmails import START, entry
from tests.support.store import (
    crashed,
    make_stepped_store,
    make_store,
    settle,
    temporary_path,
)
from wanderer_twisted.interfaces import StoreUnavailable
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import Change, FeedPosition
from wanderer_twisted.store import schema
from wanderer_twisted.store.bodies import (
    Codec,
    bare_dictionary,
    dictionary_id,
    shipped_dictionary,
)
from wanderer_twisted.store.files import DatabaseFile, check_database
from wanderer_twisted.store.schema import DatabaseUnusable


class OpeningTests(SyncCase):
    """
    A start: with a database, or with one line that says why not.
    """

    def refusal(self, path: str) -> str:
        error = self.assertRaises(DatabaseUnusable, make_store, path, Clock())
        self.assertNotIn("\n", str(error))
        return str(error)

    def test_another_server(self) -> None:
        """
        A second server on the same file is told so; after the first one's end it may.
        """
        path = temporary_path(self)
        first = make_store(path, Clock())
        self.assertEqual(
            self.refusal(path), f"database {path}: another server has it open"
        )
        self.successResultOf(first.close())
        self.successResultOf(make_store(path, Clock()).close())

    def test_another_server_by_another_name(self) -> None:
        """
        A symbolic link leads to the same file, which has one lock.
        """
        path, link = temporary_path(self), temporary_path(self)
        os.symlink(os.path.abspath(path), link)
        first = make_store(path, Clock())
        self.assertEqual(
            self.refusal(link), f"database {link}: another server has it open"
        )
        self.successResultOf(first.close())
        second = make_store(link, Clock())
        self.addCleanup(second.close)
        self.assertEqual(
            self.refusal(path), f"database {path}: another server has it open"
        )

    def test_size_by_a_link(self) -> None:
        """
        The log counts that is beside the file, whatever leads there.
        """
        path, link = temporary_path(self), temporary_path(self)
        os.symlink(os.path.abspath(path), link)
        store = make_store(link, Clock())
        self.addCleanup(store.close)
        self.successResultOf(store.commit(Change([entry(10)], announce=True)))
        log = os.path.getsize(f"{path}-wal")
        self.assertEqual(store.size(), os.path.getsize(path) + log)
        self.assertGreater(log, 0)

    def test_all_files(self) -> None:
        """
        Every connection has opened the log as well: a server that changes its user
        behind this may not be able to.
        """
        path = temporary_path(self)
        file = DatabaseFile(path)
        opened = file.open(1, 2)
        descriptors = Path("/proc/self/fd").iterdir()
        targets = [os.readlink(each) for each in descriptors if each.is_symlink()]
        self.assertEqual(targets.count(f"{os.path.realpath(path)}-wal"), 3)
        for each in (*opened.reading, *opened.writing):
            each.close()
        file.release()

    def test_no_directory(self) -> None:
        """
        A directory that is not there is not made.
        """
        path = os.path.join(temporary_path(self), "wanderer.db")
        self.assertEqual(
            self.refusal(path), f"database {path}: No such file or directory"
        )

    def test_a_directory(self) -> None:
        """
        A directory is not a database.
        """
        path = temporary_path(self)
        os.mkdir(path)
        self.assertEqual(
            self.refusal(path), f"database {path}: unable to open database file"
        )

    def test_not_a_database(self) -> None:
        """
        A file of another kind is refused and left as it is.
        """
        path = temporary_path(self)
        Path(path).write_bytes(b"killmails: none\n" * 99)
        self.assertEqual(self.refusal(path), f"database {path}: file is not a database")
        self.assertEqual(Path(path).read_bytes(), b"killmails: none\n" * 99)

    def test_another_programs_database(self) -> None:
        """
        Another program's database is refused and left as it is.
        """
        path = temporary_path(self)
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE contacts (name)")
        connection.close()
        self.assertEqual(
            self.refusal(path),
            f"database {path}: it is a database of another program",
        )

    def test_a_newer_servers_database(self) -> None:
        """
        A database that a newer server wrote is refused.
        """
        path = temporary_path(self)
        self.successResultOf(make_store(path, Clock()).close())
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        self.assertIn("a newer server wrote it (schema 99, this", self.refusal(path))

    def test_locked_by_another_program(self) -> None:
        """
        A database that another program holds is refused.
        """
        path = temporary_path(self)
        self.successResultOf(make_store(path, Clock()).close())
        connection = sqlite3.connect(path, isolation_level=None)
        self.addCleanup(connection.close)
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        self.patch(sqlite3, "connect", _impatient(sqlite3.connect))
        self.assertEqual(self.refusal(path), f"database {path}: database is locked")

    def test_refusal_frees_the_lock(self) -> None:
        """
        After a refusal the file can be opened once its cause is gone.
        """
        path = temporary_path(self)
        Path(path).write_bytes(b"x" * 999)
        self.refusal(path)
        os.remove(path)
        self.successResultOf(make_store(path, Clock()).close())

    def test_check(self) -> None:
        """
        Checking a database opens it and leaves it closed.
        """
        path = temporary_path(self)
        self.successResultOf(make_store(path, Clock()).close())
        check_database(path)
        check_database(path)
        self.assertRaises(DatabaseUnusable, check_database, path + "/there")

    def test_check_makes_nothing(self) -> None:
        """
        One that is not there is not made by a check; whether it could be is told.
        """
        path = temporary_path(self)
        before = os.listdir(Path(path).parent)
        check_database(path)
        self.assertEqual(os.listdir(Path(path).parent), before)
        error = self.assertRaises(DatabaseUnusable, check_database, path + "/there")
        message = f"database {path}/there: No such file or directory"
        self.assertEqual(str(error), message)

    def test_check_follows_a_link(self) -> None:
        """
        Where a link leads to nothing yet, the place that it names counts.
        """
        link = temporary_path(self)
        os.symlink("/nowhere/wanderer.db", link)
        error = self.assertRaises(DatabaseUnusable, check_database, link)
        message = f"database {link}: No such file or directory"
        self.assertEqual(str(error), message)


def _impatient(connect):  # type: ignore[no-untyped-def]
    def impatient(*arguments, **options):  # type: ignore[no-untyped-def]
        return connect(*arguments, **{**options, "timeout": 0})

    return impatient


class ReopeningTests(SyncCase):
    """
    What a store finds of the one before it.
    """

    def test_after_closing(self) -> None:
        """
        Everything is there again: name, numbers, killmails and positions.
        """
        path = temporary_path(self)
        store = make_store(path, Clock())
        position = FeedPosition("r2z2", "96", START)
        self.successResultOf(
            store.commit(Change([entry(10)], announce=True, position=position))
        )
        self.successResultOf(store.close())
        again = make_store(path, Clock())
        self.addCleanup(again.close)
        self.assertEqual((again.epoch, again.marks), (store.epoch, store.marks))
        self.assertEqual(self.successResultOf(again.read_position("r2z2")), position)
        commit = self.successResultOf(
            again.commit(Change([entry(10), entry(11)], announce=True))
        )
        self.assertEqual(commit.marks.head, 2)

    def test_after_a_crash(self) -> None:
        """
        Whatever was committed is there, told to anybody or not; what was not, is not
        there in part.
        """
        path = temporary_path(self)
        store, writer, readers = make_stepped_store(path, Clock())
        self.addCleanup(store.close)
        self.addCleanup(settle, writer, readers)
        for id in (10, 11, 12):
            store.commit(
                Change(
                    [entry(id), entry(id + 10)],
                    announce=True,
                    position=FeedPosition("r2z2", str(id), START),
                )
            ).addErrback(lambda _: None)
        writer.step(), writer.deliver(), writer.step()
        self.assertEqual(store.marks.head, 2)
        again = make_store(crashed(path, temporary_path(self)), Clock())
        self.addCleanup(again.close)
        self.assertEqual((again.epoch, again.marks.head), (store.epoch, 4))
        page = self.successResultOf(again.read_journal(Filter(), None, 0))
        self.assertEqual(len(page.entries), 4)
        found = self.successResultOf(again.read_position("r2z2"))
        self.assertEqual(found, FeedPosition("r2z2", "11", START))

    def test_in_the_middle_of_a_transaction(self) -> None:
        """
        A transaction that a crash cut short did not happen.
        """
        path = temporary_path(self)
        store, writer, _ = make_stepped_store(path, Clock())
        self.addCleanup(store.close)
        assert writer.database is not None
        writer.database.connection.execute("PRAGMA cache_size = 1")
        with writer.database.writing() as connection:
            connection.execute("UPDATE meta SET head = 99")
            for id in range(2_000):
                connection.execute("INSERT INTO name VALUES (?, ?, 0)", (id, "x" * 99))
            copy = crashed(path, temporary_path(self))
        self.assertGreater(os.path.getsize(copy + "-wal"), 100_000)
        again = make_store(copy, Clock())
        self.addCleanup(again.close)
        self.assertEqual(again.marks.head, 0)

    def test_numbers_outlive_what_they_numbered(self) -> None:
        """
        A number whose killmail was pruned is not given again after a restart.
        """
        path, clock = temporary_path(self), Clock()
        clock.advance(START)
        store = make_store(path, clock)
        self.successResultOf(store.commit(Change([entry(10)], announce=True)))
        self.successResultOf(store.prune(START * 2))
        self.successResultOf(store.close())
        again = make_store(path, clock)
        self.addCleanup(again.close)
        self.assertEqual(again.marks.head, 1)
        self.assertEqual(again.marks.floor_seq, 1)


class SchemaTests(SyncCase):
    """
    Databases of other versions.
    """

    def test_upgrades_step_by_step(self) -> None:
        """
        An older database goes through every version up to today's.
        """
        connection = self.database()
        now = schema.VERSION
        upgrades = {
            now: lambda c: c.execute("CREATE TABLE second (x)"),
            now + 1: lambda c: c.execute("ALTER TABLE second ADD COLUMN y"),
        }
        schema.prepare(connection, now + 2, upgrades)
        connection.execute("INSERT INTO second (x, y) VALUES (1, 2)")
        self.assertEqual(self.version(connection), now + 2)
        schema.prepare(connection, now + 2, upgrades)

    def test_upgrades_as_a_whole(self) -> None:
        """
        A step that fails leaves the version before it.
        """

        def broken(connection: sqlite3.Connection) -> None:
            connection.execute("CREATE TABLE second (x)")
            connection.execute("nonsense")

        connection = self.database()
        now = schema.VERSION
        self.assertRaises(
            sqlite3.Error, schema.prepare, connection, now + 1, {now: broken}
        )
        self.assertEqual(self.version(connection), now)
        self.assertRaises(
            sqlite3.OperationalError, connection.execute, "SELECT * FROM second"
        )

    def test_there_is_a_way_from_every_version(self) -> None:
        """
        Every version before today's has its upgrade.
        """
        self.assertEqual(set(schema.UPGRADES), set(range(1, schema.VERSION)))

    def database(self) -> sqlite3.Connection:
        connection = sqlite3.connect(temporary_path(self), isolation_level=None)
        self.addCleanup(connection.close)
        schema.prepare(connection)
        return connection

    def version(self, connection: sqlite3.Connection) -> int:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return int(version)


class DictionaryTests(SyncCase):
    """
    Bodies are readable as long as their database is.
    """

    def test_ships_a_small_one(self) -> None:
        """
        The shipped dictionary is real and at most 112 KiB.
        """
        dictionary = shipped_dictionary()
        self.assertLessEqual(len(dictionary), 112 * 1024)
        self.assertNotEqual(dictionary_id(dictionary), 0)

    def test_compresses(self) -> None:
        """
        A body comes back as it was, and takes less room meanwhile.
        """
        codec = Codec(shipped_dictionary())
        body = entry(10, items=5).body.main
        self.assertEqual(codec.decompress(codec.compress(body)), body)
        self.assertLess(len(codec.compress(body)) * 2, len(body))
        self.assertEqual(codec.decompress(codec.compress(b"")), b"")

    @given(
        count=st.integers(0, 6),
        damaged=st.booleans(),
        chance=st.randoms(use_true_random=False),
    )
    def test_many_at_once(self, count: int, damaged: bool, chance: Random) -> None:
        """
        Many are unpacked as each is by itself: with several dictionaries, empty ones
        among them, or one that is damaged.
        """
        codec = Codec(shipped_dictionary(), bare_dictionary())
        writers = [codec, Codec(bare_dictionary())]
        parts = [
            chance.choice(writers).compress(
                b"%d" % chance.getrandbits(64) * chance.randrange(9)
            )
            for _ in range(count)
        ]
        if parts and damaged:
            part = bytearray(chance.choice(parts) or b"?")
            part[chance.randrange(len(part))] ^= chance.randrange(1, 256)
            parts.append(bytes(part))
        try:
            bodies: object = [codec.decompress(each) for each in parts]
        except StoreUnavailable:
            self.assertRaises(StoreUnavailable, codec.decompress_all, parts)
        else:
            self.assertEqual(codec.decompress_all(parts), bodies)

    def test_frames_that_lie(self) -> None:
        """
        What a frame says that it holds is not relied on: nothing, more than there is
        memory for, or more than can be counted.
        """
        codec, body = Codec(shipped_dictionary()), b"0" * 10_000_000
        whole, empty = codec.compress(body), _empty_frame(0)
        self.assertEqual(codec.decompress_all([whole, empty]), [body, b""])
        self.assertEqual(codec.decompress_all([empty, whole]), [b"", body])
        self.assertEqual(codec.decompress_all([empty, empty]), [b"", b""])
        for size in (2**40, 2**64 - 3):
            lie = _empty_frame(size)
            for parts in ([lie], [whole, lie], [lie, whole]):
                self.assertRaises(StoreUnavailable, codec.decompress_all, parts)

    def test_reads_what_an_older_one_wrote(self) -> None:
        """
        A database remembers the dictionary of each of its bodies when another is
        shipped.
        """
        path = temporary_path(self)
        raw = shipped_dictionary()
        other = raw[:4] + (4711).to_bytes(4, "little") + raw[8:]
        self.patch(schema, "shipped_dictionary", lambda: other)
        store = make_store(path, Clock())
        self.successResultOf(store.commit(Change([entry(10)])))
        self.successResultOf(store.close())
        self.patch(schema, "shipped_dictionary", lambda: raw)
        again = make_store(path, Clock())
        self.addCleanup(again.close)
        self.successResultOf(again.commit(Change([entry(11)])))
        for id in (10, 11):
            record = self.successResultOf(again.read_killmail(id))
            assert record is not None
            self.assertEqual(record.body, entry(id).body)

    def test_durable_writer_and_readers_that_only_read(self) -> None:
        """
        A commit waits for the disk (synchronous=FULL, in WAL), and a reader's
        connection refuses to write.
        """
        opened = DatabaseFile(temporary_path(self)).open(1, 1)
        (writer,), (reader,) = opened.writing, opened.reading
        for pragma, value in (("synchronous", 2), ("journal_mode", "wal")):
            row = writer.connection.execute(f"PRAGMA {pragma}").fetchone()
            self.assertEqual(row, (value,))
        with reader.connection as connection:
            self.assertRaises(
                sqlite3.OperationalError, connection.execute, "DELETE FROM meta"
            )
        for each in (reader, writer):
            each.close()

    def test_is_written_once(self) -> None:
        """
        A database that is opened again keeps one copy of each dictionary.
        """
        path = temporary_path(self)
        for _ in range(2):
            file = DatabaseFile(path)
            (database,) = file.open(1, 0).writing
            rows = database.connection.execute("SELECT count(*) FROM dictionary")
            self.assertEqual(rows.fetchone(), (2,))
            database.close()
            file.release()


def _empty_frame(size: int) -> bytes:
    """
    A frame without anything in it (RFC 8878, 3.1.1), of the shipped dictionary.

    :param size: what it says that it holds.
    """
    dictionary = dictionary_id(shipped_dictionary())
    head = struct.pack("<IBIQ", 0xFD2FB528, 0b1110_0011, dictionary, size)
    return head + b"\x01\0\0"
