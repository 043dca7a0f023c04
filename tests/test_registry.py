"""
Which streams a killmail concerns.
"""

import attrs
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import SyncCase
from tests.support.killmails import record
from wanderer_twisted.partition import Filter
from wanderer_twisted.stream.registry import Registry


@attrs.frozen(eq=False)
class Member:
    wanted: Filter


_ids = st.frozensets(st.integers(1, 6), max_size=3)
_filters = st.builds(
    Filter, _ids, _ids, corporation_ids=_ids, alliance_ids=_ids | st.just(frozenset())
)
_members = st.lists(st.builds(Member, _filters), max_size=6)


class RegistryTests(SyncCase):
    """
    Members are found by what they asked for.
    """

    @given(_members, st.data())
    def test_as_by_walking(self, members: list[Member], data: st.DataObject) -> None:
        """
        The index finds whom a walk over all members would, also after some left.
        """
        registry: Registry[Member] = Registry()
        for member in members:
            registry.add(member)
        gone = data.draw(st.sets(st.sampled_from(members))) if members else set()
        for member in gone:
            registry.remove(member)
            registry.remove(member)  # twice is no error
        victim, other = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
        system = data.draw(st.integers(1, 6))
        facts = record(
            1,
            victim=victim,
            attackers=[other],
            system=system,
            corporation=data.draw(st.integers(1, 6)),
            alliance=data.draw(st.integers(1, 6) | st.none()),
        ).facts
        expected = {m for m in members if m not in gone and m.wanted.concerns(facts)}
        self.assertEqual(set(registry.find(facts)), expected)
        self.assertEqual(len(registry), len(members) - len(gone))

    def test_nothing_stays(self) -> None:
        """
        Who leaves leaves nothing behind.
        """
        registry: Registry[Member] = Registry()
        wanted = Filter(
            frozenset([1, 2]),
            frozenset([3]),
            corporation_ids=frozenset([1]),
            alliance_ids=frozenset([1, 4, 5]),
        )
        members = [Member(wanted) for _ in range(3)]
        for member in members:
            registry.add(member)
        self.assertEqual(registry.ids, 7)
        for member in members:
            registry.remove(member)
        self.assertEqual((len(registry), registry.ids), (0, 0))
