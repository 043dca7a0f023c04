"""
The partition: which killmails are a stream's history and which are its live part, each
in exactly one of the two (design.md §3.3).

Pure functions of values that are written once, so the answer is the same whenever and
wherever it is asked: by the store that reads pages, by the hub that hands out what was
just committed, and after a reconnect.
"""

import hashlib
from collections.abc import Iterable
from typing import Final, Literal

import attrs

from wanderer_twisted.encoding import dumps

#: What killmails are asked for by: whoever took part, and where.
Kind = Literal["character", "corporation", "alliance", "system"]
KINDS: Final[tuple[Kind, ...]] = ("character", "corporation", "alliance", "system")


#: From how many ids on a set is worth its room.
_MANY: Final = 100

Ids = tuple[int, ...] | frozenset[int]


def _compact(ids: Iterable[int]) -> Ids:
    """
    Distinct ids, which a stream has for as long as it lives: a tuple of a hundred takes
    a tenth of what a set does.
    """
    distinct = frozenset(ids)
    return distinct if len(distinct) > _MANY else tuple(sorted(distinct))


@attrs.frozen
class Filter:
    """
    What a client asked for: ``min_value`` AND (any of the ids of any kind).

    :ivar min_value: ISK; None for any, also unknown, value.
    """

    character_ids: Ids = attrs.field(default=(), converter=_compact)
    system_ids: Ids = attrs.field(default=(), converter=_compact)
    min_value: float | None = None
    corporation_ids: Ids = attrs.field(default=(), converter=_compact)
    alliance_ids: Ids = attrs.field(default=(), converter=_compact)

    @classmethod
    def only(cls, kind: Kind, id: int) -> "Filter":
        """
        All killmails of one id.
        """
        ids = {f"{each}_ids": (id,) if each == kind else () for each in KINDS}
        return cls(min_value=None, **ids)

    def ids(self, kind: Kind) -> Ids:
        ids: Ids = getattr(self, f"{kind}_ids")
        return ids

    @property
    def owners(self) -> int:
        """
        How many ids there are.
        """
        return sum(len(self.ids(kind)) for kind in KINDS)

    @property
    def names_somebody(self) -> bool:
        return bool(
            self.character_ids
            or self.system_ids
            or self.corporation_ids
            or self.alliance_ids
        )

    @property
    def fingerprint(self) -> str:
        """
        Six characters by which a cursor recognises the filter that it was made for.
        """
        wish = [sorted(self.character_ids), sorted(self.system_ids), self.min_value]
        if self.corporation_ids or self.alliance_ids:  # older cursors know of none
            wish += [sorted(self.corporation_ids), sorted(self.alliance_ids)]
        return hashlib.sha256(dumps(wish)).hexdigest()[:6]

    def concerns(self, facts: "Facts") -> bool:
        """
        Whether the ids match; a character, a corporation or an alliance as that of the
        victim or of any attacker.
        """
        if not self.names_somebody:
            return True
        return (
            facts.system_id in self.system_ids
            or not facts.character_ids.isdisjoint(self.character_ids)
            or not facts.corporation_ids.isdisjoint(self.corporation_ids)
            or not facts.alliance_ids.isdisjoint(self.alliance_ids)
        )

    def values(self, value: float | None, valued_seq: int | None, by: int) -> bool:
        """
        Whether the value is high enough and was known by the number *by*: one that
        comes later must not move a killmail into a set that is frozen.
        """
        if self.min_value is None:
            return True
        if value is None or valued_seq is None:
            return False
        return valued_seq <= by and value >= self.min_value


@attrs.frozen
class Facts:
    """
    All of a killmail that the partition looks at; every part is written once.

    :ivar kill_time: UNIX seconds.
    :ivar added_seq: the store's number when the body was first stored.
    :ivar live_seq: its number at the first announcement by a live feed, if ever.
    :ivar valued_seq: the number that its value came with, if one came.
    """

    killmail_id: int
    kill_time: int
    system_id: int
    character_ids: frozenset[int]
    value: float | None
    added_seq: int
    live_seq: int | None
    valued_seq: int | None
    corporation_ids: frozenset[int] = frozenset()
    alliance_ids: frozenset[int] = frozenset()


@attrs.frozen
class Snapshot:
    """
    A frozen history: what the store held at number *head*, back to *cutoff*.

    :ivar head: H of design.md §3.3.
    :ivar cutoff: UNIX seconds; the oldest kill_time.
    """

    head: int
    cutoff: int

    def holds(
        self,
        wanted: Filter,
        kill_time: int,
        added_seq: int,
        value: float | None,
        valued_seq: int | None,
    ) -> bool:
        """
        Whether a killmail that *wanted* concerns is in this history.
        """
        return (
            added_seq <= self.head
            and kill_time >= self.cutoff
            and wanted.values(value, valued_seq, by=self.head)
        )


def is_live(facts: Facts, wanted: Filter, snapshot: Snapshot | None) -> bool:
    """
    Whether a killmail, announced after a stream's H0, belongs to its live part.

    :param snapshot: the stream's history; None where it has none.
    """
    return wanted.concerns(facts) and live_part_holds(facts, wanted, snapshot)


def live_part_holds(facts: Facts, wanted: Filter, snapshot: Snapshot | None) -> bool:
    """
    The same of a killmail that *wanted* concerns.
    """
    if facts.live_seq is None:
        return False
    if not wanted.values(facts.value, facts.valued_seq, by=facts.live_seq):
        return False
    return snapshot is None or not snapshot.holds(
        wanted, facts.kill_time, facts.added_seq, facts.value, facts.valued_seq
    )
