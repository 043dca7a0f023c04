"""
Which web pages may read our answers.
"""

from collections.abc import Iterable

from twisted.web.http_headers import Headers

#: Our answers differ by these request headers, so caches must keep them apart.
VARY = b"Accept, Accept-Encoding, Origin"

_PREFLIGHT = (
    (
        b"Access-Control-Allow-Headers",
        b"Last-Event-ID, Authorization, Cache-Control, Content-Type",
    ),
    (b"Access-Control-Max-Age", b"86400"),
)


class Cors:
    """
    The origins that the operator allows. Credentials never are: nothing here depends
    on who asks, and a reflected origin with credentials would be a hole.

    :param origins: ``*`` for any, or origins as browsers send them; ``null`` is one
        only where it is listed.
    """

    def __init__(self, origins: Iterable[str] = ("*",)) -> None:
        self._allowed = {origin.encode() for origin in origins}

    def headers(self, origin: bytes | None) -> list[tuple[bytes, bytes]]:
        """
        Headers of any response to a request from *origin*.
        """
        headers = [(b"Vary", VARY)]
        if b"*" in self._allowed:
            headers.append((b"Access-Control-Allow-Origin", b"*"))
        elif origin in self._allowed:
            headers.append((b"Access-Control-Allow-Origin", origin))
        return headers

    def answer_preflight(self, headers: Headers, methods: bytes) -> None:
        """
        What ``OPTIONS`` adds.
        """
        headers.setRawHeaders(b"Allow", [methods])
        headers.setRawHeaders(b"Access-Control-Allow-Methods", [methods])
        for name, value in _PREFLIGHT:
            headers.setRawHeaders(name, [value])
