"""
The manhole's helpers, over a hub with streams.
"""

import re
from random import Random
from typing import Any
from unittest import mock

import attrs
from twisted.internet.defer import Deferred, fail

from tests.support.eventsource import EventSource
from tests.support.killmails import DAY, entry
from tests.support.transport import MemoryTransport
from tests.test_session import ANN, StreamCase
from wanderer_twisted.interfaces import StoreUnavailable
from wanderer_twisted.ops.console import HELPERS, Console
from wanderer_twisted.ops.tables import Text
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import Change, FeedStatus
from wanderer_twisted.stream.opening import Visitor, Wish
from wanderer_twisted.stream.session import Session


class ConsoleCase(StreamCase):
    """
    A terminal in memory.
    """

    def setUp(self) -> None:
        super().setUp()
        self.statuses: list[FeedStatus] = []
        self.told: list[str] = []
        self.console = Console(
            self.hub, self.store, lambda: self.statuses, self.told.append
        )

    def visit(self, visitor: Visitor) -> Session:
        opened = Deferred.fromCoroutine(
            self.hub.open(Wish(ANN), MemoryTransport(), visitor)
        )
        return self.successResultOf(opened)

    def ids(self, answer: str) -> list[str]:
        """
        The streams of a table, in its order.
        """
        return [line.split()[0] for line in answer.splitlines()[1:-1]]

    def replay(self, *what: Any) -> str:
        return str(self.successResultOf(self.console.replay(*what)))


class ListTests(ConsoleCase):
    """
    Many streams.
    """

    def test_streams(self) -> None:
        """
        One line a stream, in the order that was asked for.
        """
        first, _ = self.open()
        self.clock.advance(5)
        second, _ = self.open(limit=10)  # it is paused by its first event
        self.clock.advance(5)
        third, _ = self.open(filter=Filter())
        self.announce(7)
        self.announce(8, victim=2)
        self.assertEqual(
            self.ids(self.console.streams()), [second.id, first.id, third.id]
        )
        by_bytes = sorted(self.hub.sessions, key=lambda each: -each.bytes)
        self.assertEqual(
            self.ids(self.console.streams(by="bytes")), [each.id for each in by_bytes]
        )
        self.assertEqual(
            self.ids(self.console.streams(by="age")), [first.id, second.id, third.id]
        )
        answer = self.console.streams(1)
        self.assertEqual(self.ids(answer), [second.id])
        line, count = answer.splitlines()[1:]
        shown = f"{second.id} - - realtime paused 2 1 {second.bytes} 5 s 1 character -"
        self.assertEqual(line.split(), shown.split())
        self.assertEqual(count, "3 streams open, 1 shown")

    def test_visitors(self) -> None:
        """
        Who they are; no name of theirs commands the terminal.
        """
        self.visit(Visitor("192.0.2.7", "evil\x1b[31m\n\x9b2J" + "x" * 90, "a token"))
        answer = self.console.streams()
        self.assertIn("192.0.2.7", answer)
        self.assertIn("a token", answer)
        self.assertIn("evil?[31m??2Jxxx", answer)
        self.assertEqual(len(answer.splitlines()), 3)
        self.assertTrue(all(each.isprintable() for each in answer.splitlines()))

    def test_behind(self) -> None:
        """
        Only those that lack something.
        """
        self.open()
        late, _ = self.open(limit=10)
        self.assertEqual(self.ids(self.console.behind()), [])
        self.announce(7)
        self.assertEqual(self.ids(self.console.behind()), [late.id])

    def test_who(self) -> None:
        """
        Those that name an id, as whatever.
        """
        ann, _ = self.open()
        system, _ = self.open(filter=Filter(system_ids=frozenset([30000142, 1])))
        group, _ = self.open(filter=Filter(corporation_ids=frozenset([98])))
        self.open(filter=Filter())
        self.assertEqual(set(self.ids(self.console.who(1))), {ann.id, system.id})
        self.assertEqual(self.ids(self.console.who(98)), [group.id])
        self.assertEqual(self.console.who(99).splitlines()[-1], "0 streams with 99")

    def test_feeds(self) -> None:
        """
        One line a feed.
        """
        now = self.clock.seconds()
        self.statuses = [
            FeedStatus("r2z2", "live", "17", now - 4, now - 1),
            FeedStatus("redisq", "failing", reason="\x1b]0;no answer\x07"),
        ]
        _, first, second = self.console.feeds().splitlines()
        self.assertEqual(" ".join(first.split()), "r2z2 live 17 4 s ago 1 s ago -")
        self.assertEqual(second.split()[:5], ["redisq", "failing", "-", "-", "-"])
        self.assertTrue(second.endswith("?]0;no answer?"))

    def test_mistakes(self) -> None:
        """
        A wrong question gets one line.
        """
        number = "allowed is a number from 1 to 1000"
        for answer, line in (
            (self.console.streams(0), f"n=0: {number}"),
            (self.console.streams(1001), f"n=1001: {number}"),
            (self.console.streams(True), f"n=True: {number}"),
            (self.console.streams("9"), f"n='9': {number}"),  # type: ignore[arg-type]
            (
                self.console.streams(by="name"),
                "by='name': allowed are 'lag', 'bytes' and 'age'",
            ),
            (
                self.console.who("Ann"),  # type: ignore[arg-type]
                "id='Ann': allowed is a number from 1 to 2147483647",
            ),
        ):
            self.assertEqual(answer, line)

    def test_help(self) -> None:
        """
        Names each helper as it is called, and there are no others.
        """
        names = [use.partition("(")[0] for use in HELPERS]
        self.assertEqual([*names, "hub", "store"], list(self.console.namespace))
        for use in HELPERS:
            self.assertIn(use, self.console.help())
        self.assertIs(type(self.console.help()), Text)


class OneStreamTests(ConsoleCase):
    """
    A trace, and a kick.
    """

    def test_trace(self) -> None:
        """
        Each event as it is sent: its name, bytes and cursor; so many and no more.
        """
        session, transport = self.open()
        other, _ = self.open()
        transport.take()
        self.assertEqual(
            self.console.trace(session.id, 2), f"Tracing 2 events of {session.id}"
        )
        self.announce(7)
        first, size = session.cursor, len(transport.take())
        self.announce(8, 9)
        self.assertEqual(
            self.told[0].split(),
            [session.id, "killmail", f"{size:,}", "B", first],
        )
        self.assertEqual(len(self.told), 3)
        self.assertEqual(self.told[2], f"{session.id}  traced to the end")
        self.assertIs(session.transport, transport)
        session.close("gone")
        self.assertEqual(len(self.told), 3)
        self.assertIsNone(other.why)

    def test_untrace(self) -> None:
        """
        Ends one of this terminal's own.
        """
        session, _ = self.open()
        self.console.trace(session.id)
        self.assertEqual(
            Console(self.hub, self.store, list, print).untrace(session.id),
            f"'{session.id}' is not traced here",
        )
        self.assertEqual(
            self.console.untrace(session.id), f"{session.id} is no longer traced"
        )
        self.announce(7)
        self.assertEqual(self.told, [])
        self.assertEqual(
            self.console.untrace([]),  # type: ignore[arg-type]
            "[] is not traced here",
        )

    def test_one_trace_each(self) -> None:
        """
        Two terminals do not take one another's.
        """
        session, _ = self.open()
        self.console.trace(session.id)
        other = Console(self.hub, self.store, list, print)
        self.assertEqual(other.trace(session.id), f"{session.id} is traced already")
        self.announce(7)
        self.assertEqual(len(self.told), 1)

    def test_a_traced_stream_ends(self) -> None:
        """
        The terminal is told why, once.
        """
        session, _ = self.open()
        for _ in range(2):  # what was traced before counts no more
            self.console.trace(session.id)
            self.console.untrace(session.id)
        self.console.trace(session.id)
        session.close("gone")
        self.assertEqual(self.told, [f"{session.id}  closed: gone"])

    def test_logout(self) -> None:
        """
        A terminal that is gone is told nothing more.
        """
        session, _ = self.open()
        self.console.trace(session.id)
        self.console.close()
        self.announce(7)
        session.close("gone")
        self.assertEqual(self.told, [])

    def test_kick(self) -> None:
        """
        The stream ends with an error that says so; with its cursor the client goes on.
        """
        session, transport = self.open()
        self.announce(7)
        self.assertEqual(self.console.kick(session.id), f"{session.id} is closed")
        *_, killmail, error = self.read(transport)
        self.assertEqual((error.name, error.data["type"]), ("error", "kicked"))
        self.assertEqual(self.hub.closings, {"kicked": 1})
        self.announce(8)
        _, again = self.open(cursor=error.id)
        events = self.read(again)
        self.assertEqual([each.name for each in events], ["connected", "killmail"])
        self.assertEqual(events[1].data["killmail_id"], 8)
        self.assertNotEqual(killmail.id, events[1].id)

    def test_no_such_stream(self) -> None:
        """
        One line.
        """
        line = "No stream 'x' is open; streams() lists them"
        self.assertEqual(self.console.kick("x"), line)
        self.assertEqual(self.console.trace("x"), line)
        self.assertIn(" 7 is open", self.console.kick(7))  # type: ignore[arg-type]


class ReplayTests(ConsoleCase):
    """
    What became of a killmail.
    """

    def test_one_killmail(self) -> None:
        """
        Its numbers, and each stream that it concerns.
        """
        session, _ = self.open()
        other, _ = self.open(filter=Filter(frozenset([99])))
        self.announce(7)
        answer = self.replay(7)
        self.assertIn("killmail 7 of ", answer)
        self.assertIn("value 1,000,000 ISK", answer)
        self.assertIn("stored as 1; announced as 1; valued as 1", answer)
        self.assertIn(f"{session.id}  told, live\n", answer)
        self.assertNotIn(other.id, answer)
        self.assertTrue(answer.endswith("\n1 stream that it concerns"))
        answer = self.replay(7, other.id)
        self.assertTrue(
            answer.endswith(f"{other.id}  not for it: it asked for none of its ids")
        )

    def test_bounded(self) -> None:
        """
        So many streams and no more; in big fights so many of those who took part.
        """
        for _ in range(3):
            self.open()
        self.announce(7, attackers=range(1000, 1100))
        answer = self.replay(7, None, 2)
        self.assertEqual(answer.count("told, live"), 2)
        self.assertTrue(answer.endswith("3 streams that it concerns, 2 shown"))
        self.assertIn(" more;", answer)
        self.assertLess(len(answer), 1000)

    def test_mistakes(self) -> None:
        """
        One line.
        """
        self.announce(7)
        self.assertEqual(self.replay(8), "\nThe store has no killmail 8")
        self.assertIn("killmail_id='7': allowed", self.replay("7"))
        self.assertIn("No stream 'x' is open", self.replay(7, "x"))
        self.assertIn("n=0: allowed", self.replay(7, None, 0))

    def test_store_in_trouble(self) -> None:
        """
        Is told as it is.
        """
        broken = mock.Mock(return_value=fail(StoreUnavailable("disk full")))
        self.patch(self.store, "read_killmail", broken)
        self.assertEqual(self.replay(7), "\nThe store: disk full")

    def test_a_fault_of_ours(self) -> None:
        """
        Is not hidden.
        """
        broken = mock.Mock(return_value=fail(ZeroDivisionError()))
        self.patch(self.store, "read_killmail", broken)
        self.failureResultOf(self.console.replay(7), ZeroDivisionError)

    def test_it_is_so(self) -> None:
        """
        Streams of every kind have what ``replay`` says was told, and nothing else.
        """
        random = Random(7)
        self.history.wait = Deferred()
        clients = []
        for turn in range(60):
            if turn in (20, 40):
                self.history.wait.callback(None)
                self.history.wait = Deferred()
            wish: dict[str, Any] = {
                "filter": random.choice([ANN, Filter(frozenset([2])), Filter()])
            }
            if random.random() < 0.5:
                wish["filter"] = attrs.evolve(wish["filter"], min_value=100.0)
            if random.random() < 0.5 and wish["filter"].names_somebody:
                wish["preload_days"] = 1
            if turn % 3 == 0:
                limit = random.choice([1, 3000, 1_000_000])
                clients.append(self.open(limit, **wish))
            parts = {
                "victim": random.choice([1, 2]),
                "kill_time": int(self.clock.seconds()) - random.choice([60, 2 * DAY]),
                "value": random.choice([50.0, 200.0, None]),
            }
            self.commit(turn + 1, announce=random.random() < 0.7, **parts)
            self.clock.advance(random.choice([0, 0.2]))
        verdicts = set()
        for session, transport in clients:
            has = self.killmails(transport)
            for killmail_id in range(1, 61):
                answer = self.replay(killmail_id, session.id)
                said = answer.rpartition(f"{session.id}  ")[2]
                self.assertIs(said.startswith("told"), killmail_id in has, answer)
                verdicts.add(re.split("[:;]", said)[0])
        self.assertEqual(
            verdicts,
            {
                "told, live",
                "told, in its history",
                "still to come, live",
                "still to come, live, behind its history",
                "still to come, in its history",
                "still to come, in its history, which is being prepared",
                "announced before it came",
                "not for it",
            },
        )

    def commit(self, killmail_id: int, announce: bool, **parts: Any) -> None:
        change = Change([entry(killmail_id, **parts)], announce=announce)
        self.successResultOf(self.store.commit(change))

    def killmails(self, transport: MemoryTransport) -> set[int]:
        """
        What was written so far, taken by the client or not.
        """
        found = set()
        for event in EventSource().feed(b"".join(transport.written)):
            if event.name == "killmail":
                found.add(event.data["killmail_id"])
            elif event.name == "batch":
                found.update(kill["killmail_id"] for kill in event.data["kills"])
        return found
