"""
The oracle: the store's numbers and the partition, written down a second time, simply.

It follows the design's text (§3.2, §3.3), not the code: the state machine holds the
server against it.
"""

from collections.abc import Collection, Iterable

import attrs

from tests.support.killmails import DAY
from wanderer_twisted.partition import Filter

RETENTION = 100 * DAY


@attrs.frozen
class Upstream:
    """
    A killmail as it happened.
    """

    killmail_id: int
    kill_time: int
    characters: frozenset[int]
    system: int
    value: float
    items: int
    corporation: int = 98000001
    alliance: int | None = None


@attrs.define
class Kept:
    """
    A killmail as a store must hold it.
    """

    upstream: Upstream
    added: int
    live: int | None = None
    valued: int | None = None
    told_at: float = 0.0


@attrs.frozen
class Wanted:
    """
    What a client asks for.
    """

    characters: frozenset[int]
    systems: frozenset[int]
    min_value: float | None
    corporations: frozenset[int] = frozenset()
    alliances: frozenset[int] = frozenset()

    @property
    def names_somebody(self) -> bool:
        return bool(
            self.characters or self.systems or self.corporations or self.alliances
        )

    def concerns(self, upstream: Upstream) -> bool:
        if not self.names_somebody:
            return True
        return bool(
            self.characters & upstream.characters
            or upstream.system in self.systems
            or upstream.corporation in self.corporations
            or upstream.alliance in self.alliances
        )

    def affords(self, kept: Kept, by: int) -> bool:
        """
        Whether the value was known by number *by*, and is enough.
        """
        if self.min_value is None:
            return True
        return (
            kept.valued is not None
            and kept.valued <= by
            and kept.upstream.value >= self.min_value
        )

    def lives(self, kept: Kept) -> bool:
        return (
            kept.live is not None
            and self.concerns(kept.upstream)
            and self.affords(kept, by=kept.live)
        )


@attrs.define
class Oracle:
    """
    What a store that lost and repeated nothing would hold.

    :ivar journal: everything that was ever announced, pruned or not.
    :ivar holes: when each was told, by number.
    :ivar pruned: ids that are gone for ever.
    :ivar forgotten: numbers of holes that are.
    :ivar claims: what the store had of a history whenever it had all, by filter and
        cutoff.
    """

    head: int = 0
    kept: dict[int, Kept] = attrs.field(factory=dict)
    journal: list[Kept] = attrs.field(factory=list)
    holes: dict[int, float] = attrs.field(factory=dict)
    forgotten: set[int] = attrs.field(factory=set)
    pruned: set[int] = attrs.field(factory=set)
    known: dict[int, Upstream] = attrs.field(factory=dict)
    claims: dict[tuple[Filter, int], list[frozenset[int]]] = attrs.field(factory=dict)

    def take(
        self, ups: Iterable[tuple[Upstream, bool]], announce: bool, now: float
    ) -> None:
        """
        :param ups: killmails, each with whether its value is known.
        """
        for upstream, valued in ups:
            if upstream.killmail_id in self.pruned:
                continue
            self.known[upstream.killmail_id] = upstream
            kept = self.kept.get(upstream.killmail_id)
            number = None
            if kept is None:
                number = self._number()
                kept = Kept(upstream, added=number)
                self.kept[upstream.killmail_id] = kept
            if announce and kept.live is None:
                number = number or self._number()
                kept.live, kept.told_at = number, now
                self.journal.append(kept)
            if valued and kept.valued is None:
                kept.valued = number or self._number()

    def load(self, ups: Iterable[Upstream]) -> None:
        """
        A part of the archive: what is new of it gets one number, and is not announced.
        """
        new = [
            each
            for each in ups
            if each.killmail_id not in self.pruned and each.killmail_id not in self.kept
        ]
        if new:
            number = self._number()
            for each in new:
                self.known[each.killmail_id] = each
                self.kept[each.killmail_id] = Kept(each, added=number)

    def hole(self, now: float) -> None:
        self.holes[self._number()] = now

    def prune(self, now: float) -> None:
        for each in list(self.kept.values()):
            if max(each.told_at, each.upstream.kill_time) < now - RETENTION:
                del self.kept[each.upstream.killmail_id]
                self.pruned.add(each.upstream.killmail_id)
        self.forgotten.update(
            number for number, at in self.holes.items() if at < now - RETENTION
        )

    def history(self, wanted: Wanted, head: int, cutoff: int) -> list[int]:
        """
        The ids of a frozen history, in order.
        """
        held = [
            kept.upstream
            for kept in self.kept.values()
            if self.holds(kept, wanted, head, cutoff)
        ]
        held.sort(key=lambda each: (each.kill_time, each.killmail_id))
        return [each.killmail_id for each in held]

    def holds(self, kept: Kept, wanted: Wanted, head: int, cutoff: int) -> bool:
        return (
            wanted.concerns(kept.upstream)
            and kept.added <= head
            and kept.upstream.kill_time >= cutoff
            and wanted.affords(kept, by=head)
        )

    def announced(self, after: int) -> Collection[Kept]:
        return [kept for kept in self.journal if (kept.live or 0) > after]

    def _number(self) -> int:
        self.head += 1
        return self.head
