"""
How the server is, for whoever may ask: pages that show it, machines that watch it.
"""

from collections.abc import Callable

from wanderer_twisted.web.answers import answer_json
from wanderer_twisted.web.request import PublicRequest
from wanderer_twisted.web.rooms import answer_preflight, make_app


class StatusRoom:
    """
    :param status: the document, as JSON.
    """

    app = make_app()

    def __init__(self, status: Callable[[], bytes]) -> None:
        self._status = status

    @app.route("/status", methods=["GET"])
    def status(self, request: PublicRequest) -> bytes:
        """
        Streams, killmails, feeds, store and coverage in numbers.
        """
        return answer_json(request, 200, self._status())

    @app.route("/health/live", methods=["GET"])
    def live(self, request: PublicRequest) -> bytes:
        """
        That it answers: whoever restarts what hangs asks this, and not ``/health``,
        since an upstream that fails is no reason to restart.
        """
        return answer_json(request, 200, b'{"status":"live"}')

    @app.route("/status", methods=["OPTIONS"])
    @app.route("/health/live", methods=["OPTIONS"])
    def options(self, request: PublicRequest) -> None:
        answer_preflight(request, b"GET, HEAD, OPTIONS")
