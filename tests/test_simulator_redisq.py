"""
The simulated RedisQ keeps the rules of contracts.md.
"""

from typing import Any

from tests.support.simulator import SimulatorCase
from wanderer_twisted.simulator.redisq_filter import BadFilter, parse


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
