"""
JSON and timestamps, in the one form in which this server reads and writes them.
"""

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def dumps(value: object) -> bytes:
    """
    Encode compactly and in ASCII: some clients split lines at U+2028 and its like
    (lessons.md §2.2).

    :raises ValueError: *value* holds NaN or infinity, or is nested too deeply.
    """
    try:
        return _ENCODER.encode(value).encode("ascii")
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def dumps_plain(value: object) -> bytes:
    """
    The same of what holds neither NaN nor infinity, which would be null, at a fraction
    of the time.
    """
    try:
        data = msgspec.json.encode(value)
    except (OverflowError, UnicodeEncodeError):  # a large integer, half a surrogate
        return dumps(value)
    return data if data.isascii() else dumps(value)


def loads(data: bytes) -> Any:
    """
    Decode strictly: UTF-8, one document, neither NaN nor infinity.

    :raises ValueError: *data* is no such document.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error


def timestamp(seconds: float) -> str:
    """
    :param seconds: UNIX time.
    :returns: ISO 8601 with milliseconds, in UTC, with ``Z``.
    """
    whole, microseconds = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{_whole(whole)}.{microseconds // 1000:03}Z"


@lru_cache(64)  # most are of the present second
def _whole(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[: -len("+00:00")]
