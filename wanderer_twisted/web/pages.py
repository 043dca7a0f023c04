"""
Pages of killmails, read in steps, so that neither the store nor the reactor is held by
a long one.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import blake2b
from itertools import accumulate
from typing import Any, Final

import attrs

from wanderer_twisted.interfaces import IKillmailStore
from wanderer_twisted.partition import Kind
from wanderer_twisted.records import Batch, Place
from wanderer_twisted.web.selection import Selection

_STEP: Final = 50  # killmails


@attrs.define
class Page:
    """
    Killmails of one id, newest first, as far as they were read.

    :ivar last: where the next page begins; None for the first of all.
    :ivar bodies: JSON, as it goes out.
    :ivar size: bytes of these.
    :ivar more: something may follow.
    """

    last: Place | None
    bodies: list[bytes] = attrs.field(factory=list, repr=False)
    size: int = 0
    more: bool = True
    _digest: Any = attrs.field(factory=blake2b, repr=False)

    def add(self, batch: Batch) -> None:
        self.last = batch.last
        for each in batch.bodies:
            self.bodies.append(each)
            self.size += len(each)
            self._digest.update(each)

    @property
    def digest(self) -> bytes:
        """
        By which pages are told apart.
        """
        digest: bytes = self._digest.digest()
        return digest

    def parts(self) -> Iterator[bytes]:
        """
        The inside of a JSON array.
        """
        for number, each in enumerate(self.bodies):
            if number:
                yield b","
            yield each


async def read_page(
    store: IKillmailStore,
    kind: Kind,
    owner: int,
    selection: Selection,
    most_bytes: int,
) -> Page:
    """
    :param most_bytes: a page has more only where one killmail alone does.
    """
    read = partial(store.read_latest, kind, owner, selection.since)
    page = Page(selection.before)
    while len(page.bodies) < selection.limit:
        step = min(_STEP, selection.limit - len(page.bodies))
        batch = await read(page.last, step)
        fitting = _count_fitting(batch.bodies, most_bytes - page.size)
        if fitting < len(batch.bodies):
            if fitting or not page.bodies:  # again, to know the place of the last one
                page.add(await read(page.last, max(fitting, 1)))
            return page
        page.add(batch)
        if len(batch.bodies) < step:
            page.more = False
            return page
    behind = await read(page.last, 1)
    page.more = bool(behind.bodies)
    return page


def _count_fitting(bodies: Sequence[bytes], room: int) -> int:
    sizes = accumulate(map(len, bodies))
    return sum(size <= room for size in sizes)
