"""
The path that every killmail takes, from what a source sent to what the store takes.
"""

from collections.abc import Sequence
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred
from zope.interface.verify import verifyObject

from tests.support.past import NOW, PastCase, package
from wanderer_twisted.encoding import loads
from wanderer_twisted.ingest import intake
from wanderer_twisted.ingest.intake import PATIENCE_OF_FEEDS, Intake, Prepared
from wanderer_twisted.interfaces import IBodySource, Refused, UpstreamError
from wanderer_twisted.records import Package


class IntakeCase(PastCase):
    def prepare(
        self, *packages: Package, arrived: float | None = None, **whose: Any
    ) -> Deferred[Prepared]:
        since = self.clock.seconds() if arrived is None else arrived
        preparing = self.intake.prepare(packages, since, **whose)
        return Deferred.fromCoroutine(preparing)

    def prepared(self, *packages: Package, **whose: Any) -> Prepared:
        preparing = self.prepare(*packages, **whose)
        self.settle()
        return self.successResultOf(preparing)

    def ids(self, prepared: Prepared) -> Sequence[int]:
        return [each.killmail.killmail_id for each in prepared.entries]


class Checked(IntakeCase):
    def test_in_order(self) -> None:
        """
        Killmails come out in the order in which they went in, however many.
        """
        ids = [*range(30, 0, -1)]
        prepared = self.prepared(*map(package, ids))
        self.assertEqual(self.ids(prepared), ids)
        self.assertEqual(prepared.rejects, [])

    def test_poison(self) -> None:
        """
        What is no killmail is set aside with its reason, and nothing else is.
        """
        bad = Package(2, "cd" * 20, {"killmail_id": 2}, {"hash": "x"})
        prepared = self.prepared(package(1), bad, package(3))
        self.assertEqual(self.ids(prepared), [1, 3])
        (reject,) = prepared.rejects
        self.assertEqual((reject.killmail_id, reject.hash), (2, "cd" * 20))
        self.assertIn("killmail_time", reject.reason)
        self.assertEqual(loads(reject.document)["esi"], {"killmail_id": 2})
        self.assertEqual((reject.kind, reject.owner), (None, None))

    def test_owner(self) -> None:
        """
        A reject says whose history it is missing from.
        """
        prepared = self.prepared(Package(2, None, None), kind="system", owner=30000142)
        (reject,) = prepared.rejects
        self.assertEqual((reject.kind, reject.owner), ("system", 30000142))

    def test_document_that_cannot_be_kept(self) -> None:
        """
        A document that is no JSON, or is huge, does not get in the way.
        """
        odd, huge = Package(1, None, {"x": {1, 2}}), Package(2, None, "x" * 100_000)
        first, second = self.prepared(odd, huge).rejects
        self.assertIn(b"set", first.document)
        self.assertEqual(len(second.document), 65536)

    def test_another_killmail(self) -> None:
        """
        A body that belongs to another killmail is not taken for this one's.
        """
        wrong = attrs.evolve(package(1), killmail_id=2)
        (reject,) = self.prepared(wrong).rejects
        self.assertIn("killmail 1", reject.reason)

    def test_bug(self) -> None:
        """
        An error that nobody foresaw sets that one killmail aside, and is logged.
        """
        self._break("decode", 2)
        self._break("encode", 3)
        prepared = self.prepared(package(1), package(2), package(3))
        self.assertEqual(self.ids(prepared), [1])
        self.assertEqual([each.killmail_id for each in prepared.rejects], [2, 3])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def _break(self, name: str, killmail_id: int) -> None:
        real = getattr(intake, name)

        def broken(subject: Any, *rest: Any) -> Any:
            body = subject if isinstance(subject, dict) else subject.esi
            if body["killmail_id"] == killmail_id:
                raise ZeroDivisionError
            return real(subject, *rest)

        self.patch(intake, name, broken)


class Bodies(IntakeCase):
    def setUp(self) -> None:
        super().setUp()
        for each in range(1, 21):
            self.bodies.bodies[each] = package(each).esi
        self.lacking = [package(each, has_body=False) for each in range(1, 21)]

    def test_fake_is_a_source(self) -> None:
        """
        The fake is a body source.
        """
        verifyObject(IBodySource, self.bodies)

    def test_fetched(self) -> None:
        """
        A body that is missing is fetched by id and hash; zKillboard's block stays.
        """
        (entry,) = self.prepared(self.lacking[0]).entries
        self.assertEqual(entry.killmail.value, 1.0)
        self.assertEqual(entry.killmail.hash, "ab" * 20)
        self.assertEqual(self.bodies.asked, [1])

    def test_several_at_once(self) -> None:
        """
        Eight are fetched at once, and the order stays.
        """
        self.bodies.gate.held = True
        preparing = self.prepare(*self.lacking)
        self.assertEqual(len(self.bodies.gate.waiting), 8)
        self.bodies.gate.waiting.pop(3).callback(None)
        self.assertEqual(len(self.bodies.gate.waiting), 8)
        self.bodies.gate.open()
        self.settle()
        prepared = self.successResultOf(preparing)
        self.assertEqual(self.ids(prepared), [*range(1, 21)])
        self.assertEqual(self.bodies.gate.most, 8)

    def test_refused(self) -> None:
        """
        A body that is refused is not asked for again, and told.
        """
        self.bodies.errors[1] = [Refused("422")]
        prepared = self.prepared(*self.lacking[:2])
        self.assertEqual(self.ids(prepared), [2])
        self.assertEqual(prepared.rejects[0].reason, "Its body can't be had: 422")
        self.assertFalse(prepared.lacking)
        self.assertEqual(self.bodies.asked, [1, 2])

    def test_asked_again(self) -> None:
        """
        A body that can't be had now is waited for, as long as ESI says.
        """
        self.bodies.errors[1] = [UpstreamError("down"), UpstreamError("busy", 40)]
        preparing = self.prepare(self.lacking[0])
        self.clock.pump([1.9, 0.2])
        self.assertEqual(len(self.bodies.asked), 2)
        self.clock.pump([39, 0.9])
        self.assertNoResult(preparing)
        self.clock.advance(0.2)
        self.assertEqual(self.ids(self.successResultOf(preparing)), [1])

    def test_asked_again_without_holding_up(self) -> None:
        """
        A body that is waited for does not take the place of others.
        """
        for each in range(1, 9):
            self.bodies.errors[each] = [UpstreamError("down")]
        self.prepare(*self.lacking)
        self.assertEqual(len(self.bodies.asked), 20)

    def test_given_up(self) -> None:
        """
        After ten minutes it is set aside with its reason.
        """
        self.bodies.errors[1] = [UpstreamError("down")] * 100
        preparing = self.prepare(self.lacking[0])
        self.clock.pump([1.0] * 540)
        self.assertNoResult(preparing)
        self.assertEqual(self.intake.trouble, "The body of 1 is lacking: down")
        self.clock.pump([1.0] * 60)
        prepared = self.successResultOf(preparing)
        (reject,) = prepared.rejects
        self.assertEqual(reject.reason, "Its body can't be had: down")
        self.assertTrue(prepared.lacking)
        self.assertEqual(self.intake.trouble, "")

    def test_downtime(self) -> None:
        """
        A feed waits for the end of ESI's daily downtime; who can be asked again by
        others gives up at once.
        """
        down = UpstreamError("downtime", 1320)
        self.bodies.errors[1] = [down, down]
        self.assertTrue(self.prepared(self.lacking[0]).lacking)
        self.intake = Intake(self.clock, self.bodies, self.names, PATIENCE_OF_FEEDS)
        preparing = self.prepare(self.lacking[0])
        self.assertIn("downtime", self.intake.trouble)
        self.clock.advance(1319)
        self.assertNoResult(preparing)
        self.clock.advance(1)
        self.assertEqual(self.ids(self.successResultOf(preparing)), [1])

    def test_told_after_a_minute(self) -> None:
        """
        That it waits is told when it has for a while, however often it asks.
        """
        self.bodies.errors[1] = [UpstreamError("busy", 10)] * 100
        preparing = self.prepare(self.lacking[0])
        self.clock.pump([10.0] * 4)
        self.assertEqual(self.intake.trouble, "")
        self.clock.pump([10.0])
        self.assertIn("busy", self.intake.trouble)
        preparing.cancel()
        self.failureResultOf(preparing, CancelledError)
        self.assertEqual(self.intake.trouble, "")

    def test_never(self) -> None:
        """
        What is given up a day later still will not come.
        """
        never = UpstreamError("down", 3600)
        self.bodies.errors[1] = [never] * 3
        for later, may_come in ((0, True), (3600, True), (86_400, False)):
            self.clock.advance(later)
            self.assertEqual(self.prepared(self.lacking[0]).lacking, may_come)

    def test_nothing_to_ask_by(self) -> None:
        """
        Without a hash there is nothing to ask by.
        """
        (reject,) = self.prepared(Package(1, None)).rejects
        self.assertIn("no body", reject.reason)
        self.assertEqual(self.bodies.asked, [])

    def test_cancelled(self) -> None:
        """
        Cancelling leaves no request behind.
        """
        self.bodies.gate.held = True
        preparing = self.prepare(*self.lacking)
        preparing.cancel()
        self.failureResultOf(preparing, CancelledError)
        self.assertEqual(self.bodies.gate.waiting, [])


class Named(IntakeCase):
    def setUp(self) -> None:
        super().setUp()
        self.name_source.known = {30000142: "Jita", 7: "Pilot", 8: "Gunner"}

    def test_one_look_up(self) -> None:
        """
        The names of all that came together are asked for in one call.
        """
        packages = package(1, victim=7), package(2, victim=8, attackers=[7])
        first, second = self.prepared(*packages).entries
        self.assertEqual(len(self.name_source.calls), 1)
        self.assertTrue(first.named and second.named)
        document = loads(second.body.json(True))
        self.assertEqual(document["attackers"][0]["character_name"], "Pilot")
        self.assertEqual(document["solar_system_name"], "Jita")

    def test_deadline_from_arrival(self) -> None:
        """
        Names are waited for until two seconds after the arrival, not after the look-up.
        """
        self.name_source.gate.held = True
        preparing = self.prepare(package(1), arrived=NOW - 1.5)
        self.clock.advance(0.4)
        self.assertNoResult(preparing)
        self.clock.advance(0.2)
        (entry,) = self.successResultOf(preparing).entries
        self.assertFalse(entry.named)
        self.assertNotIn(b"Jita", entry.body.main)

    def test_each_for_itself(self) -> None:
        """
        A name that is missing makes only its own killmail unnamed.
        """
        self.name_source.silent = {8}
        first, second = self.prepared(
            package(1, victim=7), package(2, victim=8)
        ).entries
        self.assertTrue(first.named)
        self.assertFalse(second.named)
