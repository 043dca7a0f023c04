"""
The floor, and peers that are programs of ours: told what to do on their standard input.
"""

import importlib.metadata
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs

from bench.peers.building import FLOOR
from bench.peers.contender import GZIP_WANTED, Contender, Running, request
from bench.peers.processes import end
from bench.peers.work import Ids, Work

_HERE = Path(__file__).parent


class PipedServer(Running):
    """
    A program that says its port, and then obeys.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.pids = [self._process.pid]
        self.port: int = self._answer()["port"]

    def close(self) -> None:
        end(self._process)

    def tell(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())
        self._process.stdin.flush()

    def publish(self, count: int, interval: float = 0.0) -> None:
        self.tell(f"publish {count} {interval * 1000:g}")

    def finish(self) -> None:
        self._answer()

    def _answer(self) -> dict[str, int]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended")
        answer: dict[str, int] = json.loads(line)
        return answer


@attrs.frozen(kw_only=True)
class Piped(Contender):
    """
    A contender that is such a program.
    """

    command: Sequence[str]

    def start(self, work: Work) -> PipedServer:
        return PipedServer([*self.command, str(work.path)])

    def template(self, gzip: bool) -> str:
        return request("/?{}", *([GZIP_WANTED] if gzip else []))

    def query(self, ids: Ids) -> str:
        return "ids=" + ",".join(map(str, ids))


def _version_of(*packages: str) -> str | None:
    try:
        versions = [f"{each} {importlib.metadata.version(each)}" for each in packages]
    except importlib.metadata.PackageNotFoundError:
        return None
    return ", ".join(versions)


def _said_by(*command: str) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    return said.stdout.splitlines()[0]


def floor() -> Piped:
    return Piped(
        name="floor",
        version=_said_by("gcc", "--version"),
        package="Debian: gcc",
        command=[str(FLOOR)],
    )


def node() -> Piped:
    return Piped(
        name="node",
        version=_said_by("node", "--version"),
        package="Debian: nodejs",
        command=["node", str(_HERE / "node.mjs")],
        gzips=True,
    )


def aiohttp() -> Piped:
    return Piped(
        name="aiohttp",
        version=_version_of("aiohttp"),
        package="PyPI: aiohttp",
        command=[sys.executable, "-m", "bench.peers.aiohttp_server"],
    )


def starlette() -> Piped:
    packages = "sse-starlette", "starlette", "uvicorn", "httptools", "uvloop"
    return Piped(
        name="sse-starlette",
        version=_version_of(*packages),
        package="PyPI: sse-starlette, uvicorn[standard]",
        command=[sys.executable, "-m", "bench.peers.starlette_server"],
    )
