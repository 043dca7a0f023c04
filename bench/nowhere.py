"""
Streams without a client.
"""

from typing import Any

from zope.interface import implementer

from wanderer_twisted.frames import Frame
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

    def write(self, frame: Frame, end: bytes) -> int:
        self.sent += 1
        return len(frame.plain) + len(end)

    def backlog(self) -> int:
        return 0

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass
