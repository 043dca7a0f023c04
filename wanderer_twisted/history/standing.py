"""
How some ids stand: what the store has of them, and what it lacks.
"""

from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred, FirstError, gatherResults

from wanderer_twisted.history.coverage import Key, keys
from wanderer_twisted.history.proof import Proof, feeds_since, is_fresh, make_proof
from wanderer_twisted.interfaces import IKillmailStore
from wanderer_twisted.partition import KINDS, Filter
from wanderer_twisted.records import Coverage, FeedsThatCount, Report


@attrs.frozen
class Standing:
    """
    :ivar keys: the listings of the ids.
    :ivar coverage: of those that were listed.
    :ivar bare: those that have killmails without zkb blocks; others lack no names.
    """

    keys: Sequence[Key]
    proof: Proof
    coverage: Mapping[Key, Coverage] = attrs.field(factory=dict)
    bare: Collection[Key] = ()

    def lacking(self, now: float) -> list[Key]:
        """
        Of which killmails are lacking that a listing may have.
        """
        return [
            each for each in self.keys if self.proof.lacks(self.coverage.get(each), now)
        ]

    def unvalued(self, now: float) -> list[Key]:
        """
        Of which values are lacking that a listing may have.
        """
        return [
            each
            for each in self.keys
            if each in self.bare and not self._was_listed(each, now)
        ]

    def covered(self, some: Iterable[Key]) -> frozenset[Key]:
        """
        Those of *some* of which all killmails are there.
        """
        return frozenset(
            each for each in some if self.proof.covers(self.coverage.get(each))
        )

    def _was_listed(self, key: Key, now: float) -> bool:
        coverage = self.coverage.get(key)
        if coverage is None or not is_fresh(coverage, now):
            return False
        return coverage.since <= self.proof.cutoff

    def report(
        self, missing: int, unvalued: Collection[Key], is_cut: bool, now: float
    ) -> Report:
        """
        :param missing: killmails known by id that could not be had.
        :param unvalued: of which values are lacking that decide.
        :param is_cut: whether what lies before the cutoff was removed: then more may
            have been asked for.
        """
        covered = () if is_cut else self.covered(self.keys)
        incomplete = frozenset(self.keys).difference(covered)
        since = self.proof.since(self.coverage.get(each) for each in incomplete)
        return Report(
            missing,
            len(incomplete.union(unvalued)),
            None if unvalued else since,
            *self.proof.count_days(now),
        )


async def read_standing(
    store: IKillmailStore,
    feeds: FeedsThatCount,
    wanted: Filter,
    cutoff: int,
    with_values: bool,
) -> Standing:
    """
    :param with_values: whether it matters which values are lacking.
    """
    asked = keys(wanted)
    kinds = [kind for kind in KINDS if wanted.ids(kind)]
    values = [store.read_unvalued(wanted, cutoff)] if with_values else []
    positions, days, *rest = await together(
        store.read_positions(),
        store.read_days(),
        *(store.read_coverage(kind, wanted.ids(kind)) for kind in kinds),
        *values,
    )
    coverage = {
        (kind, owner): each
        for kind, found in zip(kinds, rest, strict=False)
        for owner, each in found.items()
    }
    bare = frozenset(rest[-1]) if with_values else frozenset()
    proof = make_proof(cutoff, positions, feeds, days)
    return Standing(asked, proof, coverage, bare)


async def read_listed(
    store: IKillmailStore, feeds: FeedsThatCount, key: Key
) -> tuple[Coverage | None, float | None]:
    """
    What a listing has covered of one id, and since when the feed has been
    uninterrupted.
    """
    kind, owner = key
    found = await store.read_coverage(kind, [owner])
    positions = await store.read_positions()
    return found.get(owner), feeds_since(positions, feeds.names)


async def together(*reads: "Deferred[Any] | Coroutine[Any, Any, Any]") -> list[Any]:
    """
    The answers of several reads that do not wait for each other.

    :raises Exception: the first error, as it is.
    """
    begun = [
        each if isinstance(each, Deferred) else Deferred.fromCoroutine(each)
        for each in reads
    ]
    try:
        return await gatherResults(begun, consumeErrors=True)
    except FirstError as error:
        error.subFailure.raiseException()
