"""
Streams without a client.
"""

from typing import Any

from zope.interface import implementer

from wanderer_twisted.frames import Event
from wanderer_twisted.interfaces import IClientTransport


@implementer(IClientTransport)
class Nowhere:
    """
    A way to no client, which costs nothing.

    :ivar sent: how many events.
    """

    __slots__ = ("sent",)

    def __init__(self) -> None:
        self.sent = 0

    def open(self, producer: Any) -> None:
        pass

    def flush(self) -> None:
        pass

    def write(self, event: Event) -> int:
        self.sent += 1
        return len(event.frame.plain) + len(event.end)

    def backlog(self) -> int:
        return 0

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass
