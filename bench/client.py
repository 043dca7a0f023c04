"""
Clients of streams, by hand: they have to be faster than what they measure.
"""

import re
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from wanderer_twisted.encoding import loads

_PATH = "/api/v1/kills/stream"
_READ = 1 << 20
_PATIENCE = 300.0

#: Bytes in which the event that ends a wait fits.
_TAIL = 600

#: The last bytes of an event: its blank line, and the end of its chunk.
EVENT_END = b"\n\n\r\n"
BATCH = b"event: batch"
TRANSITION = b"event: transition"


def request(port: int, query: str) -> bytes:
    return (
        f"GET {_PATH}?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Accept: text/event-stream\r\n\r\n"
    ).encode()


def connect(port: int, query: str, receive_buffer: int | None = None) -> socket.socket:
    """
    Open a stream.
    """
    connection = socket.socket()
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(_PATIENCE)
    connection.connect(("127.0.0.1", port))
    connection.sendall(request(port, query))
    return connection


def events(received: bytes) -> Iterator[tuple[str, bytes]]:
    """
    Name and data of all that a connection received.
    """
    head, _, chunked = received.partition(b"\r\n\r\n")
    if b" 200 " not in head.splitlines()[0]:
        raise RuntimeError(head.decode() + chunked[:500].decode())
    position = 0
    while (end := chunked.find(b"\r\n", position)) != -1:
        size = int(chunked[position:end], 16)
        block = chunked[end + 2 : end + 2 + size]
        position = end + 2 + size + 2
        fields = dict(line.split(b": ", 1) for line in block.splitlines() if line)
        if b"event" in fields:
            yield fields[b"event"].decode(), fields[b"data"]


@attrs.frozen
class Told:
    """
    A history, as one client got it.

    :ivar seconds: from the request to the last byte of ``transition``. Not from
        ``connected``: by the time a client sees that, more may be waiting behind it.
    :ivar first_at: when the first batch began, UNIX seconds.
    :ivar first_seconds: from the request to the last byte of the first batch.
    :ivar warnings: their types.
    """

    killmails: int
    batches: int
    bytes: int
    seconds: float
    first_at: float
    first_seconds: float
    warnings: tuple[str, ...]


def preload(port: int, query: str) -> Told:
    """
    Read a stream up to its ``transition``, then check what was read.
    """
    parts: list[bytes] = []
    first_at = first_seconds = 0.0
    head = tail = b""
    started_at = time.monotonic()
    with connect(port, query) as connection:
        while True:
            part = connection.recv(_READ)
            if not part:
                raise RuntimeError("The stream ended early")
            parts.append(part)
            tail = tail[-_TAIL:] + part
            if not first_seconds:
                head += part
                begin = head.find(BATCH)
                if begin != -1:
                    first_at = first_at or time.time()
                    if head.find(EVENT_END, begin) != -1:
                        first_seconds = time.monotonic() - started_at
            if TRANSITION in tail[-_TAIL:] and tail.endswith(EVENT_END):
                break
        seconds = time.monotonic() - started_at
    received = b"".join(parts)
    found = list(events(received))
    batches = [loads(data) for name, data in found if name == "batch"]
    killmails = [kill["killmail_id"] for batch in batches for kill in batch["kills"]]
    total = loads(dict(found)["transition"])["total_historical"]
    if len(killmails) != total or len(set(killmails)) != total:
        raise RuntimeError(f"{len(killmails)} killmails of {total}")
    warnings = tuple(loads(data)["type"] for name, data in found if name == "warning")
    return Told(
        total,
        len(batches),
        len(received),
        seconds,
        first_at,
        first_seconds,
        warnings,
    )


class Crowd:
    """
    Many streams in one process. What they receive is looked at, not understood.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._epoll = select.epoll()
        self._connections: dict[int, socket.socket] = {}
        self._buffer = bytearray(_READ)
        self._tails: dict[int, bytes] = {}
        self._marked: set[int] = set()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._connections)

    def open(self, queries: Sequence[str], at_once: int = 200) -> None:
        """
        Open a stream for each query and wait for its ``connected``.

        :param at_once: how many are on their way at a time.
        """
        for start in range(0, len(queries), at_once):
            opened = []
            for query in queries[start : start + at_once]:
                opened.append(connect(self._port, query))
                self.add(opened[-1])
            self.wait_for([each.fileno() for each in opened])

    @property
    def connections(self) -> list[int]:
        return list(self._connections)

    def add(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connections[connection.fileno()] = connection
        self._epoll.register(connection.fileno(), select.EPOLLIN)

    def wait_for(self, handles: list[int], mark: bytes = b"") -> float:
        """
        Read until each of these received *mark*, and the end of an event behind it.

        :returns: when the last one had.
        """
        waiting = set(handles)
        self._tails.update(dict.fromkeys(handles, b""))
        self._marked.clear()
        view = memoryview(self._buffer)
        now = time.monotonic()
        deadline = now + _PATIENCE
        while waiting:
            for handle, _ in self._epoll.poll(1.0):
                size = self._connections[handle].recv_into(view)
                if not size:
                    raise RuntimeError("A stream ended early")
                self.bytes += size
                if handle in waiting and self._is_whole(handle, size, mark):
                    waiting.discard(handle)
            now = time.monotonic()
            if now > deadline:
                raise RuntimeError(f"{len(waiting)} streams got nothing")
        return now

    def _is_whole(self, handle: int, size: int, mark: bytes) -> bool:
        """
        Whether a wait is over, by *size* more bytes in the buffer.
        """
        joint = self._tails[handle] + self._buffer[: min(size, _TAIL)]
        if mark in joint or self._buffer.find(mark, 0, size) != -1:
            self._marked.add(handle)
        last = joint if size <= _TAIL else bytes(self._buffer[size - _TAIL : size])
        self._tails[handle] = last[-_TAIL:]
        return handle in self._marked and last.endswith(EVENT_END)

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()
        self._epoll.close()


_ID = re.compile(rb'event: killmail\ndata: \{"killmail_id":(\d+)')


def listen(port: int, query: str, until: Callable[[], Any]) -> dict[int, float]:
    """
    Follow a stream until *until* says so, asked every tenth of a second.

    :returns: killmail id -> when its last byte was there.
    """
    times: dict[int, float] = {}
    with connect(port, query) as connection:
        connection.settimeout(0.1)
        rest = b""
        while not until():
            try:
                rest += connection.recv(_READ)
            except TimeoutError:
                continue
            now = time.monotonic()
            whole, end, rest = rest.rpartition(EVENT_END)
            for found in _ID.finditer(whole + end):
                times[int(found[1])] = now
    return times
