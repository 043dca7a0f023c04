"""
Days as the archive has them: by UTC, numbered from 1970-01-01.
"""

import re
from datetime import UTC, datetime

DAY = 86_400


def day_of(seconds: float) -> int:
    """
    :param seconds: UNIX time.
    """
    return int(seconds // DAY)


def start_of(day: int) -> int:
    """
    :returns: UNIX seconds.
    """
    return day * DAY


def compact(day: int) -> str:
    """
    As the archive's files are named (contracts.md §2.3): ``YYYYMMDD``.
    """
    return f"{datetime.fromtimestamp(start_of(day), UTC):%Y%m%d}"


def readable(day: int) -> str:
    """
    ``YYYY-MM-DD``.
    """
    return f"{datetime.fromtimestamp(start_of(day), UTC):%Y-%m-%d}"


def from_compact(text: str) -> int:
    """
    The opposite of :func:`compact`.

    :raises ValueError: *text* is no day.
    """
    if not re.fullmatch(r"[0-9]{8}", text, re.ASCII):
        raise ValueError(f"{text!r:.40} is no day")
    moment = datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC)
    return day_of(moment.timestamp())
