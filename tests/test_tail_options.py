"""
``wanderer-tail``'s command line.
"""

import re
from pathlib import Path

from twisted.python.usage import UsageError

from tests.support.cases import SyncCase
from wanderer_twisted.tail.options import Options

DOCUMENT = Path(__file__).parent.parent / "docs" / "tail.rst"
STREAM = "http://127.0.0.1:4004/api/v1/kills/stream"


def options(*arguments: str, **environment: str) -> Options:
    parsed = Options(environment)
    parsed.parseOptions(arguments)
    return parsed


class OptionsTests(SyncCase):
    def refusal(self, *arguments: str, **environment: str) -> str:
        error = self.assertRaises(UsageError, options, *arguments, **environment)
        self.assertNotIn("\n", str(error))
        return str(error)

    def test_request(self) -> None:
        """
        The options become the stream's parameters; without any it is everything.
        """
        self.assertEqual(options().request.url, STREAM)
        asked = options(
            *("--characters", "95465499, 90379338", "--corporations", "1"),
            *("--alliances", "2", "--systems", "3", "--min-value", "1e9"),
            *("--since", "2026-11-01T12:00:00+02:00"),
        )
        self.assertEqual(
            asked.request.url,
            f"{STREAM}?character_ids=95465499%2C+90379338&corporation_ids=1"
            "&alliance_ids=2&system_ids=3&min_value=1e9"
            "&since=2026-11-01T12%3A00%3A00%2B02%3A00",
        )
        self.assertEqual(asked.side.characters, {95465499, 90379338})
        self.assertEqual((asked.side.corporations, asked.side.alliances), ({1}, {2}))
        self.assertEqual(options("--days", "7").request.url, f"{STREAM}?preload_days=7")

    def test_url(self) -> None:
        """
        Another server, behind a path too; what is no server's address is refused.
        """
        asked = options("--url", "https://example.org/wanderer/", "--days", "1")
        self.assertEqual(
            asked.request.url,
            "https://example.org/wanderer/api/v1/kills/stream?preload_days=1",
        )
        for url in (
            *(
                "",
                "x",
                "ftp://x",
                "http://",
                "http://[",
                "http://x:99999",
                "http://x:0",
            ),
            *(
                "http://é",
                "http://x y",
                f"{STREAM}?days=7",
                "http://x#y",
                "http://a:b@c",
            ),
        ):
            self.assertIn("--url", self.refusal("--url", url))

    def test_ids(self) -> None:
        """
        What is no id is told before anything is asked.
        """
        for name in ("characters", "corporations", "alliances", "systems"):
            for text in ("x", "1,x", "-1", "1.5", "٣", "1" * 11):
                self.assertIn(f"--{name}: ", self.refusal(f"--{name}", text))

    def test_token(self) -> None:
        """
        A token comes from the command line or the environment, and goes into a header.
        """
        for asked in (
            options("--token", "secret", WANDERER_TOKEN="other"),
            options(WANDERER_TOKEN="secret"),
        ):
            self.assertEqual(asked.request.headers["Authorization"], "Bearer secret")
            self.assertNotIn("secret", repr(asked.request))
        self.assertNotIn("Authorization", options(WANDERER_TOKEN="").request.headers)
        for bad in ("a b", "a\r\nX: y", "é"):
            refusal = self.refusal("--token", bad)
            self.assertIn("token", refusal)
            self.assertNotIn(bad, refusal)

    def test_no_follow(self) -> None:
        """
        To end with the history there must be one, and no cursor; such a run does not
        try for ever.
        """
        self.assertIn("--days or --since", self.refusal("--no-follow"))
        refusal = self.refusal("--no-follow", "--days", "1", "--cursor", "x")
        self.assertIn("--cursor", refusal)
        self.assertGreater(options("--no-follow", "--since", "1h").request.attempts, 0)
        self.assertEqual(options("--since", "1h").request.attempts, 0)

    def test_cursor(self) -> None:
        """
        It goes on where the file says; one that cannot be it is refused and left.
        """
        path = Path(self.mktemp())
        self.assertEqual(options("--cursor", str(path)).cursor, "")
        path.write_text("l.abc.1\n")
        self.assertEqual(options("--cursor", str(path)).cursor, "l.abc.1")
        path.write_text("important: yes\n")
        self.assertIn(f"--cursor {path}: ", self.refusal("--cursor", str(path)))
        self.assertEqual(path.read_text(), "important: yes\n")
        self.assertIn("--cursor", self.refusal("--cursor", str(path.parent)))

    def test_plain(self) -> None:
        """
        NO_COLOR is heeded where it is not empty.
        """
        self.assertTrue(options("--no-color").plain)
        self.assertTrue(options(NO_COLOR="1").plain)
        self.assertFalse(options(NO_COLOR="").plain)

    def test_documented(self) -> None:
        """
        docs/tail.rst has these options and no others.
        """
        table = (
            DOCUMENT.read_text().partition("Options\n")[2].partition("\nThe last")[0]
        )
        said = set(re.findall(r"``--([a-z-]+)``", table))
        names = [each[0] for each in (*Options.optParameters, *Options.optFlags)]
        self.assertEqual(said, set(names))

    def test_unknown(self) -> None:
        """
        What it does not know is refused.
        """
        self.refusal("--charakters", "1")
        self.refusal("95465499")
