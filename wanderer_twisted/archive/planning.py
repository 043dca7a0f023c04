"""
Which days of the archive want work, and what may be claimed of them. Pure functions;
all times are UNIX seconds.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import attrs

from wanderer_twisted.completeness import LATE, is_repaired, makes_good, touched
from wanderer_twisted.days import DAY, day_of, start_of
from wanderer_twisted.records import ArchivedDay, Hole, Totals

#: The archive is made once a day, from this time of the day on, UTC ...
MADE_AT: Final = 6 * 3600
#: ... which takes a while, ...
_MADE_BY: Final = MADE_AT + 600
#: ... at the most so long. What is asked for sooner may be of the day before.
_MAKING: Final = 2 * 3600

#: From when to when, UNIX seconds.
Span = tuple[float, float]
Spans = Sequence[Span]

#: All of time.
_EVER: Final = (0.0, float(2**53))


@attrs.frozen
class Plan:
    """
    What one look at the totals comes to.

    :ivar wanted: the days that should be whole, the newest first.
    :ivar confirmed: whole and not changed since: to be written with what is known now.
    :ivar work: what wants work, the newest first.
    """

    wanted: Sequence[int]
    confirmed: Sequence[ArchivedDay]
    work: Sequence[ArchivedDay]


def open_holes(
    rows: Mapping[int, ArchivedDay], holes: Iterable[Hole]
) -> Sequence[Hole]:
    """
    The holes that the archive has not made good.

    :param rows: by day.
    """
    return [each for each in holes if not is_repaired(each, rows)]


def make_plan(
    rows: Mapping[int, ArchivedDay],
    totals: Totals,
    holes: Collection[Hole],
    now: float,
    backfill_days: int,
    max_days: int,
) -> Plan:
    """
    :param rows: by day.
    :param holes: those that are open.
    :param now: by our own clock. Where the archive's says something else, the earlier
        one counts.
    :param max_days: holes further back are left.
    """
    now = min(now, totals.asked_at)
    wanted = _wanted(totals, holes, now, backfill_days, max_days)
    confirmed, work = [], []
    for day in wanted:
        row = rows.get(day, ArchivedDay(day))
        claim = listed_at(day, now)
        if _wants_work(row, totals.counts.get(day), holes, claim):
            work.append(row)
        elif day in totals.counts:
            confirmed.append(attrs.evolve(row, listed_at=max(row.listed_at, claim)))
    return Plan(wanted, confirmed, work)


def _wanted(
    totals: Totals,
    holes: Collection[Hole],
    now: float,
    backfill_days: int,
    max_days: int,
) -> list[int]:
    today = day_of(now)
    days = set(range(today - backfill_days, today))
    for hole in holes:
        days.update(touched(hole))
    return sorted(
        (
            day
            for day in days
            if today - max_days <= day < today
            and (day in totals.counts or now >= start_of(day + 1) + _MADE_BY)
        ),
        reverse=True,
    )


def _wants_work(
    row: ArchivedDay, total: int | None, holes: Iterable[Hole], claim: float
) -> bool:
    if not row.complete:
        return True
    if total is not None and total != row.expected:
        return True
    return any(
        row.day in touched(hole) and not makes_good(row, hole) and hole.until < claim
        for hole in holes
    )


def listed_at(day: int, asked_at: float) -> float:
    """
    Until when what was published of a day is surely in its list.

    :param asked_at: when the list was asked for, or totals that agree with it.
    :returns: 0 where the day may not have been over when the list was made.
    """
    run = last_run(asked_at - _MAKING)
    return run if run >= start_of(day + 1) + MADE_AT else 0.0


def last_run(now: float) -> float:
    """
    When the archive was last begun to be made.
    """
    return float((now - MADE_AT) // DAY * DAY + MADE_AT)


def is_settled(
    wanted: Iterable[int], rows: Mapping[int, ArchivedDay], now: float
) -> bool:
    """
    Whether all that the archive's last run made is in the store.
    """
    return all(
        day in rows and rows[day].complete and rows[day].listed_at >= last_run(now)
        for day in wanted
    )


def next_run(now: float) -> float:
    """
    When the archive will have been made anew.
    """
    return float((now - _MADE_BY) // DAY * DAY + DAY + _MADE_BY)


def spans(row: ArchivedDay, holes: Iterable[Hole]) -> Spans:
    """
    The kill_times of which a killmail that is not stored yet is news: those that a feed
    missed in a hole; and any at all where a version of the day's list had been loaded
    to its end while a feed ran, for then it was published since.
    """
    if row.loaded and row.followed:
        return [_EVER]
    return [_span(hole) for hole in holes]


def missed(row: ArchivedDay, holes: Iterable[Hole]) -> Spans:
    """
    The kill_times that a feed missed in holes which this day has not made good: of
    these a killmail that was never announced is news though it is stored, for a history
    may have asked for it since.
    """
    return [
        _span(hole)
        for hole in holes
        if row.day in touched(hole) and not makes_good(row, hole)
    ]


def _span(hole: Hole) -> Span:
    return hole.since - LATE, hole.until


def doubt(row: ArchivedDay, listed: int, total: int | None) -> str:
    """
    Why a day's list is not to be believed; empty where it is.

    :param listed: how many killmails it names.
    :param total: how many the totals say.
    """
    if not listed:  # on no day nothing happens
        return "Its list is empty"
    if listed < row.expected:
        return f"Its list names {listed} killmails, and named {row.expected} before"
    if total is not None and total != listed:
        return f"Its list names {listed} killmails, and the totals say {total}"
    return ""
