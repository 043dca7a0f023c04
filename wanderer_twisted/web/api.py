"""
The public routes (design.md §2.1).

A stream's handler ends when its stream has begun: from there on the session has the
connection, and keeps the stream's place until it is closed.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

import attrs
from twisted.internet.interfaces import IReactorTime

from wanderer_twisted.encoding import dumps, timestamp
from wanderer_twisted.interfaces import (
    IClientTransport,
    IKillmailStore,
    StoreUnavailable,
)
from wanderer_twisted.killmail import MAX_KILLMAIL_ID
from wanderer_twisted.partition import KINDS, Filter, Kind
from wanderer_twisted.stream.events import refusal
from wanderer_twisted.stream.opening import Visitor, Wish
from wanderer_twisted.web.admission import Admission
from wanderer_twisted.web.answers import answer, answer_json
from wanderer_twisted.web.bodies import read_object
from wanderer_twisted.web.dry_runs import DryRuns
from wanderer_twisted.web.encodings import wants_gzip
from wanderer_twisted.web.errors import (
    Refusal,
    draining,
    indexing,
    invalid,
    not_found,
    unavailable,
)
from wanderer_twisted.web.given import refuse_query
from wanderer_twisted.web.parameters import Asked, Rules
from wanderer_twisted.web.request import PublicRequest
from wanderer_twisted.web.rooms import answer_preflight, make_app
from wanderer_twisted.web.transport import SSETransport, set_stream_headers

Health = Callable[[], tuple[bool, Mapping[str, Any]]]

_STREAM = "/api/v1/kills/stream"
_ENHANCED = "/api/v1/kills/stream/enhanced"
_KILLMAIL = "/api/v1/killmail/<text>"
_METHODS = b"GET, HEAD, OPTIONS"
_METHODS_OF_STREAMS = b"GET, HEAD, OPTIONS, POST"
_DIGITS = re.compile(r"[0-9]{1,19}")


class StreamSession(Protocol):
    """
    An open stream, as the hub gives it.
    """

    def when_closed(self, call: Callable[[str], object]) -> None: ...

    def close(self, why: str) -> None: ...

    def end(self, kind: str, message: str) -> None: ...


class StreamHub(Protocol):
    """
    What opens streams.
    """

    draining: bool
    drained_at: float

    async def open(
        self, wish: Wish, transport: IClientTransport, visitor: Visitor
    ) -> StreamSession: ...


class Api:
    """
    :param health: whether this server is ready, and what it says of itself.
    :ivar rules: for those whose token says nothing else.
    :ivar refused: streams that could not be had, by the type of the refusal.
    """

    app = make_app()

    def __init__(
        self,
        hub: StreamHub,
        store: IKillmailStore,
        admission: Admission,
        rules: Rules,
        health: Health,
        clock: IReactorTime,
        dry_runs: DryRuns,
    ) -> None:
        self._hub = hub
        self._store = store
        self._admission = admission
        self.rules = rules
        self._health = health
        self._clock = clock
        self._dry_runs = dry_runs
        self._indexed: Collection[Kind] = ("character", "system")  # in any store
        self.refused: Counter[str] = Counter()

    # --- streams --------------------------------------------------------------

    @app.route(_STREAM, methods=["HEAD"])  # before GET, which would take it too
    @app.route(_ENHANCED, methods=["HEAD"])
    async def stream_head(self, request: PublicRequest) -> bytes | None:
        asked = self._read(request)
        if asked.dry_run:
            return await self._answer(asked, request)
        set_stream_headers(request.responseHeaders, _compresses(asked, request))
        return None

    @app.route(_STREAM, methods=["GET"])
    @app.route(_ENHANCED, methods=["GET"])
    async def stream(self, request: PublicRequest) -> bytes | None:
        return await self._answer(self._read(request), request)

    @app.route(_STREAM, methods=["POST"])
    @app.route(_ENHANCED, methods=["POST"])
    async def posted_stream(self, request: PublicRequest) -> bytes | None:
        """
        The same, asked for in a body, which may name more ids than a head has room for.
        """
        return await self._answer(self._read_posted(request), request)

    def _read(self, request: PublicRequest) -> Asked:
        header = request.getHeader(b"Last-Event-ID")
        rules = self._rules_for(request)
        return rules.read(request.query, self._clock.seconds(), header)

    def _read_posted(self, request: PublicRequest) -> Asked:
        refuse_query(request.query)
        header = request.getHeader(b"Last-Event-ID")
        document = read_object(request)
        rules = self._rules_for(request)
        return rules.read_posted(document, self._clock.seconds(), header)

    def _rules_for(self, request: PublicRequest) -> Rules:
        holder = request.visit.holder
        return self.rules if holder is None else attrs.evolve(self.rules, **holder.ids)

    async def _answer(self, asked: Asked, request: PublicRequest) -> bytes | None:
        """
        Begin a stream, or say what would be in it.
        """
        if asked.dry_run:
            await self._check_indexed(asked.wish.filter)
            return answer_json(request, 200, await self._dry_runs.answer(asked.wish))
        try:
            if self._hub.draining:
                left = self._hub.drained_at - self._clock.seconds()
                raise draining(max(0.0, left))
            await self._serve(asked, request)
        except Refusal as refused:
            self.refused[refused.type] += 1
            if not request.accepts_events:
                raise
            return self._refuse_softly(request, refused)
        return None

    async def _serve(self, asked: Asked, request: PublicRequest) -> None:
        """
        Begin a stream, which goes on by itself when this has ended.
        """
        visit = request.visit
        with self._admission.enter(visit.client, visit.holder) as place:
            session = await self._open(asked, request)
            place.keep()
            session.when_closed(place.leave)
        if visit.holder is not None:
            visit.holder.hold(session)

    async def _open(self, asked: Asked, request: PublicRequest) -> StreamSession:
        await self._check_indexed(asked.wish.filter)
        visit = request.visit
        visitor = Visitor(visit.client.address, visit.agent, visit.token)
        transport = SSETransport(request, _compresses(asked, request))
        try:
            return await self._hub.open(asked.wish, transport, visitor)
        except StoreUnavailable:
            raise unavailable() from None

    async def _check_indexed(self, wanted: Filter) -> None:
        """
        :raises Refusal: what was stored before cannot be found by these ids yet.
        """
        kinds = {kind for kind in KINDS if wanted.ids(kind)}
        if kinds.issubset(self._indexed):
            return
        try:
            self._indexed = await self._store.read_indexed()
        except StoreUnavailable:
            raise unavailable() from None
        if not kinds.issubset(self._indexed):
            raise indexing()

    def _refuse_softly(self, request: PublicRequest, refused: Refusal) -> bytes:
        set_stream_headers(request.responseHeaders)
        request.answer_last()
        retry_ms = round((refused.retry_after or 1.0) * 1000)
        now = self._clock.seconds()
        return refusal(refused.type, refused.message, retry_ms, now)

    # --- the rest -------------------------------------------------------------

    @app.route(_KILLMAIL, methods=["GET"])
    async def killmail(self, request: PublicRequest, text: str) -> bytes:
        """
        One killmail, with its items.
        """
        killmail_id = _killmail_id(text)
        try:
            record = await self._store.read_killmail(killmail_id)
        except StoreUnavailable:
            raise unavailable() from None
        if record is None:
            raise not_found(f"There is no killmail {killmail_id} here")
        now = timestamp(self._clock.seconds()).encode()
        data = record.body.json(with_items=True)
        return answer_json(request, 200, b'{"data":%b,"timestamp":"%b"}' % (data, now))

    @app.route("/ping", methods=["GET"])
    def ping(self, request: PublicRequest) -> bytes:
        return answer(request, 200, b"text/plain; charset=utf-8", b"pong")

    @app.route("/health", methods=["GET"])
    def health(self, request: PublicRequest) -> bytes:
        """
        Whether this server is ready, with the reasons where it is not.
        """
        ready, document = self._health()
        return answer_json(request, 200 if ready else 503, dumps(document))

    @app.route(_STREAM, methods=["OPTIONS"])
    @app.route(_ENHANCED, methods=["OPTIONS"])
    def options_of_streams(self, request: PublicRequest) -> None:
        answer_preflight(request, _METHODS_OF_STREAMS)

    @app.route(_KILLMAIL, methods=["OPTIONS"])
    @app.route("/ping", methods=["OPTIONS"])
    @app.route("/health", methods=["OPTIONS"])
    def options(self, request: PublicRequest, text: str = "") -> None:
        answer_preflight(request, _METHODS)


def _compresses(asked: Asked, request: PublicRequest) -> bool:
    accepted = request.requestHeaders.getRawHeaders(b"Accept-Encoding", [])
    return asked.compress and wants_gzip(accepted, request.visit.agent)


def _killmail_id(text: str) -> int:
    if _DIGITS.fullmatch(text) and 1 <= int(text) <= MAX_KILLMAIL_ID:
        return int(text)
    raise invalid(f"Invalid killmail_id: '{text[:60]}' is not a valid integer")
