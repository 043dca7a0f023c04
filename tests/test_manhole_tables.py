"""
Text for the manhole's terminals.
"""

from tests.support.cases import SyncCase
from tests.support.killmails import DAY
from wanderer_twisted.ops.listing import wishes
from wanderer_twisted.ops.tables import plain, span, table
from wanderer_twisted.partition import Filter


class TableTests(SyncCase):
    """
    Text for a terminal.
    """

    def test_table(self) -> None:
        """
        Numbers at the right, nothing as a dash, and no space at the end of a line.
        """
        shown = table(("a", "number"), [("x", 1), (None, 1234), ("long", None)])
        self.assertEqual(
            shown.splitlines(),
            ["a     number", "x          1", "-      1,234", "long       -"],
        )
        self.assertEqual(table(("a", "b"), []), "a  b")

    def test_plain(self) -> None:
        """
        Nothing that is not printable, and no more than so much.
        """
        self.assertEqual(plain("Zoë 雷 \x1b[0m\u202e"), "Zoë 雷 ?[0m?")
        self.assertEqual(plain("x" * 48), "x" * 48)
        self.assertEqual(plain("x" * 1000), "x" * 47 + "…")

    def test_span(self) -> None:
        """
        Roughly.
        """
        for seconds, text in (
            (None, ""),
            (-3.0, "0 s"),
            (119.4, "119 s"),
            (120, "2 min"),
            (7200, "2 h"),
            (3.2 * DAY, "3 d"),
        ):
            self.assertEqual(span(seconds), text)

    def test_wishes(self) -> None:
        """
        A filter, in short.
        """
        self.assertEqual(wishes(Filter()), "everything")
        wanted = Filter(
            frozenset([1, 2]), frozenset([3]), 1e9, alliance_ids=frozenset([4])
        )
        self.assertEqual(
            wishes(wanted), "2 characters, 1 alliance, 1 system, from 1,000,000,000 ISK"
        )
