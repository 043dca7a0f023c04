"""
The server under test, as a process of its own: ``python -m bench.host CONFIG LIVE``.

It is built as ``twistd`` builds it; besides, it does what it is told on its standard
input, a line of JSON each, and answers with one. Times are the machine's monotonic
clock, which all its processes share.
"""

import cProfile
import json
import resource
import sys
import time
from array import array
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO
from twisted.internet.task import deferLater
from twisted.logger import globalLogBeginner
from twisted.protocols.basic import LineReceiver

from bench.killmails import entry_of
from bench.nowhere import Nowhere
from wanderer_twisted.interfaces import IKillmailStore
from wanderer_twisted.ops import logs
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import ArchivedDay, Change, Commit, Entry
from wanderer_twisted.sources.pacing import Pace
from wanderer_twisted.store import writing
from wanderer_twisted.stream.opening import Wish
from wanderer_twisted.tap import Options, makeService
from wanderer_twisted.web import transport

_TICK = 0.002

#: The id of a character that no killmail has, nor those behind it.
_FIRST_IDLE = 2_000_000_000


class Ticker:
    """
    Notices how late a call comes that is due every two milliseconds: for so long the
    reactor did not turn.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._due = 0.0
        self.late = array("d")  # a list of floats would be seen in the memory

    def start(self) -> None:
        self._due = time.monotonic() + _TICK
        self._reactor.callLater(_TICK, self._tick)

    def _tick(self) -> None:
        self.late.append(time.monotonic() - self._due)
        self.start()

    def take(self) -> list[float]:
        taken, self.late = sorted(self.late), array("d")
        return taken


class NotingPace(Pace):
    """
    :ivar waited: seconds that requests had to wait for their tokens.
    """

    waited = 0.0

    def take(self) -> float:
        wait = super().take()
        self.waited += wait
        return wait


class Control(LineReceiver):
    """
    Commands of the process that measures.
    """

    delimiter = b"\n"

    def __init__(self, reactor: Any, server: Any, live: Iterator[Entry]) -> None:
        self._reactor = reactor
        self._server = server
        self._live = live
        self._ticker = Ticker(reactor)
        self._profile = cProfile.Profile()
        self._committed_at = 0.0
        self._days: list[Any] = []
        self._spent = {"staging": 0.0, "loading": 0.0}
        self._held: deque[Commit] = deque()
        self._note_commits()
        self._note_days()

    def connectionMade(self) -> None:
        self._say({"port": self._server.listeners[0].port.getHost().port})

    def connectionLost(self, reason: Any = None) -> None:
        if self._reactor.running:
            self._reactor.stop()

    def lineReceived(self, line: bytes) -> None:
        command = json.loads(line)
        name = command.pop("do")
        done = Deferred.fromCoroutine(getattr(self, f"do_{name}")(**command))
        done.addCallbacks(self._say, lambda failure: self._say({"error": str(failure)}))

    def _say(self, answer: Any) -> None:
        self.sendLine(json.dumps(answer).encode())

    def _note_commits(self) -> None:
        """
        Have the writer's thread note when what is live is on the disk.
        """
        commit = writing.commit

        def noted(*args: Any, change: Change, **keywords: Any) -> Commit:
            result = commit(*args, change=change, **keywords)
            if change.announce:
                self._committed_at = time.monotonic()
            return result

        writing.commit = noted

    def _note_days(self) -> None:
        """
        Have the archive note when it is through with each day, and how long the parts
        of that take.
        """
        loader, store = self._server.archive.rounds.loader, self._server.store
        upstream = self._server.client.upstreams["archive"]
        upstream.pace = self._pace = NotingPace(self._reactor, upstream.pace.interval)
        load, stage, load_part = loader.load, loader._stage, store.load

        async def noted(row: ArchivedDay, total: int | None) -> ArchivedDay:
            begun = time.monotonic()
            found = await load(row, total)
            self._days.append(
                {
                    "begun": begun,
                    "ended": time.monotonic(),
                    "killmails": found.have - row.have,
                    "reason": found.reason,
                }
            )
            return found

        async def staged(*what: Any) -> Any:
            begun = time.monotonic()
            result = await stage(*what)
            self._spent["staging"] += time.monotonic() - begun
            return result

        def loaded(*what: Any) -> Any:
            begun = time.monotonic()

            def note(result: Any) -> Any:
                self._spent["loading"] += time.monotonic() - begun
                return result

            return load_part(*what).addBoth(note)

        loader.load, loader._stage, store.load = noted, staged, loaded

    # --- commands --------------------------------------------------------------

    async def do_publish(self, count: int, interval: float = 0.0) -> Any:
        """
        Take in *count* new killmails, each by itself.

        :returns: of each: id, when it was asked for, when it was durable, when the hub
            had told all streams.
        """
        store: IKillmailStore = self._server.store
        rows = []
        for _ in range(count):
            entry = next(self._live)
            asked = time.monotonic()
            await store.commit(Change(entries=[entry], announce=True))
            told = time.monotonic()
            rows.append([entry.killmail.killmail_id, asked, self._committed_at, told])
            await deferLater(self._reactor, interval)
        return rows

    async def do_buffer(self) -> Any:
        """
        Have streams that are opened from now on write through Twisted's buffer.
        """
        transport._plain_tcp = lambda connection: None
        return {}

    async def do_hold(self, count: int) -> Any:
        """
        Take in *count* new killmails as ever, but keep what the hub is to be told of
        them, for :meth:`do_release`.
        """
        store: IKillmailStore = self._server.store
        store.listen(self._held.append)
        for entry in islice(self._live, count):
            await store.commit(Change(entries=[entry], announce=True))
        store.listen(self._server.hub.publish)
        return {"held": len(self._held)}

    async def do_release(self, count: int, interval: float = 0.0) -> Any:
        """
        Tell the hub of so many killmails that were held: fan-out, and nothing else.
        """
        for _ in range(count):
            self._server.hub.publish(self._held.popleft())
            if interval:
                await deferLater(self._reactor, interval)
        return {"held": len(self._held)}

    async def do_idle(self, count: int) -> Any:
        """
        Open so many streams of one id each that lead nowhere: there may be more of them
        than a process may have connections.
        """
        hub = self._server.hub
        for number in range(count):
            wanted = Filter.only("character", _FIRST_IDLE + number)
            await hub.open(Wish(wanted, heartbeat=60), Nowhere())
        return {"open": len(hub)}

    async def do_streams(self) -> Any:
        return {"open": len(self._server.hub), "closings": self._server.hub.closings}

    async def do_archive(self) -> Any:
        """
        What the archive did.

        :returns: whether it began, the days that it is through with, the seconds that
            parts of the work took or waited in all (they overlap), and the memory that
            the largest of its processes had.
        """
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "begun": bool(self._server.archive.rounds.current),
            "days": self._days,
            "spent": {**self._spent, "waiting": self._pace.waited},
            "memory": children.ru_maxrss * 1024,
        }

    async def do_tick(self) -> Any:
        """
        Begin to measure how long the reactor does not turn, or begin anew.
        """
        if not self._ticker.take():
            self._ticker.start()
        return {}

    async def do_ticked(self) -> Any:
        late = self._ticker.take()
        return {
            "longest": late[-1],
            "p99": late[int(len(late) * 0.99)],
            "ticks": len(late),
        }

    async def do_profile(self, path: str = "") -> Any:
        """
        Begin to profile the reactor's thread; with a path: end, and write it there.
        """
        if not path:
            self._profile.enable()
        else:
            self._profile.disable()
            self._profile.dump_stats(path)
        return {}


def main(config: str, live_path: str) -> None:
    from twisted.internet import reactor

    # As twistd's --logger has it, but for the place: stdout is for the answers.
    log = logs.json_to(sys.stderr)
    globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False)
    documents = open(live_path, "rb")  # noqa: SIM115  (read while it runs)
    live = map(entry_of, documents)
    options = Options()
    options.parseOptions(["--config", config])
    server: Any = makeService(options, reactor)
    server.privilegedStartService()
    server.startService()
    reactor.addSystemEventTrigger("before", "shutdown", server.stopService)
    StandardIO(Control(reactor, server, live))
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
