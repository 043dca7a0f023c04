"""
JSON as it goes out.
"""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.cases import SyncCase
from wanderer_twisted.encoding import dumps, dumps_plain, loads

_PLAIN: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(blacklist_categories=()))
)
_DOCUMENTS = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


class DumpsTests(SyncCase):
    """
    The careful way and the fast one.
    """

    @given(document=_DOCUMENTS)
    @example(document=["half a surrogate: \ud800"])
    @example(document={"\u2028": 1e16})
    def test_the_same(self, document: Any) -> None:
        """
        Both say the same, in ASCII and on one line.
        """
        fast = dumps_plain(document)
        self.assertTrue(fast.isascii())
        self.assertNotIn(b"\n", fast)
        try:
            said = loads(dumps(document))
        except ValueError:  # half a surrogate is written, but is no UTF-8
            self.assertEqual(fast, dumps(document))
        else:
            self.assertEqual(loads(fast), said)

    def test_infinite(self) -> None:
        """
        The careful one refuses what JSON has no word for.
        """
        for number in float("nan"), float("inf"):
            with self.assertRaises(ValueError):
                dumps([number])
