"""
A live feed that speaks RedisQ's protocol (contracts.md §1). The service that invented
it was shut down in 2026 and its name must not be asked any more, so there is no default
host.

The queue at the other end forgets a killmail as it hands it out. So nothing is asked
for before the last one is in the store, one whose document cannot be fetched is asked
for again, and what was handed out is in the position before its document is fetched: it
outlives a stop, which waits for a request that is under way. What is left to lose is
what the queue takes out for a request that breaks off, and what was handed out while
the store could not be written until the end.
"""

import hashlib
import re
from collections.abc import Sequence
from random import Random
from typing import Any
from urllib.parse import urljoin, urlsplit

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from wanderer_twisted.encoding import dumps, loads, timestamp
from wanderer_twisted.interfaces import IKillmailFeed, UpstreamError
from wanderer_twisted.records import FeedPage, FeedPosition, FeedStatus, Hole, Package
from wanderer_twisted.sources.body import BadAnswer
from wanderer_twisted.sources.exchange import Answer
from wanderer_twisted.sources.feed import Health, attempt
from wanderer_twisted.sources.http import Client, Manners, Upstream
from wanderer_twisted.sources.pacing import Backoff

#: Seconds for which a queue is remembered when nobody listens.
QUEUE_SECONDS = 10800.0

#: How often an empty queue's position is written down, in seconds.
_POSITION_SECONDS = 60.0

#: How often one package's document is asked for before it is given up.
_TRIES, _SPOILED_TRIES = 10, 3

_HREF = re.compile(r"/killmails/[0-9]+/([0-9a-f]{40})(/|$)")
_HASH = re.compile(r"[0-9a-f]{40}")

#: Statuses that more haste does not help, and what they mean.
_REFUSALS = {
    400: "it does not take our queueID",
    404: "there is no such listener",
    429: "too fast, no queueID, or another listener has the queue",
}


@attrs.define
class _Handed:
    """
    What the queue handed out and forgot: the way to a package, or to none.

    :ivar asked_at: UNIX seconds: when the queue was asked.
    """

    url: str
    asked_at: float
    tries: int = 0
    spoiled: int = 0

    @property
    def nothing(self) -> bool:
        """
        The queue was empty (contracts.md §1).
        """
        return self.url.endswith("objectID=null")


@implementer(IKillmailFeed)
class RedisQFeed:
    """
    Long-polls one queue. A poll is one request: either it asks the queue, which waits
    up to *ttw* seconds for a killmail, or it fetches what the queue handed out.
    """

    window = 0

    _log = Logger()

    def __init__(
        self,
        name: str,
        upstream: Upstream,
        clock: IReactorTime,
        url: str,
        queue_id: str,
        ttw: int,
        random: Random,
    ) -> None:
        """
        :param url: of ``listen.php``.
        :param ttw: seconds that the server shall wait, 1 to 10.
        """
        self.name = name
        self._upstream = upstream
        self._clock = clock
        self._url = url
        self._params = {"queueID": queue_id, "ttw": str(ttw)}
        self._queue = hashlib.sha256(f"{url} {queue_id}".encode()).hexdigest()[:12]
        self._longest = ttw + 3.0  # before the queue answers (contracts.md §1)
        self._listening = False
        self._random = random
        self._health = Health(name, clock)
        self._backoff = Backoff(1.0, 60.0, random)
        self._bans = Backoff(600.0, 3600.0, random)
        self._handed: _Handed | None = None
        self._since: float | None = None
        self._listened = 0.0  # when the queue was asked last that answered: it lives on
        self._empty = 0.0  # when the queue was last seen to be empty
        self._told = 0.0  # when a position was last told

    @property
    def parting(self) -> float:
        return self._longest if self._listening else 0.0

    def restore(self, position: FeedPosition | None) -> None:
        if position is None:
            return
        try:
            cursor = loads(position.cursor.encode())
            listened, empty = float(cursor["listened"]), float(cursor["empty"])
            if cursor.get("queue", self._queue) != self._queue:
                listened = 0.0  # to another one: this has nothing of what came since
            handed = None
            if cursor.get("handed"):
                url, asked_at = cursor["handed"]
                handed = _Handed(str(url), float(asked_at))
        except (KeyError, TypeError, ValueError) as error:
            self._log.error(
                "{feed} begins anew: its position cannot be read: {reason}",
                feed=self.name,
                reason=repr(error),
            )
            return
        self._listened, self._empty, self._since = listened, empty, position.since
        self._handed = handed

    def status(self) -> FeedStatus:
        # Not the queue: everybody may read this, and who knows it can empty it.
        return self._health.status(timestamp(self._empty) if self._empty else "")

    async def poll(self) -> FeedPage:
        return await attempt(self._poll, self._health, self._backoff)

    async def _poll(self) -> FeedPage:
        if self._handed is None:
            return await self._listen()
        return await self._fetch(self._handed)

    async def _listen(self) -> FeedPage:
        asked_at = self._clock.seconds()
        self._listening = True
        try:
            answer = await self._upstream.get(
                self._url, params=self._params, timeout=self._longest + 17
            )
        finally:
            self._listening = False
        if answer.status == 200:  # as it was before December 2025
            package = _package(answer)
            return self._page(package, asked_at, self._queue_lives(asked_at))
        self._handed = _Handed(self._redirection(answer), asked_at)
        return self._page(None, None, self._queue_lives(asked_at))

    async def _fetch(self, handed: _Handed) -> FeedPage:
        handed.tries += 1
        try:
            answer = await self._upstream.get(handed.url)
            if answer.status == 404:
                return self._lose(handed, "its document is gone")
            if answer.status != 200:
                raise self._refusal(answer)
            package = _package(answer)
        except UpstreamError as error:
            handed.spoiled += isinstance(error, BadAnswer)
            if handed.tries >= _TRIES or handed.spoiled >= _SPOILED_TRIES:
                return self._lose(handed, error.reason)
            raise
        self._handed = None
        return self._page(package, handed.asked_at)

    def _queue_lives(self, asked_at: float) -> list[Hole]:
        """
        The queue was asked and answered: until now, or again.
        """
        now = self._clock.seconds()
        silence, self._listened = now - self._listened, asked_at
        self._health.answered()
        self._bans.reset()
        if self._since is None:
            self._since = self._empty = now
        elif silence > QUEUE_SECONDS:
            hole = self._hole()
            self._empty = now
            return [hole]
        return []

    def _lose(self, handed: _Handed, reason: str) -> FeedPage:
        self._log.error(
            "{feed} lost what {url} was: {reason}",
            feed=self.name,
            url=handed.url,
            reason=reason,
        )
        self._handed = None
        return self._page(None, None, [self._hole()])

    def _hole(self) -> Hole:
        """
        All that was queued since the queue was empty, and is not here, is lost.
        """
        self._since = self._clock.seconds()
        return Hole(self.name, 0, 0, self._empty, self._since)

    def _page(
        self,
        package: Package | None,
        asked_at: float | None,
        holes: Sequence[Hole] = (),
    ) -> FeedPage:
        """
        :param asked_at: UNIX seconds: when the queue was asked for *package*; None
            where it is not known yet what it gave.
        """
        now = self._clock.seconds()
        pause = 0.0
        if package is not None:
            self._health.took()
        elif asked_at is not None:
            self._empty = max(self._empty, asked_at)
            # A server that does not wait shall not be asked without end.
            pause = max(0.0, asked_at + 1.0 - now)
        stale = now - self._told >= _POSITION_SECONDS
        packages = () if package is None else (package,)
        in_hand = self._handed is not None and not self._handed.nothing
        if not (packages or holes or stale or in_hand):
            return FeedPage(pause=pause, until=self._empty)
        self._told = now
        position = FeedPosition(self.name, self._cursor(), self._since or now)
        return FeedPage(packages, position, holes, pause, self._empty)

    def _cursor(self) -> str:
        handed = self._handed and [self._handed.url, self._handed.asked_at]
        cursor = {
            "queue": self._queue,
            "listened": self._listened,
            "empty": self._empty,
            "handed": handed,
        }
        return dumps(cursor).decode()

    def _redirection(self, answer: Answer) -> str:
        """
        Where the package is; on the server that we asked, or nowhere (contracts.md §1).
        """
        location = answer.header("Location")
        if answer.status not in (301, 302, 303, 307, 308) or not location:
            raise self._refusal(answer)
        try:
            url = urljoin(self._url, location)
            elsewhere = _origin(url) != _origin(self._url)
        except ValueError:  # no URL at all
            elsewhere = True
        if elsewhere:
            raise answer.unexpected(retry_after=60)
        return url

    def _refusal(self, answer: Answer) -> UpstreamError:
        if answer.status == 403:
            return answer.unexpected(self._bans.next())
        wait = None
        if answer.status == 429:
            wait = self._random.uniform(10, 20)
        elif answer.status in (400, 404):
            wait = 600.0
        error = answer.unexpected(wait)
        if answer.status in _REFUSALS:
            error.reason += f" ({_REFUSALS[answer.status]})"
        return error


def make_redisq(
    client: Client,
    clock: IReactorTime,
    url: str,
    queue_id: str,
    ttw: int = 10,
    name: str = "redisq",
    random: Random | None = None,
) -> RedisQFeed:
    """
    :param url: of ``listen.php``.
    :param ttw: seconds that the server shall wait for a killmail, 1 to 10.
    """
    # Two a second are allowed; the rest is room for answers that arrive unevenly.
    upstream = client.upstream(name, Manners(per_second=1.8))
    return RedisQFeed(name, upstream, clock, url, queue_id, ttw, random or Random())


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """
    :raises ValueError: *url* is none.
    """
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


def _package(answer: Answer) -> Package | None:
    document = answer.json()
    if not isinstance(document, dict) or "package" not in document:
        raise BadAnswer(f"{answer.upstream}: no package in {answer.url}")
    package = document["package"]
    if package is None:
        return None
    if not isinstance(package, dict):
        raise BadAnswer(f"{answer.upstream}: the package of {answer.url} is no object")
    killmail_id, zkb = package.get("killID"), package.get("zkb")
    return Package(
        killmail_id=killmail_id,
        hash=_hash(zkb) if isinstance(zkb, dict) else None,
        esi=package.get("killmail"),
        zkb=zkb,
    )


def _hash(zkb: dict[str, Any]) -> str | None:
    hash, href = zkb.get("hash"), zkb.get("href")
    if isinstance(hash, str) and _HASH.fullmatch(hash):
        return hash
    found = _HREF.search(href) if isinstance(href, str) else None
    return found[1] if found else None
