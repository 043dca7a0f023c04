"""
What became of a killmail for a stream, in words.
"""

from typing import Any

from tests.support.cases import SyncCase
from wanderer_twisted.ops.verdicts import verdict
from wanderer_twisted.partition import Facts, Filter, Snapshot
from wanderer_twisted.records import Place
from wanderer_twisted.stream.cursor import (
    AfterHistory,
    Cursor,
    InHistory,
    Live,
    Starting,
)

ANN = Filter(frozenset([1]))
RICH = Filter(frozenset([1]), min_value=1e9)

#: A history of all up to number 50, back to 12:00; live from 40 on.
SNAPSHOT = Snapshot(50, 1_795_003_200)
NOON = SNAPSHOT.cutoff


def facts(**parts: Any) -> Facts:
    known: dict[str, Any] = {
        "killmail_id": 7,
        "kill_time": NOON + 100,
        "system_id": 30000142,
        "character_ids": frozenset([1, 2]),
        "value": 5e6,
        "added_seq": 45,
        "live_seq": 45,
        "valued_seq": 45,
    }
    return Facts(**{**known, **parts})


class VerdictTests(SyncCase):
    """
    Every answer that there is.
    """

    def said(self, wanted: Filter, cursor: Cursor, **parts: Any) -> str:
        return verdict(facts(**parts), wanted, cursor, origin=40, head=60)

    def test_ids(self) -> None:
        """
        Another's killmail is not for it.
        """
        said = self.said(Filter(frozenset([3])), Live(60))
        self.assertEqual(said, "not for it: it asked for none of its ids")

    def test_live(self) -> None:
        """
        A stream without a history gets what is announced while it is open.
        """
        for cursor, live_seq, answer in (
            (Live(60), 45, "told, live"),
            (Live(45), 45, "told, live"),
            (Live(44), 45, "still to come, live: it is at number 44"),
            (Live(60), 40, "announced before it came: it began behind number 40"),
            (
                Live(60),
                None,
                "not for it: no feed announced it; it asked for no history",
            ),
        ):
            self.assertEqual(self.said(ANN, cursor, live_seq=live_seq), answer)

    def test_history(self) -> None:
        """
        A stream with a history gets it there, once.
        """
        before = InHistory(40, SNAPSHOT, Place(NOON + 100, 6), "abcdef")
        behind = InHistory(40, SNAPSHOT, Place(NOON + 100, 7), "abcdef")
        for cursor, answer in (
            (
                Starting(40, NOON, "abcdef"),
                "still to come, in its history, which is being prepared",
            ),
            (before, "still to come, in its history"),
            (behind, "told, in its history"),
            (AfterHistory(50, SNAPSHOT, "abcdef"), "told, in its history"),
        ):
            self.assertEqual(self.said(ANN, cursor), answer)
            self.assertEqual(self.said(ANN, cursor, live_seq=None), answer)

    def test_live_behind_a_history(self) -> None:
        """
        What the history does not hold, and was announced, comes behind it.
        """
        later = {"added_seq": 55, "live_seq": 55, "valued_seq": 55}
        waiting = "still to come, live, behind its history"
        self.assertEqual(
            self.said(ANN, InHistory(40, SNAPSHOT, Place(), "abcdef"), **later), waiting
        )
        self.assertEqual(
            self.said(ANN, Starting(40, NOON, "abcdef"), kill_time=NOON - 1), waiting
        )
        after = AfterHistory(60, SNAPSHOT, "abcdef")
        self.assertEqual(self.said(ANN, after, **later), "told, live")
        self.assertEqual(self.said(ANN, after, kill_time=NOON - 1), "told, live")
        self.assertEqual(
            self.said(ANN, after, kill_time=NOON - 1, live_seq=39),
            "announced before it came: it began behind number 40",
        )

    def test_in_neither(self) -> None:
        """
        What no feed announced is only in histories that reach it.
        """
        after = AfterHistory(60, SNAPSHOT, "abcdef")
        start = "not for it: no feed announced it; its history "
        self.assertEqual(
            self.said(ANN, after, live_seq=None, kill_time=NOON - 1),
            start + "begins later, at 2026-11-18T12:00:00.000Z",
        )
        self.assertEqual(
            self.said(ANN, after, live_seq=None, added_seq=51),
            start + "was frozen before, at number 50",
        )

    def test_values(self) -> None:
        """
        ``min_value`` looks at the value that was known at the time.
        """
        live, after = Live(60), AfterHistory(60, SNAPSHOT, "abcdef")
        self.assertEqual(
            self.said(RICH, live),
            "not for it: when it was announced, its value was below 1,000,000,000 ISK;"
            " it asked for no history",
        )
        self.assertEqual(
            self.said(RICH, live, value=None, valued_seq=None),
            "not for it: when it was announced, its value was not known;"
            " it asked for no history",
        )
        self.assertEqual(
            self.said(RICH, after, value=2e9, valued_seq=51),
            "not for it: when it was announced, its value was not known;"
            " when its history was frozen, its value was not known",
        )
        self.assertEqual(
            self.said(RICH, after, value=2e9, valued_seq=48), "told, in its history"
        )
        self.assertEqual(self.said(RICH, live, value=2e9), "told, live")
