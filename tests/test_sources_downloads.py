"""
Large bodies, written to a file as they come.
"""

import errno
import gzip
import os
import zlib
from io import BytesIO
from typing import Any, BinaryIO, cast

from twisted.internet.defer import CancelledError

from tests.support.upstream import Outcome, Reply, begin, finish, gzip_reply, json_reply
from tests.test_sources_http import URL, ClientCase
from wanderer_twisted.interfaces import UpstreamError
from wanderer_twisted.sources.body import BadAnswer, NotKept
from wanderer_twisted.sources.exchange import TimedOut, Unreachable
from wanderer_twisted.sources.http import Client, Upstream


class Sink(BytesIO):
    """
    A file that remembers what was written at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def write(self, data: Any) -> int:
        self.sizes.append(len(data))
        return super().write(data)


class FullDisk(Sink):
    """
    A file that has room for so much.
    """

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, data: Any) -> int:
        if sum(self.sizes) + len(data) > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


class DownloadCase(ClientCase):
    def setUp(self) -> None:
        super().setUp()
        self.sink = Sink()
        self.up = self.upstream()

    def renew(self) -> Upstream:
        """
        An upstream of which nothing was heard before, and an empty file.
        """
        self.client = Client(self.there, self.clock)
        self.sink = Sink()
        self.up = self.upstream()
        return self.up

    def download(
        self, reply: Reply, max_body: int = 64 << 20, timeout: float = 300.0
    ) -> Outcome:
        self.there.on(URL, reply)
        sink = cast(BinaryIO, self.sink)
        return begin(self.up.download(URL, sink, timeout, max_body))


class WholeTests(DownloadCase):
    """
    What arrives.
    """

    def test_written(self) -> None:
        """
        The body is in the file, decoded, and not in the answer.
        """
        body = os.urandom(5000)
        for reply in (Reply(200, body), gzip_reply(body)):
            self.renew()
            answer = self.download(reply).result
            self.assertEqual((answer.status, answer.body), (200, b""))
            self.assertEqual(self.sink.getvalue(), body)
            self.assertFalse(self.there.asked[-1].closed)
        self.assertEqual(self.up.requests, {"200": 1})

    def test_as_it_comes(self) -> None:
        """
        What has come is written before the rest is there.
        """
        outcome = self.download(Reply(200, b"0123456789", drip=(4, 1)))
        self.assertEqual(self.sink.getvalue(), b"0123")
        self.clock.advance(1)
        self.assertEqual(self.sink.getvalue(), b"01234567")
        self.assertFalse(outcome.done)
        self.clock.advance(1)
        self.assertEqual(outcome.result.status, 200)
        self.assertEqual(self.sink.getvalue(), b"0123456789")

    def test_in_small_pieces(self) -> None:
        """
        However much a piece holds, no more than a megabyte of it is in memory.
        """
        body = bytes(20 << 20)
        self.download(gzip_reply(body))
        self.assertEqual(sum(self.sink.sizes), len(body))
        self.assertLessEqual(max(self.sink.sizes), 1 << 20)

    def test_errors_too(self) -> None:
        """
        A page with an error is an answer; what it says goes where the body would.
        """
        answer = self.download(Reply(404, b"<html>")).result
        self.assertEqual((answer.status, answer.body), (404, b""))
        self.assertNotIn("\n", answer.unexpected().reason)

    def test_polite(self) -> None:
        """
        It takes its turn and keeps the pace as any other request.
        """
        self.client = Client(self.there, self.clock)
        self.up = self.upstream(per_second=0.5)
        self.there.on(URL, json_reply(1))
        outcomes = [
            begin(self.up.get(URL)),
            self.download(Reply(200, b"1", delay=7)),
            begin(self.up.get(URL)),
        ]
        self.clock.pump([1.0] * 20)
        self.assertTrue(all(each.done for each in outcomes))
        self.assertEqual([at - self.started for at in self.there.times(URL)], [0, 2, 9])

    @property
    def started(self) -> float:
        return self.there.asked[0].at


class BrokenTests(DownloadCase):
    """
    What does not.
    """

    def check_closed(self, outcome: Outcome, kind: type[Exception]) -> Any:
        self.assertIsInstance(outcome.error, kind)
        self.assertTrue(self.there.asked[-1].closed)
        self.assertEqual(self.up.in_flight, 0)
        return outcome.error

    def test_largest(self) -> None:
        """
        The limit is the largest body that passes, counted decoded.
        """
        body = b"x" * 1000
        for reply in (Reply(200, body), gzip_reply(body)):
            self.renew()
            self.assertEqual(self.download(reply, max_body=1000).result.status, 200)
            self.renew()
            outcome = self.download(reply, max_body=999)
            error = self.check_closed(outcome, BadAnswer)
            self.assertIn("larger than 999 bytes", error.reason)
            self.assertLessEqual(len(self.sink.getvalue()), 999)

    def test_limit_of_its_own(self) -> None:
        """
        It is not the one that other answers of this upstream have.
        """
        body = b"x" * 3000
        self.client = Client(self.there, self.clock)
        self.up = self.upstream(max_body=1000)
        self.assertEqual(self.download(Reply(200, body), 5000).result.status, 200)
        self.assertEqual(self.sink.getvalue(), body)

    def test_bomb(self) -> None:
        """
        A bomb fills neither the memory nor the disk.
        """
        inflated = []
        real = zlib.decompressobj

        class Watched:
            def __init__(self, wbits: int) -> None:
                self._real = real(wbits)

            def decompress(self, data: bytes, most: int) -> bytes:
                part = self._real.decompress(data, most)
                inflated.append(len(part))
                return part

            def __getattr__(self, name: str) -> object:
                return getattr(self._real, name)

        self.patch(zlib, "decompressobj", Watched)
        outcome = self.download(gzip_reply(bytes(64 << 20)), max_body=3 << 20)
        self.check_closed(outcome, BadAnswer)
        self.assertLessEqual(max(inflated), 1 << 20)
        self.assertLessEqual(sum(inflated), (3 << 20) + 1)
        self.assertLessEqual(sum(self.sink.sizes), 3 << 20)

    def test_broken_gzip(self) -> None:
        """
        Gzip that ends too early, or goes on behind its end, is an error.
        """
        whole = gzip.compress(b'{"a":1}' * 100)
        for body in (whole[:-9], whole + whole, whole[:10] + b"\xff" * 20):
            self.renew()
            outcome = self.download(Reply(200, body, {"Content-Encoding": "gzip"}))
            self.assertIsInstance(outcome.error, BadAnswer)

    def test_cut(self) -> None:
        """
        So is a connection that breaks.
        """
        outcome = self.download(Reply(200, b'{"a":1}', cut=3))
        self.assertIsInstance(outcome.error, Unreachable)

    def test_out_of_time(self) -> None:
        """
        The whole body has the given time, however it comes, and is not tried again.
        """
        for reply in (
            Reply(never=True),
            Reply(200, b"x" * 50, stall=3),
            Reply(200, b"x" * 50, drip=(1, 10)),
        ):
            self.renew()
            before = len(self.there.asked)
            outcome = self.download(reply, timeout=100)
            self.clock.pump([10.0] * 9 + [9.9])
            self.assertFalse(outcome.done)
            self.clock.advance(0.1)
            error = self.check_closed(outcome, TimedOut)
            self.assertIn("100 s", error.reason)
            self.clock.advance(10)
            self.assertEqual(len(self.there.asked), before + 1)

    def test_cancelled(self) -> None:
        """
        Giving it up closes the connection, and lets the next one go.
        """
        outcome = self.download(Reply(200, b"x" * 50, stall=3))
        outcome.deferred.cancel()
        self.check_closed(outcome, CancelledError)
        self.there.on(URL, json_reply(1))
        self.assertEqual(finish(self.clock, self.up.get(URL)).json(), 1)

    def test_full_disk(self) -> None:
        """
        A disk that is full is our own trouble: the connection is closed, the upstream
        is blamed for nothing, and what comes later is not written any more.
        """
        self.sink = FullDisk(250)
        outcome = self.download(Reply(200, b"x" * 1000, drip=(100, 1)))
        self.clock.pump([1, 1])
        error = self.check_closed(outcome, NotKept)
        self.assertNotIsInstance(error, UpstreamError)
        self.assertEqual(error.errno, errno.ENOSPC)
        self.assertIn("No space left", str(error))
        self.clock.advance(1)
        self.assertEqual(sum(self.sink.sizes), 200)
        self.assertEqual((self.up.requests, self.up.retries), ({}, 0))

    def test_full_disk_is_no_broken_upstream(self) -> None:
        """
        However often it happens, the upstream is still asked.
        """
        for _ in range(10):
            self.sink = FullDisk(0)
            self.assertIsInstance(self.download(Reply(200, b"x")).error, NotKept)
            self.clock.advance(1)
        self.assertEqual(self.up.circuit.state, "closed")
        self.assertEqual(len(self.there.asked), 10)
