"""
nginx with nchan: each id is a channel, and a stream is of several channels at once.
"""

import re
import shutil
import socket
import subprocess
import time
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from bench.peers.contender import Contender, Running, request
from bench.peers.processes import children, end, raise_limit
from bench.peers.work import Ids, Work

_CONFIG = Path(__file__).parent / "nchan.conf"
_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
_PATIENCE = 10


class NchanServer(Running):
    """
    A running nginx, which is told of events by requests, one after the other on one
    connection.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._published = 0
        self._publishing: Thread | None = None
        self._folder = TemporaryDirectory(prefix="wanderer-bench-nchan-")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        config = _CONFIG.read_text()
        for name, value in (
            ("module", _MODULE),
            ("port", self.port),
            ("connections", raise_limit()),
        ):
            config = config.replace(f"{{{name}}}", str(value))
        path = Path(self._folder.name) / "nginx.conf"
        path.write_text(config)
        command = ["nginx", "-e", "stderr", "-p", self._folder.name, "-c", str(path)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self._stopped = False
        self._connection = self._connect()
        self.pids = [self._process.pid, *children(self._process.pid)]

    def _connect(self) -> HTTPConnection:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                connection.request("GET", "/")  # the worker answers, so there is one
                connection.getresponse().read()
                return connection
            except OSError:
                connection.close()
                if self._process.poll() is not None or time.monotonic() > until:
                    self._end()
                    raise RuntimeError("nginx does not start") from None
                time.sleep(0.05)

    def close(self) -> None:
        self._stopped = True
        self.finish()
        self._connection.close()
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        end(self._process)
        self._folder.cleanup()

    def publish(self, count: int, interval: float = 0.0) -> None:
        self._publishing = Thread(target=self._publish, args=(count, interval))
        self._publishing.start()

    def finish(self) -> None:
        if self._publishing is not None:
            self._publishing.join()

    def _publish(self, count: int, interval: float) -> None:
        for _ in range(count):
            if self._stopped:
                break
            event = self._work.events[self._published % len(self._work.events)]
            self._published += 1
            path = "/publish?" + ",".join(map(str, event.ids))
            headers = {"X-EventSource-Event": "killmail"}
            self._connection.request("POST", path, event.body, headers)
            self._connection.getresponse().read()
            time.sleep(interval)


class Nchan(Contender):
    """
    The contender.
    """

    def start(self, work: Work) -> NchanServer:
        return NchanServer(work)

    def template(self, gzip: bool) -> str:
        return request("/streams/{}")

    def query(self, ids: Ids) -> str:
        return ",".join(map(str, ids))


def nchan(name: str, channels: int) -> Nchan:
    """
    :param channels: of a stream, at most; what it can do depends on that very much.
    """
    return Nchan(
        name=name,
        version=_version(),
        package="Debian: nginx-light, libnginx-mod-nchan",
        most_ids=channels,
        repeats=True,
    )


def _version() -> str | None:
    if shutil.which("nginx") is None or not _MODULE.exists():
        return None
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr
    number = re.search(r"nginx/(\S+)", nginx)
    dpkg = shutil.which("dpkg-query")
    module = "?"
    if dpkg is not None:
        command = [dpkg, "-W", "-f", "${Version}", "libnginx-mod-nchan"]
        module = subprocess.run(command, capture_output=True, text=True).stdout or "?"
    return f"nginx {number[1] if number else '?'}, nchan {module}"
