"""
The matrix: every client, plain and in gzip, through every scenario.

    python -m tests.clients                      all of it
    python -m tests.clients httpx-sse curl       only these clients

Run from the top of a checkout. Ends with "N passed, N failed, N skipped".
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tests.clients.catalogue import CLIENTS, Client, Scenario
from tests.clients.cell import Cell
from tests.clients.scenarios import SCENARIOS
from tests.clients.stage import Stage
from tests.clients.verdict import faults
from tests.processes import Programs

#: Seconds to wait for what must not come: two heartbeats.
_SETTLING = 4.5


class Matrix:
    """
    :ivar passed: cells. :ivar failed: cells.
    """

    def __init__(self, stage: Stage, clients: Sequence[Client]) -> None:
        self._stage = stage
        self._clients = clients
        self.passed = self.failed = 0

    async def run(self, scenario: Scenario) -> None:
        """
        Have all clients go through a scenario, and print what came of it.
        """
        stage = self._stage
        cells = [
            Cell(client, compressed, stage.line())
            for client in self._clients
            for compressed in (False, True)
        ]
        began = stage.programs.reactor.seconds()
        try:
            await SCENARIOS[scenario](stage, cells)
            await stage.have_all(cells)
            await stage.programs.pause(_SETTLING)
        finally:
            for cell in cells:
                await cell.stop(stage.programs.reactor)
                await cell.line.close()
        took = stage.programs.reactor.seconds() - began
        print(f"\n{scenario}: {len(stage.truth)} killmails, {took:.0f} s", flush=True)
        for cell in cells:
            self._judge(cell, scenario)

    def _judge(self, cell: Cell, scenario: Scenario) -> None:
        found = list(faults(cell, scenario, self._stage.truth))
        outcome = "; ".join(found) or cell.client.outcome(scenario)
        mark = "FAILED" if found else "ok"
        print(f"  {mark:8}{cell!s:60}{cell.encodings:12}{outcome}", flush=True)
        if not found:
            self.passed += 1
            return
        self.failed += 1
        for said in cell.said:
            print(f"      said: {said}")
        for visit in [each for each in cell.line.visits if each.asked][-6:]:
            print(f"      {visit}")


async def run(reactor: Any, clients: Sequence[Client]) -> None:
    """
    :raises SystemExit: with 1 where a cell failed.
    """
    able = [client for client in clients if not client.lacks()]
    with TemporaryDirectory(prefix="wanderer-clients-") as folder:
        programs = Programs()
        programs.work_in(reactor, Path(folder))
        try:
            stage = await Stage.build(programs, places=2 * len(able))
            matrix = Matrix(stage, able)
            for scenario in SCENARIOS:
                await matrix.run(scenario)
        except BaseException:
            for process in programs.processes:
                print(process.report())
            raise
        finally:
            for process in programs.processes:
                await process.kill()
    skipped = [client for client in clients if client not in able]
    for client in skipped:
        print(f"skipped {client.name}: {client.lacks()}")
    cells = 2 * len(SCENARIOS) * len(skipped)
    print(f"{matrix.passed} passed, {matrix.failed} failed, {cells} skipped")
    if matrix.failed:
        raise SystemExit(1)


def main(names: Sequence[str]) -> None:
    known = {client.name: client for client in CLIENTS}
    unknown = set(names) - set(known)
    if unknown:
        sys.exit(f"no such client: {', '.join(unknown)}; there are {', '.join(known)}")
    clients = [known[name] for name in names] or CLIENTS
    react(lambda reactor: Deferred.fromCoroutine(run(reactor, clients)))


if __name__ == "__main__":
    main(sys.argv[1:])
