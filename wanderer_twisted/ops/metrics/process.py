"""
The process: what it runs, what it takes, and whether its reactor turns.
"""

import os
import platform
import resource
from collections.abc import Iterator
from pathlib import Path

import attrs
from prometheus_client import CollectorRegistry, GCCollector
from prometheus_client.core import Metric

import twisted
from wanderer_twisted import __version__
from wanderer_twisted.ops.log_counts import LogCounts
from wanderer_twisted.ops.metrics.families import counter, gauge, histogram
from wanderer_twisted.ops.reactor import ReactorDelay

_PROC = Path("/proc/self")


@attrs.frozen
class Process:
    """
    Not prometheus_client's ProcessCollector: to count the open files it lists them,
    which takes 5 ms where there are 5,000.

    :ivar started: UNIX seconds.
    """

    started: float
    reactor: ReactorDelay
    logs: LogCounts
    _gc: CollectorRegistry = attrs.field(factory=CollectorRegistry, init=False)

    def __attrs_post_init__(self) -> None:
        GCCollector(self._gc)

    def collect(self) -> Iterator[Metric]:
        yield gauge(
            "wanderer_build_info",
            "What runs; always 1.",
            {__version__: {platform.python_version(): {twisted.__version__: 1}}},
            "version",
            "python",
            "twisted",
        )
        yield histogram(
            "wanderer_reactor_delay_seconds",
            "How late the reactor makes a call, measured 20 times a second.",
            self.reactor.delays,
        )
        yield gauge(
            "wanderer_reactor_delay_max_seconds",
            "The reactor's longest delay in the last one to two minutes.",
            self.reactor.longest,
        )
        yield counter(
            "wanderer_log_events_total",
            "What was logged, by level; error and critical want to be looked at.",
            self.logs.events,
            "level",
        )
        yield from self._usage()
        yield from self._gc.collect()

    def _usage(self) -> Iterator[Metric]:
        """
        What every exporter tells, under the usual names.
        """
        used = resource.getrusage(resource.RUSAGE_SELF)
        yield counter(
            "process_cpu_seconds_total",
            "Processor time, of the program and of the system for it.",
            used.ru_utime + used.ru_stime,
        )
        yield gauge(
            "process_resident_memory_bytes",
            "Memory in use.",
            int((_PROC / "statm").read_text().split()[1]) * resource.getpagesize(),
        )
        yield gauge(
            "process_start_time_seconds",
            "When it was started, UNIX seconds.",
            self.started,
        )
        yield gauge(
            "process_max_fds",
            "How many files and connections it may have open.",
            resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        )
        yield gauge(
            "process_open_fds",
            "How many it has open; absent before Linux 6.2.",
            os.stat(_PROC / "fd").st_size or None,  # told there since 6.2
        )
