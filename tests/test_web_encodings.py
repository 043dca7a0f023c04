"""
Who gets a stream compressed.
"""

import gzip

from tests.support.cases import SyncCase
from tests.support.web import CONNECTED, PublicCase, chunks
from wanderer_twisted.web.encodings import wants_gzip

STREAM = "/api/v1/kills/stream"


class WantsTests(SyncCase):
    """
    ``Accept-Encoding`` as RFC 9110 has it (12.5.3).
    """

    def test_accepted(self) -> None:
        """
        gzip, or anything, with any weight but none.
        """
        for header, wanted in (
            (b"gzip", True),
            (b"gzip, deflate, br, zstd", True),
            (b"br;q=1.0, GZIP;q=0.001", True),
            (b"gzip ; q=0.5", True),
            (b"*", True),
            (b"identity, *;q=0.1", True),
            (b"", False),
            (b"br", False),
            (b"x-gzip-not", False),
            (b"gzip;q=0", False),
            (b"gzip;q=0.000, *", False),
            (b"*;q=0", False),
            (b"gzip;q=x", False),
            (b"gzip;x=1", False),
            (b"gzip;q=", False),
            (b",,;", False),
        ):
            self.assertEqual(wants_gzip([header], ""), wanted, header)
        self.assertFalse(wants_gzip([], ""))
        self.assertTrue(wants_gzip([b"br", b"gzip"], ""))

    def test_broken_programs(self) -> None:
        """
        Those that cannot read what they ask for get it plain.
        """
        self.assertFalse(wants_gzip([b"gzip"], "python-requests/2.32.3"))


class StreamTests(PublicCase):
    """
    Over HTTP.
    """

    def body(self, *headers: str, query: str = "") -> bytes:
        """
        What a stream that the server ended was, as it came.
        """
        public = self.public()
        self.client = public.ask(STREAM + query, *headers)
        public.stop()
        return b"".join(chunks(self.client.raw))

    def test_compressed(self) -> None:
        """
        A client that reads gzip gets the whole stream so, told in its head.
        """
        body = self.body("Accept-Encoding: gzip")
        self.assertEqual(gzip.decompress(body), CONNECTED)
        headers = self.client.response.headers
        self.assertEqual(headers["Content-Encoding"], "gzip")
        self.assertEqual(headers["Cache-Control"], "no-store")
        self.assertIn("Accept-Encoding", headers["Vary"])

    def test_plain(self) -> None:
        """
        Everybody else, and who says so, gets it as it is.
        """
        gzip_header = "Accept-Encoding: gzip"
        for headers, query in (
            ((), ""),
            ((gzip_header,), "?compress=0"),
            ((gzip_header, "User-Agent: python-requests/2.32.3"), ""),
        ):
            self.assertEqual(self.body(*headers, query=query), CONNECTED)
            told = self.client.response.headers
            self.assertNotIn("Content-Encoding", told)
            self.assertEqual(told["Cache-Control"], "no-store, no-transform")

    def test_old_http(self) -> None:
        """
        With HTTP/1.0 it is ended by the connection's end.
        """
        public = self.public()
        client = public.ask(STREAM, "Accept-Encoding: gzip", version="HTTP/1.0")
        public.stop()
        self.assertEqual(gzip.decompress(client.response.body), CONNECTED)

    def test_head(self) -> None:
        """
        ``HEAD`` says what ``GET`` would.
        """
        client = self.public().ask(STREAM, "Accept-Encoding: gzip", method="HEAD")
        self.assertIn(b"Content-Encoding: gzip", client.raw)

    def test_refused(self) -> None:
        """
        A refusal is short, and plain.
        """
        public = self.public(connections=1)
        for _ in range(2):
            client = public.ask(
                STREAM, "Accept-Encoding: gzip", "Accept: text/event-stream"
            )
        self.assertIn(b"event: error", client.raw)
        self.assertNotIn(b"Content-Encoding", client.raw)
