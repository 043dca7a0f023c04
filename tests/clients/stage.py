"""
A world, a server, and the truth about what clients must get from it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Self

import treq

from tests.clients.cell import Cell
from tests.clients.line import Line
from tests.processes import Programs, Server, Simulator

#: Seconds after which a client is taken not to come any more. requests-sse waits twice
#: as long as it is told to, which at the limit is up to 20 s.
PATIENCE = 60.0

#: How far back clients want the past, in seconds.
_PAST = 80 * 86_400

#: Killmails that are played at a time; about half of them match.
_SOME = 20


class Stage:
    """
    :ivar places: how many streams the server has.
    :ivar truth: the killmails that match, as far as they were announced.
    """

    def __init__(
        self,
        programs: Programs,
        simulator: Simulator,
        server: Server,
        places: int,
        since: int,
        character_ids: Sequence[int],
    ) -> None:
        self.programs = programs
        self.simulator = simulator
        self.server = server
        self.places = places
        self.truth: set[int] = set()
        self._since = since
        self._character_ids = character_ids

    @classmethod
    async def build(cls, programs: Programs, places: int) -> Self:
        """
        Start all, and have the server hold the past that clients will ask for.
        """
        simulator = await programs.simulator()
        await simulator.post("rules", limits=False)
        server = await programs.server(
            "matrix",
            **simulator.settings(),
            stream={"retry_ms": 1000},
            limits={"connections": places, "connections_per_address": places},
        )
        await programs.until("a feed that has begun", server.has_begun)
        busy = await simulator.get("busy?count=5")
        state = await simulator.get("")
        since = int(state["time"]) - _PAST
        stage = cls(programs, simulator, server, places, since, busy["character_ids"])
        await programs.until("the past", stage.know)
        return stage

    @property
    def query(self) -> str:
        """
        What every client asks for.
        """
        ids = ",".join(map(str, self._character_ids))
        return f"character_ids={ids}&since={self._since}&heartbeat=2"

    # --- the world ---------------------------------------------------------------

    async def play(self) -> None:
        """
        Publish some killmails, and wait until the server has announced them.
        """
        await self.publish()

        def all_there() -> bool:
            there = {killmail_id for _, killmail_id in self.server.announced()}
            return there.issuperset(self.simulator.played)

        await self.programs.until("an announcement", all_there)
        before = len(self.truth)
        await self.know()
        assert len(self.truth) > before, "nothing that was played matches"

    async def publish(self) -> None:
        """
        Publish some killmails, whether the server is there or not.
        """
        await self.simulator.play(_SOME)

    async def know(self) -> bool:
        """
        Learn what the server has for these clients.

        :returns: whether that is all that there is.
        """
        complete = True
        for character_id in self._character_ids:
            path = f"/api/v1/kills/character/{character_id}"
            next = f"{path}?since={self._since}&limit=1000"
            while next:
                response = await treq.get(
                    self.server.url(next.lstrip("/")), persistent=False
                )
                data = (await response.json())["data"]
                self.truth.update(each["killmail_id"] for each in data["kills"])
                complete = complete and data["complete"]
                next = data["next"]
        return complete

    # --- the clients ---------------------------------------------------------------

    def line(self) -> Line:
        """
        A new one to the server.
        """
        line = Line(self.programs.reactor, self.server.port)
        line.open()
        return line

    def start(self, cells: Sequence[Cell]) -> None:
        """
        Run them.
        """
        for cell in cells:
            cell.start(self.programs.reactor, self.query)

    async def come_back(self, cells: Sequence[Cell]) -> None:
        """
        Start the server again, which was stopped; killmails are published before.
        """
        for cell in cells:
            await cell.line.close()
        await self.publish()
        await self.programs.pause(2)
        await self.server.start()
        for cell in cells:
            cell.line.open()

    async def have_history(self, cells: Sequence[Cell]) -> None:
        """
        Wait until they have heard of the end of the history.
        """
        await self.wait(cells, lambda cell: cell.events["transition"])

    async def have_all(self, cells: Sequence[Cell]) -> None:
        """
        Wait until they have what they must.
        """
        await self.wait(cells, lambda cell: self.truth <= set(cell.killmails))

    async def wait(
        self, cells: Sequence[Cell], condition: Callable[[Cell], Any]
    ) -> None:
        """
        Wait until something is so with each client that has not given up, or will never
        be: that shows in the end.
        """
        deadline = self.programs.reactor.seconds() + PATIENCE
        while self.programs.reactor.seconds() < deadline:
            if all(condition(cell) or cell.gave_up for cell in cells):
                return
            await self.programs.pause(0.05)
