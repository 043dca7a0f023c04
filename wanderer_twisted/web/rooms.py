"""
Klein applications that are one from outside: each has routes of one kind.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import attrs
from klein import Klein
from twisted.internet.defer import CancelledError, maybeDeferred
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from wanderer_twisted.web.errors import (
    ApiError,
    Spent,
    bad_request,
    method_not_allowed,
    not_found,
)
from wanderer_twisted.web.request import PublicRequest
from wanderer_twisted.web.tokens import find_token

#: What lies beneath is for those with a token, where tokens are wanted.
GUARDED: Final = "/api/v1/"


def make_app() -> Klein:
    """
    An application, for the routes of one kind.
    """
    app = Klein()
    app.url_map.merge_slashes = False  # no redirects: not every client follows one
    return app


def answer_preflight(request: PublicRequest, methods: bytes) -> None:
    """
    Answer ``OPTIONS``.
    """
    request.site.cors.answer_preflight(request.responseHeaders, methods)
    request.setResponseCode(204)


#: Of most requests the path is one of a few.
_PATHS_REMEMBERED: Final = 256


@attrs.frozen
class _Route:
    """
    :ivar values: what varies of the path.
    """

    app: Klein
    endpoint: str
    values: Mapping[str, Any]


class Rooms(Resource):
    """
    Several applications behind one guard. A request goes to the first that has its
    path, and where none has, to the first of all, to be told so. Every mishap is
    answered with the one envelope.

    Klein matches and calls. Its own resource makes a dozen functions for each request,
    which refer to each other, so that all of the request waits for the collector: in a
    storm of clients that is dear.

    :ivar apps: in that order.
    """

    isLeaf = True

    def __init__(self, *apps: Klein) -> None:
        super().__init__()
        self.apps = apps
        self._route_of = lru_cache(_PATHS_REMEMBERED)(self._find_route)

    def render(self, request: PublicRequest) -> int:
        path = b"/".join(request.postpath or ()).decode()  # the request saw to that
        path = "/" + path.lstrip("/")  # as it is matched: so it must be guarded
        if path.startswith(GUARDED) and request.method != b"OPTIONS":
            try:
                _admit(request)
            except ApiError as error:
                _turn_away(request, error)
                return NOT_DONE_YET
        answer = maybeDeferred(self._call, request, path)
        if not answer.called:  # the client may leave before
            request.notifyFinish().addErrback(lambda _: answer.cancel())
        answer.addErrback(_answer_error, request)
        answer.addCallback(_finish, request)
        answer.addErrback(_give_up, request)
        return NOT_DONE_YET

    def _call(self, request: PublicRequest, path: str) -> Any:
        route = self._route_of(path, request.method.decode("latin-1"))
        return route.app.execute_endpoint(route.endpoint, request, **route.values)

    def _find_route(self, path: str, method: str) -> _Route:
        """
        :raises HTTPException: there is none.
        """
        found = [
            (app, app.url_map.bind("localhost", path_info=path, default_method=method))
            for app in self.apps
        ]
        having = (each for each in found if each[1].allowed_methods())
        app, adapter = next(having, found[0])
        return _Route(app, *adapter.match())


def _finish(body: bytes | None, request: PublicRequest) -> None:
    if request.current_channel is None:  # the client left, or a stream has it
        return
    if body is not None:
        request.write(body)
    request.finish()


def _give_up(failure: Failure, request: PublicRequest) -> None:
    """
    An answer that cannot be written.
    """
    request.processingFailed(failure)


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


def _answer_error(failure: Failure, request: PublicRequest) -> bytes | None:
    if request.current_channel is None and failure.check(CancelledError):
        return None
    known = _as_api_error(failure.value)
    if known is None:
        return request.prepare_failure(failure)
    return request.prepare_error(known)


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
