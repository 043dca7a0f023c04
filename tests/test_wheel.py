"""
One timer for many.
"""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.support.cases import SyncCase
from tests.support.killmails import START
from wanderer_twisted.stream.wheel import Wheel


class Member:
    """
    One that notes when it is called.
    """

    def __init__(self, clock: Clock, every: float) -> None:
        self.clock = clock
        self.every = every
        self.tick = 0
        self.calls: list[float] = []

    def beat(self) -> None:
        self.calls.append(self.clock.seconds())


def call(members: list[Member]) -> None:
    for each in members:
        each.beat()


class WheelTests(SyncCase):
    """
    Who is called, and when.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        self.wheel: Wheel[Member] = Wheel(self.clock, call)

    def add(self, every: float) -> Member:
        member = Member(self.clock, every)
        self.wheel.add(member)
        return member

    @given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), max_size=30))
    def test_any(self, wishes: list[tuple[int, bool]]) -> None:
        """
        Each is called as often as it is due, and not before, unless it was removed;
        there is one timer, and none when nobody waits.
        """
        self.setUp()
        members = [(self.add(ticks / 20), ticks, stays) for ticks, stays in wishes]
        self.assertEqual(len(self.clock.getDelayedCalls()), bool(members))
        for member, _, stays in members:
            if not stays:
                self.wheel.remove(member)
        began = self.clock.seconds()
        self.clock.pump([0.05] * 402)
        for member, ticks, stays in members:
            times = [began, *member.calls]
            for before, called in pairwise(times):
                late = called - before - ticks / 20
                self.assertTrue(-0.001 < late < 0.051, late)
            if stays:
                self.assertLess(self.clock.seconds(), times[-1] + ticks / 20 + 0.051)
            else:
                self.assertEqual(member.calls, [])
            self.wheel.remove(member)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.wheel), 0)

    def test_long_sleep(self) -> None:
        """
        One that slept calls all that were due meanwhile, once.
        """
        members = [self.add(seconds) for seconds in (1, 2, 30)]
        self.clock.advance(100)
        self.assertEqual([len(each.calls) for each in members], [1, 1, 1])

    def test_slices(self) -> None:
        """
        Of many that are due at once some wait for the next turn, so that others have
        theirs.
        """
        members = [self.add(1) for _ in range(1200)]
        self.clock.advance(0.8)
        seen = []

        def look() -> None:
            seen.append(sum(len(each.calls) for each in members))
            if len(seen) < 3:
                self.clock.callLater(0, look)

        self.clock.callLater(0.2, look)
        self.clock.advance(0.2)
        self.assertEqual(seen, [500, 1000, 1200])

    def test_spread(self) -> None:
        """
        Of very many that would be due at once some are called a little earlier, and
        never late.
        """
        members = [self.add(30) for _ in range(1700)]
        counts = []
        for tick in range(1, 601):
            before = sum(len(each.calls) for each in members)
            self.clock.advance(START + tick / 20 - self.clock.seconds())
            counts.append(sum(len(each.calls) for each in members) - before)
        self.assertEqual([each for each in counts if each], [200, 500, 500, 500])
        self.assertEqual({len(each.calls) for each in members}, {1})

    def test_removed_meanwhile(self) -> None:
        """
        One that is called may remove others, and add any.
        """
        first, second = self.add(1), self.add(1)

        def beat() -> None:
            for each in first, second, second:
                self.wheel.remove(each)
            first.every = 5
            self.wheel.add(first)

        first.beat = second.beat = beat  # type: ignore[method-assign]
        self.clock.advance(1)
        self.assertEqual(len(self.wheel), 1)
        self.wheel.remove(first)
        self.assertEqual((len(self.wheel), self.clock.getDelayedCalls()), (0, []))

    def test_one_fails(self) -> None:
        """
        A slice that fails keeps nobody else from being called, nor itself for good.
        """
        members = [self.add(1), self.add(2)]
        patch = self.patch(members[0], "beat", lambda: 1 // 0)
        self.clock.advance(1)
        patch.restore()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.clock.advance(1)
        self.assertEqual([len(each.calls) for each in members], [1, 1])
