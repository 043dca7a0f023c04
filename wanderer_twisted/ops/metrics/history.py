"""
The past: what streams are told of it, and what the store has.
"""

from collections.abc import Iterator

import attrs
from prometheus_client.core import Metric

from wanderer_twisted.archive import Archive
from wanderer_twisted.history import History
from wanderer_twisted.ops.covered import Covered
from wanderer_twisted.ops.metrics.families import counter, gauge, histogram
from wanderer_twisted.stream.hub import Hub


@attrs.frozen
class Histories:
    """
    Histories of streams.
    """

    hub: Hub
    history: History

    def collect(self) -> Iterator[Metric]:
        history = self.history
        yield histogram(
            "wanderer_history_seconds",
            "How long a history took, from connected to transition.",
            self.hub.history_seconds,
        )
        yield histogram(
            "wanderer_history_killmails",
            "Killmails of a history that was told.",
            self.hub.history_killmails,
        )
        yield gauge(
            "wanderer_histories_underway",
            "Histories that wait for lists from zKillboard.",
            history.underway,
        )
        yield gauge(
            "wanderer_histories_waiting",
            "Histories that wait for their turn (limits.histories_at_once).",
            history.waiting,
        )
        yield counter(
            "wanderer_histories_late_total",
            "Histories that reached history.deadline_seconds with killmails lacking.",
            history.late,
        )
        yield gauge(
            "wanderer_listing_walks",
            "Lists of zKillboard that are being fetched, or wait for it.",
            history.walks,
        )
        yield gauge(
            "wanderer_listing_walks_resting",
            "Lists of zKillboard whose last attempt failed, so that they rest.",
            len(history.lister.resting),
        )
        yield counter(
            "wanderer_listing_pages_total",
            "Pages of lists, by what became of the attempt.",
            {"had": history.lister.pages, "failed": history.lister.errors},
            "outcome",
        )
        yield counter(
            "wanderer_listed_killmails_total",
            "Killmails out of lists, by what became of them.",
            {"stored": history.keeper.stored, "rejected": history.keeper.rejected},
            "outcome",
        )


@attrs.frozen
class Past:
    """
    What the store has of the past, and the work on it.
    """

    covered: Covered
    archive: Archive

    def collect(self) -> Iterator[Metric]:
        covered, rounds = self.covered, self.archive.rounds
        yield gauge(
            "wanderer_coverage_days",
            "Days that a stream may look back to, today left out.",
            covered.days,
        )
        yield gauge(
            "wanderer_coverage_days_complete",
            "Days that a stream may look back to and that the store has whole.",
            covered.days_complete,
        )
        yield gauge(
            "wanderer_backfill_days",
            "Days that the server takes in by itself (archive.backfill_days).",
            covered.backfill_days,
        )
        yield gauge(
            "wanderer_backfill_days_complete",
            "Days that the server takes in by itself and that the store has whole.",
            covered.backfill_days_complete,
        )
        yield gauge(
            "wanderer_archive_days_underway",
            "Days of the archive that are being worked on.",
            len(rounds.current),
        )
        yield gauge(
            "wanderer_archive_days_left",
            "Days of the archive that have not had their turn in this round.",
            rounds.left,
        )
        yield counter(
            "wanderer_archive_days_total",
            "Days of the archive that were worked on, by what became of them.",
            {"complete": rounds.days_done, "incomplete": rounds.errors},
            "outcome",
        )
        yield counter(
            "wanderer_archive_killmails_total",
            "Killmails that were taken in from the archive.",
            rounds.loader.killmails,
        )
        yield counter(
            "wanderer_archive_announced_total",
            "Killmails from the archive that were news, so went to streams.",
            rounds.loader.announced,
        )
        yield counter(
            "wanderer_archive_bytes_total",
            "Bytes of the archive's files of bodies.",
            rounds.loader.bytes,
        )
