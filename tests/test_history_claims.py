"""
Whatever happens, coverage claims only what is stored.
"""

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.history import HistoryCase, character, package_time
from tests.support.killmails import DAY
from tests.support.past import NOW, month_of, package
from wanderer_twisted.history import coverage, keeper
from wanderer_twisted.history.coverage import HOUR
from wanderer_twisted.interfaces import UpstreamError

_PLACES = [(1, None), (1, (2026, 11)), (1, (2026, 10)), (1, (2026, 9))]

_EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("want"), st.integers(1, 90)),
        st.tuples(st.just("leave"), st.integers(1, 90)),
        st.tuples(st.just("wait"), st.sampled_from([1.0, 40.0, 600.0, HOUR])),
        st.tuples(st.just("fail"), st.integers(1, 3)),
        st.tuples(st.just("bodies"), st.booleans()),
        st.tuples(st.just("lack"), st.sampled_from([1, 3, 20])),
        st.tuples(st.just("empty"), st.sets(st.sampled_from(_PLACES))),
        st.tuples(st.just("live"), st.integers(1, 3)),
        st.tuples(st.just("restart"), st.none()),
    ),
    min_size=3,
    max_size=15,
)


class Claims(HistoryCase):
    @settings(max_examples=60, deadline=None)
    @given(st.integers(5, 60), _EVENTS)
    def test_only_what_is_stored(
        self, count: int, events: Sequence[tuple[str, Any]]
    ) -> None:
        """
        After any course of requests, errors, false answers and restarts, every listed
        killmail that coverage speaks for is in the store.
        """
        self.doCleanups()
        self.setUp()
        self.patch(keeper, "AT_ONCE", 2)  # so that pages are read in part, too
        self.listings.size = 5
        self.patch(coverage, "FULL_PAGE", 5)
        self.list_days_ago(1, [95 * n / count for n in range(count)], first=1000)
        self.bodies.bodies = self.bodies_of(1)
        self.next_id = 5000
        for name, argument in events:
            getattr(self, f"do_{name}")(argument)
            self.settle()
            self.check()

    def check(self) -> None:
        found = self.coverage(1)
        if found is None:
            return
        claimed = {
            each.esi["killmail_id"]
            for each in self.listed(1)
            if package_time(each) >= found.since
            and each.esi["killmail_id"] < 5000  # others are younger than any listing
        }
        self.assertEqual(claimed - set(self.stored(claimed)), set())

    def do_want(self, days: int) -> None:
        cutoff = int(self.clock.seconds()) - days * DAY
        self.history.prepare(character(1), cutoff).addErrback(lambda _: None)

    def do_leave(self, days: int) -> None:
        cutoff = int(self.clock.seconds()) - days * DAY
        leaving = self.history.prepare(character(1), cutoff)
        leaving.addErrback(lambda _: None)
        leaving.cancel()

    def do_wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def do_fail(self, times: int) -> None:
        self.listings.errors.extend([UpstreamError("away")] * times)

    def do_bodies(self, are_there: bool) -> None:
        self.listings.bodies = are_there

    def do_lack(self, times: int) -> None:
        """
        Have ESI give no body so many times: twenty are too many to wait for.
        """
        for each in self.bodies.bodies:
            self.bodies.errors[each] = [UpstreamError("away")] * times

    def do_empty(self, places: set[Any]) -> None:
        """
        Give a false answer where the store knows better; nobody else can tell.
        """
        stored = self.stored([each.esi["killmail_id"] for each in self.listed(1)])
        times = [
            package_time(each)
            for each in self.listed(1)
            if each.esi["killmail_id"] in stored
        ]
        known = [each for each in times if NOW - 90 * DAY < each < NOW - 2 * HOUR]
        self.listings.empty = {
            place
            for place in places
            if any(place[1] in (None, month_of(each)) for each in known)
        }

    def do_live(self, count: int) -> None:
        now = int(self.clock.seconds())
        rows = [package(self.next_id + n, now, victim=1) for n in range(count)]
        self.next_id += count
        self.listings.add("character", 1, rows)
        self.bodies.bodies.update(self.bodies_of(1))

    def do_restart(self, _: None) -> None:
        self.history.stopService()
        self.history = self.make_history()
