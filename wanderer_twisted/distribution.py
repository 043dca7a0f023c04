"""
How often something took how much: a histogram in plain numbers.
"""

from bisect import bisect_left
from collections.abc import Sequence

#: Bounds for what takes from a tenth of a millisecond to some seconds.
SECONDS: Sequence[float] = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)


class Distribution:
    """
    :ivar bounds: the upper bounds of all ranges but the last, ascending.
    :ivar counts: how many values fell into each range; a bound itself is in its range.
    :ivar sum: of all values.
    """

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    @property
    def count(self) -> int:
        return sum(self.counts)

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value
