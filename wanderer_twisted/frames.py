"""
Events on their way out, encoded once and compressed at most once, however many streams
they go to.

A compressed stream is one gzip member whose parts are made apart: each event is a run
of raw deflate blocks that looks back at nothing before it and ends on a byte's border
(a sync flush), so the same bytes fit into any stream. The line with the cursor, which
differs from stream to stream, goes behind it in a stored block.

Behind that there is an empty one. Go's reader, which Caddy and every client in Go use
unasked, keeps what it has unpacked to itself until a block is full or empty: without it
each event would arrive with the next.
"""

import struct
import zlib
from typing import Final

from isal import isal_zlib

#: The largest part that a stored block holds (RFC 1951, 3.2.4).
_STORED: Final = 0xFFFF

#: Deflate, no name, no time, made on an unknown system (RFC 1952, 2.3).
GZIP_HEAD: Final = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"

#: A stored block without anything in it: a sync flush.
_EMPTY_BLOCK: Final = b"\0\0\0\xff\xff"

#: A last block without anything in it.
_LAST_BLOCK: Final = b"\x03\0"


def chunk(data: bytes, end: bytes = b"") -> bytes:
    """
    A chunk of HTTP/1.1 (RFC 9112, 7.1).
    """
    return b"%x\r\n%b%b\r\n" % (len(data) + len(end), data, end)


class Frame:
    """
    One event but for its end, which is the stream's own.

    :ivar name: of the event.
    :ivar plain: its bytes, up to and with the line feed before the end.
    """

    __slots__ = ("_packed", "_shared", "name", "plain")

    def __init__(self, name: str, plain: bytes, shared: bool = False) -> None:
        """
        :param shared: it goes to many streams, so it is worth being made small.
        """
        self.name = name
        self.plain = plain
        self._shared = shared
        self._packed: bytes | None = None

    @property
    def packed(self) -> bytes:
        """
        The same as raw deflate.
        """
        if self._packed is None:
            self._packed = (
                _deflate_well(self.plain)
                if self._shared
                else (_deflate_fast(self.plain))
            )
        return self._packed


class Event:
    """
    A whole event; many streams may have the same.

    :ivar end: behind the frame: the line with the cursor, and the empty one.
    :ivar chunk: all of it, as a chunk of HTTP/1.1; empty before :meth:`make_chunk`.
    """

    __slots__ = ("chunk", "end", "frame")

    def __init__(self, frame: Frame, end: bytes) -> None:
        self.frame = frame
        self.end = end
        self.chunk = b""

    @property
    def plain(self) -> bytes:
        return self.frame.plain + self.end

    def make_chunk(self) -> bytes:
        self.chunk = chunk(self.frame.plain, self.end)
        return self.chunk


def _deflate_well(data: bytes) -> bytes:
    packing = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packing.compress(data) + packing.flush(zlib.Z_SYNC_FLUSH)


def _deflate_fast(data: bytes) -> bytes:
    """
    At a tenth of the time: a batch is one stream's own, and has 100 KB and more.
    """
    packing = isal_zlib.compressobj(2, isal_zlib.DEFLATED, -15)
    return packing.compress(data) + packing.flush(isal_zlib.Z_SYNC_FLUSH)


class GzipStream:
    """
    The state of one compressed stream: what its last bytes must say.
    """

    __slots__ = ("_crc", "_size")

    def __init__(self) -> None:
        self._crc = 0
        self._size = 0

    def add(self, event: Event) -> bytes:
        """
        :param event: its end is short.
        :returns: the next bytes of the stream.
        """
        frame, end = event.frame, event.end
        first = GZIP_HEAD if self._size == 0 else b""
        self._crc = isal_zlib.crc32(end, isal_zlib.crc32(frame.plain, self._crc))
        self._size += len(frame.plain) + len(end)
        stored = struct.pack("<BHH", 0, len(end), len(end) ^ _STORED)
        return b"".join((first, frame.packed, stored, end, _EMPTY_BLOCK))

    def finish(self) -> bytes:
        """
        :returns: the last bytes of the stream.
        """
        first = GZIP_HEAD if self._size == 0 else b""
        return (
            first + _LAST_BLOCK + struct.pack("<LL", self._crc, self._size & 0xFFFFFFFF)
        )
