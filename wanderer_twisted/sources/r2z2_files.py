"""
The files of R2Z2 (contracts.md §2): one document for each number of a dense sequence,
and a pointer that lags a little behind its end.
"""

import re
from contextlib import suppress
from random import Random
from typing import Any

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from wanderer_twisted.interfaces import UpstreamError
from wanderer_twisted.records import Package
from wanderer_twisted.sources.body import BadAnswer
from wanderer_twisted.sources.exchange import Answer
from wanderer_twisted.sources.feed import Health
from wanderer_twisted.sources.http import Upstream
from wanderer_twisted.sources.pacing import Backoff

#: Seconds before a number that answered 404 may be asked for again. Less is taken for
#: abuse, and would meet the same answer in the edge's cache.
ABSENT_SECONDS = 6.0

#: Seconds after a 404 in a search, where other numbers are asked for.
_SEARCH_PAUSE = 1.0

_FIRST_STEP = 256
_HASH = re.compile(r"[0-9a-f]{40}")


@attrs.frozen
class File:
    """
    :ivar uploaded_at: UNIX seconds.
    :ivar package: None where R2Z2 has a placeholder without a killmail.
    """

    sequence: int
    uploaded_at: float
    package: Package | None


class Files:
    """
    Reads them, politely: nobody is asked before its time, and a ban is sat out.
    """

    def __init__(
        self,
        upstream: Upstream,
        clock: IReactorTime,
        url: str,
        health: Health,
        random: Random,
    ) -> None:
        self._upstream = upstream
        self._clock = clock
        self._url = url.rstrip("/")
        self._health = health
        self._random = random
        self._bans = Backoff(600.0, 3600.0, random)
        self._absent_until: dict[int, float] = {}

    def wait(self, sequence: int) -> float:
        """
        Seconds before this number may be asked for; 0 where it may be now.
        """
        return max(0.0, self._absent_until.get(sequence, 0.0) - self._clock.seconds())

    async def pointer(self) -> int:
        """
        A number that is published; newer ones may be.

        :raises UpstreamError: not now.
        """
        answer = await self._get("sequence")
        if answer.status != 200:
            raise answer.unexpected()
        document = answer.json()
        sequence = document.get("sequence") if isinstance(document, dict) else None
        if type(sequence) is not int or sequence < 1:
            raise BadAnswer(f"{answer.upstream}: no number in {answer.url}")
        self._health.answered()
        return sequence

    async def read(self, sequence: int) -> File | None:
        """
        :returns: None where it is not there: not yet, no more, or for a while.
        :raises BadAnswer: it is there, but cannot be used.
        :raises UpstreamError: not now.
        """
        answer = await self._get(str(sequence))
        if answer.status == 404:
            now = self._clock.seconds()
            self._absent_until = {
                key: until for key, until in self._absent_until.items() if until > now
            }
            self._absent_until[sequence] = now + ABSENT_SECONDS
            self._health.answered()
            return None
        if answer.status != 200:
            raise answer.unexpected()
        file = self._file(answer, sequence)
        self._health.answered()
        return file

    async def search(
        self, pointer: int, first: int, wanted: float, precision: int
    ) -> File:
        """
        Step back from *pointer*, wider each time, to a file that was uploaded at or
        before *wanted*; where older ones are gone, to the oldest that is there.

        :param first: do not go back before this number.
        :param wanted: UNIX seconds.
        :param precision: how many numbers the oldest may be missed by.
        :raises UpstreamError: not now.
        """
        found = await self._near(pointer, first)
        gone, step = None, _FIRST_STEP
        while found.sequence > first and found.uploaded_at > wanted:
            if gone is None:
                number = max(first, found.sequence - step)
                step *= 2
            elif found.sequence - gone > precision:
                number = (found.sequence + gone) // 2
            else:
                break
            file = await self._probe(number)
            if file is None and number + 1 < found.sequence:
                file = await self._probe(number + 1)  # the other may be lacking alone
            if file is None:
                gone = number
            else:
                found = file
        return found

    async def _near(self, pointer: int, first: int) -> File:
        for number in range(pointer, max(first, pointer - 4) - 1, -1):
            file = await self._probe(number)
            if file is not None:
                return file
        raise UpstreamError(f"{self._upstream.name}: no file near pointer {pointer}")

    async def _probe(self, number: int) -> File | None:
        file = None
        if not self.wait(number):
            with suppress(BadAnswer):  # as good as absent: others are there
                file = await self.read(number)
        if file is None:
            await deferLater(self._clock, _SEARCH_PAUSE)
        return file

    async def _get(self, name: str) -> Answer:
        answer = await self._upstream.get(f"{self._url}/ephemeral/{name}.json")
        if answer.status == 403:
            raise answer.unexpected(retry_after=self._bans.next())
        self._bans.reset()
        if answer.status == 429:
            raise answer.unexpected(retry_after=self._random.uniform(10, 20))
        return answer

    def _file(self, answer: Answer, sequence: int) -> File:
        document = answer.json()
        told = document.get("sequence_id") if isinstance(document, dict) else None
        if type(told) is not int or told != sequence:
            raise BadAnswer(f"{answer.upstream}: {answer.url} says it is {told!r:.40}")
        now = self._clock.seconds()
        at = document.get("uploaded_at")
        known = type(at) in (int, float) and 0 < at <= now
        return File(sequence, float(at) if known else now, _package(document))


def _package(document: dict[str, Any]) -> Package | None:
    killmail_id, esi = document.get("killmail_id"), document.get("esi")
    if killmail_id is None and esi is None:
        return None
    zkb = document.get("zkb")
    hashes = [document.get("hash"), zkb.get("hash") if isinstance(zkb, dict) else None]
    return Package(
        killmail_id=killmail_id,
        hash=next(
            (h for h in hashes if isinstance(h, str) and _HASH.fullmatch(h)), None
        ),
        esi=esi,
        zkb=zkb,
    )
