"""
JSON that a request brings in its body.
"""

import json
from collections.abc import Sequence
from typing import Any

from wanderer_twisted.web.errors import invalid, unsupported_media_type
from wanderer_twisted.web.request import PublicRequest


def read_object(request: PublicRequest) -> dict[str, Any]:
    """
    The JSON object in a request's body, which the channel has bounded.

    :raises ApiError: 415 or 400: it is none.
    """
    _check_type(request.requestHeaders.getRawHeaders(b"Content-Type", []))
    assert request.content is not None  # it was read to its end
    try:
        document = json.loads(
            request.content.read().decode("utf-8"),
            object_pairs_hook=_once_each,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError):
        raise invalid("The request's body is not valid JSON") from None
    if not isinstance(document, dict):
        raise invalid("The request's body is not a JSON object")
    return document


def _check_type(headers: Sequence[bytes]) -> None:
    (header,) = headers if len(headers) == 1 else (b"",)
    type, _, parameters = header.partition(b";")
    charset = parameters.strip().lower().replace(b'"', b"")
    if type.strip().lower() != b"application/json" or charset not in (
        b"",
        b"charset=utf-8",
    ):
        raise unsupported_media_type("application/json")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise invalid("The request's body has a key more than once")
    return document


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")
