"""
One timer for many.
"""

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

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.calls: list[float] = []
        self.tick = 0

    def on_due(self) -> None:
        self.calls.append(self.clock.seconds())


class WheelTests(SyncCase):
    """
    Who is called, and when.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        self.wheel: Wheel[Member] = Wheel(self.clock)

    def add(self, seconds: float) -> Member:
        member = Member(self.clock)
        member.tick = self.wheel.add(member, seconds)
        return member

    @given(st.lists(st.tuples(st.integers(0, 1200), st.booleans()), max_size=30))
    def test_any(self, wishes: list[tuple[int, bool]]) -> None:
        """
        Each is called once, when it is due and not before, unless it was removed; there
        is one timer, and none when nobody waits.
        """
        self.setUp()
        members = [(self.add(ticks / 20), ticks, stays) for ticks, stays in wishes]
        self.assertEqual(len(self.clock.getDelayedCalls()), bool(members))
        for member, _, stays in members:
            if not stays:
                self.wheel.remove(member, member.tick)
        began = self.clock.seconds()
        self.clock.pump([0.05] * 1202)
        for member, ticks, stays in members:
            self.assertEqual(len(member.calls), stays)
            if stays:
                late = member.calls[0] - began - ticks / 20
                self.assertTrue(-0.001 < late < 0.051, late)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.wheel), 0)

    def test_long_sleep(self) -> None:
        """
        One that slept calls all that were due meanwhile.
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
        seen = []

        def look() -> None:
            seen.append(sum(len(each.calls) for each in members))
            if len(seen) < 3:
                self.clock.callLater(0, look)

        self.clock.callLater(1, look)
        self.clock.advance(1)
        self.assertEqual(seen, [500, 1000, 1200])

    def test_removed_meanwhile(self) -> None:
        """
        One may remove others, and add itself again.
        """
        first, second = self.add(1), self.add(1)

        def on_due() -> None:
            for each in first, second:
                self.wheel.remove(each, each.tick)
            first.tick = self.wheel.add(first, 5)

        first.on_due = second.on_due = on_due  # type: ignore[method-assign]
        self.clock.advance(1)
        self.assertEqual(len(self.wheel), 1)
        first.on_due = lambda: None  # type: ignore[method-assign]
        self.clock.advance(5)
        self.assertEqual((len(self.wheel), self.clock.getDelayedCalls()), (0, []))

    def test_one_fails(self) -> None:
        """
        One that fails keeps nobody else from being called.
        """
        members = [self.add(1) for _ in range(3)]
        for each in members[:2]:
            self.patch(each, "on_due", lambda: 1 // 0)
        self.clock.advance(1)
        self.assertEqual(len(members[2].calls), 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
