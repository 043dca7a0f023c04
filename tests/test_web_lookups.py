"""
Look-ups over a real store.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.lookups import (
    CHARACTER,
    LACKING,
    OF_CHARACTER,
    OF_SYSTEM,
    SYSTEM,
    LookupCase,
    ids,
)
from tests.support.store import make_stepped_store, temporary_path
from tests.support.web import NOW, Response
from wanderer_twisted.encoding import dumps, loads, timestamp
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import Report
from wanderer_twisted.web import outstanding
from wanderer_twisted.web.channel import MAX_BODY_BYTES

DAY = 86_400
SYSTEMS = "/api/v1/kills/systems"
CACHED = f"/api/v1/kills/cached/{SYSTEM}"
COUNT = f"/api/v1/kills/count/{SYSTEM}"
LISTS = (OF_CHARACTER, OF_SYSTEM, CACHED)


def message_of(response: Response) -> str:
    message: str = loads(response.body)["error"]["message"]
    return message


class ListTests(LookupCase):
    """
    Lists of one id.
    """

    def test_shape(self) -> None:
        """
        The killmails are the store's bytes, without items, in an envelope that says
        what they are.
        """
        self.add(7, items=2)
        record = self.successResultOf(self.store.read_killmail(7))
        assert record is not None
        response = self.get(OF_CHARACTER)
        now = timestamp(NOW).encode()
        self.assertEqual(
            response.body,
            b'{"data":{"kills":[%b],"cached":false,"complete":true,"next":null,'
            b'"timestamp":"%b"},"timestamp":"%b"}'
            % (record.body.json(with_items=False), now, now),
        )
        self.assertEqual(response.headers["Content-Type"], "application/json")
        self.assertEqual(response.headers["Cache-Control"], "no-cache")

    def test_newest_first(self) -> None:
        """
        The newest come first, those of one second by their ids.
        """
        for killmail_id, age in ((1, 300), (2, 60), (3, 300), (4, 600)):
            self.add(killmail_id, age)
        for path in LISTS:
            self.assertEqual(ids(self.data(path)["kills"]), [2, 3, 1, 4])

    def test_whose(self) -> None:
        """
        A character's are those of a victim and of an attacker; a system's its own.
        """
        self.add(1, victim=5, attackers=(6,), system=30000001)
        self.add(2, victim=6, attackers=(7,), system=30000002)
        for path, found in (
            ("character/5", [1]),
            ("character/6", [2, 1]),
            ("character/8", []),
            ("system/30000002", [2]),
            ("cached/30000001", [1]),
            ("cached/6", []),
        ):
            kills = self.data(f"/api/v1/kills/{path}")["kills"]
            self.assertEqual(ids(kills), found, path)

    def test_hours(self) -> None:
        """
        A day back unless asked otherwise, to the second.
        """
        self.add(1, 3600)
        self.add(2, 3601)
        self.add(3, DAY)
        self.add(4, DAY + 1)
        self.assertEqual(ids(self.data(OF_SYSTEM)["kills"]), [1, 2, 3])
        for hours, found in (("1", [1]), ("25", [1, 2, 3, 4]), ("", [1, 2, 3])):
            kills = self.data(f"{OF_SYSTEM}?since_hours={hours}")["kills"]
            self.assertEqual(ids(kills), found)

    def test_limit(self) -> None:
        """
        Fifty unless asked otherwise.
        """
        for killmail_id in range(1, 53):
            self.add(killmail_id)
        self.assertEqual(len(self.data(OF_CHARACTER)["kills"]), 50)
        self.assertEqual(len(self.data(f"{OF_CHARACTER}?limit=51")["kills"]), 51)
        self.assertEqual(len(self.data(f"{OF_CHARACTER}?limit=1000")["kills"]), 52)

    def test_cached(self) -> None:
        """
        Only the cached list says that it is.
        """
        self.assertEqual([self.data(path)["cached"] for path in LISTS], [0, 0, 1])

    def test_head(self) -> None:
        """
        HEAD gets what GET gets, without the body.
        """
        self.add(1)
        for path in (*LISTS, COUNT):
            got = self.get(path)
            raw = self.site.ask(path, method="HEAD").raw
            self.assertEqual(raw.partition(b"\r\n\r\n")[2], b"")
            for name in ("ETag", "Content-Length", "Cache-Control"):
                self.assertIn(f"\r\n{name}: {got.headers[name]}\r\n".encode(), raw)

    def test_options(self) -> None:
        """
        A preflight is told the methods.
        """
        for path in (*LISTS, COUNT):
            response = self.get(path, method="OPTIONS")
            self.assertEqual((response.status, response.body), (204, b""))
            self.assertEqual(response.headers["Allow"], "GET, HEAD, OPTIONS")
        response = self.get(SYSTEMS, method="OPTIONS")
        self.assertEqual(response.status, 204)
        allowed = response.headers["Access-Control-Allow-Methods"]
        self.assertEqual(allowed, "OPTIONS, POST")

    def test_other_methods(self) -> None:
        """
        Any other is refused, with those that there are.
        """
        for path, method, allowed in (
            (OF_SYSTEM, "POST", "GET, HEAD, OPTIONS"),
            (SYSTEMS, "GET", "OPTIONS, POST"),
        ):
            response = self.get(path, method=method)
            self.assertEqual(response.status, 405)
            self.assertEqual(response.headers["Allow"], allowed)

    def test_paths_are_exact(self) -> None:
        """
        Neither more nor less is a path.
        """
        for path in (f"{OF_SYSTEM}/", f"{OF_SYSTEM}/1", "/api/v1/kills/system", "/x"):
            response = self.get(path)
            self.assertEqual(response.status, 404)
            self.assertIn(b'"not_found"', response.body)

    def test_store_unavailable(self) -> None:
        """
        A store that cannot be read is said to be, with a time to come back.
        """
        self.store.close()
        for path in (*LISTS, COUNT):
            response = self.get(path)
            self.assertEqual(response.status, 503)
            self.assertIn(b'"unavailable"', response.body)
            self.assertIn("Retry-After", response.headers)
        response = self.post(SYSTEMS, b'{"system_ids":[1]}')
        self.assertEqual(response.status, 503)


class FetchTests(LookupCase):
    """
    What is not there is told and fetched.
    """

    def test_complete(self) -> None:
        """
        Where all is there it says so; what may lack names is looked through all the
        same, but not for what is to be told as it is.
        """
        self.assertTrue(self.data(CACHED)["complete"])
        self.assertEqual(self.site.history.wanted, [])
        self.assertTrue(self.data(OF_CHARACTER)["complete"])
        self.assertEqual(len(self.site.history.wanted), 1)

    def test_lacking(self) -> None:
        """
        Where something lacks, what is there is told at once, and the rest is fetched,
        as far back as was asked.
        """
        self.add(1)
        self.site.history.standing = LACKING
        data = self.data(f"{OF_CHARACTER}?since_hours=48")
        self.assertEqual((ids(data["kills"]), data["complete"]), ([1], False))
        self.assertEqual(self.data(COUNT)["complete"], False)
        self.assertEqual(
            self.site.history.wanted,
            [
                (Filter.only("character", CHARACTER), int(NOW) - 2 * DAY),
                (Filter.only("system", SYSTEM), int(NOW) - DAY),
            ],
        )
        self.assertEqual(self.site.history.asked, self.site.history.wanted)

    def test_missing(self) -> None:
        """
        A list from which a killmail is known to be missing is not complete.
        """
        self.site.history.standing = Report(missing=1, ids_incomplete=0, since=0.0)
        self.assertFalse(self.data(OF_SYSTEM)["complete"])

    def test_cached(self) -> None:
        """
        The cached list says what it lacks and has nothing fetched.
        """
        self.site.history.standing = LACKING
        self.assertFalse(self.data(CACHED)["complete"])
        self.assertEqual(self.site.history.wanted, [])

    def test_systems(self) -> None:
        """
        Of several systems all are asked for together.
        """
        self.site.history.standing = LACKING
        response = self.post(SYSTEMS, b'{"system_ids":[3,4],"since_hours":1}')
        self.assertFalse(loads(response.body)["data"]["complete"])
        wanted = Filter(system_ids=frozenset((3, 4)))
        self.assertEqual(self.site.history.wanted, [(wanted, int(NOW) - 3600)])


class CountTests(LookupCase):
    """
    ``/api/v1/kills/count/{id}``.
    """

    def test_count(self) -> None:
        """
        How many there are, as far back as was asked.
        """
        for killmail_id in range(1, 61):
            self.add(killmail_id, killmail_id * 600)
        data = self.data(COUNT)
        shape = {"system_id": SYSTEM, "count": 60, "complete": True}
        self.assertEqual(data, shape)
        self.assertEqual(self.data(f"{COUNT}?since_hours=1")["count"], 6)

    def test_no_limit(self) -> None:
        """
        A number has no pages.
        """
        for name in ("limit", "before"):
            response = self.get(f"{COUNT}?{name}=1")
            self.assertEqual(response.status, 400)


class TagTests(LookupCase):
    """
    ``ETag`` and ``If-None-Match``.
    """

    def test_same(self) -> None:
        """
        The same killmails have the same tag however late it is, others another.
        """
        for killmail_id in (1, 2):
            self.add(killmail_id)
        for path in (OF_CHARACTER, f"{OF_CHARACTER}?limit=1", COUNT):
            before = self.get(path)
            self.site.clock.advance(10)
            after = self.get(path)
            self.assertNotEqual(before.body, after.body)
            self.assertEqual(before.headers["ETag"], after.headers["ETag"])
            self.assertRegex(before.headers["ETag"], r'\AW/"[0-9a-f]{24}"\Z')
        before = self.get(OF_CHARACTER)
        self.add(3)
        self.assertNotEqual(self.get(OF_CHARACTER).headers["ETag"], before.headers)

    def test_news(self) -> None:
        """
        A new killmail, one more behind the page, and a fetch that is done are news.
        """
        self.add(2, 60)
        path = f"{OF_CHARACTER}?limit=1"
        tags = [self.get(path).headers["ETag"]]
        self.add(1, 120)  # not on the page, but a next page now
        tags.append(self.get(path).headers["ETag"])
        self.add(3, 30)
        tags.append(self.get(path).headers["ETag"])
        self.site.history.standing = LACKING
        tags.append(self.get(path).headers["ETag"])
        self.assertEqual(len(set(tags)), 4)

    def test_not_modified(self) -> None:
        """
        Who has it already is told no more than that, for GET and HEAD.
        """
        self.add(1)
        for path in (*LISTS, COUNT):
            tag = self.get(path).headers["ETag"]
            for method in ("GET", "HEAD"):
                response = self.get(path, f"If-None-Match: {tag}", method=method)
                self.assertEqual((response.status, response.body), (304, b""))
                headers = dict(response.headers)
                for name in ("Date", "Server", "Vary"):
                    del headers[name]
                self.assertEqual(
                    headers,
                    {
                        "ETag": tag,
                        "Cache-Control": "no-cache",
                        "Access-Control-Allow-Origin": "*",
                        "Access-Control-Expose-Headers": "ETag",
                    },
                )

    def test_forms(self) -> None:
        """
        Lists, strong tags, ``*`` and several headers match; other tags don't.
        """
        tag = self.get(OF_SYSTEM).headers["ETag"]
        for headers, status in (
            ((f"If-None-Match: {tag[2:]}",), 304),
            ((f'If-None-Match: "a,b", {tag}',), 304),
            (("If-None-Match: *",), 304),
            (('If-None-Match: "a"', f"If-None-Match:{tag}"), 304),
            (('If-None-Match: "a"',), 200),
            ((f"If-None-Match: {tag[3:-1]}",), 200),
            (("If-None-Match: ",), 200),
        ):
            self.assertEqual(self.get(OF_SYSTEM, *headers).status, status, headers)


class RefusalTests(LookupCase):
    """
    Bad requests.
    """

    def test_bad_ids(self) -> None:
        """
        What is no id is refused as such.
        """
        most = " (1 to 2147483647)"
        for path, name in (
            ("character", "character_id"),
            ("system", "system_id"),
            ("cached", "system_id"),
            ("count", "system_id"),
        ):
            for text, shown, why in (
                ("x", "x", ""),
                ("-1", "-1", ""),
                ("1_0", "1_0", ""),
                ("%D9%A3", "٣", ""),
                ("9" * 70, "9" * 60 + "...", ""),
                ("0", "0", most),
                (str(2**31), str(2**31), most),
            ):
                response = self.get(f"/api/v1/kills/{path}/{text}")
                self.assertEqual(response.status, 400)
                self.assertEqual(
                    message_of(response),
                    f"Invalid {name}: '{shown}' is not a valid integer{why}",
                )

    def test_bad_parameters(self) -> None:
        """
        Each mistake has its message.
        """
        place = "0123456.01234567"
        for query, message in (
            ("limit=0", "limit must be between 1 and 1000, got 0"),
            ("limit=1001", "limit must be between 1 and 1000, got 1001"),
            ("limit=1.5", "Invalid limit: '1.5' is not a valid integer"),
            ("limit=%D9%A3", "Invalid limit: '٣' is not a valid integer"),
            ("since_hours=0", "since_hours must be between 1 and 2160, got 0"),
            ("since_hours=2161", "since_hours must be between 1 and 2160, got 2161"),
            ("since_hours=x", "Invalid since_hours: 'x' is not a valid integer"),
            ("since=x", "Invalid since: 'x' is not a time"),
            # What JavaScript calls now.
            (
                f"since={int(NOW)}000",
                f"since must not be in the future, got '{int(NOW)}000'",
            ),
            ("since=36h&since_hours=1", "Give since_hours or since, not both"),
            ("before=x", "Invalid before: 'x' is not from a link of ours"),
            (
                f"before={place}0",
                f"Invalid before: '{place}0' is not from a link of ours",
            ),
            ("limits=1", "Unknown parameter 'limits', did you mean 'limit'?"),
            ("hours=1", "Unknown parameter 'hours', did you mean 'since_hours'?"),
            ("limit=1&limit=1", "Parameter 'limit' is given more than once"),
            ("limit=%ff", "The value of 'limit' is not valid UTF-8"),
        ):
            for path in LISTS:
                response = self.get(f"{path}?{query}")
                self.assertEqual(response.status, 400, query)
                self.assertEqual(message_of(response), message)

    def test_borders(self) -> None:
        """
        What is just allowed is taken.
        """
        for query in (
            "since_hours=2160&limit=1000",
            "since_hours=1&limit=1",
            "limit=&since_hours=&before=&since=",
            "since=0",
            f"since={int(NOW) + 300}",
            "before=zzzzzzz.zzzzzzzz",
            "_=5",
        ):
            self.assertEqual(self.get(f"{OF_SYSTEM}?{query}").status, 200, query)


class SystemsTests(LookupCase):
    """
    ``POST /api/v1/kills/systems``.
    """

    def ask(self, document: Any, **parts: Any) -> Response:
        return self.post(SYSTEMS, dumps(document), **parts)

    def test_shape(self) -> None:
        """
        The newest of each, the systems as they were named, once each; where there are
        more, a link to them.
        """
        for killmail_id in (1, 2, 3):
            self.add(killmail_id, system=30000001)
        self.add(4, system=30000002)
        named = [30000002, 30000001, 30000003, 30000002]
        response = self.ask({"system_ids": named, "limit": 2})
        self.assertEqual(response.status, 200)
        document = loads(response.body)
        data = document["data"]
        self.assertEqual(data["timestamp"], document["timestamp"])
        found = [(name, ids(kills)) for name, kills in data["systems_kills"].items()]
        self.assertEqual(
            found, [("30000002", [4]), ("30000001", [3, 2]), ("30000003", [])]
        )
        self.assertTrue(data["complete"])
        (system,) = data["next"]
        self.assertEqual(system, "30000001")
        self.assertEqual(ids(self.data(data["next"][system])["kills"]), [1])

    def test_hours(self) -> None:
        """
        As far back as was asked.
        """
        self.add(1, 3601, system=5)
        for hours, found in ((1, []), (2, [1]), ("2", [1]), (None, [1])):
            response = self.ask({"system_ids": [5], "since_hours": hours})
            kills = loads(response.body)["data"]["systems_kills"]
            self.assertEqual(ids(kills["5"]), found)

    def test_cut(self) -> None:
        """
        The systems share the bytes that one answer may have; the links have the rest.
        """
        for killmail_id in range(1, 10):
            self.add(killmail_id, killmail_id, system=1 + killmail_id % 3)
        size = len(self.get("/api/v1/kills/system/1").body)
        self.patch(self.site.lookups, "_most_bytes", size)
        data = loads(self.ask({"system_ids": [1, 2, 3, 4]}).body)["data"]
        kills = data["systems_kills"]
        self.assertEqual(ids(kills["1"]), [3, 6, 9])
        self.assertEqual((len(kills["2"]), kills["3"], kills["4"]), (1, [], []))
        self.assertEqual(list(data["next"]), ["2", "3", "4"])
        for name, found in (("2", [4, 7]), ("3", [2, 5, 8]), ("4", [])):
            self.assertEqual(ids(self.data(data["next"][name])["kills"]), found)

    def test_types(self) -> None:
        """
        The body is JSON, and says so.
        """
        for type, status in (
            ("application/json", 200),
            ("Application/JSON; charset=UTF-8", 200),
            ('application/json;charset="utf-8"', 200),
            ("application/json; charset=latin-1", 415),
            ("text/plain", 415),
            ("application/x-www-form-urlencoded", 415),
            ("", 415),
        ):
            response = self.ask({"system_ids": [1]}, type=type)
            self.assertEqual(response.status, status, type)

    def test_bad_bodies(self) -> None:
        """
        Each mistake has its message.
        """
        most = ",".join(map(str, range(1, 102)))
        for body, message in (
            (b"", "The request's body is not valid JSON"),
            (b"{", "The request's body is not valid JSON"),
            (b"\xff", "The request's body is not valid JSON"),
            (b"[" * 60000, "The request's body is not valid JSON"),
            (b'{"limit":NaN}', "The request's body is not valid JSON"),
            (b"1" * 5000, "The request's body is not valid JSON"),
            (b"[]", "The request's body is not a JSON object"),
            (
                b'{"limit":1,"limit":1}',
                "The request's body has a key more than once",
            ),
            (b"{}", "system_ids must be a list of integers"),
            (b'{"system_ids":[]}', "system_ids must be a list of integers"),
            (b'{"system_ids":"1,2"}', "system_ids must be a list of integers"),
            (
                b'{"system_ids":["a"]}',
                "Invalid system_ids: 'a' is not a valid integer",
            ),
            (
                b'{"system_ids":[true]}',
                "Invalid system_ids: 'true' is not a valid integer",
            ),
            (
                b'{"system_ids":[1.0]}',
                "Invalid system_ids: '1.0' is not a valid integer",
            ),
            (
                b'{"system_ids":[0]}',
                "Invalid system_ids: '0' is not a valid integer (1 to 2147483647)",
            ),
            (
                b'{"system_ids":[%b]}' % most.encode(),
                "Too many system_ids specified (max 100)",
            ),
            (
                b'{"system_ids":[1],"limit":1001}',
                "limit must be between 1 and 1000, got 1001",
            ),
            (
                b'{"system_ids":[1],"since_hours":[1]}',
                "Invalid since_hours: '[...]' is not a valid integer",
            ),
            (
                b'{"system":[1]}',
                "Unknown parameter 'system', did you mean 'system_ids'?",
            ),
        ):
            response = self.post(SYSTEMS, body)
            self.assertEqual(response.status, 400, body[:50])
            self.assertEqual(message_of(response), message)

    def test_query(self) -> None:
        """
        Nothing stands in the query.
        """
        response = self.post(f"{SYSTEMS}?limit=1", b'{"system_ids":[1]}')
        self.assertEqual(response.status, 400)

    def test_too_large(self) -> None:
        """
        A body over the channel's bound is refused before it is read.
        """
        response = self.post(SYSTEMS, b" " * (MAX_BODY_BYTES + 1))
        self.assertEqual(response.status, 413)


class OutstandingTests(LookupCase):
    """
    Answers that nobody takes.
    """

    def setUp(self) -> None:
        super().setUp()
        self.unsent: dict[object, int] = {}
        self.patch(outstanding, "unsent", lambda each: self.unsent.get(each, 0))

    def test_not_taken(self) -> None:
        """
        While clients have too much to take, no more is read for anybody; numbers,
        which are small, are still told.
        """
        first, second = self.site.ask(OF_SYSTEM), self.site.ask(OF_SYSTEM)
        self.unsent[second.transport] = 64 << 20
        self.assertEqual(self.get(OF_SYSTEM).status, 200)
        self.unsent[second.transport] += 1
        for response in (self.get(CACHED), self.post(SYSTEMS, b'{"system_ids":[1]}')):
            self.assertEqual(response.status, 503)
            self.assertIn(b'"busy"', response.body)
            self.assertIn("Retry-After", response.headers)
        self.assertEqual(self.get(COUNT).status, 200)
        del self.unsent[second.transport]
        # What was taken counts no more, whatever its connection is used for later.
        self.unsent[first.transport] = 1 << 30
        self.assertEqual(self.get(OF_SYSTEM).status, 200)

    def test_not_taken_by_those_before(self) -> None:
        """
        What was just answered counts for those who waited for their turn meanwhile.
        """
        self.patch(outstanding, "unsent", lambda each: len(each.value()) << 20)
        store, _, readers = make_stepped_store(temporary_path(self), self.site.clock)
        self.addCleanup(store.close)
        site = self.public(past=store)
        clients = [site.ask(OF_SYSTEM) for _ in range(9)]
        while readers.step() or readers.deliver():
            pass
        answered = [b"200 OK" in each.raw for each in clients]
        # The fifth has its turn while the first one's answer is not written yet.
        self.assertEqual(answered, [True] * 5 + [False] * 4)

    def test_turns(self) -> None:
        """
        So many are read at once; one that leaves gives up its turn.
        """
        path = temporary_path(self)
        store, _, readers = make_stepped_store(path, self.site.clock)
        self.addCleanup(store.close)
        site = self.public(past=store)
        clients = [site.ask(OF_SYSTEM) for _ in range(6)]
        self.assertEqual(len(readers.waiting), 4)
        clients[4].leave()
        while readers.step() or readers.deliver():
            self.assertLessEqual(len(readers.waiting), 4)
        done = [b"200 OK" in each.raw for each in clients]
        self.assertEqual(done, [True] * 4 + [False, True])


class PagingTests(LookupCase):
    """
    Walking by ``next``.
    """

    def walk(self, target: str) -> list[list[int]]:
        """
        The ids on each page.
        """
        found = []
        link: str | None = target
        while link is not None:
            self.assertRegex(link, r"\A[A-Za-z0-9._~/?&=-]+\Z")
            data = self.data(link)
            found.append(ids(data["kills"]))
            link = data["next"]
        return found

    def test_pages(self) -> None:
        """
        The pages follow each other to the last, which is not empty for nothing.
        """
        for killmail_id in range(1, 7):
            self.add(killmail_id, system=SYSTEM)
        for path in LISTS:
            self.assertEqual(self.walk(f"{path}?limit=2"), [[6, 5], [4, 3], [2, 1]])
            self.assertEqual(self.walk(f"{path}?limit=4"), [[6, 5, 4, 3], [2, 1]])
            self.assertEqual(self.walk(f"{path}?limit=6"), [[6, 5, 4, 3, 2, 1]])
        self.assertEqual(self.walk("/api/v1/kills/system/5"), [[]])

    def test_time_goes_by(self) -> None:
        """
        What was within reach on the first page is so on the last.
        """
        for killmail_id, age in ((3, 60), (2, 120), (1, 3590)):
            self.add(killmail_id, age)
        link = self.data(f"{OF_CHARACTER}?limit=1&since_hours=1")["next"]
        self.site.clock.advance(3600)
        self.assertEqual(self.walk(link), [[2], [1]])

    def test_links_live_for_a_day(self) -> None:
        """
        A walk over all days may take a day.
        """
        for killmail_id in (1, 2):
            self.add(killmail_id)
        link = self.data(f"{OF_CHARACTER}?limit=1&since_hours=2160")["next"]
        self.site.clock.advance(DAY)
        self.assertEqual(self.walk(link), [[1]])
        since = int(NOW) - 90 * DAY
        self.assertEqual(self.site.history.asked[-1][1], since)
        self.site.clock.advance(1)
        self.walk(link)  # and goes on, no further back than that
        self.assertEqual(self.site.history.asked[-1][1], since + 1)

    def test_since(self) -> None:
        """
        A moment, or how long ago, as with a stream.
        """
        self.add(1, 60)
        self.add(2, 7200)
        day = timestamp(NOW - 3600)
        for since in ("1h", day, day.replace("Z", "%2B00:00"), str(int(NOW) - 3600)):
            kills = self.data(f"{OF_SYSTEM}?since={since}")["kills"]
            self.assertEqual(ids(kills), [1], since)
        self.assertEqual(ids(self.data(f"{OF_SYSTEM}?since=2h")["kills"]), [1, 2])

    def test_cut(self) -> None:
        """
        A page ends before it has more bytes than it may; one killmail may be larger.
        """
        for killmail_id in range(1, 6):
            self.add(killmail_id, attackers=range(1, 400) if killmail_id == 3 else ())
        small = len(dumps(self.data(OF_CHARACTER)["kills"][0]))
        self.patch(self.site.lookups, "_most_bytes", 2 * small + small // 2)
        self.assertEqual(self.walk(f"{OF_CHARACTER}?limit=5"), [[5, 4], [3], [2, 1]])

    @settings(max_examples=40, deadline=None)
    @given(
        st.dictionaries(
            st.integers(1, 36**8 - 1), st.integers(0, 2 * DAY), max_size=120
        ),
        st.integers(1, 130),
        st.integers(400, 40_000),
    )
    def test_any(self, killmails: dict[int, int], limit: int, most_bytes: int) -> None:
        """
        Whatever killmails there are, whatever the limit and the bytes of a page, each
        comes once, in order.
        """
        self.setUp()
        for killmail_id, age in killmails.items():
            self.add(killmail_id, age)
        self.patch(self.site.lookups, "_most_bytes", most_bytes)
        walked = self.walk(f"{OF_CHARACTER}?since_hours=24&limit={limit}")
        within = [each for each, age in killmails.items() if age <= DAY]
        within.sort(key=lambda each: (int(NOW - killmails[each]), each), reverse=True)
        self.assertEqual([each for page in walked for each in page], within)
        self.assertGreaterEqual(limit, max(map(len, walked)))
