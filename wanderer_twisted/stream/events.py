"""
Events as bytes (design.md §2.3): whole blocks, LF only, JSON in ASCII on one line. Each
is a frame, made here, and an end with the cursor of the stream that it goes to.

An ``id`` is only ever a true cursor, or absent (lessons.md §5: made-up ids on status
events skip events).
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, get_args

from wanderer_twisted import SERVER_NAME
from wanderer_twisted.encoding import dumps, dumps_plain, timestamp
from wanderer_twisted.frames import Frame
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import FeedStatus, Hole, Report

Mode = Literal["historical", "realtime"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
GapReason = Literal["expired", "unknown_epoch", "ahead", "malformed", "filter"]


def event(
    name: str, data: bytes, retry_ms: int | None = None, shared: bool = False
) -> Frame:
    """
    One event, but for its end.

    :param data: JSON.
    :param shared: it goes to many streams.
    """
    retry = b"" if retry_ms is None else b"retry: %d\n" % retry_ms
    plain = b"%bevent: %b\ndata: %b\n" % (retry, name.encode(), data)
    return Frame(name, plain, shared)


def end(cursor: str | None) -> bytes:
    """
    The end of an event. The ``id`` is its last line: some clients take one as soon as
    they read it (fetch-event-source 2.0.1), and would miss an event that was cut off
    behind it.
    """
    return b"\n" if cursor is None else b"id: %b\n\n" % cursor.encode()


def end_around(before: str, behind: str) -> tuple[bytes, bytes]:
    """
    The same, but for the number in the cursor, which goes between the two.
    """
    return b"id: %b" % before.encode(), b"%b\n\n" % behind.encode()


def cursor_in(end: bytes) -> str | None:
    """
    The cursor in the end of an event.
    """
    return end[len("id: ") : -2].decode() or None


def filters(wanted: Filter, preload_days: int, since: int | None) -> dict[str, object]:
    """
    What a client asked for, as it was understood.

    :param since: UNIX seconds: how far back the history of one who asked by it reaches.
    """
    return {
        "system_ids": sorted(wanted.system_ids),
        "character_ids": sorted(wanted.character_ids),
        "corporation_ids": sorted(wanted.corporation_ids),
        "alliance_ids": sorted(wanted.alliance_ids),
        "min_value": wanted.min_value,
        "preload_days": preload_days,
        "since": None if since is None else timestamp(since),
    }


def connected(
    filters: Mapping[str, object],
    session: str,
    mode: Mode,
    resumed: bool,
    retry_ms: int,
    now: float,
) -> Frame:
    """
    The first event. It has no ``id`` where the client's own cursor was refused: a
    ``gap`` follows at once.

    :param filters: by :func:`filters`.
    """
    data = {
        "status": "connected",
        "filters": filters,
        "timestamp": timestamp(now),
        "session": session,
        "mode": mode,
        "resumed": resumed,
        "server": SERVER_NAME,
    }
    return event("connected", dumps_plain(data), retry_ms)


def gap(reason: GapReason, requested: str, now: float) -> Frame:
    """
    A cursor could not be honoured; what follows starts anew.

    :param requested: the client's cursor; told back only as far as one may be long.
    """
    data = {
        "reason": reason,
        "requested": requested[:64],
        "timestamp": timestamp(now),
    }
    return event("gap", dumps(data))


def batch(bodies: Sequence[bytes], number: int, total: int) -> Frame:
    """
    A part of the history.

    :param bodies: killmails, as JSON.
    :param number: from 1 to *total*.
    """
    data = b'{"kills":[%b],"count":%d,"batch_number":%d,"total_batches":%d}' % (
        b",".join(bodies),
        len(bodies),
        number,
        total,
    )
    return event("batch", data)


def transition(total: int, report: Report, now: float) -> Frame:
    """
    The history is told; what follows is live.
    """
    data = {
        "status": "historical_complete",
        "total_historical": total,
        "timestamp": timestamp(now),
        "missing": report.missing,
        "coverage": coverage(report),
    }
    return event("transition", dumps(data))


def coverage(report: Report) -> dict[str, object]:
    """
    How complete a history is.
    """
    return {
        "complete": report.complete,
        "ids_incomplete": report.ids_incomplete,
        "from": None if report.since is None else timestamp(report.since),
        "days": report.days,
        "days_complete": report.days_complete,
    }


def heartbeat(mode: Mode, feed: Mapping[str, object] | None, now: float) -> Frame:
    """
    A sign of life, which moves the client's cursor.
    """
    data: dict[str, object] = {"timestamp": timestamp(now), "mode": mode}
    if feed is not None:
        data["feed"] = feed
    return event("heartbeat", dumps(data), shared=True)


def feed_block(status: FeedStatus, now: float) -> dict[str, object]:
    """
    What a heartbeat says of the feed: enough to tell a silent feed from a quiet game.
    """
    last = status.last_killmail
    return {
        "source": status.name,
        "state": status.state,
        "position": status.position,
        "seconds_since_killmail": None if last is None else max(0, int(now - last)),
    }


def warning(
    kind: str,
    message: str,
    now: float,
    retry_ms: int | None = None,
    **details: object,
) -> Frame:
    """
    Something that a client should know; the stream goes on.
    """
    data = {"type": kind, "message": message, "timestamp": timestamp(now), **details}
    return event("warning", dumps(data), retry_ms)


def feed_gap(hole: Hole, now: float) -> Frame:
    """
    A part of a feed could not be had.
    """
    return warning(
        "feed_gap",
        f"Killmails published between {timestamp(hole.since)} and"
        f" {timestamp(hole.until)} may be missing",
        now,
        source=hole.feed,
        since=timestamp(hole.since),
        until=timestamp(hole.until),
    )


def error(kind: str, message: str, retry_ms: int, now: float) -> Frame:
    """
    The last event before the server closes.
    """
    data = {
        "type": kind,
        "message": message,
        "timestamp": timestamp(now),
        "fatal": True,
        "retry_after_ms": retry_ms,
    }
    return event("error", dumps(data), retry_ms)


def refusal(kind: str, message: str, retry_ms: int, now: float) -> bytes:
    """
    All that a refused EventSource gets: it would never come back after a 503
    (lessons.md §2.1). No ``id``: the client's own cursor must stand.
    """
    return error(kind, message, retry_ms, now).plain + end(None)
