"""
What pages say, and whose turn it is: the pure parts of history.
"""

from calendar import timegm
from typing import Any

from tests.support.cases import SyncCase
from tests.support.killmails import DAY
from tests.support.past import NOW, package
from wanderer_twisted.history import coverage
from wanderer_twisted.history.coverage import (
    PageKey,
    Seen,
    keys,
    month_end,
    month_start,
    months_back,
    weigh,
)
from wanderer_twisted.history.keeper import kill_time, last_time
from wanderer_twisted.history.turns import Asker, Turns
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import ListingPage, Package

CUTOFF = NOW - 30 * DAY


class Weigh(SyncCase):
    def page(self, *times: int, last: bool = False) -> ListingPage:
        rows = [package(9 - n, time) for n, time in enumerate(times)]
        return ListingPage(rows, NOW, last)

    def test_down_to_the_last_row(self) -> None:
        """
        A page covers what is younger than its last row: the next page may begin with
        the same second.
        """
        seen = weigh(PageKey(1), self.page(NOW, CUTOFF), CUTOFF, limit=0)
        self.assertEqual(seen.since, CUTOFF + 1)
        self.assertFalse(seen.ended or seen.reaches(CUTOFF))

    def test_limit(self) -> None:
        """
        Nothing is claimed beyond the limit, as nothing is stored there.
        """
        seen = weigh(PageKey(1), self.page(NOW, 5), 5, limit=CUTOFF)
        self.assertEqual(seen.since, CUTOFF)

    def test_end_of_the_list(self) -> None:
        """
        A list that ends covers everything before, one of a month all of the month.
        """
        empty = ListingPage((), NOW, last=True)
        self.assertEqual(weigh(PageKey(1), empty, None, limit=7).since, 7)
        october = PageKey(2, (2026, 10))
        self.assertEqual(
            weigh(october, empty, None, limit=7).since, month_start((2026, 10))
        )
        short = self.page(NOW, last=True)
        self.assertTrue(weigh(october, short, NOW, limit=7).ended)

    def test_last_page_that_there_is(self) -> None:
        """
        Page 100 is the end of what can be asked for, not of what there is.
        """
        seen = weigh(PageKey(100), self.page(NOW, last=True), NOW, limit=7)
        self.assertEqual(seen, Seen(NOW, NOW + 1, ended=False, short=True))

    def test_unknown(self) -> None:
        """
        A page whose last row says nothing proves nothing.
        """
        page = ListingPage([Package(1, None, {})], NOW, last=False)
        self.assertIsNone(last_time(page))
        self.assertIsNone(weigh(PageKey(1), page, None, limit=7).since)

    def test_kill_time(self) -> None:
        """
        The time of a row is read without checking the rest of it.
        """
        self.assertEqual(kill_time(package(1, NOW)), NOW)
        bad: list[Any] = [None, [], {}, {"killmail_time": 5}, {"killmail_time": "soon"}]
        for esi in bad:
            self.assertIsNone(kill_time(Package(1, None, esi)))


class Months(SyncCase):
    def test_back_over_the_year(self) -> None:
        """
        From now back to the month that the cutoff is in.
        """
        now = timegm((2026, 2, 10, 0, 0, 0))
        cutoff = timegm((2025, 11, 30, 0, 0, 0))
        months = list(months_back(now, cutoff))
        self.assertEqual(months, [(2026, 2), (2026, 1), (2025, 12), (2025, 11)])

    def test_boundary(self) -> None:
        """
        The first second of a month belongs to it.
        """
        start = month_start((2026, 11))
        self.assertEqual(list(months_back(NOW, start)), [(2026, 11)])
        self.assertEqual(list(months_back(NOW, start - 1)), [(2026, 11), (2026, 10)])
        self.assertEqual(month_end((2026, 10)), start)
        self.assertEqual(month_end((2026, 12)), month_start((2027, 1)))


class Keys(SyncCase):
    def test_all_kinds(self) -> None:
        """
        Ids of every kind have listings.
        """
        wanted = Filter(
            frozenset({2, 1}),
            frozenset({3}),
            corporation_ids=frozenset({4}),
            alliance_ids=frozenset({5}),
        )
        expected = [
            ("character", 1),
            ("character", 2),
            ("corporation", 4),
            ("alliance", 5),
            ("system", 3),
        ]
        self.assertEqual(keys(wanted), expected)
        self.assertEqual(keys(Filter()), [])

    def test_place_is_a_key(self) -> None:
        """
        A page of a month is another than that of all time.
        """
        self.assertNotEqual(hash(PageKey(1)), hash(PageKey(1, (2026, 11))))
        self.assertEqual(coverage.LAST_PAGE, 100)


class Fairness(SyncCase):
    def take(self, *owners: int) -> None:
        for owner in owners:
            turn = self.turns.take(("character", owner))
            turn.addCallback(self._served, owner)

    def _served(self, _: None, owner: int) -> None:
        self.order.append(owner)

    def setUp(self) -> None:
        self.turns = Turns()
        self.order: list[int] = []

    def run_all(self, count: int) -> None:
        for _ in range(count):
            self.turns.give_back()

    def ask(self, *owners: int) -> Asker:
        asker = Asker({("character", owner): 0 for owner in owners})
        self.turns.join(asker)
        return asker

    def test_one_against_many(self) -> None:
        """
        A request for one id is served after one page of a request for many.
        """
        self.ask(*range(1, 11))
        self.take(*range(1, 11))
        self.ask(99)
        self.take(99)
        self.run_all(10)
        self.assertEqual(self.order.index(99), 2)

    def test_round_within_a_request(self) -> None:
        """
        Every id of a request gets its first page before one gets its second.
        """
        self.ask(1, 2, 3)
        self.take(1, 2, 3)
        self.take(1)
        self.run_all(3)
        self.assertEqual(self.order, [1, 2, 3, 1])

    def test_background_last(self) -> None:
        """
        Ids that nobody waits for come after all that somebody does.
        """
        left = self.ask(1, 2, 3)
        self.take(1, 2, 3)
        self.turns.leave(left)
        self.ask(3, 4)
        self.take(4)
        self.run_all(3)
        self.assertEqual(self.order, [1, 3, 4, 2])

    def test_spared(self) -> None:
        """
        Who wants an id's values alone can be had to wait for it no more.
        """
        ann, bea = keys(Filter(character_ids=frozenset({1, 2})))
        asker = Asker({ann: 0, bea: 0}, covered={ann})
        self.turns.join(asker)
        self.turns.spare(bea)
        self.turns.spare(ann)
        self.assertEqual(list(asker.keys), [bea])
        self.assertNoResult(asker.done)

    def test_given_up(self) -> None:
        """
        A turn that is given up goes to the next.
        """
        self.take(1)
        self.turns.take(("character", 2)).addErrback(lambda _: None).cancel()
        self.take(3)
        self.run_all(1)
        self.assertEqual(self.order, [1, 3])

    def test_free(self) -> None:
        """
        After the last turn the next one is had at once.
        """
        self.take(1)
        self.run_all(1)
        self.take(2)
        self.assertEqual(self.order, [1, 2])
