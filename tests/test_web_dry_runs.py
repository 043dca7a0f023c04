"""
What streams would begin with, told without streaming.
"""

import json
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from tests.support.lookups import CHARACTER, SYSTEM, LookupCase
from tests.support.web import NOW
from wanderer_twisted.encoding import timestamp
from wanderer_twisted.interfaces import Expired, StoreUnavailable
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import Change, Marks, Report
from wanderer_twisted.web.dry_runs import MOST_AT_ONCE

STREAM = "/api/v1/kills/stream"
DRY = f"{STREAM}?character_ids={CHARACTER}&preload_days=7&dry_run=1"
DAY = 86_400


class DryRunCase(LookupCase):
    def plan(self, target: str, *headers: str) -> Any:
        response = self.get(target, *headers)
        self.assertEqual(response.status, 200, response.body)
        self.assertEqual(response.headers["Content-Type"], "application/json")
        document = json.loads(response.body)
        self.assertEqual(list(document), ["data", "timestamp"])
        self.assertEqual(document["timestamp"], timestamp(NOW))
        return document["data"]

    def refused(self, target: str, *headers: str) -> str:
        """
        The type of a refusal that says when to come again.
        """
        response = self.get(target, *headers)
        self.assertEqual(response.status, 503)
        self.assertIn("Retry-After", response.headers)
        kind: str = json.loads(response.body)["error"]["type"]
        return kind


class PlanTests(DryRunCase):
    """
    What is told.
    """

    def test_plan(self) -> None:
        """
        The filter, and the history as a stream would get it, told as ``transition``
        does.
        """
        for killmail_id in range(1, 6):
            self.add(killmail_id, age=DAY * killmail_id)
        self.add(6, age=8 * DAY)
        self.site.history.standing = Report(2, 1, NOW - DAY, days=7, days_complete=6)
        self.assertEqual(
            self.plan(DRY),
            {
                "filters": {
                    "system_ids": [],
                    "character_ids": [CHARACTER],
                    "corporation_ids": [],
                    "alliance_ids": [],
                    "min_value": None,
                    "preload_days": 7,
                    "since": None,
                },
                "total_historical": 5,
                "total_batches": 3,
                "missing": 2,
                "coverage": {
                    "complete": False,
                    "ids_incomplete": 1,
                    "from": timestamp(NOW - DAY),
                    "days": 7,
                    "days_complete": 6,
                },
            },
        )
        ((wanted, cutoff),) = self.site.history.asked
        self.assertEqual(wanted.character_ids, (CHARACTER,))
        self.assertEqual(cutoff, NOW - 7 * DAY)

    def test_since(self) -> None:
        """
        So for a moment, which is told as one.
        """
        self.add(1, age=3600)
        self.add(2, age=7201)
        plan = self.plan(f"{STREAM}?system_ids={SYSTEM}&since=2h&dry_run=1")
        self.assertEqual(plan["total_historical"], 1)
        self.assertEqual(plan["filters"]["since"], timestamp(NOW - 7200))
        self.assertEqual(plan["filters"]["preload_days"], 0)

    def test_without_a_past(self) -> None:
        """
        Without a look back there is nothing to count, and nobody is asked.
        """
        self.store.close()
        plan = self.plan(f"{STREAM}?dry_run=1")
        del plan["filters"]
        self.assertEqual(
            plan,
            {
                "total_historical": 0,
                "total_batches": 0,
                "missing": 0,
                "coverage": None,
            },
        )
        self.assertEqual(self.site.history.asked, [])

    def test_stored_meanwhile(self) -> None:
        """
        What makes a history complete is counted.
        """

        def report(wanted: Filter, cutoff: int) -> Deferred[Report]:
            self.add(1)
            return succeed(Report(0, 0, cutoff))

        self.patch(self.site.history, "report", report)
        plan = self.plan(DRY)
        self.assertTrue(plan["coverage"]["complete"])
        self.assertEqual(plan["total_historical"], 1)

    def test_posted(self) -> None:
        """
        A body may ask for it, on either route.
        """
        self.add(1, age=60)
        for path in (STREAM, f"{STREAM}/enhanced"):
            body = b'{"system_ids":[%d],"since":"2h","dry_run":true}' % SYSTEM
            response = self.post(path, body)
            self.assertEqual(json.loads(response.body)["data"]["total_historical"], 1)

    def test_head(self) -> None:
        """
        HEAD tells the length alone.
        """
        length = self.get(DRY).headers["Content-Length"]
        raw = self.site.ask(DRY, method="HEAD").raw
        self.assertIn(f"\r\nContent-Length: {length}\r\n".encode(), raw)
        self.assertTrue(raw.endswith(b"\r\n\r\n"))

    def test_cursor(self) -> None:
        """
        A cursor says nothing: it is the plan of one who begins anew.
        """
        self.add(1, age=60)
        plan = self.plan(DRY, "Last-Event-ID: l.abc123.00000001")
        self.assertEqual(plan["total_historical"], 1)

    def test_costs_nothing(self) -> None:
        """
        No stream is opened, no place taken and nothing fetched, for an EventSource too,
        and the connection is kept.
        """
        self.site.history.standing = Report(0, 1, None)
        self.site.admission.connections = 0
        self.plan(DRY, "Accept: text/event-stream")
        self.assertEqual((self.site.hub.wishes, self.site.history.wanted), ([], []))
        self.assertEqual(self.site.admission.admitted, 0)
        self.assertFalse(self.site.ask(DRY).closed)


class RefusalTests(DryRunCase):
    """
    When nothing can be told.
    """

    def test_unavailable(self) -> None:
        """
        A store that cannot be read is told in a status, never softly, and holds no
        place.
        """
        self.store.close()
        for _ in range(MOST_AT_ONCE + 1):
            kind = self.refused(DRY, "Accept: text/event-stream")
            self.assertEqual(kind, "unavailable")
        self.assertEqual(self.site.api.refused, {})

    def test_history_unavailable(self) -> None:
        """
        So is one that fails while the report is made.
        """
        self.patch(self.site.history, "report", lambda *_: fail(StoreUnavailable()))
        self.assertEqual(self.refused(DRY), "unavailable")

    def test_pruned(self) -> None:
        """
        What was removed when less was kept is not looked for; what is removed in this
        very moment cannot be told.
        """
        self.successResultOf(self.store.commit(Change()))
        self.add(1, age=3 * DAY)
        self.store._clock.advance(300 * DAY)  # type: ignore[attr-defined]
        while self.successResultOf(self.store.prune(NOW + 300 * DAY)):
            pass
        marks = self.successResultOf(self.store.read_marks())
        self.assertEqual(self.plan(DRY)["total_historical"], 0)
        ((_, cutoff),) = self.site.history.asked
        self.assertEqual(cutoff, marks.floor_time + 1)
        self.patch(self.store, "measure_history", lambda *_: fail(Expired()))
        self.assertEqual(self.refused(DRY), "unavailable")

    def test_indexing(self) -> None:
        """
        A past that is not indexed yet is not counted.
        """
        self.site.store.indexed = ("character", "system")
        kind = self.refused(f"{STREAM}?alliance_ids=1&dry_run=1")
        self.assertEqual(kind, "indexing")

    def test_bad_parameters(self) -> None:
        """
        What a stream would refuse is refused.
        """
        response = self.get(f"{STREAM}?preload_days=7&dry_run=1")
        self.assertEqual(response.status, 400)

    def test_many_at_once(self) -> None:
        """
        Eight are measured at once; one more is told to come back, until another is
        done or leaves.
        """
        answers: list[Deferred[Marks]] = []

        def read_marks() -> Deferred[Marks]:
            answers.append(Deferred())
            return answers[-1]

        self.patch(self.store, "read_marks", read_marks)
        clients = [self.site.ask(DRY) for _ in range(MOST_AT_ONCE)]
        self.assertEqual((len(answers), self.refused(DRY)), (8, "busy"))
        clients[0].leave()
        answers[1].callback(Marks())
        self.assertEqual(clients[1].response.status, 200)
        clients += [self.site.ask(DRY), self.site.ask(DRY)]
        self.assertEqual((len(answers), self.refused(DRY)), (10, "busy"))
        for client in clients[2:]:
            client.leave()
