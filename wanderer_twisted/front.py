"""
What clients meet: the routes, and the site that they are on.
"""

from typing import Any

from wanderer_twisted.config import Settings
from wanderer_twisted.interfaces import IHistory, IKillmailStore
from wanderer_twisted.ops.covered import Covered
from wanderer_twisted.ops.health import Health, Statuses
from wanderer_twisted.ops.status import Status
from wanderer_twisted.stream.hub import Hub
from wanderer_twisted.web.addresses import Proxies
from wanderer_twisted.web.admission import Admission
from wanderer_twisted.web.api import Api
from wanderer_twisted.web.cors import Cors
from wanderer_twisted.web.coverage import Coverage
from wanderer_twisted.web.description.serving import Description
from wanderer_twisted.web.dry_runs import DryRuns
from wanderer_twisted.web.listening import AcceptRate
from wanderer_twisted.web.lookups import Lookups
from wanderer_twisted.web.page import Page
from wanderer_twisted.web.parameters import Rules
from wanderer_twisted.web.rooms import Rooms
from wanderer_twisted.web.site import PublicSite
from wanderer_twisted.web.status import StatusRoom
from wanderer_twisted.web.tokens import Tokens

#: Connections beyond the streams: refusals, look-ups, health checks.
_SPARE_CHANNELS = 1_000


class Front:
    """
    :param covered: how many days are whole.
    :ivar site: for any number of listeners, which share *rate*.
    """

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        hub: Hub,
        store: IKillmailStore,
        history: IHistory,
        statuses: Statuses,
        covered: Covered,
        tokens: Tokens,
    ) -> None:
        limits = settings.limits
        rules = _make_rules(settings)
        self.admission = Admission(limits.connections, limits.connections_per_address)
        self.api = Api(
            hub,
            store,
            self.admission,
            rules,
            Health(hub, store, statuses).report,
            reactor,
            DryRuns(store, history, reactor, hub.pace.limits),
        )
        self.lookups = Lookups(
            store, history, reactor, settings.history.max_days, limits.system_ids
        )
        coverage = Coverage(
            store,
            reactor,
            settings.history.max_days,
            settings.archive.backfill_days,
        )
        self.description = Description(rules)
        status = Status(reactor, hub, store, statuses, covered, self.admission)
        self.rate = AcceptRate(reactor, limits.accept_per_second)
        self.site = PublicSite(
            Rooms(
                self.api.app,
                self.lookups.app,
                coverage.app,
                StatusRoom(status.document).app,
                Page().app,
                self.description.app,
            ),
            reactor,
            Cors(settings.cors.origins),
            Proxies(settings.trusted_proxies),
            tokens,
            accepted=self.rate.accepted,
            most_channels=limits.connections + _SPARE_CHANNELS,
        )

    def apply(self, settings: Settings) -> None:
        """
        Change what can be changed while it runs.
        """
        limits = settings.limits
        rules = _make_rules(settings)
        self.api.rules = rules
        self.description.describe(rules)
        self.lookups.most_systems = limits.system_ids
        self.admission.connections = limits.connections
        self.admission.connections_per_address = limits.connections_per_address
        self.rate.per_second = limits.accept_per_second
        # Streams that are open stay, and must leave room for health checks.
        streams = max(limits.connections, self.admission.open)
        self.site.most_channels = streams + _SPARE_CHANNELS
        self.site.cors = Cors(settings.cors.origins)
        self.site.proxies = Proxies(settings.trusted_proxies)


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
