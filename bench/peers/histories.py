"""
Histories of this server, gzipped, from memory: one at a time, and a hundred at once;
and how another's live stream fares meanwhile.
"""

import threading
import time
from collections.abc import Iterator

from bench.client import Told, preload
from bench.killmails import Killmails, Owner
from bench.peers.field import Field
from bench.peers.load import OURS_GZIP, Late, Load
from bench.peers.ours import Ours
from bench.peers.results import OURS, Results
from bench.peers.work import NOBODY
from bench.report import quantile
from bench.server import Listener, Server

#: Killmails that there are to be published meanwhile, and seconds between them.
_LIVE, _INTERVAL = 2_000, 0.04
_AT_A_TIME = 5

#: Seconds in which the last of them reaches its client.
_LAST = 0.5

#: Seconds in which more would come of a history, if there were.
_SETTLE = 0.5

#: Where histories come one at a time, so many make a round.
_A_ROUND = 10


#: The systems to choose from, and bytes of a body, as ESI has it, that make a killmail
#: of 2.4 KB.
_BUSY, _BODY = 30, 2_100

Span = tuple[float, float]


class Live:
    """
    Publishes, and follows what it publishes, in ``with``.
    """

    def __init__(self, server: Server, left: int) -> None:
        self.left = left
        self._server = server
        self._rows: list[list[float]] = []
        self._times: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._publish)

    def _publish(self) -> None:
        while self.left >= _AT_A_TIME and not self._ended.is_set():
            self.left -= _AT_A_TIME
            self._rows += self._server.do(
                "publish", count=_AT_A_TIME, interval=_INTERVAL
            )

    def __enter__(self) -> "Live":
        self._listener = Listener(self._server.port, "heartbeat=60")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        time.sleep(_LAST)
        self._times = self._listener.stop()

    def late(self, begun: float, ended: float) -> Iterator[float]:
        """
        Seconds from the commit to the client, of what was committed between these.
        """
        for id, _, durable, _ in self._rows:
            if begun <= durable <= ended:
                yield self._times[int(id)] - durable


def histories(field: Field, results: Results) -> None:
    ours, scale = field.ours, field.scale
    if ours is None:
        return
    owner = _owner(field.shop.killmails)
    path = field.shop.fill("histories", [("system", owner.id, scale.history)])
    query = f"system_ids={owner.id}&preload_days=90&heartbeat=60"
    work = field.work([[NOBODY]] * _LIVE)
    with (
        results.surviving(ours.name, "histories"),
        ours.serve(work, path) as server,
    ):
        told = preload(server.port, query)  # from now on it is in memory
        results.note(
            f"history: of a system, {told.bytes / told.killmails / 1000:.1f} kB a"
            " killmail before compression."
        )
        for count, rounds in (
            (1, scale.rounds * _A_ROUND),
            (scale.histories, scale.rounds),
        ):
            with (
                _load(field, ours, server, [query] * count) as load,
                Live(server, _LIVE // 2) as live,
            ):
                spans = [_replay(load, told, count) for _ in range(rounds)]
                _check_whole(load, told)
            _tell(results, told, count, spans, live)


def _owner(killmails: Killmails) -> Owner:
    """
    A busy system whose killmails have the size that those of the other figures have.
    """
    busy = killmails.owners("system")[:_BUSY]
    return min(busy, key=lambda owner: abs(owner.mean_body - _BODY))


def _load(field: Field, ours: Ours, server: Server, queries: list[str]) -> Load:
    template = ours.template(gzip=True)
    return Load(server.port, template, queries, field.shop.folder, OURS_GZIP)


def _replay(load: Load, told: Told, count: int, settle: float = 0.0) -> Span:
    """
    Have so many histories sent.

    :param told: the history, as one got it before.
    :param settle: seconds until the streams are closed.
    :returns: from when to when that took.
    """
    events = told.batches + len(told.warnings) + 1  # and the transition
    begun = time.monotonic()
    load.open(count, count)
    ended = load.wait(events * count).at
    time.sleep(settle)
    load.close()
    return begun, ended


def _check_whole(load: Load, told: Told) -> None:
    """
    :raises Late: what is counted as a history is only a part of one.
    """
    _replay(load, told, 1, _SETTLE)
    if load.take():
        raise Late("events came behind the history's last")


def _tell(
    results: Results, told: Told, count: int, spans: list[Span], live: Live
) -> None:
    what = f"history of {told.killmails}, gzipped"
    goals = {"itself": 30.0}
    if count > 1:
        what, goals = f"{count} histories of {told.killmails} at once, gzipped", {}
    took = [1e3 * (ended - begun) for begun, ended in spans]
    results.add(what, "ms", OURS, took, **goals)
    late = [1e3 * each for span in spans for each in live.late(*span)]
    if late:
        p99 = quantile(late, 0.99)
        results.add(f"{what}: live of another, p99", "ms", OURS, [p99])
