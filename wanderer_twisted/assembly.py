"""
Settings into services: the only place that knows all parts.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from wanderer_twisted.archive import Archive
from wanderer_twisted.config import Manhole, Settings, Token
from wanderer_twisted.front import Front
from wanderer_twisted.ground import Ground, make_feeds, make_rounds
from wanderer_twisted.history import History
from wanderer_twisted.ingest import FeedService, Renamer, statuses, that_count
from wanderer_twisted.ingest.intake import PATIENCE_OF_FEEDS
from wanderer_twisted.ops import metrics
from wanderer_twisted.ops.console import Console
from wanderer_twisted.ops.covered import Covered
from wanderer_twisted.ops.health import FeedWatch, best
from wanderer_twisted.ops.indexing import Indexing
from wanderer_twisted.ops.log_counts import LogCounts
from wanderer_twisted.ops.logs import set_level
from wanderer_twisted.ops.manhole import Terminals
from wanderer_twisted.ops.metrics import Metrics
from wanderer_twisted.ops.passwords import read_passwords
from wanderer_twisted.ops.reactor import ReactorDelay
from wanderer_twisted.ops.retention import Retention
from wanderer_twisted.records import BatchLimits, FeedState
from wanderer_twisted.sources.zkillboard import make_zkillboard
from wanderer_twisted.store.schema import DatabaseUnusable
from wanderer_twisted.stream.hub import Hub
from wanderer_twisted.stream.surroundings import Pace
from wanderer_twisted.terminal import end_start
from wanderer_twisted.web.admin import Admin, make_site
from wanderer_twisted.web.listening import Listener
from wanderer_twisted.web.tokens import Tokens

_STOP_SECONDS = 15.0
_DRAIN_SECONDS = 25.0

#: Feeds in one of these have told of all their holes.
_CAUGHT_UP: Collection[FeedState] = ("live", "quiet", "silent")


class Server(MultiService):
    """
    Everything, from the feeds to the listening ports.

    The store opens before all parts and closes behind them.

    :param tokens: of those who may ask; None for everybody.
    :param is_daemon: it runs in the background, and its standard error leads nowhere.
    """

    _log = Logger()

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        tokens: Sequence[Token] | None = None,
        is_daemon: bool = False,
    ) -> None:
        super().__init__()
        self._reactor = reactor
        self._is_daemon = is_daemon
        self.tokens = Tokens(reactor, tokens)
        ground = Ground(settings, reactor)
        self.client, self.store, self.names = ground.client, ground.store, ground.names
        self.feeds = [
            FeedService(
                reactor, feed, ground.make_intake(PATIENCE_OF_FEEDS), self.store
            )
            for feed in make_feeds(settings, self.client, reactor)
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
            lambda: that_count(self.feeds),
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
        self.front = Front(
            settings,
            reactor,
            self.hub,
            self.store,
            self.history,
            self.statuses,
            self.covered,
            self.tokens,
        )
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
        for text in settings.listen:
            endpoint = serverFromString(self._reactor, text)
            yield Listener(endpoint, self.front.site, self.front.rate)

    def _make_metrics(self) -> Metrics:
        front = self.front
        return Metrics(
            self._reactor,
            [
                metrics.Process(self._reactor.seconds(), self.delay, self.logs),
                metrics.Streams(self.hub, front.admission, front.api.refused),
                metrics.Web(front.site, front.rate),
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
        self.front.apply(settings)
        self.history.places.most = settings.limits.histories_at_once
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
        except (CannotListenError, DatabaseUnusable, OSError) as error:
            end_start("wanderer-sse", error, self._is_daemon)

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
