"""
Families of metrics, made of plain numbers at the moment of a scrape.
"""

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from wanderer_twisted.distribution import Distribution

#: A number; None where there is none now; or such values by the next label.
Value = float | None | Mapping[Any, "Value"]

_Family = CounterMetricFamily | GaugeMetricFamily


def gauge(name: str, about: str, value: Value, *labels: str) -> Metric:
    """
    What goes up and down.

    :param about: for operators.
    :param value: as deep as there are *labels*.
    """
    return _filled(GaugeMetricFamily(name, about, labels=labels), value)


def counter(name: str, about: str, value: Value, *labels: str) -> Metric:
    """
    What only grows while the server runs.

    :param name: ends with ``_total``.
    """
    return _filled(CounterMetricFamily(name, about, labels=labels), value)


def histogram(name: str, about: str, distribution: Distribution) -> Metric:
    """
    How observed values are spread.
    """
    bounds = [*map(float, distribution.bounds), float("inf")]
    counts = accumulate(distribution.counts)
    buckets = [
        ("+Inf" if bound == float("inf") else str(bound), count)
        for bound, count in zip(bounds, counts, strict=True)
    ]
    return HistogramMetricFamily(name, about, buckets, sum_value=distribution.sum)


def one_of(state: str, states: tuple[str, ...]) -> Mapping[str, float]:
    """
    A state as a number for each that there is: 1 for this one.
    """
    return {each: float(each == state) for each in states}


def _filled(family: _Family, value: Value, labels: tuple[str, ...] = ()) -> Metric:
    if isinstance(value, Mapping):
        for label, each in value.items():
            _filled(family, each, (*labels, str(label)))
    elif value is not None:
        family.add_metric(labels, value)
    return family
