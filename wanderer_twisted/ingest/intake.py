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

#: Seconds for which a body that can't be had now is asked for again. A history may be
#: asked for again; what a feed gives up is a hole. Its patience is longer than ESI's
#: daily downtime, and shorter than RedisQ's, which keeps what follows for three hours
#: (contracts.md §1).
PATIENCE = 600.0
PATIENCE_OF_FEEDS = 3600.0

#: Seconds after which waiting for a body is worth telling.
_LONG = 60.0

#: A body that is given up again so long after the first time will never be had. How
#: many of them are remembered.
_FOR_EVER = 86_400.0
_GIVEN_UP = 1_000

_BODIES_AT_ONCE = 8
_DOCUMENT = 65536
_ENCODED_AT_ONCE = 10


@attrs.frozen
class Prepared:
    """
    What became of some packages; both parts in the packages' order.

    :ivar lacking: whether some were set aside whose bodies may be had later.
    """

    entries: Sequence[Entry] = ()
    rejects: Sequence[Reject] = ()
    lacking: bool = False


@attrs.frozen
class _SetAside:
    """
    What a package is that is no killmail.

    :ivar for_now: its body may be had later.
    """

    reason: str
    for_now: bool = False


class Intake:
    """
    Prepares packages for the store. What is wrong with one of them sets that one
    aside, with its reason, and never another.

    :param patience: seconds for which a body is waited for, at least.
    :ivar bodies: bodies that had to be fetched.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        bodies: IBodySource,
        names: NameBook,
        patience: float = PATIENCE,
    ) -> None:
        self.bodies = 0
        self._clock = clock
        self._bodies = bodies
        self._names = names
        self._patience = patience
        self._slots = DeferredSemaphore(_BODIES_AT_ONCE)
        self._waits: dict[int, str] = {}
        self._given_up: dict[int, float] = {}  # when first

    @property
    def trouble(self) -> str:
        """
        Why it has been waiting for a body for a while; empty where it has not.
        """
        return next(iter(self._waits.values()), "")

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
        until = self._clock.seconds() + self._patience
        checked = await self._check_all(packages, until)
        killmails = [each for each in checked if isinstance(each, Killmail)]
        found = await self._find_names(killmails, arrived)
        entries: list[Entry] = []
        rejects: list[Reject] = []
        lacking = False
        for package, each in zip(packages, checked, strict=True):
            entry = self._entry(each, found) if isinstance(each, Killmail) else each
            if isinstance(entry, Entry):
                entries.append(entry)
            else:
                rejects.append(_reject(package, entry.reason, kind, owner))
                lacking = lacking or entry.for_now
            if (len(entries) + len(rejects)) % _ENCODED_AT_ONCE == 0:
                await deferLater(self._clock, 0)  # encoding is slow: let others run
        return Prepared(entries, rejects, lacking)

    async def _check_all(
        self, packages: Sequence[Package], until: float
    ) -> list[Killmail | _SetAside]:
        checks = [Deferred.fromCoroutine(self._check(each, until)) for each in packages]
        try:
            return await gatherResults(checks, consumeErrors=True)
        except FirstError as error:  # the one thing that a check lets out
            raise CancelledError() from error

    async def _check(self, package: Package, until: float) -> Killmail | _SetAside:
        """
        :param until: UNIX seconds, for which its body is waited for.
        :returns: the killmail, or why it is none.
        """
        try:
            return await self._killmail(package, until)
        except CancelledError:
            raise
        except BadKillmail as error:
            return _SetAside(str(error))
        except UpstreamError as error:
            for_now = not isinstance(error, Refused) and self._may_come(package)
            return _SetAside(f"Its body can't be had: {error.reason}", for_now)
        except Exception as error:
            self._log.failure("killmail {id} is set aside", id=package.killmail_id)
            return _SetAside(f"Unexpected: {error!r}")

    async def _killmail(self, package: Package, until: float) -> Killmail:
        esi = package.esi
        if esi is None:
            esi = await self._body(package, until)
        killmail = decode(esi, package.zkb, package.hash)
        if package.killmail_id not in (None, killmail.killmail_id):
            raise BadKillmail(f"The body is that of killmail {killmail.killmail_id}")
        return killmail

    async def _body(self, package: Package, until: float) -> object:
        id, hash = package.killmail_id, package.hash
        if id is None or hash is None:
            raise BadKillmail("It has no body, and no id and hash to fetch one by")
        pauses, begun = backoff(2, 60), self._clock.seconds()
        try:
            while True:
                try:
                    async with self._slots:
                        self.bodies += 1
                        return await self._bodies.body(id, hash)
                except Refused:
                    raise
                except UpstreamError as error:
                    pause = error.retry_after or next(pauses)
                    next_try = self._clock.seconds() + pause
                    if next_try > until:
                        raise
                    if next_try - begun >= _LONG:
                        self._waits[id] = f"The body of {id} is lacking: {error.reason}"
                await deferLater(self._clock, pause)
        finally:
            self._waits.pop(id, None)

    def _may_come(self, package: Package) -> bool:
        """
        Whether a body that is given up may be had later.
        """
        now, id = self._clock.seconds(), package.killmail_id or 0
        first = self._given_up.setdefault(id, now)
        while len(self._given_up) > _GIVEN_UP:
            del self._given_up[next(iter(self._given_up))]
        return now - first < _FOR_EVER

    async def _find_names(self, killmails: Sequence[Killmail], arrived: float) -> Found:
        """
        The names of all of them, in one look-up.
        """
        ids = frozenset().union(*map(nameable_ids, killmails))
        return await self._names.look_up(ids, arrived + self._names.deadline_seconds)

    def _entry(self, killmail: Killmail, found: Found) -> Entry | _SetAside:
        try:
            return Entry(
                killmail=killmail,
                body=encode(killmail, found.names),
                sizes=nominal_sizes(killmail),
                named=found.missing.isdisjoint(nameable_ids(killmail)),
            )
        except Exception as error:
            self._log.failure("killmail {id} is set aside", id=killmail.killmail_id)
            return _SetAside(f"It can't be encoded: {error!r}")


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
