"""
zKillboard's lists of the killmails of one character, corporation, alliance or system
(contracts.md §3).
"""

import re
from datetime import UTC, datetime
from typing import Any

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from wanderer_twisted.interfaces import IListingSource
from wanderer_twisted.partition import Kind
from wanderer_twisted.records import ListingPage, Package
from wanderer_twisted.sources.body import BadAnswer
from wanderer_twisted.sources.exchange import Answer
from wanderer_twisted.sources.http import Client, Manners, Upstream

#: Rows of a full page.
PAGE_SIZE = 200

#: Seconds by which an answer may be old (one hour of caches) and silent (five minutes).
HIDDEN_SECONDS = 3900

#: Who gets more than forty errors within so many seconds is blocked (contracts.md §3).
_ERROR_WINDOW = 300

#: Seconds from an error to the next request, which makes thirty of them at most.
_ERROR_PAUSE = 10

_FILTERS: dict[Kind, str] = {
    "character": "characterID",
    "corporation": "corporationID",
    "alliance": "allianceID",
    "system": "systemID",
}
_HASH = re.compile(r"[0-9a-f]{40}")


@implementer(IListingSource)
class Listings:
    """
    Asks zKillboard, each time anew: not to ask for the same page within the hour is the
    caller's business, who knows what it holds already.
    """

    def __init__(self, upstream: Upstream, clock: IReactorTime, url: str) -> None:
        """
        :param url: of the API, ``https://zkillboard.com/api``.
        """
        self._upstream = upstream
        self._clock = clock
        self._url = url.rstrip("/")

    async def page(
        self, kind: Kind, owner: int, number: int, month: tuple[int, int] | None
    ) -> ListingPage:
        """
        One page. It is the last one if it is empty; of a month that is over, also if it
        is not full. Other pages may be short for what is held back for five minutes.
        Page 100 is not the last one: there is more, and no way to it.
        """
        asked_at = self._clock.seconds()
        url = self._url + _path(kind, owner, number, month)
        answer = await self._upstream.get(url, attempts=2)
        rows = self._rows(answer)
        short = len(rows) < PAGE_SIZE and _is_over(month, asked_at)
        return ListingPage(
            packages=[_package(row) for row in rows],
            fetched_at=asked_at,
            last=not rows or short,
        )

    def _rows(self, answer: Answer) -> list[dict[str, Any]]:
        if answer.status == 403:
            # A query string, a blank User-Agent, or a block: asking on makes it worse.
            self._upstream.hold(600, "answered 403")
            raise answer.unexpected(retry_after=600)
        if 300 <= answer.status < 400:  # /api/blocked.json
            self._upstream.hold(_ERROR_WINDOW, f"answered {answer.status}")
            raise answer.unexpected(retry_after=_ERROR_WINDOW)
        if answer.status == 429:
            # Too fast for Cloudflare, which need not say for how long.
            self._upstream.hold(answer.retry_after or 60, "answered 429")
            raise answer.unexpected(retry_after=60)
        if answer.status != 200:
            raise answer.unexpected(retry_after=30)
        rows = answer.json()
        if isinstance(rows, dict) and "error" in rows:
            # It may be about this id alone: others wait a little, but do not fail.
            self._upstream.hold(_ERROR_PAUSE, "answered an error")
            problem = f"answered {str(rows['error'])[:200]!r}"
        elif not isinstance(rows, list):
            problem = f"is no list but {type(rows).__name__}"
        elif not all(isinstance(row, dict) for row in rows):
            problem = "has rows that are no objects"  # [null]: the query failed
        else:
            return rows
        raise BadAnswer(f"{answer.upstream}: {answer.url} {problem}", 600)


def make_zkillboard(
    client: Client, clock: IReactorTime, url: str, requests_per_second: float
) -> Listings:
    """
    :param url: of the API, ``https://zkillboard.com/api``.
    """
    # A cold query takes up to 60 seconds; a page is half a megabyte.
    manners = Manners(requests_per_second, timeout=75.0, max_body=32 << 20)
    return Listings(client.upstream("zkillboard", manners), clock, url)


def _path(kind: Kind, owner: int, number: int, month: tuple[int, int] | None) -> str:
    """
    The one spelling that we use: other orders of the same dodge the caches, which
    counts as abuse. The owner must come first.
    """
    path = f"/{_FILTERS[kind]}/{owner}/"
    if month is not None:
        path += f"year/{month[0]}/month/{month[1]}/"
    if number > 1:
        path += f"page/{number}/"
    return path


def _is_over(month: tuple[int, int] | None, now: float) -> bool:
    """
    Whether a month ended so long ago that no cache can have an answer from within it.
    """
    if month is None:
        return False
    then = datetime.fromtimestamp(now - HIDDEN_SECONDS, UTC)
    return month < (then.year, then.month)


def _package(row: dict[str, Any]) -> Package:
    killmail_id, zkb = row.get("killmail_id"), row.pop("zkb", None)
    hash = zkb.get("hash") if isinstance(zkb, dict) else None
    return Package(
        killmail_id=killmail_id,
        hash=hash if isinstance(hash, str) and _HASH.fullmatch(hash) else None,
        esi=row if "killmail_time" in row else None,
        zkb=zkb,
    )
