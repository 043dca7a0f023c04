"""
What Prometheus may know (``/metrics``). Counters are plain attributes of the objects
that count; here they are read, at the moment of a scrape, and nothing is kept.
"""

from wanderer_twisted.ops.metrics.feeds import Feeds, Names
from wanderer_twisted.ops.metrics.history import Histories, Past
from wanderer_twisted.ops.metrics.process import Process
from wanderer_twisted.ops.metrics.scrape import CONTENT_TYPE, Metrics, Subject
from wanderer_twisted.ops.metrics.store import Store
from wanderer_twisted.ops.metrics.streams import Streams
from wanderer_twisted.ops.metrics.upstreams import Upstreams
from wanderer_twisted.ops.metrics.web import Web

__all__ = [
    "CONTENT_TYPE",
    "Feeds",
    "Histories",
    "Metrics",
    "Names",
    "Past",
    "Process",
    "Store",
    "Streams",
    "Subject",
    "Upstreams",
    "Web",
]
