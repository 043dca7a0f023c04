"""
The one polite HTTP client (design.md §5): every request to the outside goes through it,
at the pace that its upstream asks for, and all of it is counted.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, BinaryIO

import attrs
from twisted.internet.defer import Deferred, DeferredSemaphore, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.web.client import Agent, HTTPConnectionPool, _HTTP11ClientFactory
from twisted.web.iweb import IAgent

from wanderer_twisted.interfaces import UpstreamError
from wanderer_twisted.sources.body import BadAnswer
from wanderer_twisted.sources.exchange import (
    LONGEST_RETRY_AFTER,
    Answer,
    Exchange,
    Request,
    TimedOut,
    Unreachable,
)
from wanderer_twisted.sources.pacing import Backoff, Breaker, Pace

#: An upstream that wants to be left alone for longer than this is not waited for.
PATIENCE = 15.0

#: Statuses of an upstream, or of the proxy before it, that is broken for now.
_BROKEN = (500, 502, 503, 504)


@attrs.frozen
class Manners:
    """
    How one upstream wants to be treated.

    :ivar per_second: requests in the long run.
    :ivar burst: requests at once after a rest.
    :ivar in_flight: requests under way at the same time; 1 is serial.
    :ivar timeout: seconds for head and body together.
    :ivar max_body: decoded bytes.
    """

    per_second: float
    burst: int = 1
    in_flight: int = 1
    timeout: float = 30.0
    max_body: int = 8 << 20


class Upstream:
    """
    One upstream: its pace, its circuit, and what was counted.

    :ivar requests: how many, by status, or ``timeout``, ``broken`` (no whole answer)
        and ``unusable`` (too large, or wrongly encoded).
    :ivar retries: how many of these repeated another.
    """

    def __init__(
        self, name: str, exchange: Exchange, clock: IReactorTime, manners: Manners
    ) -> None:
        self.name = name
        self.requests: Counter[str] = Counter()
        self.retries = 0
        self.circuit = Breaker(name, clock)
        self.pace = Pace(
            clock,
            interval=1.0 / manners.per_second,
            burst=manners.burst,
            waiting=manners.in_flight,
        )
        self._exchange = exchange
        self._clock = clock
        self._manners = manners
        self._slots = DeferredSemaphore(manners.in_flight)
        self._held_until, self._held_for = 0.0, ""

    @property
    def in_flight(self) -> int:
        return self._manners.in_flight - self._slots.tokens

    @property
    def waiting(self) -> int:
        return len(self._slots.waiting)

    def hold(self, seconds: float, reason: str = "wants to be left alone") -> None:
        """
        Leave the upstream alone for a while: for a short one requests wait, for a
        longer one they fail at once.
        """
        until = self._clock.seconds() + min(seconds, LONGEST_RETRY_AFTER)
        if until > self._held_until:
            self._held_until, self._held_for = until, reason

    async def get(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        max_body: int | None = None,
        attempts: int = 1,
    ) -> Answer:
        """
        Ask once the upstream's pace allows it.

        :param timeout: seconds, where this request needs other than its upstream.
        :param max_body: decoded bytes, where its upstream's are not right for this one.
        :param attempts: how often in all to try where the connection broke or the
            upstream says that it is broken; a timeout is not repeated.
        :raises UpstreamError: there is no answer; any status at all is one.
        """
        request = Request(
            "GET",
            url,
            params=params or {},
            headers=headers or {},
            timeout=timeout or self._manners.timeout,
            max_body=max_body or self._manners.max_body,
        )
        return await self._send(request, attempts)

    async def download(
        self, url: str, sink: BinaryIO, timeout: float, max_body: int
    ) -> Answer:
        """
        Ask for a large document, once, and have its body written as it comes, decoded.

        :param sink: worthless where this fails, or the status is not 200.
        :param timeout: seconds, for all of it.
        :param max_body: decoded bytes.
        :raises OSError: it cannot be written.
        :raises UpstreamError: there is no answer, or not the whole of one.
        """
        request = Request("GET", url, timeout=timeout, max_body=max_body, sink=sink)
        return await self._send(request, attempts=1)

    async def post(
        self, url: str, document: object, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """
        Send *document* as JSON, once the upstream's pace allows it, and once only.

        :raises UpstreamError: there is no answer; any status at all is one.
        """
        request = Request(
            "POST",
            url,
            headers=headers or {},
            document=document,
            timeout=self._manners.timeout,
            max_body=self._manners.max_body,
        )
        return await self._send(request, attempts=1)

    async def _send(self, request: Request, attempts: int) -> Answer:
        backoff = Backoff(1.0, 8.0)
        while True:
            attempts -= 1
            try:
                answer = await self._send_once(request)
            except TimedOut:
                raise
            except Unreachable:
                if not attempts:
                    raise
            else:
                if answer.status not in _BROKEN or answer.retry_after or not attempts:
                    return answer
            self.retries += 1
            await deferLater(self._clock, backoff.next())

    async def _send_once(self, request: Request) -> Answer:
        self._refuse_in_vain()
        await self._slots.acquire()
        try:
            await self._wait_for_hold()
            if wait := self.pace.take():
                await deferLater(self._clock, wait)
            self._refuse_in_vain()
            self.circuit.begin()
            try:
                answer = await self._exchange.send(self.name, request)
            except Exception as error:
                self._count_error(error)
                raise
            self._count(answer)
            return answer
        finally:
            self._slots.release()

    def _refuse_in_vain(self) -> None:
        if wait := self.circuit.wait():
            raise UpstreamError(f"{self.name} failed again and again", wait)
        held = self._held_until - self._clock.seconds()
        if held > PATIENCE:
            raise UpstreamError(f"{self.name} {self._held_for}", held)

    async def _wait_for_hold(self) -> None:
        while (held := self._held_until - self._clock.seconds()) > 0:
            self._refuse_in_vain()
            await deferLater(self._clock, held)

    def _count(self, answer: Answer) -> None:
        self.requests[str(answer.status)] += 1
        if answer.status in _BROKEN:
            self.circuit.failed()
        else:
            self.circuit.succeeded()
        if answer.status in (420, 429, 503) and answer.retry_after:
            self.hold(answer.retry_after)

    def _count_error(self, error: Exception) -> None:
        if isinstance(error, BadAnswer):
            self.requests["unusable"] += 1
            self.circuit.succeeded()
        elif isinstance(error, TimedOut):
            self.requests["timeout"] += 1
            self.circuit.failed()
        elif isinstance(error, UpstreamError):
            self.requests["broken"] += 1
            self.circuit.failed()
        else:
            self.circuit.abandoned()


class Client:
    """
    The upstreams, and the connections that they share.
    """

    def __init__(
        self,
        agent: IAgent,
        clock: IReactorTime,
        contact: str = "",
        pool: HTTPConnectionPool | None = None,
    ) -> None:
        """
        :param contact: e-mail or URL by which upstreams can reach the operator.
        """
        self.upstreams: dict[str, Upstream] = {}
        self._exchange = Exchange(agent, clock, contact)
        self._clock = clock
        self._pool = pool

    def upstream(self, name: str, manners: Manners) -> Upstream:
        """
        A new upstream, by a name that is not taken yet.
        """
        if name in self.upstreams:
            raise ValueError(f"There is an upstream {name!r} already")
        upstream = Upstream(name, self._exchange, self._clock, manners)
        self.upstreams[name] = upstream
        return upstream

    def close(self) -> Deferred[None]:
        """
        Close the connections that are kept for later.
        """
        if self._pool is None:
            return succeed(None)
        return self._pool.closeCachedConnections()


class _QuietFactory(_HTTP11ClientFactory):
    """
    One whose connections come and go without two lines in the log.
    """

    noisy = False


def make_client(reactor: Any, contact: str) -> Client:
    """
    The client for the real world, with a pool of connections of its own.
    """
    pool = HTTPConnectionPool(reactor)
    pool.retryAutomatically = False  # we pace and count every request
    pool.maxPersistentPerHost = 8
    pool.cachedConnectionTimeout = 50  # servers commonly close after 60 or 75 seconds
    pool._factory = _QuietFactory
    agent = Agent(reactor, connectTimeout=10, pool=pool)
    return Client(agent, reactor, contact, pool)
