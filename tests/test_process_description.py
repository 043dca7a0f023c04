"""
The documents that describe the API, against a server that runs.
"""

import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import treq
from twisted.internet.defer import Deferred
from twisted.web.client import ResponseFailed
from twisted.web.http_headers import Headers

from tests.processes import ProcessCase
from tests.support.reader import Client
from tests.support.schemas import problems
from wanderer_twisted.web.description.events import EVENTS

SCHEMATHESIS = str(Path(sys.executable).parent / "schemathesis")

#: Who asks; on loopback clients are told apart only where a proxy tells of them.
ADDRESS = "203.0.113.7"

#: All of schemathesis's checks but one: not all that is wrong can be told in a schema,
#: such as a moment in the future.
CHECKS = """
[checks]
negative_data_rejection.expected-statuses = ["4xx"]
positive_data_acceptance.enabled = false
"""


class DescriptionTests(ProcessCase):
    """
    The demo, which does what its documents say.
    """

    async def demo(self, settings: str = "{}") -> str:
        """
        :param settings: in YAML.
        :returns: the line that it prints to try, when it is ready.
        """
        (self.folder / "settings.yaml").write_text(settings)
        demo = self.twistd(
            *("wanderer-sse", "--demo", "--config", "settings.yaml"),
            *("--listen", "tcp:0:interface=127.0.0.1"),
        )
        await self.until("a line to try", lambda: "curl" in demo.out)
        (url,) = re.findall(r" curl -N '(.*)'$", demo.out, re.MULTILINE)
        return str(url)

    async def hold(self, url: str) -> Deferred[None]:
        """
        Open a stream.

        :returns: fires when it has ended, however.
        """
        headers = Headers({"X-Forwarded-For": [ADDRESS]})
        response = await treq.get(url, headers, unbuffered=True, persistent=False)
        self.assertEqual(response.code, 200)
        ended: Deferred[None] = treq.collect(response, lambda data: None)
        return ended.addErrback(lambda failure: failure.trap(ResponseFailed) and None)

    async def test_every_operation(self) -> None:
        """
        What may be asked for by ``/api/openapi``, and what may not, gets an answer that
        it tells of. The one stream that an address may have is open already, so that
        each further one is refused instead of going on for ever.
        """
        url = await self.demo("limits: {connections_per_address: 1}")
        held = await self.hold(url)
        (self.folder / "schemathesis.toml").write_text(CHECKS)
        run = self.spawn(
            SCHEMATHESIS,
            "run",
            f"{url.partition('/api')[0]}/api/openapi",
            *("--header", f"X-Forwarded-For: {ADDRESS}"),
            *("--phases", "examples,coverage,fuzzing"),
            *("--max-examples", "20"),
            "--generation-deterministic",
            "--continue-on-failure",
            "--no-color",
        )
        await self.until("the end of it", lambda: run.status is not None, within=100)
        self.assertEqual(run.status, 0)
        (count,) = re.findall(r"(\d+) generated, \d+ passed$", run.out, re.MULTILINE)
        self.assertGreater(int(count), 1000)
        self.assertFalse(held.called, "the open stream ended")
        await self.processes[0].kill()
        await held

    async def test_every_answer(self) -> None:
        """
        Events and answers made of real killmails have no key that is not described.
        """
        url = await self.demo()
        client = Client(self.reactor, f"{url}&heartbeat=2")
        client.open()
        self.addCleanup(client.close)
        for name in ("transition", "killmail", "heartbeat"):
            await self.until(name, partial(client.named, name))
        schemas = {each.name: each.schema for each in EVENTS}
        for event in client.events:
            self.assertEqual(problems(schemas[event.name], event.data), [], event.name)

        base = url.partition("/api")[0]
        killmail = client.named("batch")[0].data["kills"][0]
        ids = {
            "killmail": killmail["killmail_id"],
            "character": re.findall(r"character_ids=(\d+)", url)[0],
        }
        document = await self.get(f"{base}/api/openapi")
        checked = 0
        for path, operations in document["paths"].items():
            if "get" not in operations:
                continue
            content = operations["get"]["responses"]["200"]["content"]
            ref = content.get("application/json", {}).get("schema", {}).get("$ref")
            if ref is None:
                continue
            before, _, _ = path.partition("/{id}")
            id = ids.get(before.rpartition("/")[2], killmail["system_id"])
            query = "?dry_run=1&" + url.partition("?")[2] if "stream" in path else ""
            answer = await self.get(base + path.replace("{id}", str(id)) + query)
            name = ref.rpartition("/")[2]
            self.assertEqual(problems(name, answer), [], path)
            checked += 1
        self.assertGreater(checked, 8)

    async def get(self, url: str) -> Any:
        response = await treq.get(url, persistent=False)
        self.assertEqual(response.code, 200, url)
        return await response.json()
