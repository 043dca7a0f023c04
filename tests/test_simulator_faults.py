"""
The simulator's faults, its commands over HTTP and its log of requests.
"""

import gzip
import zlib
from typing import Any

from tests.support.simulator import Answer, SimulatorCase
from wanderer_twisted.encoding import loads
from wanderer_twisted.simulator.faults import Fault


class FaultTests(SimulatorCase):
    """
    What each fault does to an answer.
    """

    def setUp(self) -> None:
        super().setUp()
        self.target = f"/r2z2/ephemeral/{self.world.sequence}.json"
        self.proper = self.ask(self.target)

    def spoil(self, kind: Any, **more: Any) -> None:
        self.world.faults.add(Fault(kind, **more))

    def faulty(self, kind: Any, **more: Any) -> Answer:
        self.spoil(kind, **more)
        return self.ask(self.target)

    def test_status(self) -> None:
        """
        The status, a page or the body given, and headers.
        """
        answer = self.faulty("status", status=429, headers={"Retry-After": "7"})
        self.assertEqual((answer.status, answer.reason), (429, "Too Many Requests"))
        self.assertEqual(answer.headers["retry-after"], "7")
        self.assertTrue(answer.body.startswith(b"<!DOCTYPE html>"))
        answer = self.faulty("status", status=504, body='{"error":"Timeout"}')
        self.assertEqual(answer.json(), {"error": "Timeout"})

    def test_delay(self) -> None:
        """
        The proper answer, later; with another kind, that one later.
        """
        self.spoil("delay", delay=5)
        self.spoil("html", delay=5)
        proper, page = self.begin(self.target), self.begin(self.target)
        self.clock.advance(4.9)
        self.assertTrue(proper.silent and page.silent)
        self.clock.advance(0.1)
        self.assertEqual(proper.answer().body, self.proper.body)
        self.assertIn(b"Just a moment", page.answer().body)

    def test_silence(self) -> None:
        """
        Nothing ever comes, and the client may leave.
        """
        self.spoil("silence")
        waiting = self.begin(self.target)
        self.clock.advance(10_000)
        self.assertTrue(waiting.silent)
        waiting.leave()
        self.assertEqual(self.site.resource._working, {})

    def test_reset(self) -> None:
        """
        The connection is cut without a byte.
        """
        self.spoil("reset")
        cut = self.begin(self.target)
        self.assertTrue(cut.aborted and cut.silent)

    def test_truncate(self) -> None:
        """
        The connection ends before the length that the head promised.
        """
        self.spoil("truncate", size=20)
        broken = self.begin(self.target)
        self.assertTrue(broken.transport.disconnecting)
        self.assertEqual(broken.answer().body, self.proper.body[:20])
        self.assertEqual(
            broken.answer().headers["content-length"], str(len(self.proper.body))
        )

    def test_cut(self) -> None:
        """
        A whole message whose JSON ends in the middle.
        """
        answer = self.faulty("cut")
        half = self.proper.body[: len(self.proper.body) // 2]
        self.assertEqual(answer.body, half)
        self.assertEqual(answer.headers["content-length"], str(len(half)))

    def test_bad_gzip(self) -> None:
        """
        A whole message whose compressed stream ends in the middle.
        """
        answer = self.faulty("bad_gzip")
        self.assertEqual(answer.headers["content-encoding"], "gzip")
        self.assertRaises((EOFError, zlib.error), gzip.decompress, answer.body)

    def test_drip(self) -> None:
        """
        A portion at a time, until all is there.
        """
        self.spoil("drip", size=100, interval=1.0)
        slow = self.begin(self.target)
        self.assertEqual(slow.answer().body, self.proper.body[:100])
        self.clock.advance(1)
        self.assertEqual(slow.answer().body, self.proper.body[:200])
        self.clock.pump([1.0] * 20)
        self.assertEqual(slow.answer().body, self.proper.body)

    def test_a_drip_ends_with_its_client(self) -> None:
        """
        Nothing goes on behind one that left.
        """
        self.spoil("drip", size=1)
        self.begin(self.target).leave()
        self.assertEqual(self.site.resource._working, {})

    def test_html_body_null_and_huge(self) -> None:
        """
        Status 200 and something else.
        """
        answer = self.faulty("html")
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.body.startswith(b"<"))
        self.assertEqual(self.faulty("body", body="[1]").json(), [1])
        self.assertIsNone(self.faulty("null").json()["esi"])
        answer = self.faulty("huge", size=100_000)
        self.assertEqual(len(answer.body), 100_000)
        self.assertTrue(answer.json()["padding"])

    def test_each_service_has_its_own_null(self) -> None:
        """
        The null package, the failed query, nothing.
        """
        for target, null in (
            ("/redisq/object.php?objectID=1", {"package": None}),
            ("/zkb/api/characterID/1/", [None]),
            ("/esi/killmails/1/0/", None),
        ):
            self.spoil("null")
            self.assertEqual(self.ask(target).json(), null)

    def test_nan(self) -> None:
        """
        The numbers are none, which strict JSON does not know.
        """
        answer = self.faulty("nan")
        self.assertIn(b'"killmail_id":NaN', answer.body)
        self.assertRaises(ValueError, loads, answer.body)

    def test_redirect(self) -> None:
        """
        To another host.
        """
        answer = self.faulty("redirect", location="http://127.0.0.1:9/x")
        self.assertEqual(answer.status, 302)
        self.assertEqual(answer.headers["location"], "http://127.0.0.1:9/x")

    def test_it_is_counted(self) -> None:
        """
        So many answers, then none; without a count all, until it is cleared.
        """
        self.spoil("html", count=2)
        statuses = [self.ask(self.target).body[:1] for _ in range(3)]
        self.assertEqual(statuses, [b"<", b"<", b"{"])
        self.spoil("html", count=None)
        self.assertEqual(self.ask(self.target).body[:1], b"<")
        self.assertEqual(len(self.world.faults), 1)
        self.world.faults.clear()
        self.assertEqual(self.ask(self.target).body[:1], b"{")

    def test_it_hits_its_service_and_path_only(self) -> None:
        """
        A pattern behind the service's prefix.
        """
        self.spoil("html", service="r2z2", path="/ephemeral/sequence*", count=None)
        self.spoil("html", service="esi", count=None)
        self.assertEqual(self.ask(self.target).body[:1], b"{")
        self.assertEqual(self.ask("/zkb/api/characterID/1/").body[:1], b"[")
        self.assertEqual(self.ask("/r2z2/ephemeral/sequence.json").body[:1], b"<")
        self.assertEqual(self.ask("/esi/status").body[:1], b"<")

    def test_esi_counts_injected_errors(self) -> None:
        """
        A 504 costs an error, as in life.
        """
        self.spoil("status", status=504)
        answer = self.post("/esi/universe/names", [30000142])
        self.assertEqual(answer.headers["x-esi-error-limit-remain"], "99")

    def test_closing_drops_what_is_open(self) -> None:
        """
        A long poll and a silent request end, and no timer is left.
        """
        before = self.clock.getDelayedCalls()
        self.spoil("silence", service="esi")
        silent = self.begin("/esi/status")
        poll = self.begin("/redisq/listen.php?queueID=a")
        self.site.resource.close()
        self.assertTrue(silent.aborted and poll.aborted)
        self.assertEqual(self.clock.getDelayedCalls(), before)


class ControlTests(SimulatorCase):
    """
    Commands over HTTP.
    """

    def test_the_state(self) -> None:
        """
        Pace, numbers and rules.
        """
        state = self.ask("/control/").json()
        self.assertEqual(state["pace"], "manual")
        self.assertEqual(state["killmails"], 8)
        self.assertEqual(state["sequence"], self.world.sequence)
        self.assertIs(state["rules"]["zkb_bodies"], True)

    def test_play(self) -> None:
        """
        As many as wanted, now.
        """
        answer = self.post("/control/play", {"count": 3}).json()
        self.assertEqual(answer["killmail_ids"][:2], [108, 109])
        self.assertEqual(answer["sequence"], self.world.sequence)
        answer = self.post("/control/play", {"age": 86_400}).json()
        posting = self.world.postings[answer["killmail_ids"][0]]
        self.assertEqual(self.clock.seconds() - posting.kill_time, 86_400)

    def test_pace(self) -> None:
        """
        A word or a number.
        """
        self.player.startService()
        self.assertEqual(
            self.post("/control/pace", {"pace": 10}).json(), {"pace": 10.0}
        )
        self.assertEqual(self.player.pace, 10.0)
        answer = self.post("/control/pace", {"pace": "manual"}).json()
        self.assertEqual(answer, {"pace": "manual"})
        self.player.stopService()

    def test_sequences(self) -> None:
        """
        Holes, redeliveries, files taken away.
        """
        answer = self.post("/control/sequences", {"next": "hole", "count": 2})
        self.assertEqual(answer.status, 200)
        self.world.play(2)
        last = self.world.sequence
        self.assertEqual(self.ask(f"/r2z2/ephemeral/{last}.json").status, 404)
        answer = self.post("/control/redeliver", {"killmail_id": 103}).json()
        self.assertEqual(answer, {"killmail_id": 103, "sequence": last + 1})
        self.assertEqual(self.ask(f"/r2z2/ephemeral/{last + 1}.json").status, 200)
        self.post("/control/hide", {"sequence": last + 1})
        self.assertEqual(self.ask(f"/r2z2/ephemeral/{last + 1}.json").status, 404)

    def test_faults(self) -> None:
        """
        They are added, listed and cleared, and never hit the commands.
        """
        fault = {"kind": "html", "service": "zkb", "count": None}
        self.post("/control/faults", fault)
        (listed,) = self.ask("/control/faults").json()
        self.assertEqual({key: listed[key] for key in fault}, fault)
        self.assertEqual(self.ask("/zkb/api/characterID/1/").body[:1], b"<")
        self.assertEqual(self.ask("/control/faults", "DELETE").json(), [])
        self.assertEqual(self.ask("/zkb/api/characterID/1/").body[:1], b"[")

    def test_rules(self) -> None:
        """
        Some are changed, the others stay.
        """
        rules = self.post("/control/rules", {"zkb_cache": 0, "limits": False}).json()
        self.assertEqual((rules["zkb_cache"], rules["limits"]), (0, False))
        self.assertEqual(self.world.rules.zkb_cache, 0)
        self.assertTrue(self.world.rules.zkb_bodies)

    def test_requests(self) -> None:
        """
        Every request to a service, with time and status; commands are none.
        """
        self.ask("/esi/status")
        self.clock.advance(5)
        self.ask("/zkb/api/characterID/1/?a=b")
        log = self.ask("/control/requests").json()
        self.assertEqual(
            [(each["service"], each["path"], each["status"]) for each in log],
            [("esi", "/status", 200), ("zkb", "/api/characterID/1/?a=b", 403)],
        )
        self.assertEqual(log[1]["at"] - log[0]["at"], 5)
        self.assertEqual(len(self.ask("/control/requests?service=esi").json()), 1)
        self.ask("/control/requests", "DELETE")
        self.assertEqual(self.ask("/control/requests").json(), [])

    def test_busy(self) -> None:
        """
        The ids with most killmails.
        """
        busy = self.ask("/control/busy?count=1").json()
        self.assertEqual(busy, {"character_ids": [90000001], "system_ids": [30000142]})

    def test_bad_commands_are_400(self) -> None:
        """
        One line that says what is wrong; nothing changes.
        """
        for path, body in (
            ("play", {"count": 0}),
            ("play", {"count": "1"}),
            ("play", {"number": 1}),
            ("play", {"age": -1}),
            ("play", [1]),
            ("play", b"{"),
            ("pace", {"pace": "fast"}),
            ("pace", {}),
            ("sequences", {"next": "gone"}),
            ("redeliver", {"killmail_id": 1}),
            ("redeliver", {"killmail_id": [1]}),
            ("hide", {}),
            ("hide", {"sequence": 1}),
            ("faults", {}),
            ("faults", {"kind": "fire"}),
            ("faults", {"kind": "html", "service": "ccp"}),
            ("faults", {"kind": "html", "count": 0}),
            ("faults", {"kind": "html", "colour": "red"}),
            ("faults", {"kind": "status", "status": 99}),
            ("faults", {"kind": "delay", "delay": "1"}),
            ("faults", {"kind": "status", "headers": {"a": 1}}),
            ("rules", {"limits": 1}),
            ("rules", {"zkb_cache": -1}),
            ("rules", {"zkb_cash": 1}),
        ):
            answer = self.post(f"/control/{path}", body)
            self.assertEqual(answer.status, 400, (path, body))
            self.assertTrue(answer.json()["error"])
        self.assertEqual(len(self.world.postings), 8)
        self.assertEqual(len(self.world.faults), 0)

    def test_unknown_paths_are_404(self) -> None:
        """
        Commands that are none, services that are none.
        """
        self.assertIn("POST /play", self.ask("/control/nothing").json()["commands"])
        for target in ("/", "/nothing/", "/control"):
            self.assertIn(self.ask(target).status, (200, 404))
