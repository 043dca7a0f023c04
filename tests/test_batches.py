"""
The batches of a history, as they are read for a stream.
"""

import gc
from collections import deque
from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, succeed

from tests.support.cases import SyncCase
from wanderer_twisted.interfaces import StoreUnavailable
from wanderer_twisted.records import Cut, Place
from wanderer_twisted.stream.batches import Batches

BODY = 10


def cut(*ids: int) -> Cut:
    return Cut(ids, Place(0, ids[-1]), BODY * len(ids))


def bodies(ids: Sequence[int]) -> list[bytes]:
    return [b"%d" % each for each in ids]


class Bodies:
    """
    A store whose answers come when the test says so.

    :ivar asked: the ids of each read.
    """

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.waiting: deque[tuple[Sequence[int], Deferred[Sequence[bytes]]]] = deque()
        self.cancelled = 0

    def read(self, ids: Sequence[int]) -> Deferred[Sequence[bytes]]:
        def count(_: object) -> None:
            self.cancelled += 1

        answer: Deferred[Sequence[bytes]] = Deferred(count)
        self.asked.append(list(ids))
        self.waiting.append((ids, answer))
        return answer

    def answer(self) -> None:
        ids, answer = self.waiting.popleft()
        if not answer.called:  # cancelled
            answer.callback(bodies(ids))

    def fail(self) -> None:
        _, answer = self.waiting.popleft()
        if not answer.called:
            answer.errback(StoreUnavailable("locked"))


class BatchesTests(SyncCase):
    """
    What is read when.
    """

    def setUp(self) -> None:
        self.store = Bodies()

    def make(self, at_once: int, *cuts: Cut, more: Sequence[Cut] = ()) -> Batches:
        """
        :param more: what is found behind *cuts*, one at a time.
        """

        def find(after: Place) -> Deferred[Sequence[Cut]]:
            return succeed([each for each in more if each.last > after][:1])

        batches = Batches(cuts, Place(), find, self.store.read, at_once)
        self.addCleanup(batches.stop)
        return batches

    def next(self, batches: Batches) -> Sequence[bytes]:
        """
        One that is there already.
        """
        return self.successResultOf(batches.next()).bodies

    def test_one_by_one(self) -> None:
        """
        Where nothing may be kept, each batch is read when its turn comes.
        """
        batches = self.make(0, cut(1, 2), cut(3))
        for number, ids in enumerate(([1, 2], [3]), 1):
            batch = batches.next()
            self.assertNoResult(batch)
            self.store.answer()
            self.assertEqual(self.successResultOf(batch).bodies, bodies(ids))
            self.assertEqual(len(self.store.asked), number)

    def test_together_and_ahead(self) -> None:
        """
        Small ones are read together, and the next while these are taken.
        """
        batches = self.make(3 * BODY, cut(1), cut(2, 3), cut(4, 5), cut(6), cut(7))
        first = batches.next()
        self.assertEqual(self.store.asked, [[1, 2, 3]])
        self.store.answer()
        self.assertEqual(self.successResultOf(first).last, Place(0, 1))
        self.assertEqual(self.store.asked, [[1, 2, 3], [4, 5, 6]])
        self.store.answer()  # before its turn
        self.assertEqual(self.next(batches), bodies([2, 3]))
        self.assertEqual(self.next(batches), bodies([4, 5]))
        self.store.answer()
        self.assertEqual(self.next(batches), bodies([6]))
        self.assertEqual(self.next(batches), bodies([7]))

    def test_large_ones(self) -> None:
        """
        What has more than may be kept is read by itself, and not ahead.
        """
        batches = self.make(BODY, cut(1), cut(2, 3), cut(4))
        batch = batches.next()
        self.store.answer()
        self.successResultOf(batch)
        self.assertEqual(self.store.asked, [[1]])
        batch = batches.next()
        self.store.answer()
        self.successResultOf(batch)
        self.assertEqual(self.store.asked, [[1], [2, 3], [4]])

    def test_nothing_kept(self) -> None:
        """
        What was read before its turn is let go of, and read again one by one.
        """
        batches = self.make(2 * BODY, cut(1), cut(2), cut(3), cut(4))
        batches.next()
        self.store.answer()
        self.assertEqual(self.store.asked, [[1, 2], [3, 4]])
        batches.keep_nothing()
        self.assertEqual(self.store.cancelled, 1)
        for id in (2, 3, 4):
            batch = batches.next()
            self.assertEqual(self.store.asked[-1], [id])
            while self.store.waiting:
                self.store.answer()
            self.assertEqual(self.successResultOf(batch).bodies, bodies([id]))

    def test_stopped(self) -> None:
        """
        Nobody waits for what was being read ahead, whether that is over or not.
        """
        for over in (False, True):
            store = self.store = Bodies()
            batches = self.make(BODY, cut(1), cut(2))
            batches.next()
            store.answer()
            if over:
                store.fail()
            batches.stop()
            self.assertEqual(store.cancelled, 0 if over else 1)
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_given_up(self) -> None:
        """
        Whoever gives up waiting cancels what was read ahead.
        """
        batches = self.make(BODY, cut(1), cut(2))
        batches.next()
        self.store.answer()
        batch = batches.next()
        batch.cancel()
        self.failureResultOf(batch, CancelledError)
        self.assertEqual(self.store.cancelled, 1)

    @given(
        sizes=st.lists(st.integers(1, 4), min_size=1, max_size=8),
        known=st.integers(0, 8),
        at_once=st.integers(0, 6),
        chance=st.randoms(use_true_random=False),
    )
    def test_each_once(
        self, sizes: list[int], known: int, at_once: int, chance: Random
    ) -> None:
        """
        Whenever answers come, whichever reads fail, and whatever is let go of, all
        batches come in order.
        """
        ids = iter(range(1, 99))
        cuts = [cut(*(next(ids) for _ in range(size))) for size in sizes]
        store = self.store = Bodies()
        batches = self.make(at_once * BODY, *cuts[:known], more=cuts[known:])
        told: list[bytes] = []
        for each in cuts:
            while True:
                if chance.random() < 0.1:
                    batches.keep_nothing()
                batch = batches.next()
                while store.waiting and (not batch.called or chance.random() < 0.5):
                    chance.choice([store.answer, store.answer, store.fail])()
                if batch.called and not self._failed(batch):
                    break
            found = self.successResultOf(batch)
            self.assertEqual(found.last, each.last)
            told += found.bodies
        batches.stop()
        self.assertEqual(told, bodies([id for each in cuts for id in each.ids]))

    def _failed(self, batch: Deferred[Any]) -> bool:
        failed: list[object] = []
        batch.addErrback(failed.append)
        return bool(failed)
