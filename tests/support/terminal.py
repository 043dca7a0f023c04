"""
A terminal in memory.
"""

from io import StringIO


class Terminal(StringIO):
    """
    Not a real one: its width cannot be asked for.
    """

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError
