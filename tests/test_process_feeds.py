"""
Live feeds with everything that can go wrong upstream: what was played there arrives,
each killmail once.
"""

from typing import Any

import treq
from twisted.internet.defer import Deferred

from tests.processes import ProcessCase, Server, Simulator
from tests.support.reader import Client

#: Every way in which one answer can be spoiled, and what it needs to be over soon.
FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 403, "headers": {"Retry-After": "1"}},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "1"}},
    {"kind": "status", "status": 500},
    {"kind": "delay", "delay": 0.7},
    {"kind": "drip", "size": 200, "interval": 0.02},
    {"kind": "reset"},
    {"kind": "truncate"},
    {"kind": "cut"},
    {"kind": "bad_gzip"},
    {"kind": "html"},
    {"kind": "body", "body": '{"package": {"killID": "x"'},
    {"kind": "nan"},
    {"kind": "huge"},
    {"kind": "redirect"},
]


class FeedsTests(ProcessCase):
    """
    A server whose feeds come from simulators.
    """

    async def test_faults(self) -> None:
        """
        After any fault everything arrives: once, and under the numbers of the store. A
        feed that hangs does not hold up another.
        """
        await self.together(self.r2z2(), self.redisq())

    async def finish(
        self, server: Server, client: Client, *simulators: Simulator
    ) -> None:
        """
        Wait for all that was played and compare.
        """
        played = [id for simulator in simulators for id in simulator.played]

        await self.until_all(client, played)
        for simulator in simulators:
            self.assertEqual(await simulator.get("faults"), [])
        self.check_all_live(client, server)
        self.assertEqual(client.named("warning"), [])
        self.assertEqual(client.named("gap"), [])
        status, health = await server.health()
        self.assertEqual(status, 200, health)

    async def refusals(self, simulator: Simulator, service: str) -> list[Any]:
        """
        Requests that a service refused because of its own rules.
        """
        path = f"requests?service={service}"
        requests = await simulator.get(path)
        return [each for each in requests if each["status"] in (403, 429)]

    # --- R2Z2 ------------------------------------------------------------------

    async def r2z2(self) -> None:
        spoiled = await self.simulator("--tail", "150")
        silent = await self.simulator("--tail", "50")
        feeds = [spoiled.feed("r2z2"), silent.feed("r2z2")]
        server = await self.server("r2z2", **{**spoiled.settings(), "feeds": feeds})
        client = await self.connected(server)
        await self.until("feeds that have begun", server.has_begun)

        file = (await spoiled.get(""))["sequence"] + 3  # no look-ahead gets so far
        await spoiled.fault("status", "r2z2", f"*/{file}.json", status=404)
        for fault in FAULTS:
            file += 2
            await spoiled.fault(service="r2z2", path=f"*/{file}.json", **fault)
        hung = (await silent.get(""))["sequence"] + 3
        await silent.fault("silence", "r2z2", f"*/{hung}.json")
        await silent.play(5)
        await spoiled.play(4 + 2 * len(FAULTS))
        await spoiled.post("sequences", next="null")
        await spoiled.play(2)
        await spoiled.post("redeliver", killmail_id=spoiled.played[0])
        await spoiled.play(2)
        await self.finish(server, client, spoiled, silent)
        injected = [403, 429]
        refused = [each["status"] for each in await self.refusals(spoiled, "r2z2")]
        self.assertEqual(refused, injected)

    # --- RedisQ ----------------------------------------------------------------

    async def redisq(self) -> None:
        spoiled = await self.simulator("--tail", "150")
        locked = await self.simulator("--tail", "100")
        silent = await self.simulator("--tail", "50")
        for simulator, bodies in ((spoiled, False), (locked, True), (silent, True)):
            await simulator.post("rules", redisq_bodies=bodies, redisq_delay=0.05)
        holding = Deferred.fromCoroutine(self.hold(locked))
        server = await self.server(
            "redisq",
            **{
                **spoiled.settings(),
                "feeds": [each.feed("redisq") for each in (spoiled, locked, silent)],
            },
        )
        client = await self.connected(server)
        await self.together(
            self.spoil(spoiled, client),
            self.unlock(locked, holding),
            self.silence(silent),
        )
        await self.finish(server, client, spoiled, locked, silent)

    async def spoil(self, simulator: Simulator, client: Client) -> None:
        """
        Spoil the asking of the queue, then the fetching of what it gave.
        """
        await self.until("a queue", lambda: self.polls(simulator, 302))
        for path, fault in (
            *(("/listen.php", FAULTS[n]) for n in (1, 2, 5)),
            *(("/object.php", FAULTS[n]) for n in (0, 3, 6, 7, 8, 9, 11, 12, 13)),
        ):
            await simulator.fault(service="redisq", path=path, **fault)
            (killmail_id,) = await simulator.play()
            await self.until_all(client, [killmail_id])

    async def hold(self, simulator: Simulator) -> None:
        """
        Have the queue's lock until the server was refused once.
        """
        url = simulator.url("redisq/listen.php?queueID=tests&ttw=2")
        while not await self.polls(simulator, 429):
            response = await treq.get(url, persistent=False)
            self.assertEqual(await response.json(), {"package": None})

    async def unlock(self, simulator: Simulator, holding: Deferred[None]) -> None:
        await holding
        await simulator.play(3)

    async def silence(self, simulator: Simulator) -> None:
        """
        Hang a poll; what is played meanwhile waits in the queue.
        """
        await self.until("a queue", lambda: self.polls(simulator, 302))
        await simulator.fault("silence", "redisq", "/listen.php")
        await self.until("a poll that hangs", lambda: self.polls(simulator, 0))
        await simulator.play(3)

    async def polls(self, simulator: Simulator, status: int) -> list[Any]:
        """
        The server's polls that got this status; 0: none yet.
        """
        requests = await simulator.get("requests?service=redisq")
        return [
            each
            for each in requests
            if each["status"] == status and "ttw=1" in each["path"]
        ]
