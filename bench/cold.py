"""
A history of which nothing is stored: 3,000 killmails of one character, by a simulator
that keeps zKillboard's limits, at zKillboard's rate of one request a second.
"""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from bench.client import preload
from bench.killmails import FIRST_HISTORY_ID
from bench.report import options, tell
from bench.server import Workshop
from wanderer_twisted.encoding import dumps, loads

_KILLMAILS = 3_000
_DAYS = 88


class Simulator:
    """
    ``wanderer-simulator`` as a process, ended by ``with``.
    """

    def __init__(self, data: Path, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "twisted", "wanderer-simulator"]
        command += ["--data", str(data), "--days", "0", "--tail", "0"]
        command += ["--pace", "manual", "--listen", f"tcp:{port}:interface=127.0.0.1"]
        with log.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        self._wait()

    def _wait(self) -> None:
        for _ in range(600):
            try:
                self.get("")
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("The simulator does not answer")

    def __enter__(self) -> "Simulator":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    def get(self, path: str) -> Any:
        """
        Ask its control.
        """
        with urlopen(f"{self.url}/control/{path}", timeout=30) as answer:
            return json.load(answer)


def write_data(shop: Workshop, path: Path) -> int:
    """
    :returns: the character whose killmails these are.
    """
    owner = shop.killmails.owners("character")[0]
    now = time.time()
    with path.open("wb") as file:
        for number in range(_KILLMAILS):
            template = owner.templates[number % len(owner.templates)]
            when = int(now - _DAYS * 86_400 * (1 - (number + 1) / _KILLMAILS))
            id = FIRST_HISTORY_ID + number
            document = shop.killmails.document(template, id, when)
            esi, zkb, hash, _ = loads(document)
            file.write(dumps({**esi, "killmail_hash": hash, "zkb": zkb}) + b"\n")
    return owner.id


def main() -> None:
    wish = options(__doc__)
    first, whole, behind, pages = [], [], [], []
    with Workshop(wish.data) as shop:
        path = shop.folder / "cold.jsonl"
        character = write_data(shop, path)
        for _ in range(wish.runs):
            with (
                Simulator(path, shop.folder / "simulator.log") as simulator,
                shop.server(
                    feeds=[{"kind": "r2z2", "url": f"{simulator.url}/r2z2"}],
                    zkillboard={"url": f"{simulator.url}/zkb/api"},
                    esi={"url": f"{simulator.url}/esi"},
                ) as server,
            ):
                time.sleep(15)  # until the feed is at its end
                query = f"character_ids={character}&preload_days=90"
                told = preload(server.port, query)
                asked = [each["at"] for each in simulator.get("requests?service=zkb")]
            print(f"  {told.killmails} killmails, {told.warnings or 'no warnings'}")
            pages.append(float(len(asked)))
            first.append(told.first_at - max(asked))
            whole.append(told.seconds)
            behind.append(told.seconds - (max(asked) - min(asked)))
    tell("pages asked for", pages, "")
    tell("first batch, after the last page was asked for", first, "s")
    tell("request to transition", whole, "s")
    tell("the same without the time of asking, first page to last", behind, "s")


if __name__ == "__main__":
    main()
