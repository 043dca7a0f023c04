"""
What was measured, and the tables of it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from statistics import median
from subprocess import TimeoutExpired

import attrs

from bench.peers.load import Late

#: The two that all others are compared with, and this server.
FLOOR, NCHAN, OURS = "floor", "nchan", "wanderer-sse"

#: What a contender that breaks down raises.
_BROKEN = (Late, RuntimeError, OSError, HTTPException, TimeoutExpired)


@attrs.define
class Figure:
    """
    One line of the tables.

    :ivar values: of each contender, the rounds'.
    :ivar most: what this server has to reach, as :meth:`Results.add` takes it.
    """

    what: str
    unit: str
    most: dict[str, float]
    values: dict[str, list[float]] = attrs.field(factory=dict)

    def median(self, name: str) -> float | None:
        return median(self.values[name]) if name in self.values else None

    def ratio(self, name: str, to: str) -> float | None:
        above, below = self.median(name), self.median(to)
        return above / below if above is not None and below else None


@attrs.define
class Results:
    """
    :ivar names: of the contenders, in the order of the columns.
    :ivar goals: whether it is at the scale that the figures to reach are for.
    :ivar notes: what has to be said beside the tables.
    """

    names: Sequence[str]
    goals: bool
    figures: dict[str, Figure] = attrs.field(factory=dict)
    notes: list[str] = attrs.field(factory=list)

    def add(
        self,
        what: str,
        unit: str,
        name: str,
        values: Sequence[float],
        **most: float,
    ) -> None:
        """
        Several values are added to those before: of all of them the median is told.

        :param most: the most that this server may need: ``floor`` and ``nchan`` as
            ratios, ``itself`` in the unit.
        """
        figure = self.figures.setdefault(what, Figure(what, unit, most))
        figure.values.setdefault(name, []).extend(values)
        print(f"{name}: {what}: {_number(median(values))} {unit}", flush=True)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    @contextmanager
    def surviving(self, name: str, what: str) -> Iterator[None]:
        """
        Let the others go on where a contender breaks down.
        """
        try:
            yield
        except _BROKEN as error:
            print(f"{name}: {what}: {error}", flush=True)
            last = str(error).strip().rpartition("\n")[2]
            self.note(f"{name} broke down at {what}: {last}")

    # --- tables ----------------------------------------------------------------

    def text(self) -> str:
        """
        All of it as reStructuredText.
        """
        parts = ["Medians:", self._table(self._absolute, "")]
        for to in (FLOOR, NCHAN):
            if table := self._table(self._ratios(to), to):
                parts += [f"Ratios to {to}:", table]
        parts += [f"- {note}" for note in self.notes]
        return "\n\n".join(parts) + "\n"

    @staticmethod
    def _absolute(figure: Figure, name: str) -> str:
        value = figure.median(name)
        return "" if value is None else _number(value)

    @staticmethod
    def _ratios(to: str) -> Callable[[Figure, str], str]:
        def cell(figure: Figure, name: str) -> str:
            ratio = figure.ratio(name, to)
            if ratio is None or (to == FLOOR and figure.unit == "KiB"):
                return ""  # the floor keeps next to nothing of a stream
            return _number(ratio)

        return cell

    def _table(self, cell: Callable[[Figure, str], str], to: str) -> str:
        """
        :param to: what is compared with, as in :attr:`Figure.most`; or nothing.
        """
        names = [name for name in self.names if name != to]
        rows = []
        for figure in self.figures.values():
            cells = [cell(figure, name) for name in names]
            if not any(cells):
                continue
            what = figure.what if to else f"{figure.what}, {figure.unit}"
            most = figure.most.get(to or "itself") if self.goals else None
            rows.append([what, *cells, "" if most is None else f"≤ {most:g}"])
        head = ["what", *names, f"{OURS} to reach"]
        return _simple_table(head, rows) if rows else ""


def _number(value: float) -> str:
    """
    Three digits.
    """
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _simple_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """
    A simple table of reStructuredText.
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = " ".join("=" * width for width in widths)

    def line(cells: Sequence[str]) -> str:
        padded = (f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True))
        return " ".join(padded).rstrip()

    return "\n".join((rule, line(head), rule, *map(line, rows), rule))
