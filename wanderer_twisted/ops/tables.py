"""
Tables for a terminal, in which nobody else's text can do anything.
"""

from collections.abc import Iterable, Sequence
from typing import Final

Cell = str | int | None

_WIDEST: Final = 48


class Text(str):
    """
    Lines that an interpreter shows as they are.
    """

    def __repr__(self) -> str:
        return str(self)


def plain(text: str, most: int = _WIDEST) -> str:
    """
    Somebody else's text without what would command the terminal, and not too long.
    """
    safe = "".join(each if each.isprintable() else "?" for each in text[: most + 1])
    return safe if len(safe) <= most else safe[: most - 1] + "…"


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """
    Columns, as wide as need be; numbers stand at the right of theirs.
    """
    cells = [list(row) for row in rows]
    texts = [list(head), *([_text(cell) for cell in row] for row in cells)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    right = [
        any(isinstance(cell, int) for cell in column)
        for column in zip(*cells, strict=True)
    ] or [False] * len(widths)

    def line(row: Sequence[str]) -> str:
        padded = (
            text.rjust(width) if to_the_right else text.ljust(width)
            for text, width, to_the_right in zip(row, widths, right, strict=True)
        )
        return "  ".join(padded).rstrip()

    return "\n".join(map(line, texts))


def _text(cell: Cell) -> str:
    if isinstance(cell, int):
        return f"{cell:,}"
    return plain(cell) if cell else "-"


def span(seconds: float | None) -> str:
    """
    A length of time, roughly.
    """
    if seconds is None:
        return ""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
