"""
The web page (``/``): a view of the live stream, and a form to try one.

Its files are read once. A browser keeps them and asks each time whether they are news,
so an upgrade is seen at the next visit.
"""

from collections.abc import Mapping
from importlib.resources import files
from typing import Final

import attrs

from wanderer_twisted.web.answers import answer, is_known, tag_of
from wanderer_twisted.web.errors import not_found
from wanderer_twisted.web.request import PublicRequest
from wanderer_twisted.web.rooms import answer_preflight, make_app

_INDEX: Final = "index.html"
_FILE: Final = "/static/<name>"

_TYPES: Final = {
    "html": b"text/html; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}

#: Scripts and styles from here alone, pictures also from EVE's image server.
POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self';"
    b" img-src 'self' https://images.evetech.net; connect-src 'self';"
    b" base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@attrs.frozen
class File:
    """
    :ivar type: the media type.
    :ivar tag: of its content.
    """

    type: bytes
    body: bytes = attrs.field(repr=False)
    tag: bytes

    @classmethod
    def read(cls, name: str, body: bytes) -> "File":
        return cls(_TYPES[name.rpartition(".")[2]], body, tag_of(body))


def read_files() -> Mapping[str, File]:
    """
    All files of the page, by their names.
    """
    folder = files("wanderer_twisted.web") / "static"
    return {
        each.name: File.read(each.name, each.read_bytes())
        for each in folder.iterdir()
        if each.name.rpartition(".")[2] in _TYPES
    }


class Page:
    """
    The document, and its scripts, styles and icon.
    """

    app = make_app()

    def __init__(self) -> None:
        self._files = read_files()

    @app.route("/", methods=["GET"])
    def index(self, request: PublicRequest) -> bytes:
        request.setHeader(b"Content-Security-Policy", POLICY)
        request.setHeader(b"Referrer-Policy", b"no-referrer")
        return self._answer(request, self._files[_INDEX])

    @app.route(_FILE, methods=["GET"])
    def file(self, request: PublicRequest, name: str) -> bytes:
        """
        One of the others; the document itself has one address.
        """
        if name not in self._files or name == _INDEX:
            raise not_found()
        return self._answer(request, self._files[name])

    @app.route("/", methods=["OPTIONS"])
    @app.route(_FILE, methods=["OPTIONS"])
    def options(self, request: PublicRequest, name: str = "") -> None:
        answer_preflight(request, b"GET, HEAD, OPTIONS")

    def _answer(self, request: PublicRequest, file: File) -> bytes:
        request.setHeader(b"X-Content-Type-Options", b"nosniff")
        if is_known(request, file.tag):
            return b""
        body = answer(request, 200, file.type, file.body)
        request.setHeader(b"Cache-Control", b"no-cache")
        return body
