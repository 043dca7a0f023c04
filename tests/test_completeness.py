"""
When a hole in a feed is made good.
"""

from tests.support.cases import SyncCase
from tests.support.killmails import DAY, START
from wanderer_twisted.completeness import is_repaired
from wanderer_twisted.days import day_of
from wanderer_twisted.records import ArchivedDay, Hole

TODAY = day_of(START)
NOON = START + DAY / 2


def whole(day: int, listed_at: float, **parts: object) -> ArchivedDay:
    return ArchivedDay(
        day,
        expected=5,
        have=5,
        loaded=True,
        listed_at=listed_at,
        **parts,  # type: ignore[arg-type]
    )


class RepairedTests(SyncCase):
    """
    :func:`is_repaired`.
    """

    def repaired(self, since: float, until: float, *days: ArchivedDay) -> bool:
        hole = Hole("r2z2", 1, 2, since, until)
        return is_repaired(hole, {each.day: each for each in days})

    def test_by_the_day(self) -> None:
        """
        A hole within a day is made good by that day's list from after it alone.
        """
        hole = (NOON, NOON + 60)
        self.assertTrue(self.repaired(*hole, whole(TODAY, NOON + 61)))
        self.assertFalse(self.repaired(*hole, whole(TODAY, NOON + 60)))
        self.assertFalse(self.repaired(*hole, whole(TODAY - 1, NOON + DAY)))
        self.assertFalse(self.repaired(*hole))

    def test_told_late(self) -> None:
        """
        Nor by a day that was taken in before the hole was known.
        """
        hole = Hole("r2z2", 1, 2, NOON, NOON + 60, told_at=NOON + 2 * DAY)
        listed, told = NOON + DAY, hole.told_at
        before = whole(TODAY, listed, tried_at=told - 1)
        self.assertFalse(is_repaired(hole, {TODAY: before}))
        since = whole(TODAY, listed, tried_at=told)
        self.assertTrue(is_repaired(hole, {TODAY: since}))

    def test_not_whole(self) -> None:
        """
        A day that lacks something, or was never loaded, makes nothing good.
        """
        for day in (
            ArchivedDay(TODAY, expected=5, have=4, loaded=True, listed_at=NOON + DAY),
            ArchivedDay(TODAY, expected=5, have=5, listed_at=NOON + DAY),
            whole(TODAY, NOON + DAY, reason="shrank"),
        ):
            self.assertFalse(self.repaired(NOON, NOON + 60, day))

    def test_an_hour_before(self) -> None:
        """
        Killmails are published late: the hour before the hole counts as well.
        """
        today = whole(TODAY, NOON + DAY)
        self.assertTrue(self.repaired(START + 3600, NOON, today))
        self.assertFalse(self.repaired(START + 3599, NOON, today))
        yesterday = whole(TODAY - 1, NOON + DAY)
        self.assertTrue(self.repaired(START + 3599, NOON, today, yesterday))

    def test_over_days(self) -> None:
        """
        Every day of a long hole counts, the last moment's too.
        """
        days = [whole(TODAY + n, START + 9 * DAY) for n in range(3)]
        self.assertTrue(self.repaired(NOON, START + 3 * DAY - 1, *days))
        self.assertFalse(self.repaired(NOON, START + 3 * DAY, *days))
        self.assertFalse(self.repaired(NOON, START + 2 * DAY, days[0], days[2]))
