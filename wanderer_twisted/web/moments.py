"""
Moments as people write them: a date, a time, UNIX seconds, or how long ago it was.
"""

import re
from datetime import UTC, datetime
from typing import Final

from wanderer_twisted.days import DAY
from wanderer_twisted.web.values import integer

#: Seconds by which a client's clock may be ahead of ours.
AHEAD: Final = 300

AGO: Final = re.compile(r"([0-9]+)([sSmMhHdD])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": DAY}
UNIX: Final = re.compile(r"([0-9]+)(?:\.[0-9]+)?")
_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?(.*))?"
)
#: The blank is a ``+`` that came in a query as it is.
_OFFSET = re.compile(r"([+ -])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?")


def read_moment(text: str, now: float) -> int | None:
    """
    :param now: UNIX seconds, from which ``36h`` counts back.
    :returns: UNIX seconds, whole ones; None where *text* is no moment.
    """
    if ago := AGO.fullmatch(text):
        return int(now) - (integer(ago[1]) or 0) * _SECONDS[ago[2].lower()]
    if unix := UNIX.fullmatch(text):
        return integer(unix[1])
    if iso := _ISO.fullmatch(text):
        *parts, zone = iso.groups(default="")
        return _seconds([int(part or "0") for part in parts], zone)
    return None


def _seconds(parts: list[int], zone: str) -> int | None:
    """
    :param zone: empty for UTC.
    """
    offset = _offset(zone)
    year, month, day, hour, minute, second = parts
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:  # the 31st of February
        return None
    return None if offset is None else int(moment.timestamp()) - offset


def _offset(zone: str) -> int | None:
    if zone in ("", "Z", "z"):
        return 0
    match = _OFFSET.fullmatch(zone)
    if match is None:
        return None
    seconds = int(match[2]) * 3600 + int(match[3] or "0") * 60
    return -seconds if match[1] == "-" else seconds
