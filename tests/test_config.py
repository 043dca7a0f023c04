"""
Settings: read and merged.
"""

from pathlib import Path
from typing import Any

import msgspec
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.cases import SyncCase
from tests.support.settings import ConfigCase
from wanderer_twisted.config import (
    Archive,
    ConfigError,
    Esi,
    R2z2Feed,
    RedisqFeed,
    Settings,
    load_settings,
)

SAMPLE = Path(__file__).parent.parent / "etc" / "wanderer.yaml"


class LoadingTests(ConfigCase):
    """
    Defaults, files and options.
    """

    def test_defaults(self) -> None:
        """
        With nothing given the defaults of design.md §6 hold.
        """
        loaded = load_settings()
        self.assertEqual(loaded, Settings())
        self.assertEqual(loaded.listen, ("tcp:4004:interface=127.0.0.1",))
        self.assertEqual(loaded.feeds, (R2z2Feed("https://r2z2.zkillboard.com"),))
        self.assertEqual(loaded.limits.connections, 10_000)
        self.assertEqual(loaded.history.max_days, 90)
        self.assertEqual(loaded.retention.days, 100)

    def test_empty_file(self) -> None:
        """
        A file without a key changes nothing.
        """
        for text in ("", "# nothing but this\n", "{}", "---\n"):
            self.assertEqual(self.load(text), Settings())

    def test_empty_again(self) -> None:
        """
        A running server takes none that was emptied.
        """
        for text in ("", "# nothing but this\n"):
            path = Path(self.mktemp())
            path.write_text(text)
            error = self.assertRaises(
                ConfigError, load_settings, str(path), may_be_empty=False
            )
            self.assertEqual(str(error), f"{path}: there is nothing in it")
        self.assertEqual(load_settings(may_be_empty=False), Settings())

    def test_file_wins_over_defaults(self) -> None:
        """
        A key in the file changes that key alone.
        """
        loaded = self.load("limits: {connections: 5}\nnames: {deadline_seconds: 1}")
        self.assertEqual(loaded.limits.connections, 5)
        self.assertEqual(loaded.limits.connections_per_address, 100)
        self.assertEqual(loaded.names.deadline_seconds, 1.0)
        self.assertIsInstance(loaded.names.deadline_seconds, float)

    def test_options_win_over_the_file(self) -> None:
        """
        An option replaces what the file says; one that was not given does not.
        """
        text = "listen: ['tcp:1', 'tcp:2']\ndatabase: 'sqlite:a.db'"
        loaded = self.load(text, listen=["tcp:0"], database=None)
        self.assertEqual(loaded.listen, ("tcp:0",))
        self.assertEqual(loaded.database, "sqlite:a.db")

    def test_feeds(self) -> None:
        """
        Feeds come in the file's order, each with its kind and its defaults.
        """
        loaded = self.load(
            "feeds:\n"
            "  - {kind: redisq, url: 'http://127.0.0.1:4010/l', queue_id: me}\n"
            "  - {kind: r2z2}\n"
            "  - {kind: r2z2, url: 'http://[::1]:4010/r2z2/'}\n"
        )
        first = RedisqFeed("http://127.0.0.1:4010/l", "me", ttw=10)
        others = R2z2Feed(), R2z2Feed("http://[::1]:4010/r2z2")
        self.assertEqual(loaded.feeds, (first, *others))
        self.assertEqual(
            [feed.kind for feed in loaded.feeds], ["redisq", "r2z2", "r2z2"]
        )

    def test_archive(self) -> None:
        """
        Up to ninety days can be held, and by default none is.
        """
        self.assertEqual(load_settings().archive.backfill_days, 0)
        for days in (0, 1, 90):
            loaded = self.load(
                f"archive: {{backfill_days: {days}, url: 'http://[::1]:4010/h/'}}"
            )
            self.assertEqual(loaded.archive, Archive("http://[::1]:4010/h", days))

    def test_limits_of_ids(self) -> None:
        """
        Ids are limited by their kind, and in a body all together.
        """
        limits = load_settings().limits
        self.assertEqual((limits.corporation_ids, limits.alliance_ids), (100, 100))
        self.assertEqual(limits.post_ids, 10_000)
        limits = self.load(
            "limits: {corporation_ids: 1000, alliance_ids: 1, post_ids: 500}"
        ).limits
        self.assertEqual((limits.corporation_ids, limits.alliance_ids), (1000, 1))
        self.assertEqual((limits.character_ids, limits.post_ids), (100, 500))

    def test_values_deadline(self) -> None:
        """
        Values may be waited for as long as a history, or not at all.
        """
        self.assertEqual(load_settings().history.values_deadline_seconds, 1.0)
        for seconds in (0, 600):
            loaded = self.load(f"history: {{values_deadline_seconds: {seconds}}}")
            self.assertEqual(loaded.history.values_deadline_seconds, seconds)

    def test_date_without_quotes(self) -> None:
        """
        YAML's own dates are taken as what was written.
        """
        loaded = self.load("esi: {compatibility_date: 2026-06-09}")
        self.assertEqual(loaded.esi.compatibility_date, "2026-06-09")

    def test_trailing_slash(self) -> None:
        """
        A service's URL never ends in a slash, however it was given.
        """
        self.assertEqual(Esi("https://esi.evetech.net/").url, "https://esi.evetech.net")

    def test_immutable(self) -> None:
        """
        Settings cannot be changed, only replaced.
        """
        loaded = load_settings()
        with self.assertRaises(AttributeError):
            loaded.limits.connections = 1  # type: ignore[misc]
        hash(loaded)

    def test_database_path(self) -> None:
        """
        The database's path is what stands behind its scheme.
        """
        loaded = self.load("database: 'sqlite:/var/lib/a.db'")
        self.assertEqual(loaded.database_path, "/var/lib/a.db")

    def test_endpoints(self) -> None:
        """
        Whatever Twisted can listen on is accepted.
        """
        listen = [
            "tcp:0",
            r"tcp6:4004:interface=\:\:1",
            "unix:/run/wanderer.sock:mode=660",
        ]
        loaded = load_settings(options={"listen": [*listen, "haproxy:tcp:port=8080"]})
        self.assertEqual(loaded.listen[:3], tuple(listen))


class SampleTests(SyncCase):
    """
    etc/wanderer.yaml.
    """

    def test_shows_the_defaults(self) -> None:
        """
        The file that the package ships says what the defaults say.
        """
        self.assertEqual(load_settings(str(SAMPLE)), Settings())

    def test_lists_every_key(self) -> None:
        """
        Every key stands in the file, and in the settings' order.
        """
        document = yaml.safe_load(SAMPLE.read_text())

        def keys(document: Any) -> Any:
            if isinstance(document, dict):
                return [(key, keys(value)) for key, value in document.items()]
            return None

        self.assertEqual(keys(document), keys(msgspec.to_builtins(Settings())))

    def test_shows_redisq(self) -> None:
        """
        The feed that is commented out works when it is not, and shows every key.
        """
        lines = SAMPLE.read_text().splitlines()
        first = next(n for n, line in enumerate(lines) if line.startswith("# - kind"))
        text = "\n".join(line.removeprefix("#") for line in lines[first : first + 4])
        (feed,) = yaml.safe_load(text)
        self.assertEqual(set(feed), {"kind", *RedisqFeed.__struct_fields__})
        msgspec.convert(feed, RedisqFeed)


_scalars = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**80), max_value=2**80)
    | st.floats()
    | st.dates()
    | st.text(max_size=20)
    | st.sampled_from(["tcp:1", "sqlite:a", "https://a.b", "r2z2", "redisq", "*"])
)
_keys = st.sampled_from([*Settings.__struct_fields__, "url", "kind", "connections"])
_documents = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(_keys | _scalars, inner, max_size=3)
    ),
    max_leaves=8,
)


class AnyFileTests(ConfigCase):
    """
    Whatever a file holds.
    """

    def check(self, data: bytes) -> None:
        try:
            loaded = self.load(data)
        except ConfigError as error:
            self.assertEqual(len(str(error).splitlines()), 1, str(error))
            self.assertIn(self.path, str(error))
        else:
            self.assertIsInstance(loaded, Settings)

    @given(_documents)
    @settings(max_examples=150, deadline=None)
    def test_any_document(self, document: object) -> None:
        """
        A YAML document gives settings or one line.
        """
        self.check(yaml.safe_dump(document).encode())

    @given(st.dictionaries(_keys, _documents, min_size=1, max_size=2))
    @settings(max_examples=150, deadline=None)
    def test_any_value(self, document: object) -> None:
        """
        A known key with any value gives settings or one line.
        """
        self.check(yaml.safe_dump(document).encode())

    @given(
        st.binary(max_size=50)
        | st.text(alphabet="{}[]:,-&*!|>'\"#%@ \n\tax1.").map(str.encode)
    )
    @settings(max_examples=200, deadline=None)
    @example(b"listen: ['\\u2028']")
    @example(b"limits: {? {a: b} : c}")
    def test_any_bytes(self, data: bytes) -> None:
        """
        Bytes of any kind give settings or one line.
        """
        self.check(data)
