"""
Settings into services: the only place that knows all parts.
"""

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from wanderer_twisted.archive import Archive, Loader, Rounds, Stager
from wanderer_twisted.config import Manhole, RedisqFeed, Settings, Token
from wanderer_twisted.history import History
from wanderer_twisted.ingest import FeedService, Intake, NameBook, Renamer, statuses
from wanderer_twisted.interfaces import IKillmailFeed
from wanderer_twisted.ops import metrics
from wanderer_twisted.ops.console import Console
from wanderer_twisted.ops.covered import Covered
from wanderer_twisted.ops.health import FeedWatch, Health, best
from wanderer_twisted.ops.indexing import Indexing
from wanderer_twisted.ops.log_counts import LogCounts
from wanderer_twisted.ops.logs import set_level
from wanderer_twisted.ops.manhole import Terminals
from wanderer_twisted.ops.metrics import Metrics
from wanderer_twisted.ops.passwords import read_passwords
from wanderer_twisted.ops.reactor import ReactorDelay
from wanderer_twisted.ops.retention import Retention
from wanderer_twisted.ops.status import Status
from wanderer_twisted.records import ArchivedDay, BatchLimits, FeedState
from wanderer_twisted.sources.archive import make_archive
from wanderer_twisted.sources.esi import make_esi
from wanderer_twisted.sources.http import Client, make_client
from wanderer_twisted.sources.r2z2 import make_r2z2
from wanderer_twisted.sources.redisq import make_redisq
from wanderer_twisted.sources.zkillboard import make_zkillboard
from wanderer_twisted.store.schema import DatabaseUnusable
from wanderer_twisted.store.sqlite import make_store
from wanderer_twisted.stream.hub import Hub
from wanderer_twisted.stream.surroundings import Pace
from wanderer_twisted.web.addresses import Proxies
from wanderer_twisted.web.admin import Admin, make_site
from wanderer_twisted.web.admission import Admission
from wanderer_twisted.web.api import Api
from wanderer_twisted.web.cors import Cors
from wanderer_twisted.web.coverage import Coverage
from wanderer_twisted.web.description.serving import Description
from wanderer_twisted.web.dry_runs import DryRuns
from wanderer_twisted.web.listening import AcceptRate, Listener
from wanderer_twisted.web.lookups import Lookups
from wanderer_twisted.web.page import Page
from wanderer_twisted.web.parameters import Rules
from wanderer_twisted.web.rooms import Rooms
from wanderer_twisted.web.site import PublicSite
from wanderer_twisted.web.status import StatusRoom
from wanderer_twisted.web.tokens import Tokens

#: Connections beyond the streams: refusals, look-ups, health checks.
_SPARE_CHANNELS = 1_000

_STOP_SECONDS = 15.0
_DRAIN_SECONDS = 25.0

#: Feeds in one of these have told of all their holes.
_CAUGHT_UP: Collection[FeedState] = ("live", "quiet", "silent")


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

    def make_intake(self) -> Intake:
        """
        One for each who has killmails: bodies for one delay no other.
        """
        return Intake(self._reactor, self._esi, self.names)


class Server(MultiService):
    """
    Everything, from the feeds to the listening ports.

    The store opens before all parts and closes behind them.

    :param tokens: of those who may ask; None for everybody.
    """

    _log = Logger()

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        tokens: Sequence[Token] | None = None,
    ) -> None:
        super().__init__()
        self._reactor = reactor
        self.tokens = Tokens(reactor, tokens)
        ground = Ground(settings, reactor)
        self.client, self.store, self.names = ground.client, ground.store, ground.names
        self.feeds = [
            FeedService(reactor, feed, ground.make_intake(), self.store)
            for feed in _make_feeds(settings, self.client, reactor)
        ]
        self.history = History(
            reactor,
            self.store,
            make_zkillboard(
                self.client,
                reactor,
                settings.zkillboard.url,
                settings.zkillboard.requests_per_second,
            ),
            ground.make_intake(),
            self.names,
            [feed.name for feed in self.feeds],
            max_days=settings.history.max_days,
            deadline_seconds=settings.history.deadline_seconds,
            values_deadline_seconds=settings.history.values_deadline_seconds,
            histories_at_once=settings.limits.histories_at_once,
        )
        self.archive = Archive(
            reactor,
            make_rounds(
                ground,
                settings,
                reactor,
                [feed.name for feed in self.feeds],
                settings.archive.backfill_days,
            ),
            lambda: any(each.state in _CAUGHT_UP for each in statuses(self.feeds)),
        )
        self.hub = Hub(
            reactor,
            self.store,
            self.history,
            feed_status=lambda: best(statuses(self.feeds)),
            pace=Pace(
                BatchLimits(killmails=settings.history.batch_size),
                pause=settings.history.batch_pause_ms / 1000,
                budget=settings.history.pacing_budget_seconds,
            ),
            retry_ms=settings.stream.retry_ms,
        )
        self.renamer = Renamer(reactor, self.store, self.names)
        self.retention = Retention(reactor, self.store)
        self.indexing = Indexing(reactor, self.store)
        self.covered = Covered(
            reactor,
            self.store,
            settings.history.max_days,
            settings.archive.backfill_days,
        )
        self.delay = ReactorDelay(reactor)
        self.logs = LogCounts()
        self.listeners = list(self._make_listeners(settings))
        self.metrics = self._make_metrics()
        admin = settings.admin_listen
        private = [self._make_admin(admin)] if admin else []
        if settings.manhole.listen:
            self.listeners.append(self._make_manhole(settings.manhole))
        # Stopped in reverse: who listens first, the hub last.
        for service in (
            self.hub,
            self.names,
            self.history,
            self.archive,
            *self.feeds,
            self.renamer,
            self.retention,
            self.indexing,
            self.covered,
            self.delay,
            self.logs,
            self.tokens,
            FeedWatch(reactor, self.hub, self.statuses),
            *private,
            *self.listeners,
        ):
            service.setServiceParent(self)

    def statuses(self) -> Any:
        return statuses(self.feeds)

    def _make_listeners(self, settings: Settings) -> Iterator[Listener]:
        limits = settings.limits
        self.admission = Admission(limits.connections, limits.connections_per_address)
        rules = _make_rules(settings)
        health = Health(self.hub, self.store, self.statuses)
        self.api = Api(
            self.hub,
            self.store,
            self.admission,
            rules,
            health.report,
            self._reactor,
            DryRuns(self.store, self.history, self._reactor, self.hub.pace.limits),
        )
        self.lookups = Lookups(
            self.store,
            self.history,
            self._reactor,
            settings.history.max_days,
            limits.system_ids,
        )
        coverage = Coverage(
            self.store,
            self._reactor,
            settings.history.max_days,
            settings.archive.backfill_days,
        )
        self.description = Description(rules)
        status = Status(
            self._reactor,
            self.hub,
            self.store,
            self.statuses,
            self.covered,
            self.admission,
        )
        self.rate = AcceptRate(self._reactor, limits.accept_per_second)
        self.site = PublicSite(
            Rooms(
                self.api.app,
                self.lookups.app,
                coverage.app,
                StatusRoom(status.document).app,
                Page().app,
                self.description.app,
            ),
            self._reactor,
            Cors(settings.cors.origins),
            Proxies(settings.trusted_proxies),
            self.tokens,
            accepted=self.rate.accepted,
            most_channels=limits.connections + _SPARE_CHANNELS,
        )
        for text in settings.listen:
            endpoint = serverFromString(self._reactor, text)
            yield Listener(endpoint, self.site, self.rate)

    def _make_metrics(self) -> Metrics:
        return Metrics(
            self._reactor,
            [
                metrics.Process(self._reactor.seconds(), self.delay, self.logs),
                metrics.Streams(self.hub, self.admission, self.api.refused),
                metrics.Web(self.site, self.rate),
                metrics.Feeds(self._reactor, self.feeds),
                metrics.Names(self.names, self.renamer),
                metrics.Upstreams(self.client.upstreams),
                metrics.Store(self.store, self.retention, self.indexing),
                metrics.Histories(self.hub, self.history),
                metrics.Past(self.covered, self.archive),
            ],
        )

    def _make_admin(self, listen: str) -> Listener:
        admin = Admin(self._reactor, self.hub, self.metrics)
        endpoint = serverFromString(self._reactor, listen)
        return Listener(endpoint, make_site(self._reactor, admin))

    def _make_manhole(self, settings: Manhole) -> Listener:
        def make_console(tell: Callable[[str], None]) -> Console:
            return Console(self.hub, self.store, self.statuses, tell)

        passwords = read_passwords(settings.passwd)
        return Listener(
            serverFromString(self._reactor, settings.listen),
            Terminals(self._reactor, passwords, make_console),
        )

    def apply(self, settings: Settings, tokens: Sequence[Token] | None) -> None:
        """
        Change what can be changed while it runs (``ops.reload.CHANGEABLE``).
        """
        limits = settings.limits
        rules = _make_rules(settings)
        self.api.rules = rules
        self.description.describe(rules)
        self.lookups.most_systems = limits.system_ids
        self.admission.connections = limits.connections
        self.admission.connections_per_address = limits.connections_per_address
        self.rate.per_second = limits.accept_per_second
        self.site.most_channels = limits.connections + _SPARE_CHANNELS
        self.site.cors = Cors(settings.cors.origins)
        self.site.proxies = Proxies(settings.trusted_proxies)
        self.hub.usual_retry_ms = settings.stream.retry_ms
        self.tokens.replace(tokens)
        set_level(settings.log_level)

    def privilegedStartService(self) -> None:
        """
        :raises SystemExit: the database or a port cannot be had; one line says which.
        """
        try:
            self.store.open()
            super().privilegedStartService()
        except (CannotListenError, DatabaseUnusable) as error:
            # Not to sys.stderr, which is twistd's log by now.
            print(f"wanderer-sse: {error}", file=sys.__stderr__)
            raise SystemExit(1) from error

    def stopService(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        """
        End the streams while the ports still answer, then stop the parts, then close
        what they used; and wait for nothing for ever.
        """
        for what, seconds in (
            (lambda: Deferred.fromCoroutine(self.hub.drain()), _DRAIN_SECONDS),
            (super().stopService, _STOP_SECONDS),
            (self.client.close, _STOP_SECONDS),
            (self.store.close, _STOP_SECONDS),
        ):
            try:
                await what().addTimeout(seconds, self._reactor)
            except CancelledError:
                raise
            except Exception:
                self._log.failure("could not stop in time")


def _make_rules(settings: Settings) -> Rules:
    limits = settings.limits
    return Rules(
        character_ids=limits.character_ids,
        corporation_ids=limits.corporation_ids,
        alliance_ids=limits.alliance_ids,
        system_ids=limits.system_ids,
        post_ids=limits.post_ids,
        max_days=settings.history.max_days,
        character_preload=settings.features.character_preload,
        heartbeat=settings.stream.heartbeat_seconds,
    )


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


def _make_feeds(
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
