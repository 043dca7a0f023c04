"""
The query of a stream request: text from anybody, to a :class:`Wish` or a 400.

The rules are design.md §2.2's; the messages are WandererKills' own where it has one
(lessons.md §4.1), so that what its clients know stays true.
"""

import math
import re
from collections.abc import Mapping
from difflib import get_close_matches
from urllib.parse import unquote_to_bytes

import attrs

from wanderer_twisted.partition import Filter
from wanderer_twisted.stream.opening import Wish
from wanderer_twisted.web.errors import invalid

_IDS = ("character_ids", "system_ids")
#: The spellings of the cursor that clients use, the first one first.
_CURSORS = ("last_event_id", "lastEventId", "evs_last_event_id", "cursor")
KNOWN = (
    *_IDS,
    "min_value",
    "preload_days",
    "heartbeat",
    *_CURSORS,
    "items",
    "compress",
)

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LIST = re.compile(r"(\w+)\[.*\]")  # character_ids[]=1, as some libraries write lists

_LARGEST_ID = 2**31 - 1
_SHORTEST_BEAT, _LONGEST_BEAT = 2, 60
_LONGEST_CURSOR = 256  # four times a true one; longer ones are wrong without the rest
_LONGEST_ECHO = 60


@attrs.frozen
class Rules:
    """
    The limits that the operator sets.

    :ivar character_ids: how many of them one stream may name; so for systems.
    :ivar max_days: a longer look back is cut to this.
    :ivar character_preload: whether a stream may look back at all.
    :ivar heartbeat: seconds, where the client does not say.
    """

    character_ids: int = 100
    system_ids: int = 100
    max_days: int = 90
    character_preload: bool = True
    heartbeat: float = 30.0

    def read(self, query: bytes, last_event_id: bytes | None = None) -> Wish:
        """
        :param query: as it came, without the ``?``.
        :param last_event_id: the header of that name; wins over the query.
        :raises ApiError: 400, saying which parameter is wrong and how.
        """
        given = _split(query)
        for name in given:
            _check_name(name)
        wanted = Filter(
            character_ids=_ids(given, "character_ids", self.character_ids),
            system_ids=_ids(given, "system_ids", self.system_ids),
            min_value=_min_value(given),
        )
        _only(given, "compress", "0")
        return Wish(
            filter=wanted,
            preload_days=self._preload_days(given, wanted),
            cursor=_cursor(given, last_event_id),
            with_items=_only(given, "items", "1"),
            heartbeat=self._heartbeat(given),
        )

    def _preload_days(self, given: Mapping[str, str], wanted: Filter) -> int:
        text = given.get("preload_days")
        if not text:
            return 0
        days = _integer(text)
        if days is None:
            raise invalid(
                f"Invalid preload_days: {_quoted(text)} is not a valid integer"
            )
        if days < 0:
            raise invalid("preload_days must be non-negative")
        if days == 0:
            return 0
        if not self.character_preload:
            raise invalid("preload_days is disabled here")
        if not wanted.names_somebody:
            raise invalid("preload_days needs character_ids or system_ids")
        return min(days, self.max_days)

    def _heartbeat(self, given: Mapping[str, str]) -> float:
        text = given.get("heartbeat")
        if not text:
            return self.heartbeat
        seconds = _number("heartbeat", text)
        if not _SHORTEST_BEAT <= seconds <= _LONGEST_BEAT:
            raise invalid(
                f"heartbeat must be between {_SHORTEST_BEAT} and {_LONGEST_BEAT}"
                f" seconds, got {seconds}"
            )
        return seconds


def _split(query: bytes) -> dict[str, str]:
    """
    Split at ``&`` alone and decode strictly. A cursor is decoded leniently: a broken
    one is the stream's to answer, by a ``gap``.
    """
    given: dict[str, str] = {}
    for pair in query.split(b"&"):
        raw_name, _, raw_value = pair.partition(b"=")
        if not pair or raw_name == b"_":
            continue
        name = _decode("name of a parameter", raw_name)
        if name in given:
            raise invalid(f"Parameter {_quoted(name)} is given more than once")
        if name in _CURSORS:
            given[name] = _unquote(raw_value).decode("utf-8", "replace")
        else:
            given[name] = _decode(f"value of {_quoted(name)}", raw_value)
    return given


def _unquote(raw: bytes) -> bytes:
    return unquote_to_bytes(raw.replace(b"+", b" "))


def _decode(what: str, raw: bytes) -> str:
    try:
        return _unquote(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise invalid(f"The {what} is not valid UTF-8") from None


def _check_name(name: str) -> None:
    if name in KNOWN:
        return
    listed = _LIST.fullmatch(name)
    if listed and listed[1] in _IDS:
        raise invalid(f"{listed[1]} must be a comma-separated list of integers")
    if listed and listed[1] == "min_value":
        raise invalid("min_value must be a non-negative number")
    nearest = get_close_matches(name[:_LONGEST_ECHO], KNOWN, n=1, cutoff=0.0)[0]
    raise invalid(f"Unknown parameter {_quoted(name)}, did you mean '{nearest}'?")


def _ids(given: Mapping[str, str], name: str, most: int) -> frozenset[int]:
    ids = set()
    for text in given.get(name, "").split(","):
        text = text.strip(" \t\r\n")
        if not text:
            continue
        number = _integer(text)
        if number is None:
            raise invalid(f"Invalid {name}: {_quoted(text)} is not a valid integer")
        if not 1 <= number <= _LARGEST_ID:
            raise invalid(
                f"Invalid {name}: {_quoted(text)} is not a valid integer"
                f" (1 to {_LARGEST_ID})"
            )
        ids.add(number)
    if len(ids) > most:
        raise invalid(f"Too many {name} specified (max {most})")
    return frozenset(ids)


def _min_value(given: Mapping[str, str]) -> float | None:
    text = given.get("min_value")
    if not text:
        return None
    value = _number("min_value", text)
    if value < 0:
        raise invalid(f"min_value must be non-negative, got {value}")
    return value + 0.0  # -0.0 is 0.0


def _only(given: Mapping[str, str], name: str, allowed: str) -> bool:
    """
    Whether a switch is given, which has one value alone.
    """
    text = given.get(name)
    if not text:
        return False
    if text != allowed:
        raise invalid(f"Invalid {name}: {_quoted(text)} is not '{allowed}'")
    return True


def _cursor(given: Mapping[str, str], header: bytes | None) -> str | None:
    """
    The header wins: the URL of a reconnect may hold an older one (lessons.md §2.1).
    """
    candidates = [given.get(name) for name in _CURSORS]
    if header:
        candidates.insert(0, header.decode("utf-8", "replace"))
    cursor = next(filter(None, candidates), None)
    return cursor and cursor[:_LONGEST_CURSOR]


def _integer(text: str) -> int | None:
    """
    ASCII digits only. Thousands of them make just a large number, cheaply.
    """
    if not _INTEGER.fullmatch(text):
        return None
    digits = text.lstrip("+-").lstrip("0")
    number = int(digits or "0") if len(digits) <= 18 else 10**18
    return -number if text.startswith("-") else number


def _number(name: str, text: str) -> float:
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise invalid(f"Invalid {name}: {_quoted(text)} is not a valid number")
    return number


def _quoted(text: str) -> str:
    if len(text) > _LONGEST_ECHO:
        text = text[:_LONGEST_ECHO] + "..."
    return f"'{text}'"
