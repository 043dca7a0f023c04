"""
Who may ask: tokens, where the operator wants them. Without a file of tokens everybody
may.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, Final, Literal, Protocol

from msgspec import UNSET
from msgspec.structs import asdict
from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from wanderer_twisted.config import Token
from wanderer_twisted.web.errors import Spent, unauthorized
from wanderer_twisted.web.given import TOKEN
from wanderer_twisted.web.values import unquote

End = Literal["token_revoked", "token_expired"]
ENDS: Final[Mapping[End, str]] = {
    "token_revoked": "This token was revoked",
    "token_expired": "This token has expired",
}

#: Tokens that were in the file once: who comes with one is told that it is over.
MOST_REMOVED: Final = 1000

#: Seconds; a clock may be set, and a reactor's timer has a maximum of some weeks.
_LONGEST_WAIT: Final = 3600.0

#: A line of the log names no more.
_MOST_NAMED: Final = 10


class Stream(Protocol):
    """
    What ends with its token.
    """

    def when_closed(self, call: Callable[[str], object]) -> None: ...

    def end(self, kind: str, message: str) -> None: ...


class Holder:
    """
    Whoever comes with one token.

    :ivar token: what the file says of it, or said last.
    :ivar removed: whether the file has it no more.
    :ivar places: how many streams are admitted under it.
    :ivar streams: those that are open, to be ended with it.
    """

    def __init__(self, token: Token, clock: IReactorTime) -> None:
        self.token = token
        self.removed = False
        self.places = 0
        self.streams: set[Stream] = set()
        self._clock = clock

    @property
    def name(self) -> str:
        return self.token.name

    @property
    def connections(self) -> int | None:
        """
        How many streams it may have open; None for no limit of its own.
        """
        most = self.token.limits.connections
        return None if most is UNSET else most

    @property
    def ids(self) -> dict[str, Any]:
        """
        How many ids its requests may name, by the names of limits; of those that are
        not there the server's count.
        """
        limits = asdict(self.token.limits)
        return {
            name: most
            for name, most in limits.items()
            if name != "connections" and most is not UNSET
        }

    @property
    def over(self) -> End | None:
        """
        Why the token does not count any more; None while it does.
        """
        if self.removed or self.token.revoked:
            return "token_revoked"
        end = self.token.expires_at
        if end is not None and self._clock.seconds() >= end:
            return "token_expired"
        return None

    def check(self) -> None:
        """
        :raises Spent: the token is over.
        """
        over = self.over
        if over is not None:
            raise Spent(401, "auth", over, ENDS[over])

    def hold(self, stream: Stream) -> None:
        """
        Have *stream* end with the token, which may be over by now.
        """
        self.streams.add(stream)
        stream.when_closed(lambda why: self.streams.discard(stream))
        self.end_streams_if_over()

    def end_streams_if_over(self) -> None:
        over = self.over
        if over is not None:
            for stream in list(self.streams):
                stream.end(over, ENDS[over])


class Tokens(Service):
    """
    The tokens that are known. While it runs, the streams of one that expires are ended.

    :param tokens: None where nobody needs one.
    :ivar wanted: whether requests need one.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, tokens: Iterable[Token] | None = None
    ) -> None:
        self.wanted = tokens is not None
        self._clock = clock
        self._holders = {token.sha256: Holder(token, clock) for token in tokens or ()}
        self._timer: IDelayedCall | None = None

    def startService(self) -> None:
        super().startService()
        self._watch()

    def stopService(self) -> None:
        super().stopService()
        self._stop_watching()

    def find(self, token: bytes | None) -> Holder | None:
        """
        :param token: as the client sent it; it may be over.
        :returns: None where nobody needs one.
        :raises ApiError: 401: there is none, or nobody knows it.
        """
        if not self.wanted:
            return None
        if not token:
            raise unauthorized(
                "A token is needed here: in the header Authorization: Bearer, or as"
                f" the parameter {TOKEN}"
            )
        digest = sha256(token).hexdigest()
        holder = self._holders.get(digest)
        if holder is None or not hmac.compare_digest(holder.token.sha256, digest):
            raise unauthorized("This token is not known here")
        return holder

    def replace(self, tokens: Iterable[Token] | None) -> None:
        """
        Take in what the file says now, and end the streams whose tokens are over.

        :param tokens: None where nobody needs one any more: who has a stream keeps it.
        """
        self.wanted = tokens is not None
        if tokens is not None:
            self._take(tokens)
        self._end_streams()

    def _take(self, tokens: Iterable[Token]) -> None:
        left, self._holders = self._holders, {}
        added, changed = [], []
        for token in tokens:
            holder = left.pop(token.sha256, None)
            if holder is None or holder.removed:
                added.append(token.name)
            elif holder.token != token:
                changed.append(token.name)
            holder = holder or Holder(token, self._clock)
            holder.token, holder.removed = token, False
            self._holders[token.sha256] = holder
        removed = [holder.name for holder in left.values() if not holder.removed]
        for holder in left.values():
            holder.removed = True
        # Those removed last are the last of all, and the first ones are forgotten.
        remembered = list(left.items())[-MOST_REMOVED:]
        self._holders = {**dict(remembered), **self._holders}
        for what, names in ("added", added), ("changed", changed), ("removed", removed):
            if names:
                self._log.info("Tokens {what}: {names}", what=what, names=_told(names))

    # --- expiry ---------------------------------------------------------------

    def _end_streams(self) -> None:
        if self.wanted:
            for holder in self._holders.values():
                holder.end_streams_if_over()
        self._watch()

    def _watch(self) -> None:
        """
        Look again when the next one expires.
        """
        self._stop_watching()
        if not (self.running and self.wanted):
            return
        ends = [
            end
            for holder in self._holders.values()
            if holder.over is None and (end := holder.token.expires_at) is not None
        ]
        if ends:
            left = min(ends) - self._clock.seconds()
            wait = min(max(0.0, left), _LONGEST_WAIT)
            self._timer = self._clock.callLater(wait, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._end_streams()

    def _stop_watching(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


def find_token(authorization: bytes | None, query: bytes) -> bytes | None:
    """
    The token in a request's head: in the header, or where that has none in the query,
    for EventSource, which cannot set a header.

    :param authorization: the header of that name; of another scheme than ``Bearer`` it
        is a proxy's, and says nothing here.
    """
    scheme, _, token = (authorization or b"").strip().partition(b" ")
    if scheme.lower() == b"bearer":
        return token.strip()
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if unquote(name) == TOKEN.encode():
            return unquote(value)
    return None


def _told(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
