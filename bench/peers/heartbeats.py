"""
Heartbeats: all streams idle, each with one every two seconds.
"""

import time
from functools import partial

import attrs

from bench.peers.contender import Contender, Meter
from bench.peers.field import Field
from bench.peers.ours import Ours
from bench.peers.piped import PipedServer
from bench.peers.processes import apart
from bench.peers.results import FLOOR, Results
from bench.peers.work import draw

_INTERVAL = 2


def heartbeats(field: Field, results: Results) -> None:
    results.note(
        "heartbeats: spread over the interval, by the floor in turn, by wanderer-sse"
        " each when it is due."
    )
    for contender in field.in_turn(field.comparable):
        if isinstance(contender, Ours):
            contender = attrs.evolve(contender, heartbeat=_INTERVAL)
        elif contender.name != FLOOR:
            continue
        with results.surviving(contender.name, "heartbeats"):
            _measure(field, results, contender)


def _measure(field: Field, results: Results, contender: Contender) -> None:
    scale, costs = field.scale, []
    follows = draw(scale.streams, 1)
    with (
        apart(partial(contender.start, field.work())) as server,
        field.load(contender, server.port, follows, killmails=False) as load,
    ):
        load.open(scale.streams)
        if isinstance(server, PipedServer):
            server.tell(f"beat {_INTERVAL * 1000}")
        load.wait(scale.streams)  # all had one
        meter = Meter(server)
        load.take()
        for _ in range(scale.rounds_of_a_pass):
            time.sleep(scale.beats)
            costs.append(1e6 * meter.cpu() / load.take())
    what = f"heartbeats of {scale.streams}, each {_INTERVAL} s: CPU a heartbeat"
    results.add(what, "µs", contender.name, costs, floor=1.35)
