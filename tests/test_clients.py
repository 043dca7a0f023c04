"""
The matrix of clients, as far as it can be tried without any: what docs/clients.rst says
of them, and what counts as a fault. The clients themselves: ``make test-clients``.
"""

import json
import re
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from tests.clients.catalogue import CLIENTS, HERE, Client, Scenario
from tests.clients.cell import Cell
from tests.clients.line import Line, Visit
from tests.clients.verdict import faults
from tests.support.cases import SyncCase
from tests.support.transport import Descriptor
from tests.test_docs import ROOT, Document, literals

DOCUMENT = Document(ROOT / "docs" / "clients.rst")


def cells(row: Any) -> list[str]:
    return [cell.astext() for cell in row]


class DocumentTests(SyncCase):
    """
    docs/clients.rst, and what is installed.
    """

    def test_outcomes(self) -> None:
        """
        It says of each client what the matrix holds it to.
        """
        said = [cells(row) for row in DOCUMENT.rows("Outcomes")]
        known = [
            [
                client.name,
                client.version or "the system's",
                "gzip" if client.compressed else "identity",
                client.outcome("straight"),
                client.outcome("dropped"),
                client.outcome("restarted"),
                str(client.refused),
                client.outcome("refused"),
            ]
            for client in CLIENTS
        ]
        self.assertEqual(said, known)

    def test_advice(self) -> None:
        """
        Each client has a row of what to set, but for that which leaves something out.
        """
        said = [literals(row[0])[0] for row in DOCUMENT.rows("What to set")]
        known = [client.name for client in CLIENTS if not client.option]
        self.assertEqual(said, known)

    def test_versions(self) -> None:
        """
        Its versions are those that are installed.
        """
        package = json.loads((HERE / "node" / "package.json").read_text())
        installed = dict(package["dependencies"])
        setup = (ROOT / "setup.py").read_text()
        installed.update(re.findall(r'"([\w-]+)==([\d.]+)"', setup))
        known = {
            client.name.partition(",")[0]: client.version
            for client in CLIENTS
            if client.version
        }
        self.assertEqual(known, installed)

    def test_lock(self) -> None:
        """
        The lock file has these versions, and no place where to get them.
        """
        text = (HERE / "node" / "package-lock.json").read_text()
        package = json.loads((HERE / "node" / "package.json").read_text())
        root = json.loads(text)["packages"][""]
        self.assertEqual(root["dependencies"], package["dependencies"])
        self.assertNotIn("resolved", text)
        self.assertNotIn("http", text)


class VerdictTests(SyncCase):
    """
    What counts as a fault.
    """

    def cell(self, *told: dict[str, Any], **client: Any) -> Cell:
        """
        A client that told this, on a line that had one plain response.
        """
        line = Line(None, 0)
        head = b"HTTP/1.1 200 OK\r\n\r\n"
        line.visits.append(Visit(head=head, received=10_000))
        cell = Cell(Client("it", "1", "it.py", **client), compressed=False, line=line)
        for each in told:
            cell.outReceived(json.dumps(each).encode() + b"\n")
        return cell

    def batch(self, *killmail_ids: int) -> dict[str, Any]:
        return {"event": "batch", "id": "x", "killmail_ids": list(killmail_ids)}

    def faults(self, cell: Cell, scenario: Scenario = "straight") -> list[str]:
        return list(faults(cell, scenario, {1, 2}))

    def test_each_once(self) -> None:
        """
        Nothing, where every killmail came once.
        """
        self.assertEqual(self.faults(self.cell(self.batch(1), self.batch(2))), [])

    def test_repeated(self) -> None:
        """
        A killmail that came twice.
        """
        cell = self.cell(self.batch(1, 2), self.batch(2))
        self.assertEqual(self.faults(cell), ["1 repeated: 2"])

    def test_lost(self) -> None:
        """
        One that did not come, and one that nobody asked for.
        """
        cell = self.cell(self.batch(1, 3))
        self.assertEqual(self.faults(cell), ["1 not wanted: 3", "1 of 2 lost: 2"])

    def test_an_end(self) -> None:
        """
        The end of a client, where it is not known to end; and where it is, that it did
        not.
        """
        ended = (self.batch(1, 2), {"ended": "closed"})
        self.assertEqual(self.faults(self.cell(*ended)), ["ended for good"])
        self.assertEqual(self.faults(self.cell(*ended, ends=("straight",))), [])
        cell = self.cell(self.batch(1, 2), ends=("straight",))
        self.assertEqual(self.faults(cell), ["did not end, though it is said to"])

    def test_encoding(self) -> None:
        """
        A response in gzip to who wants none.
        """
        cell = self.cell(self.batch(1, 2))
        cell.line.visits[0].head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
        self.assertEqual(self.faults(cell), ["answered in gzip, not identity"])

    def test_refusal(self) -> None:
        """
        A refusal that did not come, and one of another kind.
        """
        cell = self.cell(self.batch(1, 2))
        self.assertEqual(
            self.faults(cell, "refused"), ["refused with nothing, not with 200"]
        )
        cell.line.visits.append(Visit(head=b"HTTP/1.1 503 Service Unavailable\r\n\r\n"))
        self.assertEqual(
            self.faults(cell, "refused"), ["refused with [503], not with 200"]
        )

    def test_no_break(self) -> None:
        """
        A line that did not break though it was told to.
        """
        cell = self.cell(self.batch(1, 2))
        cell.line.break_off("end", identity=1)
        self.assertEqual(self.faults(cell), ["its line did not break"])

    def test_no_warning(self) -> None:
        """
        That a client did not hear of the server's end.
        """
        cell = self.cell(self.batch(1, 2))
        found = self.faults(cell, "restarted")
        self.assertEqual(found, ["not told that the server goes down"])


class LineTests(SyncCase):
    """
    Where a line breaks.
    """

    def test_break(self) -> None:
        """
        After so many bytes of the body, and once.
        """
        line, visit = Line(None, 0), Visit()
        line.break_off("reset", identity=4, gzip=9)
        head = b"HTTP/1.1 200 OK\r\nA: b\r\n"
        self.assertEqual(line.let_through(visit, head), (head, None))
        self.assertEqual(line.let_through(visit, b"\r\n123"), (b"\r\n123", None))
        self.assertEqual(line.let_through(visit, b"456"), (b"4", "reset"))
        self.assertEqual((visit.broken, line.broken), (True, True))
        self.assertEqual(line.let_through(Visit(), head * 9), (head * 9, None))

    def test_by_encoding(self) -> None:
        """
        A compressed response has its own measure.
        """
        line, visit = Line(None, 0), Visit()
        line.break_off("end", identity=1, gzip=3)
        head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n"
        self.assertEqual(line.let_through(visit, head + b"12"), (head + b"12", None))
        self.assertEqual(line.let_through(visit, b"34"), (b"3", "end"))

    def test_held(self) -> None:
        """
        A client that is held has come, but gets to the server only when it is let go;
        those behind it do at once.
        """
        clock, line = MemoryReactorClock(), Line(None, 0)

        def come() -> None:
            client: Any = line.buildProtocol(None)
            client.reactor = clock
            Descriptor(clock, client)

        line.hold()
        come()
        self.assertEqual((len(line.visits), len(clock.tcpClients)), (1, 0))
        line.let_go()
        self.assertEqual(len(clock.tcpClients), 1)
        come()
        self.assertEqual((len(line.visits), len(clock.tcpClients)), (2, 2))

    def test_slow_client(self) -> None:
        """
        The end comes behind what a slow client has not read yet, whether the line broke
        or the server closed.
        """
        head, body = b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 100_000
        for through in (80_000, len(body)):
            clock = MemoryReactorClock()
            line = Line(None, 0)
            line.break_off("end", identity=through)
            client: Any = line.buildProtocol(None)
            client.reactor = clock
            peer = Descriptor(clock, client)
            factory = clock.tcpClients[0][2]
            server = Descriptor(clock, factory.buildProtocol(None))
            server.protocol.dataReceived(head + body)
            if through == len(body):
                server.connectionLost(Failure(ConnectionDone()))
            clock.advance(0)
            peer.take(1 << 20)
            self.assertEqual(len(peer.received), len(head) + through)
            self.assertTrue(peer.disconnected)
