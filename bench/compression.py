"""
What compression saves and costs: live killmails one by one, and batches of histories,
as they go over the wire, with their cursors.
"""

import time
import zlib
from collections.abc import Callable, Iterable, Sequence

from bench.killmails import FIRST_LIVE_ID, Killmails, entry_of
from bench.report import options, quantile, tell
from wanderer_twisted.frames import GZIP_HEAD, Event, Frame, GzipStream
from wanderer_twisted.stream import events

_LIVE = 5_000
_BATCH = 50
_END = events.end("m.abc123.0000zik0zj.0000zik0zj.t8a9c00.abcdef")


def frame_of(body: bytes) -> Frame:
    return events.event("killmail", body, shared=True)


def compressed(frames: Iterable[Frame]) -> int:
    """
    Bytes of a stream of these frames, which is checked as a client would.
    """
    stream, unpacking, size = GzipStream(), zlib.decompressobj(31), 0
    for frame in frames:
        part = stream.add(Event(frame, _END))
        assert unpacking.decompress(part) == frame.plain + _END
        size += len(part)
    unpacking.decompress(stream.finish())
    assert unpacking.eof
    return size


def send(frames: Sequence[Frame]) -> float:
    """
    Microseconds of processor time for one frame to one more stream.
    """
    stream, begun = GzipStream(), time.process_time()
    for frame in frames:
        stream.add(Event(frame, _END))
    return (time.process_time() - begun) / len(frames) * 1e6


def compare(what: str, make: Callable[[], Sequence[Frame]], runs: int) -> None:
    frames = make()
    plain = sum(len(each.plain) + len(_END) for each in frames)
    tell(f"{what}, bytes each", [plain / len(frames)], "bytes")
    tell(f"{what}, times smaller", [plain / compressed(frames)], "x")
    one_by_one = [
        (len(each.plain) + len(_END)) / (compressed([each]) - len(GZIP_HEAD))
        for each in frames
    ]
    half = quantile(one_by_one, 0.5)
    tell(f"{what}, times smaller, the median one", [half], "x")
    first, again = [], []
    for _ in range(runs):
        frames = make()
        first.append(send(frames))
        again.append(send(frames))
    tell(f"{what}, to compress and send to the first stream", first, "us")
    tell(f"{what}, to send to one more", again, "us")


def main() -> None:
    wish = options(__doc__)
    killmails = Killmails(wish.data)
    documents = killmails.live(_LIVE, time.time(), FIRST_LIVE_ID)
    bodies = [entry_of(each).body.json(with_items=False) for each in documents]
    compare("a live killmail", lambda: list(map(frame_of, bodies)), wish.runs)
    batches = [bodies[at : at + _BATCH] for at in range(0, len(bodies), _BATCH)]
    compare(
        f"a batch of {_BATCH}",
        lambda: [events.batch(each, 1, 1) for each in batches],
        wish.runs,
    )


if __name__ == "__main__":
    main()
