"""
Exactly once: whatever is announced, found late, pruned, cut off or crashed in whatever
order, every client gets each killmail once (design.md §3).

The server's own store, hub and sessions run on a :class:`Clock`. The store's threads do
their work, and tell of it, when the machine says so; clients read by the byte.
``tests/mutations.py`` proves that this bites.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from tempfile import mkdtemp
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from tests.support.cases import SyncCase
from tests.support.client import CheckedClient
from tests.support.killmails import DAY, START, entry
from tests.support.oracle import Oracle, Upstream, Wanted
from tests.support.store import crashed, make_stepped_store
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
from wanderer_twisted.store import journal
from wanderer_twisted.stream.hub import Hub
from wanderer_twisted.stream.session import Pace, Session

_WANTED = [
    Wanted(frozenset(characters), frozenset(systems), min_value)
    for characters, systems in [
        ({1}, ()),
        ({1}, {31}),
        ({2, 3}, ()),
        ((), {30}),
        ((), ()),
    ]
    for min_value in (None, 50.0)
]

_upstreams = st.fixed_dictionaries(
    {
        "age": st.sampled_from([60, 3600, 2 * DAY, 40 * DAY, 95 * DAY, 300 * DAY]),
        "characters": st.sampled_from([(1,), (2,), (1, 2), (3,)]),
        "system": st.sampled_from([30, 31]),
        "value": st.sampled_from([1.0, 100.0]),
        "items": st.sampled_from([0, 3, 20]),
    }
)


@implementer(IHistory)
class HandledHistory:
    """
    Histories that are ready when the machine says so.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[Filter, int, Deferred[None]]] = []

    def prepare(self, wanted: Filter, cutoff: int) -> Deferred[None]:
        answer: Deferred[None] = Deferred(lambda _: self.asked.remove(asked))
        asked = (wanted, cutoff, answer)
        self.asked.append(asked)
        return answer

    def report(self, wanted: Filter, cutoff: int) -> Deferred[Report]:
        return succeed(Report(0, 0, cutoff))


class Machine(RuleBasedStateMachine):
    """
    A server, its upstream, and up to three clients.
    """

    @initialize()
    def begin(self) -> None:
        self.folder = mkdtemp(
            dir="_trial_temp" if os.path.isdir("_trial_temp") else "."
        )
        self.clock = Clock()
        self.clock.advance(START)
        self.upstreams: dict[int, Upstream] = {}
        self.fed = 0
        self.stores = 0
        self.clients: list[CheckedClient] = []
        self.opening: dict[CheckedClient, Deferred[Session]] = {}
        self.new_store()

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
        self.history = HandledHistory()
        # Sizes: a batch holds three killmails, or fewer where they are large.
        limits = BatchLimits(killmails=3, size=2500)
        self.hub = Hub(
            self.clock,
            self.store,
            self.history,
            feed_status=lambda: None,
            pace=Pace(limits, pause=0.1, budget=5.0),
        )
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
                victim=min(each.characters),
                attackers=sorted(each.characters)[1:],
                system=each.system,
                items=each.items,
            )
            for each in map(self.upstreams.__getitem__, ids)
        ]

    def take(self, ids: list[int], announce: bool, valued: bool) -> None:
        self.write(Change(entries=self.entries(ids, valued), announce=announce))
        taken = [(self.upstreams[each], valued) for each in ids]
        self.oracle.take(taken, announce, self.clock.seconds())

    # --- upstream --------------------------------------------------------------

    @rule(parts=_upstreams)
    def happen(self, parts: dict[str, Any]) -> None:
        """
        Somebody dies; nobody has been told yet.
        """
        killmail_id = len(self.upstreams) + 1
        self.upstreams[killmail_id] = Upstream(
            killmail_id,
            int(self.clock.seconds()) - parts["age"],
            frozenset(parts["characters"]),
            parts["system"],
            parts["value"],
            parts["items"],
        )

    @precondition(lambda self: self.fed < len(self.upstreams))
    @rule(count=st.integers(1, 3), valued=st.booleans())
    def announce(self, count: int, valued: bool) -> None:
        """
        The live feed brings what happened.
        """
        ids = list(self.upstreams)[self.fed : self.fed + count]
        self.fed += len(ids)
        self.take(ids, announce=True, valued=valued)

    @precondition(lambda self: self.fed)
    @rule(data=st.data(), valued=st.booleans())
    def redeliver(self, data: st.DataObject, valued: bool) -> None:
        """
        The live feed brings something again, perhaps with its value now.
        """
        ids = list(self.upstreams)[: self.fed]
        self.take([data.draw(st.sampled_from(ids))], announce=True, valued=valued)

    @precondition(lambda self: self.upstreams)
    @rule(character=st.integers(1, 3), valued=st.booleans())
    def list_somebody(self, character: int, valued: bool) -> None:
        """
        Somebody else's history is fetched.
        """
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

    @precondition(lambda self: self.oracle.kept)
    @rule(data=st.data())
    def learn_value(self, data: st.DataObject) -> None:
        """
        A value becomes known later.
        """
        killmail_id = data.draw(st.sampled_from(sorted(self.oracle.kept)))
        self.take([killmail_id], announce=False, valued=True)

    @rule()
    def give_up(self) -> None:
        """
        The feed skips something for good.
        """
        now = self.clock.seconds()
        self.write(Change(holes=[Hole("r2z2", 1, 1, now - 5, now)]))
        self.oracle.hole()

    @precondition(lambda self: self.history.asked)
    @rule(data=st.data(), fetched=st.booleans(), valued=st.booleans())
    def prepare(self, data: st.DataObject, fetched: bool, valued: bool) -> None:
        """
        A history is fetched, or its deadline passes.
        """
        asked = data.draw(st.sampled_from(self.history.asked))
        wanted, cutoff, answer = asked
        if fetched:
            self.list_those(
                lambda each: bool(
                    each.characters & wanted.character_ids
                    or each.system in wanted.system_ids
                ),
                cutoff,
                valued,
            )
        for client in self.clients:
            if client.wish().filter == wanted:
                client.prepared_at(self.oracle.head)
        self.history.asked.remove(asked)
        answer.callback(None)

    # --- the store's threads, and time -----------------------------------------

    @rule()
    def tell_commit(self) -> None:
        self.writer.deliver()

    @rule()
    def read(self) -> None:
        self.readers.step()

    @rule()
    def tell_read(self) -> None:
        self.readers.deliver()

    @rule(count=st.integers(1, 6))
    def run_freely(self, count: int) -> None:
        """
        The threads get something done.
        """
        for _ in range(count):
            self.writer.deliver()
            if self.readers.step():
                self.readers.deliver()
            self.clock.advance(0.1)

    @rule(seconds=st.sampled_from([0.1, 1, 5, 30]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(days=st.sampled_from([12, 110]), pruned=st.booleans())
    def sleep(self, days: int, pruned: bool) -> None:
        """
        Days pass. Who is not following by then was closed long before.
        """
        while self.writer.deliver():
            continue
        for client in list(self.opening):
            self.lose(client)
        for session in self.hub.sessions:
            if not session.following:
                session.close("stuck")
        self.clock.advance(days * DAY)
        for client in self.clients:
            if self.following(client):
                self.deliver(client)
        if pruned:
            self.prune()
            self.writer.deliver()

    def following(self, client: CheckedClient) -> bool:
        return client.transport is not None and client.transport.ended is None

    @rule()
    def prune(self) -> None:
        now = self.clock.seconds()
        self.store.prune(now).addErrback(lambda _: None)
        assert self.writer.step()
        self.oracle.prune(now)

    @rule()
    def crash(self) -> None:
        """
        The process is killed: what was committed is there, all else is gone.
        """
        self.stores += 1
        crashed(self.path, os.path.join(self.folder, f"{self.stores}.db"))
        self.abandon()
        self.start_server()

    @rule(likely=st.integers(0, 9))
    def lose_the_disk(self, likely: int) -> None:
        """
        Another, empty store; disks are lost more rarely than the rest happens.
        """
        if likely:
            return
        self.abandon()
        self.new_store()

    def drop_all(self) -> None:
        for client in self.clients:
            self.lose(client)

    # --- clients ---------------------------------------------------------------

    @precondition(lambda self: len(self.clients) < 3)
    @rule(wanted=st.sampled_from(_WANTED), days=st.sampled_from([0, 30, 90]))
    def come(self, wanted: Wanted, days: int) -> None:
        """
        A new client.
        """
        if not wanted.names_somebody:
            days = 0
        client = CheckedClient(f"client {len(self.clients)}", wanted, days)
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

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), size=st.none() | st.integers(1, 4000))
    def take_bytes(self, data: st.DataObject, size: int | None) -> None:
        """
        A client reads what waits for it, or some of it.
        """
        self.deliver(data.draw(st.sampled_from(self.clients)), size)

    def deliver(self, client: CheckedClient, size: int | None = None) -> None:
        if client.transport is not None:
            taken = client.transport.take(size)
            client.feed(taken, self.oracle, self.clock.seconds())

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), size=st.integers(0, 4000))
    def cut(self, data: st.DataObject, size: int) -> None:
        """
        A connection breaks behind any byte.
        """
        client = data.draw(st.sampled_from(self.clients))
        self.deliver(client, size)
        self.lose(client)

    def lose(self, client: CheckedClient) -> None:
        if client in self.opening:
            self.opening.pop(client).cancel()
        elif client.transport is not None and client.transport.producer is not None:
            client.transport.lose()
        client.transport = None

    @precondition(lambda self: any(not each.transport for each in self.clients))
    @rule(data=st.data(), wanted=st.none() | st.sampled_from(_WANTED))
    def come_back(self, data: st.DataObject, wanted: Wanted | None) -> None:
        """
        A client reconnects, sometimes with another filter.
        """
        gone = [each for each in self.clients if not each.transport]
        client = data.draw(st.sampled_from(gone))
        if wanted is not None and (wanted.names_somebody or not client.preload_days):
            client.want_other(wanted)
        self.connect(client)

    @precondition(lambda self: any(not each.transport for each in self.clients))
    @rule(data=st.data(), cursor=st.sampled_from(["0", "l.x", "h" * 70]))
    def forge(self, data: st.DataObject, cursor: str) -> None:
        """
        A client comes with what is no cursor.
        """
        client = data.draw(
            st.sampled_from([each for each in self.clients if not each.transport])
        )
        client.forged = cursor
        self.connect(client)

    # --- the end ---------------------------------------------------------------

    def teardown(self) -> None:
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
            for _, _, answer in self.history.asked[:]:
                self.history.asked.clear()
                answer.callback(None)
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


class ExactlyOnceTests(SyncCase):
    """
    The machine, run.
    """

    def test_exactly_once(self) -> None:
        """
        Nothing is lost, repeated, out of order or unasked for.
        """
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=int(os.environ.get("EXACTLY_ONCE_EXAMPLES", "150")),
                stateful_step_count=60,
                deadline=None,
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
