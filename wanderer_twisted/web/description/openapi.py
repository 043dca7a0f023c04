"""
The routes as OpenAPI 3.1.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from wanderer_twisted import __version__
from wanderer_twisted.web.description import answers, errors, events, killmails
from wanderer_twisted.web.description.examples import BODIES, text_of_a_stream
from wanderer_twisted.web.description.operations import OPERATIONS, TAGS, Operation
from wanderer_twisted.web.description.parameters import (
    in_body,
    in_query,
    of_a_look_up,
    of_a_stream,
)
from wanderer_twisted.web.description.shapes import Schema, ref
from wanderer_twisted.web.given import TOKEN
from wanderer_twisted.web.parameters import Rules
from wanderer_twisted.web.selection import OF_SYSTEMS

TITLE: Final = "wanderer-sse"

_ABOUT: Final = """\
EVE Online's killmails: the past as far back as you ask, then live, each of them once.

What `GET` answers `HEAD` does as well, without the body, and every path takes
`OPTIONS`. Paths are exact. A parameter that is unknown or given twice is a 400; an
empty one counts as none, and `_` is ignored. Objects may have keys one day that are
not told of here.
"""
#: Any request may get these.
_ERRORS: Final = (400, 431, 500)

#: Where the operator wants tokens: the one or the other, else none.
_TOKENS: Final = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "token": {
        "type": "apiKey",
        "in": "query",
        "name": TOKEN,
        "description": "For EventSource, which cannot set a header.",
    },
}
_SECURITY: Final[Sequence[Mapping[str, list[str]]]] = [
    {},
    *({name: []} for name in _TOKENS),
]


def openapi(rules: Rules) -> dict[str, Any]:
    """
    :param rules: the limits that it tells of.
    """
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        path = paths.setdefault(operation.path, {})
        path[operation.method.lower()] = _tell(operation, rules)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": TITLE,
            "version": __version__,
            "summary": "Killmails as server-sent events",
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "Where this document is from."}],
        "tags": [{"name": tag, "description": TAGS[tag]} for tag in TAGS],
        "paths": paths,
        "components": {
            "schemas": _schemas(rules),
            "responses": dict(errors.responses()),
            "headers": {"ETag": {"schema": {"type": "string"}}},
            "securitySchemes": _TOKENS,
        },
    }


def _schemas(rules: Rules) -> Mapping[str, Schema]:
    return {
        "StreamRequest": in_body(of_a_stream(rules), rules.post_ids),
        "SystemsRequest": in_body(
            of_a_look_up(OF_SYSTEMS, rules), rules.system_ids, required=["system_ids"]
        ),
        **killmails.SCHEMAS,
        **answers.SCHEMAS,
        **{name: events.SCHEMAS[name] for name in ("Filters", "HistoryCoverage")},
        **errors.SCHEMAS,
    }


def _tell(operation: Operation, rules: Rules) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [*_in_path(operation)],
        "responses": _responses(operation),
    }
    if operation.guarded:
        told["security"] = _SECURITY
    if operation.about:
        told["description"] = operation.about
    told["parameters"] += [in_query(each, rules) for each in operation.query(rules)]
    told["parameters"] += _in_headers(operation)
    if operation.body:
        told["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {
                    "schema": ref(operation.body),
                    "example": BODIES[operation.body],
                }
            },
        }
    return told


def _in_path(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": operation.in_path}
        for name in operation.varying
    ]


def _in_headers(operation: Operation) -> list[dict[str, Any]]:
    headers = {}
    if operation.resumes:
        headers["Last-Event-ID"] = "The last `id` seen: the stream goes on behind it."
    if operation.tagged:
        headers["If-None-Match"] = "The `ETag` of an answer that you have."
    return [
        {
            "name": name,
            "in": "header",
            "description": about,
            "schema": {"type": "string"},
        }
        for name, about in headers.items()
    ]


def _responses(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {
        type: {"schema": schema} for type, schema in operation.content.items()
    }
    if "text/event-stream" in content:
        content["text/event-stream"]["example"] = text_of_a_stream()
    good: dict[str, Any] = {"description": "As asked.", "content": content}
    responses = {"200": good}
    if operation.tagged:
        headers = {"ETag": {"$ref": "#/components/headers/ETag"}}
        good["headers"] = headers
        known = {"description": "You have it already.", "headers": headers}
        responses["304"] = known
    if operation.resumes:
        responses["204"] = {"description": "For EventSource: its token is over."}
    if operation.unready:
        content = {"application/json": {"schema": ref(operation.unready)}}
        responses["503"] = {"description": "Not ready.", "content": content}
    statuses = {*_ERRORS, *operation.errors}
    if operation.guarded:
        statuses.add(401)
    if operation.varying:
        statuses.add(404)
    for status in sorted(statuses):
        name = errors.name_of(status)
        responses[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return dict(sorted(responses.items()))
