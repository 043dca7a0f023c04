"""
The manhole's password file: checked whole before anything starts.
"""

import hmac
import os
import stat
from collections.abc import Iterator, Mapping
from typing import Final

#: Nobody has so many users.
_MOST_BYTES: Final = 65_536


class PasswordsUnusable(Exception):
    """
    The file cannot be used. The message is one line, for the operator.
    """

    def __init__(self, path: str, why: object) -> None:
        super().__init__(f"manhole.passwd: {path}: {why}")


class Passwords:
    """
    Who may come in.
    """

    def __init__(self, by_user: Mapping[bytes, bytes]) -> None:
        self._by_user = by_user

    def allow(self, user: bytes, password: bytes) -> bool:
        """
        Whether the password is the user's; no time tells how much of it was right, or
        whether there is such a user.
        """
        known = self._by_user.get(user)
        same = hmac.compare_digest(password, known or b"")
        return same and known is not None


def read_passwords(path: str) -> Passwords:
    """
    Read lines with ``USER:PASSWORD``; empty ones do not count. A symbolic link is
    followed: what it leads to is checked.

    :raises PasswordsUnusable: the file is not there, is not ours alone, or has
        something else in it. No part of it is told.
    """
    try:
        text = _read(path)
    except OSError as error:
        raise PasswordsUnusable(path, error.strerror) from error
    except ValueError as error:  # a null byte
        raise PasswordsUnusable(repr(path), error) from error
    by_user: dict[bytes, bytes] = {}
    for number, user, password in _lines(path, text):
        if user in by_user:
            raise PasswordsUnusable(path, f"line {number}: that user comes twice")
        by_user[user] = password
    if not by_user:
        raise PasswordsUnusable(path, "is empty, allowed: lines with USER:PASSWORD")
    return Passwords(by_user)


def _read(path: str) -> bytes:
    # Not to wait: somebody may have put a pipe there.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PasswordsUnusable(path, "is not a file")
        mode, owner, own = stat.S_IMODE(status.st_mode), status.st_uid, os.geteuid()
        if mode & 0o077:
            raise PasswordsUnusable(path, "others may use it, chmod it to 600")
        if owner != own:
            raise PasswordsUnusable(
                path, f"belongs to user {owner}, but the server runs as user {own}"
            )
        if status.st_size > _MOST_BYTES:
            raise PasswordsUnusable(path, "is too large")
        return file.read(_MOST_BYTES)


def _lines(path: str, text: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    for number, line in enumerate(text.splitlines(), 1):
        user, _, password = line.partition(b":")
        if user and password and not _blank(line):
            yield number, user, password
        elif line.strip():
            wrong = f"line {number}: allowed: USER:PASSWORD, without spaces"
            raise PasswordsUnusable(path, wrong)


def _blank(line: bytes) -> bool:
    """
    Whether there is something in it that cannot be typed at a prompt, or not be seen.
    """
    return any(byte <= 0x20 or byte == 0x7F for byte in line)
