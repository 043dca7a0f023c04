"""
Who may ask: the file of tokens, of which only digests are kept. docs/operations.rst
explains it.

A token is long and random, so one round of SHA-256 hides it as well as it needs: there
is nothing to guess from, unlike with passwords.
"""

from collections.abc import Iterator
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from wanderer_twisted.config.faults import Fault
from wanderer_twisted.config.formats import Expiry, Sha256, TokenName, read_expiry
from wanderer_twisted.config.settings import Section

#: A file of so many is read within a second.
MOST: Final = 1000


class TokenLimits(Section, frozen=True):
    """
    What holds for this token instead of the same key in the server's limits.

    :ivar connections: streams open under it, beside the limits of all and of the
        address; without it there is none of its own.
    """

    connections: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType = UNSET
    character_ids: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    corporation_ids: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    alliance_ids: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    system_ids: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    post_ids: Annotated[int, Meta(ge=1, le=10_000)] | UnsetType = UNSET


class Token(Section, frozen=True):
    """
    :ivar name: whose it is, for logs and the admin's page.
    :ivar sha256: of the token.
    :ivar expires: from when on it does not count any more; empty for never.
    :ivar revoked: whether it never counts.
    """

    name: TokenName
    sha256: Sha256
    expires: Expiry = ""
    revoked: bool = False
    limits: TokenLimits = TokenLimits()

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "sha256", self.sha256.lower())

    @property
    def expires_at(self) -> float | None:
        """
        UNIX seconds.
        """
        return read_expiry(self.expires)


class TokensFile(Section, frozen=True):
    """
    The file. Its one key must be there: an empty file is rather a mishap than a wish.
    """

    tokens: Annotated[tuple[Token, ...], Meta(max_length=MOST)]


def repeated(file: TokensFile) -> Iterator[Fault]:
    """
    What must be given once and is given again.
    """
    for key in ("name", "sha256"):
        first: dict[str, int] = {}
        for index, token in enumerate(file.tokens):
            earlier = first.setdefault(getattr(token, key), index)
            if earlier < index:
                text = f"the same as tokens[{earlier}].{key}, allowed: once"
                yield Fault(f"tokens[{index}].{key}", text)
