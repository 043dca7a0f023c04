"""
The load client, from Python's side.
"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from bench.peers.building import LOAD
from bench.peers.processes import end

#: How an event ends: by a blank line, ...
PLAIN = b"\n\n"
#: ... or, compressed, by a flush; behind it there is at most the line of its id, which
#: may have a flush of its own: this is for events that are known by their size.
GZIP = b"\0\0\xff\xff"
#: An event of this server's, compressed, of any size: the end of its id's line, which
#: is stored as it is, and a flush.
OURS_GZIP = b"\n\n\0\0\0\xff\xff"

#: At least so many bytes have the killmails of :mod:`bench.peers.work`, and at most so
#: many a heartbeat.
KILLMAIL, COMPRESSED_KILLMAIL = 1_500, 230

_PATIENCE = 60


class Late(Exception):
    """
    Events did not come, or streams were lost.
    """


@attrs.frozen
class Answer:
    """
    :ivar at: when what was asked for was there, by the monotonic clock.
    :ivar events: since the client began, :ivar bytes: likewise.
    """

    at: float
    events: int
    bytes: int
    open: int
    lost: int


class Load:
    """
    Thousands of streams in a process, ended by ``with``.

    :param queries: what each puts into the template; tabs part its fields.
    :param end: of an event; :param least: bytes of one that counts.
    :param sources: addresses that they come from.
    """

    def __init__(
        self,
        port: int,
        template: str,
        queries: Sequence[str],
        folder: Path,
        end: bytes = PLAIN,
        least: int = 0,
        sources: int = 1,
    ) -> None:
        path = folder / "queries"
        path.write_text("".join(f"{query}\n" for query in queries))
        words = [LOAD, "127.0.0.1", port, sources, template, path, end.hex(), least]
        self._process = subprocess.Popen(
            list(map(str, words)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._events = 0

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_: object) -> None:
        end(self._process)

    def open(self, count: int, at_once: int = 200) -> Answer:
        """
        Open more streams, and wait for the first event of each.

        :param at_once: how many are on their way at a time.
        """
        return self._do(f"open {count} {at_once}")

    def wait(self, events: int) -> Answer:
        """
        Wait until so many more came than were asked for before.
        """
        before = self._events
        self._events += events
        answer = self._do(f"wait {self._events} {_PATIENCE}")
        if answer.events < self._events:
            raise Late(f"{answer.events - before} events came of {events}")
        return answer

    def take(self) -> int:
        """
        How many came that were not asked for before.
        """
        before, self._events = self._events, self._do("wait 0 0").events
        return self._events - before

    def close(self) -> None:
        self._do("close")

    def _do(self, command: str) -> Answer:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{command}\n".encode())
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise Late("The load client ended")
        told: dict[str, Any] = json.loads(line)
        answer = Answer(**told)
        if answer.lost:
            raise Late(f"{answer.lost} streams were refused, or ended by the server")
        return answer
