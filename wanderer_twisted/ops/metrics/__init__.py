"""
What Prometheus may know (``/metrics``). Counters are plain attributes of the objects
that count; here they are read, at the moment of a scrape, and nothing is kept.
"""

from wanderer_twisted.ops.metrics.scrape import CONTENT_TYPE, Metrics, Subject

__all__ = ["CONTENT_TYPE", "Metrics", "Subject"]
