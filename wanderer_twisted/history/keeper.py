"""
Storing what a page lists.
"""

from calendar import timegm
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import attrs
from twisted.internet.interfaces import IReactorTime

from wanderer_twisted.history.coverage import Key
from wanderer_twisted.ingest.committing import AT_ONCE, Committer
from wanderer_twisted.ingest.intake import Intake
from wanderer_twisted.interfaces import IKillmailStore
from wanderer_twisted.records import Change, Coverage, ListingPage, Package


@attrs.frozen
class Kept:
    """
    What was read of a page.

    :ivar oldest: UNIX seconds: the kill_time of the last row, where it is known.
    :ivar whole: whether nothing is left of it that could be wanted.
    :ivar lacking: some bodies of it can't be had now.
    """

    oldest: int | None
    whole: bool
    lacking: bool = False


Claim = Callable[[Kept], Coverage | None]


class Keeper:
    """
    Stores pages, newest first.

    :ivar stored: killmails that were taken in.
    :ivar rejected: killmails that were set aside.
    """

    def __init__(
        self, clock: IReactorTime, store: IKillmailStore, intake: Intake
    ) -> None:
        self.stored = 0
        self.rejected = 0
        self.committer = Committer(clock, store)
        self._clock = clock
        self._store = store
        self._intake = intake

    async def keep(
        self, key: Key, page: ListingPage, limit: int, cutoff: int, claim: Claim
    ) -> Kept:
        """
        Store a page and, behind all of it, what it proves.

        :param limit: UNIX seconds; older killmails are left out.
        :param cutoff: UNIX seconds; a page without bodies is not read beyond it, as
            each row costs a call.
        :param claim: what the page proves, from what was read of it.
        """
        kept = Kept(None, whole=True)
        complete = await self._valued(page)
        parts = list(_parts(page.packages))
        for number, part in enumerate(parts, 1):
            change, oldest, lacking = await self._read(
                key, part, complete, limit, kept.oldest
            )
            rest = [row for later in parts[number:] for row in later]
            enough = limit if all(each.esi is not None for each in rest) else cutoff
            over = not rest or (oldest is not None and oldest < enough)
            lacking = lacking or kept.lacking
            kept = Kept(oldest, not rest or enough == limit, lacking)
            await self._write(key, change, claim(kept) if over else None)
            if over:
                break
        if not parts:
            await self._write(key, Change(), claim(kept))
        return kept

    async def _valued(self, page: ListingPage) -> frozenset[int]:
        """
        The killmails of a page of which the store has everything.
        """
        ids = [each.killmail_id for each in page.packages if each.killmail_id]
        if not ids:
            return frozenset()
        valued = await self.committer.when_available(
            lambda: self._store.read_valued(ids)
        )
        return frozenset(each for each, has_value in valued.items() if has_value)

    async def _read(
        self,
        key: Key,
        part: Sequence[Package],
        complete: frozenset[int],
        limit: int,
        oldest: int | None,
    ) -> tuple[Change, int | None, bool]:
        kind, owner = key
        times = {each.killmail_id: kill_time(each) for each in part}
        lacking = [
            each
            for each in part
            if each.killmail_id not in complete
            and (times[each.killmail_id] or limit) >= limit
        ]
        now = self._clock.seconds()
        prepared = await self._intake.prepare(lacking, now, kind, owner)
        for entry in prepared.entries:
            times[entry.killmail.killmail_id] = entry.killmail.kill_time
        entries = [
            each for each in prepared.entries if each.killmail.kill_time >= limit
        ]
        for each in reversed(part):
            time = times[each.killmail_id]
            if time is None and each.killmail_id in complete:
                time = await self._stored_time(each.killmail_id)
            if time is not None:
                oldest = time
                break
        change = Change(entries=entries, rejects=prepared.rejects)
        return change, oldest, prepared.lacking

    async def _stored_time(self, killmail_id: int | None) -> int | None:
        if killmail_id is None:
            return None
        record = await self.committer.when_available(
            lambda: self._store.read_killmail(killmail_id)
        )
        return record.facts.kill_time if record is not None else None

    async def claim(self, proven: Coverage) -> None:
        """
        Write down what pages prove that are all stored.
        """
        await self.committer.write(Change(coverage=(proven,)))

    async def _write(self, key: Key, change: Change, proven: Coverage | None) -> None:
        if not (change.entries or change.rejects or proven):
            return
        kind, owner = key
        coverage = () if proven is None else (proven,)
        await self.committer.write(
            Change(entries=change.entries, rejects=change.rejects, coverage=coverage),
            kind,
            owner,
        )
        self.stored += len(change.entries)
        self.rejected += len(change.rejects)


def _parts(packages: Sequence[Package]) -> Iterator[Sequence[Package]]:
    """
    The whole page, for one look-up of names; but a part at a time where bodies have to
    be fetched, of which no more shall be than are wanted.
    """
    whole = all(each.esi is not None for each in packages)
    size = len(packages) if whole else AT_ONCE
    for start in range(0, len(packages), max(1, size)):
        yield packages[start : start + size]


def kill_time(package: Package) -> int | None:
    """
    UNIX seconds, read without checking the rest; None where it can't be.
    """
    try:
        text = package.esi["killmail_time"]
        return timegm(datetime.fromisoformat(text).timetuple())
    except (TypeError, KeyError, ValueError):
        return None


def last_time(page: ListingPage) -> int | None:
    """
    The kill_time of the last row, where storing the page is not needed to know it.
    """
    if not page.packages or any(each.esi is None for each in page.packages):
        return None
    return kill_time(page.packages[-1])
