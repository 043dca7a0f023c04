"""
A client that checks all that it is told, and what it must be told in the end.
"""

import zlib
from collections.abc import Callable
from typing import Any

from tests.support.eventsource import Event, EventSource
from tests.support.killmails import DAY
from tests.support.oracle import Kept, Oracle, Wanted
from tests.support.transport import MemoryTransport
from wanderer_twisted.partition import Filter
from wanderer_twisted.stream.cursor import (
    AfterHistory,
    InHistory,
    Live,
    Starting,
    decode,
)
from wanderer_twisted.stream.opening import Wish
from wanderer_twisted.stream.session import Session


class CheckedClient:
    """
    One EventSource over all its connections.

    :param note: is told of each event, in words.
    :param gzip: have the streams compressed.
    :param limit: of bytes on their way to it, over which its stream is paused.
    :param hours: ask for the past as ``since``, counted anew at each connect, as a page
        with ``since=36h`` does; None: by *preload_days*.

    :ivar got: the killmails that it got since it last started anew.
    :ivar holes: the numbers of the holes that it was told of since.
    """

    def __init__(
        self,
        name: str,
        note: Callable[[str], object],
        wanted: Wanted,
        preload_days: int,
        hours: int | None = None,
        gzip: bool = False,
        limit: int = 3000,
    ) -> None:
        self.name = name
        self.note = note
        self.gzip = gzip
        self.limit = limit
        self.wanted = wanted
        self.preload_days = preload_days
        self.hours = hours
        self.connected_at = 0.0
        self.source = EventSource()
        self.transport: MemoryTransport | None = None
        self.forged: str | None = None
        self._start_anew(0)

    def _start_anew(self, since: int) -> None:
        self.got: list[int] = []
        self.holes: list[int] = []
        self.filters = [(since, self.wanted)]
        self.historical = self.looks_back
        self.last_place = (0, 0)
        self.last_live = 0
        self.batch_number = 0
        self.total_batches: int | None = None
        self.head: int | None = None
        self.cutoff: int | None = None

    # --- connecting ------------------------------------------------------------

    @property
    def looks_back(self) -> bool:
        return bool(self.preload_days or self.hours)

    def wish(self) -> Wish:
        wanted = Filter(
            self.wanted.characters,
            self.wanted.systems,
            self.wanted.min_value,
            self.wanted.corporations,
            self.wanted.alliances,
        )
        cursor = self.forged or self.source.last_event_id or None
        since = None
        if self.hours is not None:
            since = int(self.connected_at) - self.hours * 3600
        return Wish(wanted, self.preload_days, cursor, heartbeat=30.0, since=since)

    def connect(self, epoch: str, published: int, now: float) -> MemoryTransport:
        """
        :param epoch: the store's.
        :param published: what the hub has handed out.
        """
        self.source.connect()
        self.connected_at = now
        self.cursor_before = self.source.last_event_id
        self.prepared: int | None = None
        self.transport = MemoryTransport(self.limit, self.gzip)
        self.unpacking = zlib.decompressobj(31)
        self.published = published
        self.expect_gap: str | None = None
        self.session: Session | None = None
        self.greeted = False
        self.brought = self.wish().cursor
        if self.brought is None:
            self._start_anew(published)
            self.up_to_date = now
        elif self.forged:
            self.expect_gap = "malformed"
        elif not self.source.last_event_id.startswith(
            tuple(f"{kind}.{epoch}." for kind in "lmshi")
        ):
            self.expect_gap = "unknown_epoch"
        return self.transport

    def prepared_at(self, head: int) -> None:
        """
        Our history is ready when the store is at *head*: it will hold all of that.
        """
        self.prepared = head

    def want_other(self, wanted: Wanted) -> None:
        """
        The page was changed while the connection was down; the cursor was kept.
        """
        self.wanted = wanted

    @property
    def refiltered(self) -> bool:
        return self.wanted != self.filters[-1][1]

    # --- reading ---------------------------------------------------------------

    def feed(self, data: bytes, oracle: Oracle, now: float) -> None:
        if self.gzip:
            data = self.unpacking.decompress(data)
            assert not self.unpacking.unused_data, "more behind the end"
        events = self.source.feed(data)
        for event in events:
            self.note(f"{self.name} <- {event.name} {event.id} {_short(event)}")
            getattr(self, f"_on_{event.name}")(event, oracle)
        following = self.session is not None and self.session.following
        if following and events and events[-1].name == "heartbeat":
            self.up_to_date = now  # so is its cursor; others are as old as they are

    def _on_connected(self, event: Event, oracle: Oracle) -> None:
        assert not self.greeted
        self.greeted = True
        assert event.retry is not None and event.retry >= 1000
        resumed = event.data["resumed"]
        historical = self.historical if resumed else self.looks_back
        assert event.data["mode"] == ("historical" if historical else "realtime")
        self.may_gap = not resumed and self.brought is not None
        if self.may_gap:  # or a break before the gap would hide it for good
            assert event.id == self.cursor_before, "an id on a refused cursor"
        if event.id.startswith("s.") and not self.may_gap:
            _, cursor = decode(event.id)
            assert isinstance(cursor, Starting)
            assert self.cutoff in (None, cursor.cutoff), "the past slides"
            self.cutoff = cursor.cutoff
        if resumed and self.refiltered:
            assert event.id.startswith("l."), "only an l goes on under another filter"
            self.filters.append((_start(event.id), self.wanted))

    def _on_gap(self, event: Event, oracle: Oracle) -> None:
        assert self.may_gap
        reason = event.data["reason"]
        if reason == "expired":
            age = self.connected_at - self.up_to_date
            # A history of 90 days begins to go ten days after it was asked for.
            least = 9 if self.cursor_before[:1] in "shi" else 50
            assert age > least * DAY, f"gap for a cursor that is {age / DAY} days old"
        elif reason == "filter":
            assert self.refiltered
        else:
            assert reason == self.expect_gap, reason
        self.forged = None
        since = _start(event.id)
        if reason != "filter":  # which goes on from where the cursor was
            self.up_to_date = self.connected_at
        if reason == "filter":  # nothing may fall between the two filters
            assert since == _start(self.cursor_before), "a filter's gap loses some"
        else:
            assert since >= self.published
        self._start_anew(since)

    def _on_batch(self, event: Event, oracle: Oracle) -> None:
        assert self.historical, "a batch after the transition"
        data = event.data
        _, cursor = decode(event.id)
        assert isinstance(cursor, InHistory)
        self._freeze(cursor)
        assert data["batch_number"] == self.batch_number + 1
        assert self.total_batches in (None, data["total_batches"])
        self.batch_number, self.total_batches = (
            data["batch_number"],
            data["total_batches"],
        )
        assert data["batch_number"] <= data["total_batches"]
        assert 1 <= data["count"] == len(data["kills"]) <= 2
        for kill in data["kills"]:
            place = (_time(kill, oracle), kill["killmail_id"])
            assert place > self.last_place, "not in the order of kill_time"
            self.last_place = place
            self._take(kill)

    def _freeze(self, cursor: InHistory | AfterHistory) -> None:
        snapshot = cursor.snapshot
        assert self.head in (None, snapshot.head), "another snapshot"
        assert self.cutoff in (None, snapshot.cutoff), "another cutoff"
        assert snapshot.head >= (self.prepared or 0), "frozen too early"
        self.head, self.cutoff = snapshot.head, snapshot.cutoff

    def _on_transition(self, event: Event, oracle: Oracle) -> None:
        assert self.historical, "a second transition"
        self.historical = False
        _, cursor = decode(event.id)
        assert isinstance(cursor, AfterHistory)
        self._freeze(cursor)
        assert self.head is not None and self.cutoff is not None
        assert self.batch_number == (self.total_batches or 0)
        assert event.data["total_historical"] == len(self.got)
        expected = oracle.history(self.wanted, self.head, self.cutoff)
        found = [each for each in self.got if each not in oracle.pruned]
        assert found == expected, f"history is {self.got}, expected {expected}"
        if event.data["coverage"]["complete"]:
            claims = oracle.claims.get((self.wish().filter, self.cutoff), [])
            told = oracle.pruned.union(self.got)
            assert any(each <= told for each in claims), "it is not complete"

    def _on_killmail(self, event: Event, oracle: Oracle) -> None:
        assert not self.historical, "live before the transition"
        (kept,) = [
            each
            for each in oracle.journal
            if each.upstream.killmail_id == event.data["killmail_id"]
        ]
        assert kept.live is not None and kept.live > self.last_live, "not in order"
        self.last_live = kept.live
        assert _start(event.id) == kept.live, "a cursor that is not its number"
        assert self._wanted_at(kept).lives(kept), "does not match"
        self._take(event.data)

    def _on_heartbeat(self, event: Event, oracle: Oracle) -> None:
        mode = "historical" if self.historical else "realtime"
        assert event.data["mode"] == mode, f"a heartbeat says {event.data['mode']}"

    def _on_warning(self, event: Event, oracle: Oracle) -> None:
        kind = event.data["type"]
        assert kind in ("feed_gap", "draining", "history_incomplete")
        if kind == "feed_gap":
            hole = _start(event.id)
            assert hole in oracle.holes, "no hole of this number"
            assert hole > self.last_live, "not in order"
            self.last_live = hole
            self.holes.append(hole)

    def _on_error(self, event: Event, oracle: Oracle) -> None:
        assert event.data["type"] == "kicked"

    def _take(self, kill: dict[str, Any]) -> None:
        killmail_id = kill["killmail_id"]
        assert killmail_id not in self.got, f"killmail {killmail_id} twice"
        self.got.append(killmail_id)

    # --- the end ---------------------------------------------------------------

    def _wanted_at(self, kept: Kept) -> Wanted:
        assert kept.live is not None
        return [wanted for since, wanted in self.filters if kept.live > since][-1]

    def check_nothing_lost(self, oracle: Oracle) -> None:
        """
        Everything announced since it started anew that matches has come, and word of
        every hole.
        """
        assert not self.historical, "the history never ended"
        first = self.filters[0][0]
        lacking = [
            each
            for each in oracle.holes
            if each > first and each not in oracle.forgotten.union(self.holes)
        ]
        assert not lacking, f"{self.name} heard nothing of the holes {lacking}"
        for kept in oracle.announced(after=first):
            if self._wanted_at(kept).lives(kept):
                killmail_id = kept.upstream.killmail_id
                assert killmail_id in self.got, (
                    f"{self.name} lost killmail {killmail_id} (live {kept.live},"
                    f" since {first})"
                )


def _start(cursor: str) -> int:
    _, decoded = decode(cursor)
    return decoded.seq if isinstance(decoded, Live | AfterHistory) else decoded.start


def _time(kill: dict[str, Any], oracle: Oracle) -> int:
    return oracle.known[kill["killmail_id"]].kill_time


def _short(event: Event) -> str:
    if event.name == "killmail":
        return str(event.data["killmail_id"])
    if event.name == "batch":
        ids = [kill["killmail_id"] for kill in event.data["kills"]]
        return f"{ids} {event.data['batch_number']}/{event.data['total_batches']}"
    return str(event.data.get("reason") or event.data.get("mode") or "")
