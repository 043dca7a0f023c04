"""
The benchmark beside peers: that it counts right, and runs through. What it measures is
not looked at.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random
from threading import Thread
from xml.etree import ElementTree

from docutils.core import publish_doctree  # type: ignore[import-untyped]

from bench.peers.building import build
from bench.peers.load import Late, Load
from bench.peers.picture import Picture
from bench.peers.processes import apart
from bench.peers.results import Results
from tests.support.cases import SyncCase

_ROOT = Path(__file__).parent.parent
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
_SVG = "{http://www.w3.org/2000/svg}"
_SECONDS = 120


class CompiledCase(SyncCase):
    """
    With the programs in C.
    """

    if shutil.which("gcc") is None:
        skip = "needs gcc"

    def setUp(self) -> None:
        build()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()


class LoadTests(CompiledCase):
    """
    The load client, against a server that sends what a test says.
    """

    def serve(self, parts: Sequence[bytes]) -> int:
        """
        Answer one request by these parts, each a packet of its own.

        :returns: the port.
        """
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.asked = connection.recv(65_536)
                for part in parts:
                    connection.sendall(part)
                connection.recv(1)  # until the client leaves

        thread = Thread(target=answer)
        thread.start()
        self.addCleanup(thread.join)
        port: int = listener.getsockname()[1]
        return port

    def test_request(self) -> None:
        """
        A line's fields go into the template, in their order.
        """
        port = self.serve([_HEAD, b"data: 1\n\n"])
        template = "GET /?a={} HTTP/1.1\r\nLast-Event-ID: {}\r\n\r\n"
        with Load(port, template, ["1,2\tl.x.7"], self.folder) as load:
            load.open(1)
        self.assertEqual(
            self.asked, b"GET /?a=1,2 HTTP/1.1\r\nLast-Event-ID: l.x.7\r\n\r\n"
        )

    def test_events(self) -> None:
        """
        However the bytes come, each event is counted once, and only large ones count.
        """
        for end in (b"\n\n", b"\0\0\xff\xff"):
            chosen = Random(7)
            sizes = [chosen.choice((99, 100, 5_000)) for _ in range(300)]
            events = [b"x" * (size - len(end)) + end for size in sizes]
            sent = b"".join((_HEAD, b"first", end, *events))
            cuts = {0, len(sent), *range(len(_HEAD), 1_000)}  # byte by byte at first
            cuts.update(chosen.sample(range(len(sent)), 400))
            parts = [sent[slice(*part)] for part in pairwise(sorted(cuts))]
            port = self.serve(parts)
            with Load(port, "GET", [""], self.folder, end, least=100) as load:
                self.assertEqual(load.open(1).open, 1)
                large = sum(size >= 100 for size in sizes)
                answer = load.wait(large)
                while answer.bytes < len(sent):
                    answer = load.wait(0)
                self.assertEqual((answer.events, answer.bytes), (large, len(sent)))

    def test_refused(self) -> None:
        """
        A stream that is refused is no stream.
        """
        port = self.serve([b"HTTP/1.1 503 Service Unavailable\r\n\r\nevent: x\n\n"])
        with Load(port, "GET", [""], self.folder) as load:
            self.assertRaises(Late, load.open, 1)


class RunTests(CompiledCase):
    """
    ``python -m bench.peers``.
    """

    def test_run(self) -> None:
        """
        The floor and this server do the same, in tables and a picture.
        """
        table, picture = self.folder / "table", self.folder / "picture.svg"
        command = [sys.executable, "-m", "bench.peers", "--quick", "--streams", "20"]
        command += ["--only", "floor", "wanderer-sse", "--figures"]
        command += ["fan_out", "selective", "reconnects", "histories"]
        command += ["--table", str(table.absolute())]
        command += ["--picture", str(picture.absolute())]
        done = subprocess.run(
            command, cwd=_ROOT, capture_output=True, text=True, timeout=_SECONDS
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        text = table.read_text()
        self.assertNotIn("broke down", text)
        self.assertIn(text, done.stdout)
        for figure in (
            "fan-out to 20, ms",
            "selective, flat out",
            "20 reconnected",
            "history of 500, gzipped",
        ):
            self.assertIn(figure, text)
        root = ElementTree.parse(picture).getroot()
        lines = root.findall(f"{_SVG}polyline")
        self.assertEqual(len(lines), 2)


class ApartTests(SyncCase):
    """
    A processor for a server.
    """

    def test_apart(self) -> None:
        """
        What is started gets one processor, whoever is started then gets the others, and
        in the end all have all, also where the start fails.
        """
        every = os.sched_getaffinity(0)
        self.addCleanup(os.sched_setaffinity, 0, every)

        @contextmanager
        def start() -> Iterator[set[int]]:
            yield os.sched_getaffinity(0)

        def fail() -> AbstractContextManager[None]:
            raise OSError

        with apart(start) as own:
            self.assertEqual(len(own), 1)
            self.assertEqual(os.sched_getaffinity(0), every - own or every)
        self.assertEqual(os.sched_getaffinity(0), every)
        with self.assertRaises(OSError), apart(fail):
            pass
        self.assertEqual(os.sched_getaffinity(0), every)


class ResultsTests(SyncCase):
    """
    The tables.
    """

    def setUp(self) -> None:
        self.results = Results(["floor", "wanderer-sse"], goals=True)

    def test_tables(self) -> None:
        """
        Medians, ratios and what is to be reached, as reStructuredText.
        """
        self.results.add("fan-out", "ms", "floor", [3.0, 1.0, 2.0], floor=1.15)
        self.results.add("fan-out", "ms", "wanderer-sse", [3.0])
        text = self.results.text()
        rows = [line.split() for line in text.splitlines() if "fan-out" in line]
        self.assertEqual(
            rows, [["fan-out,", "ms", "2", "3"], ["fan-out", "1.5", "≤", "1.15"]]
        )
        publish_doctree(text, settings_overrides={"halt_level": 2})

    def test_breakdown(self) -> None:
        """
        One that breaks down is told of, and the others go on.
        """

        def break_down() -> None:
            raise Late("3 events came of 10")

        with self.results.surviving("floor", "fan-out"):
            break_down()
        self.assertIn("floor broke down at fan-out: 3 events", self.results.text())

    def test_mistake(self) -> None:
        """
        A mistake of ours is not taken for that.
        """
        with self.assertRaises(TypeError), self.results.surviving("floor", "fan-out"):
            raise TypeError


class PictureTests(SyncCase):
    """
    The picture.
    """

    def test_picture(self) -> None:
        """
        SVG, whose names do not lie on one another.
        """
        lines = {"a & b": [(100, 3.0), (1000, 41.0)], "c": [(100, 2.0), (1000, 41.0)]}
        text = Picture("A <title>", "streams", "ms", lines).svg()
        root = ElementTree.fromstring(text)
        self.assertEqual(len(root.findall(f"{_SVG}polyline")), 2)
        places = {
            each.text: float(each.attrib["y"]) for each in root.findall(f"{_SVG}text")
        }
        self.assertGreaterEqual(abs(places["a & b"] - places["c"]), 10)
        self.assertIn("A <title>", places)
