"""
The public listener.
"""

from collections.abc import Iterator

import attrs
from prometheus_client.core import Metric

from wanderer_twisted.ops.metrics.families import counter, gauge
from wanderer_twisted.web.listening import AcceptRate
from wanderer_twisted.web.site import PublicSite


@attrs.frozen
class Web:
    """
    Connections and requests.
    """

    site: PublicSite
    rate: AcceptRate

    def collect(self) -> Iterator[Metric]:
        site = self.site
        yield gauge(
            "wanderer_http_connections",
            "Open connections, streams included.",
            site.channels,
        )
        yield gauge(
            "wanderer_http_incoming_bytes",
            "Bytes of request bodies that are not complete yet.",
            site.incoming,
        )
        yield counter(
            "wanderer_http_responses_total",
            "Responses by status; a stream counts when it begins.",
            site.responses,
            "status",
        )
        yield counter(
            "wanderer_http_left_total",
            "Clients that left before their answer was complete, streams left out.",
            site.left,
        )
        yield counter(
            "wanderer_http_late_total",
            "Connections closed because a request was not complete in time.",
            site.late,
        )
        yield counter(
            "wanderer_http_turned_away_total",
            "Connections that were reset because there were too many.",
            site.turned_away,
        )
        yield counter(
            "wanderer_http_accept_pauses_total",
            "How often the ports paused (limits.accept_per_second).",
            self.rate.pauses,
        )
