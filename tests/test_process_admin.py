"""
A real server, as Prometheus and its operator see it.
"""

import socket
from typing import Any

import treq
from prometheus_client.parser import text_string_to_metric_families

from tests.processes import ProcessCase, Server, free_port


class AdminTests(ProcessCase):
    """
    The admin listener of a server at work.
    """

    async def test_at_work(self) -> None:
        """
        What it does moves its metrics and its status, and the list of streams has who
        is there.
        """
        simulator = await self.simulator("--tail", "30")
        port = free_port()
        server = await self.server(
            "watched",
            **{
                **simulator.settings(),
                "admin_listen": f"tcp:{port}:interface=127.0.0.1",
            },
        )
        client = await self.connected(server)
        await self.until("a feed that has begun", server.has_begun)
        await simulator.play(5)
        await self.until_all(client, simulator.played)
        taken, announced = len(client.killmails), len(server.announced())
        found = await self.scrape(port)
        self.assertEqual(found["wanderer_streams", "following"], 1)
        self.assertEqual(found["wanderer_stream_events_total", "killmail"], taken)
        self.assertEqual(found["wanderer_killmails_announced_total",], announced)
        self.assertEqual(
            found["wanderer_feed_killmails_total", "r2z2", "new"], announced
        )
        self.assertEqual(found["wanderer_stream_latency_seconds_count",], taken)
        self.assertGreater(found["wanderer_upstream_requests_total", "200", "r2z2"], 5)
        self.assertGreater(found["wanderer_store_commit_seconds_count",], 0)
        self.assertGreater(found["wanderer_reactor_delay_seconds_count",], 10)
        self.assertGreater(found["process_resident_memory_bytes",], 10e6)
        self.assertEqual(found["wanderer_log_events_total", "critical"], 0)
        (stream,) = (await self.get(port, "admin/streams"))["streams"]
        self.assertEqual((stream["address"], stream["following"]), ("127.0.0.1", True))
        self.assertGreater(stream["events"], 5)
        status = await (await treq.get(server.url("status"), persistent=False)).json()
        self.assertEqual(status["streams"]["open"], 1)
        self.assertEqual(status["sent"]["events"]["killmail"], taken)

    async def scrape(self, port: int) -> dict[tuple[str, ...], float]:
        """
        Every number by its name and the values of its labels, in the order of these.
        """
        url = f"http://127.0.0.1:{port}/metrics"
        response = await treq.get(url, persistent=False)
        self.assertEqual(response.code, 200)
        text = await response.text()
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def get(self, port: int, path: str) -> Any:
        response = await treq.get(f"http://127.0.0.1:{port}/{path}", persistent=False)
        return await response.json()

    async def test_port_in_use(self) -> None:
        """
        An admin port that cannot be had stops the start, before the public one opens.
        """
        with socket.create_server(("127.0.0.1", free_port())) as taken:
            port = taken.getsockname()[1]
            server = Server(
                self,
                "refused",
                "",
                {"admin_listen": f"tcp:{port}:interface=127.0.0.1", "contact": "x"},
            )
            server.launch()
            process = server.process
            await self.until("an end", lambda: process.status is not None)
        self.assertEqual(process.status, 1)
        (line,) = process.err.splitlines()
        said = f"wanderer-sse: Couldn't listen on 127.0.0.1:{port}: "
        self.assertTrue(line.startswith(said), line)
        self.assertNotIn("Listening", process.out)
