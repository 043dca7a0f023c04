"""
The web page's files, as the server gives them.
"""

import re
from importlib.resources import files

from tests.support.web import Connection, Public, PublicCase, Response
from wanderer_twisted.web.addresses import Proxies
from wanderer_twisted.web.cors import Cors
from wanderer_twisted.web.page import Page, read_files
from wanderer_twisted.web.rooms import Rooms
from wanderer_twisted.web.site import PublicSite

#: Of everything that a first visit loads, uncompressed.
MOST_BYTES = 100_000

STATIC = files("wanderer_twisted.web") / "static"


class PageCase(PublicCase):
    """
    A test case with the page beside the API.
    """

    def setUp(self) -> None:
        public: Public = self.public()
        rooms = Rooms(public.api.app, Page().app)
        self.site = PublicSite(rooms, public.clock, Cors(), Proxies(()))

    def ask(self, target: str, *headers: str, method: str = "GET") -> Response:
        connection = Connection(self.site)
        connection.request(target, *headers, method=method)
        if method == "HEAD":
            self.assertTrue(connection.raw.endswith(b"\r\n\r\n"))
        return connection.response


class DocumentTests(PageCase):
    """
    ``/``.
    """

    def test_document(self) -> None:
        """
        It is HTML, kept by a browser and asked for again each time.
        """
        response = self.ask("/")
        self.assertEqual(response.status, 200)
        self.assertEqual(response.headers["Content-Type"], "text/html; charset=utf-8")
        self.assertEqual(response.headers["Cache-Control"], "no-cache")
        self.assertEqual(response.body, (STATIC / "index.html").read_bytes())

    def test_policy(self) -> None:
        """
        What the document may load and do is the least that it needs.
        """
        headers = self.ask("/").headers
        self.assertEqual(
            headers["Content-Security-Policy"],
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'"
            " https://images.evetech.net; connect-src 'self'; base-uri 'none';"
            " form-action 'self'; frame-ancestors 'none'",
        )
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(headers["Referrer-Policy"], "no-referrer")

    def test_query(self) -> None:
        """
        A query does no harm: links to the page carry one at times.
        """
        self.assertEqual(self.ask("/?utm_source=x").status, 200)

    def test_nothing_inline(self) -> None:
        """
        The document has no script, style or handler that the policy would refuse.
        """
        text = (STATIC / "index.html").read_text()
        self.assertEqual(re.findall(r"<script(?![^>]* src=)", text), [])
        self.assertEqual(re.findall(r"<style|\sstyle=|\son\w+=", text), [])

    def test_text_from_the_wire(self) -> None:
        """
        No script makes markup out of text.
        """
        for each in STATIC.iterdir():
            if each.name.endswith(".js"):
                pattern = (
                    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\("
                )
                self.assertEqual(re.findall(pattern, each.read_text()), [], each.name)


class FilesTests(PageCase):
    """
    ``/static/…``.
    """

    def test_files(self) -> None:
        """
        Each file comes with its media type, without the policy, which is the
        document's.
        """
        types = {
            "css": "text/css; charset=utf-8",
            "js": "text/javascript; charset=utf-8",
            "svg": "image/svg+xml",
        }
        names = {*read_files()} - {"index.html"}
        self.assertGreaterEqual(names, {"page.css", "page.js", "icon.svg"})
        for name in names:
            response = self.ask(f"/static/{name}")
            self.assertEqual(response.status, 200)
            self.assertEqual(response.body, (STATIC / name).read_bytes())
            kind = types[name.rpartition(".")[2]]
            self.assertEqual(response.headers["Content-Type"], kind)
            self.assertEqual(response.headers["X-Content-Type-Options"], "nosniff")
            self.assertNotIn("Content-Security-Policy", response.headers)

    def test_others(self) -> None:
        """
        There are no others: neither outside of the folder nor by another spelling.
        """
        for path in (
            "/static/",
            "/static/index.html",
            "/static/none.js",
            "/static/../page.py",
            "/static/%2e%2e%2fpage.py",
            "/static/page.js/",
            "/index.html",
        ):
            response = self.ask(path)
            self.assertEqual(response.status, 404, path)
            self.assertIn(b'"type":"not_found"', response.body)

    def test_known(self) -> None:
        """
        Who has a file already gets a 304, with the headers that it is kept by.
        """
        for path in ("/", "/static/page.js"):
            tag = self.ask(path).headers["ETag"]
            again = self.ask(path, f"If-None-Match: {tag}")
            self.assertEqual((again.status, again.body), (304, b""))
            self.assertEqual(again.headers["ETag"], tag)
            self.assertEqual(again.headers["Cache-Control"], "no-cache")
            self.assertEqual(self.ask(path, 'If-None-Match: "other"').status, 200)

    def test_tags(self) -> None:
        """
        Each file has a tag of its own.
        """
        tags = [file.tag for file in read_files().values()]
        self.assertEqual(len(set(tags)), len(tags))

    def test_head(self) -> None:
        """
        ``HEAD`` says the same without the body.
        """
        for path in ("/", "/static/page.css"):
            got = self.ask(path)
            head = self.ask(path, method="HEAD")
            self.assertEqual(head.status, 200)
            self.assertEqual(head.headers, got.headers)

    def test_methods(self) -> None:
        """
        ``OPTIONS`` says what there is, and all else is a 405.
        """
        for path in ("/", "/static/page.js"):
            options = self.ask(path, method="OPTIONS")
            self.assertEqual(options.status, 204)
            self.assertEqual(options.headers["Allow"], "GET, HEAD, OPTIONS")
            self.assertEqual(self.ask(path, method="DELETE").status, 405)

    def test_weight(self) -> None:
        """
        All files together are small, and the document names each of them.
        """
        found = read_files()
        self.assertLess(sum(len(file.body) for file in found.values()), MOST_BYTES)
        text = found["index.html"].body.decode()
        named = set(re.findall(r'"static/([\w.]+)"', text))
        self.assertEqual(named, {*found} - {"index.html"})
