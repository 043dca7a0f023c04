"""
Requests to the outside.
"""

from collections.abc import Iterator, Mapping

import attrs
from prometheus_client.core import Metric

from wanderer_twisted.ops.metrics.families import counter, gauge, one_of
from wanderer_twisted.sources.http import Upstream


@attrs.frozen
class Upstreams:
    """
    Each upstream by its name.
    """

    upstreams: Mapping[str, Upstream]

    def collect(self) -> Iterator[Metric]:
        each = self.upstreams.items()
        yield counter(
            "wanderer_upstream_requests_total",
            "Requests by status, or timeout, broken (no whole answer), unusable.",
            {name: upstream.requests for name, upstream in each},
            "upstream",
            "status",
        )
        yield counter(
            "wanderer_upstream_retries_total",
            "Requests that repeated one that failed.",
            {name: upstream.retries for name, upstream in each},
            "upstream",
        )
        yield gauge(
            "wanderer_upstream_requests_underway",
            "Requests that are on their way, or have a place for it.",
            {name: upstream.in_flight for name, upstream in each},
            "upstream",
        )
        yield gauge(
            "wanderer_upstream_requests_waiting",
            "Requests that wait for a place.",
            {name: upstream.waiting for name, upstream in each},
            "upstream",
        )
        yield gauge(
            "wanderer_upstream_circuit",
            "1 for the state of its circuit: while it is open, nothing is asked.",
            {
                name: one_of(upstream.circuit.state, ("closed", "open", "half-open"))
                for name, upstream in each
            },
            "upstream",
            "state",
        )
        yield counter(
            "wanderer_upstream_circuit_opened_total",
            "How often it was left alone because it failed again and again.",
            {name: upstream.circuit.opened for name, upstream in each},
            "upstream",
        )
