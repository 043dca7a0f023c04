"""
The archive's files.
"""

import errno
import os
import time
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SkipTest
from zope.interface.verify import verifyObject

from tests.support.cases import SyncCase
from tests.support.upstream import (
    NOON,
    FakeUpstream,
    Reply,
    begin,
    finish,
    gzip_reply,
    json_reply,
)
from wanderer_twisted.days import compact, day_of
from wanderer_twisted.interfaces import IArchiveSource, Refused, UpstreamError
from wanderer_twisted.killmail import MAX_KILLMAIL_ID
from wanderer_twisted.sources import archive
from wanderer_twisted.sources.archive import make_archive
from wanderer_twisted.sources.body import BadAnswer
from wanderer_twisted.sources.exchange import TimedOut, Unreachable
from wanderer_twisted.sources.http import Client

BASE = "https://files.example/history"
TODAY = day_of(NOON)
YESTERDAY = TODAY - 1
TOTALS = f"{BASE}/totals.json"
LIST = f"{BASE}/{compact(YESTERDAY)}.json"
RAW = f"{BASE}/raw/{compact(YESTERDAY)}.json"
HASH = "4b57224f402b47f4548e57bdf2540005bcac4c9a"


class ArchiveCase(SyncCase):
    """
    The source before an upstream that follows a script.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOON
        self.there = FakeUpstream(self.clock)
        self.path = self.mktemp()
        self.renew()

    def renew(self) -> None:
        """
        A source that remembers nothing of earlier failures.
        """
        self.client = Client(self.there, self.clock)
        self.archive = make_archive(self.client, self.clock, BASE + "/")

    def totals(self) -> Any:
        return finish(self.clock, self.archive.totals())

    def listing(self) -> Any:
        return finish(self.clock, self.archive.listing(YESTERDAY))

    def bodies(self) -> bytes:
        finish(self.clock, self.archive.bodies(YESTERDAY, self.path))
        return Path(self.path).read_bytes()

    def error(self, awaitable: Any) -> UpstreamError:
        try:
            result = finish(self.clock, awaitable, within=700)
        except UpstreamError as error:
            self.assertNotIn("\n", error.reason)
            return error
        raise AssertionError(f"no failure but {result}")


class FileTests(ArchiveCase):
    """
    What the files say.
    """

    def test_provides(self) -> None:
        """
        It is a source of an archive.
        """
        self.assertTrue(verifyObject(IArchiveSource, self.archive))

    def test_totals(self) -> None:
        """
        Of each day its number, which may be none.
        """
        self.there.on(TOTALS, json_reply({"20261122": 7, "20071205": 0}))
        counts = self.totals().counts
        self.assertEqual(counts, {YESTERDAY: 7, day_of(1196812800): 0})

    def test_listing(self) -> None:
        """
        Of each id its hash.
        """
        self.there.on(LIST, json_reply({"9": HASH, str(MAX_KILLMAIL_ID): HASH}))
        self.assertEqual(self.listing().hashes, {9: HASH, MAX_KILLMAIL_ID: HASH})

    def test_empty(self) -> None:
        """
        An archive, and a day, may have nothing.
        """
        self.there.default = json_reply({})
        self.assertEqual((self.totals().counts, self.listing().hashes), ({}, {}))

    def test_bodies(self) -> None:
        """
        A file is written as it is, without gzip, over whatever was there.
        """
        Path(self.path).write_bytes(b"x" * 1000)
        for reply in (Reply(200, b'{"9":{}}'), gzip_reply(b'{"9":{}}')):
            self.there.on(RAW, reply)
            self.assertEqual(self.bodies(), b'{"9":{}}')

    def test_twice_as_large_as_ever(self) -> None:
        """
        A list of half a million killmails is no list any more, one of 200,000 is.
        """
        usual = {str(n): HASH for n in range(10**6, 10**6 + 200_000)}
        self.there.on(LIST, json_reply(usual))
        self.assertEqual(len(self.listing().hashes), 200_000)
        huge = {str(n): HASH for n in range(10**6, 10**6 + 500_000)}
        self.there.on(LIST, json_reply(huge))
        error = self.error(self.archive.listing(YESTERDAY))
        self.assertIsInstance(error, BadAnswer)
        self.assertIn("larger than", error.reason)
        self.there.on(TOTALS, Reply(200, b" " * (5 << 20)))
        self.assertIn("larger than", self.error(self.archive.totals()).reason)

    def test_bodies_without_end(self) -> None:
        """
        A file with bodies may be ten times as large as ever, and no larger.
        """
        self.assertEqual(archive._MOST_BODIES, 512 << 20)
        self.patch(archive, "_MOST_BODIES", 1000)
        self.there.on(RAW, gzip_reply(b"x" * 1000), gzip_reply(b"x" * 1001))
        self.assertEqual(len(self.bodies()), 1000)
        error = self.error(self.archive.bodies(YESTERDAY, self.path))
        self.assertIsInstance(error, BadAnswer)
        self.assertIn("larger than 1000 bytes", error.reason)


class MomentTests(ArchiveCase):
    """
    As of when an answer is: never later than it can be.
    """

    def moment(self, **headers: str) -> float:
        """
        Of a list and of the totals, which must agree; less the time of asking.
        """
        self.there.default = json_reply({}, 200, **headers)
        moments = []
        for ask in (self.totals, self.listing):
            self.clock.advance(10)
            now = self.clock.seconds()
            moments.append(ask().asked_at - now)
        self.assertEqual(moments[0], moments[1])
        return float(moments[0])

    def date(self, ahead: float) -> str:
        return formatdate(self.clock.seconds() + ahead, usegmt=True)

    def test_asked(self) -> None:
        """
        It is when the file was asked for, not when it came, nor when its turn came.
        """
        self.there.on(TOTALS, Reply(200, b"{}", delay=50))
        first = begin(self.archive.totals())
        second = begin(self.archive.totals())
        self.clock.pump([50, 50])
        for outcome in (first, second):
            self.assertEqual(outcome.result.asked_at, NOON)

    def test_our_clock_is_ahead(self) -> None:
        """
        Where the upstream's clock says less, its word counts.
        """
        day = formatdate(NOON - 86_400, usegmt=True)
        self.there.default = json_reply({}, Date=day)
        self.assertEqual(self.totals().asked_at, NOON - 86_400)
        self.assertEqual(self.listing().asked_at, NOON - 86_400)

    def test_our_clock_is_behind(self) -> None:
        """
        Where the upstream's clock says more, ours counts.
        """
        day = formatdate(NOON + 86_400, usegmt=True)
        self.assertEqual(self.moment(Date=day), 0.0)

    def test_a_cached_answer(self) -> None:
        """
        Its age is taken off; one that is none counts for nothing, one without end for a
        year.
        """
        for text, age in (
            ("3600", 3600),
            ("0", 0),
            ("-5", 0),
            ("soon", 0),
            ("", 0),
            ("1.5", 0),
            ("٣", 0),
            ("999999999999", 366 * 86_400),
            ("9" * 5000, 0),
        ):
            self.assertEqual(self.moment(Age=text), -age, text)

    def test_dates_that_are_none(self) -> None:
        """
        What is no date counts for nothing.
        """
        for text in (
            "",
            "yesterday",
            "Mon, 99 Nov 2026 15:00:00 GMT",
            "Mon, 23 Nov 99999999 15:00:00 GMT",
            "Mon, 23 Nov 2026 15:00:00 +999999999999",
        ):
            self.assertEqual(self.moment(Date=text), 0.0, text)

    def test_dates_without_a_zone(self) -> None:
        """
        They are in UTC, wherever we are.
        """
        environment = mock.patch.dict(os.environ)
        environment.start()
        self.addCleanup(time.tzset)
        self.addCleanup(environment.stop)  # the last one is the first to run
        self.there.on(TOTALS, json_reply({}, Date="Mon, 23 Nov 2026 14:00:00 -0000"))
        for zone in ("UTC0", "EAST-9", "WEST+9"):
            os.environ["TZ"] = zone
            time.tzset()
            self.assertEqual(self.totals().asked_at, NOON - 3600, zone)

    def warnings(self, **headers: str) -> int:
        self.there.default = json_reply({}, 200, **headers)
        with capturedLogs() as events:
            self.totals()
        texts = [each.get("log_format") or "" for each in events]
        return sum(text.startswith("Our clock") for text in texts)

    def test_the_operator_is_told(self) -> None:
        """
        Once, when the clocks come apart by over five minutes; again after they agreed.
        """
        for ahead, told in (
            (200, 0),
            (400, 1),
            (400, 0),
            (-400, 0),
            (0, 0),
            (-86_400, 1),
        ):
            self.assertEqual(self.warnings(Date=self.date(ahead)), told, ahead)

    def test_a_cache_is_no_wrong_clock(self) -> None:
        """
        A cache may give the date of what it has, or its own.
        """
        for ahead in (0, -3600):
            self.assertEqual(self.warnings(Date=self.date(ahead), Age="3600"), 0)
        self.assertEqual(self.warnings(Date=self.date(-8000), Age="3600"), 1)


class MannersTests(ArchiveCase):
    """
    How it asks.
    """

    def test_one_at_a_time(self) -> None:
        """
        The next request waits for the last byte of the one before, and for a second.
        """
        self.there.default = Reply(200, b"{}", delay=0.25)
        self.there.on(RAW, Reply(200, b"{}" * 20, drip=(10, 5)))
        begin(self.archive.bodies(YESTERDAY, self.path))
        for _ in range(3):
            begin(self.archive.listing(YESTERDAY))
        self.clock.pump([0.25] * 80)
        times = [asked.at - NOON for asked in self.there.asked]
        self.assertEqual(len(times), 4)
        self.assertEqual(times[1], 15)
        self.assertTrue(all(b - a >= 1 for a, b in pairwise(times)), times)

    def test_no_cache(self) -> None:
        """
        Each file is asked for anew, whatever its headers allow.
        """
        forever = {"Cache-Control": "public, max-age=31536000"}
        self.there.on(
            LIST,
            Reply(200, b"{}", forever),
            Reply(200, b'{"9":"%b"}' % HASH.encode(), forever),
        )
        self.assertEqual(len(self.listing().hashes), 0)
        self.assertEqual(len(self.listing().hashes), 1)
        self.assertEqual(self.there.urls, [LIST, LIST])
        for asked in self.there.asked:
            self.assertFalse(asked.headers.hasHeader("If-None-Match"))

    def test_a_slow_line(self) -> None:
        """
        Bodies may take nine minutes, but not eleven.
        """
        body = b"x" * 54
        self.there.on(RAW, Reply(200, body, drip=(1, 10)))
        self.assertEqual(self.bodies(), body)
        self.there.on(RAW, Reply(200, b"x" * 66, drip=(1, 10)))
        error = self.error(self.archive.bodies(YESTERDAY, self.path))
        self.assertIsInstance(error, TimedOut)
        self.assertTrue(self.there.asked[-1].closed)
        self.clock.advance(10)  # the piece that was on its way

    def test_cancelled(self) -> None:
        """
        A download that is given up closes its connection and frees the way.
        """
        self.there.on(RAW, Reply(200, b"{}" * 50, stall=10), Reply(200, b"{}"))
        outcome = begin(self.archive.bodies(YESTERDAY, self.path))
        self.clock.advance(5)
        outcome.deferred.cancel()
        self.assertIsInstance(outcome.error, CancelledError)
        self.assertTrue(self.there.asked[0].closed)
        self.assertEqual(self.bodies(), b"{}")


class ErrorTests(ArchiveCase):
    """
    What goes wrong is an error of one line.
    """

    def every(self) -> list[UpstreamError]:
        """
        The errors of all three, each by a source that had none before.
        """
        errors = []
        for ask in (
            lambda: self.archive.totals(),
            lambda: self.archive.listing(YESTERDAY),
            lambda: self.archive.bodies(YESTERDAY, self.path),
        ):
            self.renew()
            errors.append(self.error(ask()))
        return errors

    def test_not_there(self) -> None:
        """
        A 404 is a refusal that says that it may change.
        """
        for error in self.every():
            self.assertIsInstance(error, Refused)
            self.assertIn("404", error.reason)
            self.assertTrue(error.reason.endswith("perhaps not yet"))

    def test_forbidden(self) -> None:
        """
        After a 403 nobody asks for ten minutes.
        """
        self.there.default = Reply(403, b"<html>Forbidden")
        for error in self.every():
            self.assertEqual(error.retry_after, 600)
            self.assertNotIsInstance(error, Refused)
        asked = len(self.there.asked)
        error = self.error(self.archive.totals())
        self.assertEqual((error.retry_after, len(self.there.asked)), (600, asked))

    def test_other_statuses(self) -> None:
        """
        Any other status says how long to wait; what is broken is tried once more, but
        for bodies.
        """
        for status, times in ((429, 1), (500, 2), (503, 2), (302, 1), (204, 1)):
            self.there.default = Reply(status)
            before = len(self.there.asked)
            for error in self.every():
                self.assertEqual(error.retry_after, 60, status)
                self.assertNotIsInstance(error, Refused)
                self.assertIn(str(status), error.reason)
            self.assertEqual(len(self.there.asked) - before, times * 2 + 1, status)
        self.there.default = json_reply({}, 429, Retry_After="90")
        self.assertEqual({each.retry_after for each in self.every()}, {90.0})

    def test_no_json(self) -> None:
        """
        HTML, half a file, nothing at all and NaN are no totals and no list.
        """
        whole = b'{"20261122":"%b"}' % HASH.encode()
        for body, words in (
            (b"<!DOCTYPE html>\n<html>Just a moment...", "is not JSON but"),
            (whole[:-9], "is not JSON"),
            (b"", "is empty"),
            (b'{"20261122":NaN}', "is not JSON"),
        ):
            self.there.default = Reply(200, body)
            for error in self.every_document():
                self.assertIsInstance(error, BadAnswer)
                self.assertIn(words, error.reason)

    def every_document(self) -> list[UpstreamError]:
        asked = (self.archive.totals(), self.archive.listing(YESTERDAY))
        return [self.error(each) for each in asked]

    def test_wrong_shape(self) -> None:
        """
        A list, a text, a number or null is no object.
        """
        for document, name in (
            ([], "list"),
            (["20261122"], "list"),
            ("x", "str"),
            (5, "int"),
            (None, "NoneType"),
        ):
            self.there.default = json_reply(document)
            for error in self.every_document():
                self.assertIsInstance(error, BadAnswer)
                self.assertIn(f"no object but {name}", error.reason)

    def test_wrong_totals(self) -> None:
        """
        One day that is none, or one number that is none, spoils the totals.
        """
        for day, count in (
            ("2026-11-22", 1),
            ("20261322", 1),
            ("20260230", 1),
            ("00000101", 1),
            ("٢٠٢٦١١٢٢", 1),
            ("", 1),
            ("x\n" * 50, 1),
            ("20261122", -1),
            ("20261122", "1"),
            ("20261122", 1.0),
            ("20261122", True),
            ("20261122", None),
            ("20261122", [1]),
            ("20261122", {"a\n": "b" * 500}),
        ):
            self.there.on(TOTALS, json_reply({"20261121": 5, day: count}))
            error = self.error(self.archive.totals())
            self.assertIsInstance(error, BadAnswer, (day, count))
            self.assertLess(len(error.reason), 200)
            self.assertIn(TOTALS, error.reason)

    def test_wrong_list(self) -> None:
        """
        One id that is none, or one hash that is none, spoils the list.
        """
        for id, hash in (
            ("0", HASH),
            ("-1", HASH),
            ("1.0", HASH),
            ("01", HASH),
            ("1_0", HASH),
            ("٣", HASH),
            ("x", HASH),
            ("", HASH),
            ("8\n", HASH),
            ("9" * 5000, HASH),
            (str(MAX_KILLMAIL_ID + 1), HASH),
            ("8", HASH[:-1]),
            ("8", HASH + "0"),
            ("8", HASH.replace("4", "g")),
            ("8", HASH + "\n"),
            ("8", 5),
            ("8", None),
            ("8", {"hash": HASH}),
        ):
            self.there.on(LIST, json_reply({"7": HASH, id: hash}))
            error = self.error(self.archive.listing(YESTERDAY))
            self.assertIsInstance(error, BadAnswer, (id, hash))
            self.assertLess(len(error.reason), 200)
            self.assertIn(LIST, error.reason)

    def test_cut(self) -> None:
        """
        A connection that breaks within a file gives none of it.
        """
        self.there.default = Reply(200, b'{"20261122":1}', cut=5)
        for error in self.every():
            self.assertIsInstance(error, Unreachable)

    def test_broken_gzip(self) -> None:
        """
        Neither do gzip that ends too early, and a bomb.
        """
        whole = gzip_reply(b'{"9":{}}' * 100)
        self.there.default = Reply(200, whole.body[:-9], whole.headers)
        for error in self.every():
            self.assertIsInstance(error, BadAnswer)
            self.assertIn("ends too early", error.reason)

    def test_full_disk(self) -> None:
        """
        A disk that is full is told by the system's own error, though it comes only
        when the file is closed.
        """
        if not os.path.exists("/dev/full"):
            raise SkipTest("this system has no /dev/full")
        self.path = "/dev/full"
        for size in (10, 1_000_000):
            self.there.on(RAW, Reply(200, b"x" * size))
            error = self.assertRaises(OSError, self.bodies)
            self.assertEqual(error.errno, errno.ENOSPC)
        self.assertEqual(len(self.there.asked), 2)

    def test_nowhere_to_write(self) -> None:
        """
        A file that cannot be made is our own trouble, and nobody is asked.
        """
        self.path = f"{self.mktemp()}/nowhere/a.json"
        self.assertRaises(FileNotFoundError, self.bodies)
        self.assertEqual(self.there.asked, [])
