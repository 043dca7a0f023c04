"""
The simulated services keep the rules of contracts.md.
"""

from typing import Any

from tests.support.killmails import START, esi
from tests.support.simulator import Answer, SimulatorCase
from wanderer_twisted.encoding import loads
from wanderer_twisted.simulator.redisq_filter import BadFilter, parse

DAY = 86_400


class R2Z2Tests(SimulatorCase):
    """
    contracts.md §2.
    """

    def file(self, sequence: int, **more: Any) -> Answer:
        return self.ask(f"/r2z2/ephemeral/{sequence}.json", **more)

    def test_a_document(self) -> None:
        """
        The keys in their order, the block with attackerCount and href, PHP's spelling.
        """
        (posting,) = self.world.play()
        answer = self.file(self.world.sequence)
        self.assertEqual(answer.status, 200)
        document = answer.json()
        self.assertEqual(
            list(document),
            ["killmail_id", "hash", "esi", "zkb", "uploaded_at", "sequence_id"],
        )
        self.assertEqual(document["killmail_id"], posting.killmail_id)
        self.assertEqual(document["esi"], loads(posting.esi()))
        self.assertEqual(document["hash"], document["zkb"]["hash"])
        self.assertEqual(document["uploaded_at"], int(self.clock.seconds()))
        self.assertEqual(document["sequence_id"], self.world.sequence)
        self.assertEqual(
            document["zkb"]["href"],
            f"https://esi.evetech.net/killmails/{posting.killmail_id}/{posting.hash}/",
        )
        self.assertIn(b"https:\\/\\/esi", answer.body)
        self.assertNotIn(b".0,", answer.body)

    def test_what_is_not_there_is_html_404(self) -> None:
        """
        Not yet, never, and no such path.
        """
        for name in (self.world.sequence + 1, 1, "sequences", "1x"):
            answer = self.ask(f"/r2z2/ephemeral/{name}.json")
            self.assertEqual(answer.status, 404)
            self.assertTrue(answer.body.startswith(b"<"))

    def test_the_pointer(self) -> None:
        """
        It tells a sequence that is there.
        """
        answer = self.ask("/r2z2/ephemeral/sequence.json")
        self.assertEqual(answer.json(), {"sequence": self.world.pointer})

    def test_a_404_survives_its_upload_by_a_second(self) -> None:
        """
        The edge keeps it until the URL is purged; a file nobody asked for is there.
        """
        missed = self.world.sequence + 1
        self.assertEqual(self.file(missed).status, 404)
        self.world.play(2)
        self.assertEqual(self.file(missed).status, 404)
        self.assertEqual(self.file(missed + 1).status, 200)
        self.clock.advance(6)
        self.assertEqual(self.file(missed).status, 200)

    def test_files_expire_after_a_day(self) -> None:
        """
        What was uploaded 24 h ago is gone.
        """
        sequence = self.world.sequence
        self.clock.advance(DAY - 1)
        self.assertEqual(self.file(sequence).status, 200)
        self.clock.advance(1)
        self.assertEqual(self.file(sequence).status, 404)

    def test_a_user_agent_is_mandatory(self) -> None:
        """
        Without one, and with a blank one, it is 403.
        """
        for agent in (None, "", "  "):
            self.assertEqual(self.file(self.world.sequence, agent=agent).status, 403)

    def test_fifteen_requests_a_second(self) -> None:
        """
        The sixteenth is 429; a second later all is well.
        """
        statuses = [self.file(self.world.sequence).status for _ in range(17)]
        self.assertEqual(statuses, [200] * 15 + [429] * 2)
        self.clock.advance(1)
        self.assertEqual(self.file(self.world.sequence).status, 200)

    def test_impatience_is_banned(self) -> None:
        """
        Who asks for a missing file again and again within six seconds is out for an
        hour; six seconds apart is fine.
        """
        missing = self.world.sequence + 1
        for _ in range(100):
            self.clock.advance(6)
            self.assertEqual(self.file(missing).status, 404)
        for _ in range(21):
            self.clock.advance(1)
            self.file(missing)
        self.assertEqual(self.file(self.world.sequence).status, 403)
        self.clock.advance(3_590)
        self.assertEqual(self.file(self.world.sequence).status, 403)
        self.clock.advance(20)
        self.assertEqual(self.file(self.world.sequence).status, 200)

    def test_limits_can_be_switched_off(self) -> None:
        """
        For benchmarks nothing is refused.
        """
        self.world.rules.limits = False
        statuses = {self.file(self.world.sequence).status for _ in range(100)}
        self.assertEqual(statuses, {200})

    def test_a_hole_stays_a_late_file_comes(self) -> None:
        """
        The next sequences are there meanwhile.
        """
        self.world.twist("hole")
        self.world.twist("late", seconds=20)
        self.world.play(3)
        last = self.world.sequence
        self.assertEqual(
            [self.file(last - n).status for n in (2, 1, 0)], [404, 404, 200]
        )
        self.clock.advance(30)
        self.assertEqual(
            [self.file(last - n).status for n in (2, 1, 0)], [404, 200, 200]
        )

    def test_a_swap_shows_the_next_one_first(self) -> None:
        """
        N + 1 is there before N, which follows two seconds later.
        """
        self.world.twist("swap")
        self.world.play()
        first = self.world.sequence
        self.clock.advance(600)
        self.world.play()
        self.assertIsNone(self.world._swapped)
        self.assertEqual(self.file(first + 1).status, 200)
        self.assertEqual(self.file(first).status, 404)
        self.clock.advance(6)
        self.assertEqual(self.file(first).status, 200)

    def test_a_null_placeholder(self) -> None:
        """
        Status 200 and nothing in it, as in production.
        """
        self.world.twist("null")
        self.world.play()
        document = self.file(self.world.sequence - 1).json()
        self.assertEqual(
            [document[key] for key in ("killmail_id", "hash", "esi")], [None] * 3
        )
        self.assertTrue(document["zkb"]["href"].endswith("/killmails///"))
        self.assertEqual(document["sequence_id"], self.world.sequence - 1)

    def test_a_file_can_be_taken_away(self) -> None:
        """
        For some seconds or for good.
        """
        sequence = self.world.sequence
        self.world.hide(sequence, 10)
        self.assertEqual(self.file(sequence).status, 404)
        self.clock.advance(12)
        self.assertEqual(self.file(sequence).status, 200)
        self.world.hide(sequence)
        self.clock.advance(100)
        self.assertEqual(self.file(sequence).status, 404)

    def test_gzip_where_it_is_accepted(self) -> None:
        """
        A smaller body that says so.
        """
        import gzip

        plain = self.file(self.world.sequence)
        packed = self.file(self.world.sequence, Accept_Encoding="gzip, br")
        self.assertEqual(packed.headers["content-encoding"], "gzip")
        self.assertEqual(gzip.decompress(packed.body), plain.body)
        self.assertEqual(packed.headers["content-length"], str(len(packed.body)))


class ArchiveTests(SimulatorCase):
    """
    contracts.md §2.3.
    """

    tail = 0

    def documents(self) -> list[dict[str, Any]]:
        return [esi(100 + n, kill_time=START - 43_200 * (9 - n)) for n in range(10)]

    def test_days_are_there_up_to_yesterday(self) -> None:
        """
        Totals, hashes and bodies agree; today, and what is no day, is 404.
        """
        totals = self.ask("/r2z2/history/totals.json").json()
        self.assertEqual(list(totals.values()), [1, 2, 2, 2, 2])
        self.assertEqual(list(totals), sorted(totals))
        for day, count in totals.items():
            hashes = self.ask(f"/r2z2/history/{day}.json").json()
            bodies = self.ask(f"/r2z2/history/raw/{day}.json").json()
            self.assertEqual(len(hashes), count)
            self.assertEqual(set(hashes), set(bodies))
            for id, body in bodies.items():
                self.assertEqual(int(id), body["killmail_id"])
                self.assertEqual(self.world.postings[int(id)].hash, hashes[id])
                self.assertNotIn("zkb", body)
        self.clock.advance(1)
        for name in ("20261101", "raw/20261101", "today", "20200101", ""):
            self.assertEqual(self.ask(f"/r2z2/history/{name}.json").status, 404)

    def test_a_day_is_made_at_six(self) -> None:
        """
        Until then yesterday is missing.
        """
        self.clock.advance(12 * 3600 + 6 * 3600 - 1)
        self.assertEqual(self.ask("/r2z2/history/20261101.json").status, 404)
        self.clock.advance(1)
        self.assertEqual(self.ask("/r2z2/history/20261101.json").status, 200)

    def test_a_late_killmail_changes_its_day(self) -> None:
        """
        The count is the new one from the next morning on.
        """
        self.world.play(age=2 * DAY)
        before = self.ask("/r2z2/history/totals.json").json()
        self.clock.advance(DAY)
        after = self.ask("/r2z2/history/totals.json").json()
        self.assertEqual(after["20261030"], before["20261030"] + 1)


class RedisQTests(SimulatorCase):
    """
    contracts.md §1.
    """

    listen = "/redisq/listen.php?queueID=me"

    def fetch(self, location: str) -> Any:
        self.assertTrue(location.startswith("/redisq/object.php?objectID="))
        answer = self.ask(location)
        self.assertEqual(answer.status, 200)
        return answer.json()["package"]

    def poll(self, target: str = listen) -> Any:
        """
        Poll to the end, and follow the redirect.
        """
        waiting = self.begin(target)
        self.clock.pump([1.0] * 12)
        answer = waiting.answer()
        self.assertEqual(answer.status, 302)
        return self.fetch(answer.headers["location"])

    def test_a_queue_begins_with_its_first_call(self) -> None:
        """
        What was published before it never comes; what comes after it does, in order.
        """
        self.assertIsNone(self.poll())
        self.world.play(2)
        self.assertEqual(self.poll()["killID"], 108)
        self.assertEqual(self.poll()["killID"], 109)
        self.assertIsNone(self.poll())

    def test_it_waits_for_ttw(self) -> None:
        """
        The null package comes a second after the time to wait, in the clock's time.
        """
        waiting = self.begin(f"{self.listen}&ttw=3")
        self.clock.advance(3.9)
        self.assertTrue(waiting.silent)
        self.clock.advance(0.1)
        answer = waiting.answer()
        self.assertEqual(answer.headers["location"], "/redisq/object.php?objectID=null")
        self.assertIsNone(self.fetch(answer.headers["location"]))

    def test_a_killmail_ends_the_wait(self) -> None:
        """
        Its answer takes another second.
        """
        waiting = self.begin(self.listen)
        self.clock.advance(2)
        self.world.play()
        self.assertTrue(waiting.silent)
        self.clock.advance(1)
        package = self.fetch(waiting.answer().headers["location"])
        self.assertEqual(package["killID"], 108)

    def test_packages_without_and_with_a_body(self) -> None:
        """
        Without, the block's href leads to ESI; with, the body is under ``killmail``.
        """
        self.poll()
        self.world.play(2)
        package = self.poll()
        self.assertEqual(set(package), {"killID", "zkb"})
        self.assertIn("/v1/killmails/108/", package["zkb"]["href"])
        self.assertEqual(package["zkb"]["attackerCount"], 0)
        self.world.rules.redisq_bodies = True
        package = self.poll()
        self.assertEqual(package["killmail"]["killmail_id"], package["killID"])

    def test_one_poll_at_a_time(self) -> None:
        """
        A second one for the same queue is 429, one for another queue is not.
        """
        self.begin(self.listen)
        self.assertEqual(self.ask(self.listen).status, 429)
        other = self.begin("/redisq/listen.php?queueID=you")
        self.assertTrue(other.silent)
        self.clock.advance(11)
        self.assertTrue(self.begin(self.listen).silent)

    def test_a_queue_needs_a_name(self) -> None:
        """
        Without one it is 429, not 400.
        """
        for target in ("/redisq/listen.php", "/redisq/listen.php?queueID=%20"):
            self.assertEqual(self.ask(target).status, 429)

    def test_a_package_popped_for_nobody_is_lost(self) -> None:
        """
        The service does not see that its client left.
        """
        waiting = self.begin(self.listen)
        waiting.leave()
        self.assertEqual(self.ask(self.listen).status, 429)
        self.world.play(2)
        self.clock.advance(1)
        self.assertEqual(self.poll()["killID"], 109)

    def test_queues_and_objects_are_forgotten(self) -> None:
        """
        Three hours after the last touch, or after ttl.
        """
        self.poll()
        self.poll("/redisq/listen.php?queueID=brief&ttl=60")
        self.world.play()
        counters = {"listeners": 2, "objects": 1}
        self.assertEqual(self.ask("/redisq/").json(), counters)
        self.clock.advance(61)
        self.assertEqual(self.ask("/redisq/").json()["listeners"], 1)
        self.clock.advance(10_800)
        self.assertEqual(self.ask("/redisq/").json(), {"listeners": 0, "objects": 0})

    def test_unknown_objects_are_404(self) -> None:
        """
        Without an id too.
        """
        for target in ("/redisq/object.php", "/redisq/object.php?objectID=1"):
            self.assertEqual(self.ask(target).status, 404)

    def test_two_requests_a_second(self) -> None:
        """
        Counted over ten seconds.
        """
        statuses = [self.ask("/redisq/").status for _ in range(21)]
        self.assertEqual(statuses, [200] * 20 + [429])

    def test_a_filter(self) -> None:
        """
        What does not match is not queued; a bad one is 400.
        """
        target = f"{self.listen}&filter=character_id=90000002"
        self.assertIsNone(self.poll(target))
        self.world.play(2)
        self.assertEqual(self.poll(target)["killID"], 109)
        self.assertEqual(self.ask(f"{self.listen}&filter=x").status, 400)

    def test_filters_are_read(self) -> None:
        """
        Semicolons need all, commas any; keys are found at any depth.
        """
        document = {"a": 1, "b": [{"c": "x"}, {"c": "y"}]}
        for text, expected in (
            ("a=1", True),
            ("a>=1;c=x", True),
            ("a<1,c!=x", True),
            ("a>1", False),
            ("a=1;d=1", False),
            ("c=z", False),
        ):
            self.assertEqual(parse(text)(document), expected, text)
        for text in ("", "a", "a=1,2", "a=1;b=2,c=3", "=1"):
            self.assertRaises(BadFilter, parse, text)


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
