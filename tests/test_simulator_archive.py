"""
The simulated archive: its files, what can be wrong with them, and how to command it.
"""

import gzip
import zlib
from typing import Any

from tests.support.killmails import DAY, START, esi
from tests.support.simulator import Answer, SimulatorCase
from wanderer_twisted.days import day_of
from wanderer_twisted.simulator import archive, world
from wanderer_twisted.simulator.defects import SOUND, Defects
from wanderer_twisted.simulator.faults import Fault


class DailyCase(SimulatorCase):
    """
    Two killmails a day: 101 and 102 on 2026-10-28, and so on until 107 and 108 on the
    31st, and 109 today, on 2026-11-01; it is noon.
    """

    tail = 0

    def documents(self) -> list[dict[str, Any]]:
        return [esi(100 + n, kill_time=START - 43_200 * (9 - n)) for n in range(1, 10)]

    def get(self, name: str, **more: Any) -> Answer:
        return self.ask(f"/r2z2/history/{name}.json", **more)

    def listed(self, day: str) -> list[int]:
        return [int(each) for each in self.get(day).json()]

    def bodies(self, day: str) -> list[int]:
        """
        The ids of what the file with bodies has.
        """
        found: dict[str, Any] = self.get(f"raw/{day}").json()
        self.assertEqual(
            list(found), [str(body["killmail_id"]) for body in found.values()]
        )
        return [int(each) for each in found]

    def totals(self) -> dict[str, int]:
        totals: dict[str, int] = self.get("totals").json()
        return totals

    def spoil(self, day: str, **wrong: Any) -> Answer:
        return self.post("/control/archive", {"day": day, **wrong})


class FileTests(DailyCase):
    """
    contracts.md §2.3.
    """

    def test_days_are_there_up_to_yesterday(self) -> None:
        """
        Totals, hashes and bodies agree; today, and what is no day, is 404.
        """
        totals = self.totals()
        days = ["20261028", "20261029", "20261030", "20261031"]
        self.assertEqual(list(totals), days)
        self.assertEqual(set(totals.values()), {2})
        for day, count in totals.items():
            hashes = self.get(day).json()
            bodies = self.get(f"raw/{day}").json()
            self.assertEqual(len(hashes), count)
            self.assertEqual(set(hashes), set(bodies))
            for id, body in bodies.items():
                self.assertEqual(int(id), body["killmail_id"])
                self.assertEqual(self.world.postings[int(id)].hash, hashes[id])
                self.assertNotIn("zkb", body)
        self.clock.advance(1)
        for name in ("20261101", "raw/20261101", "today", "20200101", "20261399", ""):
            self.assertEqual(self.get(name).status, 404, name)

    def test_caches_may_keep_them(self) -> None:
        """
        For a year, as in life: who lets a cache do so is wrong.
        """
        for name in ("totals", "20261030", "raw/20261030"):
            headers = self.get(name).headers
            self.assertEqual(headers["cache-control"], "public, max-age=31536000")

    def test_a_day_is_made_at_six(self) -> None:
        """
        Until then yesterday is missing.
        """
        self.clock.advance(12 * 3600 + 6 * 3600 - 1)
        for name in ("20261101", "raw/20261101"):
            self.assertEqual(self.get(name).status, 404)
        self.clock.advance(1)
        self.assertEqual(self.listed("20261101"), [109])
        self.assertEqual(self.bodies("20261101"), [109])

    def test_today_waits(self) -> None:
        """
        What is published of a day before it is over is not in the archive of its
        morning.
        """
        self.clock.advance(15 * 3600)
        (early,) = self.world.play()
        self.clock.advance(4 * 3600)
        self.assertEqual(list(self.totals())[-1], "20261101")
        self.assertEqual(self.get("20261102").status, 404)
        self.clock.advance(DAY)
        self.assertEqual(self.listed("20261102"), [early.killmail_id])

    def test_a_late_killmail_changes_its_day(self) -> None:
        """
        What is posted now with an old time is in a later version of its day: in its
        list, its bodies and the totals, from the next morning on.
        """
        (late,) = self.world.play(age=2 * DAY)
        before = self.listed("20261030")
        self.assertEqual(self.bodies("20261030"), before)
        self.clock.advance(18 * 3600 - 1)
        self.assertEqual(self.listed("20261030"), before)
        self.clock.advance(1)
        for found in (self.listed("20261030"), self.bodies("20261030")):
            self.assertEqual(found, [*before, late.killmail_id])
        self.assertEqual(self.totals()["20261030"], 3)

    def test_a_late_killmail_may_make_its_day(self) -> None:
        """
        A day that had none gets its files with its first one.
        """
        self.assertEqual(self.get("20260101").status, 404)
        (late,) = self.world.play(age=304.5 * DAY)
        self.clock.advance(DAY)
        self.assertEqual(self.listed("20260101"), [late.killmail_id])

    def test_what_comes_again_is_there_once(self) -> None:
        """
        A redelivery changes no day.
        """
        self.world.redeliver(105)
        self.clock.advance(DAY)
        self.assertEqual(self.listed("20261030"), [105, 106])

    def test_the_date_is_the_world_s(self) -> None:
        """
        Every answer says what time it is there, once.
        """
        exchange = self.begin("/r2z2/history/totals.json")
        self.assertEqual(exchange.transport.value().lower().count(b"\r\ndate: "), 1)
        answer = exchange.answer()
        self.assertEqual(answer.headers["date"], "Sun, 01 Nov 2026 12:00:00 GMT")
        self.clock.advance(DAY)
        answer = self.get("nothing")
        self.assertEqual(answer.headers["date"], "Mon, 02 Nov 2026 12:00:00 GMT")


class CheapTests(DailyCase):
    """
    A file is made once for each version of it.
    """

    def setUp(self) -> None:
        super().setUp()
        self.made: list[bytes] = []
        real = archive._body

        def counted(posting: Any) -> bytes:
            self.made.append(b"")
            return real(posting)

        self.patch(archive, "_body", counted)

    def test_once_a_version(self) -> None:
        """
        Asked again it is the same, until the next morning, or until it is spoilt.
        """
        day = day_of(START) - 2
        for spoil in (
            lambda: None,
            lambda: self.world.spoil_day(day, Defects(frozenset([105]))),
            lambda: self.world.spoil_day(day, SOUND),
            lambda: self.clock.advance(DAY),
        ):
            spoil()
            self.made.clear()
            first = self.get("raw/20261030").body
            count = len(self.made)
            self.assertGreater(count, 0)
            for _ in range(3):
                self.assertEqual(self.get("raw/20261030").body, first)
            self.assertEqual(len(self.made), count)

    def test_another_day_s_defects(self) -> None:
        """
        They are no reason to make this one again.
        """
        self.get("raw/20261030")
        self.made.clear()
        self.world.spoil_day(day_of(START) - 1, Defects(withheld=True))
        self.get("raw/20261030")
        self.assertEqual(self.made, [])

    def test_not_all_are_kept(self) -> None:
        """
        Of many files those that were asked for last are kept.
        """
        size = len(self.get("raw/20261030").body)
        self.patch(archive, "_ROOM", 2 * size)
        days = ("20261028", "20261029", "20261030", "20261031")
        for day in (*days, *days):
            self.get(f"raw/{day}")
        files = self.site.resource.services["r2z2"]._archive._files
        self.assertEqual(list(files), ["raw/20261030", "raw/20261031"])
        self.made.clear()
        self.get("raw/20261030")
        self.assertEqual(self.made, [])
        self.get("raw/20261029")
        self.assertEqual(list(files), ["raw/20261030", "raw/20261029"])
        self.patch(archive, "_ROOM", 1)
        self.assertEqual(self.bodies("20261028"), [101, 102])
        self.assertEqual(list(files), ["raw/20261028"])


class DefectTests(DailyCase):
    """
    What can be wrong with a day, by command.
    """

    def test_unlisted(self) -> None:
        """
        A list without some of the killmails whose bodies are there.
        """
        self.spoil("20261030", unlisted=[105])
        self.assertEqual(self.listed("20261030"), [106])
        self.assertEqual(self.bodies("20261030"), [105, 106])
        self.assertEqual(self.totals()["20261030"], 2)

    def test_bodiless(self) -> None:
        """
        Bodies without some of the killmails that are listed.
        """
        self.spoil("20261030", bodiless=[105, 106])
        self.assertEqual(self.listed("20261030"), [105, 106])
        self.assertEqual(self.bodies("20261030"), [])

    def test_strange(self) -> None:
        """
        Bodies of other days, listed or not; one of today as well.
        """
        self.spoil("20261030", strange=[101, 109], strange_listed=[101])
        self.assertEqual(self.listed("20261030"), [105, 106, 101])
        self.assertEqual(self.bodies("20261030"), [105, 106, 101, 109])
        self.assertEqual(self.listed("20261028"), [101, 102])
        body = self.get("raw/20261030").json()["101"]
        self.assertEqual(body["killmail_time"][:10], "2026-10-28")

    def test_strange_and_forgotten(self) -> None:
        """
        A killmail of another day that is remembered no more is left out.
        """
        self.spoil("20261030", strange=[101, 109], strange_listed=[101, 109])
        self.patch(world, "MEMORY", len(self.world.postings))
        self.world.play()
        self.assertNotIn(101, self.world.postings)
        self.assertEqual(self.listed("20261030"), [105, 106, 109])
        self.assertEqual(self.bodies("20261030"), [105, 106, 109])

    def test_withheld(self) -> None:
        """
        Totals name a day whose files are not there.
        """
        self.spoil("20261030", withheld=True)
        for name in ("20261030", "raw/20261030"):
            self.assertEqual(self.get(name).status, 404)
        self.assertEqual(self.totals()["20261030"], 2)
        self.assertEqual(self.listed("20261031"), [107, 108])

    def test_total(self) -> None:
        """
        Totals that say too little, nothing, or too much.
        """
        for total in (1, 0, 1_000):
            self.spoil("20261030", total=total)
            self.assertEqual(self.totals()["20261030"], total)
            self.assertEqual(self.totals()["20261029"], 2)
            self.assertEqual(self.listed("20261030"), [105, 106])

    def test_as_said_last(self) -> None:
        """
        A command says all that is wrong with a day: what was before is not any more.
        """
        self.spoil("20261030", unlisted=[105], withheld=True)
        self.spoil("20261030", bodiless=[106])
        self.assertEqual(self.listed("20261030"), [105, 106])
        self.assertEqual(self.bodies("20261030"), [105])
        self.spoil("20261030")
        self.assertEqual(self.bodies("20261030"), [105, 106])
        self.assertEqual(self.ask("/control/archive").json(), {})

    def test_it_lasts(self) -> None:
        """
        The next version of a day is as wrong.
        """
        self.spoil("20261030", unlisted=[105])
        (late,) = self.world.play(age=2 * DAY)
        self.clock.advance(DAY)
        self.assertEqual(self.listed("20261030"), [106, late.killmail_id])

    def test_told_and_cleared(self) -> None:
        """
        What is wrong can be asked for, and made right at once.
        """
        told = self.spoil("20261030", unlisted=[106, 105, 105], total=7).json()
        self.assertEqual(self.ask("/control/archive").json(), told)
        self.assertEqual(list(told), ["20261030"])
        self.assertEqual(told["20261030"]["unlisted"], [105, 106])
        self.assertEqual(told["20261030"]["total"], 7)
        self.assertIs(told["20261030"]["withheld"], False)
        self.assertEqual(self.ask("/control/").json()["defects"], 1)
        self.assertEqual(self.ask("/control/archive", "DELETE").json(), {})
        self.assertEqual(self.listed("20261030"), [105, 106])

    def test_what_was_told_is_a_command(self) -> None:
        """
        What is wrong with a day can be sent back as it was told.
        """
        told = self.spoil("20261030", strange=[101], withheld=True).json()
        self.ask("/control/archive", "DELETE")
        again = self.spoil("20261030", **told["20261030"]).json()
        self.assertEqual(again, told)

    def test_bad_commands(self) -> None:
        """
        One line that says what is wrong; nothing changes.
        """
        for body, words in (
            ({}, "'day' must be YYYYMMDD"),
            ({"day": "2026-10-30"}, "'day' must be YYYYMMDD"),
            ({"day": "20261399"}, "'day' must be YYYYMMDD"),
            ({"day": None}, "'day' must be YYYYMMDD"),
            ({"day": "20261030", "unlist": [105]}, "no such key: 'unlist'; there are"),
            ({"day": "20261030", "unlisted": 105}, "'unlisted' must be a list"),
            ({"day": "20261030", "unlisted": "105"}, "'unlisted' must be a list"),
            ({"day": "20261030", "bodiless": ["105"]}, "'bodiless' must be a list"),
            ({"day": "20261030", "bodiless": [True]}, "'bodiless' must be a list"),
            ({"day": "20261030", "bodiless": [[105]]}, "'bodiless' must be a list"),
            ({"day": "20261030", "strange": None}, "'strange' must be a list"),
            ({"day": "20261030", "strange": [*range(10_001)]}, "at most 10000 ids"),
            ({"day": "20261030", "strange": [5]}, "no such killmail: 5"),
            ({"day": "20261030", "withheld": 1}, "'withheld' must be true or false"),
            ({"day": "20261030", "total": -1}, "'total' must be null"),
            ({"day": "20261030", "total": 1.5}, "'total' must be null"),
            ({"day": "20261030", "total": True}, "'total' must be null"),
            ([], "the body must be a JSON object"),
        ):
            answer = self.post("/control/archive", body)
            self.assertEqual(answer.status, 400, body)
            self.assertIn(words, answer.json()["error"])
        self.assertEqual(self.ask("/control/archive").json(), {})


class FaultTests(DailyCase):
    """
    Faults hit the archive by the paths of its files.
    """

    def faulty(self, kind: Any, **more: Any) -> Answer:
        """
        The file with bodies; totals and the list are as ever.
        """
        fault = Fault(kind, service="r2z2", path="/history/raw/*", **more)
        self.world.faults.add(fault)
        self.assertEqual(self.totals()["20261030"], 2)
        self.assertEqual(self.listed("20261030"), [105, 106])
        return self.get("raw/20261030")

    def test_another_answer(self) -> None:
        """
        A page, a status, far too much, or somewhere else.
        """
        self.assertEqual(self.faulty("html").body[:1], b"<")
        self.assertEqual(self.faulty("status", status=404).status, 404)
        self.assertEqual(len(self.faulty("huge", size=1 << 20).body), 1 << 20)
        self.assertEqual(self.faulty("redirect").status, 302)

    def test_half_of_it(self) -> None:
        """
        Cut in three ways; the file itself stays whole.
        """
        whole = self.get("raw/20261030").body
        half = whole[: len(whole) // 2]
        answer = self.faulty("cut")
        self.assertEqual(
            (answer.body, answer.headers["content-length"]), (half, str(len(half)))
        )
        answer = self.faulty("truncate")
        self.assertEqual(
            (answer.body, answer.headers["content-length"]), (half, str(len(whole)))
        )
        packed = self.faulty("bad_gzip").body
        self.assertRaises((EOFError, zlib.error), gzip.decompress, packed)
        self.assertEqual(self.get("raw/20261030").body, whole)

    def test_one_day_alone(self) -> None:
        """
        A pattern may name one file.
        """
        fault = Fault("html", path="/history/20261030.json", count=None)
        self.world.faults.add(fault)
        self.assertEqual(self.get("20261030").body[:1], b"<")
        self.assertEqual(self.listed("20261031"), [107, 108])
        self.assertEqual(self.bodies("20261030"), [105, 106])
