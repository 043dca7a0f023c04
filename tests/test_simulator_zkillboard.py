"""
The simulated zKillboard's API keeps the rules of contracts.md.
"""

from typing import Any

from tests.support.killmails import START, esi
from tests.support.simulator import SimulatorCase
from wanderer_twisted.encoding import loads


class ZKillboardTests(SimulatorCase):
    """
    contracts.md §3.
    """

    def documents(self) -> list[dict[str, Any]]:
        return [
            esi(
                1000 + n,
                kill_time=START - 3600 * (450 - n),
                victim=90000001 if n % 50 else None,
                attackers=[90000002],
            )
            for n in range(451)
        ]

    tail = 1

    def rows(self, path: str) -> list[int]:
        self.clock.advance(1)
        answer = self.ask(f"/zkb/api/{path}")
        self.assertEqual(answer.status, 200)
        return [row["killmail_id"] for row in answer.json()]

    def test_pages_of_200_newest_first(self) -> None:
        """
        What is younger than five minutes is left out of its page, not made up for.
        """
        pages = [self.rows(f"characterID/90000002/page/{n}/") for n in (1, 2, 3, 4)]
        self.assertEqual([len(page) for page in pages], [199, 200, 50, 0])
        rows = [row for page in pages for row in page]
        self.assertEqual(rows, list(range(1448, 999, -1)))

    def test_a_row(self) -> None:
        """
        ESI's body and a block without attackerCount and href.
        """
        answer = self.ask("/zkb/api/killID/1007/")
        (row,) = answer.json()
        posting = self.world.postings[1007]
        self.assertEqual(row.pop("zkb"), loads(posting.zkb()))
        self.assertEqual(row, loads(posting.esi()))
        self.assertNotIn(b"href", answer.body)
        self.assertEqual(answer.headers["cache-control"], "public, max-age=3600")

    def test_a_row_without_its_body(self) -> None:
        """
        As between 2025 and June 2026.
        """
        self.world.rules.zkb_bodies = False
        (row,) = self.ask("/zkb/api/killID/1007/").json()
        self.assertEqual(set(row), {"killmail_id", "zkb"})

    def test_entities_and_sides(self) -> None:
        """
        Characters on either side or one, systems by both their names.
        """
        self.assertEqual(self.rows("losses/characterID/90000002/"), [])
        both = self.rows("characterID/90000001/")
        self.assertEqual(both, self.rows("characterID/90000001/losses/"))
        self.assertEqual(self.rows("kills/characterID/90000001/"), [])
        system = self.rows("systemID/30000142/")
        self.assertEqual(system, self.rows("solarSystemID/30000142/"))
        self.assertEqual(len(system), 199)
        self.assertEqual(self.rows("solarSystemID/30000001/"), [])

    def test_months(self) -> None:
        """
        A month with its year, or of this year; a year alone is ignored.
        """
        october = self.rows("characterID/90000002/year/2026/month/10/page/1/")
        self.assertEqual(october, self.rows("characterID/90000002/month/10/"))
        self.assertEqual(len(october), 200)
        self.assertEqual(len(self.rows("characterID/90000002/year/2025/month/10/")), 0)
        self.assertEqual(len(self.rows("characterID/90000002/year/2025/")), 199)
        november = self.rows("characterID/90000002/year/2026/month/11/")
        self.assertTrue(november)
        self.assertFalse(set(november) & set(october))

    def test_past_seconds(self) -> None:
        """
        So long ago and no longer; not a multiple of an hour is a failed query.
        """
        self.assertEqual(len(self.rows("characterID/90000002/pastSeconds/7200/")), 1)
        answer = self.ask("/zkb/api/characterID/90000002/pastSeconds/100/")
        self.assertEqual(answer.body, b"[null]")

    def test_an_answer_is_stale_for_an_hour(self) -> None:
        """
        The same URL says the same, another one is fresh; without the cache all are.
        """
        first = self.rows("characterID/90000002/")
        self.world.play(3)
        self.clock.advance(600)
        self.assertEqual(self.rows("characterID/90000002/"), first)
        self.assertNotEqual(self.rows("kills/characterID/90000002/"), first)
        self.clock.advance(3000)
        self.assertNotEqual(self.rows("characterID/90000002/"), first)
        self.world.rules.zkb_cache = 0
        before = self.rows("characterID/90000002/page/1/")
        self.world.play(1)
        self.clock.advance(600)
        self.assertNotEqual(self.rows("characterID/90000002/page/1/"), before)

    def test_urls_are_strict(self) -> None:
        """
        No query string, a trailing slash, no double slash, a user agent.
        """
        answer = self.ask("/zkb/api/characterID/1/?page=2")
        self.assertEqual(answer.status, 403)
        self.assertIn(b"Do not include a query string", answer.body)
        self.assertEqual(self.ask("/zkb/api/characterID/1/?").status, 403)
        answer = self.ask("/zkb/api/characterID/1")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertEqual(answer.reason, "Missing trailing slash")
        self.assertEqual(answer.headers["content-type"], "text/html; charset=UTF-8")
        answer = self.ask("/zkb/api//characterID/1/")
        self.assertEqual(answer.status, 301)
        self.assertEqual(answer.headers["location"], "/zkb/api/characterID/1/")
        self.assertEqual(self.ask("/zkb/api/characterID/1/", agent=None).status, 403)

    def test_bad_modifiers_are_errors_with_200(self) -> None:
        """
        An object with ``error``, as PHP words it.
        """
        for path, message in (
            ("", "Please provide an entity filter first."),
            ("page/1/", "Please provide an entity filter first."),
            ("page/2/characterID/1/", "Please provide an entity filter first."),
            ("characterID/1/page/101/", "page value > 100 not allowed"),
            (
                "characterID/1/pastSeconds/608400/",
                "pastSeconds is limited to a max of 7 days",
            ),
            ("characterID/1,2/", "Due to exccessive abuse"),
            ("characterID/01/", "01 is not a valid value for characterID"),
            ("characterID/", " is not a valid value"),
            ("characterID/1/zkbOnly/", "zkbOnly is an invalid parameter"),
            ("characterID/1/startTime/1/", "startTime/endTime no longer supported"),
            ("characterID/1/month/13/", "13 is not a valid month"),
        ):
            self.clock.advance(1)
            answer = self.ask(f"/zkb/api/{path}")
            self.assertEqual(answer.status, 200)
            self.assertIn(message, answer.json()["error"], path)

    def test_many_errors_are_blocked(self) -> None:
        """
        After forty within five minutes the answer is a redirect.
        """
        for _ in range(41):
            self.clock.advance(1)
            answer = self.ask("/zkb/api/page/1/")
        self.assertEqual(answer.status, 302)
        self.assertEqual(answer.headers["location"], "/zkb/api/blocked.json")

    def test_too_fast_is_429(self) -> None:
        """
        More than ten in a second.
        """
        statuses = [self.ask("/zkb/api/killID/1007/").status for _ in range(11)]
        self.assertEqual(statuses, [200] * 10 + [429])
