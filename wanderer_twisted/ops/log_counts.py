"""
How much was logged: what went wrong anywhere is in the log, and so in this number.
"""

from collections import Counter

from twisted.application.service import Service
from twisted.logger import ILogObserver, LogEvent, LogPublisher, globalLogPublisher
from zope.interface import implementer


@implementer(ILogObserver)
class LogCounts(Service):
    """
    Counts while it runs.

    :ivar events: by level.
    """

    def __init__(self, publisher: LogPublisher = globalLogPublisher) -> None:
        self.events: Counter[str] = Counter(warn=0, error=0, critical=0)
        self._publisher = publisher

    def __call__(self, event: LogEvent) -> None:
        self.events[getattr(event.get("log_level"), "name", "info")] += 1

    def startService(self) -> None:
        super().startService()
        self._publisher.addObserver(self)

    def stopService(self) -> None:
        super().stopService()
        self._publisher.removeObserver(self)
