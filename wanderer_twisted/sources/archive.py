"""
The archive: files of all killmails, day by day (contracts.md §2.3).
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from wanderer_twisted.days import compact, from_compact
from wanderer_twisted.interfaces import IArchiveSource, Refused
from wanderer_twisted.killmail import MAX_KILLMAIL_ID
from wanderer_twisted.records import DayList, Totals
from wanderer_twisted.sources.body import BadAnswer
from wanderer_twisted.sources.exchange import Answer
from wanderer_twisted.sources.http import Client, Manners, Upstream

#: A day's bodies are 25 to 40 MB; this leaves room for ten times the busiest.
_MOST_BODIES: Final = 512 << 20
_BODIES_SECONDS: Final = 600.0

#: Seconds by which our clock may be off before the operator is told.
_WRONG_CLOCK: Final = 300.0
#: No cache keeps an answer for longer than a year.
_LONGEST_AGE: Final = 366 * 86_400

_HASH = re.compile(r"[0-9a-f]{40}")
_ID = re.compile(r"[1-9][0-9]{0,12}")


@implementer(IArchiveSource)
class Archive:
    """
    Asks anew each time: the files' headers let caches keep them for a year, and a day
    changes when a killmail of it comes late.
    """

    _log = Logger()

    def __init__(self, upstream: Upstream, clock: IReactorTime, url: str) -> None:
        self._upstream = upstream
        self._clock = clock
        self._url = url.rstrip("/")
        self._told_of_clock = False

    async def totals(self) -> Totals:
        asked_at = self._clock.seconds()
        answer = await self._get("totals")
        counts = {}
        for text, count in _object(answer).items():
            try:
                day = from_compact(text)
            except ValueError as error:
                raise _bad(answer, str(error)) from None
            if type(count) is not int or count < 0:
                raise _bad(answer, f"{count!r:.40} is no number of killmails")
            counts[day] = count
        return Totals(counts, self._as_of(answer, asked_at))

    async def listing(self, day: int) -> DayList:
        asked_at = self._clock.seconds()
        answer = await self._get(compact(day))
        hashes = {}
        for text, hash in _object(answer).items():
            if not _ID.fullmatch(text) or int(text) > MAX_KILLMAIL_ID:
                raise _bad(answer, f"{text!r:.40} is no id of a killmail")
            if not isinstance(hash, str) or not _HASH.fullmatch(hash):
                raise _bad(answer, f"{hash!r:.60} is no hash of a killmail")
            hashes[int(text)] = hash
        return DayList(hashes, self._as_of(answer, asked_at))

    async def bodies(self, day: int, path: str) -> None:
        with open(path, "wb") as sink:
            answer = await self._upstream.download(
                f"{self._url}/raw/{compact(day)}.json",
                sink,
                timeout=_BODIES_SECONDS,
                max_body=_MOST_BODIES,
            )
        self._check(answer)

    async def _get(self, name: str) -> Answer:
        answer = await self._upstream.get(f"{self._url}/{name}.json", attempts=2)
        self._check(answer)
        return answer

    def _check(self, answer: Answer) -> None:
        if answer.status == 404:
            raise Refused(f"{answer.unexpected().reason}; perhaps not yet")
        if answer.status == 403:
            self._upstream.hold(600, "answered 403")
            raise answer.unexpected(retry_after=600)
        if answer.status != 200:
            raise answer.unexpected(retry_after=60)

    def _as_of(self, answer: Answer, asked_at: float) -> float:
        """
        As of when an answer is, at the latest: a cache may have had it for a while, and
        our clock may be wrong.
        """
        told = _date(answer.header("Date"))
        if told is not None:
            wrong = abs(self._clock.seconds() - told) > _WRONG_CLOCK
            if wrong and not self._told_of_clock:
                self._log.warn(
                    "Our clock and that of {upstream} are {seconds:.0f} s apart",
                    upstream=answer.upstream,
                    seconds=self._clock.seconds() - told,
                )
            self._told_of_clock = wrong
            asked_at = min(asked_at, told)
        age = answer.header("Age")
        if re.fullmatch(r"[0-9]{1,9}", age):
            asked_at -= min(int(age), _LONGEST_AGE)
        return asked_at


def make_archive(client: Client, clock: IReactorTime, url: str) -> Archive:
    """
    :param url: of the files, ``https://r2z2.zkillboard.com/history``.
    """
    manners = Manners(per_second=1.0, timeout=60.0, max_body=32 << 20)
    return Archive(client.upstream("archive", manners), clock, url)


def _object(answer: Answer) -> Mapping[str, Any]:
    document = answer.json()
    if not isinstance(document, dict):
        raise _bad(answer, f"is no object but {type(document).__name__}")
    return document


def _bad(answer: Answer, problem: str) -> BadAnswer:
    return BadAnswer(f"{answer.upstream}: {answer.url}: {problem}")


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
