"""
The simulated R2Z2 keeps the rules of contracts.md.
"""

from typing import Any

from tests.support.simulator import Answer, SimulatorCase
from wanderer_twisted.encoding import loads

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
