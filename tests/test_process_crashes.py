"""
Power cuts, of the server and of its upstream: clients come back by themselves and miss
nothing.
"""

from collections.abc import Collection
from functools import partial
from itertools import pairwise
from random import Random

import treq
from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers

from tests.processes import ProcessCase, Simulator
from tests.support.reader import Client


class CrashTests(ProcessCase):
    """
    ``kill -9``, once a proper stop, and a new start on the same database and port.
    """

    async def test_crashes(self) -> None:
        """
        Of the server, in history and live; of its upstream; and with an upstream that
        moved on too far meanwhile.
        """
        await self.together(
            self.server_dies(), self.upstream_dies(), self.upstream_goes_on()
        )

    # --- the server ------------------------------------------------------------

    async def server_dies(self) -> None:
        """
        At random moments, while it sends history slowly, and while killmails come.
        """
        random = Random("server_dies")
        simulator = await self.simulator()
        await simulator.post("rules", limits=False, zkb_cache=0, zkb_hold_back=0)
        busy = (await simulator.get("busy?count=20"))["character_ids"]
        server = await self.server(
            "dies",
            **simulator.settings(),
            history={"batch_size": 7, "pacing_budget_seconds": 2.5},
        )
        everything = await self.connected(server)
        characters = ",".join(map(str, busy))
        filtered = f"character_ids={characters}&preload_days=90"
        slow = [self.client(server, filtered, slow=0.02)]
        self.playing = True
        self.addCleanup(self.stop_playing)
        played = Deferred.fromCoroutine(self.keep_playing(simulator))
        for number in range(4):
            await self.pause(random.uniform(0.2, 1.5))
            if number == 2:
                await server.stop()
            else:
                await server.process.kill()
            slow.append(self.client(server, filtered, slow=0.02))
            await server.start()
            if number == 0:  # the first kill came while the history was fetched
                await self.until("history", partial(slow[0].named, "batch"))
        for client in slow:
            await self.until("a live killmail", partial(client.named, "killmail"))
        await server.process.kill()
        await server.start()
        self.stop_playing()
        await played

        await self.until_all(everything, simulator.played)
        self.check_all_live(everything, server)
        matching = await self.listed(simulator, busy)
        for client in slow:
            await self.until("a transition", partial(client.named, "transition"))
            await self.until_all(client, matching)
            self.check_exactly_once(client, matching, server)
            self.check_history(client)
        names = [event.name for event in slow[0].events]
        self.assertIn(("batch", "connected"), pairwise(names), "cut in mid-history")
        self.assertIn(("killmail", "connected"), pairwise(names), "cut in mid-feed")

    async def keep_playing(self, simulator: Simulator) -> None:
        while self.playing:
            await simulator.play()
            await self.pause(0.25)

    def stop_playing(self) -> None:
        self.playing = False

    async def listed(self, simulator: Simulator, ids: Collection[int]) -> set[int]:
        """
        All killmails of some characters, as zKillboard lists them.
        """
        found: set[int] = set()
        for each in ids:
            page, rows = 0, [None]
            while rows:
                page += 1
                url = simulator.url(f"zkb/api/characterID/{each}/page/{page}/")
                response = await treq.get(
                    url, headers=Headers({"User-Agent": ["tests"]}), persistent=False
                )
                rows = await response.json()
                found.update(row["killmail_id"] for row in rows)
        return found

    def check_history(self, client: Client) -> None:
        """
        Batches by number, in the order of time; one transition; then live.
        """
        batches = client.named("batch")
        numbers = [event.data["batch_number"] for event in batches]
        self.assertEqual(numbers, [*range(1, len(numbers) + 1)])
        (total,) = {event.data["total_batches"] for event in batches}
        self.assertEqual(total, len(numbers))
        kills = [kill for event in batches for kill in event.data["kills"]]
        places = [(kill["kill_time"], kill["killmail_id"]) for kill in kills]
        self.assertEqual(places, sorted(places))
        (transition,) = client.named("transition")
        self.assertEqual(transition.data["total_historical"], len(kills))
        self.assertTrue(transition.data["coverage"]["complete"])
        self.assertEqual(client.named("gap"), [])

    # --- its upstream ----------------------------------------------------------

    async def upstream_dies(self) -> None:
        """
        And plays the same again after its start, and more.
        """
        simulator = await self.simulator()
        server = await self.server("upstream", **simulator.settings())
        client = await self.connected(server)
        await self.until("a feed that has begun", server.has_begun)
        before = await simulator.play(15)
        await self.until_all(client, before)
        await simulator.process.kill()
        simulator = await self.simulator(port=simulator.port)
        await simulator.post("rules", r2z2_retention=10_000_000)
        again = await simulator.play(30)
        self.assertEqual(again[:15], before)
        await self.until_all(client, again)
        self.check_all_live(client, server)
        self.assertEqual(len(client.ends), 0, "the stream was cut")

    async def upstream_goes_on(self) -> None:
        """
        While the server was down hundreds of files came and went: the client that comes
        back is told so, in its place, and gets what is there.
        """
        simulator = await self.simulator()
        server = await self.server("gap", **simulator.settings())
        client = await self.connected(server)
        await self.until("a feed that has begun", server.has_begun)
        before = await simulator.play(3)
        await self.until_all(client, before)
        await server.process.kill()
        await simulator.post("sequences", next="hole", count=230)
        await simulator.play(230)
        lost, simulator.played = simulator.played[3:], before
        after = await simulator.play(60)
        await server.start()
        await self.until_all(client, after)
        self.check_all_live(client, server)
        (warning,) = client.named("warning")
        self.assertEqual(warning.data["type"], "feed_gap")
        self.assertLess(warning.data["since"], warning.data["until"])
        names = [event.name for event in client.events]
        returned = names.index("connected", 1)
        self.assertGreater(names.index("warning"), returned)
        self.assertEqual(names[returned:].count("killmail"), len(after))
        self.assertFalse(set(lost) & set(client.killmails))
