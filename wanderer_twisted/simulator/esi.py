"""
ESI: killmails by id and hash, names by ids, and the state of the server
(contracts.md §4).
"""

import re
from collections import deque
from datetime import UTC, date, datetime
from email.utils import formatdate
from hashlib import sha1

import attrs
from twisted.internet.interfaces import IReactorTime

from wanderer_twisted.encoding import loads
from wanderer_twisted.simulator.exchange import Ask, Reply, json_reply
from wanderer_twisted.simulator.world import World

_WINDOW = 900.0
_MONTH = 2_592_000
_ERRORS, _ERROR_WINDOW = 100, 60
_MOST_NAMES = 1_000
_DOWNTIME = 11 * 3_600  # ESI's days begin at 11:00 UTC

_KILLMAIL = re.compile(r"(?:/latest|/v1)?/killmails/([^/]+)/([^/]+)/?")
_NAMES = re.compile(r"(?:/latest|/v[123])?/universe/names/?")
_STATUS = re.compile(r"(?:/latest|/v[12])?/status/?")


@attrs.define
class _Bucket:
    """
    Tokens of one address in a floating window.
    """

    group: str
    tokens: int
    spent: deque[tuple[float, int]] = attrs.field(factory=deque)

    def used(self, now: float) -> int:
        while self.spent and self.spent[0][0] <= now - _WINDOW:
            self.spent.popleft()
        return sum(tokens for _, tokens in self.spent)

    def headers(self, now: float, cost: int) -> dict[str, str]:
        return {
            "X-Ratelimit-Group": self.group,
            "X-Ratelimit-Limit": f"{self.tokens}/15m",
            "X-Ratelimit-Remaining": str(max(0, self.tokens - self.used(now))),
            "X-Ratelimit-Used": str(cost),
        }


class _ErrorLimit:
    """
    The old limit: so many errors of one address in each minute.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._minute = 0
        self._errors: dict[str, int] = {}

    def _turn(self) -> int:
        now = int(self._clock.seconds())
        if now // _ERROR_WINDOW != self._minute:
            self._minute = now // _ERROR_WINDOW
            self._errors.clear()
        return now

    def count(self, address: str) -> None:
        self._turn()
        self._errors[address] = self._errors.get(address, 0) + 1

    def remain(self, address: str) -> int:
        self._turn()
        return max(0, _ERRORS - self._errors.get(address, 0))

    def headers(self, address: str) -> dict[str, str]:
        now = self._turn()
        return {
            "X-Esi-Error-Limit-Remain": str(self.remain(address)),
            "X-Esi-Error-Limit-Reset": str(_ERROR_WINDOW - now % _ERROR_WINDOW),
        }


class ESI:
    """
    The service.
    """

    null = b"null"

    def __init__(self, world: World) -> None:
        self._world = world
        self._clock = world.clock
        self._buckets: dict[tuple[str, str], _Bucket] = {}
        self._errors = _ErrorLimit(world.clock)

    def close(self) -> None:
        """
        Nothing is ever under way.
        """

    async def answer(self, ask: Ask) -> Reply:
        limits = self._world.rules.limits
        if limits and self._errors.remain(ask.address) == 0:
            return _error(420, _TOO_MANY_ERRORS)
        bucket = self._bucket(ask)
        if limits and bucket is not None:
            now = self._clock.seconds()
            if bucket.used(now) >= bucket.tokens:
                wait = bucket.spent[0][0] + _WINDOW - now
                again = {"Retry-After": str(int(wait) + 1)}
                return _error(429, "Too many requests").with_headers(again)
        bad_date = self._bad_date(ask.headers.get("x-compatibility-date"))
        if bad_date is not None:
            return _error(400, bad_date)
        killmail = _KILLMAIL.fullmatch(ask.path)
        if killmail:
            if ask.method not in ("GET", "HEAD"):
                return _error(405, "Method not allowed")
            return self._killmail(ask, *killmail.groups())
        if _NAMES.fullmatch(ask.path):
            if ask.method != "POST":
                return _error(405, "Method not allowed")
            return self._names(ask.body)
        if _STATUS.fullmatch(ask.path):
            return self._status()
        return _error(404, "Requested page does not exist!")

    def finish(self, ask: Ask, reply: Reply) -> Reply:
        """
        Take the tokens, or count the error, that the answer costs.
        """
        now = self._clock.seconds()
        bucket = self._bucket(ask)
        if bucket is not None:
            cost = _cost(reply.status)
            if cost:
                bucket.spent.append((now, cost))
            headers = bucket.headers(now, cost)
        else:
            if reply.status >= 400 and reply.status != 420:
                self._errors.count(ask.address)
            headers = self._errors.headers(ask.address)
        headers["X-Compatibility-Date"] = "2020-01-01"  # the date of the route
        headers["Access-Control-Allow-Origin"] = "*"
        return reply.with_headers(headers)

    def _bucket(self, ask: Ask) -> _Bucket | None:
        for group, tokens, pattern in _BUCKETS:
            if pattern.fullmatch(ask.path):
                key = (group, ask.address)
                return self._buckets.setdefault(key, _Bucket(group, tokens))
        return None

    def _bad_date(self, text: str | None) -> str | None:
        if text is None:
            return None
        try:
            wanted = date.fromisoformat(text)
        except ValueError:
            return "Invalid X-Compatibility-Date"
        today = datetime.fromtimestamp(self._clock.seconds() - _DOWNTIME, UTC).date()
        return "X-Compatibility-Date is in the future" if wanted > today else None

    def _killmail(self, ask: Ask, id: str, hash: str) -> Reply:
        if not re.fullmatch("[0-9]{1,18}", id) or not re.fullmatch("[0-9a-f]+", hash):
            return _error(400, "Invalid killmail_id or killmail_hash")
        posting = self._world.postings.get(int(id))
        if posting is None or posting.hash != hash:
            return _error(422, "Invalid killmail_id and/or killmail_hash")
        tag = f'"{sha1(hash.encode()).hexdigest() + hash[:16]}"'
        headers = {
            "Cache-Control": "public",
            "ETag": tag,
            "Last-Modified": formatdate(posting.published_at, usegmt=True),
            "Expires": formatdate(self._clock.seconds() + _MONTH, usegmt=True),
        }
        if ask.headers.get("if-none-match", "").removeprefix("W/") == tag:
            return Reply(304, headers=headers)
        return Reply(200, posting.esi(), headers=headers)

    def _names(self, body: bytes) -> Reply:
        try:
            ids = loads(body)
        except ValueError:
            return _error(400, "Request body is not JSON")
        if not isinstance(ids, list) or not 1 <= len(ids) <= _MOST_NAMES:
            return _error(400, f"Expected 1 to {_MOST_NAMES} ids")
        if not all(type(id) is int for id in ids) or len(set(ids)) != len(ids):
            return _error(400, "Expected unique integers")
        found = self._world.names.find(ids)
        if found is None:
            return _error(404, "Ensure all IDs are valid before resolving.")
        return json_reply(found)

    def _status(self) -> Reply:
        started = datetime.fromtimestamp(self._world.started_at, UTC)
        return json_reply(
            {
                "players": 23_456,
                "server_version": "3214567",
                "start_time": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )


def _error(status: int, message: str) -> Reply:
    return json_reply({"error": message}, status)


def _cost(status: int) -> int:
    return {2: 2, 3: 1, 4: 0 if status == 429 else 5}.get(status // 100, 0)


_BUCKETS = (("killmail", 3_600, _KILLMAIL), ("status", 600, _STATUS))
_TOO_MANY_ERRORS = (
    "This software has exceeded the error limit for ESI. If you are a user, please"
    " contact the maintainer of this software. If you are a developer/maintainer,"
    " please make a greater effort in the future to receive valid responses."
)
