"""
The image's own question whether its server lives.
"""

import json
import re
import sys
from pathlib import Path

from tests.processes import Process, ProcessCase, free_port

DOCKERFILE = Path(__file__).parent.parent / "Dockerfile"


class HealthCheckTests(ProcessCase):
    """
    The command behind ``HEALTHCHECK``.
    """

    async def ask(self, port: int) -> Process:
        """
        Run it to its end.
        """
        found = re.search(
            r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", DOCKERFILE.read_text(), re.M
        )
        assert found is not None
        python, *arguments = json.loads(found[1])
        self.assertEqual(python, "python")
        self.assertIn(":4004/", arguments[-1])
        arguments[-1] = arguments[-1].replace(":4004/", f":{port}/")
        process = self.spawn(sys.executable, *arguments)
        await self.until("an answer", lambda: process.status is not None)
        return process

    async def test_it(self) -> None:
        """
        Status 0 while the server answers, and 1 when it does not.
        """
        server = await self.server(
            "own", feeds=[{"kind": "r2z2", "url": self.nowhere()}]
        )
        self.assertEqual((await self.ask(server.port)).status, 0)
        await server.stop()
        self.assertEqual((await self.ask(server.port)).status, 1)

    def nowhere(self) -> str:
        return f"http://127.0.0.1:{free_port()}"
