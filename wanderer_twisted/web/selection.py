"""
The parameters of a look-up: text from anybody, to a :class:`Selection` or a 400.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

import attrs

from wanderer_twisted.days import DAY
from wanderer_twisted.encoding import dumps
from wanderer_twisted.killmail import MAX_ID
from wanderer_twisted.records import Place
from wanderer_twisted.stream.cursor import base36
from wanderer_twisted.web.errors import invalid
from wanderer_twisted.web.parameters import _integer, _quoted, _split

#: What a list of killmails takes, and what a number of them does.
OF_A_LIST: Final = ("since_hours", "limit", "before", "since")
OF_A_COUNT: Final = ("since_hours", "since")
OF_SYSTEMS: Final = ("system_ids", "since_hours", "limit")

MOST: Final = 1000
_HOURS, _LIMIT = 24, 50  # where the client does not say

_PLACE = re.compile(r"([0-9a-z]{7})\.([0-9a-z]{8})")
_DIGITS = re.compile(r"[0-9]{1,19}")
_LONGEST_NAME = 60


@attrs.frozen
class Selection:
    """
    Which killmails of an id, newest first.

    :ivar since: UNIX seconds: none older.
    :ivar limit: how many at most.
    :ivar before: only what lies before this place; None: from the newest on.
    """

    since: int
    limit: int = _LIMIT
    before: Place | None = None

    def link(self, path: str, before: Place | None) -> str:
        """
        Where the same goes on. Its ``since`` stays where it is, so that nothing moves
        from page to page while time goes by.
        """
        link = f"{path}?since={self.since}&limit={self.limit}"
        if before is None:
            return link
        place = f"{base36(before.kill_time, 7)}.{base36(before.killmail_id)}"
        return f"{link}&before={place}"


def read_selection(
    query: bytes, known: Collection[str], now: float, max_days: int
) -> Selection:
    """
    :param query: as it came, without the ``?``.
    :param known: the names that may stand in it.
    :param now: UNIX seconds.
    :param max_days: how far back anybody may look.
    :raises ApiError: 400, saying which parameter is wrong and how.
    """
    given = _split(query)
    for name in given:
        check_name(name, known)
    if given.get("since_hours") and given.get("since"):
        raise invalid("Give since_hours or since, not both")
    return Selection(
        since=_since(given, int(now), max_days),
        limit=check_limit(_number(given, "limit", _LIMIT)),
        before=_before(given),
    )


def read_nothing(query: bytes) -> None:
    """
    :raises ApiError: 400: a parameter where there is none.
    """
    for name in _split(query):
        raise invalid(f"Unknown parameter {_quoted(name)}, this path takes none")


def read_posted(
    document: Mapping[str, Any], now: float, max_days: int, most_ids: int
) -> tuple[Sequence[int], Selection]:
    """
    The same from a JSON object, whose ``system_ids`` it is for.

    :param most_ids: how many of these there may be.
    :returns: the ids, each once, and what of each.
    :raises ApiError: 400, saying which key is wrong and how.
    """
    for name in document:
        check_name(name, OF_SYSTEMS)
    ids = document.get("system_ids")
    if not isinstance(ids, list) or not ids:
        raise invalid("system_ids must be a list of integers")
    systems = dict.fromkeys(
        check_id("system_ids", _posted_number("system_ids", each)) for each in ids
    )
    if len(systems) > most_ids:
        raise invalid(f"Too many system_ids specified (max {most_ids})")
    hours = _posted_number("since_hours", document.get("since_hours", _HOURS))
    limit = _posted_number("limit", document.get("limit", _LIMIT))
    since = int(now) - 3600 * check_hours(hours, max_days)
    return list(systems), Selection(since, check_limit(limit))


def check_hours(hours: int, max_days: int) -> int:
    """
    :raises ApiError: 400: nobody may look back so far, or into the future.
    """
    return _check_range("since_hours", hours, 24 * max_days)


def check_limit(limit: int) -> int:
    """
    :raises ApiError: 400: a page holds no such number.
    """
    return _check_range("limit", limit, MOST)


def read_id(name: str, text: str) -> int:
    """
    An id that is a part of the path.

    :param name: of what, for the message.
    :raises ApiError: 400.
    """
    if not _DIGITS.fullmatch(text):
        raise invalid(f"Invalid {name}: {_quoted(text)} is not a valid integer")
    return check_id(name, int(text))


def check_id(name: str, number: int) -> int:
    """
    :raises ApiError: 400: there is no such id.
    """
    if not 1 <= number <= MAX_ID:
        raise invalid(
            f"Invalid {name}: '{number}' is not a valid integer (1 to {MAX_ID})"
        )
    return number


def check_name(name: str, known: Collection[str]) -> None:
    """
    :raises ApiError: 400, with the nearest name that there is.
    """
    if name not in known:
        near = get_close_matches(name[:_LONGEST_NAME], known, n=1, cutoff=0.0)[0]
        raise invalid(f"Unknown parameter {_quoted(name)}, did you mean '{near}'?")


def _check_range(name: str, number: int, most: int) -> int:
    if not 1 <= number <= most:
        raise invalid(f"{name} must be between 1 and {most}, got {number}")
    return number


def _number(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name)
    if not text:
        return default
    number = _integer(text)
    if number is None:
        raise invalid(f"Invalid {name}: {_quoted(text)} is not a valid integer")
    return number


def _posted_number(name: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise invalid(f"Invalid {name}: {_quoted(_shown(value))} is not a valid integer")


def _shown(value: object) -> str:
    return value if isinstance(value, str) else dumps(value).decode()


def _since(given: Mapping[str, str], now: int, max_days: int) -> int:
    """
    A link may be followed for a day after its first page was asked for.
    """
    if not given.get("since"):
        return now - 3600 * check_hours(_number(given, "since_hours", _HOURS), max_days)
    since = _number(given, "since", 0)
    if since < now - (max_days + 1) * DAY:
        raise invalid(f"since is more than {max_days} days ago")
    return min(since, now)


def _before(given: Mapping[str, str]) -> Place | None:
    text = given.get("before")
    if not text:
        return None
    match = _PLACE.fullmatch(text)
    if match is None:
        raise invalid(f"Invalid before: {_quoted(text)} is not from a link of ours")
    return Place(int(match[1], 36), int(match[2], 36))
