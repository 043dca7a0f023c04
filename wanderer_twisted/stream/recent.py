"""
What was announced last: for streams that come back after a moment, and for slow ones,
without a look at the store.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from wanderer_twisted.stream.entries import Entry

_MOST_ENTRIES: Final = 1_000
_MOST_BYTES: Final = 16 << 20
#: How many a stream gets before it is asked whether it takes more: so few that even
#: those of a large fight are no more than a page of the store.
_PAGE: Final = 10


class Recent:
    """
    The last entries of the journal, without a hole between them.

    :ivar since: every entry with a higher number is here.
    :ivar page: how many are given at a time.
    """

    def __init__(self, most_entries: int = _MOST_ENTRIES, page: int = _PAGE) -> None:
        self.since = 0
        self.page = page
        self._most_entries = most_entries
        self._entries: list[Entry] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def begin(self, seq: int) -> None:
        """
        Forget all; what comes next has a higher number.
        """
        self.since = seq
        self._entries.clear()
        self._bytes = 0

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._bytes += entry.size
        while len(self._entries) > self._most_entries or self._bytes > _MOST_BYTES:
            oldest = self._entries.pop(0)
            self._bytes -= oldest.size
            self.since = oldest.seq

    def after(self, seq: int) -> Sequence[Entry] | None:
        """
        A page of the entries above *seq*, oldest first; one that is not full is the
        last. None where not all of them are here any more.
        """
        if seq < self.since:
            return None
        start = bisect_right(self._entries, seq, key=lambda entry: entry.seq)
        return self._entries[start : start + self.page]
