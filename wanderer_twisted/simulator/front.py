"""
The web side of the simulator: routes requests to the services, injects faults, keeps
the log of requests.
"""

import gzip
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request as HTTPRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from wanderer_twisted.simulator.control import Control
from wanderer_twisted.simulator.delivery import abort, deliver
from wanderer_twisted.simulator.esi import ESI
from wanderer_twisted.simulator.exchange import Ask, Reply, Upstream, html_reply
from wanderer_twisted.simulator.faults import Fault
from wanderer_twisted.simulator.player import Player
from wanderer_twisted.simulator.postings import Logged
from wanderer_twisted.simulator.r2z2 import R2Z2
from wanderer_twisted.simulator.redisq import RedisQ
from wanderer_twisted.simulator.world import World
from wanderer_twisted.simulator.zkillboard import ZKillboard

_LARGEST = 1 << 20  # bytes read of a request


class Front(Resource):
    """
    The root resource: ``/{service}/…`` and ``/control/…``.
    """

    isLeaf = True
    _log = Logger()

    def __init__(self, world: World, player: Player) -> None:
        super().__init__()
        self._world = world
        self._clock: IReactorTime = world.clock
        self._control = Control(world, player)
        self.services: Mapping[str, Upstream] = {
            "r2z2": R2Z2(world),
            "redisq": RedisQ(world, "/redisq"),
            "zkb": ZKillboard(world, "/zkb"),
            "esi": ESI(world),
        }
        self._working: dict[Request, Deferred[None]] = {}

    def close(self) -> None:
        """
        Drop every request that is still being answered.
        """
        for service in self.services.values():
            service.close()
        for request, work in list(self._working.items()):
            work.cancel()
            abort(request)

    def render(self, request: Request) -> int:
        work = Deferred.fromCoroutine(self._serve(request))
        self._working[request] = work
        request.notifyFinish().addErrback(lambda _: work.cancel())
        work.addErrback(self._failed, request)
        work.addBoth(self._done, request)
        return NOT_DONE_YET

    def _done(self, result: object, request: Request) -> None:
        self._working.pop(request, None)

    def _failed(self, failure: Failure, request: Request) -> None:
        if failure.check(CancelledError):
            return
        self._log.failure("{path} could not be answered", failure, path=request.path)
        abort(request)

    async def _serve(self, request: Request) -> None:
        name, ask = _read(request)
        if name == "control":
            await self._send(request, ask, self._control.answer(ask), None)
            return
        service = self.services.get(name)
        if service is None:
            reply = html_reply(404, "404 Not Found")
            await self._send(request, ask, reply, None)
            return
        logged = Logged(
            self._clock.seconds(), name, ask.method, _target(ask), ask.address
        )
        self._world.requests.append(logged)
        fault = self._world.faults.take(name, ask.path)
        if fault is not None:
            await self._hold(fault, request)
        replaced = None if fault is None else fault.replacement(service.null)
        reply = replaced or await service.answer(ask)
        reply = service.finish(ask, reply)
        if fault is not None:
            reply = fault.spoil(reply)
        logged.status = reply.status
        await self._send(request, ask, reply, fault)

    async def _hold(self, fault: Fault, request: Request) -> None:
        if fault.delay:
            await deferLater(self._clock, fault.delay)
        if fault.kind == "silence":
            await Deferred()
        if fault.kind == "reset":
            abort(request)
            raise CancelledError

    async def _send(
        self, request: Request, ask: Ask, reply: Reply, fault: Fault | None
    ) -> None:
        body = reply.body
        headers = {
            "Content-Type": reply.content_type,
            "Date": formatdate(self._clock.seconds(), usegmt=True),  # not twisted.web's
            "Vary": "Accept-Encoding",
        }
        headers.update(reply.headers)
        bad_gzip = fault is not None and fault.kind == "bad_gzip"
        if bad_gzip or ("gzip" in ask.headers.get("accept-encoding", "") and body):
            body = gzip.compress(body, 1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        if bad_gzip and fault is not None:
            body = body[: fault.cut_at(body)]
        request.setResponseCode(reply.status, _reason(reply).encode())
        for header, value in headers.items():
            request.setHeader(header.encode(), value.encode())
        if reply.status != 304:
            request.setHeader(b"Content-Length", b"%d" % len(body))
        if ask.method == "HEAD" or reply.status == 304:
            body = b""
        await deliver(request, self._clock, body, fault)


def make_site(world: World, player: Player) -> Site:
    """
    The simulator's web site. Its resource is a :class:`Front`, to be closed.
    """
    return QuietSite(Front(world, player), timeout=60, reactor=world.clock)


class QuietSite(Site):
    """
    Logs no request: the world keeps them, and pollers make many.
    """

    displayTracebacks = False  # noqa: N815  (twisted.web's name)
    noisy = False

    def log(self, request: HTTPRequest) -> None:
        """
        See ``/control/requests``.
        """


def _read(request: Request) -> tuple[str, Ask]:
    """
    The service's name, and what it is asked.
    """
    path, mark, query = request.uri.decode("latin-1").partition("?")
    name, _, rest = path.removeprefix("/").partition("/")
    headers = {
        key.decode("latin-1").lower(): values[0].decode("latin-1")
        for key, values in request.requestHeaders.getAllRawHeaders()
    }
    args: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        args.setdefault(key, value)
    return name, Ask(
        method=request.method.decode("latin-1"),
        path="/" + unquote(rest),
        address=request.getClientAddress().host or "",
        query=query if mark else None,
        args=args,
        headers=headers,
        body=b"" if request.content is None else request.content.read(_LARGEST),
    )


def _reason(reply: Reply) -> str:
    try:
        return reply.reason or HTTPStatus(reply.status).phrase
    except ValueError:
        return "Unknown Status"


def _target(ask: Ask) -> str:
    return ask.path if ask.query is None else f"{ask.path}?{ask.query}"
