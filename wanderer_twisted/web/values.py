"""
Text and JSON from anybody, to values or a 400.
"""

import math
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final
from urllib.parse import unquote_to_bytes

from wanderer_twisted.web.errors import ApiError, invalid

#: A message tells back no more of what was sent.
LONGEST_ECHO: Final = 60

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def unquote(raw: bytes) -> bytes:
    if b"%" not in raw and b"+" not in raw:
        return raw
    return unquote_to_bytes(raw.replace(b"+", b" "))


def decode(what: str, raw: bytes) -> str:
    """
    :param what: for the message.
    """
    try:
        return unquote(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise invalid(f"The {what} is not valid UTF-8") from None


def integer(text: str) -> int | None:
    """
    ASCII digits only. Thousands of them make just a large number, cheaply.
    """
    if not _INTEGER.fullmatch(text):
        return None
    digits = text.lstrip("+-").lstrip("0")
    number = int(digits or "0") if len(digits) <= 18 else 10**18
    return -number if text.startswith("-") else number


def number(name: str, text: str) -> float:
    """
    :param name: of what, for the message.
    """
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise invalid(f"Invalid {name}: {quoted(text)} is not a valid number")
    return value


def shown(value: object) -> str:
    """
    A JSON value as a query would have it; of what no query has, enough to know it by.
    """
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if value is None:
        return "null"
    return "[...]" if isinstance(value, list) else "{...}"


def unknown(name: str, known: Iterable[str]) -> ApiError:
    """
    That there is no such parameter, with the one whose name is most like it, however
    its words are written.
    """
    names = {each.lower(): each for each in known}
    asked = name[:LONGEST_ECHO].lower().replace("-", "_")
    near = names[get_close_matches(asked, names, n=1, cutoff=0.0)[0]]
    return invalid(f"Unknown parameter {quoted(name)}, did you mean '{near}'?")


def quoted(text: str) -> str:
    if len(text) > LONGEST_ECHO:
        text = text[:LONGEST_ECHO] + "..."
    return f"'{whole(text)}'"


def whole(text: str) -> str:
    """
    Without halves of characters, which JSON can write and nobody can send.
    """
    return text.encode("utf-8", "replace").decode("utf-8")
