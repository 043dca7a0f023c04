"""
JSON Schema, of the words that OpenAPI 3.1 and AsyncAPI 3 both know.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
YES_OR_NO: Final[Schema] = {"type": "boolean"}
NUMBER: Final[Schema] = {"type": "number"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
ID: Final[Schema] = {"type": "integer", "format": "int64", "minimum": 1}
MOMENT: Final[Schema] = {"type": "string", "format": "date-time"}


def record(
    keys: Mapping[str, Schema], optional: Collection[str] = (), about: str = ""
) -> Schema:
    """
    An object. It may have other keys one day.

    :param optional: those of *keys* that may be absent.
    """
    schema = {
        "type": "object",
        "properties": dict(keys),
        "required": [key for key in keys if key not in optional],
    }
    return told(schema, about) if about else schema


def told(schema: Schema, about: str) -> Schema:
    """
    :param schema: no :func:`ref`: beside that a description would say nothing.
    """
    return {**schema, "description": about}


def array(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def or_null(schema: Schema) -> Schema:
    """
    :param schema: that names its types.
    """
    types = schema["type"]
    types = types if isinstance(types, list) else [types]
    return {**schema, "type": [*types, "null"]}


def one_of(values: Iterable[str]) -> Schema:
    return {"type": "string", "enum": list(values)}


def whole(pattern: re.Pattern[str]) -> str:
    """
    A pattern that a text must match from its beginning to its end.
    """
    return f"^{pattern.pattern}$"


def ref(name: str) -> Schema:
    """
    What is among the components of the document.
    """
    return {"$ref": f"#/components/schemas/{name}"}
