"""
Cursors, and where a stream starts with one.
"""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import SyncCase
from tests.support.killmails import DAY, START
from wanderer_twisted.partition import Filter, Snapshot
from wanderer_twisted.records import Marks, Place
from wanderer_twisted.stream.cursor import (
    AfterHistory,
    BadCursor,
    Cursor,
    InHistory,
    Live,
    Starting,
    base36,
    decode,
)
from wanderer_twisted.stream.opening import Opening, Wish, open_at

_numbers = st.integers(0, 36**8 - 1)
_times = st.integers(0, 36**7 - 1)
_prints = st.from_regex(r"\A[0-9a-f]{6}\Z")
_snapshots = st.builds(Snapshot, _numbers, _times)
_cursors = st.one_of(
    st.builds(Live, _numbers),
    st.builds(Starting, _numbers, _times, _prints),
    st.builds(
        InHistory,
        _numbers,
        _snapshots,
        st.builds(Place, _times, _numbers),
        _prints,
        st.booleans(),
    ),
    st.builds(AfterHistory, _numbers, _snapshots, _prints),
)


class TextTests(SyncCase):
    """
    Cursors as text.
    """

    @given(_cursors)
    def test_round_trip(self, cursor: Cursor) -> None:
        """
        A cursor's text says all of it, in characters that need no preflight.
        """
        text = cursor.text("abc123")
        self.assertRegex(text, r"^[A-Za-z0-9._~-]{1,64}$")
        self.assertEqual(decode(text), ("abc123", cursor))

    @given(st.text())
    def test_anything(self, text: str) -> None:
        """
        Whatever comes is one of our cursors or a BadCursor.
        """
        try:
            epoch, cursor = decode(text)
        except BadCursor:
            return
        self.assertEqual(cursor.text(epoch), text)

    def test_forms(self) -> None:
        """
        The forms, letter by letter.
        """
        snapshot = Snapshot(36, 60)
        self.assertEqual(Live(35).text("abcdef"), "l.abcdef.0000000z")
        self.assertEqual(
            Starting(35, 60, "00ff00").text("abcdef"),
            "s.abcdef.0000000z.000001o.00ff00",
        )
        self.assertEqual(
            InHistory(35, snapshot, Place(61, 37), "00ff00").text("abcdef"),
            "h.abcdef.0000000z.00000010.000001o.000001p.00000011.00ff00",
        )
        self.assertEqual(
            InHistory(35, snapshot, Place(61, 37), "00ff00", False).text("abcdef"),
            "i.abcdef.0000000z.00000010.000001o.000001p.00000011.00ff00",
        )
        self.assertEqual(
            AfterHistory(35, snapshot, "00ff00").text("abcdef"),
            "m.abcdef.0000000z.00000010.000001o.00ff00",
        )

    def test_foreign_digits(self) -> None:
        """
        Only our own digits are digits.
        """
        for text in ("l.abcdef.0000000Z", "l.abcdef.0000000٣", "l.abcdef.0000000z\n"):
            self.assertRaises(BadCursor, decode, text)

    @given(_numbers)
    def test_base36(self, number: int) -> None:
        """
        Eight digits for every number.
        """
        self.assertEqual(len(base36(number)), 8)
        self.assertEqual(int(base36(number), 36), number)


class OpeningTests(SyncCase):
    """
    A wish and a cursor give a place to start.
    """

    epoch = "abcdef"
    wanted = Filter(frozenset([1]))
    marks = Marks(head=100, floor_seq=10, floor_time=START - 100 * DAY)
    snapshot = Snapshot(60, START - 90 * DAY)

    def opened(
        self, cursor: Cursor | str | None, preload_days: int = 90, epoch: str = epoch
    ) -> Opening:
        text = cursor.text(epoch) if not isinstance(cursor, str | None) else cursor
        wish = Wish(self.wanted, preload_days, text)
        return open_at(wish, self.epoch, self.marks, 99, START)

    def fresh(self, start: int = 99) -> Starting:
        return Starting(start, START - 90 * DAY, self.wanted.fingerprint)

    def test_first_connect(self) -> None:
        """
        Without a cursor: the history if one is asked for, else live from now.
        """
        self.assertEqual(self.opened(None), Opening(self.fresh()))
        self.assertEqual(self.opened(None, preload_days=0), Opening(Live(99)))

    def test_cursor_decides(self) -> None:
        """
        A good cursor goes on, whatever the URL says of days.
        """
        mark = self.wanted.fingerprint
        for cursor in (
            Live(50),
            AfterHistory(50, self.snapshot, mark),
            Starting(50, START - 30 * DAY, mark),
            InHistory(50, self.snapshot, Place(START, 7), mark),
        ):
            for days in (0, 7, 90):
                self.assertEqual(
                    self.opened(cursor, days), Opening(cursor, resumed=True)
                )

    def test_malformed(self) -> None:
        """
        What is no cursor starts anew and says so.
        """
        for text in ("", "0", "l.abcdef.1", "x" * 9999, "l.abcdef.00000001\x00"):
            self.assertEqual(self.opened(text), Opening(self.fresh(), gap="malformed"))

    def test_another_store(self) -> None:
        """
        A cursor of another store means nothing here.
        """
        self.assertEqual(
            self.opened(Live(50), epoch="zzzzzz"),
            Opening(self.fresh(), gap="unknown_epoch"),
        )

    def test_ahead(self) -> None:
        """
        A number that the store never gave is ahead, wherever in the cursor it stands.
        """
        mark = self.wanted.fingerprint
        for cursor in (
            Live(101),
            AfterHistory(50, Snapshot(101, START), mark),
            Starting(101, START, mark),
            InHistory(50, Snapshot(101, START), Place(), mark),
        ):
            self.assertEqual(self.opened(cursor), Opening(self.fresh(), gap="ahead"))
        self.assertTrue(self.opened(Live(100)).resumed)

    def test_expired(self) -> None:
        """
        Below a floor something may have been removed.
        """
        mark = self.wanted.fingerprint
        gone = self.marks.floor_time
        for cursor in (
            Live(9),
            AfterHistory(9, self.snapshot, mark),
            Starting(9, START, mark),
            Starting(50, gone, mark),
            InHistory(9, self.snapshot, Place(), mark),
            InHistory(50, Snapshot(60, gone), Place(), mark),
        ):
            self.assertEqual(self.opened(cursor), Opening(self.fresh(), gap="expired"))
        for cursor in (
            Live(10),
            AfterHistory(10, Snapshot(60, gone), mark),
            Starting(10, gone + 1, mark),
        ):
            self.assertTrue(self.opened(cursor).resumed)

    def test_another_filter(self) -> None:
        """
        Another filter's cursor starts anew from where that one was, so that nothing
        between is lost; a live one goes on under any filter.
        """
        other = Filter(frozenset([2])).fingerprint
        for cursor in (
            AfterHistory(50, self.snapshot, other),
            Starting(50, START, other),
            InHistory(50, self.snapshot, Place(START, 7), other),
        ):
            self.assertEqual(self.opened(cursor), Opening(self.fresh(50), gap="filter"))
            self.assertEqual(self.opened(cursor, 0), Opening(Live(50), gap="filter"))
        self.assertTrue(self.opened(Live(50)).resumed)
