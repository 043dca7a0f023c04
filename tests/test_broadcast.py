"""
Telling many, some in each turn.
"""

from twisted.internet.task import Clock

from tests.support.cases import SyncCase
from tests.support.killmails import record
from wanderer_twisted.stream.broadcast import Broadcast
from wanderer_twisted.stream.entries import Entry, KillmailEntry


def entry(seq: int) -> KillmailEntry:
    return KillmailEntry(record(seq, live_seq=seq), seq)


class BroadcastTests(SyncCase):
    """
    Entries to numbers, which stand for streams.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.streams = list(range(7))
        self.told: list[tuple[int, int]] = []
        self.broadcast: Broadcast[int] = Broadcast(
            self.clock, lambda entry: list(self.streams), self.hand, slice=3
        )

    def hand(self, streams: list[int], entry: Entry) -> None:
        self.told += [(entry.seq, stream) for stream in streams]

    def add(self, *seqs: int) -> None:
        for seq in seqs:
            self.broadcast.add(entry(seq), ended=0.0)
        self.broadcast.go_on()

    def test_slices(self) -> None:
        """
        So many in a turn; an entry begins when the one before it is through, and what
        is not through is told of.
        """
        turns: list[int] = []
        nexts: list[Entry | None] = []

        def look() -> None:
            turns.append(len(self.told))
            nexts.append(self.broadcast.next)
            if len(turns) < 5:
                self.clock.callLater(0, look)

        self.add(1, 2)
        look()
        self.clock.advance(0)
        self.assertEqual(turns, [3, 6, 9, 12, 14])
        self.assertEqual([each and each.seq for each in nexts], [1, 1, 2, 2, None])
        self.assertEqual([seq for seq, _ in self.told], [1] * 7 + [2] * 7)
        for seq in (1, 2):
            streams = sorted(stream for at, stream in self.told if at == seq)
            self.assertEqual(streams, self.streams)
        self.assertEqual(self.broadcast.latency.count, 2)

    def test_few(self) -> None:
        """
        A few are told at once, and nobody waits.
        """
        self.streams = [1, 2]
        self.add(1)
        self.assertEqual(len(self.told), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.streams = []
        self.add(2)
        self.assertIsNone(self.broadcast.next)
        self.assertEqual(self.broadcast.latency.count, 1, "nobody waited for it")

    def test_whom(self) -> None:
        """
        Whom an entry concerns is asked when its turn has come.
        """
        self.add(1, 2)
        self.streams = [9]
        self.clock.pump([0] * 5)
        self.assertEqual(self.told[7:], [(2, 9)])

    def test_more_meanwhile(self) -> None:
        """
        What is added between two turns waits for them.
        """
        self.add(1)
        self.add(2)
        self.assertEqual(len(self.told), 3)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_stop(self) -> None:
        """
        Stopped, it tells nobody any more.
        """
        self.add(1)
        self.broadcast.stop()
        self.broadcast.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.told), 3)
