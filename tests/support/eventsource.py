"""
A client: an EventSource as the WHATWG has it, fed by the byte, with an independent
parser (httpx-sse's).
"""

from typing import Any

import attrs
from httpx_sse._decoders import SSEDecoder

from wanderer_twisted.encoding import loads


@attrs.frozen
class Event:
    """
    One dispatched event.
    """

    name: str
    data: Any
    id: str
    retry: int | None


class EventSource:
    """
    Dispatches whole events only, and remembers the last id over reconnects.

    :ivar last_event_id: what it would send as ``Last-Event-ID``; empty before the
        first.
    """

    def __init__(self) -> None:
        self.last_event_id = ""
        self.connect()

    def connect(self) -> None:
        """
        A new response begins; what was incomplete of the old one is gone.
        """
        self._decoder = SSEDecoder()
        self._decoder._last_event_id = self.last_event_id
        self._rest = b""

    def feed(self, data: bytes) -> list[Event]:
        """
        Take some bytes and dispatch what became complete.
        """
        assert b"\r" not in data
        self._rest += data
        *blocks, self._rest = self._rest.split(b"\n\n")
        events = []
        for block in blocks:
            dispatched = None
            for line in (*block.decode("ascii").split("\n"), ""):
                dispatched = self._decoder.decode(line) or dispatched
            assert dispatched is not None, f"a block without an event: {block!r}"
            self.last_event_id = dispatched.id
            events.append(
                Event(
                    dispatched.event,
                    loads(dispatched.data.encode()),
                    dispatched.id,
                    dispatched.retry,
                )
            )
        return events
