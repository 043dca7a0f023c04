"""
What a simulated service is asked and what it answers, free of sockets.
"""

from collections import deque
from collections.abc import Mapping
from typing import Protocol

import attrs
from twisted.internet.interfaces import IReactorTime

from wanderer_twisted.encoding import dumps

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=UTF-8"


@attrs.frozen
class Ask:
    """
    A request.

    :ivar path: behind the service's prefix, with its leading slash.
    :ivar query: None where there is no ``?`` at all.
    :ivar args: the query's parameters; of one given twice, the first.
    :ivar headers: lower-case names.
    """

    method: str
    path: str
    address: str
    query: str | None = None
    args: Mapping[str, str] = attrs.field(factory=dict)
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = attrs.field(default=b"", repr=False)


@attrs.frozen
class Reply:
    """
    A response.

    :ivar reason: the status line's text, where it is not the usual one.
    """

    status: int = 200
    body: bytes = attrs.field(default=b"", repr=False)
    content_type: str = JSON
    headers: Mapping[str, str] = attrs.field(factory=dict)
    reason: str | None = None

    def with_headers(self, headers: Mapping[str, str]) -> "Reply":
        return attrs.evolve(self, headers={**self.headers, **headers})


class Upstream(Protocol):
    """
    A simulated service.
    """

    #: A body with the right status and shape, but nothing in it.
    null: bytes

    async def answer(self, ask: Ask) -> Reply:
        """
        Answer as the service would.
        """

    def finish(self, ask: Ask, reply: Reply) -> Reply:
        """
        Account for an answer, injected ones too, and give it its headers.
        """

    def close(self) -> None:
        """
        Give up whatever is under way.
        """


def json_reply(value: object, status: int = 200, **headers: str) -> Reply:
    return Reply(status, dumps(value), headers=headers)


def html_reply(
    status: int, title: str, headers: Mapping[str, str] | None = None
) -> Reply:
    """
    An error page as Cloudflare puts it in front of a service.
    """
    page = (
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n"
        f"<body><center><h1>{title}</h1></center><hr>"
        "<center>cloudflare</center></body></html>\n"
    )
    return Reply(status, page.encode(), HTML, headers or {})


def redirect(location: str) -> Reply:
    return Reply(302, b"", HTML, {"Location": location})


class Throttle:
    """
    So many requests per address in a sliding window.
    """

    def __init__(self, clock: IReactorTime, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._seen: dict[str, deque[float]] = {}

    def over(self, address: str, limit: int) -> bool:
        """
        Count one request; whether it is one too many.
        """
        now = self._clock.seconds()
        seen = self._seen.setdefault(address, deque())
        while seen and seen[0] <= now - self._seconds:
            seen.popleft()
        seen.append(now)
        while len(seen) > limit + 1:
            seen.popleft()
        return len(seen) > limit
