"""
The manhole: a Python prompt in the running server, by telnet.

Of Twisted's conch it takes telnet and the prompt, for which nothing more need be
installed.
"""

from collections.abc import Callable
from typing import Any, Final

from twisted.conch.insults.insults import ServerProtocol, modes
from twisted.conch.manhole import CTRL_C, Manhole
from twisted.conch.telnet import (
    ECHO,
    IP,
    NAWS,
    SGA,
    StatefulTelnetProtocol,
    TelnetBootstrapProtocol,
    TelnetTransport,
)
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from wanderer_twisted import SERVER_NAME
from wanderer_twisted.ops.console import Console
from wanderer_twisted.ops.passwords import Passwords

#: Makes the helpers of a terminal that a function writes lines to.
MakeConsole = Callable[[Callable[[str], None]], Console]

_MOST_OPEN: Final = 10
_LOGIN_SECONDS: Final = 60.0
#: After a wrong password: whoever guesses gets at most ten tries a second.
_PENALTY_SECONDS: Final = 1.0


class Terminals(ServerFactory):
    """
    Connections to the manhole.

    :ivar open: those that there are.
    """

    noisy = False
    _log = Logger()

    def __init__(
        self, clock: IReactorTime, passwords: Passwords, make_console: MakeConsole
    ) -> None:
        self.clock = clock
        self.passwords = passwords
        self.make_console = make_console
        self.open: set[Wire] = set()

    def buildProtocol(self, addr: IAddress | None) -> "Wire | None":
        if len(self.open) >= _MOST_OPEN:
            self._log.warn("manhole: {most} are connected already", most=_MOST_OPEN)
            return None
        return Wire(self)

    def stopFactory(self) -> None:
        for wire in list(self.open):
            wire.write(b"\n\x1b[4l")  # as Screen.reset() leaves it
            wire.loseConnection()


class Wire(TelnetTransport):
    """
    Telnet, spoken by whoever can connect.
    """

    _log = Logger()

    def __init__(self, terminals: Terminals) -> None:
        super().__init__(Login, terminals)
        self._terminals = terminals

    def connectionMade(self) -> None:
        self._terminals.open.add(self)
        super().connectionMade()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._terminals.open.discard(self)
        super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:
        try:
            super().dataReceived(data)
        except ValueError as error:  # what is no telnet, or no UTF-8
            self._log.warn("manhole: left for {error}", error=str(error))
            self.loseConnection()

    def negotiate(self, data: list[bytes]) -> None:
        if data:  # Twisted takes the first for granted
            super().negotiate(data)

    def do(self, option: bytes) -> Deferred[Any]:
        return _as_it_comes(super().do(option))

    def will(self, option: bytes) -> Deferred[Any]:
        return _as_it_comes(super().will(option))


def _as_it_comes(agreed: Deferred[Any]) -> Deferred[Any]:
    """
    Nothing here depends on what a client agrees to: one that knows no options only
    shows the password as it is typed.
    """
    return agreed.addErrback(lambda failure: None)


class Login(StatefulTelnetProtocol):
    """
    Asks who it is, and makes way for a prompt.
    """

    state = "User"
    transport: Any
    _log = Logger()

    def __init__(self, terminals: Terminals) -> None:
        self._terminals = terminals
        self._deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        self._close_in(_LOGIN_SECONDS)
        self.transport.write(b"User: ")

    def telnet_User(self, line: bytes) -> str:
        self._user = line.rstrip(b"\r")
        self.transport.will(ECHO)  # and so the client echoes no password
        self.transport.write(b"Password: ")
        return "Password"

    def telnet_Password(self, line: bytes) -> str:
        password = line.rstrip(b"\r")
        if self._terminals.passwords.allow(self._user, password):
            self._log.info("manhole: {user} came in", user=repr(self._user))
            self._let_in()
        else:
            self._log.warn("manhole: wrong password")
            self.transport.write(b"\nThat is wrong.\n")
            self._close_in(_PENALTY_SECONDS)
        return "Discard"

    def _let_in(self) -> None:
        self._stop_waiting()
        rest, wire = self.clearLineBuffer(), self.transport
        terminal = Terminal(self._terminals.make_console)
        wire.protocol = terminal
        terminal.makeConnection(wire)
        if rest:
            terminal.dataReceived(rest)

    def _close_in(self, seconds: float) -> None:
        self._stop_waiting()
        clock = self._terminals.clock
        self._deadline = clock.callLater(seconds, self.transport.loseConnection)

    def _stop_waiting(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_waiting()
        super().connectionLost(reason)


class Terminal(TelnetBootstrapProtocol):
    """
    Takes each key by itself. In telnet's line mode, which conch would ask for, ^D is a
    command that it does not know; ^C is one in any mode, that it ignores.
    """

    transport: Any

    def __init__(self, make_console: MakeConsole) -> None:
        super().__init__(Screen, Prompt, make_console)

    def connectionMade(self) -> None:
        wire = self.transport
        wire.negotiationMap[NAWS] = self.telnet_NAWS
        for option in (NAWS, SGA):
            wire.do(option)
        for option in (SGA, ECHO):
            wire.will(option)
        self.protocol = self.protocolFactory(*self.protocolArgs)
        self.protocol.makeConnection(self)

    def enableRemote(self, opt: bytes) -> bool:
        return opt in (NAWS, SGA)

    def unhandledCommand(self, command: bytes, argument: bytes | None) -> None:
        if command == IP:
            self.dataReceived(CTRL_C)


class Screen(ServerProtocol):
    """
    A terminal that keeps what is on it, after a login and after it.
    """

    def reset(self) -> None:
        self.resetModes([modes.IRM])  # all that a prompt sets


class Prompt(Manhole):
    """
    Python, with an operator's helpers.
    """

    def __init__(self, make_console: MakeConsole) -> None:
        self._busy = False
        self._console = make_console(self._tell)
        super().__init__(self._console.namespace)

    def initializeScreen(self) -> None:
        self.terminal.write(f"\n{SERVER_NAME}: help() says what there is\n")
        super().initializeScreen()

    def terminalSize(self, width: int, height: int) -> None:
        self.width, self.height = width, height  # without wiping the screen

    def lineReceived(self, line: bytes) -> None:
        self._busy = True
        try:
            super().lineReceived(line)
        except SystemExit:  # exit() ends this, and not the server
            self.terminal.loseConnection()
        finally:
            self._busy = False

    def _tell(self, line: str) -> None:
        self.addOutput(f"{line}\n", not self._busy)

    def addOutput(self, data: str, isAsync: bool | None = None) -> None:
        """
        Between two commands it goes above what is being typed. (The method that is
        overridden fails where something is.)
        """
        if not isAsync:
            self.terminal.write(data)
            return
        typed = self.lineBuffer
        self.terminal.eraseLine()
        self.terminal.cursorBackward(len(self.ps[self.pn]) + self.lineBufferIndex)
        self.terminal.write(data if data.endswith("\n") else f"{data}\n")
        self.drawInputLine()
        if self.lineBufferIndex < len(typed):
            self.terminal.cursorBackward(len(typed) - self.lineBufferIndex)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._console.close()
        super().connectionLost(reason)
