"""
What the server stands on, and what brings killmails to it.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from wanderer_twisted.archive import Loader, Rounds, Stager
from wanderer_twisted.config import RedisqFeed, Settings
from wanderer_twisted.ingest import Intake, NameBook
from wanderer_twisted.ingest.intake import PATIENCE
from wanderer_twisted.interfaces import IKillmailFeed
from wanderer_twisted.records import ArchivedDay
from wanderer_twisted.sources.archive import make_archive
from wanderer_twisted.sources.esi import make_esi
from wanderer_twisted.sources.http import Client, make_client
from wanderer_twisted.sources.r2z2 import make_r2z2
from wanderer_twisted.sources.redisq import make_redisq
from wanderer_twisted.store.sqlite import make_store


class Ground:
    """
    What the server stands on, and ``wanderer-backfill`` likewise: the store, and the
    ways to the upstreams that everybody uses.
    """

    def __init__(self, settings: Settings, reactor: Any) -> None:
        self.client = make_client(reactor, settings.contact)
        self.store = make_store(
            reactor, settings.database_path, settings.retention.days
        )
        self._reactor = reactor
        self._esi = make_esi(
            self.client, reactor, settings.esi.url, settings.esi.compatibility_date
        )
        self.names = NameBook(
            reactor,
            self.store,
            self._esi if settings.names.enabled else None,
            settings.names.deadline_seconds,
        )

    def make_intake(self, patience: float = PATIENCE) -> Intake:
        """
        One for each who has killmails: bodies for one delay no other.
        """
        return Intake(self._reactor, self._esi, self.names, patience)


def make_rounds(
    ground: Ground,
    settings: Settings,
    reactor: Any,
    feeds: Collection[str],
    backfill_days: int,
    told: Callable[[ArchivedDay], None] = lambda day: None,
) -> Rounds:
    """
    The work on the archive, for the server and for ``wanderer-backfill``.

    :param feeds: the names of those that run.
    :param told: called with each day that was worked on.
    """
    source = make_archive(ground.client, reactor, settings.archive.url)
    return Rounds(
        reactor,
        ground.store,
        source,
        Loader(
            reactor,
            ground.store,
            source,
            ground.make_intake(),
            Stager(reactor).stage,
            folder=f"{settings.database_path}.archive",
        ),
        feeds,
        backfill_days,
        settings.history.max_days,
        told,
    )


def make_feeds(
    settings: Settings, client: Client, reactor: Any
) -> Iterator[IKillmailFeed]:
    """
    Feeds of one kind are told apart by a number, in the order of the file.
    """
    seen: dict[str, int] = {}
    for feed in settings.feeds:
        seen[feed.kind] = seen.get(feed.kind, 0) + 1
        number = seen[feed.kind]
        name = feed.kind if number == 1 else f"{feed.kind}-{number}"
        if isinstance(feed, RedisqFeed):
            yield make_redisq(client, reactor, feed.url, feed.queue_id, feed.ttw, name)
        else:
            yield make_r2z2(client, reactor, feed.url, name)
