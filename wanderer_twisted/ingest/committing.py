"""
Writing into the store: in small transactions, patiently, and around what it can't take.
"""

from collections.abc import Callable
from typing import TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from wanderer_twisted.backoff import backoff
from wanderer_twisted.interfaces import IKillmailStore, StoreUnavailable
from wanderer_twisted.partition import Kind
from wanderer_twisted.records import Change, Entry, Hole, Record, Reject

T = TypeVar("T")

#: Killmails in one transaction.
AT_ONCE = 50


class StoreFailed(Exception):
    """
    The store took nothing, for a reason that nobody foresaw; it is not the killmails'.
    """


class Committer:
    """
    Writes changes. While the store is unavailable it waits, however long that takes; a
    killmail that the store can't take for a reason of its own is set aside.

    :ivar trouble: why it waits now; empty where it does not.
    :ivar waits: how often the store was unavailable.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, store: IKillmailStore) -> None:
        self.trouble = ""
        self.waits = 0
        self._clock = clock
        self._store = store

    async def write(
        self, change: Change, kind: Kind | None = None, owner: int | None = None
    ) -> list[Record | Hole]:
        """
        Write *change*, in order and in as many transactions as it takes: what is not a
        killmail comes in the last, so that neither a position nor a coverage ever
        claims what is not there.

        :param kind: with *owner*, for what has to be set aside.
        :returns: what was announced.
        :raises Exception: an error that nobody foresaw; what is not a killmail was not
            written.
        """
        journal: list[Record | Hole] = []
        entries = list(change.entries)
        while len(entries) > AT_ONCE:
            part = Change(entries=entries[:AT_ONCE], announce=change.announce)
            journal += await self._write(part, kind, owner)
            del entries[:AT_ONCE]
        last = attrs.evolve(change, entries=entries)
        return journal + await self._write(last, kind, owner)

    async def when_available(self, call: Callable[[], Deferred[T]]) -> T:
        """
        The answer of *call*, which is repeated while the store is unavailable.
        """
        pauses = backoff(0.5, 30)
        while True:
            try:
                answer = await call()
            except StoreUnavailable as error:
                self.waits += 1
                if not self.trouble:
                    self._log.warn("waiting for the store: {error}", error=str(error))
                self.trouble = f"The store is unavailable: {error}"
                await deferLater(self._clock, next(pauses))
            else:
                self.trouble = ""
                return answer

    async def _write(
        self, change: Change, kind: Kind | None, owner: int | None
    ) -> list[Record | Hole]:
        try:
            return await self._commit(change)
        except CancelledError:
            raise
        except Exception:
            if not change.entries:
                raise
            self._log.failure("{n} killmails one by one", n=len(change.entries))
        journal: list[Record | Hole] = []
        rejects = list(change.rejects)
        for entry in change.entries:
            try:
                journal += await self._commit(
                    Change(entries=[entry], announce=change.announce)
                )
            except CancelledError:
                raise
            except Exception as error:
                self._log.failure(
                    "killmail {id} is set aside", id=entry.killmail.killmail_id
                )
                rejects.append(_reject(entry, error, kind, owner))
        if 1 < len(change.entries) == len(rejects) - len(change.rejects):
            raise StoreFailed("not one of the killmails could be stored")
        rest = attrs.evolve(change, entries=(), rejects=rejects)
        return journal + await self._commit(rest)

    async def _commit(self, change: Change) -> list[Record | Hole]:
        commit = await self.when_available(lambda: self._store.commit(change))
        return list(commit.journal)


def _reject(
    entry: Entry, error: Exception, kind: Kind | None, owner: int | None
) -> Reject:
    return Reject(
        killmail_id=entry.killmail.killmail_id,
        hash=entry.killmail.hash,
        reason=f"The store cannot take it: {error!r}"[:500],
        document=entry.body.json(with_items=True)[:65536],
        kind=kind,
        owner=owner,
    )
