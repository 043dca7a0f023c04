"""
Selective: each stream follows 50 ids and an event is for about 5 streams; what an event
costs the server, at a steady pace and as fast as it can.
"""

import time
from collections.abc import Sequence
from functools import partial

from bench.peers.contender import Contender, Meter
from bench.peers.field import ONE_CHANNEL, STORING, Field
from bench.peers.processes import apart
from bench.peers.results import Results
from bench.peers.storm import WARM_UP
from bench.peers.work import Event, Ids, draw, draw_events

_IDS = 50
_PACE = 0.005
_SETTLE = 1.0


class Followers:
    """
    Which streams follow an id.
    """

    def __init__(self, follows: Sequence[Ids]) -> None:
        self._streams: dict[int, list[int]] = {}
        for stream, ids in enumerate(follows):
            for id in ids:
                self._streams.setdefault(id, []).append(stream)

    def deliveries(self, events: Sequence[Event], repeats: bool) -> int:
        """
        :param repeats: a stream is told once for each id that it follows.
        """
        total = 0
        for event in events:
            told = [each for id in event.ids for each in self._streams.get(id, ())]
            total += len(told) if repeats else len(set(told))
        return total


def selective(field: Field, results: Results) -> None:
    for contender in field.in_turn(field.contenders):
        if contender.name != ONE_CHANNEL:
            with results.surviving(contender.name, "selective"):
                _measure(field, results, contender)


def _measure(field: Field, results: Results, contender: Contender) -> None:
    scale, name = field.scale, contender.name
    ids = min(_IDS, contender.most_ids)
    if ids < _IDS:
        results.note(
            f"{name}: {ids} ids a stream instead of {_IDS}, each of them a channel; an"
            " event is published to the channels of all its ids, and a stream that"
            " follows two of them gets it twice."
        )
    follows = draw(scale.streams, ids)
    events = 2 * scale.rounds_of_a_pass * scale.events
    work = field.work(draw_events(scale.streams, ids, events))
    followers = Followers(follows)
    costs: dict[float, list[float]] = {_PACE: [], 0.0: []}
    with (
        apart(partial(contender.start, work)) as server,
        field.load(contender, server.port, follows) as load,
    ):
        before = min(WARM_UP, scale.streams // 2)
        load.open(before)
        meter = Meter(server)
        load.open(scale.streams - before)
        time.sleep(_SETTLE)
        memory = meter.memory() / (scale.streams - before) / 1024
        position = 0
        for _ in range(scale.rounds_of_a_pass):
            for interval, found in costs.items():
                events = work.events[position : position + scale.events]
                position += len(events)
                expected = followers.deliveries(events, contender.repeats)
                meter.cpu()
                server.publish(len(events), interval)
                load.wait(expected)
                server.finish()
                found.append(1e6 * meter.cpu() / len(events))
    if name != STORING:
        results.add(
            f"memory of an idle stream, {_IDS} ids", "KiB", name, [memory], itself=8
        )
    goals = {"floor": 1.4, "nchan": 0.3}
    pace = f"{1 / _PACE:.0f} events/s"
    results.add(f"selective, {pace}: CPU an event", "µs", name, costs[_PACE], **goals)
    results.add("selective, flat out: CPU an event", "µs", name, costs[0.0], **goals)
