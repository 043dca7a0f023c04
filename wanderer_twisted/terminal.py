"""
What the programs have in common at a terminal: a line that changes in place, one that
ends a start, options, and outputs that are not there.
"""

import os
import sys
from typing import Any, Final, NoReturn, TextIO

from twisted.python import usage

from wanderer_twisted import SERVER_NAME

_WIDTH: Final = 80


class StatusLine:
    """
    The last line of a terminal. Whoever prints wipes it first.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._shown = 0

    def show(self, text: str) -> None:
        """
        Put *text* in the place of what is shown, cut to the terminal's width.
        """
        line = text[: self._width() - 1]
        self._out.write("\r" + line.ljust(self._shown))
        self._out.flush()
        self._shown = len(line)

    def wipe(self) -> None:
        if self._shown:
            self._out.write("\r" + " " * self._shown + "\r")
            self._out.flush()
            self._shown = 0

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._out.fileno()).columns or _WIDTH
        except OSError:
            return _WIDTH


def bar(done: int, wanted: int, size: int = 20) -> str:
    """
    How much of it is done, in ``#``.
    """
    full = size * done // max(1, wanted)
    return "[" + "#" * full + "." * (size - full) + "]"


class ScriptOptions(usage.Options):
    """
    What the options of all console scripts have.
    """

    def opt_version(self) -> None:
        """
        Print the version and exit.
        """
        print(SERVER_NAME)
        raise SystemExit(0)


def check_outputs(name: str) -> None:
    """
    Make do with the streams that the shell has left open.

    :param name: of the program.
    :raises SystemExit: there is no standard output.
    """
    if sys.stderr is None:  # print() would take standard output instead
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if sys.stdout is None:
        print(f"{name}: standard output is closed", file=sys.stderr)
        raise SystemExit(1)


def abandon(*streams: TextIO) -> None:
    """
    Nobody reads these any more; Python, which flushes at its exit, needs not find out.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def is_daemon(options: usage.Options) -> bool:
    """
    Whether twistd, of which this is a subcommand, goes into the background.
    """
    twistd: Any = options.parent or {}
    return not twistd.get("nodaemon", True)


def end_start(program: str, error: Exception, in_background: bool) -> NoReturn:
    """
    What the program needs cannot be had: say so in one line, and end it.

    :param in_background: twistd, which waits in the foreground, tells of *error* then.
    :raises SystemExit: it does not.
    """
    if in_background:
        raise error
    why = str(error)
    if isinstance(error, OSError) and error.filename2:  # a link, as a socket's lock is
        why = f"{os.fsdecode(error.filename2)}: {error.strerror}"
    # Not to sys.stderr, which is twistd's log by now.
    print(f"{program}: {why}", file=sys.__stderr__)
    raise SystemExit(1) from error
