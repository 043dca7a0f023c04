"""
Where things are shown: killmails on standard output and nothing else; what happens to
the stream on standard error, a line each; on a terminal a bar for the history.
"""

from collections.abc import Sequence
from typing import Final, TextIO

from wanderer_twisted.tail.lines import Painter, printable
from wanderer_twisted.terminal import StatusLine, bar

NAME: Final = "wanderer-tail"


class Screen:
    """
    :ivar painter: with the colours that fit *out*.
    """

    def __init__(self, out: TextIO, err: TextIO, plain: bool) -> None:
        """
        :param plain: neither colours nor a bar, though *out* be a terminal.
        """
        self._out = out
        self._err = err
        lively = not plain and out.isatty()
        self.painter = Painter(lively)
        self._status = StatusLine(out) if lively else None
        self._yellow = Painter(lively and err.isatty())

    def show(self, lines: Sequence[str]) -> None:
        """
        Killmails. When this returns they are on their way.

        :raises OSError: nobody reads them any more, or they cannot be written.
        """
        self.wipe()
        if lines:
            self._out.write("\n".join(lines) + "\n")
            self._out.flush()

    def tell(self, text: str) -> None:
        """
        Something that happened.
        """
        self._print(printable(text))

    def warn(self, text: str) -> None:
        """
        Something that is not as it should be.
        """
        self._print(self._yellow.warning(printable(text)))

    def progress(self, done: int, wanted: int) -> None:
        """
        How far the history is, in batches.
        """
        self.wait(f"{bar(done, wanted)} {done} of {wanted} batches of the past")

    def wait(self, text: str) -> None:
        """
        What is being waited for.
        """
        if self._status is not None:
            self._status.show(text)

    def wipe(self) -> None:
        if self._status is not None:
            self._status.wipe()

    def _print(self, text: str) -> None:
        self.wipe()
        print(f"{NAME}: {text}", file=self._err, flush=True)
