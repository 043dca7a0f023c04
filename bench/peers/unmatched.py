"""
What a killmail costs this server that matches none of its streams, however many there
are.
"""

from functools import partial

from bench.peers.contender import Meter
from bench.peers.field import Field
from bench.peers.processes import SPARE, apart
from bench.peers.results import Results
from bench.peers.work import NOBODY, draw

#: As many streams as these times the others' number at most.
_TIMES = 0.1, 1, 5


def unmatched(field: Field, results: Results) -> None:
    ours, scale = field.ours, field.scale
    if ours is None:
        return
    sizes = [int(scale.streams * times) for times in _TIMES]
    connected = [min(each, field.most_streams) for each in sizes]
    if connected[-1] < sizes[-1]:
        results.note(
            f"{sizes[-1]} streams that do not match: a process may have"
            f" {field.most_streams + SPARE} files open here, and this could not be"
            f" raised; {sizes[-1] - connected[-1]} of them have no connection."
        )
    count = scale.rounds * scale.events
    work = field.work([[NOBODY]] * count * len(sizes))
    with (
        results.surviving(ours.name, "streams that do not match"),
        apart(partial(ours.start, work)) as server,
        field.load(ours, server.port, draw(connected[-1], 1)) as load,
    ):
        opened = 0
        for size, connections in zip(sizes, connected, strict=True):
            load.open(connections - opened)
            opened = connections
            server.idle(size - connections)
            costs = []
            for _ in range(scale.rounds):
                meter = Meter(server)
                server.publish(scale.events)
                server.finish()
                costs.append(1e6 * meter.cpu() / scale.events)
            what = f"a killmail, {size} streams that do not match"
            results.add(what, "µs", ours.name, costs)
