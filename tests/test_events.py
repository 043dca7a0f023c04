"""
Events, byte for byte and through an independent parser.
"""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import SyncCase
from tests.support.eventsource import Event, EventSource
from tests.support.killmails import START, record
from wanderer_twisted.encoding import dumps
from wanderer_twisted.frames import Frame
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import FeedStatus, Hole, Report
from wanderer_twisted.stream import events
from wanderer_twisted.stream.entries import KillmailEntry, variant_of

NOW = "2026-11-01T00:00:00.000Z"


def whole(frame: Frame, cursor: str | None = "l.x") -> bytes:
    return frame.plain + events.end(cursor)


def parse(data: bytes | Frame) -> Event:
    if isinstance(data, Frame):
        data = whole(data)
    (event,) = EventSource().feed(data)
    return event


class BytesTests(SyncCase):
    """
    What goes over the wire.
    """

    def test_connected(self) -> None:
        """
        All of the filter comes back, with ``retry`` in the same block.
        """
        wanted = Filter(
            frozenset([3, 1]), frozenset(), 1e6, alliance_ids=frozenset([9, 8])
        )
        filters = events.filters(wanted, 7, None)
        data = whole(
            events.connected(filters, "beef", "historical", False, 2900, START)
        )
        self.assertTrue(data.startswith(b"retry: 2900\nevent: connected\ndata: {"))
        event = parse(data)
        self.assertEqual(event.retry, 2900)
        self.assertEqual(
            event.data["filters"],
            {
                "system_ids": [],
                "character_ids": [1, 3],
                "corporation_ids": [],
                "alliance_ids": [8, 9],
                "min_value": 1e6,
                "preload_days": 7,
                "since": None,
            },
        )
        self.assertEqual(event.data["status"], "connected")
        self.assertEqual(event.data["timestamp"], NOW)
        self.assertEqual(event.data["mode"], "historical")
        self.assertIs(event.data["resumed"], False)

    def test_since(self) -> None:
        """
        A moment to look back to is told as one.
        """
        self.assertEqual(events.filters(Filter(), 0, START)["since"], NOW)

    def test_refused_cursor(self) -> None:
        """
        Where a cursor was refused, ``connected`` leaves the client's own alone, and
        ``gap`` carries the first.
        """
        client = EventSource()
        client.last_event_id = "old"
        client.connect()
        filters = events.filters(Filter(), 0, None)
        frame = events.connected(filters, "beef", "realtime", False, 3000, 0)
        client.feed(whole(frame, None))
        self.assertEqual(client.last_event_id, "old")
        (event,) = client.feed(whole(events.gap("expired", "old", START), "new"))
        self.assertEqual(client.last_event_id, "new")
        self.assertEqual(
            event.data, {"reason": "expired", "requested": "old", "timestamp": NOW}
        )

    def test_long_cursor(self) -> None:
        """
        A gap tells no more of a bad cursor than a cursor may be long.
        """
        data = events.gap("malformed", "x" * 10_000, START)
        self.assertEqual(parse(data).data["requested"], "x" * 64)

    def test_batch(self) -> None:
        """
        Bodies are joined as they are.
        """
        data = whole(events.batch([b'{"a":1}', b'{"b":2}'], 1, 3), "h.x")
        self.assertEqual(
            data,
            b'event: batch\ndata: {"kills":[{"a":1},{"b":2}],"count":2,'
            b'"batch_number":1,"total_batches":3}\nid: h.x\n\n',
        )

    def test_transition(self) -> None:
        """
        What is missing is told.
        """
        report = Report(2, 1, START, days=30, days_complete=29)
        data = events.transition(150, report, START)
        self.assertEqual(
            parse(data).data,
            {
                "status": "historical_complete",
                "total_historical": 150,
                "timestamp": NOW,
                "missing": 2,
                "coverage": {
                    "complete": False,
                    "ids_incomplete": 1,
                    "from": NOW,
                    "days": 30,
                    "days_complete": 29,
                },
            },
        )

    def test_id_comes_last(self) -> None:
        """
        Whoever has read an event's ``id`` has read the event: some clients take it at
        once, and would never ask again for what was cut off behind it.
        """
        data = whole(events.batch([b"{}"], 1, 1))
        self.assertTrue(data.endswith(b"}\nid: l.x\n\n"))
        self.assertEqual(data.count(b"\n\n"), 1)

    def test_killmail(self) -> None:
        """
        A killmail is encoded once; only its ``id`` line is a stream's own.
        """
        entry = KillmailEntry(record(7, live_seq=1, items=2), 1)
        found: dict[bool, Frame] = {}
        for with_items in (False, True, False):
            told = entry.event_for(variant_of(None, with_items, None, "l.", ".z"))
            assert told is not None
            self.assertIs(found.setdefault(with_items, told.frame), told.frame)
            event = parse(told.plain)
            self.assertEqual((event.name, event.id), ("killmail", "l.00000001.z"))
            self.assertEqual(len(event.data["victim"].get("items", ())), 2 * with_items)

    def test_heartbeat(self) -> None:
        """
        A heartbeat says the mode and how the feed is.
        """
        status = FeedStatus("r2z2", "live", "123", last_killmail=START - 5)
        block = events.feed_block(status, START)
        event = parse(events.heartbeat("realtime", block, START))
        self.assertEqual(event.id, "l.x")
        self.assertEqual(
            event.data,
            {
                "timestamp": NOW,
                "mode": "realtime",
                "feed": {
                    "source": "r2z2",
                    "state": "live",
                    "position": "123",
                    "seconds_since_killmail": 5,
                },
            },
        )

    def test_feed_gap(self) -> None:
        """
        A hole is told with its times.
        """
        hole = Hole("r2z2", 1, 5, START - 60, START, seq=9)
        event = parse(events.feed_gap(hole, START))
        self.assertEqual((event.name, event.data["type"]), ("warning", "feed_gap"))
        self.assertEqual(event.data["since"], "2026-10-31T23:59:00.000Z")
        self.assertEqual(event.data["until"], NOW)

    def test_refusal(self) -> None:
        """
        A refusal has no ``id``.
        """
        data = events.refusal("connection_limit", "Too many", 5000, START)
        self.assertTrue(data.startswith(b"retry: 5000\nevent: error\n"))
        self.assertEqual(
            parse(data).data,
            {
                "type": "connection_limit",
                "message": "Too many",
                "timestamp": NOW,
                "fatal": True,
                "retry_after_ms": 5000,
            },
        )


class InjectionTests(SyncCase):
    """
    No text can forge a field.
    """

    @given(st.text() | st.text(alphabet="\x00\r\n\x0b\x0c\x85\u2028\u2029 :id event"))
    def test_any_text(self, text: str) -> None:
        """
        Whatever a name holds, one block stays one event, in ASCII.
        """
        data = whole(events.event("warning", dumps({"message": text})))
        self.assertTrue(data.isascii())
        self.assertEqual(data.count(b"\n"), 4)
        event = parse(data)
        self.assertEqual((event.name, event.id), ("warning", "l.x"))
        self.assertEqual(event.data, {"message": text})
