"""
Pages of killmails, read in steps, so that neither the store nor this process is held by
a long one.
"""

from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import Final

import attrs

from wanderer_twisted.interfaces import IKillmailStore
from wanderer_twisted.partition import Kind
from wanderer_twisted.records import Place
from wanderer_twisted.web.selection import Selection

_STEP: Final = 50  # killmails


@attrs.frozen
class Page:
    """
    :ivar bodies: JSON, as it goes out, newest first.
    :ivar last: where the next page begins: the place of the last one; None where there
        is none on this page.
    :ivar more: something follows.
    """

    bodies: Sequence[bytes] = attrs.field(repr=False)
    last: Place | None
    more: bool

    @property
    def size(self) -> int:
        return sum(map(len, self.bodies))


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
    bodies: list[bytes] = []
    last, room = selection.before, most_bytes
    while len(bodies) < selection.limit:
        step = min(_STEP, selection.limit - len(bodies))
        batch = await read(last, step)
        fitting = _count_fitting(batch.bodies, room)
        if fitting < len(batch.bodies):
            if fitting or not bodies:  # again, to know the place of the last one
                batch = await read(last, max(fitting, 1))
                bodies += batch.bodies
                last = batch.last
            return Page(bodies, last, more=True)
        bodies += batch.bodies
        if len(batch.bodies) < step:
            return Page(bodies, batch.last, more=False)
        last = batch.last
        room -= sum(map(len, batch.bodies))
    behind = await read(last, 1)
    return Page(bodies, last, more=bool(behind.bodies))


def _count_fitting(bodies: Sequence[bytes], room: int) -> int:
    sizes = accumulate(map(len, bodies))
    return sum(size <= room for size in sizes)
