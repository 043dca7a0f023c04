"""
A client of a stream: one life over many connections.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Final, Protocol

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse

from wanderer_twisted.backoff import backoff
from wanderer_twisted.encoding import loads
from wanderer_twisted.tail.body import Body, Broken, cause_of
from wanderer_twisted.tail.parser import Event, EventParser, EventTooLarge

#: Seconds without a byte after which a connection is taken for dead: more than the
#: longest heartbeat, which is 60.
SILENCE: Final = 75.0

#: Seconds that a server may take to begin its answer.
PATIENCE: Final = 30.0

LONGEST_PAUSE: Final = 60.0

#: No word of a server's makes us wait for longer.
_LONGEST_WORD: Final = 3600.0

_RETRY: Final = 3.0
_SHORTEST_RETRY: Final = 1.0
_LONGEST_REFUSAL: Final = 64 << 10


class Refused(Exception):
    """
    The server does not want us, and asking again would not help.
    """


class Unavailable(Exception):
    """
    Not now.

    :ivar retry_after: seconds, where the server gave any.
    """

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Listener(Protocol):
    """
    Who is told. What it raises ends the follower, and is what that fails with.
    """

    def take(self, event: Event) -> None:
        """
        Deal with an event. Once this returns it never comes again.
        """

    def lost(self, reason: str, pause: float) -> None:
        """
        The connection ended, or there was none; after *pause* seconds we try again.
        """


@attrs.frozen
class Request:
    """
    :ivar headers: besides those of every event stream.
    :ivar attempts: how often in a row to fail before giving up; 0 for no end.
    """

    url: str
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    attempts: int = 0


class Follower:
    """
    Asks for a stream, and again with the last id whenever that ends.

    :ivar cursor: the id of the last event that was dealt with.
    """

    def __init__(
        self,
        agent: IAgent,
        clock: IReactorTime,
        request: Request,
        listener: Listener,
        cursor: str = "",
        random: Random | None = None,
    ) -> None:
        self.cursor = cursor
        self._agent = agent
        self._clock = clock
        self._request = request
        self._listener = listener
        self._random = random or Random()
        self._retry = _RETRY
        self._well = False
        self._stopping = False
        self._running: Deferred[None] | None = None

    def start(self) -> Deferred[None]:
        """
        :returns: fires when it was stopped; fails with :exc:`Refused`, with
            :exc:`Unavailable` after too many attempts, or with what the listener
            raised.
        """
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(self._ended)
        return self._running

    def stop(self) -> None:
        self._stopping = True
        if self._running is not None:
            self._running.cancel()

    def _ended(self, failure: Failure) -> None:
        if not self._stopping:
            failure.raiseException()

    async def _run(self) -> None:
        failures, pauses = 0, self._pauses()
        while True:
            self._well, least = False, 0.0
            try:
                await self._connect()
                reason = "the server ended the stream"
            except Unavailable as error:
                reason, least = str(error), error.retry_after
            if self._stopping:  # what a cancelled request fails with says nothing
                return
            if self._well:
                failures, pauses = 0, self._pauses()
            failures += 1
            if failures == self._request.attempts:
                raise Unavailable(reason)
            # Longer than we were told, by chance: others were told the same.
            pause = max(next(pauses), self._retry, least)
            pause *= self._random.uniform(1.0, 1.2)
            self._listener.lost(reason, pause)
            await deferLater(self._clock, pause)

    def _pauses(self) -> Iterator[float]:
        return backoff(self._retry, max(self._retry, LONGEST_PAUSE))

    async def _connect(self) -> None:
        """
        One connection, to its end.

        :raises Unavailable: it did not come about, or broke.
        :raises Refused: there is no use in another.
        """
        response = await self._ask()
        if response.code != 200:
            raise await self._refusal(response)
        kind = _header(response, "Content-Type")
        if kind.partition(";")[0].strip().lower() != "text/event-stream":
            raise Refused(f"no event stream but {kind or 'nothing'}: is the URL right?")
        parser = EventParser(self.cursor)
        try:
            await self._read(
                response, lambda data: self._take(parser.feed(data)), SILENCE
            )
        except EventTooLarge as error:
            raise Refused(str(error)) from error

    async def _ask(self) -> IResponse:
        headers = Headers({"Accept": ["text/event-stream"]})
        for name, value in self._request.headers.items():
            headers.setRawHeaders(name, [value])
        if self.cursor:
            headers.setRawHeaders("Last-Event-ID", [self.cursor])
        asking = self._agent.request(b"GET", self._request.url.encode(), headers)
        asking.addTimeout(PATIENCE, self._clock, onTimeoutCancel=_no_answer)
        try:
            return await asking
        except Exception as error:
            raise Unavailable(f"no connection: {_one_line(cause_of(error))}") from error

    def _take(self, events: Iterator[Event]) -> None:
        for event in events:
            if event.retry is not None:
                told = max(event.retry / 1000, _SHORTEST_RETRY)
                self._retry = min(told, _LONGEST_WORD)
            self._listener.take(event)
            self.cursor = event.id
            # An error comes instead of a stream, too: that is no success.
            self._well = event.name != "error"

    async def _refusal(self, response: IResponse) -> Exception:
        """
        What a status other than 200 means.
        """
        code = response.code
        if code == 204:
            return Refused("the server has ended this stream for good")
        if 300 <= code < 400:
            target = _header(response, "Location")
            return Refused(f"{code}: redirected to {target or 'nowhere'}")
        said = f"{code}: {await self._said(response)}"
        if code < 500 and code not in (408, 425, 429):
            return Refused(said)
        return Unavailable(said, _seconds(_header(response, "Retry-After")))

    async def _said(self, response: IResponse) -> str:
        """
        The message of a refusal, as our server writes it; of others the beginning.
        """
        body = bytearray()

        def take(data: bytes) -> None:
            body.extend(data)
            if len(body) > _LONGEST_REFUSAL:
                raise Unavailable("too much of it")

        try:
            await self._read(response, take, PATIENCE)
            return str(loads(bytes(body))["error"]["message"])[:500]
        except (Unavailable, ValueError, LookupError, TypeError):
            phrase = response.phrase.decode("ascii", "replace")
            return phrase or " ".join(body[:200].decode("utf-8", "replace").split())

    async def _read(
        self, response: IResponse, take: Callable[[bytes], None], silence: float
    ) -> None:
        """
        :raises Unavailable: the connection broke, or is silent.
        """
        body = Body(take, self._clock, silence)
        response.deliverBody(body)
        try:
            await body.done
        except Broken as error:
            raise Unavailable(str(error)) from error


def _no_answer(_: object, seconds: float) -> Failure:
    return Failure(Broken(f"no answer within {seconds:.0f} s"))


def _one_line(error: BaseException | None) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return text[:200] or type(error).__name__


def _header(response: IResponse, name: str) -> str:
    values = response.headers.getRawHeaders(name)
    return values[-1].strip() if values else ""


def _seconds(text: str) -> float:
    """
    Of a ``Retry-After``; 0 where it gives none.
    """
    if not re.fullmatch(r"[0-9]{1,9}", text):
        return 0.0
    return min(float(text), _LONGEST_WORD)
