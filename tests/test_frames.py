"""
Events, compressed apart and read as one.
"""

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import SyncCase
from wanderer_twisted.frames import Event, Frame, GzipStream

_TEXTS = st.binary(min_size=1, max_size=3000) | st.sampled_from(
    [b"data: " + b"x" * 100_000 + b"\n", b"\n", b"event: heartbeat\ndata: {}\n"]
)
_FRAMES = st.builds(Frame, st.just("x"), _TEXTS, st.booleans())


class ChunkTests(SyncCase):
    """
    Events as chunks, kept for those who come next.
    """

    @given(_FRAMES, st.binary(min_size=1))
    def test_chunk(self, frame: Frame, end: bytes) -> None:
        event = Event(frame, end)
        self.assertFalse(event.chunk)
        event.make_chunk()
        whole = frame.plain + end
        self.assertEqual(event.chunk, b"%x\r\n%b\r\n" % (len(whole), whole))


class GzipTests(SyncCase):
    """
    A stream of frames is one gzip file.
    """

    @given(st.lists(_FRAMES, max_size=6), st.data())
    def test_any_order(self, frames: list[Frame], data: st.DataObject) -> None:
        """
        Any frames, each as often as may be and with any end, are unpacked as they were,
        each as soon as it is there; the last bytes check all of it.
        """
        stream, unpacking, whole = GzipStream(), zlib.decompressobj(31), b""
        order = st.lists(st.sampled_from(frames), max_size=8) if frames else st.just([])
        sent = b""
        for frame in data.draw(order):
            end = data.draw(st.binary(min_size=1, max_size=80))
            part = stream.add(Event(frame, end))
            sent += part
            self.assertEqual(unpacking.decompress(part), frame.plain + end)
            self.assertTrue(part.endswith(b"\0\0\xff\xff"), "no sync flush")
            whole += frame.plain + end
        sent += stream.finish()
        self.assertEqual(gzip.decompress(sent), whole)

    def test_compressed_once(self) -> None:
        """
        A frame is compressed for the first stream that wants it so, and for no other.
        """
        frame = Frame("x", b"data: " + bytes(1000) + b"\n", shared=True)
        streams = [GzipStream() for _ in range(3)]
        parts = {stream.add(Event(frame, b"\n")) for stream in streams}
        self.assertEqual(len(parts), 1)
        self.assertIs(frame.packed, frame.packed)

    def test_large_size(self) -> None:
        """
        The size at the end is told modulo 2^32, as RFC 1952 has it.
        """
        stream = GzipStream()
        stream._size = (1 << 32) - 1
        stream.add(Event(Frame("x", b"ab"), b"\n"))
        self.assertEqual(stream.finish()[-4:], b"\2\0\0\0")
