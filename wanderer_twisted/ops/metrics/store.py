"""
The store, and its upkeep.
"""

import os
import shutil
from collections.abc import Iterator

import attrs
from prometheus_client.core import Metric

from wanderer_twisted.ops.indexing import Indexing
from wanderer_twisted.ops.metrics.families import counter, gauge, histogram
from wanderer_twisted.ops.retention import Retention
from wanderer_twisted.store.sqlite import SqliteStore


@attrs.frozen
class Store:
    """
    One database.
    """

    store: SqliteStore
    retention: Retention
    indexing: Indexing

    def collect(self) -> Iterator[Metric]:
        store = self.store
        yield gauge(
            "wanderer_store_bytes",
            "What the database takes on the disk.",
            store.size(),
        )
        yield gauge(
            "wanderer_store_disk_free_bytes",
            "What is free where it lies; absent where that cannot be had.",
            _free(store.path),
        )
        yield gauge(
            "wanderer_store_head",
            "The highest number that was given to anything in it.",
            store.marks.head,
        )
        yield counter(
            "wanderer_store_commits_total",
            "Transactions with something for streams or histories in them.",
            store.commits,
        )
        yield counter(
            "wanderer_store_failures_total",
            "Transactions that the database could not do.",
            store.failures,
        )
        yield gauge(
            "wanderer_store_failing",
            "1 where the last one failed: nothing new can be announced.",
            bool(store.problem),
        )
        yield counter(
            "wanderer_store_read_failures_total",
            "Reads that the database could not do, or had no room for.",
            store.read_failures,
        )
        yield histogram(
            "wanderer_store_commit_seconds",
            "How long a transaction took, its way to the disk included.",
            store.commit_seconds,
        )
        yield gauge(
            "wanderer_store_waiting",
            "Reads and writes that have not begun.",
            {name: len(queue) for name, queue in store.waiting.items()},
            "queue",
        )
        yield counter(
            "wanderer_store_refused_total",
            "Reads and writes that found the queue full.",
            {name: queue.refused for name, queue in store.waiting.items()},
            "queue",
        )
        yield counter(
            "wanderer_retention_slices_total",
            "Slices of what is older than retention.days, up to 200 killmails each;"
            " one every ten minutes finds nothing.",
            self.retention.slices,
        )
        yield counter(
            "wanderer_index_slices_total",
            "Slices of an older database that were indexed, 50 killmails each.",
            self.indexing.slices,
        )


def _free(path: str) -> float | None:
    try:
        return shutil.disk_usage(os.path.dirname(os.path.realpath(path))).free
    except OSError:
        return None
