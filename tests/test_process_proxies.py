"""
The real nginx and the real Caddy, with our configurations, in front of a real server.
"""

import re
import shutil
import zlib
from pathlib import Path
from typing import Any

import treq
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol

from tests.processes import Process, ProcessCase, free_port
from tests.support.reader import Client
from wanderer_twisted.encoding import loads

ETC = Path(__file__).parent.parent / "etc"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin") or ""
CADDY = shutil.which("caddy") or ""


class Raw(Protocol):
    """
    The bytes of a stream as they come.

    :ivar head: of the response, in lower case.
    :ivar body: what has come of it, without the chunks' sizes.
    """

    def __init__(self, headers: str) -> None:
        self.head = ""
        self.body = b""
        self._rest = b""
        self._headers = headers

    def connectionMade(self) -> None:
        assert self.transport is not None
        request = "GET /api/v1/kills/stream HTTP/1.1\r\nHost: localhost\r\n"
        self.transport.write(f"{request}{self._headers}\r\n".encode())

    def dataReceived(self, data: bytes) -> None:
        self._rest += data
        if not self.head and b"\r\n\r\n" in self._rest:
            head, _, self._rest = self._rest.partition(b"\r\n\r\n")
            self.head = head.decode().lower() + "\r\n"
        while self.head and (match := re.match(rb"([0-9a-fA-F]+)\r\n", self._rest)):
            start, size = match.end(), int(match[1], 16)
            if len(self._rest) < start + size + 2:
                return
            self.body += self._rest[start : start + size]
            self._rest = self._rest[start + size + 2 :]


class ProxyCase(ProcessCase):
    """
    A server behind a proxy, in :meth:`launch` of the subclass.
    """

    async def start(self) -> None:
        self.world = await self.simulator()
        self.own = await self.server(
            "own", trusted_proxies=["127.0.0.1"], **self.world.settings()
        )
        await self.until("a feed", self.own.has_begun)
        self.port = free_port()
        self.proxy = self.launch()
        await self.until("the proxy answers", self.passes)

    def launch(self) -> Process:
        raise NotImplementedError

    def configuration(self, name: str) -> str:
        """
        As it is in etc/, with this test's address of the server.
        """
        text = (ETC / name).read_text()
        assert "127.0.0.1:4004" in text
        return text.replace("127.0.0.1:4004", f"127.0.0.1:{self.own.port}")

    def url(self, path: str = "api/v1/kills/stream") -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    async def passes(self) -> bool:
        if self.proxy.status is not None:
            raise AssertionError(f"the proxy ended: {self.proxy.report()}")
        try:
            response = await treq.get(self.url("ping"), persistent=False)
            return bool(response.code == 200 and await response.content() == b"pong")
        except Exception:  # it is not there yet
            return False

    def log(self) -> str:
        """
        What it said of requests.
        """
        raise NotImplementedError

    async def streams(self) -> int:
        """
        How many the server has open.
        """
        _, health = await self.own.health()
        return int(health["streams"])

    async def raw(self, headers: str = "", source: str = "127.0.0.1") -> Raw:
        """
        A stream that has begun.

        :param source: the client's address.
        """
        endpoint = TCP4ClientEndpoint(
            self.reactor, "127.0.0.1", self.port, bindAddress=(source, 0)
        )
        raw = Raw(headers)
        await connectProtocol(endpoint, raw)
        assert raw.transport is not None
        self.addCleanup(raw.transport.loseConnection)
        await self.until("the first bytes", lambda: raw.body)
        return raw


class Proxied:
    """
    What is so behind each of them.
    """

    async def test_at_once(self: Any) -> None:
        """
        The first event of 300 bytes, and a killmail, come while nothing follows that
        would push them out; and who leaves is gone from the server.
        """
        await self.start()
        client = Client(self.reactor, self.url() + "?heartbeat=60")
        client.open()
        self.addCleanup(client.close)
        await self.until("connected", lambda: client.named("connected"))
        await self.until_all(client, await self.world.play())
        self.assertEqual(client.named("heartbeat"), [])
        self.assertEqual(client.ends, [])
        self.assertEqual(await self.streams(), 1)
        await client.close()
        await self.until("nobody", self.nobody)

    async def nobody(self: Any) -> bool:
        return bool(await self.streams() == 0)

    async def test_compressed(self: Any) -> None:
        """
        A compressed stream passes as it is, each event readable as soon as it is there.
        """
        await self.start()
        raw = await self.raw("Accept-Encoding: gzip\r\n")
        self.assertIn("\r\ncontent-encoding: gzip\r\n", raw.head)

        def names() -> list[str]:
            text = zlib.decompressobj(31).decompress(raw.body)
            return re.findall("^event: (.*)$", text.decode(), re.MULTILINE)

        self.assertEqual(names()[:1], ["connected"])
        await self.world.play()
        await self.until("a killmail", lambda: "killmail" in names())

    async def test_plain(self: Any) -> None:
        """
        Nobody compresses what the client did not ask for.
        """
        await self.start()
        raw = await self.raw()
        self.assertIn(b"event: connected", raw.body)
        self.assertNotIn("content-encoding", raw.head)

    async def test_address(self: Any) -> None:
        """
        The server knows the client's address, whatever the client says that it is.
        """
        await self.start()
        await self.raw("X-Forwarded-For: 198.51.100.7\r\n", source="127.0.0.9")
        log = self.own.process.out
        self.assertRegex(log, r"stream [0-9a-f]+ opened for 127\.0\.0\.9")
        self.assertNotIn("198.51.100.7", log)

    async def test_tokens(self: Any) -> None:
        """
        A token in a URL is in no line that it logs of a request.
        """
        await self.start()
        query = "ping?a=1&token=hush"
        await (await treq.get(self.url(query), persistent=False)).content()
        await self.own.stop()
        response = await treq.get(self.url(query), persistent=False)
        self.assertEqual(response.code, 502)
        await self.until("a line", lambda: "502" in self.log())
        self.assertIn("/ping", self.log())
        self.assertNotIn("hush", self.log())

    async def test_away(self: Any) -> None:
        """
        While the server is away a browser is told to come back: after a bare 502 it
        never would.
        """
        await self.start()
        await self.own.stop()
        for path in (
            "api/v1/kills/stream?heartbeat=60",
            "api/v1/kills/stream/enhanced",
        ):
            response = await treq.get(self.url(path), persistent=False)
            text = (await response.content()).decode()
            headers = response.headers
            self.assertEqual(response.code, 200)
            self.assertEqual(
                headers.getRawHeaders("Content-Type"), ["text/event-stream"]
            )
            self.assertEqual(
                headers.getRawHeaders("Access-Control-Allow-Origin"), ["*"]
            )
            retry, name, data, *rest = text.split("\n")
            self.assertEqual((retry, name), ("retry: 5000", "event: error"))
            self.assertEqual(rest, ["", ""])
            document = loads(data.removeprefix("data: ").encode())
            self.assertEqual(document["type"], "unavailable")
            self.assertEqual(document["retry_after_ms"], 5000)

    async def test_long(self: Any) -> None:
        """
        A request with a thousand ids arrives.
        """
        await self.start()
        ids = ",".join(str(each) for each in range(2_100_000_000, 2_100_001_000))
        query = f"?character_ids={ids}"
        response = await treq.get(self.url() + query, persistent=False)
        refused = await response.json()
        self.assertEqual(response.code, 400)
        self.assertIn("Too many character_ids", refused["error"]["message"])


class NginxTests(Proxied, ProxyCase):
    """
    nginx.
    """

    if not NGINX:
        skip = "nginx is not installed (Debian: nginx-light)"

    def launch(self) -> Process:
        """
        As anybody's, with all that it writes in this test's folder.
        """
        folder, temporary = self.folder, self.folder / "tmp"
        server = self.configuration("nginx.conf")
        self.assertIn("listen 80;", server)
        server = server.replace("listen 80;", f"listen 127.0.0.1:{self.port};")
        server = server.replace("/var/log/nginx", str(folder))
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = [f"{kind}_temp_path {temporary / kind};" for kind in kinds]
        config = folder / "nginx.conf"
        config.write_text(
            # One process alone, which a test can end.
            f"daemon off; master_process off; pid {folder}/nginx.pid;"
            " error_log stderr; events { worker_connections 64; }\n"
            f"http {{ {' '.join(paths)}\n{server}}}\n"
        )
        return self.spawn(NGINX, "-e", "stderr", "-p", str(folder), "-c", str(config))

    def log(self) -> str:
        return (self.folder / "wanderer-sse.log").read_text()


class CaddyTests(Proxied, ProxyCase):
    """
    Caddy.
    """

    if not CADDY:
        skip = "Caddy is not installed (Debian: caddy)"

    def launch(self) -> Process:
        """
        Without TLS, which would want a name and a certificate.
        """
        site = self.configuration("Caddyfile")
        self.assertIn("\nkills.example.org {", site)
        here = f"\nhttp://:{self.port} {{\n\tbind 127.0.0.1"
        site = site.replace("\nkills.example.org {", here)
        config = self.folder / "Caddyfile"
        config.write_text(site.replace("\n{\n", "\n{\n\tadmin off\n", 1))
        places = [f"XDG_{kind}_HOME={self.folder}/caddy" for kind in ("CONFIG", "DATA")]
        command = (CADDY, "run", "--adapter", "caddyfile", "--config", str(config))
        return self.spawn("/usr/bin/env", *places, *command)

    def log(self) -> str:
        return self.proxy.err
