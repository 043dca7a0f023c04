"""
RedisQ's ``filter`` parameter (contracts.md §1).
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

_PART = re.compile(r"(\w+)(=|!=|<=|>=|<|>)(.+)")

Test = Callable[[Any], bool]


class BadFilter(ValueError):
    """
    The filter cannot be read.
    """


def parse(text: str) -> Test:
    """
    :param text: parts such as ``alliance_id=1``, joined by ``;`` (all) or ``,`` (any).
    :raises BadFilter: it mixes the two, or a part is no comparison.
    """
    if "," in text and ";" in text:
        raise BadFilter("cannot mix , and ;")
    parts = [_part(part.strip()) for part in re.split("[,;]", text)]
    combine = all if ";" in text else any
    return lambda document: combine(part(document) for part in parts)


def _part(text: str) -> Test:
    match = _PART.fullmatch(text)
    if not match:
        raise BadFilter(f"no comparison: {text[:40]}")
    key, operator, wanted = match.groups()
    return lambda document: any(
        _holds(value, operator, wanted) for value in _values(document, key)
    )


def _values(document: Any, key: str) -> Iterator[Any]:
    """
    What stands under the key, at any depth.
    """
    if isinstance(document, dict):
        for name, value in document.items():
            if name == key:
                yield value
            yield from _values(value, key)
    elif isinstance(document, list):
        for value in document:
            yield from _values(value, key)


def _holds(value: Any, operator: str, wanted: str) -> bool:
    try:
        left: Any = float(value)
        right: Any = float(wanted)
    except (TypeError, ValueError):
        left, right = str(value), wanted
    if operator == "=":
        return bool(left == right)
    if operator == "!=":
        return bool(left != right)
    if operator == "<":
        return bool(left < right)
    if operator == "<=":
        return bool(left <= right)
    return bool(left > right if operator == ">" else left >= right)
