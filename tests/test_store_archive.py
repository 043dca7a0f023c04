"""
What the store takes from the archive, and what is asked of it besides streams.
"""

import sqlite3
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.support.cases import SyncCase
from tests.support.killmails import DAY, START, entry, esi
from tests.support.staged import A_HASH, stage_all
from tests.support.store import make_store, temporary_path
from tests.support.store_cases import (
    VICTIM,
    InlineStoreCase,
    StoreScenarios,
    ThreadedStoreCase,
    scenario,
)
from wanderer_twisted.days import day_of
from wanderer_twisted.encoding import dumps, loads
from wanderer_twisted.interfaces import StoreUnavailable
from wanderer_twisted.partition import KINDS, Filter, Kind, Snapshot
from wanderer_twisted.records import ArchivedDay, BatchLimits, Change, Hole, Place
from wanderer_twisted.store import indexing, lookups, staging
from wanderer_twisted.store.bodies import bare_dictionary
from wanderer_twisted.store.rows import packed, unpacked
from wanderer_twisted.store.staging import Ask, BadDay, Staged, read_news, stage
from wanderer_twisted.stream.entries import as_entry

LIMITS = BatchLimits()
TODAY = day_of(START)


class LoadingContract(StoreScenarios):
    """
    Staged days on their way into the store.
    """

    mktemp: Any

    async def load(self, *bodies: dict[str, Any]) -> list[int]:
        """
        :returns: how many were new, by part.
        """
        return [
            await self.store.load(path, part)
            for path, staged in stage_all(self.mktemp(), bodies)
            for part in range(staged.parts)
        ]

    @scenario
    async def test_staged_by_another_version(self) -> None:
        """
        What was packed with a dictionary that this store does not know stays out.
        """
        newer = bytearray(bare_dictionary())
        newer[4:8] = (12345678).to_bytes(4, "little")  # its id
        self.patch(staging, "bare_dictionary", lambda: bytes(newer))
        with self.assertRaises(StoreUnavailable):
            await self.load(esi(10))
        self.assertEqual(await self.store.read_absent([10]), {10})

    @scenario
    async def test_is_silent(self) -> None:
        """
        What is loaded is in histories from then on, under one number, and not live.
        """
        await self.announce(entry(1))
        new = await self.load(esi(10), esi(11, kill_time=START + 1))
        self.assertEqual(new, [2])
        self.assertEqual(await self.live(), [1])
        self.assertEqual(await self.numbers(10), (2, None, None))
        self.assertEqual(await self.numbers(11), (2, None, None))
        self.assertEqual(self.told[-1].marks.head, 2)
        ids = [loads(each)["killmail_id"] for each in await self.history()]
        self.assertEqual(ids, [1, 10, 11])

    @scenario
    async def test_body(self) -> None:
        """
        A loaded killmail has all of ESI's body, and its hash.
        """
        await self.load(esi(10, attackers=(5, 6), items=3, alliance=99000001))
        record = await self.record(10)
        body = loads(record.body.json(with_items=True))
        self.assertEqual(body["zkb"], {"hash": A_HASH})
        self.assertEqual([each["character_id"] for each in body["attackers"]], [5, 6])
        self.assertEqual(len(body["victim"]["items"]), 3)
        self.assertEqual(record.facts.alliance_ids, {99000001})

    @scenario
    async def test_leaves_what_is_there(self) -> None:
        """
        A killmail that is stored keeps everything; nothing new takes no number.
        """
        await self.announce(entry(10))
        before = await self.record(10)
        self.assertEqual(await self.load(esi(10)), [0])
        self.assertEqual(await self.record(10), before)
        self.assertEqual(self.store.marks.head, 1)

    @scenario
    async def test_leaves_out_what_was_pruned(self) -> None:
        """
        What was pruned does not come back.
        """
        await self.add(entry(10))
        await self.store.prune(START + 101 * DAY)
        self.assertEqual(await self.load(esi(10)), [0])
        self.assertEqual(await self.store.read_absent([10, 11]), {11})

    @scenario
    async def test_unannounced(self) -> None:
        """
        What is stored and was never announced is told, with its time, whoever brought
        it; what was pruned is not.
        """
        await self.add(entry(9))
        await self.store.prune(START + 101 * DAY)
        await self.add(entry(1))
        await self.announce(entry(2))
        await self.load(esi(3, kill_time=START + 1), esi(4))
        await self.announce(entry(4))
        found = await self.store.read_unannounced([1, 2, 3, 4, 5, 9])
        self.assertEqual(found, {1: START, 3: START + 1})

    @scenario
    async def test_announced_later(self) -> None:
        """
        A feed that brings a loaded killmail announces it once, with its value.
        """
        await self.load(esi(10))
        commit = await self.announce(entry(10, value=5.0))
        self.assertEqual(len(commit.journal), 1)
        self.assertEqual(await self.numbers(10), (1, 2, 2))
        self.assertEqual((await self.announce(entry(10))).journal, [])
        record = await self.record(10)
        self.assertEqual(loads(record.body.json(False))["zkb"]["total_value"], 5.0)

    @scenario
    async def test_bare(self) -> None:
        """
        Loaded killmails are bare until they are named, those of others are not.
        """
        await self.add(entry(1))
        await self.load(esi(10), esi(11, kill_time=START - DAY), esi(12, victim=5))
        bare = await self.store.read_bare(VICTIM, START - 2 * DAY, None, 10)
        self.assertEqual([each.killmail_id for each in bare], [10, 11])
        bare = await self.store.read_bare(VICTIM, START - 2 * DAY, None, 1)
        self.assertEqual([each.killmail_id for each in bare], [10])
        bare = await self.store.read_bare(VICTIM, START, None, 10)
        self.assertEqual([each.killmail_id for each in bare], [10])
        await self.store.rename([(10, bare[0].body)])
        bare = await self.store.read_bare(VICTIM, START - 2 * DAY, None, 10)
        self.assertEqual([each.killmail_id for each in bare], [11])
        self.assertEqual(await self.store.read_unnamed(10), [])

    @scenario
    async def test_unvalued(self) -> None:
        """
        Ids with killmails without zKillboard's block are told, of all kinds.
        """
        both = Filter(
            character_ids=frozenset({90000001, 5, 6}),
            corporation_ids=frozenset({98000001, 7}),
            system_ids=frozenset({30000142, 8}),
        )
        await self.add(entry(1, attackers=[6]))
        self.assertEqual(await self.store.read_unvalued(both, START - DAY), set())
        await self.load(esi(10, victim=5))
        expected = {
            ("character", 5),
            ("corporation", 98000001),
            ("system", 30000142),
        }
        self.assertEqual(await self.store.read_unvalued(both, START - DAY), expected)
        self.assertEqual(await self.store.read_unvalued(both, START + 1), set())
        await self.add(entry(10, victim=5))
        self.assertEqual(await self.store.read_unvalued(both, START - DAY), set())

    @scenario
    async def test_more_days_than_one_look(self) -> None:
        """
        What is spread over many days is found in several looks.
        """
        self.patch(lookups, "DAYS", 2)
        days = [START - number * DAY for number in range(7)]
        await self.load(*(esi(10 + n, kill_time=at) for n, at in enumerate(days)))
        bare = await self.store.read_bare(VICTIM, days[5], None, 10)
        self.assertEqual([each.killmail_id for each in bare], [10, 11, 12, 13, 14, 15])
        unvalued = await self.store.read_unvalued(VICTIM, days[6])
        self.assertEqual(unvalued, {("character", 90000001)})

    @scenario
    async def test_days_and_holes(self) -> None:
        """
        What is written about days and holes is read again; the last word counts.
        """
        first = ArchivedDay(TODAY, 5, 4, START, START, True, False, "1 is missing")
        second = ArchivedDay(TODAY, 5, 5, START, START, loaded=True, followed=True)
        other = ArchivedDay(TODAY - 1, reason="404")
        hole = Hole("r2z2", 7, 8, START, START + 60.0)
        await self.store.commit(Change(days=[first, other], holes=[hole]))
        await self.store.commit(Change(days=[second]))
        self.assertEqual(await self.store.read_days(), [other, second])
        self.assertEqual([each.complete for each in (first, second)], [False, True])
        (found,) = await self.store.read_holes()
        self.assertEqual((found.since, found.until, found.seq), (START, START + 60, 1))
        await self.store.prune(START + 101 * DAY)
        self.assertEqual(await self.store.read_days(), [])

    @scenario
    async def test_latest(self) -> None:
        """
        The latest killmails of an id come newest first, page by page, each once.
        """
        times = {1: 0, 2: 5, 3: 5, 4: DAY, 5: 3 * DAY, 6: 9 * DAY}
        await self.add(*(entry(id, kill_time=START - at) for id, at in times.items()))
        await self.add(entry(7, victim=5))
        got: list[int] = []
        before = None
        while True:
            page = await self.store.read_latest(
                "character", 90000001, START - 4 * DAY, before, 2
            )
            got += [loads(each)["killmail_id"] for each in page.bodies]
            before = page.last
            if len(page.bodies) < 2:
                break
        self.assertEqual(got, [1, 3, 2, 4, 5])
        asks: tuple[tuple[Kind, int], ...] = (
            ("character", 90000001),
            ("system", 30000142),
            ("alliance", 1),
        )
        counts = [
            await self.store.count_latest(*asked, START - 4 * DAY) for asked in asks
        ]
        self.assertEqual(counts, [5, 6, 0])

    @scenario
    async def test_gives_space_back(self) -> None:
        """
        What was removed leaves the file when it is written anew.
        """
        await self.load(*(esi(id, items=40) for id in range(1, 400)))
        while await self.store.prune(START + 101 * DAY):
            pass
        before, after = await self.store.vacuum()
        self.assertEqual((before > 2 * after, after > 0), (True, True))
        self.assertEqual(self.store.size(), after)
        await self.add(entry(1000))
        self.assertEqual(await self.live(), [])
        self.assertEqual((await self.record(1000)).killmail_id, 1000)


class InlineLoadingTests(LoadingContract, InlineStoreCase):
    """
    Without threads.
    """


class ThreadedLoadingTests(LoadingContract, ThreadedStoreCase):
    """
    With threads.
    """


class StagingTests(SyncCase):
    """
    A day's file, made ready.
    """

    def setUp(self) -> None:
        self.raw, self.path = self.mktemp(), self.mktemp()

    def stage(self, text: str | bytes, **parts: Any) -> Staged:
        Path(self.raw).write_bytes(text if isinstance(text, bytes) else text.encode())
        ask = {"day": TODAY, "hashes": dict.fromkeys(range(1, 6), A_HASH), **parts}
        return stage(self.raw, self.path, Ask(**ask))

    def test_what_cannot_be_used(self) -> None:
        """
        What is not in the list, of another day, or no killmail is counted and left
        out; what is listed and not there is named.
        """
        bodies = {
            1: esi(1),
            2: esi(2, kill_time=START - 1),
            3: {"killmail_id": 3},
            4: esi(44),
            9: esi(9),
            "x": esi(9),
        }
        staged = self.stage(dumps(bodies))
        self.assertEqual(
            staged,
            Staged(
                parts=1,
                killmails=1,
                unlisted=2,
                misdated=1,
                broken=2,
                lacking=[2, 3, 4, 5],
                lacking_count=4,
            ),
        )

    def test_what_is_no_day(self) -> None:
        """
        A file that is no object of killmails is refused with one line.
        """
        good = dumps({1: esi(1)})
        for text in (b"", b"<html>", b"[]", b"null", good[:-2], b"\xff\xfe", b'{"1":'):
            with self.assertRaises(BadDay) as raised:
                self.stage(text)
            self.assertNotIn("\n", str(raised.exception))

    def test_is_empty(self) -> None:
        """
        A day without killmails is one.
        """
        staged = self.stage(b"{}", hashes={})
        self.assertEqual((staged.parts, staged.killmails), (0, 0))

    def test_news(self) -> None:
        """
        Of the ids that may be news those within a span are set apart, with all that is
        needed to take them in.
        """
        bodies = {id: esi(id, kill_time=START + id) for id in (1, 2, 3, 4)}
        spans = [(START + 2.0, START + 3.0)]
        staged = self.stage(dumps(bodies), news=frozenset({1, 2, 3}), spans=spans)
        self.assertEqual((staged.parts, staged.killmails), (1, 4))
        first = read_news(self.path, 0, 1)
        second = read_news(self.path, 2, 10)
        self.assertEqual([each.killmail_id for each in (*first, *second)], [2, 3])
        self.assertEqual(first[0].esi, bodies[2])
        self.assertEqual(first[0].hash, A_HASH)
        store = make_store(temporary_path(self), Clock())
        self.addCleanup(store.close)
        self.assertEqual(self.successResultOf(store.load(self.path, 0)), 2)

    def test_ask_and_answer_travel(self) -> None:
        """
        Both sides of the other process understand each other.
        """
        ask = Ask(TODAY, {1: A_HASH}, frozenset({1}), [(0.5, 2.0)])
        self.assertEqual(Ask.from_json(ask.json()), ask)
        staged = Staged(1, 2, 3, 4, 5, [6], 7)
        self.assertEqual(Staged.from_json(dumps(attrs.asdict(staged))), staged)

    def test_cannot_be_written(self) -> None:
        """
        Where there is no place for it, it fails as the system does.
        """
        Path(self.raw).write_bytes(b"{}")
        with self.assertRaises(OSError):
            stage(self.raw, "/nonexistent/staged", Ask(TODAY, {}))


class IndexingTests(SyncCase):
    """
    A database of version 1.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        self.path = temporary_path(self)

    def downgraded(self, count: int) -> None:
        """
        Make the database what version 1 would have made of some killmails.
        """
        store = make_store(self.path, self.clock)
        entries = [
            entry(id, attackers=[5], alliance=99 if id % 2 else None, items=2)
            for id in range(1, count + 1)
        ]
        self.successResultOf(store.commit(Change(entries[:2], announce=True)))
        self.successResultOf(store.commit(Change(entries[2:])))
        self.successResultOf(store.close())
        connection = sqlite3.connect(self.path)
        killmails = connection.execute(
            "SELECT killmail_id, added_seq, live_seq, valued_seq, kill_time, system_id,"
            " value, size, size_items, coalesce(told_at, 9e9), named, zkb, 'hash',"
            " participants, main, items FROM killmail JOIN body USING (killmail_id)"
        ).fetchall()
        epoch, head = connection.execute("SELECT epoch, head FROM meta").fetchone()
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table'"
            " AND name NOT IN ('dictionary', 'sqlite_sequence')"
        ).fetchall():
            connection.execute(f"DROP TABLE {name}")
        tables = (Path(__file__).parent / "data/store/schema_1.sql").read_text()
        connection.executescript(
            tables.replace(
                "CREATE TABLE dictionary", "CREATE TABLE IF NOT EXISTS dictionary"
            )
        )
        connection.execute("INSERT INTO meta VALUES (1, ?, ?, 0, 0)", (epoch, head))
        for row in killmails:
            characters = sorted(unpacked(row[13]).character_ids)
            blob = b"".join(each.to_bytes(8, "little") for each in characters)
            marks = ", ".join("?" * 16)
            old = (*row[:13], blob, *row[14:])
            connection.execute(f"INSERT INTO killmail VALUES ({marks})", old)
            rest = (row[4], row[0], row[1], row[3], row[6], row[7], row[8])
            for owner in characters:
                connection.execute(
                    "INSERT INTO character_kill VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (owner, *rest),
                )
            connection.execute(
                "INSERT INTO system_kill VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (row[5], *rest),
            )
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
        connection.close()

    def indexed(self) -> Deferred[set[Kind]]:
        return self.store.read_indexed().addCallback(set)

    def count(self, wanted: Filter) -> int:
        snapshot = Snapshot(self.store.marks.head, self.store.marks.floor_time + 1)
        plan = self.store.measure_history(wanted, snapshot, False, LIMITS, Place())
        return self.successResultOf(plan).killmails

    def test_goes_on_as_it_was(self) -> None:
        """
        Characters, systems, numbers and bodies are there at once.
        """
        self.downgraded(5)
        self.store = make_store(self.path, self.clock)
        self.addCleanup(self.store.close)
        self.assertEqual(self.count(Filter(frozenset({5}))), 5)
        self.assertEqual(self.count(Filter(system_ids=frozenset({30000142}))), 5)
        record = self.successResultOf(self.store.read_killmail(1))
        assert record is not None
        expected = entry(1, attackers=[5], alliance=99, items=2).body
        self.assertEqual(record.body, expected)
        page = self.successResultOf(self.store.read_journal(Filter(), None, 0))
        seqs = [as_entry(each, self.clock.seconds()).seq for each in page.entries]
        self.assertEqual(seqs, [1, 2])

    def test_is_indexed_by_and_by(self) -> None:
        """
        Corporations and alliances are found when all slices are done, and not said to
        be before; what comes meanwhile is indexed too.
        """
        self.patch(indexing, "_SLICE", 2)
        self.downgraded(5)
        self.store = make_store(self.path, self.clock)
        self.addCleanup(self.store.close)
        indexed = self.successResultOf(self.indexed())
        self.assertEqual(set(indexed), {"character", "system"})
        slices = 0
        while self.successResultOf(self.store.index_more()):
            slices += 1
            more = Change([entry(100 + slices)])
            self.successResultOf(self.store.commit(more))
        self.assertGreaterEqual(slices, 2)
        indexed = self.successResultOf(self.indexed())
        self.assertEqual(set(indexed), set(KINDS))
        corporation = Filter(corporation_ids=frozenset({98000001}))
        self.assertEqual(self.count(corporation), 5 + slices)
        self.assertEqual(self.count(Filter(alliance_ids=frozenset({99}))), 3)
        self.assertFalse(self.successResultOf(self.store.index_more()))
        self.successResultOf(self.store.prune(START * 2))
        self.assertEqual(self.count(corporation), 0)

    def test_a_new_database_is_indexed(self) -> None:
        """
        There is nothing to do for one of today's version.
        """
        self.store = make_store(self.path, self.clock)
        self.addCleanup(self.store.close)
        indexed = self.successResultOf(self.indexed())
        self.assertEqual(set(indexed), set(KINDS))
        self.assertFalse(self.successResultOf(self.store.index_more()))


class ParticipantsTests(SyncCase):
    """
    Who took part, as a blob.
    """

    def test_travel(self) -> None:
        """
        Any number of each kind comes back as it was.
        """
        many = frozenset(range(1, 4000))
        for killmail in (
            entry(1, victim=None).killmail,
            entry(1, attackers=sorted(many), alliance=2**31 - 1).killmail,
        ):
            them = unpacked(packed(killmail))
            self.assertEqual(them.character_ids, killmail.character_ids)
            self.assertEqual(them.corporation_ids, killmail.corporation_ids)
            self.assertEqual(them.alliance_ids, killmail.alliance_ids)
