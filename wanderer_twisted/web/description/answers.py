"""
What the answers look like that are JSON.
"""

from collections.abc import Mapping
from typing import Final, get_args

from wanderer_twisted.records import FeedState
from wanderer_twisted.web.coverage import MOST_HOLES
from wanderer_twisted.web.description.shapes import (
    COUNT,
    MOMENT,
    TEXT,
    YES_OR_NO,
    Schema,
    array,
    one_of,
    or_null,
    record,
    ref,
    told,
)

_DAY: Final[Schema] = {"type": "string", "format": "date"}
_COMPLETE: Final = told(
    YES_OR_NO, "All is there that zKillboard lists; the rest is being fetched."
)
_NEXT: Final = told(or_null(TEXT), "Path and query of the page that follows.")


def _answer(data: Mapping[str, Schema]) -> Schema:
    """
    A look-up's: it says twice when it was made, as its clients expect.
    """
    inner = record({**data, "timestamp": MOMENT})
    return record({"data": inner, "timestamp": MOMENT})


_KILLMAIL: Final = record({"data": ref("Killmail"), "timestamp": MOMENT})

_KILLS: Final = _answer(
    {
        "kills": array(ref("Killmail")),
        "cached": told(YES_OR_NO, "Whether nothing is fetched for it."),
        "complete": _COMPLETE,
        "next": _NEXT,
    }
)
_KILLS_OF_SYSTEMS: Final = _answer(
    {
        "systems_kills": {
            "type": "object",
            "description": "Killmails by the system's id, newest first.",
            "additionalProperties": array(ref("Killmail")),
        },
        "complete": _COMPLETE,
        "next": {
            "type": "object",
            "description": "Of each system that has more, by its id.",
            "additionalProperties": TEXT,
        },
    }
)
_COUNT_OF_KILLS: Final = _answer(
    {"system_id": {"type": "integer"}, "count": COUNT, "complete": _COMPLETE}
)
_COVERAGE: Final = _answer(
    {
        "days": array(ref("Day")),
        "complete": told(COUNT, "How many of these days are."),
        "days_total": COUNT,
        "backfill_days": told(COUNT, "How many days the server holds by itself."),
        "holes": {**array(ref("Hole")), "maxItems": MOST_HOLES},
    }
)
_DAY_OF_THE_ARCHIVE: Final = record(
    {
        "day": _DAY,
        "expected": told(COUNT, "How many killmails the day's list names."),
        "have": told(COUNT, "How many of these are here."),
        "complete": YES_OR_NO,
        "listed_at": told(
            or_null(MOMENT), "What was published of it before this is in its list."
        ),
        "reason": told(TEXT, "Why it is not complete, where somebody has tried."),
    }
)
_HOLE: Final = record(
    {
        "source": told(TEXT, "The feed."),
        "since": MOMENT,
        "until": MOMENT,
        "repaired": told(YES_OR_NO, "Whether the archive made it good."),
    },
    about="A part of a live feed that could not be had.",
)
_DRY_RUN: Final = record(
    {
        "data": record(
            {
                "filters": ref("Filters"),
                "total_historical": COUNT,
                "total_batches": COUNT,
                "missing": COUNT,
                "coverage": {"anyOf": [ref("HistoryCoverage"), {"type": "null"}]},
            }
        ),
        "timestamp": MOMENT,
    },
    about="What a stream would begin with.",
)
_HEALTH: Final = record(
    {
        "status": one_of(["ready", "unavailable"]),
        "reasons": told(array(TEXT), "Why it is not ready."),
        "server": TEXT,
        "streams": COUNT,
        "store": ref("Store"),
        "feeds": array(ref("FeedOfServer")),
    }
)
_STORE: Final = record(
    {
        "epoch": told(TEXT, "Names the database."),
        "head": told(COUNT, "The number of the newest that was stored."),
        "bytes": COUNT,
    }
)
_FEED: Final = record(
    {
        "name": TEXT,
        "state": one_of(get_args(FeedState)),
        "position": TEXT,
        "last_killmail": or_null(MOMENT),
        "last_contact": or_null(MOMENT),
        "reason": told(TEXT, "What is wrong, where something is."),
    }
)

_STATUS: Final = record(
    {
        "server": TEXT,
        "timestamp": MOMENT,
        "started": MOMENT,
        "uptime_seconds": COUNT,
        "streams": record(
            {
                "open": COUNT,
                "following": told(COUNT, "Of these: live, as it is announced."),
                "replaying": told(COUNT, "Live, on their way there."),
                "historical": told(COUNT, "In their history."),
                "limit": COUNT,
            }
        ),
        "killmails": record(
            {
                "head": told(COUNT, "The number of the newest that was stored."),
                "per_minute": told(
                    array(COUNT), "Announced in each of the last minutes, oldest first."
                ),
            }
        ),
        "sent": record(
            {
                "events": {
                    "type": "object",
                    "description": "How many, by their names.",
                    "additionalProperties": COUNT,
                },
                "bytes": COUNT,
            }
        ),
        "feeds": array(ref("FeedOfServer")),
        "store": ref("Store"),
        "coverage": record({"days": COUNT, "days_complete": COUNT}),
    }
)

SCHEMAS: Final[Mapping[str, Schema]] = {
    "KillmailAnswer": _KILLMAIL,
    "Kills": _KILLS,
    "KillsOfSystems": _KILLS_OF_SYSTEMS,
    "CountOfKills": _COUNT_OF_KILLS,
    "CoverageAnswer": _COVERAGE,
    "Day": _DAY_OF_THE_ARCHIVE,
    "Hole": _HOLE,
    "DryRun": _DRY_RUN,
    "Health": _HEALTH,
    "Live": record({"status": {"const": "live"}}),
    "Status": _STATUS,
    "Store": _STORE,
    "FeedOfServer": _FEED,
}
