"""
Settings that are wrong: each mistake is one line.
"""

from datetime import UTC, datetime, timedelta

from tests.support.settings import ConfigCase
from wanderer_twisted.config import ConfigError, load_settings


class RefusalTests(ConfigCase):
    """
    Every kind of mistake gets one line that names the file and the key.
    """

    def test_unknown_key(self) -> None:
        """
        An unknown key is named, with the nearest known one or all there are.
        """
        self.refuse(
            "limits: {conections: 1}",
            "limits.conections: unknown key, nearest known: connections",
        )
        self.refuse(
            "features: {x: 1}", "features.x: unknown key, allowed: character_preload"
        )
        self.refuse(
            "feeds: [{kind: r2z2, ttw: 3}]", "feeds[0].ttw: unknown key, allowed: url"
        )
        self.refuse("limit: {}", "limit: unknown key, nearest known: limits")
        self.refuse("feature: {1: 2}", "feature: unknown key, nearest known: features")
        self.refuse(
            "features: {1: 2}", "features.1: unknown key, allowed: character_preload"
        )

    def test_wrong_type(self) -> None:
        """
        A value of another type is shown beside what is allowed.
        """
        whole = "allowed: a whole number from 1 to 1000000"
        for text, found in (
            ("10k", "'10k'"),
            ("'5'", "'5'"),
            ("1.5", "1.5"),
            ("true", "true"),
            ("", "nothing"),
            ("[1]", "a list"),
            ("[]", "an empty list"),
            ("{a: b}", "a mapping"),
            ("!!set {a}", "a set"),
            ("0x" + "f" * 5000, "a huge number"),
            ("a" * 90, "'" + "a" * 80 + "…'"),
        ):
            self.refuse(
                f"limits: {{connections: {text}}}",
                f"limits.connections: found {found}, {whole}",
            )
        self.refuse(
            "names: {enabled: 1}", "names.enabled: found 1, allowed: true or false"
        )
        self.refuse(
            "contact: 5",
            "contact: found 5, allowed: up to 200 printable ASCII characters",
        )

    def test_wrong_shape(self) -> None:
        """
        A section that is none, and a list that is none, are told.
        """
        for text, line in (
            ("- a", "found a list, allowed: a mapping of keys to values"),
            ("x", "found 'x', allowed: a mapping of keys to values"),
            ("limits:", "limits: found nothing, allowed: a mapping of keys to values"),
            (
                "feeds: [r2z2]",
                "feeds[0]: found 'r2z2', allowed: a mapping of keys to values",
            ),
            (
                "listen: 'tcp:1'",
                "listen: found 'tcp:1', allowed: a list of at least one",
            ),
            (
                "listen: []",
                "listen: found an empty list, allowed: a list of at least one",
            ),
            (
                "feeds: []",
                "feeds: found an empty list, allowed: a list of at least one",
            ),
            ("cors: {origins: x}", "cors.origins: found 'x', allowed: a list"),
        ):
            self.refuse(text, line)

    def test_range(self) -> None:
        """
        Numbers have both ends, and neither NaN nor infinity passes.
        """
        for key, allowed, values in (
            ("history.max_days", "a whole number from 1 to 90", ("0", "91")),
            ("history.batch_size", "a whole number from 1 to 50", ("0", "51")),
            ("limits.connections", "a whole number from 1 to 1000000", ("-1", "0")),
            ("limits.character_ids", "a whole number from 1 to 1000", ("0", "1001")),
            ("limits.corporation_ids", "a whole number from 1 to 1000", ("0", "1001")),
            ("limits.alliance_ids", "a whole number from 1 to 1000", ("0", "1001")),
            ("limits.system_ids", "a whole number from 1 to 1000", ("0", "1001")),
            ("limits.post_ids", "a whole number from 1 to 10000", ("0", "10001")),
            (
                "history.values_deadline_seconds",
                "a number from 0 to 600",
                ("-1", "601"),
            ),
            ("stream.heartbeat_seconds", "a number from 2 to 60", ("1.9", "61")),
            ("zkillboard.requests_per_second", "a number from 0.01 to 100", ("0",)),
            ("archive.backfill_days", "a whole number from 0 to 90", ("-1", "91")),
        ):
            for value in values:
                self.refuse_value(key, value, value, allowed)
        for value in (".nan", ".inf", "-.inf"):
            found = value.replace(".", "")
            self.refuse_value(
                "stream.heartbeat_seconds", value, found, "a number from 2 to 60"
            )

    def test_retention(self) -> None:
        """
        Killmails are kept a week longer than a history reaches back.
        """
        self.refuse(
            "retention: {days: 96}",
            "retention.days: found 96, allowed: at least 97 (history.max_days + 7)",
        )
        self.refuse(
            "retention: {days: 36}\nhistory: {max_days: 30}",
            "retention.days: found 36, allowed: at least 37 (history.max_days + 7)",
        )
        self.load("retention: {days: 37}\nhistory: {max_days: 30}")

    def test_backfill(self) -> None:
        """
        No more days are held than a history reaches back.
        """
        self.refuse(
            "archive: {backfill_days: 31}\nhistory: {max_days: 30}",
            "archive.backfill_days: found 31, allowed: at most 30 (history.max_days)",
        )
        self.load("archive: {backfill_days: 30}\nhistory: {max_days: 30}")

    def test_feeds(self) -> None:
        """
        A feed needs a known kind, its own keys, and to be given once.
        """
        url = "an https:// URL, or http:// on loopback"
        queue = "allowed: 1 to 100 of A-Z a-z 0-9 . _ -"
        for text, line in (
            ("[{}]", "feeds[0].kind: found nothing, allowed: r2z2 or redisq"),
            (
                "[{kind: redis}]",
                "feeds[0].kind: found 'redis', allowed: r2z2 or redisq",
            ),
            (
                "[{kind: [r2z2]}]",
                "feeds[0].kind: found a list, allowed: r2z2 or redisq",
            ),
            (
                "[{kind: redisq, queue_id: a}]",
                f"feeds[0].url: found nothing, allowed: {url}",
            ),
            (
                "[{kind: r2z2}, {kind: redisq, url: 'https://a.b'}]",
                f"feeds[1].queue_id: found nothing, {queue}",
            ),
            (
                "[{kind: redisq, url: 'https://a.b', queue_id: 'a b'}]",
                f"feeds[0].queue_id: found 'a b' (it goes into a URL), {queue}",
            ),
            (
                "[{kind: redisq, url: 'https://a.b', queue_id: a, ttw: 11}]",
                "feeds[0].ttw: found 11, allowed: a whole number from 1 to 10",
            ),
            (
                "[{kind: r2z2}, {kind: r2z2, url: 'https://r2z2.zkillboard.com/'}]",
                "feeds[1]: the same as feeds[0], allowed: once",
            ),
        ):
            self.refuse(f"feeds: {text}", line)

    def test_endpoint(self) -> None:
        """
        What Twisted cannot listen on is refused with the reason.
        """
        missing = "No such file or directory: /nowhere/key.pem"
        for text, why in (
            ("4004", "Unknown endpoint type: '4004'"),
            ("tcp", "arguments are missing or unknown"),
            ("tcp:x", "invalid literal for int() with base 10: 'x'"),
            ("tcp:4004:interfaces=::", "arguments are missing or unknown"),
            ("tcp:65536", "a port is at most 65535"),
            ("tcp:interface=127.0.0.1:port=70000", "a port is at most 65535"),
            ("haproxy:tcp:-1", "a port is at most 65535"),
            ("systemd:domain=INET:name=web", "systemd passed no such socket"),
            ("systemd:domain=INET:index=0", "systemd passed no such socket"),
            ("ssl:443:privateKey=/nowhere/key.pem", missing),
        ):
            self.refuse(
                f"listen: ['tcp:0', '{text}']",
                f"listen[1]: found '{text}' ({why}), allowed: "
                "a Twisted endpoint, as tcp:4004:interface=127.0.0.1",
            )

    def test_url(self) -> None:
        """
        Upstreams are asked over TLS, except on this machine.
        """
        for url, why in (
            ("http://esi.evetech.net", "plain http leaves this machine"),
            ("http://192.168.0.1", "plain http leaves this machine"),
            ("ftp://localhost", "not an HTTP URL"),
            ("https:", "not an HTTP URL"),
            ("esi.evetech.net", "not an HTTP URL"),
            ("", "blank or not ASCII"),
            ("https://a b", "blank or not ASCII"),
            ("https://a:65536", "Port out of range 0-65535"),
            ("https://a:0", "port 0"),
            ("https://[::1", "Invalid IPv6 URL"),
            ("https://me:word@a", "a user, a query or a fragment has no place here"),
            ("https://a/?b=c", "a user, a query or a fragment has no place here"),
        ):
            self.refuse(
                f"esi: {{url: '{url}'}}",
                f"esi.url: found '{url}' ({why}), allowed: "
                "an https:// URL, or http:// on loopback",
            )
        for url in ("http://localhost:1/a", "http://127.0.0.9", "http://[::1]:4010"):
            self.assertEqual(self.load(f"esi: {{url: '{url}'}}").esi.url, url)

    def test_admin_endpoint(self) -> None:
        """
        There need be none; a wrong one is refused as the others are.
        """
        self.assertEqual(self.load("admin_listen: ''").admin_listen, "")
        self.refuse(
            "admin_listen: tcp",
            "admin_listen: found 'tcp' (arguments are missing or unknown), allowed:"
            " a Twisted endpoint, as tcp:4005:interface=127.0.0.1, or nothing",
        )

    def test_manhole(self) -> None:
        """
        It listens where only this machine can connect, and never without passwords.
        """
        for text in (
            "tcp:6023",
            "tcp:6023:interface=0.0.0.0",
            "tcp:6023:interface=127.0.0.1.example.org",
            "tcp6:6023",
            "haproxy:tcp:6023:interface=127.0.0.1",
        ):
            self.refuse(
                f"manhole: {{listen: '{text}', passwd: x}}",
                f"manhole.listen: found '{text}' (others could connect to it), allowed:"
                " tcp:PORT:interface=127.0.0.1, unix:PATH:mode=600, or nothing",
            )
        for text in (
            "tcp:6023:interface=127.0.0.1",
            "tcp:interface=localhost:port=6023",
            "tcp6:6023:interface=\\:\\:1",
            "unix:/run/wanderer/manhole:mode=600",
        ):
            loaded = self.load(f"manhole: {{listen: '{text}', passwd: x}}")
            self.assertEqual(loaded.manhole.listen, text)
        self.refuse(
            "manhole: {listen: 'tcp:6023:interface=127.0.0.1'}",
            "manhole.passwd: found '', allowed: the path of a file",
        )

    def test_log_level(self) -> None:
        """
        It is one of four.
        """
        self.refuse(
            "log_level: verbose",
            "log_level: found 'verbose' (no such level), allowed: debug or info or warn"
            " or error",
        )

    def test_database(self) -> None:
        """
        A store is a file of SQLite.
        """
        for text, why in (
            ("postgresql://localhost/kills", "only SQLite is supported"),
            ("wanderer.db", "only SQLite is supported"),
            ("", "only SQLite is supported"),
            ("sqlite:", "not the path of a file"),
            ("sqlite::memory:", "not the path of a file"),
            ("sqlite://wanderer.db", "not the path of a file"),
        ):
            self.refuse(
                f"database: '{text}'",
                f"database: found '{text}' ({why}), allowed: "
                "sqlite:PATH, as sqlite:wanderer.db",
            )

    def test_other_texts(self) -> None:
        """
        Networks, origins, dates and the contact have their forms.
        """
        network = "a network, as 10.0.0.0/8 or ::1"
        for text, why in (
            ("10.0.0.1/8", "10.0.0.1/8 has host bits set"),
            ("proxy", "'proxy' does not appear to be an IPv4 or IPv6 network"),
        ):
            self.refuse(
                f"trusted_proxies: ['::1', {text}]",
                f"trusted_proxies[1]: found '{text}' ({why}), allowed: {network}",
            )
        self.refuse(
            "cors: {origins: ['https://a.b/']}",
            "cors.origins[0]: found 'https://a.b/' (not what a browser sends as "
            'Origin), allowed: "*" or an origin, as https://example.org',
        )
        for text, why in (
            ("18.8.2026", "not YYYY-MM-DD"),
            ("2026-02-30", "day is out of range for month"),
        ):
            found, allowed = f"'{text}' ({why})", "a date, as 2026-08-18"
            self.refuse_value("esi.compatibility_date", text, found, allowed)
        self.refuse(
            'contact: "a\\r\\nb"',
            "contact: found 'a\\r\\nb' (it goes into a header), "
            "allowed: up to 200 printable ASCII characters",
        )

    def test_date_in_the_future(self) -> None:
        """
        ESI answers 400 to such a date; tomorrow may be another clock's today.
        """
        today = datetime.now(UTC).date()
        for text in (str(today + timedelta(days=3)), "9999-12-31"):
            found, allowed = f"'{text}' (in the future)", "a date, as 2026-08-18"
            self.refuse_value("esi.compatibility_date", text, found, allowed)
        for days in (0, 1):
            self.load(f"esi: {{compatibility_date: {today + timedelta(days)}}}")

    def test_options(self) -> None:
        """
        A wrong option is named as one, with or without a file.
        """
        endpoint = "allowed: a Twisted endpoint, as tcp:4004:interface=127.0.0.1"
        for options, line in (
            (
                {"listen": ["tcp:0", "x"]},
                f"--listen[1]: found 'x' (Unknown endpoint type: 'x'), {endpoint}",
            ),
            (
                {"database": "x"},
                "--database: found 'x' (only SQLite is supported), "
                "allowed: sqlite:PATH, as sqlite:wanderer.db",
            ),
            (
                {"admin_listen": "tcp"},
                "--admin-listen: found 'tcp' (arguments are missing or unknown),"
                f" {endpoint.replace('4004', '4005')}, or nothing",
            ),
        ):
            error = self.assertRaises(ConfigError, load_settings, None, options)
            self.assertEqual(str(error), line)
            error = self.assertRaises(ConfigError, self.load, "contact: x", **options)
            self.assertEqual(str(error), line)

    def test_not_yaml(self) -> None:
        """
        A file that is no YAML, or has a key twice, is told by its line.
        """
        for text, line in (
            ("a: [", "line 1: expected the node content, but found '<stream end>'"),
            (
                "a: b\n\tc: d",
                r"line 2: found character '\t' that cannot start any token",
            ),
            ("contact: x\ncontact: y", "line 2: contact is given twice"),
            ("cors:\n  origins: []\n  'origins': []", "line 3: origins is given twice"),
            ("--- {}\n--- {}", "line 2: but found another document"),
            ("contact: *me", "line 1: found undefined alias 'me'"),
            ("a: !!int x", "not YAML: invalid literal for int() with base 10: 'x'"),
            ("[" * 3000, "not YAML: nested too deeply"),
            (
                b"\0",
                "not YAML: unacceptable character #x0000: special characters are not "
                'allowed in "<byte string>", position 0',
            ),
        ):
            self.refuse(text, line)

    def test_tag_is_not_run(self) -> None:
        """
        A tag that names Python code is refused.
        """
        self.refuse(
            "contact: !!python/name:os.system",
            "line 1: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/name:os.system'",
        )

    def test_unreadable_file(self) -> None:
        """
        A file that cannot be read is named with the system's reason.
        """
        for path, reason in (
            ("/nowhere/wanderer.yaml", "No such file or directory"),
            ("/", "Is a directory"),
            ("a\0b", "embedded null byte"),
        ):
            error = self.assertRaises(ConfigError, load_settings, path)
            self.assertEqual(str(error), f"{path}: cannot be read: {reason}")
