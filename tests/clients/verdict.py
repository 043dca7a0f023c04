"""
Whether a client did in a scenario what it is known to do.
"""

from collections import Counter
from collections.abc import Collection, Iterator

from tests.clients.catalogue import Scenario
from tests.clients.cell import Cell


def faults(cell: Cell, scenario: Scenario, truth: Collection[int]) -> Iterator[str]:
    """
    What was other than the catalogue says.

    :param truth: the killmails that it had to get.
    """
    yield from _of_killmails(cell, scenario, truth)
    yield from _of_encoding(cell)
    if scenario == "restarted" and not cell.events["warning"]:
        yield "not told that the server goes down"
    if scenario == "refused" and set(cell.refusals) != {cell.client.refused}:
        got = cell.refusals or "nothing"
        yield f"refused with {got}, not with {cell.client.refused}"


def _of_killmails(
    cell: Cell, scenario: Scenario, truth: Collection[int]
) -> Iterator[str]:
    count = Counter(cell.killmails)
    repeated = [id for id, times in count.items() if times > 1]
    unwanted = set(count) - set(truth)
    lost = set(truth) - set(count)
    ends = cell.client.outcome(scenario) == "ends for good"
    if repeated:
        yield f"{len(repeated)} repeated: {_some(repeated)}"
    if unwanted:
        yield f"{len(unwanted)} not wanted: {_some(unwanted)}"
    if ends and not cell.gave_up:
        yield "did not end, though it is said to"
    if not ends and cell.gave_up:
        yield "ended for good"
    if not ends and not cell.line.broken:
        yield "its line did not break"
    if not ends and lost:
        yield f"{len(lost)} of {len(truth)} lost: {_some(lost)}"


def _of_encoding(cell: Cell) -> Iterator[str]:
    expected = "gzip" if cell.compressed and cell.client.compressed else "identity"
    if cell.encodings not in ("", expected):
        yield f"answered in {cell.encodings}, not {expected}"


def _some(ids: Collection[int]) -> str:
    return ", ".join(map(str, sorted(ids)[:5])) + (", …" if len(ids) > 5 else "")
