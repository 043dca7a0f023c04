"""
Fill a store, as a process of its own: ``python -m bench.fill SPEC``, JSON.

It goes through the store's own commit, so what lies in the file is what a server of
some weeks would have there.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from bench.killmails import FIRST_HISTORY_ID, Killmails, entry_of
from wanderer_twisted.encoding import loads
from wanderer_twisted.partition import KINDS
from wanderer_twisted.records import Change, Coverage, Entry, FeedPosition
from wanderer_twisted.sources.r2z2_cursor import Cursor
from wanderer_twisted.store.sqlite import make_store

#: Days over which a history is laid out.
DAYS = 89

#: What the feed asks for next.
NEXT_SEQUENCE = 96_000_000

_AT_ONCE = 100


def entries(spec: Mapping[str, Any], now: float) -> Iterator[Entry]:
    """
    :param spec: ``data``; ``histories``: each a kind, an id and how many killmails;
        and for how many seconds the feed has been ``followed``.
    """
    killmails = Killmails(spec["data"])
    id = FIRST_HISTORY_ID
    for kind in KINDS:
        wanted = {each[1]: each[2] for each in spec["histories"] if each[0] == kind}
        for owner in killmails.owners(kind) if wanted else ():
            count = wanted.get(owner.id, 0)
            for number in range(count):
                template = owner.templates[number % len(owner.templates)]
                age = DAYS * 86_400 * (1 - number / count) + 2 * 3600
                id += 1
                yield entry_of(killmails.document(template, id, int(now - age)))


async def fill(reactor: Any, spec: Mapping[str, Any]) -> None:
    store = make_store(reactor, spec["path"], 100)
    store.open()
    now = time.time()
    batch: list[Entry] = []
    for entry in entries(spec, now):
        batch.append(entry)
        if len(batch) == _AT_ONCE:
            await store.commit(Change(entries=batch))
            batch = []
    coverage = [
        Coverage(kind, owner, 0, now - 65 * 60, now)
        for kind, owner, _ in spec["histories"]
    ]
    cursor = Cursor(NEXT_SEQUENCE, now)
    position = FeedPosition("r2z2", cursor.text(), now - spec["followed"])
    change = Change(entries=batch, coverage=coverage, position=position)
    await store.commit(change)
    await store.close()


if __name__ == "__main__":
    react(
        lambda reactor: Deferred.fromCoroutine(
            fill(reactor, loads(sys.argv[1].encode()))
        )
    )
