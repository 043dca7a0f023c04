"""
Moments as people write them.
"""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cases import SyncCase
from tests.support.killmails import DAY, START
from wanderer_twisted.encoding import timestamp
from wanderer_twisted.web.moments import read_moment

NOW = START + 0.7


class MomentsTests(SyncCase):
    """
    ISO 8601, UNIX seconds, and durations.
    """

    def read(self, text: str) -> int | None:
        return read_moment(text, NOW)

    def test_iso(self) -> None:
        """
        A time of which less and less is said, in UTC unless it says otherwise.
        """
        for text in (
            "2026-11-01T00:00:00Z",
            "2026-11-01t00:00:00z",
            "2026-11-01T00:00:00.999Z",
            "2026-11-01T00:00:00",
            "2026-11-01 00:00:00",
            "2026-11-01T00:00",
            "2026-11-01T00:00Z",
            "2026-11-01",
            timestamp(START),
        ):
            self.assertEqual(self.read(text), START, text)

    def test_offsets(self) -> None:
        """
        An offset is taken off; a plus may have become a blank on its way.
        """
        for text, hours in (
            ("2026-11-01T02:00:00+02:00", 0),
            ("2026-11-01T02:00:00 02:00", 0),
            ("2026-11-01T02:00:00+0200", 0),
            ("2026-11-01T02:00+02", 0),
            ("2026-11-01 02:00:00.5 02:00", 0),
            ("2026-10-31T17:30:00-06:30", 0),
            ("2026-11-01T00:00:00 00:00", 0),
            ("2026-11-01T00:00:00-00:00", 0),
            ("2026-11-01T00:00:00+23:00", -23),
        ):
            self.assertEqual(self.read(text), START + hours * 3600, text)

    def test_unix(self) -> None:
        """
        A bare number is UNIX seconds, of which fractions are left out.
        """
        for text, seconds in (
            ("1793491200", START),
            ("1793491200.9", START),
            ("0", 0),
            ("36", 36),
            ("9" * 5000, 10**18),
        ):
            self.assertEqual(self.read(text), seconds)

    def test_durations(self) -> None:
        """
        A number with a unit is how long ago it was.
        """
        for text, seconds in (
            ("30s", 30),
            ("90m", 5400),
            ("36h", 36 * 3600),
            ("7d", 7 * DAY),
            ("36H", 36 * 3600),
            ("0h", 0),
            ("007D", 7 * DAY),
            ("9" * 5000 + "d", 10**18 * DAY),
        ):
            self.assertEqual(self.read(text), START - seconds, text)

    def test_none(self) -> None:
        """
        What is neither is no moment; only ASCII digits are digits.
        """
        for text in (
            "",
            " ",
            "yesterday",
            "-1",
            "+36h",
            "1e9",
            "1.5h",
            "36 h",
            "1h30m",
            "30\u017f",  # an s to those who ignore case
            "٣h",
            "٣",
            "2026-13-01",
            "2026-02-30",
            "0000-01-01",
            "2026-11-1",
            "26-11-01",
            "2026-11-01T",
            "2026-11-01T00",
            "2026-11-01T24:00:00",
            "2026-11-01T00:60:00",
            "2026-11-01T00:00:60Z",
            "2026-11-01T00:00:00.Z",
            "2026-11-01T00:00:00ZZ",
            "2026-11-01Z",
            "2026-11-01T00:00:00+24:00",
            "2026-11-01T00:00:00+2:00",
            "2026-11-01T00:00:00+02:60",
            "2026-11-01T00:00:00+",
            "2026-11-01T00:00:00Z\n",
            "2026-W44-7",
            "infinity",
        ):
            self.assertIsNone(self.read(text), text)

    @settings(deadline=None)
    @given(
        st.integers(-2 * 10**9, 7 * 10**9),
        st.integers(0, 999_999),
        st.integers(-23 * 60, 23 * 60),
        st.sampled_from("T "),
    )
    def test_any_time(
        self, seconds: int, microseconds: int, offset: int, between: str
    ) -> None:
        """
        Any time as Python writes it is that time, to the second below.
        """
        for zone in (timezone(timedelta(minutes=offset)), UTC):
            moment = datetime.fromtimestamp(seconds, zone)
            text = moment.replace(microsecond=microseconds).isoformat(between)
            self.assertEqual(self.read(text), seconds)
            self.assertEqual(self.read(text.replace("+", " ")), seconds)
        self.assertEqual(self.read(text.removesuffix("+00:00")), seconds)

    @settings(max_examples=400, deadline=None)
    @given(st.text(max_size=30) | st.from_regex(r"[0-9TZ:+ .smhd-]{1,30}"))
    def test_anything(self, text: str) -> None:
        """
        Any text is a moment or none.
        """
        read = self.read(text)
        self.assertTrue(read is None or isinstance(read, int))
