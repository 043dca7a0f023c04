"""
One HTTP request and its answer, whole, bounded and in time.

No redirect is followed, no cookie kept, nothing cached. Whatever can go wrong between
here and there becomes an :exc:`UpstreamError` with a reason of one line; what a status
means is for the callers to say.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, BinaryIO

import attrs
from treq.client import HTTPClient
from treq.cookies import IndexableCookieJar
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from wanderer_twisted import SERVER_NAME
from wanderer_twisted.encoding import dumps, loads
from wanderer_twisted.interfaces import UpstreamError
from wanderer_twisted.sources.body import BadAnswer, Body, NotKept

#: No upstream is left alone for longer than this on its own word.
LONGEST_RETRY_AFTER = 3600.0

_ENCODING = "X-Content-Encoding"


class Unreachable(UpstreamError):
    """
    No answer, or not the whole of one.
    """


class TimedOut(Unreachable):
    """
    The whole answer was not there in time.
    """


@attrs.frozen
class Request:
    """
    :ivar document: sent as JSON; None for no body.
    :ivar timeout: seconds for connecting, head and body together.
    :ivar max_body: decoded bytes of the answer.
    :ivar sink: where the decoded body of an answer goes as it comes, whatever its
        status; None to have it in the answer.
    """

    method: str
    url: str
    params: Mapping[str, str] = attrs.field(factory=dict)
    headers: Mapping[str, str] = attrs.field(factory=dict)
    document: object = None
    timeout: float = 30.0
    max_body: int = 8 << 20
    sink: BinaryIO | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Answer:
    """
    :ivar retry_after: seconds, where the upstream gave any.
    """

    upstream: str
    url: str
    status: int
    headers: Headers = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    retry_after: float | None = None

    def header(self, name: str) -> str:
        """
        The last value of a header; empty where there is none.
        """
        values = self.headers.getRawHeaders(name)
        return values[-1].strip() if values else ""

    def json(self) -> Any:
        """
        :raises BadAnswer: the body is not JSON, HTML for instance.
        """
        try:
            return loads(self.body)
        except ValueError as error:
            text = self.body[:60].decode("utf-8", "replace").strip()
            if not text:
                problem = "is empty"
            elif text.startswith("<"):
                problem = f"is not JSON but {text!r}"
            else:
                problem = f"is not JSON: {_one_line(str(error))}"
            raise BadAnswer(f"{self.upstream}: {self.url} {problem}") from error

    def unexpected(self, retry_after: float | None = None) -> UpstreamError:
        """
        The error that a status nobody wanted becomes.

        :param retry_after: seconds, where the upstream gave none itself.
        """
        reason = f"{self.upstream}: {self.status} for {self.url}"
        if 300 <= self.status < 400:
            # Without its query: that may be ours, with the name of a queue.
            location = self.header("Location").partition("?")[0]
            reason += f", redirected to {location[:120]!r}"
        elif self.body and not self.body.lstrip().startswith(b"<"):  # HTML says nothing
            reason += ": " + _one_line(self.body[:200].decode("utf-8", "replace"))
        return UpstreamError(reason, self.retry_after or retry_after)


class Exchange:
    """
    Sends requests and reads their answers.

    :ivar user_agent: never blank: Cloudflare answers a blank one with 403
        (contracts.md §2, §3).
    """

    def __init__(self, agent: IAgent, clock: IReactorTime, contact: str) -> None:
        """
        :param contact: e-mail or URL by which upstreams can reach the operator.
        """
        contact = " ".join(contact.encode("ascii", "ignore").decode().split())
        self.user_agent = f"{SERVER_NAME} (+{contact})" if contact else SERVER_NAME
        self._clock = clock
        self._http = HTTPClient(
            _Undecoded(agent),
            IndexableCookieJar(DefaultCookiePolicy(allowed_domains=())),
            data_to_body_producer=_Whole,
        )

    async def send(self, upstream: str, request: Request) -> Answer:
        """
        :param upstream: its name, for reasons.
        :raises BadAnswer: the body is too large, or wrongly encoded.
        :raises TimedOut: the answer was not complete in time.
        :raises NotKept: the file that its body goes to cannot be written.
        :raises Unreachable: anything else.
        """
        given_up: type[Exception] | None = None

        def give_up(_: object) -> None:
            nonlocal given_up
            given_up = given_up or CancelledError
            work.cancel()

        def expire() -> None:
            nonlocal given_up
            given_up = TimedOut
            answer.cancel()

        # What a cancelled request fails with depends on how far it came: from a failed
        # look-up to a broken connection. So who gave up is noted here.
        answer: Deferred[Answer] = Deferred(give_up)
        timer = self._clock.callLater(request.timeout, expire)
        work = Deferred.fromCoroutine(self._answer(upstream, request))
        work.addBoth(lambda result: None if answer.called else answer.callback(result))
        about = f"{upstream}: {request.url}"
        try:
            return await answer
        except Exception as error:
            if given_up is CancelledError:
                raise CancelledError from error
            if given_up is TimedOut:
                seconds = f"{request.timeout:g} s"
                raise TimedOut(f"{about}: no whole answer within {seconds}") from error
            if isinstance(error, BadAnswer):
                raise BadAnswer(f"{about}: {error.reason}") from error
            if isinstance(error, NotKept):
                raise
            raise Unreachable(f"{about}: {_describe(error)}") from error
        finally:
            if timer.active():
                timer.cancel()

    async def _answer(self, upstream: str, request: Request) -> Answer:
        headers = Headers()
        headers.setRawHeaders("User-Agent", [self.user_agent])
        headers.setRawHeaders("Accept", ["application/json"])
        data = None
        if request.document is not None:
            headers.setRawHeaders("Content-Type", ["application/json"])
            data = dumps(request.document)
        for name, value in request.headers.items():
            headers.setRawHeaders(name, [value])
        response = await self._http.request(
            request.method,
            request.url,
            params=dict(request.params),
            headers=headers,
            data=data,
            allow_redirects=False,
            unbuffered=True,
            reactor=self._clock,  # type: ignore[arg-type]  # or treq imports the global
        )
        encoding = _header(response.headers, _ENCODING)
        body = Body(request.max_body, encoding, request.sink)
        response.deliverBody(body)
        return Answer(
            upstream=upstream,
            url=request.url,
            status=response.code,
            headers=response.headers,
            body=await body.done,
            retry_after=_retry_after(response.headers, self._clock.seconds()),
        )


@implementer(IAgent)
class _Undecoded:
    """
    Hides from treq that answers are encoded: its decoder hands over all that a gzip
    bomb holds in one piece, and no cap comes before that.
    """

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,  # noqa: N803  (IAgent's name)
    ) -> "Deferred[IResponse]":
        return self._agent.request(method, uri, headers, bodyProducer).addCallback(
            self._hide
        )

    def _hide(self, response: IResponse) -> IResponse:
        encodings = response.headers.getRawHeaders("Content-Encoding", [])
        response.headers.removeHeader("Content-Encoding")
        response.headers.setRawHeaders(_ENCODING, [", ".join(encodings)])
        return response


@implementer(IBodyProducer)
class _Whole:
    """
    A request's body, written at once.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:  # noqa: N802
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """
        Nothing is left to pause.
        """

    def resumeProducing(self) -> None:
        """
        Nothing was paused.
        """

    def stopProducing(self) -> None:
        """
        Nothing is left to stop.
        """


def _header(headers: Headers, name: str) -> str:
    values = headers.getRawHeaders(name)
    return values[-1] if values else ""


def _retry_after(headers: Headers, now: float) -> float | None:
    text = _header(headers, "Retry-After").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        seconds = float(text)
    else:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return min(seconds, LONGEST_RETRY_AFTER) if seconds > 0 else None


def _describe(error: Exception) -> str:
    reasons = getattr(error, "reasons", None)
    cause = reasons[0].value if reasons else error
    return _one_line(f"{type(cause).__name__}: {cause}")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
