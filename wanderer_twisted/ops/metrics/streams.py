"""
Streams: who is there, what was sent, and to whom not.
"""

from collections import Counter
from collections.abc import Iterator

import attrs
from prometheus_client.core import Metric

from wanderer_twisted.ops.census import take_census
from wanderer_twisted.ops.metrics.families import counter, gauge, histogram
from wanderer_twisted.stream.hub import Hub
from wanderer_twisted.web.admission import Admission


@attrs.frozen
class Streams:
    """
    :ivar refused: streams that could not be had, by the type of the refusal.
    """

    hub: Hub
    admission: Admission
    refused: Counter[str]

    def collect(self) -> Iterator[Metric]:
        census = take_census(self.hub.sessions)
        yield gauge(
            "wanderer_streams",
            "Open streams: following live, replaying from the store, told the past.",
            {
                "following": census.following,
                "replaying": census.replaying,
                "historical": census.historical,
            },
            "state",
        )
        yield gauge(
            "wanderer_streams_limit",
            "How many streams may be open (limits.connections).",
            self.admission.connections,
        )
        yield gauge(
            "wanderer_stream_addresses",
            "Addresses that have a stream open; of IPv6 a /64 is one.",
            self.admission.addresses,
        )
        yield gauge(
            "wanderer_stream_lag_numbers",
            "Numbers published that streams have not dealt with, all streams together.",
            census.lag,
        )
        yield gauge(
            "wanderer_stream_lag_max_numbers",
            "Numbers published that the stream farthest behind has not dealt with.",
            census.most_lag,
        )
        yield gauge(
            "wanderer_stream_waiting_numbers",
            "Numbers published whose turn with the streams that follow has not come.",
            self.hub.published - self.hub.told,
        )
        yield gauge(
            "wanderer_draining",
            "1 while the server goes down.",
            self.hub.draining,
        )
        yield from self._counters()

    def _counters(self) -> Iterator[Metric]:
        yield counter(
            "wanderer_streams_opened_total",
            "Streams that were let in.",
            self.admission.admitted,
        )
        yield counter(
            "wanderer_streams_closed_total",
            "Streams that ended, by reason: gone is a client that left.",
            self.hub.closings,
            "reason",
        )
        yield counter(
            "wanderer_streams_refused_total",
            "Streams that were refused, by the type that the client was told.",
            self.refused,
            "reason",
        )
        refused = self.admission.refused
        yield counter(
            "wanderer_stream_limits_reached_total",
            "Streams refused for a limit: that of the server (limits.connections), or"
            " of one client (limits.connections_per_address, or its token's).",
            {"server": refused[503], "client": refused[429]},
            "limit",
        )
        yield counter(
            "wanderer_stream_events_total",
            "Events that were sent, by name.",
            self.hub.frames,
            "event",
        )
        yield counter(
            "wanderer_stream_bytes_total",
            "Bytes of events as they were sent, by name of the event.",
            self.hub.bytes,
            "event",
        )
        yield counter(
            "wanderer_killmails_announced_total",
            "Killmails that were announced live.",
            self.hub.rate.total,
        )
        yield histogram(
            "wanderer_stream_latency_seconds",
            "From the commit of a killmail until all streams that follow had it.",
            self.hub.latency,
        )
