"""
JSON, held against the documents that describe it.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from wanderer_twisted.web.description.asyncapi import asyncapi
from wanderer_twisted.web.description.openapi import openapi
from wanderer_twisted.web.parameters import Rules


def problems(name: str, value: object) -> list[str]:
    """
    What is wrong with a value; a key that its schema does not tell of is wrong too.

    :param name: of a schema in either document.
    """
    return [
        f"{each.json_path}: {each.message[:200]}"
        for each in _validator(name).iter_errors(value)
    ]


@cache
def _validator(name: str) -> Any:
    schemas: dict[str, Any] = {}
    for document in (openapi(Rules()), asyncapi(Rules())):
        schemas |= document["components"]["schemas"]
    components = {"schemas": _closed(schemas)}
    ref = f"#/components/schemas/{name}"
    return Draft202012Validator({"$ref": ref, "components": components})


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        closed.setdefault("additionalProperties", False)
    return closed
