"""
A server on a :class:`Clock`, its upstream, and up to three clients: all that can happen
to them, one thing at a time, held against the oracle.

The server's own store, hub and sessions run. The store's threads do their work, and
tell of it, when the world says so; clients read by the byte.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from tests.support.client import CheckedClient
from tests.support.killmails import DAY, START, entry, esi
from tests.support.oracle import Oracle, Upstream, Wanted
from tests.support.staged import stage_all
from tests.support.store import crashed, make_stepped_store
from wanderer_twisted.days import day_of
from wanderer_twisted.interfaces import IHistory
from wanderer_twisted.partition import Filter, Snapshot
from wanderer_twisted.records import (
    BatchLimits,
    Change,
    Entry,
    Hole,
    JournalPage,
    Report,
)
from wanderer_twisted.store import journal, reading
from wanderer_twisted.stream.hub import Hub
from wanderer_twisted.stream.recent import Recent
from wanderer_twisted.stream.session import Session
from wanderer_twisted.stream.surroundings import Pace

_NOBODY: frozenset[int] = frozenset()

#: Corporations and alliances have ids that characters have too: they may.
_WANTED = [
    Wanted(characters, systems, min_value, corporations, alliances)
    for characters, systems, corporations, alliances in [
        (frozenset({1}), _NOBODY, _NOBODY, _NOBODY),
        (frozenset({1}), frozenset({31}), _NOBODY, _NOBODY),
        (frozenset({2, 3}), _NOBODY, _NOBODY, _NOBODY),
        (_NOBODY, frozenset({30}), _NOBODY, _NOBODY),
        (_NOBODY, _NOBODY, _NOBODY, _NOBODY),
        (_NOBODY, _NOBODY, frozenset({1}), _NOBODY),
        (_NOBODY, _NOBODY, _NOBODY, frozenset({1, 2})),
        (frozenset({3}), frozenset({31}), frozenset({2}), frozenset({1})),
    ]
    for min_value in (None, None, 50.0)
]

_AGES = [60, 3600, 2 * DAY, 20 * DAY, 40 * DAY, 80 * DAY, 95 * DAY, 300 * DAY]

#: What may happen next; what stands here twice happens twice as often.
_KINDS = [
    "happen",
    "happen",
    "announce",
    "announce",
    "announce",
    "redeliver",
    "backfill",
    "backfill",
    "repair",
    "list_somebody",
    "learn_value",
    "give_up",
    "prepare",
    "prepare",
    "tell_commit",
    "tell_commit",
    "read",
    "tell_read",
    "run_freely",
    "run_freely",
    "wait",
    "wait",
    "sleep",
    "prune",
    "crash",
    "restart",
    "kick",
    "lose_the_disk",
    "come",
    "come",
    "take_bytes",
    "cut",
    "cut",
    "cut",
    "come_back",
    "come_back",
    "come_back_late",
    "change",
    "forge",
]

#: Without these there is nothing to see.
_ALWAYS = frozenset(["happen", "announce", "come", "run_freely", "cut", "come_back"])


#: What may happen just before the server drains.
_BEFORE_DRAINING = ["announce", "tell_commit"]

#: What may happen while it does.
_WHILE_DRAINING = ["announce", "tell_commit", "run_freely", "take_bytes", "cut"]

#: Killmails in one part of a staged day.
_PART = 2


def _parts(each: Upstream) -> dict[str, Any]:
    return {
        "victim": min(each.characters),
        "attackers": sorted(each.characters)[1:],
        "system": each.system,
        "items": each.items,
        "corporation": each.corporation,
        "alliance": each.alliance,
    }


def _concerns(wanted: Filter, each: Upstream) -> bool:
    return bool(
        each.characters.intersection(wanted.character_ids)
        or each.system in wanted.system_ids
        or each.corporation in wanted.corporation_ids
        or each.alliance in wanted.alliance_ids
    )


@implementer(IHistory)
class HandledHistory:
    """
    Histories that are ready when the machine says so.

    :param has_all: whether the store has all of one, by its filter and cutoff.
    """

    def __init__(self, has_all: Callable[[Filter, int], bool]) -> None:
        self.has_all = has_all
        self.asked: list[tuple[Filter, int, Deferred[None]]] = []

    def prepare(self, wanted: Filter, cutoff: int) -> Deferred[None]:
        answer: Deferred[None] = Deferred(lambda _: self.asked.remove(asked))
        asked = (wanted, cutoff, answer)
        self.asked.append(asked)
        return answer

    def want(self, wanted: Filter, cutoff: int) -> Deferred[None]:
        return succeed(None)

    def report(self, wanted: Filter, cutoff: int) -> Deferred[Report]:
        lacking = 0 if self.has_all(wanted, cutoff) else 1
        return succeed(Report(0, lacking, cutoff))


class World:
    """
    :param chance: what happens to happen.
    :param note: is told all that happens, in words.
    """

    def __init__(self, chance: Random, note: Callable[[str], object]) -> None:
        self.note = note
        # Not everything in every run: rare things meet more often so.
        left_out = {each for each in _KINDS if chance.random() < 0.35} - _ALWAYS
        self.kinds = [each for each in _KINDS if each not in left_out]
        self.folder = mkdtemp()
        self.clock = Clock()
        self.clock.advance(START)
        self.upstreams: dict[int, Upstream] = {}
        self.fed = 0
        self.stores = 0
        self.clients: list[CheckedClient] = []
        self.opening: dict[CheckedClient, Deferred[Session]] = {}
        # Mostly each stream is told in a turn of its own.
        self.slice = chance.choice([1, 1, 3])
        # Most histories take several batches; without pauses these are read together,
        # and ahead, as far as they fit.
        limits = BatchLimits(2, chance.choice([1500, 12_000]), chance.choice([3, 6]))
        self.pace = Pace(limits, chance.choice([0.0, 0.1]), budget=5.0)
        self.new_store()
        for _ in range(chance.randrange(5)):
            self.happen(chance)
        if chance.random() < 0.5:
            self.list_those(lambda each: True, 0, valued=True)
            self.writer.deliver()

    def step(self, chance: Random) -> None:
        """
        Something happens.
        """
        kind = chance.choice(self.kinds)
        self.note(kind)
        getattr(self, kind)(chance)

    # --- the server ------------------------------------------------------------

    def new_store(self) -> None:
        self.stores += 1
        self.oracle = Oracle()
        self.fed = 0
        self.start_server()

    def start_server(self) -> None:
        self.path = os.path.join(self.folder, f"{self.stores}.db")
        self.store, self.writer, self.readers = make_stepped_store(
            self.path, self.clock, retention_days=100
        )
        assert self.store.marks.head == self.oracle.head
        self.store.read_journal = self.read_journal  # type: ignore[method-assign]
        self.history = HandledHistory(self.has_all)
        self.hub = Hub(
            self.clock,
            self.store,
            self.history,
            feed_status=lambda: None,
            pace=self.pace,
            slice=self.slice,
        )
        self.hub.recent = Recent(
            4, page=2
        )  # so few that streams need the store as well
        self.hub.startService()

    def read_journal(
        self, wanted: Filter, snapshot: Snapshot | None, after: int
    ) -> Deferred[JournalPage]:
        """
        As the store does, in pages so small that replays take several.
        """
        small = partial(
            journal.read_journal,
            wanted=wanted,
            snapshot=snapshot,
            after=after,
            limits=journal.PageLimits(scanned=3, entries=2, size=5000),
        )
        return self.readers.run(small)

    def abandon(self) -> None:
        """
        The process is gone: nobody hears what was done but not told.
        """
        self.drop_all()
        self.writer.done.clear()
        self.readers.done.clear()
        self.store.close()

    def write(self, change: Change) -> None:
        """
        Commit *change*; it is told when the machine says so.
        """
        self.store.commit(change).addErrback(lambda _: None)
        assert self.writer.step()

    def entries(self, ids: Iterable[int], valued: bool) -> list[Entry]:
        return [
            entry(
                each.killmail_id,
                each.value if valued else None,
                kill_time=each.kill_time,
                **_parts(each),
            )
            for each in map(self.upstreams.__getitem__, ids)
        ]

    def take(self, ids: list[int], announce: bool, valued: bool) -> None:
        self.write(Change(entries=self.entries(ids, valued), announce=announce))
        taken = [(self.upstreams[each], valued) for each in ids]
        self.oracle.take(taken, announce, self.clock.seconds())

    # --- upstream --------------------------------------------------------------

    def happen(self, chance: Random) -> None:
        """
        Some die; nobody has been told yet.
        """
        for _ in range(chance.randrange(1, 6)):
            killmail_id = len(self.upstreams) + 1
            self.upstreams[killmail_id] = Upstream(
                killmail_id,
                int(self.clock.seconds()) - chance.choice(_AGES),
                frozenset(chance.choice([(1,), (1,), (2,), (1, 2), (3,)])),
                chance.choice([30, 31]),
                chance.choice([1.0, 100.0]),
                chance.choice([0, 3, 20]),
                chance.choice([1, 2]),
                chance.choice([1, 2, None]),
            )

    def announce(self, chance: Random) -> None:
        """
        The live feed brings what happened.
        """
        count = chance.randrange(1, 6)
        ids = list(self.upstreams)[self.fed : self.fed + count]
        self.fed += len(ids)
        if ids:
            self.take(ids, announce=True, valued=chance.random() < 0.6)

    def redeliver(self, chance: Random) -> None:
        """
        The live feed brings something again, perhaps with its value now.
        """
        if self.fed:
            again = chance.choice(list(self.upstreams)[: self.fed])
            self.take([again], announce=True, valued=chance.random() < 0.5)

    def backfill(self, chance: Random) -> None:
        """
        Some days of the archive are taken in, or some parts of them: another process
        may end in the middle, and begins anew. Where the clock was wrong they are days
        of long ago.
        """
        oldest = self.clock.seconds() - chance.choice([90, 90, 400]) * DAY
        some = [
            each
            for each in self.upstreams.values()
            if each.kill_time >= oldest and chance.random() < 0.7
        ]
        bodies = [
            esi(each.killmail_id, kill_time=each.kill_time, **_parts(each))
            for each in some
        ]
        folder = os.path.join(self.folder, "staged")
        for path, staged in stage_all(folder, bodies, _PART):
            day = int(Path(path).stem)
            ids = sorted(x.killmail_id for x in some if day_of(x.kill_time) == day)
            for part in range(staged.parts):
                if chance.random() < 0.8:
                    self.store.load(path, part).addErrback(lambda _: None)
                    assert self.writer.step()
                    its_ids = ids[_PART * part : _PART * (part + 1)]
                    self.oracle.load(map(self.upstreams.__getitem__, its_ids))
        shutil.rmtree(folder, ignore_errors=True)

    def repair(self, chance: Random) -> None:
        """
        A day's list has what the feed missed: all of it that nobody was told of is
        announced, perhaps long after a history stored it, or before the feed brings it
        after all.
        """
        some = [each for each in self.upstreams if chance.random() < 0.2][:5]
        database = self.readers.database
        assert database is not None
        absent = reading.read_absent(database, some)
        owed = sorted({*absent, *reading.read_unannounced(database, some)})
        if owed:
            self.write(Change(self.entries(owed, valued=False), announce=True))
        taken = [(self.upstreams[each], False) for each in some]
        self.oracle.take(taken, announce=True, now=self.clock.seconds())

    def list_somebody(self, chance: Random) -> None:
        """
        Somebody else's history is fetched.
        """
        character = chance.randrange(1, 4)
        valued = chance.random() < 0.5
        self.list_those(lambda each: character in each.characters, 0, valued)

    def list_those(
        self, chosen: Callable[[Upstream], bool], cutoff: int, valued: bool
    ) -> None:
        now = self.clock.seconds()
        ids = [
            each.killmail_id
            for each in self.upstreams.values()
            if chosen(each) and each.kill_time >= max(cutoff, now - 90 * DAY)
        ]
        if ids:
            self.take(ids, announce=False, valued=valued)

    def learn_value(self, chance: Random) -> None:
        """
        A value becomes known later.
        """
        if self.oracle.kept:
            killmail_id = chance.choice(sorted(self.oracle.kept))
            self.take([killmail_id], announce=False, valued=True)

    def give_up(self, chance: Random) -> None:
        """
        The feed skips something for good: a repair may bring it, or a history.
        """
        now = self.clock.seconds()
        skipped = chance.randrange(3)
        self.fed = min(self.fed + skipped, len(self.upstreams))
        self.write(Change(holes=[Hole("r2z2", 1, 1, now - 5, now)]))
        self.oracle.hole(now)

    def prepare(self, chance: Random) -> None:
        """
        A history is fetched, or its deadline passes.
        """
        if not self.history.asked:
            return
        asked = chance.choice(self.history.asked)
        wanted, cutoff, _ = asked
        if chance.random() < 0.7:
            self.list_those(
                partial(_concerns, wanted), cutoff, valued=chance.random() < 0.6
            )
        self.prepared(asked)

    def prepared(self, asked: tuple[Filter, int, Deferred[None]]) -> None:
        wanted, _, answer = asked
        alike = [each for each in self.clients if each.wish().filter == wanted]
        if len(alike) == 1:  # else who knows whose this is
            alike[0].prepared_at(self.oracle.head)
        self.history.asked.remove(asked)
        answer.callback(None)

    def has_all(self, wanted: Filter, cutoff: int) -> bool:
        """
        Whether the store has all that happened of a history; who is told so must be
        told all of that.
        """
        those = [
            each
            for each in self.upstreams.values()
            if _concerns(wanted, each)
            and each.kill_time >= cutoff
            and each.killmail_id not in self.oracle.pruned
        ]
        kept = [self.oracle.kept.get(each.killmail_id) for each in those]
        if wanted.min_value is None:
            whole = all(each is not None for each in kept)
        else:
            whole = all(each is not None and each.valued for each in kept)
            those = [each for each in those if each.value >= wanted.min_value]
        if whole:
            claim = frozenset(each.killmail_id for each in those)
            self.oracle.claims.setdefault((wanted, cutoff), []).append(claim)
        return whole

    # --- the store's threads, and time -----------------------------------------

    def tell_commit(self, chance: Random) -> None:
        self.writer.deliver()

    def read(self, chance: Random) -> None:
        self.readers.step()

    def tell_read(self, chance: Random) -> None:
        self.readers.deliver()

    def run_freely(self, chance: Random) -> None:
        """
        The server gets something done, and its clients take what comes, or do not.
        """
        taking = self.clients if chance.random() < 0.7 else []
        self.flow(chance.randrange(1, 13), taking)

    def flow(self, count: int, taking: list[CheckedClient]) -> None:
        for _ in range(count):
            for asked in self.history.asked[:1]:
                self.prepared(asked)
            self.writer.deliver()
            if self.readers.step():
                self.readers.deliver()
            for client in taking:
                self.deliver(client)
            self.clock.advance(0.1)

    def wait(self, chance: Random) -> None:
        self.clock.advance(chance.choice([0.1, 1, 5, 30]))

    def sleep(self, chance: Random) -> None:
        """
        Days pass. Who is not following by then was closed long before.
        """
        while self.writer.deliver():
            continue
        while self.hub.told < self.hub.published:
            self.clock.advance(0)  # the days do not fall between two of its turns
        for client in list(self.opening):
            self.lose(client)
        for session in self.hub.sessions:
            if not session.following:
                session.close("stuck")
        self.clock.advance(chance.choice([12, 110]) * DAY)
        for client in self.clients:
            if self.following(client):
                self.deliver(client)
        if chance.random() < 0.5:
            self.prune(chance)
            self.writer.deliver()

    def following(self, client: CheckedClient) -> bool:
        return client.transport is not None and client.transport.ended is None

    def prune(self, chance: Random) -> None:
        now = self.clock.seconds()
        self.store.prune(now).addErrback(lambda _: None)
        assert self.writer.step()
        self.oracle.prune(now)

    def crash(self, chance: Random) -> None:
        """
        The process is killed: what was committed is there, all else is gone.
        """
        self.stores += 1
        crashed(self.path, os.path.join(self.folder, f"{self.stores}.db"))
        self.abandon()
        self.start_server()

    def restart(self, chance: Random) -> None:
        """
        The server drains while things go on, stops, and is started again.
        """
        for _ in range(chance.randrange(6)):  # so that some streams lack something
            getattr(self, chance.choice(_BEFORE_DRAINING))(chance)
        drained = Deferred.fromCoroutine(self.hub.drain())
        while not drained.called:
            for _ in range(chance.randrange(3)):
                getattr(self, chance.choice(_WHILE_DRAINING))(chance)
            self.clock.advance(0.5)
        self.hub.stopService()
        for client in self.clients:
            assert client in self.opening or not self.following(client)
            if chance.random() < 0.7:  # else it was cut before it had all of it
                self.deliver(client)
            self.lose(client)
        self.abandon()
        self.start_server()

    def kick(self, chance: Random) -> None:
        """
        The server ends a stream: its operator does, or its token is over. Rather one
        that lacks something.
        """
        streams = [
            (each, each.session)
            for each in self.clients
            if each.session is not None and self.following(each)
        ]
        behind = [(each, session) for each, session in streams if session.lag]
        if streams:
            client, session = chance.choice(behind or streams)
            session.end("kicked", "The operator ended it")
            if chance.random() < 0.7:  # else it was cut before it had all of it
                self.deliver(client)
            self.lose(client)

    def lose_the_disk(self, chance: Random) -> None:
        """
        Another, empty store.
        """
        self.abandon()
        self.new_store()

    def drop_all(self) -> None:
        for client in self.clients:
            self.lose(client)

    # --- clients ---------------------------------------------------------------

    def come(self, chance: Random) -> None:
        """
        A new client.
        """
        if len(self.clients) == 3:
            return
        wanted, days = chance.choice(_WANTED), chance.choice([0, 30, 90, 90])
        if not wanted.names_somebody:
            days = 0
        hours = None
        if wanted.names_somebody and not days:
            hours = chance.choice([None, 1, 36, 1800])
        gzip = chance.random() < 0.3
        limit = chance.choice([300, 3000])  # an event, or several
        name = f"client {len(self.clients)}"
        client = CheckedClient(name, self.note, wanted, days, hours, gzip, limit)
        self.clients.append(client)
        self.connect(client)

    def connect(self, client: CheckedClient) -> None:
        transport = client.connect(
            self.store.epoch, self.hub.published, self.clock.seconds()
        )
        opening = Deferred.fromCoroutine(self.hub.open(client.wish(), transport))
        self.opening[client] = opening
        opening.addBoth(self.opened, client)

    def opened(self, result: object, client: CheckedClient) -> None:
        self.opening.pop(client, None)
        if isinstance(result, Session):
            client.session = result

    def take_bytes(self, chance: Random) -> None:
        """
        A client reads what waits for it, or some of it.
        """
        if self.clients:
            size = chance.choice([None, chance.randrange(1, 4000)])
            self.deliver(chance.choice(self.clients), size)

    def deliver(self, client: CheckedClient, size: int | None = None) -> None:
        if client.transport is not None:
            taken = client.transport.take(size)
            client.feed(taken, self.oracle, self.clock.seconds())

    def cut(self, chance: Random) -> None:
        """
        A connection breaks, perhaps after a while, behind any byte.
        """
        if self.clients:
            client = chance.choice(self.clients)
            self.flow(chance.randrange(9), [client])
            self.deliver(client, chance.randrange(4000))
            self.lose(client)

    def lose(self, client: CheckedClient) -> None:
        if client in self.opening:
            self.opening.pop(client).cancel()
        elif client.transport is not None and client.transport.producer is not None:
            client.transport.lose()
        client.transport = None

    def come_back(self, chance: Random) -> None:
        """
        A client reconnects.
        """
        gone = [each for each in self.clients if not each.transport]
        if gone:
            self.connect(chance.choice(gone))

    def come_back_late(self, chance: Random) -> None:
        """
        A client reconnects after a long time, in the very moment of a pruning; often to
        a server that has nothing in memory.
        """
        self.sleep(chance)
        if chance.random() < 0.7:
            self.crash(chance)
        gone = [each for each in self.clients if not each.transport]
        if gone:
            self.connect(chance.choice(gone))
            self.readers.step()
            self.prune(chance)

    def change(self, chance: Random) -> None:
        """
        A client reconnects with another filter.
        """
        gone = [each for each in self.clients if not each.transport]
        if gone:
            client, wanted = chance.choice(gone), chance.choice(_WANTED)
            if wanted.names_somebody or not client.looks_back:
                client.want_other(wanted)
            self.connect(client)

    def forge(self, chance: Random) -> None:
        """
        A client comes with what is no cursor.
        """
        gone = [each for each in self.clients if not each.transport]
        if gone:
            client = chance.choice(gone)
            client.forged = chance.choice(["0", "l.x", "h" * 70])
            self.connect(client)

    # --- the end ---------------------------------------------------------------

    def end(self) -> None:
        """
        All comes to rest, twice, and nothing may be missing.
        """
        try:
            for _ in range(2):  # and once more with the cursors of the end
                self.settle()
                for client in self.clients:
                    client.check_nothing_lost(self.oracle)
                assert self.hub.store.marks.head == self.oracle.head
                self.drop_all()
        finally:
            self.abandon()
            shutil.rmtree(self.folder)
        assert len(self.hub) == 0
        assert not self.clock.getDelayedCalls()

    def settle(self) -> None:
        """
        All that is under way ends, and every client catches up.
        """
        for _ in range(2000):
            busy = False
            while self.writer.deliver():
                busy = True
            while self.readers.step() or self.readers.deliver():
                busy = True
            for asked in self.history.asked[:1]:
                self.prepared(asked)
                busy = True
            for client in self.clients:
                transport = client.transport
                if transport is None or transport.ended:
                    self.deliver(client)
                    self.connect(client)
                    busy = True
                elif transport.waiting:
                    self.deliver(client)
                    busy = True
            if not busy and all(each.following for each in self.hub.sessions):
                return
            self.clock.advance(0.5)
        raise AssertionError("it never comes to rest")
