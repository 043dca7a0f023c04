"""
Connect storms: all streams opened as fast as can be, until each had its first event;
and what an idle one takes of the memory.
"""

import time
from functools import partial

from bench.peers.contender import Meter
from bench.peers.field import Field
from bench.peers.load import KILLMAIL, Load
from bench.peers.processes import apart
from bench.peers.results import Results
from bench.peers.work import Ids, draw

#: On their way at a time; the kernel keeps no more than 4,096 for a server to accept.
_AT_ONCE = 4_000

#: Opened before: code is loaded, caches are made.
WARM_UP = 50

_SETTLE = 0.5

_RECONNECTING_IDS = 50


def storm(field: Field, results: Results) -> None:
    streams = field.scale.streams
    follows = draw(streams + WARM_UP, 1)
    for contender in field.comparable:
        with (
            results.surviving(contender.name, "the storm"),
            apart(partial(contender.start, field.work())) as server,
            field.load(contender, server.port, follows) as load,
        ):
            load.open(WARM_UP)
            meter = Meter(server)
            times = [_open(load, streams)]
            time.sleep(_SETTLE)
            taken = meter.memory() / streams / 1024
            while len(times) < field.scale.rounds:
                load.close()
                time.sleep(_SETTLE)
                times.append(_open(load, streams))
            name = contender.name
            results.add(f"{streams} opened", "s", name, times)
            results.add("memory of an idle stream, 1 id", "KiB", name, [taken])


def _open(load: Load, streams: int) -> float:
    begun = time.monotonic()
    return load.open(streams, _AT_ONCE).at - begun


def reconnects(field: Field, results: Results) -> None:
    """
    This server's clients come back with their cursors, all at once, and have missed
    one killmail each: until all have it, and so follow again.
    """
    ours, streams = field.ours, field.scale.streams
    if ours is None:
        return
    shared = 1
    follows: list[Ids] = [
        [shared, *ids] for ids in draw(streams, _RECONNECTING_IDS - 1)
    ]
    with (
        results.surviving(ours.name, "reconnects"),
        apart(partial(ours.start, field.work([[shared]] * 2))) as server,
    ):
        cursor = server.cursor()
        server.publish(1)
        server.finish()
        template = ours.template(False, f"Last-Event-ID: {cursor}")
        with Load(
            server.port,
            template,
            [ours.query(ids) for ids in follows],
            field.shop.folder,
            least=KILLMAIL,
        ) as load:
            times = []
            for _ in range(field.scale.rounds):
                load.close()
                server.wait_until_empty()
                begun = time.monotonic()
                load.open(streams, _AT_ONCE)
                times.append(load.wait(streams).at - begun)
            server.publish(1)
            load.wait(streams)  # they do follow
            server.finish()
        what = f"{streams} reconnected with cursors, following again"
        results.add(what, "s", ours.name, times, itself=2.5)
