"""
A mistake in the settings, in an operator's words: the key, what was found, and what is
allowed. All of it is read off the types of the document.
"""

import difflib
import re
from collections.abc import Iterator
from typing import Any

import attrs
import msgspec
from msgspec.inspect import (
    BoolType,
    FloatType,
    IntType,
    Metadata,
    StructType,
    Type,
    UnionType,
    VarTupleType,
    type_info,
)

from wanderer_twisted.config.settings import Settings

#: Retention keeps this many days more than a history reaches back: a killmail may be
#: posted days late.
RETENTION_MARGIN_DAYS = 7


class ConfigError(Exception):
    """
    The settings, or a file that they name, are wrong. The message is one line, for the
    operator.
    """


@attrs.frozen
class Fault:
    """
    One mistake.

    :ivar key: its place, as ``limits.connections`` or ``feeds[0].url``; empty for the
        document itself.
    """

    key: str
    text: str


def one_line(text: object) -> str:
    """
    Somebody else's words, fit for one line of ours.
    """
    return " ".join(str(text).split())[:200]


# --- what msgspec refused: keys, types, ranges --------------------------------------


def explain(document: Any, error: msgspec.ValidationError, type: type) -> Fault:
    """
    Say what msgspec found wrong. Of its message only the place counts.

    :param document: what was converted.
    :param type: to what.
    """
    place = re.search(r"`\$([^`]*)`$", str(error))
    key, value, kind = "", document, type_info(type)
    for name, index in re.findall(r"\.([^.[]+)|\[(\d+)\]", place[1] if place else ""):
        kind = _chosen(kind, value)
        if isinstance(kind, VarTupleType):
            key, value, kind = f"{key}[{index}]", value[int(index)], kind.item_type
        elif isinstance(kind, StructType):
            fields = {field.name: field.type for field in kind.fields}
            key, value, kind = _join(key, name), value[name], fields[name]
    return _mistake(key, value, _chosen(kind, value))


def _mistake(key: str, value: Any, kind: Type) -> Fault:
    if isinstance(kind, UnionType) and isinstance(value, dict):
        tags = " or ".join(each.tag for each in _structs(kind))
        return _wrong(_join(key, "kind"), value.get("kind"), tags)
    if isinstance(kind, StructType) and isinstance(value, dict):
        known = [field.name for field in kind.fields]
        for name in value:
            if name not in (*known, kind.tag_field):
                return _unknown(key, name, known)
        for field in kind.fields:
            if field.required and field.name not in value:
                return _wrong(_join(key, field.name), None, _allowed(field.type))
    return _wrong(key, value, _allowed(kind))


def _chosen(kind: Type, value: Any) -> Type:
    """
    Of a union the member that the value names, where it names one.
    """
    if isinstance(kind, UnionType) and isinstance(value, dict):
        for each in _structs(kind):
            if each.tag == value.get(each.tag_field):
                return each
    return kind


def _structs(kind: UnionType) -> list[Any]:
    return [each for each in kind.types if isinstance(each, StructType)]


def _wrong(key: str, value: object, allowed: str, why: object = "") -> Fault:
    reason = f" ({one_line(why)})" if why else ""
    return Fault(key, f"found {_shown(value)}{reason}, allowed: {allowed}")


def _unknown(key: str, name: object, known: list[str]) -> Fault:
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f"nearest known: {near[0]}" if near else f"allowed: {', '.join(known)}"
    return Fault(_join(key, one_line(name)), f"unknown key, {hint}")


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _allowed(kind: Type) -> str:
    match kind:
        case Metadata():
            return str((kind.extra_json_schema or {}).get("description"))
        case BoolType():
            return "true or false"
        case IntType():
            return f"a whole number from {kind.ge} to {kind.le}"
        case FloatType():
            return f"a number from {kind.ge} to {kind.le}"
        case VarTupleType():
            if kind.max_length:
                return f"a list of at most {kind.max_length}"
            return "a list of at least one" if kind.min_length else "a list"
        case _:
            return "a mapping of keys to values"


def _shown(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() if value.bit_length() > 64:
            return "a huge number"
        case int() | float():
            return str(value)
        case str():
            return repr(value if len(value) <= 80 else value[:80] + "…")
        case list() | tuple():
            return "a list" if value else "an empty list"
        case dict():
            return "a mapping"
        case _:
            return f"a {type(value).__name__}"


# --- what only we know --------------------------------------------------------------


def faults(settings: Settings) -> Iterator[Fault]:
    """
    What is wrong with settings whose types and ranges are right.
    """
    yield from malformed(settings)
    for index, feed in enumerate(settings.feeds):
        first = settings.feeds.index(feed)
        if first < index:
            yield Fault(f"feeds[{index}]", f"the same as feeds[{first}], allowed: once")
    if settings.manhole.listen and not settings.manhole.passwd:
        yield _wrong("manhole.passwd", "", "the path of a file")
    least = settings.history.max_days + RETENTION_MARGIN_DAYS
    if settings.retention.days < least:
        allowed = f"at least {least} (history.max_days + {RETENTION_MARGIN_DAYS})"
        yield _wrong("retention.days", settings.retention.days, allowed)
    most = settings.history.max_days
    if settings.archive.backfill_days > most:
        allowed = f"at most {most} (history.max_days)"
        yield _wrong("archive.backfill_days", settings.archive.backfill_days, allowed)


def malformed(document: Any) -> Iterator[Fault]:
    """
    Texts that their format's own check refuses.

    :param document: converted, so that its types are right.
    """
    yield from _malformed("", document, type_info(type(document)))


def _malformed(key: str, value: Any, kind: Type) -> Iterator[Fault]:
    match kind:
        case Metadata():
            extra = kind.extra or {}
            try:
                extra["check"](value)
            except ValueError as error:
                if extra["is_secret"]:
                    yield Fault(key, f"{error}, allowed: {_allowed(kind)}")
                else:
                    yield _wrong(key, value, _allowed(kind), error)
        case VarTupleType():
            for index, each in enumerate(value):
                yield from _malformed(f"{key}[{index}]", each, kind.item_type)
        case UnionType():
            yield from _malformed(key, value, type_info(type(value)))
        case StructType():
            for field in kind.fields:
                inner = getattr(value, field.name)
                yield from _malformed(_join(key, field.name), inner, field.type)
