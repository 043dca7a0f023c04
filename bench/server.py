"""
The processes that a figure is measured on.
"""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from bench.killmails import FIRST_LIVE_ID, Killmails

History = tuple[str, int, int]

#: Nothing listens there: feeds and look-ups fail, as quickly as can be.
NOWHERE = "http://127.0.0.1:9"


class Workshop:
    """
    Data, and a folder for the stores that are filled with it.
    """

    def __init__(self, data: str | None) -> None:
        self.data = data
        self.killmails = Killmails(data)
        self._folder = TemporaryDirectory(prefix="wanderer-bench-")
        self.folder = Path(self._folder.name)

    def __enter__(self) -> "Workshop":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def fill(
        self, name: str, histories: Sequence[History], followed: float = 2 * 3600
    ) -> Path:
        """
        Make a store with these histories.

        :param followed: for how many seconds its feed has run without a hole.
        """
        path = self.folder / f"{name}.db"
        spec = {
            "data": self.data,
            "path": str(path),
            "histories": list(histories),
            "followed": followed,
        }
        command = [sys.executable, "-m", "bench.fill", json.dumps(spec)]
        subprocess.run(command, check=True)
        return path

    def server(
        self,
        database: Path | None = None,
        live: int = 0,
        first_live_id: int = FIRST_LIVE_ID,
        documents: Iterable[bytes] | None = None,
        **settings: Any,
    ) -> "Server":
        """
        Start a server.

        :param database: None: a new one. Where killmails are to be taken in, a copy.
        :param live: how many killmails it can be told to take in.
        :param first_live_id: the database must have none from here on.
        :param documents: these killmails instead of a sample of all.
        """
        if database is None or live:
            new = self.folder / f"new-{time.monotonic_ns()}.db"
            database = Path(shutil.copy(database, new)) if database else new
        if documents is None:
            documents = self.killmails.live(live, time.time(), first_live_id)
        live_path = self.folder / "live.jsonl"
        with live_path.open("wb") as file:
            for document in documents:
                file.write(document + b"\n")
        config = {
            "listen": ["tcp:0:interface=127.0.0.1"],
            "admin_listen": "",
            "database": f"sqlite:{database}",
            "contact": "bench",
            "feeds": [{"kind": "r2z2", "url": NOWHERE}],
            "zkillboard": {"url": NOWHERE},
            "archive": {"url": NOWHERE},
            "esi": {"url": NOWHERE},
            **settings,
        }
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(config))
        return Server(database, path, live_path, self.folder / "server.log")


class Server:
    """
    A running server, ended by ``with``.

    :ivar database: the path of its file.
    """

    def __init__(self, database: Path, config: Path, live: Path, log: Path) -> None:
        self.database = database
        self._log = log
        command = [sys.executable, "-m", "bench.host", str(config), str(live)]
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self.pid = self._process.pid
        self.port: int = self.answer()["port"]

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(60)

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def ask(self, command: str, **arguments: Any) -> None:
        """
        Have :class:`bench.host.Control` do something.
        """
        assert self._process.stdin is not None
        line = json.dumps({"do": command, **arguments})
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("The server ended:\n" + self._log.read_text()[-2000:])
        answer = json.loads(line)
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def do(self, command: str, **arguments: Any) -> Any:
        self.ask(command, **arguments)
        return self.answer()

    def memory(self) -> int:
        """
        Resident bytes.
        """
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("The system does not tell")

    def cpu(self) -> float:
        """
        Seconds of processor time so far.
        """
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100


class MemoryWatch:
    """
    Looks at a server's memory all the time, in ``with``.

    :ivar before: resident bytes at first; :ivar most: at most; :ivar after: at last.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.before = self.most = self.after = server.memory()

    def _look(self) -> None:
        while not self._ended.wait(0.05):
            self.most = max(self.most, self._server.memory())

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.after = self._server.memory()


class StaticServer:
    """
    A process that serves a folder of gzipped files, ended by ``with``.

    :ivar sent: bytes, known when it has ended.
    """

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.static", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self.sent = 0

    def __enter__(self) -> "StaticServer":
        return self

    def __exit__(self, *_: object) -> None:
        output, _ = self._process.communicate(timeout=60)
        self.sent = int(output)


class Listener:
    """
    A process that follows one live stream.
    """

    def __init__(self, port: int, query: str) -> None:
        command = [sys.executable, "-m", "bench.listener", str(port), query]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        time.sleep(0.5)  # until it is connected

    def stop(self) -> dict[int, float]:
        """
        :returns: killmail id -> when its last byte was there.
        """
        output, _ = self._process.communicate(b"\n", timeout=60)
        return {int(id): at for id, at in json.loads(output).items()}
