"""
Parameters, as the code that checks them has them, under the limits of the operator.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from math import isfinite
from typing import Any, Final

from attrs import evolve

from wanderer_twisted.web import given, selection
from wanderer_twisted.web.description.shapes import Schema, array, or_null, told, whole
from wanderer_twisted.web.given import Parameter
from wanderer_twisted.web.moments import AGO, UNIX
from wanderer_twisted.web.parameters import Rules
from wanderer_twisted.web.selection import PLACE

#: The ways to write one that everybody may keep to; more are understood.
_MOMENTS: Final[Sequence[Schema]] = (
    {"type": "string", "format": "date-time", "examples": ["2026-11-01T12:00:00Z"]},
    {"type": "string", "format": "date", "examples": ["2026-11-01"]},
    {"type": "string", "pattern": whole(UNIX), "title": "UNIX seconds"},
    {"type": "string", "pattern": whole(AGO), "title": "How long ago, as in 36h"},
)


def of_a_stream(rules: Rules) -> Iterator[Parameter]:
    for parameter in given.PARAMETERS.values():
        if parameter.name in ("preload_days", "since"):
            if not rules.character_preload:
                continue
            about = f"{parameter.about} At most {rules.max_days} days count."
            parameter = evolve(parameter, about=about)
        elif parameter.name == "heartbeat":
            about = f"{parameter.about} Else it is {rules.heartbeat:g}."
            parameter = evolve(parameter, about=about)
        yield parameter


def of_a_look_up(names: Iterable[str], rules: Rules) -> Iterator[Parameter]:
    """
    :param names: one of the lists in :mod:`wanderer_twisted.web.selection`.
    """
    for name in names:
        parameter = selection.PARAMETERS[name]
        if name == "since_hours":
            parameter = evolve(parameter, most=24 * rules.max_days)
        yield parameter


def in_query(parameter: Parameter, rules: Rules) -> dict[str, Any]:
    """
    As OpenAPI tells it.
    """
    document: dict[str, Any] = {
        "name": parameter.name,
        "in": "query",
        "description": parameter.about,
        "allowEmptyValue": True,
        "schema": _schema(parameter, rules),
    }
    if parameter.form == "ids":
        document |= {"style": "form", "explode": False}  # commas between them
    return document


def as_query(parameters: Iterable[Parameter], rules: Rules) -> Schema:
    """
    As AsyncAPI tells it.
    """
    return {
        "type": "object",
        "properties": {
            each.name: told(_schema(each, rules), each.about) for each in parameters
        },
        "additionalProperties": False,
    }


def in_body(
    parameters: Iterable[Parameter], most_ids: int, required: Collection[str] = ()
) -> Schema:
    """
    A JSON object with them, where a null says nothing.

    :param most_ids: of each kind.
    """
    properties = {}
    for parameter in parameters:
        schema = _in_json(parameter)
        if parameter.form == "ids":
            schema["maxItems"] = most_ids
        if parameter.name in required:
            schema["minItems"] = 1
        elif "type" in schema:
            schema = or_null(schema)
        properties[parameter.name] = told(schema, parameter.about)
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _in_json(parameter: Parameter) -> Schema:
    match parameter.form:
        case "switch":
            return {"type": ["boolean", "integer"], "minimum": 0, "maximum": 1}
        case "cursor":
            return {}  # what is none is answered by a gap, not refused
        case "moment":
            unix = {"type": "number", "minimum": 0, "title": "UNIX seconds"}
            return {"anyOf": [*_MOMENTS, unix, {"enum": ["", None]}]}
        case _:
            return _shape(parameter)


def _schema(parameter: Parameter, rules: Rules) -> Schema:
    schema = _shape(parameter)
    if parameter.form == "ids":
        schema["maxItems"] = getattr(rules, parameter.name)
    return schema


def _shape(parameter: Parameter) -> Schema:
    schema: Schema
    match parameter.form:
        case "ids":
            schema = array({"type": "integer", "format": "int64", **_bounds(parameter)})
        case "number" | "integer":
            schema = {"type": parameter.form, **_bounds(parameter)}
        case "moment":
            schema = {"anyOf": list(_MOMENTS)}
        case "switch":
            schema = {"type": "string", "enum": [parameter.value]}
        case "place":
            schema = {"type": "string", "pattern": whole(PLACE)}
        case "cursor":
            schema = {"type": "string"}
    if parameter.default is not None:
        schema["default"] = parameter.default
    return schema


def _bounds(parameter: Parameter) -> Schema:
    bounds = {"minimum": parameter.least, "maximum": parameter.most}
    return {key: bound for key, bound in bounds.items() if isfinite(bound)}
