"""
Filters, as facts, and the partition: a killmail is history or live, never both.
"""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import SyncCase
from tests.support.killmails import DAY, START, record
from wanderer_twisted.partition import Facts, Filter, Snapshot, is_live

SYSTEM, OTHER_SYSTEM = 30000142, 30000144
MILLION = 1_000_000.0


def _filter(
    characters: tuple[int, ...] = (),
    systems: tuple[int, ...] = (),
    min_value: float | None = None,
) -> Filter:
    return Filter(frozenset(characters), frozenset(systems), min_value)


class FilterTests(SyncCase):
    """
    The cases of the upstream's own tests (WandererKills, FilterHandler).
    """

    def matches(self, wanted: Filter, value: float | None = 150 * MILLION) -> bool:
        facts = record(
            1,
            1,
            live_seq=1,
            valued_seq=1,
            value=value,
            victim=100,
            attackers=[200, 300],
        ).facts
        return is_live(facts, wanted, None)

    def test_nothing_asked(self) -> None:
        """
        Without a filter every killmail matches.
        """
        self.assertTrue(self.matches(_filter()))

    def test_characters(self) -> None:
        """
        A character matches as the victim and as any attacker.
        """
        self.assertTrue(self.matches(_filter((100,))))
        self.assertTrue(self.matches(_filter((300,))))
        self.assertFalse(self.matches(_filter((999,))))

    def test_systems(self) -> None:
        """
        A system matches by its id.
        """
        self.assertTrue(self.matches(_filter(systems=(SYSTEM,))))
        self.assertFalse(self.matches(_filter(systems=(OTHER_SYSTEM,))))

    def test_either(self) -> None:
        """
        A character OR a system is enough.
        """
        self.assertTrue(self.matches(_filter((999,), (SYSTEM,))))
        self.assertTrue(self.matches(_filter((100,), (OTHER_SYSTEM,))))
        self.assertFalse(self.matches(_filter((999,), (OTHER_SYSTEM,))))

    def test_value(self) -> None:
        """
        The value counts AND the ids; the bound itself is enough.
        """
        self.assertTrue(self.matches(_filter(min_value=100 * MILLION)))
        self.assertTrue(self.matches(_filter(min_value=150 * MILLION)))
        self.assertFalse(self.matches(_filter(min_value=200 * MILLION)))
        self.assertTrue(self.matches(_filter((100,), min_value=100 * MILLION)))
        self.assertFalse(self.matches(_filter((100,), min_value=200 * MILLION)))

    def test_unknown_value(self) -> None:
        """
        An unknown value fails any bound, even zero.
        """
        self.assertFalse(self.matches(_filter(min_value=0.0), value=None))
        self.assertTrue(self.matches(_filter(), value=None))

    def test_fingerprint(self) -> None:
        """
        It tells filters apart by every part, and not by the order of the ids.
        """
        same = {_filter((1, 2)).fingerprint, _filter((2, 1)).fingerprint}
        self.assertEqual(len(same), 1)
        others = [
            _filter(),
            _filter((1,)),
            _filter((1, 2)),
            _filter(systems=(1, 2)),
            _filter((1,), (2,)),
            _filter((1, 2), min_value=0.0),
            _filter((1, 2), min_value=1.0),
        ]
        self.assertEqual(len({each.fingerprint for each in others}), len(others))
        for each in others:
            self.assertRegex(each.fingerprint, "^[0-9a-f]{6}$")


_numbers = st.integers(1, 12)
_facts = st.builds(
    Facts,
    killmail_id=st.just(1),
    kill_time=st.sampled_from([START - 40 * DAY, START - DAY, START]),
    system_id=st.just(SYSTEM),
    character_ids=st.just(frozenset([1])),
    value=st.sampled_from([1.0, 100.0]),
    added_seq=_numbers,
    live_seq=_numbers,
    valued_seq=st.none() | _numbers,
)
_filters = st.sampled_from(
    [_filter(), _filter((1,)), _filter((2,)), _filter((1,), min_value=50.0)]
)


class PartitionTests(SyncCase):
    """
    The rule of history and live.
    """

    @given(_facts, _filters, _numbers)
    def test_never_both(self, facts: Facts, wanted: Filter, head: int) -> None:
        """
        What a history holds is never live on the same stream.
        """
        snapshot = Snapshot(head, START - 30 * DAY)
        held = wanted.concerns(facts) and snapshot.holds(
            wanted, facts.kill_time, facts.added_seq, facts.value, facts.valued_seq
        )
        self.assertFalse(held and is_live(facts, wanted, snapshot))

    @given(_facts, _filters, _numbers)
    def test_never_neither(self, facts: Facts, wanted: Filter, head: int) -> None:
        """
        What would be live without a history is live or in it.
        """
        snapshot = Snapshot(head, START - 30 * DAY)
        if is_live(facts, wanted, None):
            held = snapshot.holds(
                wanted, facts.kill_time, facts.added_seq, facts.value, facts.valued_seq
            )
            self.assertNotEqual(held, is_live(facts, wanted, snapshot))

    def test_value_known_later(self) -> None:
        """
        A value that came after the history was frozen does not move a killmail into
        it, nor one that came after its announcement into the live part.
        """
        wanted = _filter((1,), min_value=50.0)
        late = record(
            1, added_seq=3, live_seq=5, valued_seq=7, value=100.0, victim=1
        ).facts
        snapshot = Snapshot(6, 0)
        self.assertFalse(
            snapshot.holds(wanted, late.kill_time, 3, late.value, late.valued_seq)
        )
        self.assertFalse(is_live(late, wanted, snapshot))
        self.assertTrue(
            Snapshot(7, 0).holds(wanted, late.kill_time, 3, late.value, late.valued_seq)
        )

    def test_never_announced(self) -> None:
        """
        What no live feed announced is never live.
        """
        self.assertFalse(is_live(record(1).facts, _filter(), None))
