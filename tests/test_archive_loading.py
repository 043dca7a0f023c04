"""
One day of the archive: taken in, or not, with the reason.
"""

from unittest.mock import patch

import attrs
from twisted.internet.defer import Deferred, fail

from tests.support.backfill import TODAY, ArchiveCase
from tests.support.killmails import DAY, entry
from tests.support.past import HASH
from wanderer_twisted.archive import loading
from wanderer_twisted.archive.loading import NoDay
from wanderer_twisted.interfaces import Refused, StoreUnavailable, UpstreamError
from wanderer_twisted.records import ArchivedDay, Change

#: Yesterday.
A = TODAY - 1


class DayCase(ArchiveCase):
    """
    A test of one day, of ten killmails.
    """

    def setUp(self) -> None:
        super().setUp()
        self.put_days(A)

    def loading(
        self, row: ArchivedDay | None = None, total: int | None = None
    ) -> "Deferred[ArchivedDay]":
        loading = self.loader.load(row or ArchivedDay(A), total)
        return Deferred.fromCoroutine(loading)

    def load(
        self,
        row: ArchivedDay | None = None,
        total: int | None = None,
        within: float = 5.0,
    ) -> ArchivedDay:
        loading = self.loading(row, total)
        self.run_on(within)
        self.check_clean()
        return self.successResultOf(loading)

    def store_some(self, *ids: int) -> None:
        """
        A feed brought these.
        """
        entries = [entry(id, kill_time=A * DAY) for id in ids]
        change = Change(entries=entries, announce=True)
        self.successResultOf(self.store.commit(change))
        self.told.clear()

    def list_some(self, *ids: int, at: int = 0) -> None:
        """
        Somebody's history brought these, *at* seconds from the day's beginning.
        """
        entries = [entry(id, kill_time=A * DAY + at) for id in ids]
        self.successResultOf(self.store.commit(Change(entries=entries)))


class Whole(DayCase):
    def test_taken_in(self) -> None:
        """
        All of a day is stored and nothing of it announced.
        """
        row = self.load(total=10)
        self.assertEqual(
            attrs.astuple(row),
            (A, 10, 10, TODAY * DAY + 6 * 3600, row.tried_at, True, False, ""),
        )
        self.assertTrue(row.complete)
        self.assertEqual(self.lacking(self.ids(A)), [])
        self.assertEqual(self.announced(), [])
        self.assertEqual((self.loader.killmails, self.loader.announced), (10, 0))
        self.assertEqual(self.loader.bytes, len(self.archive.files[A]))

    def test_had_already(self) -> None:
        """
        Of a day that a feed brought whole nothing but the list is fetched.
        """
        self.store_some(*self.ids(A))
        self.assertTrue(self.load(total=10).complete)
        self.assertEqual(self.archive.asked, [("listing", A)])

    def test_feed_brought_some(self) -> None:
        """
        What is there already stays as it is.
        """
        first, *_ = self.ids(A)
        self.store_some(first)
        before = self.document(first)
        self.assertTrue(self.load(total=10).complete)
        self.assertEqual(self.document(first), before)
        self.assertEqual(self.loader.killmails, 9)

    def test_large(self) -> None:
        """
        More ids than are asked for at once are all looked at.
        """
        ids = range(1, 1_202)
        self.put(A, ids)
        self.part_size = 400
        self.assertTrue(self.load().complete)
        self.assertEqual(self.lacking(ids), [])

    def test_pauses_between_parts(self) -> None:
        """
        Between two parts others have their turn at the store.
        """
        loading = self.loading()
        self.settle()
        self.assertEqual(len(self.lacking(self.ids(A))), 7)
        self.clock.advance(0.01)
        self.settle()
        self.assertEqual(len(self.lacking(self.ids(A))), 4)
        self.run_on()
        self.successResultOf(loading)


class News(DayCase):
    def setUp(self) -> None:
        super().setUp()
        self.whole = ArchivedDay(A, 10, 10, float(A * DAY), 1.0, True, True)

    def test_hole(self) -> None:
        """
        What a hole took is announced, with names; all else of the day is not.
        """
        self.name_source.known = {90000001: "Somebody"}
        late = self.body(A, 7, 7300)
        early = self.body(A, 8, 3599)
        before = self.body(A, 9, 3600)
        self.archive.lists[A] = dict.fromkeys((7, 8, 9), HASH)
        self.put_file(A, {7: late, 8: early, 9: before})
        self.miss(A * DAY + 7200, A * DAY + 7300)
        row = self.load(total=3)
        self.assertTrue(row.complete)
        self.assertEqual(self.announced(), [7, 9])
        self.assertEqual(self.lacking([7, 8, 9]), [])
        self.assertEqual((self.loader.killmails, self.loader.announced), (3, 2))
        victim = self.document(7)["victim"]
        self.assertEqual(victim["character_name"], "Somebody")

    def test_hole_listed_meanwhile(self) -> None:
        """
        So is what a history stored of it since, and nothing else that it stored.
        """
        self.put(A, [7, 8], at=7300)
        bodies = {id: self.body(A, id, 7300) for id in (7, 8)}
        self.archive.lists[A][9] = HASH
        self.put_file(A, {**bodies, 9: self.body(A, 9, 3599)})
        self.miss(A * DAY + 7200, A * DAY + 7300)
        self.list_some(7, at=7300)
        self.list_some(9, at=3599)
        before = self.document(7)
        self.assertTrue(self.load(total=3).complete)
        self.assertEqual(self.announced(), [7, 8])
        self.assertEqual(self.document(7), before)

    def test_hole_listed_wholly(self) -> None:
        """
        Nor does a hole of which all is stored stay silent, but only once.
        """
        self.put(A, [7, 8], at=7300)
        self.miss(A * DAY + 7200, A * DAY + 7300)
        self.list_some(7, 8, at=7300)
        row = self.load(self.whole, total=2)
        self.assertEqual(self.announced(), [7, 8])
        self.load(row, total=2)
        self.assertEqual(self.announced(), [7, 8])

    def test_hole_loaded_before(self) -> None:
        """
        What the archive itself brought before the hole was known gets its names.
        """
        self.name_source.known = {90000001: "Somebody"}
        self.put(A, [7], at=7300)
        row = self.load(total=1)
        self.miss(A * DAY + 7200, row.listed_at)
        self.load(row, total=1)
        self.assertEqual(self.announced(), [7])
        self.assertEqual(self.document(7)["victim"]["character_name"], "Somebody")

    def test_hole_made_good(self) -> None:
        """
        What was stored of a hole that the day's list has made good stays silent.
        """
        self.miss(A * DAY + 7200, A * DAY + 7300)
        self.put(A, [7], at=7300)
        row = self.load(total=1)
        self.list_some(9, at=7300)
        self.put(A, [7, 8, 9], at=7300)
        self.load(row, total=3)
        self.assertEqual(self.announced(), [7, 8])

    def test_hole_without_file(self) -> None:
        """
        While there is no body to announce, the day is not whole, so the hole is open.
        """
        self.put(A, [7, 8], at=7300)
        self.miss(A * DAY + 7200, A * DAY + 7300)
        self.list_some(7, 8, at=7300)
        self.archive.errors["bodies"] = self.errors(UpstreamError("not now"))
        row = self.load(total=2)
        self.assertEqual(
            (row.complete, row.have, row.loaded, row.reason),
            (False, 2, True, "not now"),
        )
        self.put_file(A, {7: self.body(A, 7, 7300)})
        row = self.load(row, total=2)
        self.assertIn("1 of its 2 killmails have no body", row.reason)
        self.bodies.bodies[8] = self.body(A, 8, 7300)
        self.assertTrue(self.load(row, total=2).complete)
        self.assertEqual(self.announced(), [7, 8])

    def test_later_version(self) -> None:
        """
        What a later version of the list adds to a followed day is announced.
        """
        self.store_some(*self.ids(A))
        self.put(A, [*self.ids(A), 7, 8])
        row = self.load(self.whole, total=12)
        self.assertEqual((row.complete, row.expected), (True, 12))
        self.assertEqual(self.announced(), [7, 8])

    def test_later_version_unfollowed(self) -> None:
        """
        What is added where no feed ran is not.
        """
        self.store_some(*self.ids(A))
        self.put(A, [*self.ids(A), 7])
        self.load(attrs.evolve(self.whole, followed=False))
        self.assertEqual((self.announced(), self.lacking([7])), ([], []))

    def test_many(self) -> None:
        """
        However many there are.
        """
        ids = range(1, 121)
        self.put(A, ids)
        self.load(self.whole, within=10.0)
        self.assertEqual(self.announced(), [*ids])

    def test_lacked_is_no_news(self) -> None:
        """
        What the first version named and no file had is not taken for something that
        a later version added.
        """
        self.put_file(A, {id: self.body(A, id) for id in self.ids(A)[1:]})
        row = attrs.evolve(self.load(), followed=True)
        self.assertFalse(row.loaded)
        self.put(A, [*self.ids(A), 7])
        self.assertTrue(self.load(row).complete)
        self.assertEqual(self.announced(), [])

    def test_failed_version_stays_news(self) -> None:
        """
        What a later version adds is announced also where the first attempt at it
        failed, and from whatever source it comes.
        """
        self.store_some(*self.ids(A))
        self.put(A, [*self.ids(A), 7, 8])
        self.archive.errors["bodies"] = self.errors(UpstreamError("not now"))
        row = self.load(self.whole, total=12)
        self.assertEqual((row.have, row.expected, row.reason), (10, 12, "not now"))
        self.put_file(A, {7: self.body(A, 7)})
        self.bodies.bodies[8] = self.body(A, 8)
        self.assertTrue(self.load(row, total=12).complete)
        self.assertEqual(self.announced(), [7, 8])

    def test_before_the_rest(self) -> None:
        """
        News is committed before the day's parts are: it waits least.
        """
        self.put(A, [1, 2])
        self.put_file(A, {1: self.body(A, 1, 0), 2: self.body(A, 2, 50_000)})
        self.miss(A * DAY + 50_000, A * DAY + 50_000)
        self.load()
        self.assertEqual(
            [bool(each.journal) for each in self.told if each.marks.head > 1],
            [True, False],
        )

    def test_killed_anywhere(self) -> None:
        """
        Stopped at any moment and begun again, news is announced once and nothing else
        is.
        """
        self.list_some(1)
        self.list_some(3, at=50_000)
        self.put(A, [1, 2, 3, 4])
        bodies = {n: self.body(A, n, 0 if n < 3 else 50_000) for n in range(1, 5)}
        self.put_file(A, bodies)
        self.miss(A * DAY + 50_000, A * DAY + 50_000)
        for turns in range(12):
            loading = self.loading()
            for _ in range(turns):
                self.clock.advance(0.01)
            loading.cancel()
            self.settle()
            loading.addErrback(lambda _: None)
            self.check_clean()
        self.assertTrue(self.load().complete)
        self.assertEqual(self.announced(), [3, 4])
        self.assertEqual(self.lacking([1, 2, 3, 4]), [])


class BadInput(DayCase):
    def check_incomplete(self, row: ArchivedDay, have: int, *reasons: str) -> None:
        self.assertEqual((row.complete, row.have), (False, have))
        for reason in reasons:
            self.assertIn(reason, row.reason)
        self.assertNotIn("\n", row.reason)

    def retry(self, row: ArchivedDay) -> None:
        """
        The archive is right again, and so is the day then.
        """
        self.put_days(A)
        self.assertTrue(self.load(row, total=10).complete)
        self.assertEqual(self.lacking(self.ids(A)), [])

    def test_no_list(self) -> None:
        """
        Without a list no more is known than before.
        """
        del self.archive.lists[A]
        loading = self.loading()
        self.settle()
        error = self.failureResultOf(loading, NoDay).value
        self.assertEqual(
            (str(error), error.retry_after), ("There is no such file", None)
        )

    def test_left_alone(self) -> None:
        """
        It says how long the archive wants to be left alone.
        """
        self.archive.errors["listing"] = self.errors(UpstreamError("banned", 3600.0))
        loading = self.loading()
        self.settle()
        self.assertEqual(self.failureResultOf(loading, NoDay).value.retry_after, 3600.0)

    def test_no_file(self) -> None:
        """
        Without a file with bodies it is told how many there are.
        """
        self.store_some(*self.ids(A)[:4])
        del self.archive.files[A]
        row = self.load(total=10)
        self.check_incomplete(row, 4, "no such file")
        self.assertEqual(row.expected, 10)
        self.retry(row)

    def test_truncated(self) -> None:
        """
        Nothing of a file that is cut off is used.
        """
        self.archive.files[A] = self.archive.files[A][:-1]
        row = self.load(total=10)
        self.check_incomplete(row, 0, "no object of killmails")
        self.retry(row)

    def test_html(self) -> None:
        """
        Nor is anything of a page in its place.
        """
        self.archive.files[A] = b"<html>503 Service Unavailable</html>"
        row = self.load(total=10)
        self.check_incomplete(row, 0, "no object of killmails")
        self.retry(row)

    def test_too_large(self) -> None:
        """
        A file that is larger than any may be is refused, and says so.
        """
        error = UpstreamError("The body is larger than 9 bytes")
        self.archive.errors["bodies"] = self.errors(error)
        row = self.load(total=10)
        self.check_incomplete(row, 0, "larger than 9 bytes")
        self.retry(row)

    def test_wrong_day(self) -> None:
        """
        A killmail of another day is left out, and the others are not.
        """
        bodies = {id: self.body(A, id) for id in self.ids(A)}
        bodies[self.ids(A)[0]] = self.body(A - 1, self.ids(A)[0])
        self.put_file(A, bodies)
        row = self.load(total=10)
        self.check_incomplete(row, 9, "1 of its 10", "1 of another day")
        self.assertEqual(self.lacking(self.ids(A)), self.ids(A)[:1])
        self.retry(row)

    def test_broken_body(self) -> None:
        """
        So is one that is no killmail.
        """
        bodies = {id: self.body(A, id) for id in self.ids(A)}
        bodies[self.ids(A)[0]] = {"killmail_id": "x"}
        self.put_file(A, bodies)
        row = self.load(total=10)
        self.check_incomplete(row, 9, "1 of its 10", "1 broken", "no such killmail")
        self.retry(row)

    def test_not_on_the_list(self) -> None:
        """
        A body that the list lacks is not taken in: the next list will have it.
        """
        bodies = {id: self.body(A, id) for id in [*self.ids(A), 7]}
        self.put_file(A, bodies)
        row = self.load(total=10)
        self.check_incomplete(row, 10, "1 killmails that its list lacks")
        self.assertEqual(self.lacking([7]), [7])
        self.retry(row)

    def test_no_body(self) -> None:
        """
        A killmail on the list without a body comes from ESI, not announced.
        """
        first = self.ids(A)[0]
        self.put_file(A, {id: self.body(A, id) for id in self.ids(A)[1:]})
        self.bodies.bodies[first] = self.body(A, first)
        self.assertTrue(self.load(total=10).complete)
        self.assertEqual(self.bodies.asked, [first])
        self.assertEqual(self.announced(), [])
        self.assertEqual(self.document(first)["zkb"]["hash"], HASH)

    def test_no_body_of_a_hole(self) -> None:
        """
        It is announced where a hole took it.
        """
        self.miss(A * DAY, A * DAY)
        first = self.ids(A)[0]
        self.put_file(A, {})
        self.bodies.bodies[first] = self.body(A, first)
        self.bodies.bodies[first + 1] = self.body(A, first + 1, 60)
        self.check_incomplete(self.load(total=10), 2)
        self.assertEqual(self.announced(), [first])

    def test_few_bodies_at_a_time(self) -> None:
        """
        ESI is asked for so many only, and no more where it gives none.
        """
        self.put(A, range(1, 301))
        self.put_file(A, {})
        self.load()
        self.assertEqual(len(self.bodies.asked), 50)
        self.bodies.bodies = {n: self.body(A, n) for n in range(1, 301)}
        self.bodies.asked.clear()
        row = self.load()
        self.assertEqual(len(self.bodies.asked), 200)
        self.check_incomplete(row, 200)
        self.assertTrue(self.load(row).complete)

    def test_shrunk(self) -> None:
        """
        Where the list names less than before, everything is kept, and it is told.
        """
        whole = self.load(total=10)
        self.put(A, self.ids(A)[:4])
        row = self.load(whole, total=4)
        self.check_incomplete(row, 10, "names 4 killmails, and named 10 before")
        self.assertEqual((row.expected, row.listed_at), (10, whole.listed_at))
        self.assertTrue(row.loaded)
        self.assertEqual(self.lacking(self.ids(A)), [])
        self.retry(row)

    def test_empty_list(self) -> None:
        """
        A list of nothing is none: no day is without killmails, whatever the totals say.
        """
        self.archive.lists[A] = {}
        for total in (None, 0):
            row = self.load(total=total)
            self.check_incomplete(row, 0, "Its list is empty")
            self.assertEqual((row.listed_at, row.loaded), (0, False))

    def test_totals_disagree(self) -> None:
        """
        A list that says something else than the totals is used, but not believed.
        """
        row = self.load(total=11)
        self.check_incomplete(row, 10, "names 10 killmails, and the totals say 11")
        self.assertEqual((row.loaded, row.listed_at), (False, 0))
        self.retry(row)

    def test_disk_full(self) -> None:
        """
        A file that there is no room for is the day's reason, and gone.
        """
        self.archive.errors["bodies"] = self.errors(OSError(28, "No space left"))
        row = self.load(total=10)
        self.check_incomplete(row, 0, "No space left")
        self.retry(row)

    def test_disk_full_while_staging(self) -> None:
        """
        So it is where the staged day has no room.
        """
        with patch.object(loading, "read_news", side_effect=OSError(28, "No space")):
            row = self.load(total=10)
        self.check_incomplete(row, 0, "No space")
        self.retry(row)

    def test_store_away_for_a_moment(self) -> None:
        """
        A store that is unavailable in the middle is waited for.
        """
        real, calls = self.store.load, []

        def load(path: str, part: int) -> "Deferred[int]":
            calls.append(part)
            if len(calls) == 2:
                return fail(StoreUnavailable("disk full"))
            return real(path, part)

        with patch.object(self.store, "load", load):
            self.assertTrue(self.load(total=10).complete)
        self.assertEqual(calls, [0, 1, 1, 2, 3])

    def test_store_away_for_long(self) -> None:
        """
        A store that stays away gets the room of the day's files, and the day its
        reason; what was taken in is kept.
        """
        real = self.store.load

        def load(path: str, part: int) -> "Deferred[int]":
            return fail(StoreUnavailable("disk full")) if part else real(path, part)

        with patch.object(self.store, "load", load):
            row = self.load(total=10, within=70.0)
        self.check_incomplete(row, 3, "disk full")
        self.retry(row)

    def test_clock_ahead(self) -> None:
        """
        By a clock that is ahead, no more is claimed than the list's own time allows.
        """
        self.archive.clock_skew = -DAY
        row = self.load(total=10)
        self.assertEqual(row.listed_at, 0)

    def test_refused_body(self) -> None:
        """
        What ESI refuses is told, with the reason.
        """
        first = self.ids(A)[0]
        self.put_file(A, {id: self.body(A, id) for id in self.ids(A)[1:]})
        self.bodies.errors[first] = [Refused("ESI says no")]
        row = self.load(total=10)
        self.check_incomplete(row, 9, "ESI says no")
