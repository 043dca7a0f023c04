"""
``wanderer-tail``: what is shown of each event, and where.
"""

import os
from io import StringIO
from pathlib import Path
from typing import Any

from tests.support.cases import SyncCase
from tests.support.tail import (
    batch,
    connected,
    event,
    killmails,
    live,
    real_killmail,
    transition,
)
from tests.support.terminal import Terminal
from wanderer_twisted.encoding import loads
from wanderer_twisted.tail import reader
from wanderer_twisted.tail.cursor import CursorFile
from wanderer_twisted.tail.lines import Side
from wanderer_twisted.tail.parser import EventParser
from wanderer_twisted.tail.reader import HistoryTold, Reader
from wanderer_twisted.tail.screen import Screen


class ReaderCase(SyncCase):
    """
    :ivar out: standard output.
    :ivar err: standard error.
    """

    def setUp(self) -> None:
        self.out, self.err = StringIO(), StringIO()

    def read(self, *events: bytes, plain: bool = False, **options: Any) -> Reader:
        """
        Have a reader take these.
        """
        screen = Screen(self.out, self.err, plain)
        reader = Reader(screen, Side(characters={2124253410}), **options)
        self.feed(reader, *events)
        return reader

    def feed(self, reader: Reader, *events: bytes) -> None:
        for each in EventParser().feed(b"".join(events)):
            reader.take(each)

    def shown(self) -> list[int]:
        """
        The killmails on standard output, in lines or as JSON.
        """
        return [
            loads(line.encode())["killmail_id"]
            if line.startswith("{")
            else int(line.split("/")[-2])
            for line in self.out.getvalue().splitlines()
        ]

    def told(self) -> list[str]:
        """
        The lines on standard error, without the program's name.
        """
        lines = self.err.getvalue().splitlines()
        for line in lines:
            self.assertTrue(line.startswith("wanderer-tail: "), line)
        return [line.removeprefix("wanderer-tail: ") for line in lines]


class EventTests(ReaderCase):
    def test_stream(self) -> None:
        """
        Killmails of the past and live ones are lines of the output; what happens is
        told beside it; heartbeats and events of tomorrow are not told.
        """
        self.read(
            connected("s.1", "historical"),
            batch("h.1", 1, 2, 1, 2),
            batch("h.2", 2, 2, 3),
            transition("m.1", 3),
            event("heartbeat", {"mode": "realtime"}, "m.2"),
            event("tomorrow", [], "m.3"),
            live("m.4", 4),
        )
        self.assertEqual(self.shown(), [1, 2, 3, 4])
        self.assertEqual(
            self.told(),
            [
                "connected; times are UTC",
                "3 killmails of the past, complete; now live",
            ],
        )

    def test_json(self) -> None:
        """
        As JSON a killmail is what the server sent, on one line.
        """
        strange = real_killmail(killmail_id=9, new=["\n\x1b[2J\u2028é", 1.5, None])
        self.read(
            connected(),
            batch("h.1", 1, 1, 1, 2),
            event("killmail", strange, "m.1"),
            as_json=True,
        )
        lines = self.out.getvalue().splitlines()
        self.assertEqual(
            [loads(line.encode()) for line in lines], [*killmails(1, 2), strange]
        )
        self.assertTrue(self.out.getvalue().isascii())
        self.assertNotIn("\x1b", self.out.getvalue())
        self.assertEqual(self.told(), ["connected"])

    def test_incomplete(self) -> None:
        """
        What a history lacks is told, once.
        """
        warning = {"type": "history_incomplete", "message": "Something is missing"}
        self.read(
            event("warning", warning, "m.1"),
            transition("m.1", 1200, missing=3, ids_incomplete=1),
            transition("m.1", 0, ids_incomplete=2),
        )
        self.assertEqual(
            self.told(),
            [
                "1,200 killmails of the past, not complete: 3 more could not be had,"
                " of 1 id not all was there yet (try again later); now live",
                "0 killmails of the past, not complete:"
                " of 2 ids not all was there yet (try again later); now live",
            ],
        )

    def test_no_follow(self) -> None:
        """
        Who wants the past alone is at the end at its end, complete or not.
        """
        for lacking in (0, 1):
            reader = self.read(follow=False)
            end = transition("m.1", 5, missing=lacking)
            error = self.assertRaises(HistoryTold, self.feed, reader, end)
            self.assertEqual(error.complete, not lacking)
        self.assertEqual(self.told()[0], "5 killmails of the past, complete")

    def test_warnings(self) -> None:
        """
        Warnings and errors are told in the server's words, a line each, and nothing
        in them moves a terminal.
        """
        self.read(
            event("warning", {"type": "feed_gap", "message": "some may be missing"}),
            event("error", {"type": "internal", "message": "a\n\x1b[2Jb"}),
        )
        self.assertEqual(self.told(), ["some may be missing", "a\ufffd\ufffd[2Jb"])

    def test_again(self) -> None:
        """
        A connection that was lost is told, with the pause, and that there is one again.
        """
        reader = self.read(connected("l.1"))
        reader.lost("connection lost", 2.345)
        self.feed(reader, connected("l.1"))
        self.assertEqual(
            self.told()[1:],
            ["connection lost; trying again in 2.3 s", "connected again"],
        )

    def test_gap(self) -> None:
        """
        After a gap the history comes again: what was shown is not shown again, in
        lines or as JSON.
        """
        for as_json in (False, True):
            self.setUp()
            self.read(
                batch("h.1", 1, 2, 1, 2),
                live("m.1", 5),
                event("gap", {"reason": "filter"}, "s.2"),
                batch("h.2", 1, 2, 1, 2, 3),
                batch("h.3", 2, 2, 4, 5),
                live("m.2", 6),
                as_json=as_json,
            )
            self.assertEqual(self.shown(), [1, 2, 5, 3, 4, 6])
            self.assertEqual(
                self.told(),
                [
                    "starting anew: our cursor was made for other ids; what this run"
                    " has shown is left out"
                ],
            )

    def test_memory(self) -> None:
        """
        It remembers many killmails, but not all for ever.
        """
        self.patch(reader, "REMEMBERED", 3)
        self.read(batch("h.1", 1, 1, 1, 2, 3, 4), batch("h.1", 1, 1, 4, 3, 2, 1))
        self.assertEqual(self.shown(), [1, 2, 3, 4, 1])

    def test_nonsense(self) -> None:
        """
        An event that makes no sense is told and passed, and so is one killmail of
        many; whoever wants JSON gets what there is.
        """
        broken = {"killmail_id": 2, "kill_time": 5}
        data = {
            "kills": [real_killmail(), broken],
            "batch_number": 1,
            "total_batches": 1,
        }
        bad = (
            event("batch", data, "h.1"),
            event("killmail", {"kill_time": "x"}, "h.2"),
            event("killmail", [], "h.3"),
            event("batch", {"kills": 5}, "h.4"),
            b"event: killmail\ndata: {x\n\n",
            b"event: killmail\ndata: %b\n\n" % (b"[" * 100_000),
        )
        self.read(*bad, live("m.1", 7))
        self.assertEqual(self.shown(), [134398778, 7])
        self.assertEqual(len(self.told()), 6)
        for line in self.told():
            self.assertIn(" makes no sense: ", line)
            self.assertLess(len(line), 200)
        self.setUp()
        self.read(*bad, as_json=True)
        self.assertEqual(self.shown(), [134398778, 2])


class TerminalTests(ReaderCase):
    def test_bar(self) -> None:
        """
        On a terminal there are colours, and a bar that goes when something is said.
        """
        self.out = Terminal()
        self.read(
            connected("s.1", "historical"), batch("h.1", 1, 2, 1), batch("h.2", 2, 2, 2)
        )
        written = self.out.getvalue()
        self.assertIn("\rwaiting for the past", written)
        self.assertIn("\r[##########..........] 1 of 2 batches of the past", written)
        self.assertTrue(
            written.endswith("\r[####################] 2 of 2 batches of the past")
        )
        self.assertEqual(written.count("\x1b[31mloss\x1b[0m"), 2)
        reader = self.read(transition("m.1", 2))
        before = self.out.getvalue()
        reader.lost("connection lost", 1.0)
        self.assertEqual(self.out.getvalue(), before, "nothing to wipe")

    def test_wiped(self) -> None:
        """
        No line is written behind the bar.
        """
        self.out = Terminal()
        self.read(
            connected("s.1", "historical"),
            *(batch("h.1", n, 3, n) for n in (1, 2, 3)),
            live("m.1", 4),
        )
        last = [line.rsplit("\r")[-1] for line in self.out.getvalue().split("\n")]
        self.assertEqual(last.pop(), "")
        for line in last:
            self.assertTrue(
                line.startswith("\x1b[2m2026-03-31 09:23:11\x1b[0m  "), line
            )

    def test_plain(self) -> None:
        """
        Neither where that is not wanted, nor where it is no terminal.
        """
        for out, plain in ((Terminal(), True), (StringIO(), False)):
            self.setUp()
            self.out = out
            self.read(
                connected("s.1", "historical"), batch("h.1", 1, 2, 1), plain=plain
            )
            self.assertNotIn("\x1b", out.getvalue())
            self.assertNotIn("\r", out.getvalue())
            self.assertEqual(self.shown(), [1])

    def test_warnings(self) -> None:
        """
        Warnings are yellow where both are terminals.
        """
        for out, err, coloured in (
            (Terminal(), Terminal(), True),
            (Terminal(), StringIO(), False),
            (StringIO(), Terminal(), False),
        ):
            Screen(out, err, plain=False).warn("x")
            self.assertEqual("\x1b[33mx\x1b[0m" in err.getvalue(), coloured)


class CursorTests(ReaderCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = Path(self.mktemp())

    def kept(self) -> str:
        return CursorFile(self.path).read()

    def test_kept(self) -> None:
        """
        Each event's cursor is kept once it is shown, a heartbeat's too; one without
        leaves it.
        """
        reader = self.read(cursor_file=CursorFile(self.path))
        self.assertEqual(self.kept(), "")
        for each, cursor in (
            (connected("s.1"), "s.1"),
            (batch("h.1", 1, 1, 1), "h.1"),
            (event("heartbeat", {}, "h.2"), "h.2"),
        ):
            self.feed(reader, each)
            self.assertEqual(self.kept(), cursor)
        self.feed(reader, connected(""))
        self.assertEqual(self.kept(), "h.2")
        self.assertEqual(
            [each.name for each in self.path.parent.glob(f"{self.path.name}*")],
            [self.path.name],
        )

    def test_not_shown(self) -> None:
        """
        What could not be shown does not count.
        """
        read, write = os.pipe()
        os.close(read)
        out = os.fdopen(write, "w")
        reader = Reader(
            Screen(out, self.err, plain=False),
            Side(),
            cursor_file=CursorFile(self.path),
        )
        self.feed(reader, connected("l.1"))
        self.assertRaises(BrokenPipeError, self.feed, reader, live("l.2", 1))
        self.assertRaises(BrokenPipeError, out.close)
        self.assertEqual(self.kept(), "l.1")

    def test_something_else(self) -> None:
        """
        A file that holds something else is left alone.
        """
        for content in (b"#!/bin/sh\n", b"x" * 65, b"\xff", b"l.1\nl.2\n", b"l.1\n\n"):
            self.path.write_bytes(content)
            self.assertRaises(ValueError, CursorFile(self.path).read)
        self.path.write_bytes(b"l.1")
        self.assertEqual(self.kept(), "l.1")
