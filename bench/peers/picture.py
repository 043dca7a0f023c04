"""
A picture of how a figure grows with the number of streams, as SVG.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import cycle
from math import floor, log10

Point = tuple[float, float]
Line = Sequence[Point]

_WIDTH, _HEIGHT = 720, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 170, 60, 60
_TICKS = 5
_TOPS = 1, 1.5, 2, 3, 4, 5, 6, 8, 10  # times a power of ten
_LABEL = 16  # pixels that a name needs

#: Okabe and Ito's, told apart by everybody, with a grey and a violet.
_COLOURS = (
    "#000000",
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#d55e00",
    "#56b4e9",
    "#999999",
    "#6a3d9a",
)


class Picture:
    """
    Lines over a grid, both axes from zero.

    :param x: what is told from left to right, :param y: and upwards.
    :param lines: name -> points, in the order of x.
    """

    def __init__(self, title: str, x: str, y: str, lines: Mapping[str, Line]) -> None:
        self._title, self._x, self._y, self._lines = title, x, y, lines
        points = [point for line in lines.values() for point in line]
        self._right = _rounded_up(max(point[0] for point in points))
        self._top = _rounded_up(max(point[1] for point in points))

    def svg(self) -> str:
        return "\n".join(
            (
                '<svg xmlns="http://www.w3.org/2000/svg" role="img"'
                f' viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif"'
                ' font-size="13">',
                f"<title>{escape(self._title)}</title>",
                '<rect width="100%" height="100%" fill="#ffffff"/>',
                *self._frame(),
                *self._curves(),
                "</svg>",
                "",
            )
        )

    def _place(self, x: float, y: float) -> Point:
        across = _LEFT + x / self._right * (_WIDTH - _LEFT - _RIGHT)
        up = _HEIGHT - _BOTTOM - y / self._top * (_HEIGHT - _TOP - _BOTTOM)
        return round(across, 1), round(up, 1)

    def _frame(self) -> Iterator[str]:
        middle, _ = self._place(self._right / 2, 0)
        yield _text(_LEFT, 26, self._title, size=16)
        yield _text(middle, _HEIGHT - 16, self._x, anchor="middle")
        yield _text(_LEFT, _TOP - 12, self._y, anchor="end")
        for tick in range(_TICKS + 1):
            x, y = self._right * tick / _TICKS, self._top * tick / _TICKS
            left, up = self._place(0, y)
            right, _ = self._place(self._right, y)
            across, bottom = self._place(x, 0)
            yield (
                f'<line x1="{left}" y1="{up}" x2="{right}" y2="{up}" stroke="#dddddd"/>'
            )
            yield _text(left - 8, up + 4, f"{y:g}", anchor="end")
            yield _text(across, bottom + 20, f"{x:g}", anchor="middle")

    def _curves(self) -> Iterator[str]:
        """
        The lines, each named at its end, from the lowest up: names that would lie on
        one another are moved.
        """
        colours = dict(zip(self._lines, cycle(_COLOURS), strict=False))
        free = float(_HEIGHT)
        for name, line in sorted(self._lines.items(), key=_end):
            colour = colours[name]
            places = [self._place(*point) for point in line]
            path = " ".join(f"{across},{up}" for across, up in places)
            yield (
                f'<polyline points="{path}" fill="none" stroke="{colour}"'
                ' stroke-width="2"/>'
            )
            for across, up in places:
                yield f'<circle cx="{across}" cy="{up}" r="3.5" fill="{colour}"/>'
            across, up = places[-1]
            free = min(up + 4, free - _LABEL)
            yield _text(across + 10, free, name, colour=colour)


def _end(named: tuple[str, Line]) -> float:
    return named[1][-1][1]


def _text(
    across: float,
    up: float,
    text: str,
    anchor: str = "start",
    size: int = 13,
    colour: str = "#333333",
) -> str:
    return (
        f'<text x="{across}" y="{up}" text-anchor="{anchor}" font-size="{size}"'
        f' fill="{colour}">{escape(text)}</text>'
    )


def _rounded_up(value: float) -> float:
    """
    To a number that is easily divided.
    """
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in _TOPS if step * power >= value)
