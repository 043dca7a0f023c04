"""
A server whose disk is full, whose database another program holds, and whose clients do
not read.
"""

import json
import resource
import socket
import sqlite3
from collections.abc import Callable
from functools import partial

from tests.processes import ProcessCase, Server, Simulator

_HEARTBEAT = 2

#: Clients that do not read, and KiB that each may cost.
_READERS, _PAGE = 40, 1200


class TroubleTests(ProcessCase):
    """
    What is bounded, waits and goes on.
    """

    async def test_trouble(self) -> None:
        """
        While the database cannot be written streams go on, the health says why it is
        bad, the feed waits; when it is over everything arrives. Clients that do not
        read cost no more than a page each, and are closed.
        """
        await self.together(self.full_disk(), self.locked(), self.stuck_readers())

    # --- a database that cannot be written -------------------------------------

    async def full_disk(self) -> None:
        simulator, server = await self.playing("full")
        pid = server.process.pid

        def limit(size: int) -> None:
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))

        await self.endure(
            simulator,
            server,
            "The store is unavailable: disk I/O error",
            partial(limit, 4096),
            partial(limit, resource.RLIM_INFINITY),
        )

    async def locked(self) -> None:
        simulator, server = await self.playing("locked")
        other = sqlite3.connect(server.database, isolation_level=None)
        self.addCleanup(other.close)
        await self.endure(
            simulator,
            server,
            "The store is unavailable: database is locked",
            partial(other.execute, "BEGIN EXCLUSIVE"),
            partial(other.execute, "COMMIT"),
        )

    async def playing(self, name: str) -> tuple[Simulator, Server]:
        """
        A server whose feed is quick: RedisQ hands everything out at once.
        """
        simulator = await self.simulator()
        await simulator.post("rules", redisq_bodies=True, redisq_delay=0.05)
        server = await self.server(name, **simulator.settings("redisq"))
        await self.until("a feed that has begun", server.has_begun)
        return simulator, server

    async def endure(
        self,
        simulator: Simulator,
        server: Server,
        reason: str,
        begin: Callable[[], object],
        end: Callable[[], object],
    ) -> None:
        client = await self.connected(server, f"heartbeat={_HEARTBEAT}")
        past = await simulator.play(2)
        await self.until_all(client, past)
        begin()
        coming = await simulator.play(3)

        async def is_unwell() -> object:
            status, health = await server.health()
            return status == 503 and health

        health = await self.until("a bad health", is_unwell)
        self.assertEqual(health["reasons"], [f"redisq is failing: {reason}"])
        beats = len(client.named("heartbeat"))
        await self.until("a heartbeat", lambda: len(client.named("heartbeat")) > beats)
        self.assertEqual(client.killmails, past, "sent, but not stored")
        beat = client.named("heartbeat")[-1].data
        self.assertEqual(beat["feed"]["state"], "failing")
        second = await self.connected(server)
        end()

        async def is_well() -> object:
            status, _ = await server.health()
            return status == 200

        await self.until("a good health", is_well)
        coming += await simulator.play()
        await self.until_all(client, coming)
        await self.until_all(second, coming)
        self.check_exactly_once(client, past + coming, server)
        self.check_exactly_once(second, coming, server)
        self.assertEqual(client.ends, [])
        self.assertNotIn("Traceback", server.process.out)

    # --- clients that do not read ----------------------------------------------

    async def stuck_readers(self) -> None:
        simulator = await self.simulator()
        await simulator.post("rules", limits=False)
        code = (
            "from wanderer_twisted.stream import stall\n"
            "stall.STUCK_SECONDS, stall._LOOK_SECONDS = 3.0, 0.5"
        )
        server = await self.server("stuck", code=code, **simulator.settings())
        busy = (await simulator.get("busy?count=8"))["character_ids"]
        query = f"character_ids={','.join(map(str, busy))}&preload_days=90&items=1"
        reader = await self.connected(server, query)
        await self.until("the history", partial(reader.named, "transition"))
        size = sum(len(json.dumps(event.data)) for event in reader.events) // 1024
        self.assertGreater(size, 3 * _PAGE, "too little to show anything")
        await reader.close()

        before = self.memory(server, "VmRSS")
        clients = [self.ask(server, query) for _ in range(_READERS)]
        await self.until("streams", partial(self.has_streams, server, _READERS))
        await self.until("no streams", partial(self.has_streams, server, 0))
        growth = self.memory(server, "VmHWM") - before
        # A page each, and what Twisted makes of it on its way.
        self.assertLess(growth, 2 * _READERS * _PAGE)
        for client in clients:
            self.assertRaises(ConnectionResetError, self.read_all, client)

    async def has_streams(self, server: Server, number: int) -> bool:
        _, health = await server.health()
        return bool(health["streams"] == number)

    def ask(self, server: Server, query: str) -> socket.socket:
        """
        A client that has asked and takes next to nothing.
        """
        client = socket.socket()
        self.addCleanup(client.close)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        target = server.stream_url(query).partition(str(server.port))[2]
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return client

    def read_all(self, client: socket.socket) -> None:
        client.settimeout(10)
        while client.recv(65536):
            pass

    def memory(self, server: Server, what: str) -> int:
        """
        KiB: what the process has in memory (VmRSS), or has had at most (VmHWM).
        """
        with open(f"/proc/{server.process.pid}/status") as status:
            (line,) = [line for line in status if line.startswith(what)]
        return int(line.split()[1])
