"""
Who may use the manhole: the file of passwords, used or refused.
"""

import os
from pathlib import Path

from tests.support.cases import SyncCase
from wanderer_twisted.ops.passwords import PasswordsUnusable, read_passwords


class PasswordsTests(SyncCase):
    """
    One file, in a folder of its own.
    """

    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        self.path = folder / "passwd"

    def write(self, text: str | bytes, mode: int = 0o600) -> None:
        self.path.write_bytes(text.encode() if isinstance(text, str) else text)
        self.path.chmod(mode)

    def refuse(self, why: str, path: Path | None = None) -> None:
        path = path or self.path
        error = self.assertRaises(PasswordsUnusable, read_passwords, str(path))
        self.assertEqual(str(error), f"manhole.passwd: {path}: {why}")

    def test_users(self) -> None:
        """
        Each with a password of their own, in which there may be colons.
        """
        self.write("ann:one\n\nbob:two:three\r\nzoë:pässword")
        passwords = read_passwords(str(self.path))
        for user, password, right in (
            ("ann", "one", True),
            ("bob", "two:three", True),
            ("zoë", "pässword", True),
            ("ann", "two:three", False),
            ("ann", "on", False),
            ("ann", "", False),
            ("eve", "", False),
            ("", "", False),
        ):
            allowed = passwords.allow(user.encode(), password.encode())
            self.assertIs(allowed, right, (user, password))

    def test_modes(self) -> None:
        """
        Nobody else may read or write it; stricter than 600 will do.
        """
        self.write("ann:one", 0o400)
        read_passwords(str(self.path))
        for mode in (0o640, 0o604, 0o620, 0o602, 0o601, 0o777):
            self.path.chmod(mode)
            self.refuse("others may use it, chmod it to 600")

    def test_owner(self) -> None:
        """
        It belongs to whom the server runs as, or somebody else could change it.
        """
        self.write("ann:one")
        own = os.geteuid()
        self.patch(os, "geteuid", lambda: own + 1)
        self.refuse(f"belongs to user {own}, but the server runs as user {own + 1}")

    def test_links(self) -> None:
        """
        A symbolic link is as good as what it leads to.
        """
        self.write("ann:one")
        link = self.path.with_name("link")
        link.symlink_to(self.path.name)
        self.assertTrue(read_passwords(str(link)).allow(b"ann", b"one"))
        self.path.chmod(0o644)
        self.refuse("others may use it, chmod it to 600", link)
        self.path.unlink()
        self.refuse("No such file or directory", link)

    def test_no_file(self) -> None:
        """
        What is no file is not waited for.
        """
        self.refuse("No such file or directory")
        self.refuse("Is a directory", self.path.parent)
        os.mkfifo(self.path, 0o600)
        self.refuse("is not a file")
        error = self.assertRaises(PasswordsUnusable, read_passwords, "a\0b")
        # CPython says it in other words from 3.13 on.
        why = r"'a\\x00b': (embedded null byte|open: embedded null character in path)"
        self.assertRegex(str(error), why)

    def test_contents(self) -> None:
        """
        A line that is no user with a password is told by its number; nothing of it is.
        """
        for text in ("", "\n \n"):
            self.write(text)
            self.refuse("is empty, allowed: lines with USER:PASSWORD")
        wrong = "line 2: allowed: USER:PASSWORD, without spaces"
        for line in ("secret", ":secret", "bob:", "bob :x", "bob: x", "b\0b:x", ":"):
            self.write(f"ann:one\n{line}\n")
            self.refuse(wrong)
        self.write("ann:one\nann:two")
        self.refuse("line 2: that user comes twice")
        self.write("ann:" + "x" * 70_000)
        self.refuse("is too large")
