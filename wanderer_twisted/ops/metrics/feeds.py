"""
The live feeds, and what becomes of what they bring.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

import attrs
from prometheus_client.core import Metric
from twisted.internet.interfaces import IReactorTime

from wanderer_twisted.ingest import FeedService, NameBook, Renamer
from wanderer_twisted.ops.metrics.families import counter, gauge, one_of
from wanderer_twisted.records import FeedState, FeedStatus

_NUMBER = re.compile(r"[0-9]{1,15}(?!\S)")


@attrs.frozen
class Feeds:
    """
    Each feed by its name.
    """

    clock: IReactorTime
    feeds: Sequence[FeedService]

    def collect(self) -> Iterator[Metric]:
        statuses = {feed.name: feed.status() for feed in self.feeds}
        yield gauge(
            "wanderer_feed_state",
            "1 for the state that the feed is in.",
            {
                name: one_of(status.state, get_args(FeedState))
                for name, status in statuses.items()
            },
            "feed",
            "state",
        )
        yield gauge(
            "wanderer_feed_position",
            "Where the feed is, in its own numbers, if it has any.",
            {name: _position(status) for name, status in statuses.items()},
            "feed",
        )
        yield gauge(
            "wanderer_feed_killmail_age_seconds",
            "Since the last killmail was taken in; absent before the first.",
            self._ages({name: each.last_killmail for name, each in statuses.items()}),
            "feed",
        )
        yield gauge(
            "wanderer_feed_contact_age_seconds",
            "Since the last proper answer; absent before the first.",
            self._ages({name: each.last_contact for name, each in statuses.items()}),
            "feed",
        )
        yield gauge(
            "wanderer_feed_pages_waiting",
            "Answers that wait for their killmails' names or for the store.",
            {feed.name: len(feed.ingest) for feed in self.feeds},
            "feed",
        )
        yield counter(
            "wanderer_feed_polls_total",
            "Polls, by what came of them.",
            {
                feed.name: {"answered": feed.polls, "failed": feed.errors}
                for feed in self.feeds
            },
            "feed",
            "outcome",
        )
        yield counter(
            "wanderer_feed_killmails_total",
            "Killmails that were brought, by what became of them.",
            {
                feed.name: {"new": 0, "known": 0, "rejected": 0} | feed.ingest.killmails
                for feed in self.feeds
            },
            "feed",
            "outcome",
        )

    def _ages(self, moments: Mapping[str, float | None]) -> Mapping[str, float | None]:
        now = self.clock.seconds()
        return {
            name: None if moment is None else max(0.0, now - moment)
            for name, moment in moments.items()
        }


def _position(status: FeedStatus) -> float | None:
    number = _NUMBER.match(status.position)
    return None if number is None else float(number[0])


@attrs.frozen
class Names:
    """
    Names of what is in killmails.
    """

    names: NameBook
    renamer: Renamer

    def collect(self) -> Iterator[Metric]:
        yield counter(
            "wanderer_name_calls_total",
            "Calls of ESI for names.",
            self.names.calls,
        )
        yield counter(
            "wanderer_name_failures_total",
            "Calls of ESI for names that brought nothing.",
            self.names.failures,
        )
        yield gauge(
            "wanderer_names_failing",
            "1 while ESI is left alone because it gave no names.",
            self.names.failing,
        )
        yield counter(
            "wanderer_renamed_killmails_total",
            "Killmails whose names came after them and were put in.",
            self.renamer.renamed,
        )
