"""
Names of ids: where they come from, and how long anybody waits for them.
"""

from collections.abc import Mapping

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from zope.interface.verify import verifyObject

from tests.support.killmails import entry
from tests.support.past import FakeNames, PastCase
from wanderer_twisted import killmail
from wanderer_twisted.ingest import renaming
from wanderer_twisted.ingest.names import Found, NameBook
from wanderer_twisted.ingest.renaming import Renamer
from wanderer_twisted.interfaces import INameSource, StoreUnavailable, UpstreamError
from wanderer_twisted.killmail import Body
from wanderer_twisted.records import Change, Entry, NamesFound


class NamesCase(PastCase):
    def setUp(self) -> None:
        super().setUp()
        self.name_source.known = {1: "Jita", 2: "Rifter", 3: "Pilot"}

    def look_up(self, *ids: int, within: float = 2.0) -> Deferred[Found]:
        return self.names.look_up(ids, self.clock.seconds() + within)


class LookUp(NamesCase):
    def test_source_is_asked_once(self) -> None:
        """
        What the service said is remembered, ids without a name included.
        """
        found = self.successResultOf(self.look_up(1, 2, 99))
        self.assertEqual(found, Found({1: "Jita", 2: "Rifter"}))
        self.assertTrue(found.complete)
        self.successResultOf(self.look_up(1, 99))
        self.assertEqual(self.name_source.calls, [{1, 2, 99}])

    def test_fake_is_a_source(self) -> None:
        """
        The fake is a name source.
        """
        verifyObject(INameSource, self.name_source)

    def test_store_is_asked_first(self) -> None:
        """
        Another book on the same store needs no service, for ids without a name either.
        """
        self.successResultOf(self.look_up(1, 99))
        source = FakeNames()
        book = NameBook(self.clock, self.store, source, 2.0)
        found = self.successResultOf(book.look_up({1, 99}, self.clock.seconds()))
        self.assertEqual(found, Found({1: "Jita"}))
        self.assertEqual(source.calls, [])

    def test_nothing_to_look_up(self) -> None:
        """
        No ids, no call.
        """
        self.assertTrue(self.successResultOf(self.look_up()).complete)
        self.assertEqual(self.name_source.calls, [])

    def test_disabled(self) -> None:
        """
        Without a service nothing is looked up and everything counts as complete.
        """
        book = NameBook(self.clock, self.store, None, 2.0)
        self.assertEqual(self.successResultOf(book.look_up({1}, 0)), Found({}))
        self.assertFalse(book.enabled)

    def test_deadline(self) -> None:
        """
        At the deadline the answer is what is known; what is late is kept.
        """
        self.successResultOf(self.look_up(1))
        self.name_source.gate.held = True
        late = self.look_up(1, 2)
        self.clock.advance(1.9)
        self.assertNoResult(late)
        self.clock.advance(0.2)
        found = self.successResultOf(late)
        self.assertEqual(found, Found({1: "Jita"}, frozenset({2})))
        self.name_source.gate.open()
        self.assertEqual(
            self.successResultOf(self.look_up(1, 2)), Found({1: "Jita", 2: "Rifter"})
        )
        self.assertEqual(
            self.successResultOf(self.store.read_names({2})), {2: "Rifter"}
        )
        self.assertEqual(self.name_source.calls, [{1}, {2}])

    def test_deadline_that_has_passed(self) -> None:
        """
        It gets what is in memory, in the next turn.
        """
        self.successResultOf(self.look_up(1))
        self.name_source.gate.held = True
        late = self.look_up(1, 2, within=-10)
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(late).missing, {2})

    def test_shared(self) -> None:
        """
        Two look-ups of the same ids make one call.
        """
        self.name_source.gate.held = True
        first, second = self.look_up(1, 2), self.look_up(2)
        self.name_source.gate.open()
        self.assertEqual(self.successResultOf(second), Found({2: "Rifter"}))
        self.assertTrue(self.successResultOf(first).complete)
        self.assertEqual(self.name_source.calls, [{1, 2}])

    def test_calls_at_once(self) -> None:
        """
        Two calls are under way at most; what comes meanwhile is asked for together.
        """
        self.name_source.gate.held = True
        lookups = [self.look_up(each) for each in (1, 2, 3, 4, 5)]
        self.assertEqual(self.name_source.calls, [{1}, {2}])
        self.name_source.gate.let_one()
        self.assertEqual(self.name_source.calls[2:], [{3, 4, 5}])
        self.name_source.gate.open()
        for each in lookups:
            self.assertTrue(self.successResultOf(each).complete)

    def test_ids_a_call(self) -> None:
        """
        No call is larger than 500 ids.
        """
        self.successResultOf(self.look_up(*range(1, 1202)))
        sizes = [len(each) for each in self.name_source.calls]
        self.assertEqual(sizes, [500, 500, 201])

    def test_cancelled(self) -> None:
        """
        A look-up that is given up does not stop the fetch.
        """
        self.name_source.gate.held = True
        given_up = self.look_up(1)
        given_up.cancel()
        self.failureResultOf(given_up, CancelledError)
        other = self.look_up(1)
        self.name_source.gate.open()
        self.assertTrue(self.successResultOf(other).complete)
        self.assertEqual(len(self.name_source.calls), 1)

    def test_stop(self) -> None:
        """
        Stopping answers every look-up and leaves nothing behind.
        """
        self.name_source.gate.held = True
        waiting = self.look_up(1)
        self.names.startService()
        self.names.stopService()
        self.assertEqual(self.successResultOf(waiting).missing, {1})
        self.assertEqual(self.name_source.gate.waiting, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class Failing(NamesCase):
    def test_answers_at_once(self) -> None:
        """
        A call that fails ends the wait at once, and nobody waits for the service while
        it is left alone; afterwards what was asked for meanwhile is fetched.
        """
        self.name_source.error = UpstreamError("down")
        found = self.successResultOf(self.look_up(1))
        self.assertEqual(found.missing, {1})
        self.assertTrue(self.names.failing)
        self.assertEqual(self.successResultOf(self.look_up(2)).missing, {2})
        self.assertEqual(len(self.name_source.calls), 1)
        self.name_source.error = None
        self.clock.advance(5)
        self.assertFalse(self.names.failing)
        self.assertEqual(self.name_source.calls[1:], [{2}])
        self.assertTrue(self.successResultOf(self.look_up(2)).complete)

    def test_retry_after(self) -> None:
        """
        The service is left alone for as long as it says.
        """
        self.name_source.error = UpstreamError("limited", retry_after=60)
        self.successResultOf(self.look_up(1))
        self.clock.advance(59)
        self.assertTrue(self.names.failing)
        self.clock.advance(1)
        self.assertFalse(self.names.failing)

    def test_bug_in_the_source(self) -> None:
        """
        An error of any other kind is logged and is not the end.
        """
        self.name_source.error = ZeroDivisionError()
        self.assertFalse(self.successResultOf(self.look_up(1)).complete)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.name_source.error = None
        self.clock.advance(5)
        self.assertTrue(self.successResultOf(self.look_up(1)).complete)

    def test_no_answer_for_one(self) -> None:
        """
        An id that could not be asked for is missing now, and asked for the next time.
        """
        self.name_source.silent = {2}
        found = self.successResultOf(self.look_up(1, 2))
        self.assertEqual(found, Found({1: "Jita"}, frozenset({2})))
        self.name_source.silent = set()
        self.assertTrue(self.successResultOf(self.look_up(1, 2)).complete)

    def test_store_unavailable(self) -> None:
        """
        Where the store can't be read the killmail goes without names.
        """
        self.patch(self.store, "read_names", lambda ids: fail(StoreUnavailable("no")))
        self.assertEqual(self.successResultOf(self.look_up(1)).missing, {1})

    def test_names_that_cannot_be_kept(self) -> None:
        """
        Names are used though the store can't keep them.
        """
        self.patch(self.store, "keep_names", lambda found: fail(StoreUnavailable("no")))
        self.assertTrue(self.successResultOf(self.look_up(1)).complete)
        self.assertEqual(self.names.failures, 0)

    def test_nameless_for_a_day(self) -> None:
        """
        Memory holds for a day that an id has no name; then the store is asked again.
        """
        self.successResultOf(self.look_up(99))
        self.clock.advance(86401)
        asked: list[object] = []

        def read_names(ids: object) -> Deferred[dict[int, str | None]]:
            asked.append(ids)
            return succeed({99: "Born"})

        self.patch(self.store, "read_names", read_names)
        found = self.successResultOf(self.look_up(99))
        self.assertEqual(found.names, {99: "Born"})


class Rename(PastCase):
    """
    Killmails that were stored without their names.
    """

    def setUp(self) -> None:
        super().setUp()
        self.renamer = Renamer(self.clock, self.store, self.names)
        self.renamer.startService()
        self.addCleanup(self.renamer.stopService)
        self.name_source.known = {30000142: "Jita", 90000001: "Pilot", 587: "Rifter"}

    def store_unnamed(self, *ids: int, victim: int = 90000001) -> None:
        entries = []
        for each in ids:
            one = entry(each, victim=victim)
            entries.append(Entry(one.killmail, one.body, one.sizes, named=False))
        self.successResultOf(self.store.commit(Change(entries)))

    def look(self) -> None:
        self.clock.advance(60)
        self.clock.pump([0.1] * 20)

    def test_renamed(self) -> None:
        """
        More than one slice of killmails get their names, and are not looked at again.
        """
        ids = range(1, 51)
        self.store_unnamed(*ids)
        self.look()
        for each in ids:
            document = self.document(each)
            self.assertEqual(document["solar_system_name"], "Jita")
            self.assertEqual(document["victim"]["character_name"], "Pilot")
        self.assertEqual(self.renamer.renamed, 50)
        self.look()
        self.assertEqual(self.renamer.renamed, 50)

    def test_waits_for_the_service(self) -> None:
        """
        Nothing is written while the service is down, however long; then all is.
        """
        self.store_unnamed(1)
        self.name_source.error = UpstreamError("down")
        for _ in range(20):
            self.look()
        self.assertEqual(self.renamer.renamed, 0)
        self.name_source.error = None
        for _ in range(10):
            self.look()
        self.assertEqual(self.document(1)["solar_system_name"], "Jita")

    def test_id_without_an_answer(self) -> None:
        """
        A name that never comes does not keep the others from theirs for ever.
        """
        self.name_source.silent = {90000001}
        self.store_unnamed(*range(1, 21))
        self.store_unnamed(21, victim=90000002)
        for _ in range(8):
            self.look()
        self.assertEqual(self.document(21)["solar_system_name"], "Jita")
        self.assertNotIn("character_name", self.document(1)["victim"])

    def test_poison(self) -> None:
        """
        A killmail that can't be written again stays as it is; the others are named.
        """

        def encode_again(body: Body, names: Mapping[int, str]) -> Body:
            if b'"killmail_id":1,' in body.main:
                raise ZeroDivisionError
            return killmail.encode_again(body, names)

        self.patch(renaming, "encode_again", encode_again)
        self.store_unnamed(1, 2)
        self.look()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.document(2)["solar_system_name"], "Jita")
        self.assertNotIn("solar_system_name", self.document(1))

    def test_store_unavailable(self) -> None:
        """
        It survives a store that can't be read.
        """
        read = self.store.read_unnamed
        self.store_unnamed(1)
        self.store.read_unnamed = lambda limit: fail(StoreUnavailable("no"))  # type: ignore[method-assign]
        self.look()
        self.store.read_unnamed = read  # type: ignore[method-assign]
        self.look()
        self.assertEqual(self.renamer.renamed, 1)

    def test_found(self) -> None:
        """
        Names that are found are those of the store's table.
        """
        self.successResultOf(self.store.keep_names(NamesFound({587: "Rifter II"})))
        self.store_unnamed(1)
        self.look()
        self.assertEqual(self.document(1)["victim"]["ship_name"], "Rifter II")
