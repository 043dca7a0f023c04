"""
What is answered instead of what was asked for: the errors of
:mod:`wanderer_twisted.web.errors`, by their statuses.
"""

from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from wanderer_twisted.encoding import loads
from wanderer_twisted.web import errors
from wanderer_twisted.web.description.shapes import (
    TEXT,
    YES_OR_NO,
    Schema,
    one_of,
    record,
    ref,
)
from wanderer_twisted.web.errors import ApiError
from wanderer_twisted.web.tokens import ENDS

#: One of each type and status.
ERRORS: Final[tuple[ApiError, ...]] = (
    errors.invalid("Invalid character_ids: 'abc' is not a valid integer"),
    errors.bad_request("The request's path is not valid UTF-8"),
    errors.unauthorized("This server asks for a token"),
    *(errors.Spent(401, "auth", end, message) for end, message in ENDS.items()),
    errors.not_found(),
    errors.method_not_allowed("GET, HEAD, OPTIONS"),
    errors.body_too_large(262_144),
    errors.unsupported_media_type("application/json"),
    errors.connection_limit(429, "Your address has its 100 streams"),
    errors.head_too_large("The request's head is over 16384 bytes"),
    errors.internal(),
    errors.unavailable(),
    errors.busy(),
    errors.draining(20.0),
    errors.indexing(),
    errors.connection_limit(503, "All 10000 streams of this server are taken"),
)

_TELLS: Final[dict[str, Schema]] = {
    "domain": one_of(dict.fromkeys(each.domain for each in ERRORS)),
    "type": one_of(dict.fromkeys(each.type for each in ERRORS)),
    "message": {**TEXT, "description": "For people; decide by `type`."},
    "details": {},
    "retryable": YES_OR_NO,
}
SCHEMAS: Final = {
    "Error": record(
        {"error": record(_TELLS)}, about="Everything that is not 200 has this envelope."
    )
}


def name_of(status: int) -> str:
    """
    Of the response with this error, among the components of the document.
    """
    reason = next(each.reason for each in ERRORS if each.status == status)
    return reason.decode().replace(" ", "")


def responses() -> Iterator[tuple[str, dict[str, Any]]]:
    """
    A response for each status, by its name.
    """
    by_status = attrgetter("status")
    for status, group in groupby(sorted(ERRORS, key=by_status), by_status):
        alike = list(group)
        types = ", ".join(f"`{each.type}`" for each in alike)
        response: dict[str, Any] = {
            "description": f"{alike[0].reason.decode()}: {types}.",
            "content": {
                "application/json": {
                    "schema": ref("Error"),
                    "examples": {
                        each.type: {"value": loads(each.body())} for each in alike
                    },
                }
            },
        }
        if any(each.retry_after is not None for each in alike):
            response["headers"] = {
                "Retry-After": {
                    "description": "Seconds, where trying again may help.",
                    "schema": {"type": "integer", "minimum": 1},
                }
            }
        yield name_of(status), response
