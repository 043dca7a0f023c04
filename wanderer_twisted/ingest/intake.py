"""
From what a source sent to what the store takes: checked, with its body and its names.

Feeds and histories share this path (design.md §5), each with an :class:`Intake` of its
own, so that a long history does not hold up what is live.
"""

from collections.abc import Sequence

import attrs
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredSemaphore,
    FirstError,
    gatherResults,
)
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from wanderer_twisted.backoff import backoff
from wanderer_twisted.encoding import dumps
from wanderer_twisted.ingest.names import Found, NameBook
from wanderer_twisted.interfaces import IBodySource, Refused, UpstreamError
from wanderer_twisted.killmail import (
    BadKillmail,
    Killmail,
    decode,
    encode,
    nameable_ids,
    nominal_sizes,
)
from wanderer_twisted.partition import Kind
from wanderer_twisted.records import Entry, Package, Reject

#: Seconds for which a body that can't be had now is asked for again.
BODY_PATIENCE = 600.0

_BODIES_AT_ONCE = 8
_DOCUMENT = 65536
_ENCODED_AT_ONCE = 10


@attrs.frozen
class Prepared:
    """
    What became of some packages; both parts in the packages' order.
    """

    entries: Sequence[Entry] = ()
    rejects: Sequence[Reject] = ()


class Intake:
    """
    Prepares packages for the store. What is wrong with one of them sets that one
    aside, with its reason, and never another.

    :ivar bodies: bodies that had to be fetched.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, bodies: IBodySource, names: NameBook
    ) -> None:
        self.bodies = 0
        self._clock = clock
        self._bodies = bodies
        self._names = names
        self._slots = DeferredSemaphore(_BODIES_AT_ONCE)

    async def prepare(
        self,
        packages: Sequence[Package],
        arrived: float,
        kind: Kind | None = None,
        owner: int | None = None,
    ) -> Prepared:
        """
        Never fails, but when it is cancelled.

        :param arrived: UNIX seconds; the deadline for names counts from here.
        :param kind: with *owner*, whose history they belong to; None from a feed.
        """
        checked = await self._check_all(packages)
        killmails = [each for each in checked if isinstance(each, Killmail)]
        found = await self._find_names(killmails, arrived)
        entries: list[Entry] = []
        rejects: list[Reject] = []
        for package, each in zip(packages, checked, strict=True):
            entry = self._entry(each, found) if isinstance(each, Killmail) else each
            if isinstance(entry, Entry):
                entries.append(entry)
            else:
                rejects.append(_reject(package, entry, kind, owner))
            if (len(entries) + len(rejects)) % _ENCODED_AT_ONCE == 0:
                await deferLater(self._clock, 0)  # encoding is slow: let others run
        return Prepared(entries, rejects)

    async def _check_all(self, packages: Sequence[Package]) -> list[Killmail | str]:
        checks = [Deferred.fromCoroutine(self._check(each)) for each in packages]
        try:
            return await gatherResults(checks, consumeErrors=True)
        except FirstError as error:  # the one thing that a check lets out
            raise CancelledError() from error

    async def _check(self, package: Package) -> Killmail | str:
        """
        :returns: the killmail, or why it is none.
        """
        try:
            return await self._killmail(package)
        except CancelledError:
            raise
        except BadKillmail as error:
            return str(error)
        except UpstreamError as error:
            return f"Its body can't be had: {error.reason}"
        except Exception as error:
            self._log.failure("killmail {id} is set aside", id=package.killmail_id)
            return f"Unexpected: {error!r}"

    async def _killmail(self, package: Package) -> Killmail:
        esi = package.esi
        if esi is None:
            esi = await self._body(package)
        killmail = decode(esi, package.zkb, package.hash)
        if package.killmail_id not in (None, killmail.killmail_id):
            raise BadKillmail(f"The body is that of killmail {killmail.killmail_id}")
        return killmail

    async def _body(self, package: Package) -> object:
        if package.killmail_id is None or package.hash is None:
            raise BadKillmail("It has no body, and no id and hash to fetch one by")
        pauses = backoff(2, 60)
        patient_until = self._clock.seconds() + BODY_PATIENCE
        while True:
            try:
                async with self._slots:
                    self.bodies += 1
                    return await self._bodies.body(package.killmail_id, package.hash)
            except Refused:
                raise
            except UpstreamError as error:
                pause = error.retry_after or next(pauses)
                if self._clock.seconds() + pause > patient_until:
                    raise
            await deferLater(self._clock, pause)

    async def _find_names(self, killmails: Sequence[Killmail], arrived: float) -> Found:
        """
        The names of all of them, in one look-up.
        """
        ids = frozenset().union(*map(nameable_ids, killmails))
        return await self._names.look_up(ids, arrived + self._names.deadline_seconds)

    def _entry(self, killmail: Killmail, found: Found) -> Entry | str:
        try:
            return Entry(
                killmail=killmail,
                body=encode(killmail, found.names),
                sizes=nominal_sizes(killmail),
                named=found.missing.isdisjoint(nameable_ids(killmail)),
            )
        except Exception as error:
            self._log.failure("killmail {id} is set aside", id=killmail.killmail_id)
            return f"It can't be encoded: {error!r}"


def _reject(
    package: Package, reason: str, kind: Kind | None, owner: int | None
) -> Reject:
    try:
        document = dumps({"esi": package.esi, "zkb": package.zkb})
    except (TypeError, ValueError) as error:
        document = repr(error).encode()
    return Reject(
        package.killmail_id,
        package.hash,
        reason[:500],
        document[:_DOCUMENT],
        kind,
        owner,
    )
