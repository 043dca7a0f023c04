"""
zKillboard's API: pages of killmails, newest first (contracts.md §3).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import attrs

from wanderer_twisted.simulator.data import Entity, php
from wanderer_twisted.simulator.exchange import (
    HTML,
    Ask,
    Reply,
    Throttle,
    html_reply,
    json_reply,
    redirect,
)
from wanderer_twisted.simulator.postings import Posting
from wanderer_twisted.simulator.world import World

_PAGE = 200
_LAST_PAGE = 100
_WEEK = 604_800
_CACHED_URLS = 1_000
_ERRORS, _ERROR_WINDOW = 40, 300.0

_ENTITIES = {
    **{name: name for name in ("characterID", "corporationID", "allianceID")},
    **{name: name for name in ("factionID", "shipTypeID", "systemID", "warID")},
    "shipID": "shipTypeID",
    "solarSystemID": "systemID",
}
_OPEN = {"Access-Control-Allow-Origin": "*"}


class _BadModifiers(ValueError):
    """
    The message is the one that zKillboard gives.
    """


@attrs.frozen
class _Query:
    """
    :ivar entity: None where ``killID`` is asked for.
    """

    entity: Entity | None = None
    killmail_id: int | None = None
    side: str | None = None
    month: tuple[int, int] | None = None
    past_seconds: int | None = None
    page: int = 1


class ZKillboard:
    """
    The service.
    """

    null = b"[null]"

    def __init__(self, world: World, prefix: str) -> None:
        """
        :param prefix: of this service's paths, for its redirects.
        """
        self._world = world
        self._clock = world.clock
        self._prefix = prefix
        self._throttle = Throttle(world.clock, 1.0)
        self._errors = Throttle(world.clock, _ERROR_WINDOW)
        self._cache: dict[str, tuple[float, bytes]] = {}

    def close(self) -> None:
        """
        Nothing is ever under way.
        """

    def finish(self, ask: Ask, reply: Reply) -> Reply:
        return reply.with_headers(_OPEN)

    async def answer(self, ask: Ask) -> Reply:
        rules = self._world.rules
        if not ask.headers.get("user-agent", "").strip():
            return html_reply(403, "403 Forbidden")
        if rules.limits and self._throttle.over(ask.address, rules.zkb_per_second):
            return html_reply(429, "429 Too Many Requests")
        if ask.query is not None:
            body = b"403 Forbidden - Do not include a query string to evade cache"
            return Reply(403, body, HTML)
        if "//" in ask.path:
            where = self._prefix + re.sub("//+", "/", ask.path)
            return Reply(301, b"", HTML, {"Location": where})
        if ask.path == "/api/blocked.json":
            return json_reply({"error": "You have been blocked for too many errors."})
        if not ask.path.startswith("/api/"):
            return html_reply(404, "404 Not Found")
        if not ask.path.endswith("/"):
            return Reply(200, b"", HTML, reason="Missing trailing slash")
        return self._api(ask)

    def _api(self, ask: Ask) -> Reply:
        now = self._clock.seconds()
        rules = self._world.rules
        cached_until, body = self._cache.get(ask.path, (0.0, b""))
        if not now < cached_until:
            try:
                query = _parse(ask.path.removeprefix("/api/").split("/")[:-1], now)
            except _BadModifiers as error:
                if rules.limits and self._errors.over(ask.address, _ERRORS):
                    return redirect(f"{self._prefix}/api/blocked.json")
                return json_reply({"error": str(error)})
            body = self._list(query, now)
            self._remember(ask.path, now + rules.zkb_cache, body)
        headers = {"Cache-Control": f"public, max-age={int(rules.zkb_cache)}"}
        return Reply(200, body, headers=headers)

    def _remember(self, path: str, until: float, body: bytes) -> None:
        self._cache.pop(path, None)
        self._cache[path] = (until, body)
        while len(self._cache) > _CACHED_URLS:
            del self._cache[next(iter(self._cache))]

    def _list(self, query: _Query, now: float) -> bytes:
        if query.past_seconds is not None and query.past_seconds % 3_600:
            return self.null  # the query fails behind the scenes
        found = [each for each in self._find(query) if _fits(each, query, now)]
        start = (query.page - 1) * _PAGE
        newest = now - self._world.rules.zkb_hold_back
        # Dropped only now: a page may hold fewer than 200 and not be the last.
        rows = [p for p in found[start : start + _PAGE] if p.kill_time <= newest]
        return b"[%b]" % b",".join(map(self._row, rows))

    def _find(self, query: _Query) -> Sequence[Posting]:
        if query.entity is not None:
            return self._world.listing(query.entity, query.side)
        posting = self._world.postings.get(query.killmail_id or 0)
        return [] if posting is None else [posting]

    def _row(self, posting: Posting) -> bytes:
        if self._world.rules.zkb_bodies:
            return b'%b,"zkb":%b}' % (php(posting.esi())[:-1], posting.zkb())
        return b'{"killmail_id":%d,"zkb":%b}' % (posting.killmail_id, posting.zkb())


def _fits(posting: Posting, query: _Query, now: float) -> bool:
    if query.month is not None:
        moment = datetime.fromtimestamp(posting.kill_time, UTC)
        if (moment.year, moment.month) != query.month:
            return False
    return query.past_seconds is None or posting.kill_time >= now - query.past_seconds


def _parse(segments: Sequence[str], now: float) -> _Query:
    """
    :raises _BadModifiers: zKillboard would not have it.
    """
    entity: Entity | None = None
    found: dict[str, int] = {}
    side: str | None = None
    rest = iter(segments)
    for name in rest:
        if name in ("kills", "losses"):
            side = name
        elif name in _ENTITIES or name == "killID":
            value = _number(name, next(rest, ""))
            if name == "killID":
                found[name] = value
            else:
                entity = (_ENTITIES[name], value)
        elif name in _NUMBERS:
            if entity is None:
                raise _BadModifiers("Please provide an entity filter first.")
            found[name] = _bounded(name, next(rest, ""), now)
        elif name != "pretty":
            raise _BadModifiers(_DISABLED.get(name, f"{name} is an invalid parameter"))
    if entity is None and "killID" not in found:
        raise _BadModifiers("Please provide an entity filter first.")
    month = None
    if "month" in found:  # a year without a month is ignored
        this_year = datetime.fromtimestamp(now, UTC).year
        month = (found.get("year", this_year), found["month"])
    return _Query(
        entity=entity,
        killmail_id=found.get("killID"),
        side=side,
        month=month,
        past_seconds=found.get("pastSeconds"),
        page=found.get("page", 1),
    )


def _number(name: str, text: str) -> int:
    if "," in text:
        raise _BadModifiers(
            "Due to exccessive abuse, multiple values separated by commas are no"
            " longer supported"
        )
    if not re.fullmatch("[1-9][0-9]{0,18}", text):
        raise _BadModifiers(f"{text} is not a valid value for {name}")
    return int(text)


def _bounded(name: str, text: str, now: float) -> int:
    value = _number(name, text)
    least, most = 1, _NUMBERS[name]
    if name == "year":
        least, most = 2007, datetime.fromtimestamp(now, UTC).year
    if not least <= value <= most:
        raise _BadModifiers(_TOO_MUCH.get(name, f"{text} is not a valid {name}"))
    return value


_NUMBERS: Mapping[str, int] = {
    **{"page": _LAST_PAGE, "pastSeconds": _WEEK},
    **{"year": 9999, "month": 12},
}
_TOO_MUCH = {
    "page": "page value > 100 not allowed",
    "pastSeconds": "pastSeconds is limited to a max of 7 days",
}
_ABUSE = "startTime/endTime no longer supported in api because of abuse"
_DISABLED = {
    "startTime": _ABUSE,
    "endTime": _ABUSE,
    "limit": (
        "Due to abuse of the limit parameter to avoid caches the ability to modify"
        " limit has been revoked for all users"
    ),
}
