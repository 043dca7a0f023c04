"""
What a stream may be asked with, and what a request brought of it: in its query, or as
JSON in its body.
"""

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Literal

import attrs

from wanderer_twisted.encoding import loads
from wanderer_twisted.killmail import MAX_ID
from wanderer_twisted.partition import KINDS, Kind
from wanderer_twisted.web.errors import invalid
from wanderer_twisted.web.values import decode, quoted, shown, unknown, unquote

Form = Literal["ids", "number", "integer", "moment", "switch", "cursor", "place"]


@attrs.frozen
class Parameter:
    """
    :ivar about: what it does, for people; in the documents that describe this API.
    :ivar form: of its value.
    :ivar least: the least number that it may be.
    :ivar most: the largest.
    :ivar value: the one value of a switch.
    :ivar default: where the client does not say and it is not up to the operator.
    """

    name: str
    form: Form
    least: float = -math.inf
    most: float = math.inf
    value: str = ""
    default: int | None = None
    about: str = attrs.field(kw_only=True)


_ABOUT_IDS: Final[Mapping[Kind, str]] = {
    "character": "Killmails with one of these as the victim or as any attacker.",
    "corporation": "Killmails whose victim or any attacker was in one of these then.",
    "alliance": "Killmails whose victim or any attacker was in one of these then.",
    "system": "Killmails that happened in one of these solar systems.",
}
_ABOUT_CURSOR: Final = "The `last_event_id`, as some clients write it."

PARAMETERS: Final = {
    each.name: each
    for each in (
        *(
            Parameter(f"{kind}_ids", "ids", 1, MAX_ID, about=_ABOUT_IDS[kind])
            for kind in KINDS
        ),
        Parameter(
            "min_value",
            "number",
            0,
            about="ISK. A killmail whose value nobody knows passes none, not even 0.",
        ),
        Parameter(
            "preload_days",
            "integer",
            0,
            about="How many days of the past to send first. Needs ids of any kind.",
        ),
        Parameter(
            "since",
            "moment",
            about="From when on to send the past first, instead of `preload_days`.",
        ),
        Parameter("heartbeat", "number", 2, 60, about="Seconds between signs of life."),
        # The spellings of the cursor that clients use, the first one first.
        Parameter(
            "last_event_id",
            "cursor",
            about="The last `id` seen, for clients that cannot send `Last-Event-ID`,"
            " which wins.",
        ),
        Parameter("lastEventId", "cursor", about=_ABOUT_CURSOR),
        Parameter("evs_last_event_id", "cursor", about=_ABOUT_CURSOR),
        Parameter("cursor", "cursor", about=_ABOUT_CURSOR),
        Parameter(
            "items", "switch", value="1", about="Killmails come with `victim.items`."
        ),
        Parameter(
            "compress", "switch", value="0", about="Never compress this response."
        ),
        Parameter(
            "dry_run",
            "switch",
            value="1",
            about="No stream, but what it would begin with, as JSON.",
        ),
    )
}
KNOWN: Final = tuple(PARAMETERS)
IDS: Final = tuple(name for name in KNOWN if PARAMETERS[name].form == "ids")
#: Of any request; dealt with before all others (:mod:`wanderer_twisted.web.tokens`).
TOKEN: Final = "token"
CURSORS: Final = tuple(name for name in KNOWN if PARAMETERS[name].form == "cursor")

_LIST = re.compile(r"(\w+)\[.*\]")  # character_ids[]=1, as some libraries write lists


@attrs.frozen
class Given:
    """
    What a request brought, by the names of parameters, which are all known.

    :ivar lists: ids, not checked.
    :ivar texts: all else, as a query has it; empty where it says nothing.
    """

    lists: Mapping[str, Sequence[object]]
    texts: Mapping[str, str]


def from_query(query: bytes) -> Given:
    """
    :param query: as it came, without the ``?``.
    """
    texts = split_query(query)
    for name in texts:
        listed = _LIST.fullmatch(name)
        if listed and listed[1] in IDS:
            raise invalid(f"{listed[1]} must be a comma-separated list of integers")
        if listed and listed[1] == "min_value":
            raise invalid("min_value must be a non-negative number")
        _find(name)
    lists = {name: _split_ids(texts.pop(name)) for name in IDS if name in texts}
    return Given(lists, texts)


def _split_ids(text: str) -> Sequence[object]:
    """
    Most are plain numbers, which are read all at once; others are left to whoever can
    tell what is wrong with them.
    """
    raw = text.encode()
    if not raw.translate(None, b"0123456789,"):
        with suppress(ValueError):
            numbers: list[int] = loads(b"[%b]" % raw)
            return numbers
    return text.split(",")


def from_document(document: Mapping[str, Any]) -> Given:
    """
    :param document: the JSON object in a request's body. A null says nothing.
    """
    lists: dict[str, Sequence[object]] = {}
    texts = {}
    for name, value in document.items():
        parameter = _find(name)
        if value is None:
            continue
        if parameter.form != "ids":
            texts[name] = _as_text(parameter, value)
        elif isinstance(value, list):
            lists[name] = value
        else:
            raise invalid(f"{name} must be a list of integers")
    return Given(lists, texts)


def refuse_query(query: bytes) -> None:
    """
    :raises ApiError: 400: a parameter in the query of a request that has a body.
    """
    for name in split_query(query):
        raise invalid(f"Parameter {quoted(name)} must be in the request's body")


def split_query(query: bytes) -> dict[str, str]:
    """
    Split at ``&`` alone and decode strictly. A cursor is decoded leniently: a broken
    one is the stream's to answer, by a ``gap``.
    """
    given: dict[str, str] = {}
    for pair in query.split(b"&"):
        raw_name, _, raw_value = pair.partition(b"=")
        if not pair or raw_name == b"_":
            continue
        name = decode("name of a parameter", raw_name)
        if name in given:
            raise invalid(f"Parameter {quoted(name)} is given more than once")
        if name in CURSORS:
            given[name] = unquote(raw_value).decode("utf-8", "replace")
        else:
            given[name] = decode(f"value of {quoted(name)}", raw_value)
    given.pop(TOKEN, None)
    return given


def _find(name: str) -> Parameter:
    if name in PARAMETERS:
        return PARAMETERS[name]
    raise unknown(name, KNOWN)


def _as_text(parameter: Parameter, value: object) -> str:
    """
    A switch may be on or off in JSON; a query only has it or has it not.
    """
    if parameter.form == "switch" and isinstance(value, int) and value in (0, 1):
        text = str(int(value))
        return text if text == parameter.value else ""
    return shown(value)
