"""
The parameters of a look-up: text from anybody, to a :class:`Selection` or a 400.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import attrs

from wanderer_twisted.days import DAY
from wanderer_twisted.killmail import MAX_ID
from wanderer_twisted.records import Place
from wanderer_twisted.stream.cursor import base36
from wanderer_twisted.web.errors import invalid
from wanderer_twisted.web.given import Parameter, split_query
from wanderer_twisted.web.moments import AHEAD, read_moment
from wanderer_twisted.web.values import integer, quoted, shown, unknown

#: What look-ups may be asked with. How far ``since_hours`` reaches is the operator's.
PARAMETERS: Final = {
    each.name: each
    for each in (
        Parameter(
            "system_ids",
            "ids",
            1,
            MAX_ID,
            about="Solar systems, each listed by itself.",
        ),
        Parameter(
            "since_hours", "integer", 1, default=24, about="How far to look back."
        ),
        Parameter(
            "limit", "integer", 1, 1000, default=50, about="Killmails of one page."
        ),
        Parameter(
            "before", "place", about="Where the page begins: from a link in `next`."
        ),
        Parameter("since", "moment", about="A moment, instead of `since_hours`."),
    )
}

#: What a list of killmails takes, and what a number of them does.
OF_A_LIST: Final = ("since_hours", "limit", "before", "since")
OF_A_COUNT: Final = ("since_hours", "since")
OF_SYSTEMS: Final = ("system_ids", "since_hours", "limit")

PLACE: Final = re.compile(r"([0-9a-z]{7})\.([0-9a-z]{8})")
_DIGITS = re.compile(r"[0-9]{1,19}")


@attrs.frozen
class Selection:
    """
    Which killmails of an id, newest first.

    :ivar since: UNIX seconds: none older.
    :ivar limit: how many at most.
    :ivar before: only what lies before this place; None: from the newest on.
    """

    since: int
    limit: int
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
    given = split_query(query)
    for name in given:
        _check_name(name, known)
    return _select(given, now, max_days)


def read_nothing(query: bytes) -> None:
    """
    :raises ApiError: 400: a parameter where there is none.
    """
    for name in split_query(query):
        raise invalid(f"Unknown parameter {quoted(name)}, this path takes none")


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
        _check_name(name, OF_SYSTEMS)
    ids = document.get("system_ids")
    if not isinstance(ids, list) or not ids:
        raise invalid("system_ids must be a list of integers")
    systems = dict.fromkeys(
        _check_id("system_ids", integer(shown(each)), shown(each)) for each in ids
    )
    if len(systems) > most_ids:
        raise invalid(f"Too many system_ids specified (max {most_ids})")
    texts = {
        name: shown(value)
        for name, value in document.items()
        if name != "system_ids" and value is not None
    }
    return list(systems), _select(texts, now, max_days)


def read_id(name: str, text: str) -> int:
    """
    An id that is a part of the path.

    :param name: of what, for the message.
    :raises ApiError: 400.
    """
    return _check_id(name, int(text) if _DIGITS.fullmatch(text) else None, text)


def _check_name(name: str, known: Collection[str]) -> None:
    """
    :raises ApiError: 400, with the nearest name that there is.
    """
    if name not in known:
        raise unknown(name, known)


def _check_id(name: str, number: int | None, text: str) -> int:
    """
    :param number: None where *text* is none.
    """
    if number is not None and 1 <= number <= MAX_ID:
        return number
    bounds = "" if number is None else f" (1 to {MAX_ID})"
    raise invalid(f"Invalid {name}: {quoted(text)} is not a valid integer{bounds}")


def _select(given: Mapping[str, str], now: float, max_days: int) -> Selection:
    return Selection(
        since=_since(given, int(now), max_days),
        limit=_number(given, "limit"),
        before=_before(given),
    )


def _since(given: Mapping[str, str], now: int, max_days: int) -> int:
    hours = _number(given, "since_hours", 24 * max_days)
    text = given.get("since")
    if not text:
        return now - 3600 * hours
    if given.get("since_hours"):
        raise invalid("Give since_hours or since, not both")
    since = read_moment(text, now)
    if since is None:
        raise invalid(f"Invalid since: {quoted(text)} is not a time")
    if since > now + AHEAD:
        raise invalid(f"since must not be in the future, got {quoted(text)}")
    # A day more than anybody may ask for: a link is good for so long.
    return min(now, max(since, now - (max_days + 1) * DAY))


def _number(given: Mapping[str, str], name: str, most: float = math.inf) -> int:
    """
    :param most: where the operator bounds it further.
    """
    parameter = PARAMETERS[name]
    least, most = parameter.least, min(parameter.most, most)
    text = given.get(name)
    if not text:
        assert parameter.default is not None
        return parameter.default
    number = integer(text)
    if number is None:
        raise invalid(f"Invalid {name}: {quoted(text)} is not a valid integer")
    if not least <= number <= most:
        raise invalid(f"{name} must be between {least:g} and {most:g}, got {number}")
    return number


def _before(given: Mapping[str, str]) -> Place | None:
    text = given.get("before")
    if not text:
        return None
    match = PLACE.fullmatch(text)
    if match is None:
        raise invalid(f"Invalid before: {quoted(text)} is not from a link of ours")
    return Place(int(match[1], 36), int(match[2], 36))
