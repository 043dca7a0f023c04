"""
The clients that the documents show, run against a server.
"""

import json
import re
import shlex
import shutil
import signal
import sys
from collections import Counter
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent, indent

import treq
from twisted.trial.unittest import SkipTest
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from tests.processes import Process, ProcessCase, answers, free_port
from tests.support.cases import SyncCase

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples"


def readme_block(language: str) -> str:
    """
    The one block of README.rst in a language.
    """
    text = (ROOT / "README.rst").read_text()
    pattern = rf"\.\. code-block:: {language}\n\n((?: {{4}}.*\n|\n)+)"
    (block,) = re.findall(pattern, text)
    return dedent(block).strip() + "\n"


class SameTests(SyncCase):
    """
    README.rst shows what the examples do.
    """

    def test_browser(self) -> None:
        """
        Its script is that of the page, to the letter.
        """
        page = (EXAMPLES / "browser.html").read_text()
        (script,) = re.findall(r"// --- the client.*\n((?s:.*))// --- its end", page)
        self.assertEqual(readme_block("javascript"), script)

    def test_python(self) -> None:
        """
        Its loop is that of the program, to the letter.
        """
        program = (EXAMPLES / "client.py").read_text()
        self.assertIn(indent(readme_block("python"), "    "), program)


class KeepingTests(SyncCase):
    """
    The file in which the example in Python keeps its cursor.
    """

    def test_stopped_meanwhile(self) -> None:
        """
        A stop while it is written leaves the cursor of before, and no empty file.
        """
        spec = spec_from_file_location("client", EXAMPLES / "client.py")
        assert spec is not None and spec.loader is not None
        client = module_from_spec(spec)
        spec.loader.exec_module(client)
        kept = Path(self.mktemp())
        client.keep(kept, "one")

        def stopped(path: Path, text: str) -> None:
            path.open("w").close()  # as far as it came
            raise KeyboardInterrupt

        self.patch(Path, "write_text", stopped)
        self.assertRaises(KeyboardInterrupt, client.keep, kept, "two")
        self.assertEqual(kept.read_text(), "one")


class DemoCase(ProcessCase):
    """
    A test case with a demo that runs.
    """

    async def demo(self) -> tuple[str, str]:
        """
        Start it.

        :returns: its address, and the query that it suggests.
        """
        port = free_port()
        options = ("--demo", "--listen", f"tcp:{port}:interface=127.0.0.1")
        config = self.folder / "fast.yaml"
        config.write_text("stream: {retry_ms: 1000}\n")
        demo = self.twistd("wanderer-sse", "--config", str(config), *options)
        await self.until("a line to try", lambda: "curl" in demo.out)
        (query,) = re.findall(r"\?(character_ids=\S+)'", demo.out)
        return f"http://127.0.0.1:{port}", query


class PythonTests(DemoCase):
    """
    docs/examples/client.py; by inheritance those in other languages, which are alike.
    """

    def command(self, url: str, cursor: str) -> list[str]:
        """
        :param cursor: the file where it keeps that.
        """
        keeping = ["--cursor", cursor] if cursor else []
        return [sys.executable, str(EXAMPLES / "client.py"), *keeping, url]

    def run_client(self, url: str, cursor: str = "") -> Process:
        return self.spawn(*self.command(url, cursor))

    def shown(self, client: Process) -> list[int]:
        """
        The killmails of the lines that are complete.
        """
        lines = client.out.rpartition("\n")[0].splitlines()
        return [int(line.split()[1]) for line in lines if line.startswith("20")]

    def said(self, client: Process) -> str:
        """
        What it said besides.
        """
        return client.err

    def interrupt(self, client: Process) -> None:
        client.send(signal.SIGINT)

    async def test_each_once(self) -> None:
        """
        It shows the past and goes on live; killed and started again, it goes on where
        its file says, and shows nothing twice.
        """
        address, query = await self.demo()
        url = f"{address}/api/v1/kills/stream?{query}&heartbeat=2"
        cursor = str(self.folder / "cursor")
        first = self.run_client(url, cursor)
        await self.until("the past", lambda: "from here on live" in self.said(first))
        past = len(self.shown(first))
        old = self.folder / "old"
        old.hardlink_to(cursor)
        kept = old.read_text()
        self.assertIn(f"{past} of the past; from here on live", self.said(first))
        await self.until("a live killmail", lambda: len(self.shown(first)) > past)
        self.interrupt(first)
        await first.ended
        self.assertEqual(old.read_text(), kept, "the file was not replaced as a whole")
        second = self.run_client(url, cursor)
        await self.until("more", lambda: self.shown(second))
        both = Counter(self.shown(first) + self.shown(second))
        self.assertEqual([id for id, count in both.items() if count > 1], [])
        self.assertNotIn("starting anew", self.said(second))
        self.assertNotIn("of the past", self.said(second))
        self.assertGreater(past, 100)

    async def test_full_disk(self) -> None:
        """
        Killmails that cannot be written end it, and do not count as shown.
        """
        address, query = await self.demo()
        url = f"{address}/api/v1/kills/stream?{query}&heartbeat=2"
        cursor = self.folder / "cursor"
        command = shlex.join(self.command(url, str(cursor)))
        client = self.spawn("/bin/sh", "-c", f"{command} >/dev/full")
        await client.ended
        self.assertEqual(client.status, 1)
        self.assertEqual(cursor.read_text()[:2], "s.")  # from before the first batch

    async def test_restart(self) -> None:
        """
        It comes back to a server that was killed and started again.
        """
        simulator = await self.simulator()
        server = await self.server(
            "own", **simulator.settings(), stream={"retry_ms": 1000}
        )
        await self.until("a feed that has begun", server.has_begun)
        client = self.run_client(
            server.stream_url("heartbeat=2"), str(self.folder / "own")
        )
        await self.until("a cursor", (self.folder / "own").exists)
        before = await simulator.play(3)
        await self.until("killmails", lambda: {*before} <= {*self.shown(client)})
        await server.process.kill()
        await self.until("a loss", lambda: "connection lost" in self.said(client))
        await server.start()
        after = await simulator.play(3)
        await self.until("more", lambda: {*after} <= {*self.shown(client)})
        announced = [killmail_id for _, killmail_id in server.announced()]
        shown = self.shown(client)
        self.assertEqual(shown, announced[announced.index(shown[0]) :])

    async def test_refused(self) -> None:
        """
        A request that will never do ends it, with the server's words.
        """
        address, _ = await self.demo()
        url = f"{address}/api/v1/kills/stream?character_ids=x"
        client = self.run_client(url, str(self.folder / "cursor"))
        await client.ended
        self.assertEqual(client.status, 1)
        self.assertIn("400", self.said(client))
        self.assertIn("'x' is not a valid integer", self.said(client))

    async def test_nobody_there(self) -> None:
        """
        It keeps trying where there is no server.
        """
        url = f"http://127.0.0.1:{free_port()}/"
        client = self.run_client(url, str(self.folder / "cursor"))
        await self.until("a try", lambda: "connection lost" in self.said(client))
        self.assertIsNone(client.status)

    async def test_204(self) -> None:
        """
        A server that answers 204 is never asked again.
        """
        site = Site(Gone())
        port = self.reactor.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        url = f"http://127.0.0.1:{port.getHost().port}/"
        client = self.run_client(url, str(self.folder / "cursor"))
        await client.ended
        self.assertEqual(client.status, 1)
        self.assertIn("204", self.said(client))


class Gone(Resource):
    """
    Wants to see nobody.
    """

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:  # noqa: N802
        request.setResponseCode(204)
        return b""


class NodeTests(PythonTests):
    """
    docs/examples/client.mjs.
    """

    def command(self, url: str, cursor: str) -> list[str]:
        node = shutil.which("node")
        if node is None:
            raise SkipTest("no Node: Debian's package nodejs is not installed")
        return [node, str(EXAMPLES / "client.mjs"), url, cursor]

    async def test_no_stream(self) -> None:
        """
        It says what it got where that is a page for people.
        """
        address, _ = await self.demo()
        client = self.run_client(f"{address}/")
        await self.until("its words", lambda: self.said(client))
        self.assertIn("no event stream but text/html", self.said(client))


class CurlTests(PythonTests):
    """
    docs/examples/tail.sh. On a terminal, as control-C is for all programs of a pipe.
    """

    def command(self, url: str, cursor: str) -> list[str]:
        for program in ("curl", "jq"):
            if shutil.which(program) is None:
                raise SkipTest(f"no {program}: Debian's package {program}")
        return ["/bin/sh", str(EXAMPLES / "tail.sh"), url, cursor]

    def run_client(self, url: str, cursor: str = "") -> Process:
        return self.spawn(*self.command(url, cursor), terminal=True)

    def said(self, client: Process) -> str:
        lines = client.out.splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("20"))

    def interrupt(self, client: Process) -> None:
        assert client.transport is not None
        client.transport.write(b"\x03")


class BrowserTests(DemoCase):
    """
    docs/examples/browser.html.
    """

    async def test_chromium(self) -> None:
        """
        The page shows the past and then live killmails.
        """
        chromium = shutil.which("chromium")
        if chromium is None:
            raise SkipTest("no browser: Debian's package chromium is not installed")
        address, query = await self.demo()
        port = free_port()
        page = (EXAMPLES / "browser.html").as_uri()
        short = TemporaryDirectory()  # the path of a socket in it must be
        self.addCleanup(short.cleanup)
        self.spawn(
            *("/usr/bin/env", f"TMPDIR={short.name}"),
            *(chromium, "--headless", "--no-sandbox", "--disable-gpu"),
            f"--user-data-dir={self.folder / 'profile'}",
            f"--remote-debugging-port={port}",
            f"{page}?server={address}&{query}",
        )
        tabs = f"http://127.0.0.1:{port}/json/list"
        await self.until("the browser", lambda: answers(tabs))

        async def count() -> int:
            response = await treq.get(tabs, persistent=False)
            titles = [each["title"] for each in json.loads(await response.content())]
            found = re.match(r"(\d+) killmails", " ".join(titles))
            return int(found[1]) if found else 0

        past = await self.past(f"{address}/api/v1/kills/stream?{query}")

        async def beyond() -> bool:
            return await count() > past

        await self.until("a live killmail", beyond)

    async def past(self, url: str) -> int:
        command = PythonTests.command(self, url, "")  # type: ignore[arg-type]
        client = self.spawn(*command)
        said = r"(\d+) of the past"
        await self.until("the past", lambda: re.search(said, client.err))
        return int(re.findall(said, client.err)[0])
