"""
The manhole's connections, byte by byte: coming in, being kept out, and going.
"""

import re
from typing import Any

from twisted.conch.telnet import DO, ECHO, IAC, IP, SB, SE, WILL
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure

from tests.support.cases import SyncCase
from wanderer_twisted.ops.manhole import Terminals, Wire
from wanderer_twisted.ops.passwords import Passwords
from wanderer_twisted.ops.tables import Text


class FakeConsole:
    """
    :ivar tell: writes a line to the terminal.
    :ivar closed: how often it was.
    """

    def __init__(self, tell: Any, namespace: dict[str, Any]) -> None:
        self.tell = tell
        self.closed = 0
        self.namespace = {**namespace, "tell": lambda: tell("told")}

    def close(self) -> None:
        self.closed += 1


class Connection:
    """
    One client, which knows telnet or not.
    """

    def __init__(self, terminals: Terminals) -> None:
        wire = terminals.buildProtocol(None)
        assert isinstance(wire, Wire)
        self.wire = wire
        self.transport = StringTransport()
        wire.makeConnection(self.transport)

    def send(self, data: bytes) -> str:
        """
        :returns: what comes of it, without what commands a terminal.
        """
        self.transport.clear()
        self.wire.dataReceived(data)
        return self.read()

    def read(self) -> str:
        raw = re.sub(rb"\xff[\xfb-\xfe].", b"", self.transport.value())
        self.transport.clear()
        text = re.sub(rb"\x1b\[[0-9]*[A-Za-z]|\r", b"", raw)
        return text.decode()

    def leave(self) -> None:
        self.wire.connectionLost(Failure(ConnectionDone()))

    @property
    def is_left(self) -> bool:
        return self.transport.disconnecting


class TerminalsTests(SyncCase):
    """
    A factory with one user.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.consoles: list[FakeConsole] = []
        self.namespace: dict[str, Any] = {"lines": lambda: Text("one\ntwo")}
        passwords = Passwords({b"ann": b"secret"})
        self.terminals = Terminals(self.clock, passwords, self.make_console)
        self.logs = self.enterContext(capturedLogs())

    def tearDown(self) -> None:
        """
        Whatever came, nothing of it is an error, and nothing is left behind.
        """
        bad = [each for each in self.logs if each["log_level"] >= LogLevel.error]
        self.assertEqual(bad, [])
        for wire in list(self.terminals.open):
            wire.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.terminals.open, set())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def make_console(self, tell: Any) -> Any:
        self.consoles.append(FakeConsole(tell, self.namespace))
        return self.consoles[-1]

    def come_in(self) -> Connection:
        connection = Connection(self.terminals)
        connection.send(b"ann\r\nsecret\r\n")
        return connection

    def test_login(self) -> None:
        """
        A user and a password, which the client is asked not to show; then a prompt.
        """
        connection = Connection(self.terminals)
        self.assertEqual(connection.read(), "User: ")
        connection.transport.clear()
        connection.wire.dataReceived(b"ann\r\n")
        self.assertEqual(
            connection.transport.value(), IAC + WILL + ECHO + b"Password: "
        )
        connection.send(IAC + DO + ECHO)
        shown = connection.send(b"secret\r\n")
        self.assertIn("help() says what there is", shown)
        self.assertTrue(shown.endswith("\n>>> "))
        self.clock.advance(3600)
        self.assertFalse(connection.is_left)
        self.assertTrue(any("came in" in each["log_format"] for each in self.logs))

    def test_commands(self) -> None:
        """
        Python, and text that is shown as it is.
        """
        connection = self.come_in()
        self.assertEqual(connection.send(b"6*7\r\n"), "6*7\n42\n>>> ")
        self.assertEqual(connection.send(b"lines()\r\0"), "lines()\none\ntwo\n>>> ")
        self.assertIn("NameError", connection.send(b"nothing\r\n"))

    def test_exit(self) -> None:
        """
        Who wants to leave Python leaves the server running.
        """
        for line in (b"exit()\r\n", b"raise SystemExit\r\n"):
            connection = self.come_in()
            connection.send(line)
            self.assertTrue(connection.is_left)

    def test_typed_ahead(self) -> None:
        """
        A script that sends all at once and knows no telnet is served as well.
        """
        connection = Connection(self.terminals)
        shown = connection.send(b"ann\nsecret\n6*7\n")
        self.assertIn("42\n>>> ", shown)

    def test_wrong_password(self) -> None:
        """
        One try for each connection, which is held for a moment.
        """
        for user, password in ((b"ann", b"Secret"), (b"bob", b"secret"), (b"", b"")):
            connection = Connection(self.terminals)
            connection.send(user + b"\r\n")
            self.assertIn("That is wrong.", connection.send(password + b"\r\n"))
            self.assertFalse(connection.is_left)
            self.assertEqual(connection.send(b"ann\r\nsecret\r\n"), "")
            self.clock.advance(1)
            self.assertTrue(connection.is_left)
            connection.leave()
        self.assertEqual(self.consoles, [])

    def test_nobody_waits_for_ever(self) -> None:
        """
        Who has not come in within a minute is left.
        """
        connection = Connection(self.terminals)
        connection.send(b"ann\r\n")
        self.clock.advance(59)
        self.assertFalse(connection.is_left)
        self.clock.advance(1)
        self.assertTrue(connection.is_left)

    def test_dropped(self) -> None:
        """
        Connections that break anywhere on the way in.
        """
        for sent in (b"", b"ann", b"ann\r\n", b"ann\r\nsec", b"ann\r\nwrong\r\n"):
            connection = Connection(self.terminals)
            connection.send(sent)
            connection.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_rubbish(self) -> None:
        """
        What is no telnet, too long, or no text ends the connection.
        """
        for rubbish in (
            IAC + b"\x01",
            b"\x16\x03\x01" * 10_000,
            IAC + SB + b"\x1f" * 70_000,
        ):
            connection = Connection(self.terminals)
            connection.send(rubbish)
            self.assertTrue(connection.is_left, rubbish[:9])
        connection = self.come_in()
        connection.send(b"\xc3\xa9 = 1\r\n")
        connection.leave()

    def test_nothing_negotiated(self) -> None:
        """
        A negotiation without an option is passed over, on the way in and behind it.
        """
        connection = Connection(self.terminals)
        connection.send(IAC + SB + IAC + SE)
        connection.send(b"ann\r\nsecret\r\n")
        shown = connection.send(IAC + SB + IAC + SE + b"6*7\r\n")
        self.assertEqual(shown, "6*7\n42\n>>> ")

    def test_most(self) -> None:
        """
        Ten are connected at once, no more.
        """
        connections = [Connection(self.terminals) for _ in range(10)]
        self.assertIsNone(self.terminals.buildProtocol(None))
        connections[3].leave()
        self.assertIsNotNone(self.terminals.buildProtocol(None))

    def test_told(self) -> None:
        """
        A line that comes meanwhile goes above what is being typed.
        """
        connection = self.come_in()
        connection.send(b"6*")
        self.consoles[0].tell("news")
        self.assertEqual(connection.read(), "news\n>>> 6*")
        self.assertEqual(connection.send(b"7\r\n"), "7\n42\n>>> ")
        self.assertEqual(connection.send(b"tell()\r\n"), "tell()\ntold\n>>> ")

    def test_a_deferred_answer(self) -> None:
        """
        Comes when it comes, whatever is being typed, and spoils nothing of it.
        """
        answer: Deferred[Text] = Deferred()
        self.namespace["later"] = lambda: answer
        connection = self.come_in()
        self.assertIn("<Deferred #0>", connection.send(b"later()\r\n"))
        connection.send(b"6*9\x1b[D")  # the cursor is on the 9
        answer.callback(Text("\none\ntwo"))
        shown = connection.read()
        self.assertTrue(shown.endswith("called back: \none\ntwo\n>>> 6*9"), shown)
        self.assertIn("\n114\n", connection.send(b"1\r\n"))

    def test_interrupt(self) -> None:
        """
        ^C, as a key or as telnet's command, forgets what was typed; ^D leaves.
        """
        connection = self.come_in()
        for interrupt in (b"\x03", IAC + IP):
            shown = connection.send(b"if 1:\r\n  rubbish" + interrupt)
            self.assertTrue(shown.endswith("KeyboardInterrupt\n>>> "), shown)
            self.assertEqual(connection.send(b"6*7\r\n"), "6*7\n42\n>>> ")
        connection.send(b"\x04")
        self.assertTrue(connection.is_left)

    def test_gone(self) -> None:
        """
        The console is told when its terminal goes.
        """
        connection = self.come_in()
        self.assertEqual(self.consoles[0].closed, 0)
        connection.leave()
        self.assertEqual(self.consoles[0].closed, 1)

    def test_size(self) -> None:
        """
        A terminal's size, which every client tells, wipes nothing.
        """
        connection = self.come_in()
        size = IAC + SB + b"\x1f\x00\x64\x00\x32" + IAC + b"\xf0"
        self.assertEqual(connection.send(IAC + WILL + b"\x1f" + size), "")
        self.assertEqual(connection.send(b"6*7\r\n"), "6*7\n42\n>>> ")

    def test_stop(self) -> None:
        """
        All are left when the port closes.
        """
        connections = [Connection(self.terminals), self.come_in()]
        self.terminals.doStart()
        self.terminals.doStop()
        self.assertTrue(all(each.is_left for each in connections))
