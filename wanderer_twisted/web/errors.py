"""
Errors as clients get them: one envelope everywhere (design.md §2.5).

Raise :class:`ApiError`, or let whatever else happened come out as a 500 that tells
nothing of what is inside.
"""

import math
import random

import attrs
from twisted.web.http import RESPONSES

from wanderer_twisted.encoding import dumps

_REASONS = {
    **RESPONSES,
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
}


@attrs.define(slots=False, eq=False)
class ApiError(Exception):
    """
    An answer that is not what was asked for.

    :ivar retry_after: seconds; None where trying again would not help.
    :ivar allow: the methods that a 405 names.
    """

    status: int
    domain: str
    type: str
    message: str
    retry_after: float | None = None
    allow: str | None = None

    @property
    def reason(self) -> bytes:
        return _REASONS.get(self.status, b"Error")

    def body(self) -> bytes:
        return dumps(
            {
                "error": {
                    "domain": self.domain,
                    "type": self.type,
                    "message": self.message,
                    "details": None,
                    "retryable": self.retry_after is not None,
                }
            }
        )

    def headers(self) -> list[tuple[bytes, bytes]]:
        headers = [
            (b"Content-Type", b"application/json"),
            (b"Cache-Control", b"no-store"),
        ]
        if self.retry_after is not None:
            seconds = math.ceil(self.retry_after)
            headers.append((b"Retry-After", b"%d" % seconds))
            headers.append((b"Access-Control-Expose-Headers", b"Retry-After"))
        if self.allow is not None:
            headers.append((b"Allow", self.allow.encode()))
        if self.status == 401:
            headers.append((b"WWW-Authenticate", b"Bearer"))
        return headers


class Spent(ApiError):
    """
    A token counted once and does not any more. An EventSource gets a 204 instead, which
    means that it should stop.
    """


class Refusal(ApiError):
    """
    A stream that cannot be had now. An EventSource is told so within a stream, for it
    would never come back after the status (lessons.md §2.1).
    """


def invalid(message: str) -> ApiError:
    """
    What the client sent cannot be understood.
    """
    return ApiError(400, "validation", "invalid_format", message)


def bad_request(message: str) -> ApiError:
    """
    The request is no proper HTTP.
    """
    return ApiError(400, "http", "bad_request", message)


def unauthorized(message: str) -> ApiError:
    return ApiError(401, "auth", "unauthorized", message)


def not_found(message: str = "There is nothing at this path") -> ApiError:
    return ApiError(404, "http", "not_found", message)


def method_not_allowed(allow: str) -> ApiError:
    message = f"This path takes {allow}"
    return ApiError(405, "http", "method_not_allowed", message, allow=allow)


def body_too_large(limit: int) -> ApiError:
    message = f"The request's body is over {limit} bytes"
    return ApiError(413, "http", "body_too_large", message)


def unsupported_media_type(allowed: str) -> ApiError:
    message = f"The request's body must be {allowed}"
    return ApiError(415, "http", "unsupported_media_type", message)


def head_too_large(message: str) -> ApiError:
    return ApiError(431, "http", "head_too_large", message)


def busy(
    message: str = "Too many answers wait to be taken by their clients; try again soon",
) -> ApiError:
    wait = random.uniform(5, 10)
    return ApiError(503, "server", "busy", message, retry_after=wait)


def internal() -> ApiError:
    message = "Something went wrong here; it has been logged"
    return ApiError(500, "server", "internal", message)


def connection_limit(status: int, message: str) -> Refusal:
    """
    :param status: 429 for the limit of one address, 503 for that of all.
    """
    return _refusal(status, "connection_limit", message, 10.0)


def draining(seconds: float) -> Refusal:
    """
    :param seconds: until the server is down.
    """
    message = "The server is going down; try again soon"
    return _refusal(503, "draining", message, seconds + 5.0)


def indexing() -> Refusal:
    message = "The killmails of corporations and alliances are being indexed here"
    return _refusal(503, "indexing", message, 30.0)


def unavailable() -> Refusal:
    message = "The store cannot be read now; try again soon"
    return _refusal(503, "unavailable", message, 5.0)


def _refusal(status: int, type: str, message: str, at_least: float) -> Refusal:
    """
    :param at_least: seconds; what a client is told lies between this and twice this,
        so that those refused together do not come back together.
    """
    wait = at_least * random.uniform(1, 2)
    return Refusal(status, "server", type, message, retry_after=wait)
