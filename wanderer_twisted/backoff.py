"""
How long to leave something alone that failed.
"""

from collections.abc import Iterator


def backoff(first: float, most: float) -> Iterator[float]:
    """
    Seconds to wait before one attempt after the other, without an end: each twice as
    long as the one before, up to *most*.
    """
    pause = first
    while True:
        yield pause
        pause = min(pause * 2, most)
