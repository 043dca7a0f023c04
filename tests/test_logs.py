"""
The JSON log.
"""

import json
import sys
from collections.abc import Callable
from io import StringIO
from typing import Any

from twisted.logger import ILogObserver, Logger, LogLevel
from twisted.python import log as legacy_log
from twisted.python.failure import Failure

from tests.support.cases import SyncCase
from wanderer_twisted.ops.logs import (
    JsonObserver,
    json_stdout,
    set_level,
    text_stdout,
)


class Odd:
    """
    What no log should trip over.
    """

    def __repr__(self) -> str:
        raise ValueError("no")


class OddError(Exception):
    """
    An error without words.
    """

    def __str__(self) -> str:
        raise ValueError("no")


class JsonObserverTests(SyncCase):
    """
    From events to lines.
    """

    def setUp(self) -> None:
        self.out = StringIO()
        self.observer = JsonObserver(self.out)
        self.log = Logger("wanderer_twisted.test", observer=self.observer)

    def lines(self) -> list[Any]:
        *lines, rest = self.out.getvalue().split("\n")
        self.assertEqual(rest, "")
        return [json.loads(line) for line in lines]

    def test_line(self) -> None:
        """
        A line holds time, level, system, the formatted message and the plain fields.
        """
        self.observer(
            {
                "log_format": "{count} of {feed}: {error!r}",
                "log_time": 1764016496.5,
                "log_level": LogLevel.warn,
                "log_namespace": "wanderer_twisted.ingest",
                "log_source": self,
                "count": 3,
                "feed": "r2z2",
                "lag": 1.5,
                "live": True,
                "reason": None,
                "error": KeyError(5),
            }
        )
        self.assertEqual(
            self.out.getvalue(),
            '{"time":"2025-11-24T20:34:56.500Z","level":"warn",'
            '"system":"wanderer_twisted.ingest","message":"3 of r2z2: KeyError(5)",'
            '"count":3,"feed":"r2z2","lag":1.5,"live":true,"reason":null}\n',
        )

    def test_one_line_each(self) -> None:
        """
        Whatever a message holds, it is one line of ASCII.
        """
        self.log.info("{text}", text="a\nb\u2028c\ud800\r")
        (line,) = self.out.getvalue().splitlines()
        self.assertTrue(line.isascii())
        self.assertEqual(json.loads(line)["message"], "a\nb\u2028c\ud800\r")

    def test_failure(self) -> None:
        """
        A failure is text with its traceback.
        """
        try:
            raise KeyError("lost")
        except KeyError:
            self.log.failure("poll of {feed} failed", feed="r2z2")
        (line,) = self.lines()
        self.assertEqual(line["level"], "critical")
        self.assertEqual(line["message"], "poll of r2z2 failed")
        self.assertIn("Traceback", line["failure"])
        self.assertIn("KeyError: 'lost'", line["failure"])

    def test_odd_fields(self) -> None:
        """
        Fields that are not plain, or not JSON, are left out; the line is written.
        """
        self.log.info(
            "odd",
            thing=Odd(),
            nan=float("nan"),
            huge=10**5000,
            data=b"x",
            nested={"a": [1]},
            kept="yes",
        )
        (line,) = self.lines()
        self.assertEqual(set(line), {"time", "level", "system", "message", "kept"})

    def test_own_keys_win(self) -> None:
        """
        A field cannot take the place of what every line has.
        """
        self.observer({"log_format": "x", "level": "mine", "time": 5, "failure": "f"})
        (line,) = self.lines()
        self.assertEqual((line["level"], line["time"]), ("info", None))

    def test_never_raises(self) -> None:
        """
        Events that cannot even be formatted give a line and no exception.
        """
        events: list[dict[str, Any]] = [
            {},
            {"log_format": "{a}", "a": Odd()},
            {"log_format": "{a()}", "a": lambda: 1 / 0},
            {"log_format": "{missing}"},
            {"log_format": Odd()},
            {"log_format": "x", "log_time": float("inf")},
            {"log_format": "x", "log_time": "noon", "log_level": Odd()},
            {"log_format": "x", "log_namespace": Odd()},
            {"log_format": "x", "log_failure": Odd()},
            {"log_format": "x", "log_failure": Failure(OddError())},
        ]
        for event in events:
            self.observer(event)
        lines = self.lines()
        self.assertEqual(len(lines), len(events))
        for line in lines:
            self.assertIn("message", line)

    def test_legacy_event(self) -> None:
        """
        Twisted's older way of logging gives the same kind of line.
        """
        publisher = legacy_log.LogPublisher()
        publisher._publishPublisher.addObserver(self.observer)
        publisher.msg("Starting", "factory", system="web")
        (line,) = self.lines()
        self.assertEqual(line["message"], "Starting factory")
        self.assertEqual(line["system"], "web")
        self.assertNotIn("isError", line)


class JsonStdoutTests(SyncCase):
    """
    The factory for twistd.
    """

    def test_info_and_above(self) -> None:
        """
        Standard output gets info and above, and nothing below.
        """
        out = StringIO()
        self.patch(sys, "stdout", out)
        log = Logger("x", observer=json_stdout())
        log.debug("a")
        log.info("b")
        log.error("c")
        written = [json.loads(line)["message"] for line in out.getvalue().splitlines()]
        self.assertEqual(written, ["b", "c"])


class LevelTests(SyncCase):
    """
    What is written at which level.
    """

    def written(self, make: Callable[[], ILogObserver], level: str) -> str:
        """
        What an observer writes of one event of each level.
        """
        out = StringIO()
        self.patch(sys, "stdout", out)
        self.addCleanup(set_level, "info")
        log = Logger("wanderer_twisted.test", observer=make())
        set_level(level)
        for name in ("debug", "info", "warn", "error"):
            log.emit(LogLevel.levelWithName(name), f"this is {name}")
        return out.getvalue()

    def test_levels(self) -> None:
        """
        The level that is set and those above it are written, as JSON or as text, by
        observers that were made before.
        """
        for make in (json_stdout, text_stdout):
            for level, count in ("debug", 4), ("info", 3), ("warn", 2), ("error", 1):
                lines = self.written(make, level).splitlines()
                self.assertEqual(len(lines), count, level)
                self.assertIn(f"this is {level}", lines[0])
