"""
What the data of an event looks like (:mod:`wanderer_twisted.stream.events`).
"""

from collections.abc import Mapping
from typing import Final, get_args

import attrs

from wanderer_twisted.partition import KINDS
from wanderer_twisted.records import FeedState
from wanderer_twisted.stream.events import GapReason, Mode
from wanderer_twisted.web.description.shapes import (
    COUNT,
    MOMENT,
    NUMBER,
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
from wanderer_twisted.web.tokens import ENDS

#: What the stream goes on after.
WARNINGS: Final = ("history_incomplete", "feed_gap", "feed_silent", "draining")

#: What closes a stream, or comes instead of one.
ERRORS: Final = (
    "connection_limit",
    "draining",
    "unavailable",
    "indexing",
    *ENDS,
    "kicked",
    "internal",
)


@attrs.frozen
class Event:
    """
    :ivar schema: the name of its data's.
    """

    name: str
    schema: str
    about: str


#: In the order in which they come first.
EVENTS: Final = (
    Event("connected", "Connected", "The first event of every connection."),
    Event(
        "gap",
        "Gap",
        "Right behind `connected`, which has no `id` then: the cursor could not be"
        " honoured, and what follows starts anew.",
    ),
    Event(
        "batch",
        "Batch",
        "A part of the history, oldest first. Only with `preload_days` or `since`.",
    ),
    Event(
        "transition",
        "Transition",
        "The history is told; what follows is live. Only where there is one, which may"
        " be empty.",
    ),
    Event("killmail", "Killmail", "A killmail that was announced just now."),
    Event(
        "heartbeat",
        "Heartbeat",
        "A sign of life, in each interval. No byte for two of them: reconnect.",
    ),
    Event("warning", "Warning", "Something worth knowing; the stream goes on."),
    Event(
        "error", "StreamError", "The last event before the server closes: reconnect."
    ),
)

_FILTERS: Final[Mapping[str, Schema]] = {
    **{f"{kind}_ids": array({"type": "integer"}) for kind in KINDS},
    "min_value": or_null(NUMBER),
    "preload_days": COUNT,
    "since": or_null(MOMENT),
}
_COVERAGE: Final[Mapping[str, Schema]] = {
    "complete": told(YES_OR_NO, "All is there that zKillboard lists of these ids."),
    "ids_incomplete": told(COUNT, "Of how many ids all of that is not there."),
    "from": told(or_null(MOMENT), "From when on all is there; null where not known."),
    "days": told(COUNT, "Of the archive, that the history touches."),
    "days_complete": told(COUNT, "How many of these are held whole."),
}
_FEED: Final[Mapping[str, Schema]] = {
    "source": TEXT,
    "state": one_of(get_args(FeedState)),
    "position": TEXT,
    "seconds_since_killmail": or_null(COUNT),
}

SCHEMAS: Final = {
    "Filters": record(_FILTERS, about="What was asked for, as it was understood."),
    "HistoryCoverage": record(_COVERAGE, about="How complete a history is."),
    "Feed": record(_FEED, about="Tells a quiet game from a broken feed."),
    "Connected": record(
        {
            "status": {"const": "connected"},
            "filters": ref("Filters"),
            "timestamp": MOMENT,
            "session": told(TEXT, "For talking to the operator."),
            "mode": one_of(get_args(Mode)),
            "resumed": told(YES_OR_NO, "Whether a cursor was taken."),
            "server": TEXT,
        }
    ),
    "Gap": record(
        {
            "reason": one_of(get_args(GapReason)),
            "requested": told(TEXT, "The cursor that was sent."),
            "timestamp": MOMENT,
        }
    ),
    "Batch": record(
        {
            "kills": array(ref("Killmail")),
            "count": COUNT,
            "batch_number": told({"type": "integer", "minimum": 1}, "Counts to:"),
            "total_batches": told(
                {"type": "integer", "minimum": 1}, "Known from the first one on."
            ),
        }
    ),
    "Transition": record(
        {
            "status": {"const": "historical_complete"},
            "total_historical": told(COUNT, "Killmails in all batches."),
            "timestamp": MOMENT,
            "missing": told(COUNT, "Known to exist, and could not be had."),
            "coverage": ref("HistoryCoverage"),
        }
    ),
    "Heartbeat": record(
        {
            "timestamp": MOMENT,
            "mode": one_of(get_args(Mode)),
            "feed": ref("Feed"),
        },
        optional=["feed"],
    ),
    "Warning": record(
        {
            "type": one_of(WARNINGS),
            "message": TEXT,
            "timestamp": MOMENT,
            "source": told(TEXT, "Of a `feed_gap`: which feed."),
            "since": told(MOMENT, "Of a `feed_gap`: what was published from here ..."),
            "until": told(MOMENT, "... to here may be missing."),
        },
        optional=["source", "since", "until"],
    ),
    "StreamError": record(
        {
            "type": one_of(ERRORS),
            "message": TEXT,
            "timestamp": MOMENT,
            "fatal": {"const": True},
            "retry_after_ms": COUNT,
        }
    ),
}
