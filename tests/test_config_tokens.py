"""
The file of tokens: what it says, and each mistake in it as one line.
"""

from pathlib import Path

from msgspec import UNSET

from tests.support.cases import SyncCase
from wanderer_twisted.config import ConfigError, Token, load_tokens

A, B = "a" * 64, "b" * 64


class TokensCase(SyncCase):
    """
    A test case with one file of tokens.
    """

    def setUp(self) -> None:
        self.path = self.mktemp()

    def load(self, text: str) -> tuple[Token, ...]:
        Path(self.path).write_text(text)
        return load_tokens(self.path)

    def refuse(self, text: str, line: str) -> None:
        """
        :param line: the whole message, behind the file's name.
        """
        error = self.assertRaises(ConfigError, self.load, text)
        self.assertEqual(str(error), f"{self.path}: {line}")

    def refuse_part(self, part: str, line: str) -> None:
        """
        :param part: of the first token.
        :param line: behind the token's place.
        """
        text = f"tokens: [{{name: bot, sha256: {A}, {part}}}]"
        self.refuse(text, f"tokens[0].{line}")


class FileTests(TokensCase):
    """
    What a right file says.
    """

    def test_whole(self) -> None:
        """
        Everything that can be said of a token; digests are in small letters.
        """
        first, second = self.load(
            f"""
            tokens:
              - name: wingspan-bot
                sha256: "{A.upper()}"
                expires: 2027-01-01
                limits: {{connections: 5, character_ids: 1000}}
              - name: old_one.2
                sha256: {B}
                revoked: true
            """
        )
        self.assertEqual((first.name, first.sha256), ("wingspan-bot", A))
        self.assertEqual(first.expires_at, 1_798_761_600.0)
        self.assertFalse(first.revoked)
        limits = first.limits
        self.assertEqual((limits.connections, limits.character_ids), (5, 1000))
        self.assertIs(limits.post_ids, UNSET)
        self.assertTrue(second.revoked)
        self.assertIsNone(second.expires_at)

    def test_none(self) -> None:
        """
        No tokens are none, where the file says so.
        """
        self.assertEqual(self.load("tokens: []"), ())

    def test_expiry(self) -> None:
        """
        A time is UTC where it has no offset.
        """
        for text, seconds in (
            ("2027-01-01", 0),
            ("2027-01-01T01:00", 3600),
            ("2027-01-01 01:00:30Z", 3630),
            ("2027-01-01T02:00:00+01:00", 3600),
        ):
            (token,) = self.load(
                f"tokens: [{{name: a, sha256: {A}, expires: '{text}'}}]"
            )
            self.assertEqual(token.expires_at, 1_798_761_600.0 + seconds)


class RefusalTests(TokensCase):
    """
    A wrong file.
    """

    def test_shape(self) -> None:
        """
        A file without its key, or with another shape; an empty one is rather a mishap.
        """
        most = "allowed: a list of at most 1000"
        self.refuse("", f"tokens: found nothing, {most}")
        self.refuse("tokens: {a: b}", f"tokens: found a mapping, {most}")
        self.refuse("token: []", "token: unknown key, nearest known: tokens")
        self.refuse(
            "tokens: [abc]",
            "tokens[0]: found 'abc', allowed: a mapping of keys to values",
        )
        many = "tokens: [" + "{}," * 1001 + "]"
        self.refuse(many, f"tokens: found a list, {most}")

    def test_values(self) -> None:
        """
        Each key has its form.
        """
        self.refuse_part("revoked: 1", "revoked: found 1, allowed: true or false")
        self.refuse_part(
            "limits: {connections: 0}",
            "limits.connections: found 0, allowed: a whole number from 1 to 1000000",
        )
        self.refuse_part(
            "limits: {post_ids: }",
            "limits.post_ids: found nothing, allowed: a whole number from 1 to 10000",
        )
        self.refuse_part(
            "limits: {histories_at_once: 1}",
            "limits.histories_at_once: unknown key, allowed: connections,"
            " character_ids, corporation_ids, alliance_ids, system_ids, post_ids",
        )
        for text, why in (
            ("tomorrow", "neither YYYY-MM-DD nor a time"),
            ("20270101", "neither YYYY-MM-DD nor a time"),
            ("2027-02-30", "day is out of range for month"),
        ):
            self.refuse_part(
                f"expires: '{text}'",
                f"expires: found '{text}' ({why}), allowed: a date or a time in UTC,"
                " as 2027-01-01 or nothing",
            )
        self.refuse(
            f"tokens: [{{name: 'a b', sha256: {A}}}]",
            "tokens[0].name: found 'a b' (it goes into logs), allowed: 1 to 64 of"
            " A-Z a-z 0-9 . _ -",
        )

    def test_secret(self) -> None:
        """
        What stands where a digest should is not shown: it may be the token.
        """
        allowed = "allowed: 64 hexadecimal digits, of sha256sum"
        for text in ("hunter2", A + "a", "z" * 64):
            self.refuse(
                f"tokens: [{{name: a, sha256: {text}}}]",
                f"tokens[0].sha256: not a digest, {allowed}",
            )
        self.refuse(
            "tokens: [{name: a}]", f"tokens[0].sha256: found nothing, {allowed}"
        )

    def test_repeated(self) -> None:
        """
        A name is given once, and so is a token.
        """
        one = f"{{name: a, sha256: {A}}}"
        self.refuse(
            f"tokens: [{one}, {{name: a, sha256: {B}}}]",
            "tokens[1].name: the same as tokens[0].name, allowed: once",
        )
        self.refuse(
            f"tokens: [{one}, {{name: b, sha256: {A.upper()}}}]",
            "tokens[1].sha256: the same as tokens[0].sha256, allowed: once",
        )

    def test_unreadable(self) -> None:
        """
        A file that is not there, or is no YAML.
        """
        error = self.assertRaises(ConfigError, load_tokens, "/nowhere/t.yaml")
        self.assertEqual(
            str(error), "/nowhere/t.yaml: cannot be read: No such file or directory"
        )
        self.refuse(
            "tokens: [", "line 1: expected the node content, but found '<stream end>'"
        )
