"""
What Prometheus is told, read by its own parser.
"""

import math
import os
from itertools import pairwise
from typing import get_args

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.logger import LogLevel, capturedLogs

from tests.support.killmails import START
from tests.support.server import ServerCase
from wanderer_twisted import __version__
from wanderer_twisted.config import R2z2Feed, RedisqFeed
from wanderer_twisted.interfaces import StoreUnavailable
from wanderer_twisted.ops.metrics import families
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import Change, FeedState, FeedStatus
from wanderer_twisted.stream.broadcast import SLICE
from wanderer_twisted.stream.opening import Visitor
from wanderer_twisted.web.addresses import Client
from wanderer_twisted.web.errors import Refusal

#: Of all labels: none has values that clients choose.
LABELS = {
    *("state", "reason", "event", "limit", "feed", "outcome", "upstream", "status"),
    *("queue", "level", "le", "generation", "version", "python", "twisted"),
}


class FormTests(ServerCase):
    """
    What holds for every metric.
    """

    def test_names(self) -> None:
        """
        Each is ours by its name or one that every exporter has, says what it is, and
        carries no label that clients could fill.
        """
        found = self.scrape()
        self.assertGreater(len(found), 60)
        for name, family in found.items():
            self.assertRegex(name, "^(wanderer|process|python_gc)_[a-z_]+$")
            self.assertRegex(family.documentation, "^[A-Z0-9].{8}", name)
            self.assertNotEqual(family.type, "unknown", name)
            for sample in family.samples:
                self.assertLessEqual({*sample.labels}, LABELS, name)
                self.assertTrue(math.isfinite(sample.value), sample)

    def test_no_series_twice(self) -> None:
        """
        No name with the same labels comes twice.
        """
        series = [
            (sample.name, *sorted(sample.labels.items()))
            for family in self.scrape().values()
            for sample in family.samples
        ]
        self.assertEqual(len(series), len(set(series)))

    def test_counters(self) -> None:
        """
        What is called a total is a counter, and nothing else is.
        """
        for family in self.scrape().values():
            for sample in family.samples:
                is_total = sample.name.endswith("_total")
                self.assertEqual(family.type == "counter", is_total, sample.name)

    def test_histograms(self) -> None:
        """
        Their buckets are cumulative and end with the count of all.
        """
        for latency in (0.0001, 0.004, 0.004, 3.0, 99.0):
            self.server.hub.latency.observe(latency)
        count = 0
        for name, family in self.scrape().items():
            if family.type != "histogram":
                continue
            count += 1
            samples = family.samples
            buckets = [each for each in samples if each.name == f"{name}_bucket"]
            bounds = [float(each.labels["le"]) for each in buckets]
            self.assertEqual(bounds, sorted(set(bounds)), name)
            self.assertEqual(bounds[-1], math.inf)
            for one, next_one in pairwise(buckets):
                self.assertLessEqual(one.value, next_one.value, name)
            (total,) = (each for each in samples if each.name == f"{name}_count")
            self.assertEqual(buckets[-1].value, total.value)
        self.assertEqual(count, 5)
        name = "wanderer_stream_latency_seconds"
        self.assertEqual(self.value(f"{name}_bucket", le="0.0001"), 1)
        self.assertEqual(self.value(f"{name}_bucket", le="0.005"), 3)
        self.assertEqual(self.value(f"{name}_bucket", le="+Inf"), 5)
        self.assertAlmostEqual(self.value(f"{name}_sum") or 0, 102.0081)

    def test_nobody_is_named(self) -> None:
        """
        Who a client is, or what it follows, is in no label: there is no end of those.
        """
        visitor = Visitor("198.51.100.77", "curl/77.7", "token-77")
        before = {*self.scrape()}
        for each in range(20):
            self.open(visitor, filter=Filter(frozenset([900077 + each])))
        found = self.scrape()
        self.assertEqual({*found}, before)
        values = {
            value
            for family in found.values()
            for sample in family.samples
            for value in sample.labels.values()
        }
        self.assertEqual([each for each in values if "77" in each], [])

    def test_in_turns(self) -> None:
        """
        A scrape lets others run between its parts.
        """
        scraped = Deferred.fromCoroutine(self.server.metrics.scrape())
        over: list[bool] = []
        self.clock.callLater(0, lambda: over.append(scraped.called))
        self.settle()
        self.assertEqual(over, [False])
        self.assertTrue(self.successResultOf(scraped).endswith(b"\n"))

    def test_labels_are_escaped(self) -> None:
        """
        What an upstream answers may hold anything, and stays one line.
        """
        upstream = self.server.client.upstreams["r2z2"]
        upstream.requests['2"0\\0\n'] += 3
        name = "wanderer_upstream_requests_total"
        self.assertEqual(self.value(name, upstream="r2z2", status='2"0\\0\n'), 3)

    def test_absent(self) -> None:
        """
        What has no value now is left out.
        """
        family = families.gauge("a", "b", {"x": None, "y": {"z": 1, "w": None}}, "l")
        self.assertEqual(len(family.samples), 1)


class StreamsTests(ServerCase):
    """
    Streams.
    """

    def test_by_state(self) -> None:
        """
        Each open stream is in one state; those that do not follow may be behind.
        """
        self.open()
        self.open()
        behind = self.open(limit=1)
        self.announce(1, 2, 3)
        self.assertTrue(behind.paused)
        name = "wanderer_streams"
        self.assertEqual(self.value(name, state="following"), 2)
        self.assertEqual(self.value(name, state="replaying"), 1)
        self.assertEqual(self.value(name, state="historical"), 0)
        self.assertEqual(self.value("wanderer_stream_lag_numbers"), behind.lag)
        self.assertEqual(self.value("wanderer_stream_lag_max_numbers"), behind.lag)
        self.assertGreater(behind.lag, 0)

    def test_waiting(self) -> None:
        """
        Where streams are many, a killmail is told to some of them in each turn, and the
        next one waits for it.
        """
        for _ in range(SLICE + 1):
            self.open()
        name = "wanderer_stream_waiting_numbers"
        self.announce(*range(1, 61))
        self.assertIn(self.value(name), range(1, 61))  # a scrape takes some turns
        self.settle()
        self.assertEqual(self.value(name), 0)

    def test_sent_and_closed(self) -> None:
        """
        Events and their bytes by name, announcements, latency, and why streams ended.
        """
        session = self.open()
        self.announce(1, 2)
        session.close("gone")
        self.open().close("stuck")
        events = "wanderer_stream_events_total"
        self.assertEqual(self.value(events, event="connected"), 2)
        self.assertEqual(self.value(events, event="killmail"), 2)
        size = self.value("wanderer_stream_bytes_total", event="killmail")
        self.assertEqual(size, self.server.hub.bytes["killmail"])
        self.assertEqual(self.value("wanderer_killmails_announced_total"), 2)
        self.assertEqual(self.value("wanderer_stream_latency_seconds_count"), 2)
        closed = "wanderer_streams_closed_total"
        self.assertEqual(self.value(closed, reason="gone"), 1)
        self.assertEqual(self.value(closed, reason="stuck"), 1)

    def test_refused(self) -> None:
        """
        Refusals by reason, and which limit was reached.
        """
        server = self.make_server()
        admission = server.front.admission
        admission.connections, admission.connections_per_address = 2, 1
        client = Client("192.0.2.1", "192.0.2.1")
        admission.enter(client)
        self.assertRaises(Refusal, admission.enter, client)
        admission.enter(Client("192.0.2.2", "192.0.2.2"))
        for _ in range(2):
            self.assertRaises(Refusal, admission.enter, client)
        server.front.api.refused["connection_limit"] += 3
        self.server = server
        name = "wanderer_stream_limits_reached_total"
        self.assertEqual(self.value(name, limit="server"), 2)
        self.assertEqual(self.value(name, limit="client"), 1)
        name = "wanderer_streams_refused_total"
        self.assertEqual(self.value(name, reason="connection_limit"), 3)
        self.assertEqual(self.value("wanderer_streams_opened_total"), 2)
        self.assertEqual(self.value("wanderer_streams_limit"), 2)
        self.assertEqual(self.value("wanderer_stream_addresses"), 2)

    def test_draining(self) -> None:
        """
        Told while the server goes down.
        """
        self.assertEqual(self.value("wanderer_draining"), 0)
        self.server.hub.draining = True
        self.assertEqual(self.value("wanderer_draining"), 1)


class FeedsTests(ServerCase):
    """
    Feeds, upstreams and names.
    """

    def setUp(self) -> None:
        super().setUp()
        other = RedisqFeed(url="https://example.org/listen.php", queue_id="4you")
        self.server = self.make_server(feeds=(R2z2Feed(), other))
        self.r2z2, self.redisq = self.server.feeds

    def test_state(self) -> None:
        """
        Of the states of a feed one is 1, and the others are 0.
        """
        for state in get_args(FeedState):
            status = FeedStatus("r2z2", state)
            self.patch(self.r2z2, "status", lambda status=status: status)
            family = self.scrape()["wanderer_feed_state"]
            found = {
                each.labels["state"]: each.value
                for each in family.samples
                if each.labels["feed"] == "r2z2"
            }
            self.assertEqual(
                found, {each: float(each == state) for each in get_args(FeedState)}
            )

    def test_position_and_ages(self) -> None:
        """
        A position where the feed has numbers; ages once there is something to tell.
        """
        status = FeedStatus("r2z2", "live", "378501337 (2 missing)", START - 7, START)
        self.patch(self.r2z2, "status", lambda: status)
        no_number = FeedStatus("redisq", "live", "2026-11-24T12:00:00.000Z")
        self.patch(self.redisq, "status", lambda: no_number)
        self.clock.advance(3)
        position = "wanderer_feed_position"
        age = "wanderer_feed_killmail_age_seconds"
        contact = "wanderer_feed_contact_age_seconds"
        self.assertEqual(self.value(position, feed="r2z2"), 378501337)
        self.assertEqual(self.value(age, feed="r2z2"), 10)
        self.assertEqual(self.value(contact, feed="r2z2"), 3)
        for name in (position, age, contact):
            self.assertIsNone(self.value(name, feed="redisq"))

    def test_counters(self) -> None:
        """
        Polls, and what became of killmails: outcomes are there before they happen.
        """
        name = "wanderer_feed_killmails_total"
        self.assertEqual(self.value(name, feed="r2z2", outcome="rejected"), 0)
        self.r2z2.ingest.killmails.update(new=3, known=2)
        self.r2z2.polls, self.r2z2.errors = 5, 1
        self.assertEqual(self.value(name, feed="r2z2", outcome="new"), 3)
        self.assertEqual(self.value(name, feed="redisq", outcome="new"), 0)
        name = "wanderer_feed_polls_total"
        self.assertEqual(self.value(name, feed="r2z2", outcome="answered"), 5)
        self.assertEqual(self.value(name, feed="r2z2", outcome="failed"), 1)

    def test_upstreams(self) -> None:
        """
        Requests by status, and the circuit, which opens and is tried again.
        """
        upstream = self.server.client.upstreams["r2z2"]
        upstream.requests.update({"200": 4, "timeout": 5})
        upstream.retries = 2
        name = "wanderer_upstream_requests_total"
        self.assertEqual(self.value(name, upstream="r2z2", status="200"), 4)
        self.assertEqual(self.value(name, upstream="r2z2", status="timeout"), 5)
        name = "wanderer_upstream_retries_total"
        self.assertEqual(self.value(name, upstream="r2z2"), 2)
        name = "wanderer_upstream_circuit"
        self.assertEqual(self.value(name, upstream="r2z2", state="closed"), 1)
        for _ in range(5):
            upstream.circuit.failed()
        self.assertEqual(self.value(name, upstream="r2z2", state="open"), 1)
        self.assertEqual(self.value(name, upstream="r2z2", state="closed"), 0)
        self.clock.advance(100)
        self.assertEqual(self.value(name, upstream="r2z2", state="half-open"), 1)
        name = "wanderer_upstream_circuit_opened_total"
        self.assertEqual(self.value(name, upstream="r2z2"), 1)


class StoreTests(ServerCase):
    """
    The store and the past.
    """

    def test_commits(self) -> None:
        """
        Commits, how long they took, and the head.
        """
        self.announce(1, 2)
        self.announce(3)
        self.assertEqual(self.value("wanderer_store_commits_total"), 2)
        self.assertEqual(self.value("wanderer_store_commit_seconds_count"), 2)
        self.assertEqual(
            self.value("wanderer_store_head"), self.server.store.marks.head
        )
        self.assertGreater(self.value("wanderer_store_bytes") or 0, 1000)
        self.assertGreater(self.value("wanderer_store_disk_free_bytes") or 0, 0)

    def test_failing(self) -> None:
        """
        A commit that fails is counted, and the store fails until one succeeds.
        """
        self.assertEqual(self.value("wanderer_store_failing"), 0)
        refused = fail(StoreUnavailable("disk full"))
        self.patch(self.server.store._writer, "run", lambda *_, **__: refused)
        self.failureResultOf(self.server.store.commit(Change()), StoreUnavailable)
        self.assertEqual(self.value("wanderer_store_failing"), 1)
        self.assertEqual(self.value("wanderer_store_failures_total"), 1)

    def test_unreadable(self) -> None:
        """
        Reads are counted as well, but not one that a client did not wait for; the log
        has each reason once.
        """
        readers = self.server.store._readers
        self.patch(readers, "run", lambda *_: fail(StoreUnavailable("damaged")))
        with capturedLogs() as events:
            for _ in range(2):
                answer = self.server.store.read_marks()
                self.failureResultOf(answer, StoreUnavailable)
        self.assertEqual([each["reason"] for each in events], ["damaged"])
        self.patch(readers, "run", lambda *_: fail(CancelledError()))
        self.failureResultOf(self.server.store.read_marks(), CancelledError)
        self.assertEqual(self.value("wanderer_store_read_failures_total"), 2)

    def test_no_disk(self) -> None:
        """
        A disk that does not tell what is free stops no scrape.
        """
        self.server.store.path = "/nowhere/at/all.db"
        self.assertIsNone(self.value("wanderer_store_disk_free_bytes"))

    def test_disk_behind_a_link(self) -> None:
        """
        What counts is the disk that has the database, not the one with a link to it.
        """
        self.server.store.path = self.mktemp()
        os.symlink("/nowhere/at/all.db", self.server.store.path)
        self.assertIsNone(self.value("wanderer_store_disk_free_bytes"))

    def test_histories(self) -> None:
        """
        How long they took and how large they were, told or given up.
        """
        self.server.hub.history_seconds.observe(0.7)
        self.server.hub.history_killmails.observe(420)
        self.server.history.late += 1
        self.assertEqual(self.value("wanderer_history_seconds_count"), 1)
        self.assertEqual(self.value("wanderer_history_killmails_sum"), 420)
        self.assertEqual(self.value("wanderer_histories_late_total"), 1)

    def test_coverage(self) -> None:
        """
        Days that are whole, of those that there should be.
        """
        self.server.covered.days_complete = 88
        self.assertEqual(self.value("wanderer_coverage_days"), 90)
        self.assertEqual(self.value("wanderer_coverage_days_complete"), 88)
        self.assertEqual(self.value("wanderer_backfill_days"), 0)


class ProcessTests(ServerCase):
    """
    The process.
    """

    def test_what_runs(self) -> None:
        """
        Its version; what every exporter tells is this process's.
        """
        (build,) = self.scrape()["wanderer_build_info"].samples
        self.assertEqual((build.value, build.labels["version"]), (1, __version__))
        self.assertEqual(self.value("process_start_time_seconds"), START)
        memory = self.value("process_resident_memory_bytes") or 0
        self.assertGreater(memory, 10e6)
        self.assertLess(memory, 10e9)
        self.assertGreater(self.value("process_cpu_seconds_total") or 0, 0)
        self.assertGreater(self.value("process_max_fds") or 0, 10)

    def test_delay_and_log(self) -> None:
        """
        The reactor's delay, and faults that were logged.
        """
        self.server.delay.delays.observe(0.3)
        self.server.logs({"log_level": LogLevel.critical})
        self.assertEqual(self.value("wanderer_reactor_delay_seconds_count"), 1)
        self.assertEqual(self.value("wanderer_log_events_total", level="critical"), 1)
        self.assertEqual(self.value("wanderer_log_events_total", level="error"), 0)

    def test_web(self) -> None:
        """
        Connections, and responses by status.
        """
        self.server.front.site.responses.update({200: 7, 404: 1})
        self.server.front.site.channels = 3
        self.server.front.rate.pauses = 2
        name = "wanderer_http_responses_total"
        self.assertEqual(self.value(name, status="200"), 7)
        self.assertEqual(self.value("wanderer_http_connections"), 3)
        self.assertEqual(self.value("wanderer_http_accept_pauses_total"), 2)
