"""
When a hole in a feed is made good by the archive (design.md §5, r2z2).
"""

from collections.abc import Mapping

from wanderer_twisted.days import day_of
from wanderer_twisted.records import ArchivedDay, Hole

#: Most killmails are published within an hour of their time, so what a hole took may
#: be of that long before it.
LATE = 3600


def touched(hole: Hole) -> range:
    """
    The days that a hole may have taken from.
    """
    return range(day_of(hole.since - LATE), day_of(hole.until) + 1)


def is_repaired(hole: Hole, days: Mapping[int, ArchivedDay]) -> bool:
    """
    Whether every day that the hole may have taken from is whole, by a list from after
    the hole.

    :param days: what the store has of the archive, by day.
    """
    return all(_has_since(days.get(day), hole.until) for day in touched(hole))


def _has_since(day: ArchivedDay | None, moment: float) -> bool:
    return day is not None and day.complete and day.listed_at > moment
