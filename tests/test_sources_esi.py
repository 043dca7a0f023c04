"""
ESI: bodies and names.
"""

from collections.abc import Collection
from typing import Any

from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from tests.support.cases import SyncCase
from tests.support.upstream import (
    NOON,
    FakeUpstream,
    Outcome,
    Reply,
    begin,
    finish,
    json_reply,
)
from wanderer_twisted.interfaces import (
    IBodySource,
    INameSource,
    Refused,
    UpstreamError,
)
from wanderer_twisted.records import NamesFound
from wanderer_twisted.sources.esi import make_esi
from wanderer_twisted.sources.http import Client

BASE = "https://esi.example"
NAMES = f"{BASE}/universe/names/"
HASH = "d2913bf86b9681d6860f9ac9df63465923144801"
ELEVEN = NOON - 4 * 3600  # 11:00 UTC


def body_url(killmail_id: int) -> str:
    return f"{BASE}/killmails/{killmail_id}/{HASH}/"


class EsiCase(SyncCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOON
        self.there = FakeUpstream(self.clock)
        client = Client(self.there, self.clock)
        self.esi = make_esi(client, self.clock, BASE, "2026-08-18")

    def body(self, killmail_id: int = 5) -> Any:
        return finish(self.clock, self.esi.body(killmail_id, HASH))

    def start(self, killmail_id: int = 5) -> Outcome:
        return begin(self.esi.body(killmail_id, HASH))

    def refused(self) -> UpstreamError:
        try:
            body = self.body()
        except UpstreamError as error:
            return error
        raise AssertionError(f"no failure but {body}")


class BodyTests(EsiCase):
    def test_provides(self) -> None:
        """
        It is a source of bodies, and of names.
        """
        self.assertTrue(verifyObject(IBodySource, self.esi))
        self.assertTrue(verifyObject(INameSource, self.esi))

    def test_body(self) -> None:
        """
        A body comes as ESI has it, asked for under a pinned compatibility date.
        """
        self.there.on(body_url(5), json_reply({"killmail_id": 5, "x": [1]}))
        self.assertEqual(self.body(), {"killmail_id": 5, "x": [1]})
        headers = self.there.asked[0].headers
        self.assertEqual(headers.getRawHeaders("X-Compatibility-Date"), ["2026-08-18"])

    def test_final(self) -> None:
        """
        404 and 422 are final for that killmail, and asked for once.
        """
        for status in (404, 422):
            words = "Invalid killmail_id and/or killmail_hash"
            self.there.on(body_url(5), json_reply({"error": words}, status))
            error = self.refused()
            self.assertIsInstance(error, Refused)
            self.assertIn(words, error.reason)
        self.assertEqual(len(self.there.asked), 2)

    def test_our_mistake(self) -> None:
        """
        400 says nothing of that killmail: it is for later, and asked for once.
        """
        words = {"error": "X-Compatibility-Date is in the future"}
        self.there.on(body_url(5), json_reply(words, 400))
        error = self.refused()
        self.assertNotIsInstance(error, Refused)
        self.assertEqual(error.retry_after, 60)
        self.assertIn(words["error"], error.reason)
        self.assertEqual(len(self.there.asked), 1)

    def test_no_hash(self) -> None:
        """
        What is no hash gets into no URL.
        """
        for text in ("", "../../status", HASH.upper(), HASH + "0", HASH[:-1]):
            error = begin(self.esi.body(5, text)).error
            self.assertIsInstance(error, Refused)
        self.assertEqual(self.there.asked, [])

    def test_no_id(self) -> None:
        """
        What can be no killmail's id is final too, and not asked for: a 400 to it would
        be taken for a mistake of ours.
        """
        for number in (-1, 0, 2**63, 10**5000):
            error = begin(self.esi.body(number, HASH)).error
            self.assertIsInstance(error, Refused)
        self.assertEqual(self.there.asked, [])

    def test_not_now(self) -> None:
        """
        Anything else is for later, and says when.
        """
        for status, least in ((420, 1), (429, 60), (403, 600), (500, 10), (302, 60)):
            self.setUp()
            self.there.on(body_url(5), Reply(status))
            error = self.refused()
            self.assertNotIsInstance(error, Refused)
            assert error.retry_after is not None
            self.assertGreaterEqual(error.retry_after, least, status)

    def test_unusable(self) -> None:
        """
        HTML, another killmail, or no object, is no body.
        """
        for reply in (
            Reply(200, b"<html>"),
            json_reply({"killmail_id": 6}),
            json_reply([5]),
            json_reply(None),
            Reply(200, b'{"killmail_id":5,"x":NaN}'),
        ):
            self.there.on(body_url(5), reply)
            self.assertNotIsInstance(self.refused(), Refused)

    def test_repeated(self) -> None:
        """
        A broken connection or a 5xx is tried again.
        """
        good = json_reply({"killmail_id": 5})
        self.there.on(body_url(5), Reply(504), Reply(reset=True), good)
        self.assertEqual(self.body(), {"killmail_id": 5})

    def test_in_flight(self) -> None:
        """
        Some are under way at once, and no more than ten a second go out for long.
        """
        for number in range(1, 101):
            slow = json_reply({"killmail_id": number})
            self.there.on(body_url(number), Reply(200, slow.body, delay=0.5))
        outcomes = [self.start(number) for number in range(1, 101)]
        self.assertEqual(len(self.there.asked), 8)
        self.clock.pump([0.05] * 240)
        self.assertTrue(all(outcome.done for outcome in outcomes))
        self.assertGreaterEqual(self.there.asked[-1].at - NOON, 8.9)


class LimitTests(EsiCase):
    def limited(self, remaining: int) -> Reply:
        return json_reply(
            {"killmail_id": 5},
            X_Ratelimit_Group="killmail",
            X_Ratelimit_Limit="3600/15m",
            X_Ratelimit_Remaining=str(remaining),
        )

    def rate(self) -> float:
        """
        Requests a second, over a minute.
        """
        before = len(self.there.asked)
        for _ in range(200):
            self.start()
        self.clock.pump([0.05] * 1200)
        return (len(self.there.asked) - before) / 60

    def test_bucket(self) -> None:
        """
        With less than 5 % of the bucket left it goes slower than the bucket fills,
        and as before when there is more.
        """
        self.there.on(body_url(5), self.limited(179))
        self.body()
        self.clock.advance(10)
        self.assertLess(self.rate(), 1.5)
        self.clock.advance(400)
        self.there.on(body_url(5), self.limited(3000))
        self.assertGreater(self.rate(), 3)

    def test_empty_bucket(self) -> None:
        """
        A 429 with Retry-After holds all bodies until then, and no names.
        """
        self.there.on(body_url(5), json_reply({}, 429, Retry_After="100"))
        self.assertEqual(self.refused().retry_after, 100)
        self.assertEqual(self.start(6).error.retry_after, 100)
        self.there.on(NAMES, json_reply([]))
        finish(self.clock, self.esi.names([1]))
        self.assertEqual(len(self.there.asked), 2)

    def test_error_limit(self) -> None:
        """
        With fewer than 20 errors left all waits until they are forgiven.
        """
        for left, waits in ((20, False), (19, True)):
            self.setUp()
            self.there.on(
                NAMES,
                json_reply(
                    [],
                    X_Esi_Error_Limit_Remain=str(left),
                    X_Esi_Error_Limit_Reset="44",
                ),
            )
            self.there.on(body_url(5), json_reply({"killmail_id": 5}))
            finish(self.clock, self.esi.names([1]))
            outcome = self.start()
            if not waits:
                self.assertEqual(outcome.result, {"killmail_id": 5})
                continue
            self.assertTrue(44 <= outcome.error.retry_after <= 46)
            self.assertIn("19 errors left", outcome.error.reason)
            self.assertIsInstance(begin(self.esi.names([1])).error, UpstreamError)
            self.clock.advance(46)
            self.assertEqual(self.body(), {"killmail_id": 5})

    def test_error_limited(self) -> None:
        """
        A 420 holds names and bodies for as long as it says.
        """
        limited = json_reply({}, 420, X_Esi_Error_Limit_Reset="30")
        self.there.on(body_url(5), limited)
        self.refused()
        error = begin(self.esi.names([1])).error
        self.assertTrue(30 <= error.retry_after <= 32)
        self.assertEqual(self.there.urls, [body_url(5)])

    def test_odd_headers(self) -> None:
        """
        Headers that make no sense change nothing.
        """
        self.there.on(
            body_url(5),
            json_reply(
                {"killmail_id": 5},
                X_Ratelimit_Limit="lots",
                X_Ratelimit_Remaining="-1",
                X_Esi_Error_Limit_Remain="few",
            ),
        )
        self.body()
        self.body()


class DowntimeTests(EsiCase):
    def test_pause(self) -> None:
        """
        A 5xx in the daily downtime holds all until 11:20, without another try.
        """
        self.clock.rightNow = ELEVEN
        self.there.on(body_url(5), Reply(503), json_reply({"killmail_id": 5}))
        self.assertEqual(self.refused().retry_after, 1200)
        self.assertEqual(len(self.there.asked), 1)
        self.clock.advance(600)
        error = self.start().error
        self.assertEqual(error.retry_after, 600)
        self.assertIn("downtime", error.reason)
        self.assertIsInstance(begin(self.esi.names([1])).error, UpstreamError)
        self.clock.advance(600)
        self.assertEqual(self.body(), {"killmail_id": 5})

    def test_up_as_usual(self) -> None:
        """
        What is answered in that time is taken.
        """
        self.clock.rightNow = ELEVEN
        self.there.on(body_url(5), json_reply({"killmail_id": 5}))
        self.assertEqual(self.body(), {"killmail_id": 5})

    def test_hours(self) -> None:
        """
        The downtime is from 10:58 to 11:20.
        """
        for moment, down in ((-121, False), (-120, True), (1199, True), (1200, False)):
            self.setUp()
            self.clock.rightNow = ELEVEN + moment
            self.there.on(body_url(5), Reply(503))
            self.start()
            before = len(self.there.asked)
            self.clock.advance(1.5)
            self.assertEqual(len(self.there.asked) == before, down, moment)


class NameTests(EsiCase):
    """
    ESI before which some ids are bad.
    """

    def setUp(self) -> None:
        super().setUp()
        self.bad: frozenset[int] = frozenset()
        self.calls: list[list[int]] = []
        there = self.there
        request = there.request

        def resolve(method: bytes, uri: bytes, headers: Any, producer: Any) -> Any:
            # The answer depends on the ids, which come with the request.
            ids = list(producer._body[1:-1].split(b","))
            numbers = [int(each) for each in ids]
            self.calls.append(numbers)
            if self.bad.intersection(numbers):
                words = {"error": "Ensure all IDs are valid before resolving."}
                there.on(NAMES, json_reply(words, 404))
            else:
                rows = [{"id": n, "name": f"N{n}", "category": "x"} for n in numbers]
                there.on(NAMES, json_reply(rows))
            return request(method, uri, headers, producer)

        self.patch(there, "request", resolve)

    def names(self, ids: Collection[int]) -> NamesFound:
        return finish(self.clock, self.esi.names(ids))

    def test_names(self) -> None:
        """
        Names of unique ids, in one call; none for no ids.
        """
        found = self.names([30000142, 95465499, 95465499])
        self.assertEqual(found.names, {30000142: "N30000142", 95465499: "N95465499"})
        self.assertEqual(found.unknown, frozenset())
        self.assertEqual(self.calls, [[30000142, 95465499]])
        self.assertEqual(self.names([]), NamesFound({}))
        self.assertEqual(len(self.calls), 1)

    def test_out_of_range(self) -> None:
        """
        Ids that ESI cannot know are never sent.
        """
        found = self.names([0, -1, 2**31, 10**12, 2**31 - 1])
        self.assertEqual(self.calls, [[2**31 - 1]])
        self.assertEqual(found, NamesFound({2**31 - 1: f"N{2**31 - 1}"}))

    def test_chunks(self) -> None:
        """
        A call holds a thousand ids at most.
        """
        found = self.names(range(1, 2502))
        self.assertEqual([len(call) for call in self.calls], [1000, 1000, 501])
        self.assertEqual(len(found.names), 2501)

    def test_bad_id(self) -> None:
        """
        One bad id of a thousand is found in few calls, and the others keep their
        names.
        """
        self.bad = frozenset({777})
        found = self.names(range(1, 1001))
        self.assertEqual(found.unknown, {777})
        self.assertEqual(len(found.names), 999)
        self.assertLessEqual(len(self.calls), 21)

    def test_many_bad_ids(self) -> None:
        """
        However many are bad, the calls are few, and the answer is what they gave.
        """
        self.bad = frozenset(range(5, 1001, 5))
        found = self.names(range(1, 1001))
        self.assertLessEqual(len(self.calls), 40)
        self.assertLessEqual(found.unknown, self.bad)
        self.assertTrue(self.bad.isdisjoint(found.names))

    def test_npcs_apart(self) -> None:
        """
        NPCs' ids are asked for by themselves, so they cannot spoil the others, and
        not again for a while once they were refused.
        """
        self.bad = frozenset(range(3_000_000, 4_000_000))
        found = self.names([5, 3019582, 3019583, 6])
        self.assertEqual(found.names, {5: "N5", 6: "N6"})
        self.assertEqual(found.unknown, {3019582, 3019583})
        self.assertEqual(self.calls[:2], [[5, 6], [3019582, 3019583]])
        self.calls.clear()
        self.assertEqual(self.names([7, 3019999]), NamesFound({7: "N7"}))
        self.assertEqual(self.calls, [[7]])
        self.clock.advance(60)
        self.assertEqual(self.names([3019999]).unknown, {3019999})

    def test_npcs_are_few(self) -> None:
        """
        Refused NPCs cost few calls, and yet each time some are done with.
        """
        self.bad = frozenset(range(3_000_000, 4_000_000))
        left = set(range(3_000_000, 3_000_010))
        for _ in range(3):
            self.calls.clear()
            left -= self.names(left).unknown
            self.assertLessEqual(len(self.calls), 7)
            self.clock.advance(60)
        self.assertEqual(left, set())


class NameFaultTests(EsiCase):
    def test_partial(self) -> None:
        """
        What was found before a failure is an answer.
        """
        rows = [{"id": n, "name": "x"} for n in range(1, 1001)]
        self.there.on(NAMES, json_reply(rows), Reply(503))
        found = finish(self.clock, self.esi.names(range(1, 1501)))
        self.assertEqual(set(found.names), set(range(1, 1001)))
        self.assertEqual(found.unknown, frozenset())

    def test_nothing(self) -> None:
        """
        If not one could be asked for it is an error, and says when to ask again.
        """
        for reply in (
            Reply(503),
            Reply(420),
            Reply(403),
            Reply(reset=True),
            Reply(200, b"<html>"),
            json_reply([{"id": "1", "name": "x"}]),
            json_reply([{"id": 1}]),
            json_reply({"names": []}),
        ):
            self.setUp()
            self.there.on(NAMES, reply)
            self.assertIsInstance(begin(self.esi.names([1])).error, UpstreamError)
            self.assertEqual(len(self.there.asked), 1)

    def test_names_nobody_asked_for(self) -> None:
        """
        Names of other ids are not believed.
        """
        self.there.on(NAMES, json_reply([{"id": 2, "name": "x"}]))
        self.assertEqual(finish(self.clock, self.esi.names([1])), NamesFound({}))
