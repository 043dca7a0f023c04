"""
Which streams a killmail concerns.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Final, Generic, Protocol, TypeVar

from wanderer_twisted.partition import KINDS, Facts, Filter, Kind


class _Member(Protocol):
    @property
    def wanted(self) -> Filter: ...


M = TypeVar("M", bound=_Member)

#: The members of one id. Most ids have few, and a set takes four times the memory.
_Members = tuple[M, ...] | set[M]
_FEW: Final = 8


class Registry(Generic[M]):
    """
    Members by the ids that they name, and those who want everything.

    Finding costs a killmail's participants and its matches, never the members.
    """

    def __init__(self) -> None:
        self._members: set[M] = set()
        self._everything: set[M] = set()
        self._by: dict[Kind, dict[int, _Members[M]]] = {kind: {} for kind in KINDS}

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[M]:
        return iter(self._members)

    def __contains__(self, member: object) -> bool:
        return member in self._members

    def add(self, member: M) -> None:
        if member in self._members:
            return
        self._members.add(member)
        if not member.wanted.names_somebody:
            self._everything.add(member)
        for index, ids in self._indexes(member):
            for each in ids:
                index[each] = _with(index.get(each, ()), member)

    def remove(self, member: M) -> None:
        """
        Take *member* out; one who is not in is no error.
        """
        if member not in self._members:
            return
        self._members.remove(member)
        self._everything.discard(member)
        for index, ids in self._indexes(member):
            for each in ids:
                left = _without(index[each], member)
                if left:
                    index[each] = left
                else:
                    del index[each]

    def find(self, facts: Facts) -> Collection[M]:
        """
        The members whose ids match, each once; the caller may add and remove members
        while it walks over the answer.
        """
        found = set(self._everything)
        found.update(self._by["system"].get(facts.system_id, ()))
        for index, ids in (
            (self._by["character"], facts.character_ids),
            (self._by["corporation"], facts.corporation_ids),
            (self._by["alliance"], facts.alliance_ids),
        ):
            if index:
                for each in ids:
                    found.update(index.get(each, ()))
        return found

    @property
    def ids(self) -> int:
        """
        How many ids are being followed, for operators.
        """
        return sum(map(len, self._by.values()))

    def _indexes(
        self, member: M
    ) -> Iterable[tuple[dict[int, _Members[M]], frozenset[int]]]:
        for kind in KINDS:
            yield self._by[kind], member.wanted.ids(kind)


def _with(members: _Members[M], member: M) -> _Members[M]:
    if isinstance(members, tuple):
        members = (*members, member)
        return members if len(members) <= _FEW else set(members)
    members.add(member)
    return members


def _without(members: _Members[M], member: M) -> _Members[M]:
    if isinstance(members, tuple):
        return tuple(each for each in members if each is not member)
    members.remove(member)
    return members
