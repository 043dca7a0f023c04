"""
Streams, feeds and killmails as tables, for the manhole.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from wanderer_twisted.encoding import timestamp
from wanderer_twisted.ops.tables import Cell, plain, span, table
from wanderer_twisted.partition import KINDS, Facts, Filter
from wanderer_twisted.records import FeedStatus
from wanderer_twisted.stream.session import Session

_STREAM: Final = (
    *("stream", "address", "token", "mode", "state", "lag", "events", "bytes", "age"),
    *("wants", "agent"),
)
_FEED: Final = (
    *("feed", "state", "position", "last killmail", "last answer", "reason"),
)


def streams(sessions: Iterable[Session], now: float) -> str:
    """
    :param now: UNIX seconds.
    """
    return table(_STREAM, [_stream(session, now) for session in sessions])


def _stream(session: Session, now: float) -> Sequence[Cell]:
    visitor = session.visitor
    return (
        session.id,
        visitor.address,
        visitor.token,
        session.mode,
        _state(session),
        session.lag,
        session.events,
        session.bytes,
        span(now - session.opened_at),
        wishes(session.wanted),
        visitor.agent,
    )


def _state(session: Session) -> str:
    if session.paused:
        return "paused"
    return "following" if session.following else "replaying"


def wishes(wanted: Filter) -> str:
    """
    A filter, in short.
    """
    parts = [
        f"{len(wanted.ids(kind))} {kind}{'s' * (len(wanted.ids(kind)) > 1)}"
        for kind in KINDS
        if wanted.ids(kind)
    ] or ["everything"]
    if wanted.min_value is not None:
        parts.append(f"from {wanted.min_value:,.0f} ISK")
    return ", ".join(parts)


def feeds(statuses: Iterable[FeedStatus], now: float) -> str:
    """
    :param now: UNIX seconds.
    """

    def ago(moment: float | None) -> str:
        return "" if moment is None else f"{span(now - moment)} ago"

    rows = [
        (
            each.name,
            each.state,
            each.position,
            ago(each.last_killmail),
            ago(each.last_contact),
            each.reason,
        )
        for each in statuses
    ]
    return table(_FEED, rows)


def killmail(facts: Facts, verdicts: Iterable[tuple[str, str]]) -> str:
    """
    What decides where a killmail goes, and where it went.

    :param verdicts: of streams, by their ids.
    """
    value = "not known" if facts.value is None else f"{facts.value:,.0f} ISK"
    lines = [
        f"killmail {facts.killmail_id} of {timestamp(facts.kill_time)}"
        f" in system {facts.system_id}, value {value}",
        f"characters {_ids(facts.character_ids)}; corporations"
        f" {_ids(facts.corporation_ids)}; alliances {_ids(facts.alliance_ids)}",
        f"stored as {facts.added_seq}; {_number('announced', facts.live_seq)};"
        f" {_number('valued', facts.valued_seq)}",
        *(f"{session}  {plain(text, 120)}" for session, text in verdicts),
    ]
    return "\n".join(lines)


def _ids(ids: frozenset[int], most: int = 10) -> str:
    shown = ", ".join(map(str, sorted(ids)[:most])) or "none"
    return f"{shown} and {len(ids) - most} more" if len(ids) > most else shown


def _number(what: str, number: int | None) -> str:
    return f"not {what}" if number is None else f"{what} as {number}"


def count(shown: int, all: int, what: str) -> str:
    """
    The line below a table.
    """
    streams = "1 stream" if all == 1 else f"{all:,} streams"
    return f"{streams} {what}" + (f", {shown} shown" if shown < all else "")
