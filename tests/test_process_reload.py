"""
A running server whose settings and tokens change.
"""

import json
import signal
from hashlib import sha256
from pathlib import Path
from typing import Any

import treq
from twisted.web.http_headers import Headers

from tests.processes import ProcessCase, Server

_STREAM = "api/v1/kills/stream"
_JSON = "--logger=wanderer_twisted.ops.logs.json_stdout"

#: Who logs what comes of a signal; others may have a line at any moment.
_RELOADING = ("wanderer_twisted.ops.reload", "wanderer_twisted.web.tokens")


def token(secret: str, **parts: Any) -> dict[str, Any]:
    digest = sha256(secret.encode()).hexdigest()
    return {"name": f"bot-{secret}", "sha256": digest, **parts}


class ReloadTests(ProcessCase):
    """
    SIGHUP.
    """

    running: Server
    world: dict[str, Any]

    async def start(self) -> None:
        """
        Start a server, which logs JSON, and a simulator with it.
        """
        self.upstream = await self.simulator()
        self.world = self.upstream.settings()
        self.running = Server(self, "reload", "", self.world)
        self.running.process = self.twistd(
            _JSON, "wanderer-sse", "--config", str(self.running.config)
        )
        await self.until("the server answers", self.running.answers)
        await self.until("a beginning", self.running.has_begun)

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens.yaml"

    def write_tokens(self, *tokens: dict[str, Any]) -> None:
        self.tokens.write_text(json.dumps({"tokens": tokens}))

    def lines(self) -> list[Any]:
        """
        What the server logged, as far as lines are whole.
        """
        *lines, _ = self.running.process.out.split("\n")
        return [json.loads(line) for line in lines if line.startswith("{")]

    async def reload(self, expected: str, **settings: Any) -> list[Any]:
        """
        Have the settings read again.

        :param expected: the beginning of the last line that is logged for it.
        :returns: the lines that are.
        """
        if settings:
            self.running.configure(**{**self.world, **settings})
        before = len(self.lines())
        self.running.process.send(signal.SIGHUP)

        def told() -> list[Any]:
            lines = [
                line
                for line in self.lines()[before:]
                if line["system"].startswith(_RELOADING)
            ]
            for number, line in enumerate(lines, 1):
                if line["message"].startswith(expected):
                    return lines[:number]
            return []

        lines: list[Any] = await self.until(f"the line {expected!r}", told)
        return lines

    async def ask(self, query: str = "", **headers: str) -> Any:
        response = await treq.get(
            self.running.url(f"{_STREAM}?dry_run=1{query}"),
            headers=Headers({name: [value] for name, value in headers.items()}),
            persistent=False,
        )
        await response.content()
        return response

    async def status(self, query: str = "", **headers: str) -> int:
        response = await self.ask(query, **headers)
        return int(response.code)

    async def test_settings(self) -> None:
        """
        Limits, CORS and the log's level change while a stream stays open; what cannot
        change is told, and a wrong file changes nothing.
        """
        await self.start()
        client = await self.connected(self.running)

        two_ids = "&character_ids=1,2"
        self.assertEqual(await self.status(two_ids), 200)
        limits = {"connections": 1, "character_ids": 1}
        lines = await self.reload("The settings", limits=limits, retention={"days": 98})
        told = {(line["level"], line["message"]) for line in lines}
        for line in (
            ("info", "limits.connections was 10000 and is 1 now"),
            ("info", "limits.character_ids was 100 and is 1 now"),
            ("warn", "retention.days stays 100 until a restart: 98"),
        ):
            self.assertIn(line, told)
        self.assertEqual(await self.status(two_ids), 400)

        listen = ["tcp:1:interface=127.0.0.1"]
        (line, _) = await self.reload("The settings", limits=limits, listen=listen)
        self.assertIn("listen stays", line["message"])
        self.assertTrue(await self.running.answers())

        (line,) = await self.reload("Nothing is changed", limits={"connection": 5})
        self.assertEqual(line["level"], "error")
        self.assertIn("limits.connection: unknown key", line["message"])
        self.assertEqual(await self.status(two_ids), 400)

        origin = "https://a.example"
        allowed = "Access-Control-Allow-Origin"
        response = await self.ask(Origin=origin)
        self.assertEqual(response.headers.getRawHeaders(allowed), ["*"])
        await self.reload("The settings", cors={"origins": [origin]})
        response = await self.ask(Origin=origin)
        self.assertEqual(response.headers.getRawHeaders(allowed), [origin])
        self.assertEqual(await self.status(two_ids), 200)

        await self.reload("The settings", log_level="debug")
        await self.until("a line of debugging", self.debugs)

        await self.upstream.play(3)
        await self.until_all(client, self.upstream.played)
        self.assertEqual(client.ends, [])
        await client.close()
        await self.running.stop()
        self.assertNotIn("Traceback", self.running.process.report())

    async def test_another_folder(self) -> None:
        """
        With twistd's ``--rundir`` the settings' paths count from there, the one of the
        settings itself from where twistd was started; at a reload as at the start.
        """
        await self.start()
        await self.running.stop()
        (self.folder / "there").mkdir()
        self.world["database"] = "sqlite:there.db"
        self.running.configure(**self.world)
        config = self.running.config.name
        self.running.process = self.twistd(
            *(_JSON, "--rundir", "there", "wanderer-sse", "--config", config)
        )
        await self.until("the server answers", self.running.answers)
        self.assertTrue((self.folder / "there" / "there.db").exists())
        lines = await self.reload("The settings", log_level="debug")
        self.assertIn("log_level", lines[0]["message"])

    async def debugs(self) -> bool:
        """
        Whether a ping is logged, which is at that level.
        """
        await self.running.answers()
        return any(line["level"] == "debug" for line in self.lines())

    async def test_tokens(self) -> None:
        """
        Tokens are wanted from one signal on. A stream whose token is revoked ends with
        its reason, and whoever comes back with it is told to stop; with another token
        the client goes on where it was.
        """
        await self.start()
        self.assertEqual(await self.status(), 200)
        self.write_tokens(token("a"), token("b", limits={"character_ids": 1}))
        wanted = {"auth": {"tokens_file": str(self.tokens)}}
        await self.reload("The settings", **wanted)
        self.assertEqual(await self.status(), 401)
        self.assertEqual(await self.status(Authorization="Bearer a"), 200)
        self.assertEqual(await self.status("&token=b"), 200)
        self.assertEqual(await self.status("&token=b&character_ids=1,2"), 400)

        client = await self.connected(self.running, "token=a")
        other = await self.connected(self.running, "token=b")
        await self.upstream.play(5)
        await self.until_all(client, self.upstream.played)

        self.tokens.write_text("tokens: [")
        (line,) = await self.reload("Nothing is changed")
        self.assertIn(str(self.tokens), line["message"])
        self.assertEqual(client.ends, [])
        self.running.config.write_text("")
        await self.reload("Nothing is changed")
        self.assertEqual(await self.status(), 401)
        self.running.configure(**self.world, **wanted)

        client.returns = False
        self.write_tokens(token("a", revoked=True), token("b"))
        lines = await self.reload("The settings")
        changed = [line["message"] for line in lines if "Tokens" in line["message"]]
        self.assertEqual(changed, ["Tokens changed: bot-a, bot-b"])
        await self.until("the end", lambda: client.ends)
        self.assertEqual(client.ends, [True])
        last = client.events[-1]
        self.assertEqual((last.name, last.data["type"]), ("error", "token_revoked"))
        self.assertTrue(last.data["fatal"])
        self.assertEqual(other.ends, [])
        events = {"Accept": "text/event-stream"}
        self.assertEqual(await self.status("&token=a", **events), 204)
        self.assertEqual(await self.status("&token=a"), 401)

        await self.upstream.play(5)
        await self.until_all(other, self.upstream.played)
        client.url = self.running.stream_url("token=b")
        client.returns = True
        client.open()
        await self.until_all(client, self.upstream.played)
        self.check_all_live(client, self.running)

        await self.reload("The settings", auth={})
        self.assertEqual(await self.status(), 200)
        self.assertEqual(other.ends, [])
        await client.close()
        await other.close()
        await self.running.stop()
        self.assertNotIn("Traceback", self.running.process.report())
        for secret in ("Bearer a", "token=a", "token=b"):
            self.assertNotIn(secret, self.running.process.out)
