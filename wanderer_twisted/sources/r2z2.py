"""
The live feed from R2Z2: follows its sequence, file by file (contracts.md §7.1).
"""

from collections.abc import Sequence
from random import Random

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from wanderer_twisted.interfaces import IKillmailFeed, UpstreamError
from wanderer_twisted.records import FeedPage, FeedPosition, FeedStatus, Hole
from wanderer_twisted.sources.body import BadAnswer
from wanderer_twisted.sources.feed import Health, attempt
from wanderer_twisted.sources.http import Client, Manners
from wanderer_twisted.sources.pacing import Backoff
from wanderer_twisted.sources.r2z2_cursor import Cursor, Missing
from wanderer_twisted.sources.r2z2_files import ABSENT_SECONDS, File, Files

#: How far back a fresh start begins: zKillboard's lists may be 65 minutes old, and five
#: more are for what was published out of order.
OVERLAP_SECONDS = 70 * 60

#: Files live for a day at least.
FILE_SECONDS = 24 * 3600

#: So many numbers behind the pointer, what is absent is gone rather than late.
_FAR = 200

#: A pointer a quarter of a day back is not an old one but another sequence's.
_RESTARTED = 5000

#: A gap of more than these is a hole at once: not each of its numbers is asked again.
_MOST_MISSING = 64

#: When a number that was passed over is given up, in seconds, and after how many tries.
_PATIENCE, _TRIES = 540.0, 2

#: How often a file may be unusable before the next one is tried.
_SPOILED_TRIES = 3

#: Seconds behind the upload from which the feed counts as catching up.
_BEHIND_SECONDS = 300.0


@implementer(IKillmailFeed)
class R2Z2Feed:
    """
    Takes every file in turn. One that is absent while a later one is there is passed
    over, asked for again for ten minutes, and then given up as a hole.
    """

    window = 64
    parting = 0.0

    _log = Logger()

    def __init__(
        self,
        name: str,
        files: Files,
        clock: IReactorTime,
        health: Health,
        random: Random,
    ) -> None:
        self.name = name
        self._files = files
        self._clock = clock
        self._health = health
        self._random = random
        self._backoff = Backoff(1.0, 60.0, random)
        self._cursor: Cursor | None = None
        self._since = 0.0
        self._pointer = 0
        self._ask_pointer_at = 0.0
        self._spoiled = 0
        # The last contact before a number that was asked for again failed.
        self._doubted: float | None = 0.0

    def restore(self, position: FeedPosition | None) -> None:
        self._cursor = None
        if position is None:
            return
        try:
            self._cursor = Cursor.from_text(position.cursor)
        except ValueError as error:
            self._log.error(
                "{feed} begins anew: its position cannot be read: {reason}",
                feed=self.name,
                reason=str(error),
            )
            return
        self._since = position.since

    def status(self) -> FeedStatus:
        return self._health.status(str(self._cursor or ""))

    async def poll(self) -> FeedPage:
        return await attempt(self._poll, self._health, self._backoff)

    async def _poll(self) -> FeedPage:
        if self._cursor is None:
            return await self._begin()
        due = self._cursor.due(self._clock.seconds())
        # After one that failed something else has to answer first: either that number
        # is broken alone, and holds up nothing; or all is, which is not its fault.
        if due is not None and self._health.last_contact != self._doubted:
            return await self._try_again(self._cursor, due)
        return await self._take(self._cursor)

    async def _begin(self) -> FeedPage:
        pointer = await self._files.pointer()
        wanted = self._clock.seconds() - OVERLAP_SECONDS
        file = await self._files.search(pointer, 1, wanted, precision=64)
        self._pointer = pointer
        self._since = file.uploaded_at
        self._cursor = Cursor(next=file.sequence, at=file.uploaded_at)
        return self._advance(self._cursor, file)

    async def _take(self, cursor: Cursor) -> FeedPage:
        number = cursor.next
        if wait := self._files.wait(number):
            return FeedPage(pause=wait)
        spoiled = None
        try:
            file = await self._files.read(number)
        except BadAnswer as error:
            self._spoiled += 1
            if self._spoiled < _SPOILED_TRIES:
                raise
            file, spoiled = None, error
        if file is not None:
            return self._advance(cursor, file)
        ahead = await self._look_ahead(number + 1, spoiled)
        if ahead is not None:
            self._pass_over(cursor, until=ahead.uploaded_at)
            return self._advance(cursor, ahead)
        page = await self._wait(cursor)
        if spoiled is not None and cursor.next == number:
            raise spoiled  # at the end there is nothing else to take
        return page

    async def _look_ahead(self, number: int, spoiled: BadAnswer | None) -> File | None:
        if self._files.wait(number):
            return None
        try:
            return await self._files.read(number)
        except BadAnswer:
            if spoiled is not None and not await self._has_usable():
                raise  # it is the server
            return None  # its turn comes

    async def _has_usable(self) -> bool:
        """
        Whether the newest document can be used.
        """
        try:
            return await self._files.read(await self._files.pointer()) is not None
        except BadAnswer:
            return False

    async def _wait(self, cursor: Cursor) -> FeedPage:
        """
        Neither the next file is there nor the one behind it.
        """
        now = self._clock.seconds()
        until = cursor.at  # an old pointer proves no more
        if self._pointer <= cursor.next and now >= self._ask_pointer_at:
            self._pointer, until = await self._files.pointer(), now
            self._ask_pointer_at = now + self._random.uniform(60, 120)
            if self._pointer < cursor.next - _RESTARTED:
                return await self._begin_again(cursor)
        behind = self._pointer - cursor.next  # at least: the pointer may be an old one
        if behind <= 0:
            self._health.behind = False
            pause = self._random.uniform(ABSENT_SECONDS + 0.1, 7)
            return FeedPage(pause=pause, until=until)
        if behind > 1 and (behind > _FAR or now - cursor.at > FILE_SECONDS):
            return await self._jump(cursor)
        self._pass_over(cursor, until=None)
        return self._page(cursor, pause=self._files.wait(cursor.next))

    async def _jump(self, cursor: Cursor) -> FeedPage:
        """
        Files are gone, or many are missing: go on at the first one that is there.
        """
        try:
            file = await self._files.search(
                self._pointer, cursor.next + 2, wanted=0.0, precision=1
            )
        except UpstreamError:
            self._pointer, self._ask_pointer_at = 0, 0.0  # it may be of long ago
            raise
        if file.sequence - cursor.next <= _MOST_MISSING:
            while cursor.next < file.sequence:
                self._pass_over(cursor, until=file.uploaded_at)
            return self._advance(cursor, file)
        hole = self._hole(cursor.next, file.sequence - 1, cursor.at, file.uploaded_at)
        return self._advance(cursor, file, [hole])

    async def _begin_again(self, cursor: Cursor) -> FeedPage:
        """
        The sequence is far behind us: it is another one than it was.
        """
        self._log.warn(
            "{feed} begins anew: the sequence is at {pointer}, we were at {next}",
            feed=self.name,
            pointer=self._pointer,
            next=cursor.next,
        )
        before = self._since
        page = await self._begin()
        assert self._cursor is not None
        holes = []
        if self._since <= cursor.at:
            self._since = before
        else:
            holes.append(self._hole(0, 0, cursor.at, self._since))
        holes += [self._give_up(missing) for missing in cursor.missing]
        return attrs.evolve(page, position=self._position(self._cursor), holes=holes)

    async def _try_again(self, cursor: Cursor, missing: Missing) -> FeedPage:
        file = failure = None
        try:
            file = await self._files.read(missing.sequence)
        except BadAnswer:
            pass
        except UpstreamError as error:
            failure, self._doubted = error, self._health.last_contact
        now = self._clock.seconds()
        if file is not None:
            cursor.missing.remove(missing)
            return self._page(cursor, [file])
        if failure is None:
            missing.tries, missing.failures = missing.tries + 1, 0
        else:
            missing.failures += 1
        tries = missing.failures or missing.tries
        last = missing.passed_at + _PATIENCE
        if tries >= _TRIES and now >= last:
            cursor.missing.remove(missing)
            wait = (failure and failure.retry_after) or 0.0  # a ban is one even so
            return self._page(cursor, holes=[self._give_up(missing)], pause=wait)
        later = now + self._random.uniform(6.5, 7) * 2**tries
        missing.due = max(min(later, last), now + ABSENT_SECONDS)
        if failure is not None:
            raise failure
        return FeedPage()

    def _advance(
        self, cursor: Cursor, file: File, holes: Sequence[Hole] = ()
    ) -> FeedPage:
        now = self._clock.seconds()
        for missing in cursor.missing:
            if missing.until is None:
                missing.until = file.uploaded_at
        given_up = []
        while len(cursor.missing) > _MOST_MISSING:
            given_up.append(self._give_up(cursor.missing.pop(0)))
        cursor.next, cursor.at = file.sequence + 1, file.uploaded_at
        self._spoiled = 0
        self._ask_pointer_at = now + self._random.uniform(60, 120)
        self._health.behind = now - file.uploaded_at > _BEHIND_SECONDS
        return self._page(cursor, [file], [*holes, *given_up])

    def _pass_over(self, cursor: Cursor, until: float | None) -> None:
        now = self._clock.seconds()
        cursor.missing.append(
            Missing(
                sequence=cursor.next,
                since=cursor.at,
                until=until,
                passed_at=now,
                due=now + max(self._files.wait(cursor.next), ABSENT_SECONDS),
            )
        )
        cursor.next += 1
        self._spoiled = 0

    def _give_up(self, missing: Missing) -> Hole:
        until = missing.until or self._clock.seconds()
        return self._hole(missing.sequence, missing.sequence, missing.since, until)

    def _hole(self, first: int, last: int, since: float, until: float) -> Hole:
        # Files are not published in order, so "before" may be later than "after".
        since, until = min(since, until), max(since, until)
        self._since = max(self._since, until)
        return Hole(self.name, first, last, since, until)

    def _page(
        self,
        cursor: Cursor,
        files: Sequence[File] = (),
        holes: Sequence[Hole] = (),
        pause: float = 0.0,
    ) -> FeedPage:
        packages = [file.package for file in files if file.package is not None]
        if packages:
            self._health.took()
        return FeedPage(packages, self._position(cursor), holes, pause)

    def _position(self, cursor: Cursor) -> FeedPosition:
        return FeedPosition(self.name, cursor.text(), self._since)


def make_r2z2(
    client: Client,
    clock: IReactorTime,
    url: str,
    name: str = "r2z2",
    random: Random | None = None,
) -> R2Z2Feed:
    """
    :param url: of the service, ``https://r2z2.zkillboard.com``.
    """
    random = random or Random()
    health = Health(name, clock, behind=True)
    # 15 a second are allowed; the biggest killmail ever has 0.73 MB.
    upstream = client.upstream(name, Manners(per_second=9.0, timeout=20.0))
    files = Files(upstream, clock, url, health, random)
    return R2Z2Feed(name, files, clock, health, random)
