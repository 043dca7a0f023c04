"""
Klein applications that are one from outside: each has routes of one kind.
"""

from functools import lru_cache
from typing import Any, Final, cast

import attrs
from klein import Klein
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from wanderer_twisted.web.errors import (
    ApiError,
    Spent,
    bad_request,
    method_not_allowed,
    not_found,
)
from wanderer_twisted.web.site import PublicRequest
from wanderer_twisted.web.tokens import find_token

#: What lies beneath is for those with a token, where tokens are wanted.
GUARDED: Final = "/api/v1/"


def make_app() -> Klein:
    """
    An application that answers every mishap with the one envelope.
    """
    app = Klein()
    app.url_map.merge_slashes = False  # no redirects: not every client follows one
    app.handle_errors(Exception)(_answer_error)  # type: ignore[arg-type]  # no method
    return app


def answer_preflight(request: PublicRequest, methods: bytes) -> None:
    """
    Answer ``OPTIONS``.
    """
    request.site.cors.answer_preflight(request.responseHeaders, methods)
    request.setResponseCode(204)


#: Of most requests the path is one of a few.
_PATHS_REMEMBERED: Final = 256


class Rooms(Resource):
    """
    Several applications behind one guard. A request goes to the first that has its
    path, and where none has, to the first of all, to be told so.

    :ivar apps: in that order.
    """

    isLeaf = True

    def __init__(self, *apps: Klein) -> None:
        super().__init__()
        self.apps = apps
        self._rooms = [(app, app.resource()) for app in apps]
        self._room_of = lru_cache(_PATHS_REMEMBERED)(self._find_room)

    def render(self, request: IRequest) -> Any:
        path = b"/".join(request.postpath).decode("utf-8")  # the request saw to that
        path = path if path.startswith("/") else f"/{path}"  # as Klein does
        if path.startswith(GUARDED) and request.method != b"OPTIONS":
            try:
                _admit(cast(PublicRequest, request))
            except ApiError as error:
                _turn_away(cast(PublicRequest, request), error)
                return NOT_DONE_YET
        return self._room_of(path).render(request)

    def _find_room(self, path: str) -> IResource:
        for app, resource in self._rooms:
            if app.url_map.bind("localhost").allowed_methods(path):
                return resource
        return self._rooms[0][1]


def _admit(request: PublicRequest) -> None:
    """
    :raises ApiError: 401.
    """
    token = find_token(request.getHeader(b"Authorization"), request.query)
    holder = request.site.tokens.find(token)
    if holder is not None:
        request.visit = attrs.evolve(request.visit, holder=holder)
        holder.check()


def _turn_away(request: PublicRequest, error: ApiError) -> None:
    if isinstance(error, Spent) and request.accepts_events:
        request.setResponseCode(204)
        request.setHeader(b"Cache-Control", b"no-store")
        request.finish()
    else:
        request.answer_error(error)


def _answer_error(room: object, request: IRequest, failure: Failure) -> bytes | None:
    known = _as_api_error(failure.value)
    if known is not None:
        return cast(PublicRequest, request).prepare_error(known)
    return cast(PublicRequest, request).prepare_failure(failure)


def _as_api_error(error: object) -> ApiError | None:
    """
    :returns: None for what is unexpected.
    """
    if isinstance(error, ApiError):
        return error
    if isinstance(error, MethodNotAllowed):
        return method_not_allowed(", ".join(sorted(error.valid_methods or ())))
    if isinstance(error, NotFound):
        return not_found()
    if isinstance(error, HTTPException):
        return bad_request("The request's path is not proper")
    return None
