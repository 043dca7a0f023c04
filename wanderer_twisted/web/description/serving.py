"""
The documents, made ahead: what they tell of changes only with the settings.
"""

from typing import Any, Final

import attrs

from wanderer_twisted.encoding import dumps
from wanderer_twisted.web.answers import answer_json, is_known, tag_of
from wanderer_twisted.web.description.asyncapi import asyncapi
from wanderer_twisted.web.description.openapi import openapi
from wanderer_twisted.web.parameters import Rules
from wanderer_twisted.web.request import PublicRequest
from wanderer_twisted.web.rooms import answer_preflight, make_app

_OPENAPI: Final = "/api/openapi"
_ASYNCAPI: Final = "/api/asyncapi"


@attrs.frozen
class _Document:
    body: bytes
    tag: bytes


class Description:
    """
    :param rules: the limits that they tell of.
    """

    app = make_app()

    def __init__(self, rules: Rules) -> None:
        self.describe(rules)

    def describe(self, rules: Rules) -> None:
        """
        Make them, anew where the operator changed the limits.
        """
        self._openapi = _encode(openapi(rules))
        self._asyncapi = _encode(asyncapi(rules))

    @app.route(_OPENAPI, methods=["GET"])
    def openapi(self, request: PublicRequest) -> bytes:
        """
        The routes.
        """
        return _answer(request, self._openapi)

    @app.route(_ASYNCAPI, methods=["GET"])
    def asyncapi(self, request: PublicRequest) -> bytes:
        """
        What is in a stream.
        """
        return _answer(request, self._asyncapi)

    @app.route(_OPENAPI, methods=["OPTIONS"])
    @app.route(_ASYNCAPI, methods=["OPTIONS"])
    def options(self, request: PublicRequest) -> None:
        answer_preflight(request, b"GET, HEAD, OPTIONS")


def _encode(document: dict[str, Any]) -> _Document:
    body = dumps(document)
    return _Document(body, tag_of(body))


def _answer(request: PublicRequest, document: _Document) -> bytes:
    request.setHeader(b"Access-Control-Expose-Headers", b"ETag")
    if is_known(request, document.tag):
        return b""
    answer_json(request, 200, document.body)
    request.setHeader(b"Cache-Control", b"no-cache")  # kept, but asked for each time
    return document.body
