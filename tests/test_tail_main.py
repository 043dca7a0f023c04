"""
``wanderer-tail``: what it ends with.
"""

from io import StringIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock

from tests.support.cases import SyncCase
from tests.support.tail import batch, connected, live, transition
from tests.support.upstream import FakeUpstream, Reply, json_reply
from wanderer_twisted.tail.main import run
from wanderer_twisted.tail.options import Options
from wanderer_twisted.tail.screen import Screen

STREAM = {"Content-Type": "text/event-stream"}


class StatusTests(SyncCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.there = FakeUpstream(self.reactor)
        self.out, self.err = StringIO(), StringIO()

    def begin(self, reply: Reply, *arguments: str, out: Any = None) -> Deferred[int]:
        """
        Run it against this answer.
        """
        self.there.default = reply
        options = Options({})
        options.parseOptions(["--json", *arguments])
        screen = Screen(out or self.out, self.err, plain=True)
        return Deferred.fromCoroutine(run(self.reactor, self.there, options, screen))

    def status(self, reply: Reply, *arguments: str, out: Any = None) -> int:
        running = self.begin(reply, *arguments, out=out)
        status = self.successResultOf(running)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        return status

    def test_history(self) -> None:
        """
        0 where the past was wanted and is told, 3 where something of it is lacking;
        what comes behind it is not shown.
        """
        for missing, status in ((0, 0), (1, 3)):
            self.setUp()
            events = (
                connected("s.1", "historical"),
                batch("h.1", 1, 1, 1, 2),
                transition("m.1", 2, missing=missing),
                live("m.2", 3),
            )
            reply = Reply(200, b"".join(events), STREAM)
            self.assertEqual(self.status(reply, "--days", "7", "--no-follow"), status)
            self.assertEqual(len(self.out.getvalue().splitlines()), 2)

    def test_refused(self) -> None:
        """
        1 where the server refuses, and its words are the last ones.
        """
        reply = json_reply({"error": {"message": "no such token"}}, 401)
        self.assertEqual(self.status(reply), 1)
        self.assertEqual(self.err.getvalue(), "wanderer-tail: 401: no such token\n")

    def test_unreachable(self) -> None:
        """
        1 where it was to end and nobody answers; else it tries for ever.
        """
        refused = Reply(reset=True)
        for arguments, ends in (((), False), (("--since", "1h", "--no-follow"), True)):
            running = self.begin(refused, *arguments)
            self.reactor.pump([80.0] * 20)
            if ends:
                self.assertEqual(self.successResultOf(running), 1)
            else:
                self.assertNoResult(running)

    def test_full_disk(self) -> None:
        """
        1 where the output cannot be written, and one line says why.
        """
        reply = Reply(200, live("l.1", 1), STREAM)
        with open("/dev/full", "w") as full:
            self.assertEqual(self.status(reply, out=full), 1)
            self.assertRaises(OSError, full.close)
        self.assertEqual(
            self.err.getvalue(), "wanderer-tail: output: No space left on device\n"
        )
