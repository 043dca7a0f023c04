"""
``/api/v1/coverage`` over a real store.
"""

from typing import Any

import attrs

from tests.support.lookups import LookupCase
from tests.support.web import NOW
from wanderer_twisted.days import day_of, readable, start_of
from wanderer_twisted.encoding import loads, timestamp
from wanderer_twisted.records import ArchivedDay, Change, Hole

COVERAGE = "/api/v1/coverage"
YESTERDAY = day_of(NOW) - 1
NIGHT = start_of(YESTERDAY) + 108_000.0  # six in the morning of today

WHOLE = ArchivedDay(
    YESTERDAY, expected=3, have=3, listed_at=NIGHT, tried_at=NIGHT, loaded=True
)
IN_PARTS = ArchivedDay(
    YESTERDAY - 1, expected=5, have=4, listed_at=NIGHT, loaded=True, reason="1 refused"
)
#: At noon of yesterday.
HOLE = Hole(
    "r2z2", 7, 9, start_of(YESTERDAY) + 43_200.0, start_of(YESTERDAY) + 43_260.0
)


class CoverageTests(LookupCase):
    """
    What the store has of each day.
    """

    def keep(self, *days: ArchivedDay, holes: tuple[Hole, ...] = ()) -> None:
        change = Change(days=days, holes=holes)
        self.successResultOf(self.store.commit(change))

    def holes(self) -> list[dict[str, Any]]:
        holes: list[dict[str, Any]] = self.data(COVERAGE)["holes"]
        return holes

    def test_nothing(self) -> None:
        """
        Every day that anybody may look back to is there, the newest first, without
        today, which no archive has yet.
        """
        data = self.data(COVERAGE)
        self.assertEqual(
            list(data), ["days", "complete", "days_total", "backfill_days", "holes"]
        )
        days = [each["day"] for each in data["days"]]
        self.assertEqual(days, [readable(YESTERDAY - n) for n in range(90)])
        self.assertEqual((data["complete"], data["days_total"]), (0, 90))
        self.assertEqual((data["backfill_days"], data["holes"]), (30, []))
        self.assertEqual(
            data["days"][0],
            {
                "day": readable(YESTERDAY),
                "expected": 0,
                "have": 0,
                "complete": False,
                "listed_at": None,
                "reason": "",
            },
        )

    def test_days(self) -> None:
        """
        A day says what there is of it, and what is wrong with it.
        """
        self.keep(WHOLE, IN_PARTS, attrs.evolve(WHOLE, day=YESTERDAY - 90))
        data = self.data(COVERAGE)
        self.assertEqual(data["complete"], 1)
        self.assertEqual(
            data["days"][:2],
            [
                {
                    "day": readable(YESTERDAY),
                    "expected": 3,
                    "have": 3,
                    "complete": True,
                    "listed_at": timestamp(NIGHT),
                    "reason": "",
                },
                {
                    "day": readable(YESTERDAY - 1),
                    "expected": 5,
                    "have": 4,
                    "complete": False,
                    "listed_at": timestamp(NIGHT),
                    "reason": "1 refused",
                },
            ],
        )

    def test_holes(self) -> None:
        """
        A hole is told until it is forgotten, and whether the archive made it good.
        """
        self.keep(holes=(HOLE,))
        told = {
            "source": "r2z2",
            "since": timestamp(HOLE.since),
            "until": timestamp(HOLE.until),
            "repaired": False,
        }
        self.assertEqual(self.holes(), [told])
        self.keep(WHOLE)  # as it was before the hole was known
        self.assertEqual(self.holes(), [told])
        self.keep(attrs.evolve(WHOLE, tried_at=NOW))
        self.assertEqual(self.holes(), [{**told, "repaired": True}])

    def test_many_holes(self) -> None:
        """
        Of very many holes the newest are told.
        """
        many = [attrs.evolve(HOLE, since=HOLE.since + n) for n in range(1003)]
        self.keep(holes=tuple(many))
        told = [each["since"] for each in self.holes()]
        newest = [timestamp(HOLE.since + 1002 - n) for n in range(1000)]
        self.assertEqual(told, newest)

    def test_tag(self) -> None:
        """
        Who has it already is told no more than that, until something changes.
        """
        tag = self.get(COVERAGE).headers["ETag"]
        self.site.clock.advance(60)
        response = self.get(COVERAGE, f"If-None-Match: {tag}")
        self.assertEqual((response.status, response.body), (304, b""))
        self.keep(WHOLE)
        response = self.get(COVERAGE, f"If-None-Match: {tag}")
        self.assertEqual(response.status, 200)

    def test_methods(self) -> None:
        """
        HEAD gets the headers, OPTIONS the methods.
        """
        length = self.get(COVERAGE).headers["Content-Length"]
        raw = self.site.ask(COVERAGE, method="HEAD").raw
        self.assertIn(f"\r\nContent-Length: {length}\r\n".encode(), raw)
        response = self.get(COVERAGE, method="OPTIONS")
        self.assertEqual(response.headers["Allow"], "GET, HEAD, OPTIONS")

    def test_refusals(self) -> None:
        """
        There are no parameters, but for one against caches; and no store, no answer.
        """
        response = self.get(f"{COVERAGE}?days=5")
        self.assertEqual(response.status, 400)
        self.assertEqual(
            loads(response.body)["error"]["message"],
            "Unknown parameter 'days', this path takes none",
        )
        self.assertEqual(self.get(f"{COVERAGE}?_=5").status, 200)
        self.store.close()
        self.assertEqual(self.get(COVERAGE).status, 503)
