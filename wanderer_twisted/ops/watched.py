"""
A stream that somebody looks at, by the manhole's ``trace``.
"""

from collections.abc import Callable
from typing import Any

import attrs
from zope.interface import implementer

from wanderer_twisted.frames import Event
from wanderer_twisted.interfaces import IClientTransport
from wanderer_twisted.stream import events

#: Called with an event's name, its cursor and the bytes that it took.
Watch = Callable[[str, str | None, int], None]


@implementer(IClientTransport)
@attrs.define(eq=False)
class Watched:
    """
    The way to a client, and somebody who is told of each event that goes it.
    """

    inner: IClientTransport
    _watch: Watch

    def open(self, producer: Any) -> None:
        self.inner.open(producer)

    def flush(self) -> None:
        self.inner.flush()

    def write(self, event: Event) -> int:
        size: int = self.inner.write(event)
        self._watch(event.frame.name, events.cursor_in(event.end), size)
        return size

    def backlog(self) -> int:
        backlog: int = self.inner.backlog()
        return backlog

    def close(self) -> None:
        self.inner.close()

    def abort(self) -> None:
        self.inner.abort()
