"""
The clients, and what each is known to do. docs/clients.rst says the same; a test holds
the two together, and the matrix fails where a client does better or worse.
"""

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Literal

import attrs

HERE = Path(__file__).parent
_MODULES = HERE / "node" / "node_modules"

#: What comes of a scenario: every killmail, each once; or the client ends for good on
#: the way, and what it got until then came once.
Outcome = Literal["each once", "ends for good"]

Scenario = Literal["straight", "dropped", "restarted", "refused"]

#: Where each program is to be had, for who lacks it.
_PACKAGES = {
    "node": "nodejs",
    "chromium": "chromium",
    "firefox-esr": "firefox-esr",
    "curl": "curl",
}


@attrs.frozen
class Client:
    """
    A client library in a small program.

    :ivar name: as its users know it.
    :ivar version: of the library; empty where it is the system's.
    :ivar program: the file in this folder.
    :ivar option: for the program.
    :ivar module: what Python imports of it.
    :ivar needs: programs, by name.
    :ivar compressed: whether it gets gzip where it may.
    :ivar refused: the status that it gets at the limit; 200 for a stream with an
        ``error`` event.
    :ivar ends: where it ends for good.
    """

    name: str
    version: str
    program: str
    option: str = ""
    module: str = ""
    needs: tuple[str, ...] = ()
    compressed: bool = True
    refused: Literal[200, 503] = 200
    ends: tuple[Scenario, ...] = ()

    def outcome(self, scenario: Scenario) -> Outcome:
        return "ends for good" if scenario in self.ends else "each once"

    def command(self, url: str) -> list[str]:
        """
        The command line that follows a stream.
        """
        path = HERE / self.program
        runner = "node" if path.suffix == ".mjs" else sys.executable
        return [runner, str(path), url, *([self.option] if self.option else [])]

    def lacks(self) -> str:
        """
        What must be installed first; empty where nothing.
        """
        for name in self.needs:
            if shutil.which(name) is None:
                return f"no {name}: Debian's package {_PACKAGES[name]}"
        if self.module and importlib.util.find_spec(self.module) is None:
            return f"no {self.module}: pip install -e '.[clients]'"
        if "node" in self.needs and self.version and not _MODULES.exists():
            return f"no {_MODULES}: npm ci (Debian's package npm)"
        return ""


CLIENTS = [
    Client(
        "Chromium's EventSource",
        "",
        "node/chromium.mjs",
        needs=("node", "chromium"),
    ),
    Client(
        "Firefox's EventSource",
        "",
        "node/firefox.mjs",
        needs=("node", "firefox-esr"),
    ),
    Client("eventsource", "4.1.1", "node/eventsource.mjs", needs=("node",)),
    Client(
        "eventsource-client",
        "1.2.0",
        "node/eventsource-client.mjs",
        needs=("node",),
    ),
    Client(
        "@microsoft/fetch-event-source",
        "2.0.1",
        "node/fetch-event-source.mjs",
        needs=("node",),
    ),
    Client(
        "@microsoft/fetch-event-source, onclose left alone",
        "2.0.1",
        "node/fetch-event-source.mjs",
        option="--leave-close-alone",
        needs=("node",),
        ends=("dropped", "restarted", "refused"),
    ),
    Client(
        "event-source-polyfill",
        "1.0.31",
        "node/event-source-polyfill.mjs",
        needs=("node",),
    ),
    Client(
        "reconnecting-eventsource",
        "1.6.5",
        "node/reconnecting-eventsource.mjs",
        needs=("node",),
    ),
    Client(
        "launchdarkly-eventsource",
        "2.2.0",
        "node/launchdarkly-eventsource.mjs",
        needs=("node",),
        compressed=False,
    ),
    Client(
        "httpx-sse",
        "0.4.3",
        "python/with_httpx_sse.py",
        module="httpx_sse",
    ),
    Client(
        "sseclient-py",
        "1.9.0",
        "python/with_sseclient_py.py",
        module="sseclient",
        compressed=False,
    ),
    Client(
        "requests-sse",
        "0.5.3",
        "python/with_requests_sse.py",
        module="requests_sse",
        compressed=False,
    ),
    Client(
        "aiohttp-sse-client2",
        "0.3.0",
        "python/with_aiohttp_sse_client2.py",
        module="aiohttp_sse_client2",
    ),
    Client(
        "curl",
        "",
        "python/with_curl.py",
        needs=("curl",),
        refused=503,
    ),
]
