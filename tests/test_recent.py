"""
What was announced last, kept in memory.
"""

import attrs
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import SyncCase
from tests.support.killmails import record
from wanderer_twisted.stream.entries import KillmailEntry
from wanderer_twisted.stream.recent import Recent


def entry(seq: int) -> KillmailEntry:
    return KillmailEntry(record(seq, live_seq=seq), seq)


class RecentTests(SyncCase):
    """
    What is there, and what is said not to be.
    """

    @given(
        st.integers(0, 50),
        st.lists(st.integers(1, 3), max_size=20),
        st.integers(1, 6),
        st.integers(0, 120),
        st.integers(1, 30),
    )
    def test_any(
        self, start: int, steps: list[int], most: int, asked: int, page: int
    ) -> None:
        """
        Everything above a number, in order, or nothing at all.
        """
        recent = Recent(most, page)
        seqs: list[int] = []
        recent.begin(start)
        for step in steps:
            seqs.append((seqs or [start])[-1] + step)
            recent.add(entry(seqs[-1]))
        found = recent.after(asked)
        wanted = [seq for seq in seqs if seq > asked]
        if found is None:
            self.assertTrue(asked < start or len(wanted) > most)
        else:
            self.assertEqual([each.seq for each in found], wanted[:page])
        self.assertLessEqual(len(recent), most)

    def test_bytes(self) -> None:
        """
        Large ones push others out, however few they are.
        """
        recent = Recent()
        for seq in range(1, 40):
            large = entry(seq)
            large.record = attrs.evolve(large.record, sizes=(1 << 20, 1 << 20))
            recent.add(large)
        self.assertLessEqual(len(recent), 8)
        self.assertIsNone(recent.after(5))
