"""
The simulated ESI keeps the rules of contracts.md.
"""

from typing import Any

from tests.support.simulator import Answer, SimulatorCase
from wanderer_twisted.encoding import loads


class ESITests(SimulatorCase):
    """
    contracts.md §4.
    """

    def killmail(self, **more: Any) -> Answer:
        posting = self.world.postings[100]
        return self.ask(f"/esi/killmails/100/{posting.hash}/", **more)

    def names(self, ids: object) -> Answer:
        return self.post("/esi/universe/names", ids)

    def test_a_killmail(self) -> None:
        """
        With or without slash and version; ETag and 304.
        """
        answer = self.killmail()
        self.assertEqual(answer.json(), loads(self.world.postings[100].esi()))
        hash = self.world.postings[100].hash
        for path in (f"killmails/100/{hash}", f"latest/killmails/100/{hash}/"):
            self.assertEqual(self.ask(f"/esi/{path}").body, answer.body)
        again = self.killmail(If_None_Match=answer.headers["etag"])
        self.assertEqual((again.status, again.body), (304, b""))

    def test_a_wrong_hash_is_422(self) -> None:
        """
        As is an unknown id; what cannot be either is 400, another route 404.
        """
        for path, status in (
            (f"killmails/100/{'0' * 40}/", 422),
            (f"killmails/99/{self.world.postings[100].hash}/", 422),
            ("killmails/x/00/", 400),
            ("killmails/100/xyz/", 400),
            ("killmails/100/", 404),
            ("", 404),
        ):
            answer = self.ask(f"/esi/{path}")
            self.assertEqual(answer.status, status, path)
            self.assertIn("error", answer.json())

    def test_tokens(self) -> None:
        """
        2 for a success, 1 for a 304, 5 for an error; none left is 429 until the
        window has moved on.
        """
        first = self.killmail()
        headers = {k: v for k, v in first.headers.items() if "ratelimit" in k}
        self.assertEqual(
            headers,
            {
                "x-ratelimit-group": "killmail",
                "x-ratelimit-limit": "3600/15m",
                "x-ratelimit-remaining": "3598",
                "x-ratelimit-used": "2",
            },
        )
        again = self.killmail(If_None_Match=first.headers["etag"])
        self.assertEqual(again.headers["x-ratelimit-remaining"], "3597")
        wrong = self.ask(f"/esi/killmails/100/{'0' * 40}/")
        self.assertEqual(wrong.headers["x-ratelimit-remaining"], "3592")
        for _ in range(719):
            self.ask(f"/esi/killmails/100/{'0' * 40}/")
        refused = self.killmail()
        self.assertEqual(refused.status, 429)
        self.assertEqual(refused.headers["retry-after"], "901")
        self.assertEqual(self.names([30000142]).status, 200)
        self.clock.advance(901)
        self.assertEqual(self.killmail().status, 200)

    def test_names(self) -> None:
        """
        Each id with its name and category.
        """
        answer = self.names([90000001, 98000001, 587, 30000142])
        self.assertEqual(
            {each["name"] for each in answer.json()},
            {"Pilot 90000001", "Corporation 98000001", "Rifter", "Jita"},
        )
        self.assertEqual(answer.headers["x-esi-error-limit-remain"], "100")

    def test_one_unknown_id_spoils_the_call(self) -> None:
        """
        404 for all of them, and one error less to make.
        """
        answer = self.names([90000001, 3019582])
        self.assertEqual(answer.status, 404)
        self.assertEqual(
            answer.json(), {"error": "Ensure all IDs are valid before resolving."}
        )
        self.assertEqual(answer.headers["x-esi-error-limit-remain"], "99")

    def test_what_names_refuses(self) -> None:
        """
        None, too many, the same twice, and what is no list of integers.
        """
        ids = list(range(90000001, 90001002))
        bad: list[object] = [[], ids, [1, 1], ["1"], [True], {}, 1, b"[1", b"[NaN]"]
        for body in bad:
            self.assertEqual(self.names(body).status, 400, body)
        self.assertEqual(self.names(ids[:1000]).status, 200)
        self.assertEqual(self.ask("/esi/universe/names").status, 405)

    def test_the_error_limit(self) -> None:
        """
        After a hundred errors in a minute every route is 420 until the next.
        """
        for _ in range(100):
            self.names([])
        self.assertEqual(self.names([30000142]).status, 420)
        answer = self.killmail()
        self.assertEqual(answer.status, 420)
        self.assertIn("error limit", answer.json()["error"])
        reset = int(self.names([]).headers["x-esi-error-limit-reset"])
        self.clock.advance(reset)
        self.assertEqual(self.names([30000142]).status, 200)

    def test_the_date(self) -> None:
        """
        A past one is fine and the route's is told; the future and nonsense are 400.
        """
        answer = self.killmail(X_Compatibility_Date="2026-08-18")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["x-compatibility-date"], "2020-01-01")
        for text in ("2027-01-01", "yesterday"):
            self.assertEqual(self.killmail(X_Compatibility_Date=text).status, 400)

    def test_status(self) -> None:
        """
        Players and a bucket of its own.
        """
        answer = self.ask("/esi/status")
        self.assertGreater(answer.json()["players"], 0)
        self.assertEqual(answer.headers["x-ratelimit-group"], "status")
