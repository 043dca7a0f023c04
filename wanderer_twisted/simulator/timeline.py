"""
When the killmails of the data happen: the past before the start, and the pace after it.
"""

from collections.abc import Sequence
from itertools import pairwise
from statistics import mean, median

from wanderer_twisted.simulator.data import Template

#: Seconds between two killmails in life, on average (contracts.md §6).
MEAN_GAP = 5.0

#: A lull is cut to so many times the usual distance of two killmails.
_LONGEST = 3.0

#: Seconds between a kill and its publication, at the least.
SHORTEST_LAG = 60

_DAY = 86_400


def gaps(templates: Sequence[Template]) -> list[float]:
    """
    The distance of each killmail from the one before it, lulls cut, bursts kept, in
    units of their own mean.
    """
    times = [each.kill_time for each in templates]
    raw = [
        0.0,
        *(after - before for before, after in pairwise(times)),
    ]
    usual = median(raw[1:]) if len(raw) > 1 else 0.0
    cut = [min(gap, _LONGEST * max(usual, 1.0)) for gap in raw]
    cut[0] = mean(cut[1:]) if len(cut) > 1 else 1.0
    middle = mean(cut)
    return [gap / middle if middle else 1.0 for gap in cut]


def lay_out(
    templates: Sequence[Template], start: float, days: float | None
) -> list[float]:
    """
    When each killmail of the past happened: the last of them as late as it could and
    yet be published at *start*.

    :param days: stretch or shrink the whole to so many days, in the data's own rhythm
        but with its lulls cut; None: move it as it is.
    :returns: UNIX seconds, never falling.
    """
    end = start - SHORTEST_LAG
    if days is None:
        last = templates[-1].kill_time
        return [end - (last - each.kill_time) for each in templates]
    steps = gaps(templates)
    scale = days * _DAY / sum(steps)
    times = [end] * len(templates)
    for i in range(len(templates) - 1, 0, -1):
        times[i - 1] = times[i] - steps[i] * scale
    return times


def lag(killmail_id: int) -> int:
    """
    Seconds between a kill and its publication: one to two minutes.
    """
    return SHORTEST_LAG + killmail_id * 7919 % 61
