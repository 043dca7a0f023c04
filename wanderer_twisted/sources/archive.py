"""
The archive: files of all killmails, day by day (contracts.md §2.3).
"""

import re
from collections.abc import Mapping
from datetime import UTC
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

#: Decoded bytes. Of some 20 years the totals are 150 kB, the list of a usual day is
#: 700 kB, its bodies are 25 to 40 MB: this leaves room for ten times the busiest.
_MOST_TOTALS: Final = 4 << 20
_MOST_LISTED: Final = 16 << 20
_MOST_BODIES: Final = 512 << 20

#: For a file with bodies: a slow line needs its time.
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
        answer = await self._get("totals", _MOST_TOTALS)
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
        answer = await self._get(compact(day), _MOST_LISTED)
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

    async def _get(self, name: str, max_body: int) -> Answer:
        answer = await self._upstream.get(
            f"{self._url}/{name}.json", max_body=max_body, attempts=2
        )
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
        age = _seconds(answer.header("Age"))
        told = _date(answer.header("Date"))
        if told is not None:
            self._compare(answer.upstream, self._clock.seconds() - told, age)
            asked_at = min(asked_at, told)
        return asked_at - age

    def _compare(self, upstream: str, apart: float, age: float) -> None:
        # With what a cache has comes the Date of its making, or of its handing out.
        wrong = min(abs(apart), abs(apart - age)) > _WRONG_CLOCK
        if wrong and not self._told_of_clock:
            self._log.warn(
                "Our clock and that of {upstream} are {seconds:.0f} s apart",
                upstream=upstream,
                seconds=apart,
            )
        self._told_of_clock = wrong


def make_archive(client: Client, clock: IReactorTime, url: str) -> Archive:
    """
    :param url: of the files, ``https://r2z2.zkillboard.com/history``.
    """
    manners = Manners(per_second=1.0, timeout=60.0)
    return Archive(client.upstream("archive", manners), clock, url)


def _object(answer: Answer) -> Mapping[str, Any]:
    document = answer.json()
    if not isinstance(document, dict):
        raise _bad(answer, f"is no object but {type(document).__name__}")
    return document


def _bad(answer: Answer, problem: str) -> BadAnswer:
    return BadAnswer(f"{answer.upstream}: {answer.url}: {problem}")


def _seconds(text: str) -> int:
    """
    How old an answer is, where *text* says so.
    """
    if not re.fullmatch(r"[0-9]{1,12}", text, re.ASCII):
        return 0
    return min(int(text), _LONGEST_AGE)


def _date(text: str) -> float | None:
    """
    UNIX seconds, where *text* is a moment.
    """
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # what has no zone is in UTC (RFC 9110)
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()
    except (ValueError, OverflowError):
        return None
