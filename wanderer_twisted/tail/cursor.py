"""
A file that remembers how far we read, for the next run.
"""

import os
import re
from pathlib import Path


class CursorFile:
    """
    :param path: need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = ""

    def read(self) -> str:
        """
        :returns: the cursor; empty before the first run.
        :raises OSError: it cannot be read.
        :raises ValueError: it holds something else, which we had better not overwrite.
        """
        try:
            with self._path.open("rb") as file:
                found = file.read(100)
        except FileNotFoundError:
            return ""
        if not re.fullmatch(rb"[A-Za-z0-9._~-]{0,64}\n?", found):
            raise ValueError("it holds something else than a cursor")
        self._kept = found.decode("ascii").rstrip("\n")
        return self._kept

    def keep(self, cursor: str) -> None:
        """
        Put it there, whole or not at all.

        :raises OSError: it cannot be written.
        """
        if cursor == self._kept:
            return
        new = self._path.with_name(f"{self._path.name}.new")
        new.write_text(f"{cursor}\n", "utf-8")
        os.replace(new, self._path)
        self._kept = cursor
