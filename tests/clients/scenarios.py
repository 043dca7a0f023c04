"""
What the clients go through, all of them at once.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from tests.clients.catalogue import Scenario
from tests.clients.cell import Cell
from tests.clients.stage import Stage
from tests.support.reader import Client as Holder

#: Bytes of the history that get through before a line breaks. All of it has 5 MB, or
#: some hundred kB in gzip.
_OF_HISTORY = {"identity": 400_000, "gzip": 30_000}

#: And of what is live: less than most killmails have.
_OF_LIVE = {"identity": 900, "gzip": 300}


async def straight(stage: Stage, cells: Sequence[Cell]) -> None:
    """
    The history, and then live.
    """
    stage.start(cells)
    await stage.have_history(cells)
    await stage.play()


async def dropped(stage: Stage, cells: Sequence[Cell]) -> None:
    """
    The line breaks twice in the history and twice in what is live, in the midst of an
    event; more is published while the clients are away.
    """
    for cell in cells:
        cell.line.break_off("end", **_OF_HISTORY)
        cell.line.break_off("reset", **_OF_HISTORY)
    stage.start(cells)
    await stage.have_history(cells)
    whole = [str(cell) for cell in cells if not (cell.line.broken or cell.gave_up)]
    assert not whole, f"no break in it: {whole}"
    hows: tuple[Literal["end", "reset"], ...] = ("end", "reset")
    for how in hows:
        for cell in cells:
            cell.line.break_off(how, **_OF_LIVE)
        await stage.play()
        await stage.wait(cells, lambda cell: cell.line.broken)
        await stage.have_all(cells)


async def restarted(stage: Stage, cells: Sequence[Cell]) -> None:
    """
    The server is told to go and started again, once while all are told the past and
    once in what is live; more is published meanwhile.
    """
    for cell in cells:
        cell.line.hold()
    stage.start(cells)
    await stage.wait(cells, lambda cell: cell.line.visits)
    for cell in cells:
        cell.line.let_go()
    await stage.wait(cells, lambda cell: cell.events["batch"])
    await stage.server.stop()
    over = [str(cell) for cell in cells if cell.events["transition"]]
    assert not over, f"stopped behind the history of {over}"
    await stage.come_back(cells)
    await stage.have_history(cells)
    await stage.play()
    await stage.have_all(cells)
    await stage.server.stop()
    await stage.come_back(cells)
    await stage.play()


async def refused(stage: Stage, cells: Sequence[Cell]) -> None:
    """
    All places are taken at first.
    """
    reactor, url = stage.programs.reactor, stage.server.stream_url("")
    holders = [Holder(reactor, url) for _ in range(stage.places)]
    for holder in holders:
        holder.open()
    await stage.programs.until(
        "all places taken", lambda: all(each.named("connected") for each in holders)
    )
    stage.start(cells)
    await stage.wait(cells, lambda cell: cell.refusals)
    for holder in holders:
        await holder.close()
    await stage.have_history(cells)
    await stage.play()


SCENARIOS: dict[Scenario, Callable[[Stage, Sequence[Cell]], Awaitable[None]]] = {
    "straight": straight,
    "dropped": dropped,
    "restarted": restarted,
    "refused": refused,
}
