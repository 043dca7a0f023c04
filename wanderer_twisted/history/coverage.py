"""
What the pages of a listing say (design.md §5, history). Pure functions.
"""

from calendar import timegm
from collections.abc import Iterator
from datetime import UTC, datetime

import attrs

from wanderer_twisted.partition import KINDS, Filter, Kind
from wanderer_twisted.records import ListingPage

HOUR = 3600.0

#: An answer may be an hour old and hides the last five minutes (contracts.md §3).
LAG = 65 * 60.0

#: Pages that a listing has at most.
LAST_PAGE = 100

#: Rows of a full page. A page may be short for what is hidden, and not be the last.
FULL_PAGE = 200

Key = tuple[Kind, int]
Month = tuple[int, int]


@attrs.frozen
class PageKey:
    """
    Which page of a listing; no month for those of all time.
    """

    number: int
    month: Month | None = None


@attrs.frozen
class Seen:
    """
    What one page says, once it is stored.

    :ivar since: UNIX seconds: together with the pages before it, it lists everything
        back to here; None where it does not say.
    :ivar ended: no page follows it.
    :ivar short: perhaps none does.
    :ivar doubtful: it is empty, which is not believed.
    :ivar lacking: not all that it lists could be stored.
    """

    fetched_at: float
    since: int | None
    ended: bool = False
    short: bool = False
    doubtful: bool = False
    lacking: bool = False

    def reaches(self, cutoff: int) -> bool:
        return self.since is not None and self.since <= cutoff


def keys(wanted: Filter) -> list[Key]:
    """
    The listings that a filter's ids have.
    """
    return [(kind, each) for kind in KINDS for each in sorted(wanted.ids(kind))]


def weigh(
    place: PageKey,
    page: ListingPage,
    oldest: int | None,
    limit: int,
    whole: bool = True,
) -> Seen:
    """
    What a page says.

    :param oldest: kill_time of its last row, UNIX seconds; others of the same second
        may be on the next page. None where it is unknown.
    :param limit: UNIX seconds; nothing older is kept.
    :param whole: whether the last row that was read is the page's last.
    """
    last = page.last and place.number < LAST_PAGE and whole
    ended = last or not page.packages
    if ended:
        oldest = month_start(place.month) - 1 if place.month else 0
    since = None if oldest is None else max(limit, oldest + 1)
    return Seen(page.fetched_at, since, ended, len(page.packages) < FULL_PAGE)


def months_back(now: float, cutoff: int) -> Iterator[Month]:
    """
    The months from now back to that of *cutoff*, in UTC.
    """
    moment = datetime.fromtimestamp(now, UTC)
    year, month = moment.year, moment.month
    yield year, month
    while month_start((year, month)) > cutoff:
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
        yield year, month


def month_start(month: Month) -> int:
    return timegm((*month, 1, 0, 0, 0))


def month_end(month: Month) -> int:
    year, number = month
    return month_start((year, number + 1) if number < 12 else (year + 1, 1))
