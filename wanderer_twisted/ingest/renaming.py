"""
Names that came too late for their killmails, put in afterwards.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from wanderer_twisted.encoding import loads
from wanderer_twisted.ingest.names import NameBook
from wanderer_twisted.interfaces import IKillmailStore, StoreUnavailable
from wanderer_twisted.killmail import Body, decode, encode_again, nameable_ids
from wanderer_twisted.records import Record
from wanderer_twisted.tasks import Background

_SLICE = 20
_PATIENCE = 30.0
_ATTEMPTS = 5
_COUNTED = 10_000
_ENCODED_AT_ONCE = 2


class Namer:
    """
    Puts names into killmails that are stored, a few at a time.

    :ivar renamed: killmails written again.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, store: IKillmailStore, names: NameBook
    ) -> None:
        self.renamed = 0
        self._clock = clock
        self._store = store
        self._names = names
        self._attempts: Counter[int] = Counter()

    async def name(self, records: Sequence[Record]) -> int:
        """
        Look up the names of all of *records* at once, and have those written again of
        which all are there.

        :returns: how many were written.
        :raises StoreUnavailable: they can't be written now.
        """
        wanted: dict[int, frozenset[int]] = {}
        for number, record in enumerate(records, 1):
            wanted[record.killmail_id] = self._ids(record)
            await self._let_others(number)
        everything = frozenset().union(*wanted.values())
        deadline = self._clock.seconds() + _PATIENCE
        found = await self._names.look_up(everything, deadline)
        due = [
            each
            for each in records
            if self._is_due(each.killmail_id, wanted[each.killmail_id] & found.missing)
        ]
        for start in range(0, len(due), _SLICE):
            await self._write(due[start : start + _SLICE], found.names)
        return len(due)

    async def _write(self, records: Sequence[Record], names: Mapping[int, str]) -> None:
        ready: list[tuple[int, Body]] = []
        for number, record in enumerate(records, 1):
            ready.append((record.killmail_id, self._again(record, names)))
            await self._let_others(number)
        await self._store.rename(ready)
        self.renamed += len(ready)

    async def _let_others(self, number: int) -> None:
        if number % _ENCODED_AT_ONCE == 0:
            await deferLater(self._clock, 0)  # decoding and encoding are slow

    def _is_due(self, killmail_id: int, missing: frozenset[int]) -> bool:
        """
        Not before all its names are there; but one id that never gets an answer must
        not keep the others from their turn for ever.
        """
        if missing and self._names.failing:
            return False
        if missing and self._attempts[killmail_id] < _ATTEMPTS:
            if len(self._attempts) > _COUNTED:
                self._attempts.clear()
            self._attempts[killmail_id] += 1
            return False
        self._attempts.pop(killmail_id, None)
        return True

    def _ids(self, record: Record) -> frozenset[int]:
        try:
            return nameable_ids(decode(loads(record.body.json(with_items=False))))
        except ValueError:
            self._log.failure("killmail {id} can't be read", id=record.killmail_id)
            return frozenset()

    def _again(self, record: Record, names: Mapping[int, str]) -> Body:
        try:
            return encode_again(record.body, names)
        except Exception:  # as it is, rather than in every slice to come
            self._log.failure("killmail {id} can't be named", id=record.killmail_id)
            return record.body


class Renamer(Background):
    """
    Looks, from time to time, for killmails that were stored before all their names
    were known, and has them written again, a few at a time.

    :param every: seconds between two looks where there is nothing more to do.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        store: IKillmailStore,
        names: NameBook,
        every: float = 60.0,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._store = store
        self._names = names
        self._namer = Namer(clock, store, names)
        self._every = every

    @property
    def renamed(self) -> int:
        """
        Killmails written again.
        """
        return self._namer.renamed

    async def _run(self) -> None:
        while self._names.enabled:
            await deferLater(self._clock, self._every)
            try:
                while await self._slice():
                    await deferLater(self._clock, 0.1)  # others write as well
            except CancelledError:
                raise
            except StoreUnavailable as error:
                self._log.info("names have to wait: {reason}", reason=str(error))
            except Exception:
                self._log.failure("names could not be put in")

    async def _slice(self) -> bool:
        """
        :returns: whether it is worth looking again at once.
        """
        records = await self._store.read_unnamed(_SLICE)
        written = await self._namer.name(records) if records else 0
        return written > 0 and len(records) == _SLICE
