"""
One day of the archive: its list held against the store, and what is lacking taken in.

Whatever the moment of a stop or a crash, the next attempt does the rest: what is stored
is not absent any more, what is announced is not announced again, and the day's row,
which says what is news (see :func:`wanderer_twisted.archive.planning.spans`), is
written behind everything else.
"""

import shutil
import sqlite3
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Iterator,
    Sequence,
)
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from wanderer_twisted.archive import planning
from wanderer_twisted.archive.planning import Spans
from wanderer_twisted.days import readable
from wanderer_twisted.ingest.committing import AT_ONCE, Committer
from wanderer_twisted.ingest.intake import Intake
from wanderer_twisted.interfaces import (
    IArchiveSource,
    IKillmailStore,
    StoreUnavailable,
    UpstreamError,
)
from wanderer_twisted.records import ArchivedDay, Change, Entry, Package
from wanderer_twisted.store.staging import Ask, BadDay, Staged, read_news

T = TypeVar("T")

#: Stages a day: as :func:`wanderer_twisted.store.staging.stage`, but waited for.
Stage = Callable[[str, str, Ask], Awaitable[Staged]]

#: Ids that the store is asked for at once.
_IDS_AT_ONCE: Final = 500
#: Seconds between two parts: what is live goes first.
_PAUSE: Final = 0.01
#: Bodies that ESI is asked for at most, in one attempt at a day.
_MOST_BODIES: Final = 200
#: Seconds for which a store that is unavailable is waited for. Then the day is given up
#: for now, and with it the room that its files take: the disk may be full.
_PATIENCE: Final = 60.0


class NoDay(Exception):
    """
    A day cannot be had now; the message is one line.

    :ivar retry_after: seconds to leave the archive alone; None where it did not say.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Loader:
    """
    Takes in days.

    :param intake: one of its own.
    :param folder: for the files of days, beside the database; there only meanwhile.

    :ivar killmails: taken in, or announced though they were stored.
    :ivar announced: of these, news.
    :ivar bytes: of files with bodies.
    """

    def __init__(
        self,
        clock: IReactorTime,
        store: IKillmailStore,
        source: IArchiveSource,
        intake: Intake,
        stage: Stage,
        folder: str,
    ) -> None:
        self.killmails = 0
        self.announced = 0
        self.bytes = 0
        self._clock = clock
        self._store = store
        self._source = source
        self._intake = intake
        self._stage = stage
        self._folder = Path(folder)
        self._committer = Committer(clock, store)

    def clean_up(self) -> None:
        """
        Remove the files of all days, those that a crash left as well.
        """
        shutil.rmtree(self._folder, ignore_errors=True)

    async def load(self, row: ArchivedDay, total: int | None) -> ArchivedDay:
        """
        Take in what the store lacks of a day.

        :param row: what is known of the day.
        :param total: how many killmails it has, where the totals say.
        :returns: what is known of it now, to be written; ``followed`` is as it was.
        :raises NoDay: no more than before is known.
        """
        began = self._clock.seconds()  # a hole that is told from now on may be missed
        with _told():
            listing = await self._source.listing(row.day)
            holes = await self._patiently(self._store.read_holes)
            missed = planning.missed(row, holes)
            lacking = await self._lacking(listing.hashes, missed)
        trouble = ""
        if lacking:
            spans = planning.spans(row, holes)
            news = frozenset(lacking if spans else ())
            ask = Ask(row.day, listing.hashes, news, spans)
            try:
                with _told():
                    trouble = await self._take_in(ask, lacking, missed)
            except NoDay as error:
                trouble = str(error)
        with _told():
            absent = await self._absent(lacking)
        now, listed = self._clock.seconds(), len(listing.hashes)
        have = listed - len(absent)
        doubt = planning.doubt(row, listed, total)
        if doubt:  # what was known before stands
            return attrs.evolve(
                row,
                expected=max(row.expected, listed),
                have=max(row.have, have),
                tried_at=began,
                reason=doubt,
            )
        claim = planning.listed_at(row.day, min(now, listing.asked_at))
        return attrs.evolve(
            row,
            expected=listed,
            have=have,
            listed_at=max(row.listed_at, claim),
            tried_at=began,
            loaded=row.loaded or not absent,
            reason=trouble,
        )

    async def _lacking(self, ids: Collection[int], missed: Spans) -> list[int]:
        """
        What is absent, and what is stored but was never announced though it happened
        in one of the *missed* spans.
        """
        found = set(await self._absent(ids))
        if missed:  # asked second, so what a history stores meanwhile is in one of them
            found.update(await self._unannounced(ids, missed))
        return sorted(found)

    async def _absent(self, ids: Collection[int]) -> list[int]:
        absent: list[int] = []
        for some in _slices(sorted(ids), _IDS_AT_ONCE):
            found = await self._patiently(partial(self._store.read_absent, some))
            absent += found
        return sorted(absent)

    async def _unannounced(self, ids: Collection[int], spans: Spans) -> list[int]:
        """
        What happened in one of *spans*, is stored and was never announced.
        """
        unannounced: list[int] = []
        for some in _slices(sorted(ids), _IDS_AT_ONCE):
            found = await self._patiently(partial(self._store.read_unannounced, some))
            unannounced += [
                id
                for id, at in found.items()
                if any(since <= at <= until for since, until in spans)
            ]
        return unannounced

    async def _take_in(self, ask: Ask, lacking: Sequence[int], missed: Spans) -> str:
        """
        :returns: what is wrong all the same; empty for nothing.
        """
        staged = await self._take_file(ask)
        lacking = await self._lacking(lacking, missed)
        refusal = await self._take_bodies(ask, lacking)
        lacking = await self._lacking(lacking, missed)
        if lacking:
            wrong = f"{staged.misdated} of another day, {staged.broken} broken"
            return (
                f"{len(lacking)} of its {len(ask.hashes)} killmails have no body that"
                f" can be used ({wrong} in its file){refusal}"
            )
        if staged.unlisted:
            return f"Its file has {staged.unlisted} killmails that its list lacks"
        return ""

    async def _take_file(self, ask: Ask) -> Staged:
        """
        Take in a day's file: first what is news, then the rest, of which nothing is.
        """
        folder = self._folder / readable(ask.day)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        raw, path = folder / "raw.json", folder / "staged.db"
        try:
            await self._source.bodies(ask.day, str(raw))
            self.bytes += raw.stat().st_size
            staged = await self._stage(str(raw), str(path), ask)
            raw.unlink()
            await self._announce(str(path))
            for part in range(staged.parts):
                new = await self._patiently(partial(self._store.load, str(path), part))
                self.killmails += new  # not before: another day's may come meanwhile
                await deferLater(self._clock, _PAUSE)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # another day's files are there
                self._folder.rmdir()
        return staged

    async def _announce(self, path: str) -> None:
        after = 0
        while packages := read_news(path, after, AT_ONCE):
            prepared = await self._intake.prepare(packages, self._clock.seconds())
            await self._write(prepared.entries, announce=True)
            after = max(each.killmail_id or 0 for each in packages)

    async def _take_bodies(self, ask: Ask, ids: Sequence[int]) -> str:
        """
        Have what the day's file lacked from ESI.

        :returns: the last refusal; empty where there was none.
        """
        refusal = ""
        for some in _slices(ids[:_MOST_BODIES], AT_ONCE):
            packages = [Package(id, ask.hashes[id]) for id in some]
            prepared = await self._intake.prepare(packages, self._clock.seconds())
            if prepared.rejects:
                refusal = f": {prepared.rejects[-1].reason}"
            if not prepared.entries:
                break
            news = [each for each in prepared.entries if ask.is_news(each.killmail)]
            rest = [each for each in prepared.entries if each not in news]
            await self._write(news, announce=True)
            await self._write(rest, announce=False)
        return refusal

    async def _write(self, entries: Sequence[Entry], announce: bool) -> None:
        if not entries:
            return
        change = Change(entries=entries, announce=announce)
        journal = await self._bounded(self._committer.write(change))
        self.killmails += len(entries)
        self.announced += len(journal)

    async def _patiently(self, call: Callable[[], Deferred[T]]) -> T:
        return await self._bounded(self._committer.when_available(call))

    async def _bounded(self, waiting: Coroutine[Any, Any, T]) -> T:
        """
        :raises StoreUnavailable: the store was waited for long enough.
        """
        try:
            return await Deferred.fromCoroutine(waiting).addTimeout(
                _PATIENCE, self._clock
            )
        except TimeoutError:
            trouble = self._committer.trouble or "The store does not answer"
            raise StoreUnavailable(trouble) from None


@contextmanager
def _told() -> Iterator[None]:
    """
    :raises NoDay: something went wrong that is nobody's mistake.
    """
    try:
        yield
    except UpstreamError as error:
        raise NoDay(error.reason, error.retry_after) from error
    except OSError as error:
        raise NoDay(f"Its files cannot be kept: {error.strerror or error}") from error
    except (BadDay, StoreUnavailable, sqlite3.Error) as error:
        raise NoDay(str(error)) from error


def _slices(ids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
