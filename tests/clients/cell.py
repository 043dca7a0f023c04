"""
One client as a process, and what it tells.
"""

import json
import os
from collections import Counter
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.clients.catalogue import Client
from tests.clients.line import Line

#: Complaints and errors that are kept, as evidence.
_KEPT = 30

#: A response of more bytes was a stream, and not only how one begins or is refused.
_STREAM_BYTES = 5_000

#: Seconds that it may take to end.
_PATIENCE = 10.0


class Cell(ProcessProtocol):
    """
    A client with one way of asking, on a line of its own.

    :ivar compressed: whether it may be answered in gzip.
    :ivar killmails: ids as it told them, of history and live.
    :ivar events: how many of each name.
    :ivar said: what else it told, and what it printed on stderr.
    :ivar gave_up: whether it ended by itself.
    """

    def __init__(self, client: Client, compressed: bool, line: Line) -> None:
        self.client = client
        self.compressed = compressed
        self.line = line
        self.killmails: list[int] = []
        self.events: Counter[str] = Counter()
        self.said: list[str] = []
        self.gave_up = False
        self.ended: Deferred[None] = Deferred()
        self._stopped = False
        self._rest = b""

    def __str__(self) -> str:
        return f"{self.client.name}, {'gzip' if self.compressed else 'plain'}"

    def start(self, reactor: Any, query: str) -> None:
        """
        Run it.
        """
        if not self.compressed:
            query += "&compress=0"
        url = f"http://127.0.0.1:{self.line.own_port}/api/v1/kills/stream?{query}"
        command = self.client.command(url)
        reactor.spawnProcess(self, command[0], command, os.environ)

    async def stop(self, reactor: Any) -> None:
        """
        End it, if it has not ended by itself, and wait until it is gone.
        """
        self._stopped = True
        process = self.transport
        if self.ended.called or process is None:
            return
        process.signalProcess("TERM")
        late = reactor.callLater(_PATIENCE, process.signalProcess, "KILL")
        await self.ended
        if late.active():
            late.cancel()

    @property
    def encodings(self) -> str:
        """
        Those of the responses that were streams.
        """
        streams = [each for each in self.line.visits if each.received > _STREAM_BYTES]
        return ", ".join(sorted({visit.encoding for visit in streams}))

    @property
    def refusals(self) -> list[int]:
        """
        The statuses of the responses that were no stream.
        """
        statuses = [visit.status for visit in self.line.visits if visit.status > 200]
        return statuses + [200] * self.events["error"]

    # --- the process -------------------------------------------------------------

    def outReceived(self, data: bytes) -> None:  # noqa: N802  (Twisted's names)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            try:
                self._take(json.loads(line))
            except ValueError:
                self._say(f"no JSON: {line!r}")

    def errReceived(self, data: bytes) -> None:  # noqa: N802
        self._say(data.decode("utf-8", "replace").strip())

    def processEnded(self, reason: Failure) -> None:  # noqa: N802
        self.gave_up = self.gave_up or not self._stopped
        self._say(reason.getErrorMessage())
        self.ended.callback(None)

    def _take(self, told: dict[str, Any]) -> None:
        match told:
            case {"event": str(name), "killmail_ids": list(ids)}:
                self.events[name] += 1
                self.killmails += ids
            case {"ended": _}:
                self.gave_up = True
                self._say(json.dumps(told))
            case _:
                self._say(json.dumps(told))

    def _say(self, text: str) -> None:
        self.said = [*self.said, text][-_KEPT:]
