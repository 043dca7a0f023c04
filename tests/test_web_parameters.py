"""
The query of a stream request.
"""

import string

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cases import SyncCase
from wanderer_twisted.days import DAY
from wanderer_twisted.partition import KINDS, Filter
from wanderer_twisted.records import Marks
from wanderer_twisted.stream.opening import Wish
from wanderer_twisted.web.errors import ApiError
from wanderer_twisted.web.given import IDS, KNOWN
from wanderer_twisted.web.parameters import Rules

#: 2026-11-18T11:06:40Z.
NOW = 1_795_000_000.0


class ParametersCase(SyncCase):
    rules = Rules()

    def read(self, query: str, header: bytes | None = None) -> Wish:
        return self.rules.read(query.encode(), NOW, header).wish

    def refused(self, query: str | bytes) -> str:
        """
        The message of the 400.
        """
        raw = query.encode() if isinstance(query, str) else query
        error = self.assertRaises(ApiError, self.rules.read, raw, NOW)
        self.assertEqual(
            (error.status, error.domain, error.type, error.retry_after),
            (400, "validation", "invalid_format", None),
        )
        return error.message


class IdsTests(ParametersCase):
    """
    Ids of all kinds.
    """

    def test_absent_and_empty(self) -> None:
        """
        No query, and one of empty values, ask for everything.
        """
        everything = "&".join(f"{name}=" for name in KNOWN)
        for query in ("", "&", "character_ids", everything):
            self.assertEqual(self.read(query), Wish(Filter()))

    def test_lists(self) -> None:
        """
        Blanks are trimmed, empties dropped and duplicates merged.
        """
        for text in ("1,,2,", " 1 , 2 ", "%201%09,+2", "1%2C2", "2,1,1", "+1,002"):
            wish = self.read(f"character_ids={text}")
            self.assertEqual({*wish.filter.character_ids}, {1, 2}, text)
        wish = self.read("system_ids=3&alliance_ids=2,4&corporation_ids=1")
        self.assertEqual(
            wish.filter,
            Filter(
                system_ids=frozenset([3]),
                corporation_ids=frozenset([1]),
                alliance_ids=frozenset([2, 4]),
            ),
        )

    def test_not_integers(self) -> None:
        """
        What is no integer is told back; only ASCII digits make one.
        """
        for text, shown in (
            ("abc", "abc"),
            ("1.5", "1.5"),
            ("1_000", "1_000"),
            ("%D9%A3", "٣"),
            ("0x10", "0x10"),
            ("1;2", "1;2"),
            ("%zz", "%zz"),
        ):
            self.assertEqual(
                self.refused(f"character_ids=7,{text}"),
                f"Invalid character_ids: '{shown}' is not a valid integer",
            )

    def test_out_of_range(self) -> None:
        """
        Ids are from 1 to 2^31 - 1.
        """
        self.assertEqual(
            {*self.read("system_ids=1,2147483647").filter.system_ids}, {1, 2147483647}
        )
        for text in ("0", "-5", "2147483648", "9" * 5000):
            message = self.refused(f"system_ids={text}")
            self.assertTrue(message.startswith(f"Invalid system_ids: '{text[:60]}"))
            self.assertTrue(message.endswith("(1 to 2147483647)"))
            self.assertLess(len(message), 200)

    def test_too_many(self) -> None:
        """
        100 distinct ids are taken, one more is not, duplicates do not count.
        """
        hundred = ",".join(map(str, range(1, 101)))
        wish = self.read(f"character_ids={hundred},{hundred}")
        self.assertEqual(len(wish.filter.character_ids), 100)
        for name in IDS:
            self.assertEqual(
                self.refused(f"{name}={hundred},101"),
                f"Too many {name} specified (max 100)",
            )

    def test_configured_limits(self) -> None:
        """
        The operator sets each limit.
        """
        self.rules = Rules(
            character_ids=1, system_ids=2, corporation_ids=3, alliance_ids=4
        )
        for most, name in (
            (1, "character_ids"),
            (2, "system_ids"),
            (3, "corporation_ids"),
            (4, "alliance_ids"),
        ):
            ids = ",".join(map(str, range(1, most + 1)))
            self.read(f"{name}={ids}")
            self.assertEqual(
                self.refused(f"{name}={ids},9"),
                f"Too many {name} specified (max {most})",
            )

    def test_lists_of_other_libraries(self) -> None:
        """
        A list in brackets is refused in WandererKills' words.
        """
        for query in ("character_ids[]=1", "character_ids%5B0%5D=1"):
            self.assertEqual(
                self.refused(query),
                "character_ids must be a comma-separated list of integers",
            )
        self.assertEqual(
            self.refused("min_value[]=1"), "min_value must be a non-negative number"
        )


class NumbersTests(ParametersCase):
    """
    ``min_value``, ``preload_days`` and ``heartbeat``.
    """

    def test_min_value(self) -> None:
        """
        Any finite number from zero up will do.
        """
        for text, value in (
            ("1e3", 1000.0),
            ("1000000.50", 1000000.5),
            ("0", 0.0),
            ("-0", 0.0),
            (".5", 0.5),
            ("1e%2B2", 100.0),
        ):
            self.assertEqual(self.read(f"min_value={text}").filter.min_value, value)

    def test_bad_min_value(self) -> None:
        """
        What is negative, infinite or no number is refused.
        """
        self.assertEqual(
            self.refused("min_value=-100"), "min_value must be non-negative, got -100.0"
        )
        for text in ("x", "NaN", "inf", "-Infinity", "1e999", "1_0", "%D9%A3", "--1"):
            shown = "٣" if "%" in text else text
            self.assertEqual(
                self.refused(f"min_value={text}"),
                f"Invalid min_value: '{shown}' is not a valid number",
            )

    def test_preload_days(self) -> None:
        """
        Days are whole; more than 90 are taken as 90.
        """
        for text, days in (
            ("0", 0),
            ("30", 30),
            ("90", 90),
            ("91", 90),
            ("120", 90),
            ("%2B7", 7),
            ("9" * 5000, 90),
        ):
            wish = self.read(f"character_ids=1&preload_days={text}")
            self.assertEqual(wish.preload_days, days)

    def test_bad_preload_days(self) -> None:
        """
        Every other is refused.
        """
        self.assertEqual(
            self.refused("system_ids=1&preload_days=-5"),
            "preload_days must be non-negative",
        )
        for text, shown in (("7.5", "7.5"), ("zz", "zz"), ("+7", " 7"), ("٣", "٣")):
            self.assertEqual(
                self.refused(f"system_ids=1&preload_days={text}"),
                f"Invalid preload_days: '{shown}' is not a valid integer",
            )

    def test_preload_needs_ids(self) -> None:
        """
        A look back at everything is refused, unless it is of no days.
        """
        self.assertEqual(
            self.refused("preload_days=7&min_value=1"),
            "preload_days needs character_ids, corporation_ids, alliance_ids or"
            " system_ids",
        )
        self.assertEqual(self.read("preload_days=0").preload_days, 0)

    def test_preload_can_be_disabled(self) -> None:
        """
        Where the operator switched it off, asking for it is refused.
        """
        self.rules = Rules(character_preload=False)
        self.assertEqual(
            self.refused("character_ids=1&preload_days=7"),
            "preload_days is disabled here",
        )
        self.assertEqual(self.read("character_ids=1&preload_days=0").preload_days, 0)

    def test_preload_cap_is_the_operators(self) -> None:
        """
        A server that keeps fewer days cuts to those.
        """
        self.rules = Rules(max_days=30)
        self.assertEqual(self.read("system_ids=1&preload_days=90").preload_days, 30)

    def test_heartbeat(self) -> None:
        """
        From 2 to 60 seconds; the operator's interval where none is asked for.
        """
        self.assertEqual(self.read("").heartbeat, 30.0)
        self.assertEqual(Rules(heartbeat=15.0).read(b"", NOW).wish.heartbeat, 15.0)
        for text in ("2", "60", "2.5"):
            self.assertEqual(self.read(f"heartbeat={text}").heartbeat, float(text))
        self.assertEqual(
            self.refused("heartbeat=1"),
            "heartbeat must be between 2 and 60 seconds, got 1.0",
        )
        self.assertEqual(
            self.refused("heartbeat=61"),
            "heartbeat must be between 2 and 60 seconds, got 61.0",
        )
        self.assertEqual(
            self.refused("heartbeat=soon"),
            "Invalid heartbeat: 'soon' is not a valid number",
        )


class SinceTests(ParametersCase):
    """
    ``since``.
    """

    def test_forms(self) -> None:
        """
        A time, UNIX seconds and a duration say the same; a plus may be a blank.
        """
        for text in (
            "2026-11-17T23:06:40Z",
            "2026-11-18T01:06:40%2B02:00",
            "2026-11-18T01:06:40+02:00",
            "1794956800",
            "12h",
            "720M",
        ):
            wish = self.read(f"system_ids=1&since={text}")
            self.assertEqual(wish.since, NOW - 12 * 3600, text)
            cutoff = wish.cutoff(NOW, Marks())
            self.assertEqual((wish.preload_days, cutoff), (0, wish.since))

    def test_none(self) -> None:
        """
        Without it, or with an empty one, there is none.
        """
        self.assertIsNone(self.read("system_ids=1").since)
        self.assertIsNone(self.read("since=&preload_days=0").since)

    def test_bad(self) -> None:
        """
        What is no moment is told back, in short.
        """
        for text in ("yesterday", "x" * 16000):
            message = self.refused(f"system_ids=1&since={text}")
            self.assertTrue(message.startswith(f"Invalid since: '{text[:60]}"))
            self.assertLess(len(message), 200)

    def test_reach(self) -> None:
        """
        Further back than the operator keeps is as far as that.
        """
        for text in ("2020-01-01", "0", "91d", "9" * 30 + "d", "0001-01-01T00:00+23"):
            wish = self.read(f"alliance_ids=1&since={text}")
            self.assertEqual(wish.since, NOW - 90 * DAY, text)
        self.rules = Rules(max_days=30)
        wish = self.read("alliance_ids=1&since=90d")
        self.assertEqual(wish.since, NOW - 30 * DAY)

    def test_future(self) -> None:
        """
        The present may be asked for, the future not; who is a little ahead of us means
        the present.
        """
        for ahead in (0, 1, 300):
            wish = self.read(f"system_ids=1&since={int(NOW) + ahead}")
            self.assertEqual(wish.since, NOW)
        for text in (str(int(NOW) + 301), "9999-12-31", f"{int(NOW)}000", "9" * 5000):
            message = self.refused(f"system_ids=1&since={text}")
            self.assertTrue(
                message.startswith(
                    f"since must not be in the future, got '{text[:60]}"
                ),
                message,
            )

    def test_both(self) -> None:
        """
        Either it or days, unless they are none.
        """
        self.assertEqual(
            self.refused("system_ids=1&since=36h&preload_days=2"),
            "Give preload_days or since, not both",
        )
        wish = self.read("system_ids=1&since=36h&preload_days=0")
        self.assertEqual(wish.since, NOW - 36 * 3600)

    def test_needs(self) -> None:
        """
        Ids of any kind will do, none will not.
        """
        for name in IDS:
            self.assertIsNotNone(self.read(f"{name}=1&since=36h").since)
            self.assertEqual(self.read(f"{name}=1&preload_days=2").preload_days, 2)
        self.assertEqual(
            self.refused("since=36h"),
            "since needs character_ids, corporation_ids, alliance_ids or system_ids",
        )

    def test_disabled(self) -> None:
        """
        Where days are switched off, so is this.
        """
        self.rules = Rules(character_preload=False)
        self.assertEqual(
            self.refused("character_ids=1&since=36h"), "since is disabled here"
        )


class SwitchesTests(ParametersCase):
    """
    ``items``, ``compress``, ``_``, and names that nobody knows.
    """

    def test_items(self) -> None:
        """
        Items come where they are asked for, in the one way there is.
        """
        self.assertTrue(self.read("items=1").with_items)
        self.assertFalse(self.read("").with_items)
        self.assertEqual(self.refused("items=yes"), "Invalid items: 'yes' is not '1'")

    def test_compress(self) -> None:
        """
        Compression can be declined, and nothing else.
        """
        self.assertEqual(self.read("compress=0"), self.read(""))
        self.assertEqual(
            self.refused("compress=gzip"), "Invalid compress: 'gzip' is not '0'"
        )

    def test_dry_run(self) -> None:
        """
        A dry run is asked for in one way, and leaves the wish as it is.
        """
        asked = self.rules.read(b"system_ids=1&dry_run=1", NOW)
        self.assertTrue(asked.dry_run)
        self.assertEqual(asked.wish, self.read("system_ids=1"))
        self.assertFalse(self.rules.read(b"system_ids=1", NOW).dry_run)
        self.assertEqual(
            self.refused("dry_run=true"), "Invalid dry_run: 'true' is not '1'"
        )

    def test_cache_busters(self) -> None:
        """
        ``_`` is ignored, however often and whatever it holds.
        """
        self.assertEqual(self.read("_=1795&_=%ff&_"), self.read(""))

    def test_unknown(self) -> None:
        """
        An unknown parameter is named, and so is the nearest known one.
        """
        for name, nearest in (
            ("character_id", "character_ids"),
            ("charachter_ids", "character_ids"),
            ("solar_system_ids", "system_ids"),
            ("Items", "items"),
            ("CHARACTER_IDS", "character_ids"),
            ("Last-Event-ID", "last_event_id"),
            ("last-event-id", "last_event_id"),
        ):
            self.assertEqual(
                self.refused(f"{name}=1"),
                f"Unknown parameter '{name}', did you mean '{nearest}'?",
            )
        self.assertIn("did you mean", self.refused("q" * 16000))
        self.assertLess(len(self.refused("q" * 16000)), 200)

    def test_twice(self) -> None:
        """
        A parameter given twice is refused, also where it is spelled in two ways.
        """
        for query in ("items=1&items=1", "character_ids=1&character%5Fids=2"):
            name = query.partition("=")[0]
            self.assertEqual(
                self.refused(query), f"Parameter '{name}' is given more than once"
            )

    def test_split_at_ampersands_alone(self) -> None:
        """
        A semicolon, raw or not, does not part two parameters.
        """
        self.assertEqual(
            self.refused("min_value=1;items=1"),
            "Invalid min_value: '1;items=1' is not a valid number",
        )

    def test_not_utf8(self) -> None:
        """
        Names and values are UTF-8.
        """
        self.assertEqual(
            self.refused("min_value=%ff"), "The value of 'min_value' is not valid UTF-8"
        )
        self.assertEqual(
            self.refused(b"\xffx=1"), "The name of a parameter is not valid UTF-8"
        )


class CursorTests(ParametersCase):
    """
    Where a stream goes on.
    """

    def test_spellings(self) -> None:
        """
        Each spelling that clients use is taken; the header wins over all of them.
        """
        for name in ("last_event_id", "lastEventId", "evs_last_event_id", "cursor"):
            self.assertEqual(self.read(f"{name}=l.abc123.00").cursor, "l.abc123.00")
            wish = self.read(f"{name}=l.abc123.00", b"l.abc123.07")
            self.assertEqual(wish.cursor, "l.abc123.07")

    def test_several_spellings(self) -> None:
        """
        Among several the order is fixed, and an empty one is none.
        """
        query = "cursor=d&evs_last_event_id=c&lastEventId=b&last_event_id="
        self.assertEqual(self.read(query).cursor, "b")
        self.assertEqual(self.read("cursor=d", b"").cursor, "d")
        self.assertIsNone(self.read("cursor=", b"").cursor)

    def test_nothing_is_too_bad(self) -> None:
        """
        A malformed cursor is no bad parameter: the stream answers it with a gap.
        """
        self.assertEqual(self.read("cursor=%ff").cursor, "\ufffd")
        self.assertEqual(self.read("", b"\xff\n").cursor, "\ufffd\n")
        self.assertEqual(self.read("cursor=" + "x" * 16000).cursor, "x" * 256)


class AnythingTests(ParametersCase):
    """
    Whatever comes is read or refused.
    """

    PIECES = st.one_of(
        st.sampled_from([*KNOWN, "_", "[]", "=", "&", "%", "+", ",", ";", "%00", "٣"]),
        st.sampled_from(["since=", "character_ids=1&", "36h", "2026-10-01", "T00:00Z"]),
        st.integers(-(10**20), 10**20).map(str),
        st.floats().map(str),
        st.text(max_size=8),
        st.text(alphabet=string.printable, max_size=8),
    )

    @settings(max_examples=400, deadline=None)
    @given(st.lists(PIECES, max_size=12).map("".join), st.binary(max_size=20))
    def test_text(self, query: str, header: bytes) -> None:
        """
        A query of any pieces makes a wish within the limits, or a 400.
        """
        raw = query.encode("utf-8", "surrogatepass")
        try:
            wish = self.rules.read(raw, NOW, header).wish
        except ApiError as error:
            self.assertEqual(error.status, 400)
            error.body().decode("ascii")
            return
        self.assertTrue(0 <= wish.preload_days <= 90)
        self.assertTrue(2 <= wish.heartbeat <= 60)
        if wish.since is not None:
            self.assertTrue(NOW - 90 * DAY <= wish.since <= NOW)
            self.assertEqual(wish.preload_days, 0)
        for ids in map(wish.filter.ids, KINDS):
            self.assertLessEqual(len(ids), 100)
            self.assertTrue(all(1 <= each < 2**31 for each in ids))
        self.assertLessEqual(len(wish.cursor or ""), 256)

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=200))
    def test_bytes(self, query: bytes) -> None:
        """
        Bytes that are no text at all do, too.
        """
        try:
            self.rules.read(query, NOW)
        except ApiError as error:
            self.assertEqual(error.status, 400)
