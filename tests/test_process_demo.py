"""
What a new user does first: start the demo, and take the line that it prints.
"""

import re
import shutil
import signal

from twisted.trial.unittest import SkipTest

from tests.processes import ProcessCase, free_port
from tests.support.reader import Client


class DemoTests(ProcessCase):
    """
    ``twistd -n wanderer-sse --demo``.
    """

    async def test_the_line_that_it_prints(self) -> None:
        """
        Within ten seconds there is a curl line; it shows the past, the transition and
        live killmails. SIGTERM ends streams cleanly and leaves nothing behind.
        """
        port = free_port()
        demo = self.twistd(
            *("wanderer-sse", "--demo"),
            *("--listen", f"tcp:{port}:interface=127.0.0.1"),
        )
        began = self.reactor.seconds()
        await self.until("a line to try", lambda: "curl" in demo.out, within=30)
        self.assertLess(self.reactor.seconds() - began, 10)
        (line,) = re.findall(r" (curl -N '.*')$", demo.out, re.MULTILINE)
        (url,) = re.findall("'(.*)'", line)
        self.assertTrue(url.startswith(f"http://127.0.0.1:{port}/"))

        curl = None
        if shutil.which("curl"):
            curl = self.spawn("/bin/sh", "-c", f"exec {line}")
        client = Client(self.reactor, url)
        client.returns = False
        client.open()
        self.addCleanup(client.close)
        await self.until("a live killmail", lambda: client.named("killmail"))

        names = [event.name for event in client.events]
        self.assertEqual(names[0], "connected")
        batches = names[1 : names.index("transition")]
        self.assertGreater(len(batches), 2)
        self.assertEqual(set(batches), {"batch"})
        self.assertEqual(set(names[names.index("transition") + 1 :]), {"killmail"})
        transition = client.named("transition")[0].data
        self.assertTrue(transition["coverage"]["complete"], transition)
        self.assertEqual(transition["missing"], 0)
        self.assertEqual(len(client.killmails), len(set(client.killmails)))
        self.assertGreater(transition["total_historical"], 100)

        demo.send(signal.SIGTERM)
        await self.until("the end of it", lambda: demo.status is not None)
        self.assertEqual(demo.status, -signal.SIGTERM)
        await self.until("the end of the stream", lambda: client.ends)
        self.assertEqual(client.ends, [True])
        warning = client.events[-1]
        self.assertEqual((warning.name, warning.data["type"]), ("warning", "draining"))
        self.assertGreaterEqual(warning.retry or 0, 1000)
        self.assertEqual(list((self.folder / "tmp").iterdir()), [])
        self.assertEqual(list(self.folder.glob("*")), [self.folder / "tmp"])
        self.assertNotIn("Traceback", demo.out + demo.err)
        if curl is None:
            raise SkipTest("curl itself was not tried: no package curl")
        await self.until("curl's end", lambda: curl.status is not None)
        self.assertEqual(curl.status, 0)
        for name in ("connected", "batch", "transition", "killmail"):
            self.assertIn(f"event: {name}\n", curl.out)

    async def test_terminal_closed(self) -> None:
        """
        It ends with its terminal, and takes its database with it.
        """
        listen = f"tcp:{free_port()}:interface=127.0.0.1"
        demo = self.twistd("wanderer-sse", "--demo", "--listen", listen)
        await self.until("a line to try", lambda: "curl" in demo.out, within=30)
        demo.send(signal.SIGHUP)
        await self.until("the end of it", lambda: demo.status is not None)
        self.assertEqual(demo.status, 0)
        self.assertEqual(list((self.folder / "tmp").iterdir()), [])
