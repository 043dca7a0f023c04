"""
ESI: killmail bodies by id and hash, and names of ids (contracts.md §4).
"""

import re
from collections import deque
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
import msgspec
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from wanderer_twisted.interfaces import (
    IBodySource,
    INameSource,
    Refused,
    UpstreamError,
)
from wanderer_twisted.killmail import as_killmail_id
from wanderer_twisted.records import NamesFound
from wanderer_twisted.sources.body import BadAnswer
from wanderer_twisted.sources.exchange import Answer
from wanderer_twisted.sources.http import Client, Manners, Upstream

#: The daily downtime, in seconds of the day, UTC: 10:58 to 11:20.
_DOWNTIME = range(10 * 3600 + 58 * 60, 11 * 3600 + 20 * 60)

#: Tokens that a killmail costs, and below which part of the limit to go slowly.
_COST, _SCARCE = 2, 0.05

#: Errors left in this minute, below which nothing more is risked.
_ERRORS_KEPT = 20

#: Ids in one call, and how many calls one question for names may cost. Each bad id
#: costs errors of the hundred that a minute allows.
_CHUNK, _MOST_CALLS = 1000, 40

#: NPCs that appear as characters, of whom nobody knows whether they have names: how
#: many to ask for at once, and seconds to let them be after one was refused.
_NPC_CHARACTERS = range(3_000_000, 4_000_000)
_MOST_NPCS, _NPC_PAUSE = 4, 60.0

_HASH = re.compile(r"[0-9a-f]{40}")
_WINDOW = re.compile(r"([0-9]+)/([0-9]+)([smh])")


@implementer(IBodySource, INameSource)
class Esi:
    """
    Two upstreams of one host, so that names do not queue behind bodies; what the host
    says of its health holds for both.
    """

    def __init__(
        self,
        bodies: Upstream,
        names: Upstream,
        clock: IReactorTime,
        url: str,
        compatibility_date: str,
    ) -> None:
        self._bodies = bodies
        self._names = names
        self._clock = clock
        self._url = url.rstrip("/")
        self._headers = {"X-Compatibility-Date": compatibility_date}
        self._usual_interval = bodies.pace.interval
        self._npcs_wait_until = 0.0

    async def body(self, killmail_id: int, hash: str) -> Any:
        if not _HASH.fullmatch(hash):
            raise Refused(f"esi: {hash!r:.60} is no hash")
        if as_killmail_id(killmail_id) is None:
            raise Refused("esi: its id is none that a killmail can have")
        url = f"{self._url}/killmails/{killmail_id}/{hash}/"
        down = self._seconds_down() > 0
        answer = await self._bodies.get(
            url, headers=self._headers, attempts=1 if down else 3
        )
        self._heed(answer)
        # Not 400: that is about how we ask, and so the same for every killmail.
        if answer.status in (404, 422):
            raise Refused(answer.unexpected().reason)
        if answer.status != 200:
            raise self._not_now(answer)
        document = answer.json()
        told = document.get("killmail_id") if isinstance(document, dict) else None
        if told != killmail_id:
            raise BadAnswer(f"{answer.upstream}: {answer.url} is not that killmail")
        return document

    async def names(self, ids: Collection[int]) -> NamesFound:
        wanted = sorted({each for each in ids if 0 < each < 2**31})
        found = _Found()
        others = [each for each in wanted if each not in _NPC_CHARACTERS]
        await self._search(others, found)
        npcs = [each for each in wanted if each in _NPC_CHARACTERS][:_MOST_NPCS]
        now = self._clock.seconds()
        if now >= self._npcs_wait_until and await self._search(npcs, found):
            self._npcs_wait_until = now + _NPC_PAUSE
        if found.error is not None and not (found.names or found.unknown):
            raise found.error
        return NamesFound(found.names, frozenset(found.unknown))

    async def _search(self, ids: Sequence[int], found: "_Found") -> bool:
        """
        Whole chunks first, then the halves of those that were refused: one bad id
        spoils the answer for all.

        :returns: whether some ids are bad.
        """
        batches = deque(
            ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK)
        )
        refused, calls = False, 0
        while batches and calls < _MOST_CALLS and found.error is None:
            batch = batches.popleft()
            calls += 1
            try:
                names = await self._ask(batch)
            except UpstreamError as error:
                found.error = error
                break
            if names is not None:
                found.names.update(names)
                continue
            refused = True
            if len(batch) == 1:
                found.unknown.update(batch)
            else:
                middle = len(batch) // 2
                batches += (batch[:middle], batch[middle:])
        return refused

    async def _ask(self, ids: Sequence[int]) -> dict[int, str] | None:
        """
        :returns: names; None if one of the ids, or more, has none.
        """
        url = f"{self._url}/universe/names/"
        answer = await self._names.post(url, list(ids), headers=self._headers)
        self._heed(answer)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise self._not_now(answer)
        try:
            rows = msgspec.convert(answer.json(), list[_Row])
        except msgspec.ValidationError as error:
            raise BadAnswer(f"{answer.upstream}: {answer.url}: {error}") from error
        asked = frozenset(ids)
        return {row.id: row.name for row in rows if row.id in asked}

    def _heed(self, answer: Answer) -> None:
        """
        Do what the headers, or the hour, ask for.
        """
        errors_left = _integer(answer.header("X-Esi-Error-Limit-Remain"))
        if errors_left is not None and errors_left < _ERRORS_KEPT:
            self._hold(_reset(answer), f"has {errors_left} errors left for us")
        elif answer.status == 420:
            self._hold(_reset(answer), "had too many errors of ours")
        if answer.status >= 500 and (down := self._seconds_down()):
            self._hold(down, "is in its daily downtime")
        limit = _WINDOW.fullmatch(answer.header("X-Ratelimit-Limit"))
        remaining = _integer(answer.header("X-Ratelimit-Remaining"))
        if answer.upstream == self._bodies.name and limit and remaining is not None:
            tokens = int(limit[1])
            window = int(limit[2]) * {"s": 1, "m": 60, "h": 3600}[limit[3]]
            scarce = remaining < _SCARCE * tokens
            # Half of what the limit gives back lets it recover.
            slow = 2 * window * _COST / max(1, tokens)
            self._bodies.pace.interval = slow if scarce else self._usual_interval

    def _hold(self, seconds: float, reason: str) -> None:
        for upstream in (self._bodies, self._names):
            upstream.hold(seconds, reason)

    def _not_now(self, answer: Answer) -> UpstreamError:
        if answer.status == 420:
            return answer.unexpected(_reset(answer))
        if answer.status == 403:
            return answer.unexpected(600)
        if answer.status >= 500:
            return answer.unexpected(self._seconds_down() or 10)
        return answer.unexpected(60)

    def _seconds_down(self) -> float:
        """
        Seconds until the daily downtime is over; 0 outside of it.
        """
        now = datetime.fromtimestamp(self._clock.seconds(), UTC)
        second = now.hour * 3600 + now.minute * 60 + now.second
        return _DOWNTIME.stop - second if second in _DOWNTIME else 0.0


class _Row(msgspec.Struct):
    id: int
    name: str


@attrs.define
class _Found:
    """
    What a search for names came to.

    :ivar error: what ended it before it was done.
    """

    names: dict[int, str] = attrs.field(factory=dict)
    unknown: set[int] = attrs.field(factory=set)
    error: UpstreamError | None = None


def make_esi(
    client: Client, clock: IReactorTime, url: str, compatibility_date: str
) -> Esi:
    """
    :param url: of the service, ``https://esi.evetech.net``.
    :param compatibility_date: ``YYYY-MM-DD``.
    """
    bodies = client.upstream(
        "esi", Manners(per_second=10.0, burst=10, in_flight=8, timeout=20.0)
    )
    names = client.upstream("esi-names", Manners(per_second=5.0, timeout=20.0))
    return Esi(bodies, names, clock, url, compatibility_date)


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _reset(answer: Answer) -> float:
    """
    Seconds until errors are forgiven: the rest of a minute.
    """
    seconds = _integer(answer.header("X-Esi-Error-Limit-Reset"))
    return 60.0 if seconds is None else min(float(seconds), 60.0) + 1.0
