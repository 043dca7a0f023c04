"""
One stream, step by step: what it sends, when it waits, and how it ends.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.support.cases import SyncCase
from tests.support.eventsource import Event, EventSource
from tests.support.killmails import DAY, START, entry
from tests.support.store import make_stepped_store, make_store, settle, temporary_path
from tests.support.transport import MemoryTransport
from wanderer_twisted.interfaces import IClientTransport, IHistory, StoreUnavailable
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import BatchLimits, Change, FeedStatus, Hole, Report
from wanderer_twisted.stream import events
from wanderer_twisted.stream.entries import KillmailEntry
from wanderer_twisted.stream.hub import Hub
from wanderer_twisted.stream.opening import Wish
from wanderer_twisted.stream.session import Session
from wanderer_twisted.stream.surroundings import Pace

ANN = Filter(frozenset([1]))


@implementer(IHistory)
class ReadyHistory:
    """
    A history that is ready when the test says so, or at once.
    """

    def __init__(self) -> None:
        self.told = Report(0, 0, START - 90 * DAY)
        self.wait: Deferred[None] | None = None
        self.asked: list[tuple[Filter, int]] = []

    def prepare(self, wanted: Filter, cutoff: int) -> Deferred[None]:
        self.asked.append((wanted, cutoff))
        if self.wait is None:
            return succeed(None)
        preparing: Deferred[None] = Deferred()
        self.wait.chainDeferred(preparing)  # each may be cancelled by itself
        return preparing

    def want(self, wanted: Filter, cutoff: int) -> Deferred[None]:
        return succeed(None)

    def report(self, wanted: Filter, cutoff: int) -> Deferred[Report]:
        return succeed(self.told)


class StreamCase(SyncCase):
    """
    A hub over a store that does everything at once.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        self.store = make_store(temporary_path(self), self.clock)
        self.addCleanup(self.store.close)
        self.history = ReadyHistory()
        self.status: FeedStatus | None = None
        self.hub = Hub(
            self.clock,
            self.store,
            self.history,
            lambda: self.status,
            Pace(BatchLimits(killmails=2), pause=0.1, budget=0.3),
        )
        self.hub.startService()

    def tearDown(self) -> None:
        for session in self.hub.sessions:
            session.close("gone")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def open(self, limit: int = 65536, **wish: Any) -> tuple[Session, MemoryTransport]:
        transport = MemoryTransport(limit)
        asked = Wish(**{"filter": ANN, **wish})
        opened = Deferred.fromCoroutine(self.hub.open(asked, transport))
        return self.successResultOf(opened), transport

    def announce(self, *ids: int, **parts: Any) -> None:
        entries = [entry(each, **{"victim": 1, **parts}) for each in ids]
        self.successResultOf(self.store.commit(Change(entries, announce=True)))

    def store_past(self, count: int) -> None:
        entries = [
            entry(each, victim=1, kill_time=START - DAY + each)
            for each in range(1, count + 1)
        ]
        self.successResultOf(self.store.commit(Change(entries)))

    def forget_recent(self) -> None:
        """
        Have nothing left for streams but the store.
        """
        self.hub.recent.begin(1 << 40)

    def read(self, transport: MemoryTransport) -> list[Event]:
        return EventSource().feed(transport.take())

    def names(self, transport: MemoryTransport) -> list[str]:
        return [event.name for event in self.read(transport)]


class LiveTests(StreamCase):
    """
    Without a history.
    """

    def test_live(self) -> None:
        """
        What is announced arrives; what does not match only moves the cursor.
        """
        session, transport = self.open()
        self.announce(7)
        self.announce(8, victim=2)
        events = self.read(transport)
        self.assertEqual([each.name for each in events], ["connected", "killmail"])
        self.assertEqual(events[1].data["killmail_id"], 7)
        self.assertEqual(events[1].id, f"l.{self.store.epoch}.00000001")
        self.assertEqual(session.cursor, f"l.{self.store.epoch}.00000002")

    def test_others(self) -> None:
        """
        What others were told while it was away moves its cursor, page by page.
        """
        session, _ = self.open()
        cursor, page = session.cursor, self.hub.recent.page
        session.close("gone")
        self.announce(*range(1, page + 2), victim=2)
        self.announce(*range(page + 2, 2 * page + 3))
        session, transport = self.open(cursor=cursor)
        self.assertTrue(session.following)
        self.assertEqual(self.names(transport).count("killmail"), page + 1)

    def test_heartbeats(self) -> None:
        """
        One interval after ``connected``, then every interval; each with the cursor and
        how the feed is.
        """
        self.status = FeedStatus("r2z2", "quiet", "5")
        _, transport = self.open(heartbeat=10.0)
        self.announce(8, victim=2)
        self.clock.advance(9.9)
        self.assertEqual(self.names(transport), ["connected"])
        self.clock.advance(0.1)
        (beat,) = self.read(transport)
        self.assertEqual(beat.name, "heartbeat")
        self.assertEqual(beat.data["mode"], "realtime")
        self.assertEqual(beat.data["feed"]["state"], "quiet")
        self.assertEqual(beat.id, f"l.{self.store.epoch}.00000001")
        self.clock.pump([10, 10])
        self.assertEqual(self.names(transport), ["heartbeat", "heartbeat"])

    def test_heartbeat_between_slices(self) -> None:
        """
        While others are being told, a heartbeat does not take back what one was told.
        """
        self.patch(self.hub._broadcast, "_slice", 1)
        self.clock.callLater(10, self.announce, 7)
        streams = [self.open(heartbeat=10.0) for _ in range(2)]
        self.clock.advance(10)
        for session, transport in streams:
            session.pauseProducing()
            session.resumeProducing()
            names = self.names(transport)
            self.assertEqual(sorted(names), ["connected", "heartbeat", "killmail"])

    def test_items(self) -> None:
        """
        Each stream gets the form that it asked for.
        """
        streams = [(items, self.open(with_items=items)[1]) for items in (1, 0, 1)]
        self.announce(7, items=2)
        for items, transport in streams:
            victim = self.read(transport)[-1].data["victim"]
            self.assertEqual(len(victim.get("items", ())), 2 * items)

    def test_hole(self) -> None:
        """
        A hole is told to every stream, followed or replayed.
        """
        _, following = self.open()
        cursor = self.read(following)[0].id
        hole = Hole("r2z2", 5, 6, START - 60, START)
        self.successResultOf(self.store.commit(Change(holes=[hole])))
        self.assertEqual(self.names(following), ["warning"])
        _, replaying = self.open(cursor=cursor)
        self.assertEqual(self.names(replaying), ["connected", "warning"])

    def test_one_that_fails(self) -> None:
        """
        A stream that cannot take a killmail is closed, and comes back for it; no other
        goes without.
        """
        _, failing = self.open()
        cursor = self.read(failing)[0].id
        others = [self.open()[1] for _ in range(8)]
        self.patch(failing, "write", lambda *_: 1 // 0)
        self.announce(7)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        for transport in others:
            self.assertEqual(self.names(transport), ["connected", "killmail"])
        self.assertEqual(self.hub.closings, {"internal": 1})
        _, again = self.open(cursor=cursor)
        self.assertEqual(self.names(again), ["connected", "killmail"])

    def test_heartbeats_that_fail(self) -> None:
        """
        A stream that cannot take one is closed, and no other goes without; what fails
        for all is tried again when they are due next.
        """
        _, failing = self.open()
        others = [self.open()[1] for _ in range(8)]
        self.clock.advance(0.5)  # of the same second, but a slice of its own
        others.append(self.open()[1])
        self.patch(failing, "write", lambda *_: 1 // 0)
        self.clock.advance(29.5)
        self.clock.advance(0.5)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        for transport in others:
            self.assertEqual(self.names(transport), ["connected", "heartbeat"])
        self.assertEqual(self.hub.closings, {"internal": 1})
        patch = self.patch(self.hub, "_feed_status", lambda: 1 // 0)
        self.clock.advance(29.5)
        self.clock.advance(0.5)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        patch.restore()
        self.clock.advance(29.5)
        self.clock.advance(0.5)
        for transport in others:
            self.assertEqual(self.names(transport), ["heartbeat"])

    def test_warn(self) -> None:
        """
        An advice reaches all that can take it.
        """
        _, transport = self.open()
        self.hub.warn("feed_silent", "Nothing for an hour")
        self.assertEqual(self.read(transport)[-1].data["type"], "feed_silent")


class BackPressureTests(StreamCase):
    """
    A session holds no more than its transport and one page.
    """

    def test_pause_and_resume(self) -> None:
        """
        A paused stream is written nothing more, and has missed nothing afterwards.
        """
        session, transport = self.open(limit=2000)
        self.announce(*range(1, 6))
        self.assertFalse(session.following)
        before = len(transport.written)
        for each in range(6, 200):
            self.announce(each)
        self.assertEqual(len(transport.written), before)
        client, got = EventSource(), []
        while not session.following:
            got += client.feed(transport.take())
        got += client.feed(transport.take())
        ids = [each.data["killmail_id"] for each in got if each.name == "killmail"]
        self.assertEqual(ids, list(range(1, 200)))

    def test_one_page_past_a_pause(self) -> None:
        """
        A replay writes at most one page past the pause.
        """
        _, transport = self.open()
        cursor = self.read(transport)[0].id
        self.announce(*range(1, 500))
        _, slow = self.open(limit=100, cursor=cursor)
        self.assertLessEqual(len(slow.written), 1 + 50)

    def test_no_heartbeats(self) -> None:
        """
        One for whom bytes wait gets no heartbeats, which would wait behind them.
        """
        _, transport = self.open(limit=10, heartbeat=2.0)
        self.clock.pump([2, 2])
        self.assertEqual(self.names(transport), ["connected"])
        self.clock.advance(2)
        self.assertEqual(self.names(transport), ["heartbeat"])

    def test_paused_history(self) -> None:
        """
        While a client takes nothing the history waits, and so do heartbeats.
        """
        self.store_past(9)
        _, transport = self.open(limit=1000, preload_days=90)
        self.clock.pump([0.1] * 300)
        written = b"".join(transport.written)
        self.assertEqual(written.count(b"event: batch\n"), 1)
        self.assertNotIn(b"event: heartbeat\n", written)

    def test_nothing_kept(self) -> None:
        """
        What was read before its turn is not kept for a client that takes nothing; it is
        read again, a batch at a time.
        """
        self.hub.pace = Pace(BatchLimits(killmails=2), pause=0.0)
        self.store_past(8)
        read, asked = self.store.read_bodies, list[int]()

        def read_bodies(snapshot: Any, items: bool, ids: Sequence[int]) -> Any:
            asked.append(len(ids))
            return read(snapshot, items, ids)

        self.patch(self.store, "read_bodies", read_bodies)
        _, transport = self.open(limit=1000, preload_days=90)
        self.clock.pump([0, 1])
        self.assertEqual(asked, [8])
        events = []
        for _ in range(10):
            events += self.read(transport)
            self.clock.advance(0)
        numbers = [each.data.get("batch_number") for each in events]
        self.assertEqual(numbers, [None, 1, 2, 3, 4, None])
        self.assertEqual(asked, [8, 2, 2, 2])

    def test_resumed_history(self) -> None:
        """
        One that is paused and takes all before the next batch is due gets each once.
        """
        self.store_past(6)
        _, transport = self.open(limit=1000, preload_days=90)
        events = []
        for _ in range(10):
            events += self.read(transport)
            self.clock.advance(0.1)
        numbers = [each.data.get("batch_number") for each in events]
        self.assertEqual(numbers, [None, 1, 2, 3, None])

    def test_stuck(self) -> None:
        """
        A client that takes no byte for 60 seconds while some wait is dropped.
        """
        session, transport = self.open(limit=100)
        self.assertFalse(session.following)
        self.clock.pump([5] * 11)
        self.assertIsNone(transport.ended)
        self.clock.pump([5, 5])
        self.assertEqual(transport.ended, "aborted")
        self.assertEqual(self.hub.closings, {"stuck": 1})

    def test_slow_is_not_stuck(self) -> None:
        """
        One that takes a byte now and then stays.
        """
        _, transport = self.open(limit=100)
        for _ in range(60):
            transport.take(1)
            self.clock.advance(5)
        self.assertIsNone(transport.ended)


class HistoryTests(StreamCase):
    """
    With a history.
    """

    def test_batches(self) -> None:
        """
        Batches, oldest first, paced; then ``transition``; then live.
        """
        self.store_past(5)
        _, transport = self.open(preload_days=7)
        self.assertEqual(self.names(transport), ["connected", "batch"])
        self.clock.advance(0.1)
        (second,) = self.read(transport)
        self.assertEqual(
            (second.data["batch_number"], second.data["total_batches"]), (2, 3)
        )
        self.announce(77)
        self.clock.advance(0.1)
        events = self.read(transport)
        self.assertEqual(
            [each.name for each in events], ["batch", "transition", "killmail"]
        )
        self.assertEqual(events[1].data["total_historical"], 5)
        self.assertEqual(self.history.asked, [(ANN, START - 7 * DAY)])

    def test_pacing_budget(self) -> None:
        """
        The pauses of a long history share a budget.
        """
        self.store_past(20)
        _, transport = self.open(preload_days=7)
        self.clock.pump([0.03] * 9)
        self.assertIn("transition", self.names(transport))

    def test_nothing(self) -> None:
        """
        A history without killmails is a ``transition`` all the same.
        """
        _, transport = self.open(preload_days=7)
        events = self.read(transport)
        self.assertEqual([each.name for each in events], ["connected", "transition"])
        self.assertEqual(events[1].data["total_historical"], 0)

    def test_heartbeats_while_it_is_fetched(self) -> None:
        """
        The wait for the upstream is not silent.
        """
        self.history.wait = Deferred()
        _, transport = self.open(preload_days=7, heartbeat=2.0)
        self.clock.pump([2, 2])
        beats = self.read(transport)[1:]
        self.assertEqual([each.data["mode"] for each in beats], ["historical"] * 2)
        self.assertTrue(beats[0].id.startswith("s."))
        self.history.wait.callback(None)
        self.assertEqual(self.names(transport), ["transition"])

    def test_incomplete(self) -> None:
        """
        What could not be had is told, before the transition.
        """
        self.history.told = Report(missing=3, ids_incomplete=1, since=None)
        _, transport = self.open(preload_days=7)
        events = self.read(transport)
        self.assertEqual(
            [each.name for each in events], ["connected", "warning", "transition"]
        )
        self.assertEqual(events[1].data["type"], "history_incomplete")
        self.assertEqual(events[2].data["missing"], 3)

    def test_completed_meanwhile(self) -> None:
        """
        What is fetched while the batches go out is in none of them, so it makes this
        history no more complete.
        """
        self.store_past(3)
        self.history.told = Report(0, 1, None)
        _, transport = self.open(preload_days=7)
        self.assertEqual(self.names(transport), ["connected", "batch"])
        self.store_past(9)
        self.history.told = Report(0, 0, START - 7 * DAY)
        self.clock.advance(0.1)
        events = self.read(transport)
        self.assertEqual(
            [each.name for each in events], ["batch", "warning", "transition"]
        )
        self.assertFalse(events[2].data["coverage"]["complete"])

    def test_stored_meanwhile(self) -> None:
        """
        What made a history complete is in it.
        """

        def report(wanted: Filter, cutoff: int) -> Deferred[Report]:
            self.store_past(3)
            return succeed(Report(0, 0, cutoff))

        self.patch(self.history, "report", report)
        _, transport = self.open(preload_days=7)
        self.clock.advance(0.1)
        transition = self.read(transport)[-1]
        self.assertTrue(transition.data["coverage"]["complete"])
        self.assertEqual(transition.data["total_historical"], 3)

    def test_resumed_incomplete(self) -> None:
        """
        So it is where the rest of it is told on another stream.
        """
        self.store_past(3)
        self.history.told = Report(0, 1, None)
        _, transport = self.open(preload_days=7)
        cursor = self.read(transport)[-1].id
        transport.lose()
        self.store_past(9)
        self.history.told = Report(0, 0, START - 7 * DAY)
        _, again = self.open(preload_days=7, cursor=cursor)
        connected, _, warning, transition = self.read(again)
        self.assertTrue(connected.data["resumed"])
        self.assertEqual(warning.data["type"], "history_incomplete")
        coverage = transition.data["coverage"]
        self.assertEqual((coverage["ids_incomplete"], coverage["from"]), (1, None))

    def test_resumed(self) -> None:
        """
        A reconnect goes on behind the last whole batch, with the same numbers.
        """
        self.store_past(5)
        session, transport = self.open(preload_days=7)
        first = self.read(transport)[-1]
        transport.lose()
        self.assertEqual(session.why, "gone")
        self.store_past(9)  # stored since, so not in this history
        _, again = self.open(preload_days=7, cursor=first.id)
        self.clock.pump([0.1] * 3)
        events = self.read(again)
        self.assertEqual(
            [each.name for each in events],
            ["connected", "batch", "batch", "transition"],
        )
        self.assertTrue(events[0].data["resumed"])
        numbers = [each.data["batch_number"] for each in events[1:3]]
        self.assertEqual(numbers, [2, 3])
        self.assertEqual(events[3].data["total_historical"], 5)


class EndTests(StreamCase):
    """
    How streams end.
    """

    def test_closed(self) -> None:
        """
        Whoever wants to know is told the reason, once; only the first counts.
        """
        session, transport = self.open()
        told: list[str] = []
        session.when_closed(told.append)
        session.close("gone")
        session.close("stuck")
        session.when_closed(told.append)
        self.assertEqual((told, transport.ended), (["gone", "gone"], "closed"))
        self.assertEqual((len(self.hub), self.hub.closings), (0, {"gone": 1}))

    def test_drain(self) -> None:
        """
        At the end of the service every stream is told, and ends cleanly.
        """
        _, transport = self.open()
        self.hub.stopService()
        events = self.read(transport)
        self.assertEqual(events[-1].data["type"], "draining")
        self.assertGreaterEqual(events[-1].retry or 0, 1000)
        self.assertEqual(transport.ended, "closed")
        self.assertTrue(self.hub.draining)

    def test_drain_of_many(self) -> None:
        """
        Streams end over twenty seconds, and their clients are told to come back over
        the twenty behind: never many in one second.
        """
        transports = [self.open()[1] for _ in range(5000)]
        began, returns, left = self.clock.seconds(), Counter[int](), [*transports]
        drained = Deferred.fromCoroutine(self.hub.drain())
        self.announce(7)
        while not drained.called:
            self.assertLess(self.clock.seconds(), began + 20)
            self.clock.advance(0.1)
            ended = [each for each in left if each.ended]
            self.assertLess(len(ended), 100)
            left = [each for each in left if not each.ended]
            for transport in ended:
                warning = self.read(transport)[-1]
                self.assertEqual(warning.data["type"], "draining")
                assert warning.retry is not None
                after = self.clock.seconds() - began + warning.retry / 1000
                returns[int(after)] += 1
        self.assertEqual((left, len(self.hub)), ([], 0))
        self.assertEqual(self.hub.closings, {"draining": 5000})
        self.assertEqual((min(returns), max(returns)), (25, 44))
        self.assertLess(max(returns.values()), 0.06 * 5000)

    def test_drain_of_few(self) -> None:
        """
        A few end at once and come back soon; live goes on until they do, and one that
        comes meanwhile ends with the service.
        """
        transports = [self.open()[1] for _ in range(3)]
        self.successResultOf(Deferred.fromCoroutine(self.hub.drain()))
        for transport in transports:
            self.assertEqual(self.names(transport), ["connected", "warning"])
        _, late = self.open()
        self.announce(7)
        self.hub.stopService()
        self.assertEqual(self.names(late), ["connected", "killmail", "warning"])

    def test_drain_of_a_slow_one(self) -> None:
        """
        One that is paused is told behind what waits for it.
        """
        _, transport = self.open(limit=10)
        self.successResultOf(Deferred.fromCoroutine(self.hub.drain()))
        self.assertEqual(self.names(transport), ["connected", "warning"])

    def test_end(self) -> None:
        """
        A stream that somebody ends is told why, with its cursor.
        """
        session, transport = self.open()
        session.end("kicked", "The operator ended it")
        event = self.read(transport)[-1]
        self.assertEqual((event.name, event.data["type"]), ("error", "kicked"))
        self.assertEqual((event.id, transport.ended), (session.cursor, "closed"))
        self.assertEqual(self.hub.closings, {"kicked": 1})

    def test_overtaken(self) -> None:
        """
        A stream that a floor passed is closed at its next look at the store; its
        reconnect is told.
        """
        self.announce(7, kill_time=START - 5 * DAY)
        self.history.wait = Deferred()
        _, transport = self.open(preload_days=7)
        cursor = self.read(transport)[0].id
        self.clock.advance(101 * DAY)
        transport.take()
        self.successResultOf(self.store.prune(self.clock.seconds()))
        ready, self.history.wait = self.history.wait, None
        assert ready is not None
        ready.callback(None)
        self.assertEqual(self.hub.closings, {"overtaken": 1})
        self.assertEqual(transport.ended, "closed")
        _, again = self.open(preload_days=7, cursor=cursor)
        events = self.read(again)
        self.assertEqual(
            [each.name for each in events], ["connected", "gap", "transition"]
        )
        self.assertEqual(events[1].data["reason"], "expired")

    def test_kept_longer_than_before(self) -> None:
        """
        Where more is kept than was before, and what was removed does not come back, a
        stream begins with what is there.
        """
        self.store_past(2)
        old = entry(7, victim=1, kill_time=START - 5 * DAY)
        self.successResultOf(self.store.commit(Change([old])))
        self.successResultOf(self.store.prune(START + 96 * DAY))
        for wish in ({"preload_days": 7}, {"since": START - 7 * DAY}):
            _, transport = self.open(**wish)
            first, batch, _ = self.read(transport)
            self.assertEqual([k["killmail_id"] for k in batch.data["kills"]], [1, 2])
            self.assertEqual(self.history.asked[-1], (ANN, START - 5 * DAY + 1))
            _, again = self.open(cursor=first.id, **wish)
            self.assertEqual(self.names(again), ["connected", "batch", "transition"])
        self.assertEqual(first.data["filters"]["since"], "2026-10-27T00:00:01.000Z")

    def test_pruned_while_it_came_back(self) -> None:
        """
        A cursor that was good when it was held against the store, and is not any more
        when the journal is read, does not go on with a part missing.
        """
        _, first = self.open()
        cursor = self.read(first)[0].id
        first.lose()
        self.announce(7)
        marks = self.successResultOf(self.store.read_marks())
        self.forget_recent()
        self.clock.advance(101 * DAY)
        self.successResultOf(self.store.prune(self.clock.seconds()))
        self.patch(self.store, "read_marks", lambda: succeed(marks))
        _, transport = self.open(cursor=cursor)
        self.assertEqual(self.names(transport), ["connected"])
        self.assertEqual(self.hub.closings, {"gone": 1, "overtaken": 1})

    def test_bug(self) -> None:
        """
        What nobody expected ends the stream with an ``error``, and is logged.
        """
        self.patch(self.history, "report", lambda *_: fail(ZeroDivisionError("no")))
        _, transport = self.open(preload_days=7)
        event = self.read(transport)[-1]
        self.assertEqual((event.name, event.data["type"]), ("error", "internal"))
        self.assertNotIn("no", event.data["message"].split())
        self.assertTrue(event.id.startswith("s."))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.hub.closings, {"internal": 1})

    def test_bug_in_an_event(self) -> None:
        """
        An event that could not be made was not told: a reconnect has it.
        """

        def fail_to_make(*_: object) -> None:
            raise ZeroDivisionError("no")

        self.store_past(1)
        _, first = self.open()
        since = self.read(first)[0].id
        first.lose()
        self.announce(7)
        for owner, maker, told, cursor in (
            (events, "batch", "batch", None),
            (events, "transition", "transition", None),
            (KillmailEntry, "event_for", "killmail", since),
        ):
            with patch.object(owner, maker, fail_to_make):
                _, transport = self.open(preload_days=7, cursor=cursor)
            error = self.read(transport)[-1]
            self.assertEqual((error.name, error.data["type"]), ("error", "internal"))
            _, again = self.open(preload_days=7, cursor=error.id)
            self.assertIn(told, self.names(again))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 3)

    def test_bug_while_catching_up(self) -> None:
        """
        The same of one that comes back to what is in memory.
        """
        _, first = self.open()
        cursor = self.read(first)[0].id
        first.lose()
        self.announce(7)

        def fail_after(_: int) -> None:
            raise ZeroDivisionError("no")

        self.patch(self.hub.recent, "after", fail_after)
        _, transport = self.open(cursor=cursor)
        _, error = self.read(transport)
        self.assertEqual((error.name, error.data["type"]), ("error", "internal"))
        self.assertEqual(error.id, cursor)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.hub.closings, {"gone": 1, "internal": 1})


class StoreTroubleTests(StreamCase):
    """
    A store that cannot be read now.
    """

    def test_during_a_stream(self) -> None:
        """
        The stream waits, with heartbeats, and goes on.
        """
        self.store_past(3)
        answers = [fail(StoreUnavailable("locked")) for _ in range(3)]
        whole = self.store.read_bodies

        def read_bodies(*asked: Any) -> Deferred[Any]:
            return answers.pop() if answers else whole(*asked)

        self.patch(self.store, "read_bodies", read_bodies)
        _, transport = self.open(preload_days=7, heartbeat=2.0)
        self.clock.pump([1, 1, 1, 0.1])
        self.assertEqual(
            self.names(transport),
            ["connected", "heartbeat", "batch", "batch", "transition"],
        )

    def test_at_the_start(self) -> None:
        """
        Where a cursor cannot be held against the store nothing is written at all.
        """
        _, transport = self.open()
        cursor = self.read(transport)[0].id
        self.patch(self.store, "read_marks", lambda: fail(StoreUnavailable("locked")))
        self.forget_recent()
        again = MemoryTransport()
        opened = Deferred.fromCoroutine(self.hub.open(Wish(ANN, cursor=cursor), again))
        self.failureResultOf(opened, StoreUnavailable)
        self.assertIsNone(again.producer)
        self.assertEqual(len(self.hub), 1)


class SinceTests(StreamCase):
    """
    With a history from some moment on.
    """

    def since(self, transport: MemoryTransport) -> Any:
        return self.read(transport)[0].data["filters"]["since"]

    def test_told(self) -> None:
        """
        The moment is told, and is where the history begins.
        """
        self.store_past(2)
        _, transport = self.open(since=START - DAY + 2)
        first, batch, transition = self.read(transport)
        self.assertEqual(first.data["filters"]["since"], "2026-10-31T00:00:02.000Z")
        self.assertEqual(first.data["filters"]["preload_days"], 0)
        self.assertEqual([k["killmail_id"] for k in batch.data["kills"]], [2])
        self.assertEqual(transition.data["total_historical"], 1)

    def test_not_asked_for(self) -> None:
        """
        One that was not asked for is not told, whatever the history.
        """
        _, transport = self.open(preload_days=1)
        self.assertIsNone(self.since(transport))

    def test_does_not_slide(self) -> None:
        """
        A span of hours is counted anew at each reconnect, and the cursor's holds: in
        each phase of the history and behind it.
        """
        self.store_past(3)
        self.history.wait = Deferred()
        told = "2026-10-31T00:00:00.000Z"
        _, transport = self.open(since=START - DAY)
        (connected,) = self.read(transport)
        cursors = [connected.id]
        self.assertEqual(connected.data["filters"]["since"], told)
        self.history.wait.callback(None)
        self.clock.advance(1)
        events = self.read(transport)
        self.assertEqual(
            [each.name for each in events], ["batch", "batch", "transition"]
        )
        cursors += [each.id for each in events]
        self.history.wait = None
        for cursor in cursors:
            self.clock.advance(3600)
            _, transport = self.open(since=START - DAY + 3600, cursor=cursor)
            first = self.read(transport)[0].data
            self.assertTrue(first["resumed"])
            self.assertEqual(first["filters"]["since"], told, cursor)
        self.assertEqual({cutoff for _, cutoff in self.history.asked}, {START - DAY})

    def test_behind_a_cursor_without_a_past(self) -> None:
        """
        A cursor that had no history has none afterwards, and says so.
        """
        _, transport = self.open()
        cursor = self.read(transport)[0].id
        _, transport = self.open(since=START - DAY, cursor=cursor)
        (first,) = self.read(transport)
        self.assertEqual(first.data["mode"], "realtime")
        self.assertIsNone(first.data["filters"]["since"])

    def test_behind_a_gap(self) -> None:
        """
        Where a cursor is refused the request's own moment is in force.
        """
        _, transport = self.open(since=START - DAY, cursor="nonsense")
        self.assertEqual(self.since(transport), "2026-10-31T00:00:00.000Z")


class RaceTests(SyncCase):
    """
    Between a commit and its telling.
    """

    def test_committed_not_told(self) -> None:
        """
        A history holds what was committed before it was frozen, told or not, and what
        it holds does not come again when it is told.
        """
        clock = Clock()
        clock.advance(START)
        store, writer, readers = make_stepped_store(temporary_path(self), clock)
        self.addCleanup(store.close)
        hub = Hub(clock, store, ReadyHistory(), lambda: None)
        hub.startService()
        store.commit(Change([entry(7, victim=1)], announce=True))
        writer.step()
        transport = MemoryTransport()
        wish = Wish(ANN, preload_days=7)
        opened = Deferred.fromCoroutine(hub.open(wish, transport))
        session = self.successResultOf(opened)
        settle(readers)
        clock.advance(1)
        settle(writer, readers)
        self.assertTrue(session.following)
        names = [each.name for each in EventSource().feed(transport.take())]
        self.assertEqual(names, ["connected", "batch", "transition"])
        session.close("gone")


class TransportTests(SyncCase):
    """
    The tests' own transport.
    """

    def test_interface(self) -> None:
        """
        It is one.
        """
        self.assertTrue(verifyObject(IClientTransport, MemoryTransport()))
        self.assertTrue(verifyObject(IHistory, ReadyHistory()))
