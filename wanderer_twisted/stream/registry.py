"""
Which streams a killmail concerns.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import Final, Generic, Protocol, TypeVar, Union

from wanderer_twisted.partition import KINDS, Facts, Filter, Ids, Kind


class _Member(Protocol):
    @property
    def wanted(self) -> Filter: ...


M = TypeVar("M", bound=_Member)

#: Many members, in the order in which they came. So they lie in memory, and what the
#: kernel has of them, too: telling all in this order takes a thirtieth less.
_Many = dict[M, None]

#: The members of one id: itself where there is one, as for most ids; a few; or many. A
#: tuple takes 48 bytes more, a dict four times as much.
_Members = Union[M, tuple[M, ...], _Many[M]]  # noqa: UP007  (mypy wants it so)
_FEW: Final = 8


class Registry(Generic[M]):
    """
    Members by the ids that they name, and those who want everything.

    Finding costs a killmail's participants and its matches, never the members.
    """

    def __init__(self) -> None:
        self._members: _Many[M] = {}
        self._everything: _Many[M] = {}
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
        self._members[member] = None
        if not member.wanted.names_somebody:
            self._everything[member] = None
        for index, ids in self._indexes(member):
            for each in ids:
                others = index.setdefault(each, member)
                if others is not member:
                    index[each] = _with(others, member)

    def remove(self, member: M) -> None:
        """
        Take *member* out; one who is not in is no error.
        """
        if member not in self._members:
            return
        del self._members[member]
        self._everything.pop(member, None)
        for index, ids in self._indexes(member):
            for each in ids:
                left = _without(index[each], member)
                if _each(left):
                    index[each] = left
                else:
                    del index[each]

    def find(self, facts: Facts) -> list[M]:
        """
        The members whose ids match, each once; the caller may add and remove members
        while it walks over the answer.
        """
        groups: list[Collection[M]] = [self._everything] if self._everything else []
        for index, ids in (
            (self._by["system"], (facts.system_id,)),
            (self._by["character"], facts.character_ids),
            (self._by["corporation"], facts.corporation_ids),
            (self._by["alliance"], facts.alliance_ids),
        ):
            if index:
                found: Iterable[_Members[M]] = filter(None, map(index.get, ids))
                groups += map(_each, found)
        if len(groups) == 1:
            return list(groups[0])
        each_once = dict.fromkeys(chain.from_iterable(groups))
        return list(each_once)

    @property
    def ids(self) -> int:
        """
        How many ids are being followed, for operators.
        """
        return sum(map(len, self._by.values()))

    def _indexes(self, member: M) -> Iterable[tuple[dict[int, _Members[M]], Ids]]:
        for kind in KINDS:
            yield self._by[kind], member.wanted.ids(kind)


def _each(members: _Members[M]) -> Collection[M]:
    return members if isinstance(members, (tuple, dict)) else (members,)


def _with(members: _Members[M], member: M) -> _Members[M]:
    if isinstance(members, dict):
        members[member] = None
        return members
    if not isinstance(members, tuple):
        return members, member
    more = (*members, member)
    return more if len(more) <= _FEW else dict.fromkeys(more)


def _without(members: _Members[M], member: M) -> _Members[M]:
    """
    :returns: an empty tuple where nobody is left.
    """
    if isinstance(members, dict):
        del members[member]
        return members
    left = tuple(each for each in _each(members) if each is not member)
    return left[0] if len(left) == 1 else left
