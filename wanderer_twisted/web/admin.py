"""
The routes of the admin listener: for the operator, and for Prometheus.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from wanderer_twisted.encoding import dumps, timestamp
from wanderer_twisted.ops.census import ORDERS, in_order
from wanderer_twisted.ops.metrics import CONTENT_TYPE, Metrics
from wanderer_twisted.partition import KINDS
from wanderer_twisted.stream.hub import Hub
from wanderer_twisted.stream.session import Session
from wanderer_twisted.web.addresses import Proxies
from wanderer_twisted.web.answers import answer, answer_json
from wanderer_twisted.web.cors import Cors
from wanderer_twisted.web.errors import invalid
from wanderer_twisted.web.given import split_query
from wanderer_twisted.web.request import PublicRequest
from wanderer_twisted.web.rooms import Rooms, make_app
from wanderer_twisted.web.selection import read_nothing
from wanderer_twisted.web.site import PublicSite
from wanderer_twisted.web.values import integer, quoted, unknown

MOST: Final = 10_000
USUAL: Final = 1_000

_MOST_CHANNELS: Final = 100

#: Streams that are told of in one turn of the reactor.
_AT_ONCE: Final = 100

_KNOWN: Final = ("limit", "order")


class Admin:
    """
    Nothing here is for the public.
    """

    app = make_app()

    def __init__(self, clock: IReactorTime, hub: Hub, metrics: Metrics) -> None:
        self._clock = clock
        self._hub = hub
        self._metrics = metrics

    @app.route("/metrics", methods=["GET"])
    async def metrics(self, request: PublicRequest) -> bytes:
        """
        All metrics, as Prometheus reads them.
        """
        read_nothing(request.query)
        return answer(request, 200, CONTENT_TYPE, await self._metrics.scrape())

    @app.route("/admin/streams", methods=["GET"])
    async def streams(self, request: PublicRequest) -> bytes:
        """
        The open streams, each with what is known of it.
        """
        limit, order = _read(request.query)
        sessions = in_order(self._hub.sessions, order)
        told = await self._tell(sessions[:limit])
        now = timestamp(self._clock.seconds())
        return answer_json(
            request,
            200,
            b'{"open":%d,"count":%d,"order":"%b","streams":[%b],"timestamp":"%b"}'
            % (len(sessions), len(told), order.encode(), b",".join(told), now.encode()),
        )

    async def _tell(self, sessions: Sequence[Session]) -> Sequence[bytes]:
        told: list[bytes] = []
        for start in range(0, len(sessions), _AT_ONCE):
            if start:
                await deferLater(self._clock, 0)  # what is live goes first
            now = self._clock.seconds()
            told += [
                dumps(describe(session, now))
                for session in sessions[start : start + _AT_ONCE]
                if session.why is None  # it may have ended meanwhile
            ]
        return told


def describe(session: Session, now: float) -> Mapping[str, Any]:
    """
    :param now: UNIX seconds.
    """
    wanted = session.wanted
    return {
        "session": session.id,
        "address": session.visitor.address,
        "agent": session.visitor.agent,
        "token": session.visitor.token or None,
        "filter": {
            **{f"{kind}_ids": len(wanted.ids(kind)) for kind in KINDS},
            "min_value": wanted.min_value,
        },
        "mode": session.mode,
        "following": session.following,
        "paused": session.paused,
        "lag": session.lag,
        "events": session.events,
        "bytes": session.bytes,
        "age_seconds": round(max(0.0, now - session.opened_at), 3),
        "cursor": session.cursor,
    }


def _read(query: bytes) -> tuple[int, str]:
    """
    :returns: how many streams, in which order.
    :raises ApiError: 400.
    """
    given = split_query(query)
    for name in given:
        if name not in _KNOWN:
            raise unknown(name, _KNOWN)
    order = given.get("order") or "lag"
    if order not in ORDERS:
        allowed = ", ".join(ORDERS)
        raise invalid(f"Invalid order: {quoted(order)} is not one of {allowed}")
    return _limit(given.get("limit") or str(USUAL)), order


def _limit(text: str) -> int:
    number = integer(text)
    if number is None:
        raise invalid(f"Invalid limit: {quoted(text)} is not a valid integer")
    if not 1 <= number <= MOST:
        raise invalid(f"limit must be between 1 and {MOST}, got {number}")
    return number


def make_site(reactor: IReactorTime, admin: Admin) -> PublicSite:
    """
    The site of the admin listener. It counts for itself, and no web page may read it.
    """
    return PublicSite(
        Rooms(admin.app), reactor, Cors(()), Proxies(), most_channels=_MOST_CHANNELS
    )
