"""
What is whole of the past, and when a hole in a feed is made good by the archive
(design.md §5, r2z2).
"""

from collections.abc import Iterable, Mapping, Sequence

from wanderer_twisted.days import day_of
from wanderer_twisted.records import ArchivedDay, Hole

#: Most killmails are published within an hour of their time, so what a hole took may
#: be of that long before it.
LATE = 3600


def past_days(
    known: Iterable[ArchivedDay], now: float, count: int
) -> Sequence[ArchivedDay]:
    """
    The last *count* days, yesterday first: today's killmails are in no archive.

    :param known: days that the store knows of.
    :param now: UNIX seconds.
    """
    by_day = {each.day: each for each in known}
    yesterday = day_of(now) - 1
    days = range(yesterday, yesterday - count, -1)
    return [by_day.get(day, ArchivedDay(day)) for day in days]


def touched(hole: Hole) -> range:
    """
    The days that a hole may have taken from.
    """
    return range(day_of(hole.since - LATE), day_of(hole.until) + 1)


def is_repaired(hole: Hole, days: Mapping[int, ArchivedDay]) -> bool:
    """
    Whether every day that the hole may have taken from makes it good.

    :param days: what the store has of the archive, by day.
    """
    return all(makes_good(days.get(day), hole) for day in touched(hole))


def makes_good(day: ArchivedDay | None, hole: Hole) -> bool:
    """
    Whether a day is whole, by a list from after the hole, and was taken in when the
    hole was known: before that nothing of it was news.
    """
    if day is None or not day.complete:
        return False
    return day.listed_at > hole.until and day.tried_at >= hole.told_at
