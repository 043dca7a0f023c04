"""
``wanderer-tail`` as a process: against a server that is killed, and on a terminal.
"""

import re
import shlex
import signal
import sys
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from tests.processes import Process, Server
from tests.test_examples import DemoCase
from wanderer_twisted.encoding import loads

RUN = (sys.executable, "-c", "from wanderer_twisted.tail.main import main; main()")


def shown(process: Process) -> list[int]:
    """
    The killmails of its complete lines of JSON.
    """
    lines = process.out.rpartition("\n")[0].splitlines()
    return [loads(line.encode())["killmail_id"] for line in lines]


class TailCase(DemoCase):
    def tail(self, url: str, *options: str, terminal: bool = False) -> Process:
        return self.spawn(*RUN, "--url", url, *options, terminal=terminal)

    async def ended(self, process: Process) -> int:
        await self.until("its end", lambda: process.status is not None)
        self.assertNotIn("Traceback", process.out + process.err)
        assert process.status is not None
        return process.status


class CrashTests(TailCase):
    async def test_each_once(self) -> None:
        """
        The server is killed in the history and in the live part, and so is the client,
        which goes on by its file: each killmail is there once.
        """
        simulator = await self.simulator()
        await simulator.post("rules", limits=False, zkb_cache=0, zkb_hold_back=0)
        busy = (await simulator.get("busy?count=20"))["character_ids"]
        characters = ",".join(map(str, busy))
        self.server_ = await self.server(
            "own",
            **simulator.settings(),
            history={"batch_size": 7, "pacing_budget_seconds": 4},
            stream={"retry_ms": 1000},
        )
        await self.until("a feed that has begun", self.server_.has_begun)
        # A moment, and not days: what is just young enough now would not be later.
        began = datetime.now(UTC) - timedelta(days=80)
        since = began.strftime("%Y-%m-%dT%H:%M:%SZ")
        options = (
            *("--json", "--characters", characters, "--since", since),
            *("--cursor", str(self.folder / "cursor")),
        )
        base = self.server_.url("").rstrip("/")

        first = self.tail(base, *options)
        await self.until("some of the past", lambda: shown(first))
        await self.cut(self.server_, first)
        await self.until("more", lambda: "connected again" in first.err)
        self.assertNotIn("now live", first.err, "the history was over")
        first.send(signal.SIGINT)
        self.assertEqual(await self.ended(first), 128 + signal.SIGINT)

        second = self.tail(base, *options)
        await self.until("the past", lambda: "now live" in second.err)
        await simulator.play(40)
        await self.until(
            "some of it", lambda: len(self.server_.announced()) >= 20, within=60
        )
        await self.cut(self.server_, second)
        await simulator.play(20)
        query = f"character_ids={characters}&since={since}"
        wanted = await self.all_of(query, simulator.played)
        await self.until(
            "all killmails", lambda: wanted <= {*shown(first), *shown(second)}
        )
        second.send(signal.SIGTERM)
        self.assertEqual(await self.ended(second), 128 + signal.SIGTERM)
        both = Counter(shown(first) + shown(second))
        self.assertEqual(both, Counter(wanted))
        self.assertNotIn("starting anew", first.err + second.err)

    async def cut(self, server: Server, process: Process) -> None:
        """
        Kill the server and start it once the client has noticed.
        """
        await server.process.kill()
        await self.until("a loss", lambda: "trying again" in process.err)
        await server.start()

    async def all_of(self, query: str, played: Collection[int]) -> set[int]:
        """
        What a client that comes when all is over gets of the past.

        :param played: what has to be announced before: more than that is, by a feed
            that begins a little in the past.
        """
        server = self.server_

        def lacking() -> set[int]:
            return {*played} - {killmail_id for _, killmail_id in server.announced()}

        await self.until("all", lambda: not lacking(), within=60)
        late = self.client(server, query)
        await self.until("its past", lambda: late.named("transition"))
        return set(late.killmails)


class DemoTests(TailCase):
    async def start(self) -> tuple[str, tuple[str, ...]]:
        """
        :returns: a demo's address, and options that ask for what it suggests.
        """
        address, query = await self.demo()
        (ids,) = re.findall("character_ids=([0-9,]+)", query)
        return address, ("--characters", ids, "--days", "90")

    async def test_terminal(self) -> None:
        """
        On a terminal there are colours and a bar; control-C ends it.
        """
        address, asked = await self.start()
        tail = self.tail(address, *asked, terminal=True)
        await self.until("the past", lambda: "complete; now live" in tail.out)
        for said in (
            r"\r\[#+\.+\] \d+ of \d+ batches",
            r"\x1b\[31mloss",
            r"\x1b\[32mkill",
        ):
            self.assertTrue(re.search(said, tail.out), said)
        assert tail.transport is not None
        tail.transport.write(b"\x03")
        self.assertEqual(await self.ended(tail), 130)

    async def test_scripts(self) -> None:
        """
        Piped, there are lines and nothing else; JSON of the past ends by itself; a
        reader that has enough ends it quietly; so it is without standard error, and
        without standard output it does not begin; a bad request is told.
        """
        address, asked = await self.start()
        await self.together(
            self.pipe_json(address, asked),
            self.pipe_lines(address, asked),
            self.break_pipe(address, asked),
            self.close_outputs(address, asked),
            self.refuse(address),
        )

    async def pipe_json(self, address: str, asked: tuple[str, ...]) -> None:
        tail = self.tail(address, *asked, "--json", "--no-follow")
        self.assertEqual(await self.ended(tail), 0)
        self.assertRegex(tail.err, r"\d+ killmails of the past, complete\n$")
        self.assertIn(f"{len(shown(tail))} killmails of the past", tail.err)
        self.assertGreater(len(shown(tail)), 100)

    async def pipe_lines(self, address: str, asked: tuple[str, ...]) -> None:
        tail = self.tail(address, *asked, "--no-follow")
        self.assertEqual(await self.ended(tail), 0)
        for line in tail.out.splitlines():
            self.assertTrue(line.isprintable(), line)
            self.assertRegex(line, r"^20\d\d-.*  (kill|loss)  .*https://.*/\d+/$")

    async def break_pipe(self, address: str, asked: tuple[str, ...]) -> None:
        command = shlex.join((*RUN, "--url", address, *asked))
        tail = self.spawn(
            "/bin/sh", "-c", f"({command}; echo status $? >&2) | head -n 1"
        )
        await self.ended(tail)
        self.assertEqual(len(tail.out.splitlines()), 1)
        self.assertTrue(tail.err.endswith("status 0\n"), tail.err)

    async def close_outputs(self, address: str, asked: tuple[str, ...]) -> None:
        command = shlex.join((*RUN, "--url", address, *asked, "--json", "--no-follow"))
        tail = self.spawn("/bin/sh", "-c", f"exec {command} 2>&-")
        self.assertEqual(await self.ended(tail), 0)
        self.assertGreater(len(shown(tail)), 100)
        tail = self.spawn("/bin/sh", "-c", f"exec {command} >&-")
        self.assertEqual(await self.ended(tail), 1)
        self.assertEqual(tail.err, "wanderer-tail: standard output is closed\n")

    async def refuse(self, address: str) -> None:
        tail = self.tail(address, "--characters", "0")
        self.assertEqual(await self.ended(tail), 1)
        self.assertRegex(
            tail.err, "^wanderer-tail: 400: Invalid character_ids: '0' .*\n$"
        )
        self.assertEqual(tail.out, "")

    async def test_usage(self) -> None:
        """
        A wrong command line is one line, and status 2.
        """
        tail = self.spawn(*RUN, "--characters", "Chribba")
        self.assertEqual(await self.ended(tail), 2)
        self.assertEqual(tail.err, "wanderer-tail: --characters: 'Chribba' is no id\n")
