"""
What the peers written in Python are told on their standard input: ``publish COUNT
INTERVAL``, so many events, one each INTERVAL milliseconds, answered by a line of JSON.
"""

import asyncio
import itertools
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

Publish = Callable[[Sequence[str], str, str], Awaitable[None]]


async def obey(port: int, publish: Publish) -> None:
    """
    Say the port, then obey until the input ends.

    :param publish: is given the ids that an event concerns, its body and its id.
    """
    lines = Path(sys.argv[1]).read_text().splitlines()
    events = itertools.cycle(line.split("\t") for line in lines)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    print(json.dumps({"port": port}), flush=True)
    numbers = itertools.count()
    while line := await commands.readline():
        _, count, interval = line.split()
        pause = float(interval) / 1000
        for _ in range(int(count)):
            ids, body = next(events)
            await publish(ids.split(","), body, f"l.abcdef.{next(numbers):07}")
            if pause:
                await asyncio.sleep(pause)
        print(json.dumps({"published": int(count)}), flush=True)
