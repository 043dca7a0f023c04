"""
What became of one killmail for one stream: what the partition says of the two, in
words.
"""

from wanderer_twisted.encoding import timestamp
from wanderer_twisted.partition import Facts, Filter, Snapshot, is_live
from wanderer_twisted.records import Place
from wanderer_twisted.stream.cursor import AfterHistory, Cursor, InHistory, Starting


def verdict(
    facts: Facts, wanted: Filter, cursor: Cursor, origin: int, head: int
) -> str:
    """
    One sentence, without a full stop.

    :param cursor: the stream's, as it is now.
    :param origin: the number from which on it was told what is live.
    :param head: the store's.
    """
    if not wanted.concerns(facts):
        return "not for it: it asked for none of its ids"
    snapshot = _snapshot(cursor, head)
    if snapshot is not None and _held(facts, wanted, snapshot):
        return _of_history(facts, cursor)
    if is_live(facts, wanted, snapshot):
        return _of_live(facts, cursor, origin)
    if snapshot is None:
        past = "it asked for no history"
    else:
        past = _not_in_history(facts, wanted, snapshot)
    return f"not for it: {_not_live(facts, wanted)}; {past}"


def _snapshot(cursor: Cursor, head: int) -> Snapshot | None:
    """
    The stream's history; of one that is not frozen yet, as it would be if it were now.
    """
    if isinstance(cursor, InHistory | AfterHistory):
        return cursor.snapshot
    if isinstance(cursor, Starting):
        return Snapshot(head, cursor.cutoff)
    return None


def _held(facts: Facts, wanted: Filter, snapshot: Snapshot) -> bool:
    return snapshot.holds(
        wanted, facts.kill_time, facts.added_seq, facts.value, facts.valued_seq
    )


def _of_history(facts: Facts, cursor: Cursor) -> str:
    if isinstance(cursor, Starting):
        return "still to come, in its history, which is being prepared"
    if isinstance(cursor, InHistory):
        place = Place(facts.kill_time, facts.killmail_id)
        if place > cursor.place:
            return "still to come, in its history"
    return "told, in its history"


def _of_live(facts: Facts, cursor: Cursor, origin: int) -> str:
    assert facts.live_seq is not None  # else it is not live
    if facts.live_seq <= origin:
        return f"announced before it came: it began behind number {origin}"
    if isinstance(cursor, Starting | InHistory):
        return "still to come, live, behind its history"
    if facts.live_seq > cursor.seq:
        return f"still to come, live: it is at number {cursor.seq}"
    return "told, live"


def _not_live(facts: Facts, wanted: Filter) -> str:
    if facts.live_seq is None:
        return "no feed announced it"
    return f"when it was announced, {_worth(facts, wanted, by=facts.live_seq)}"


def _not_in_history(facts: Facts, wanted: Filter, snapshot: Snapshot) -> str:
    if facts.kill_time < snapshot.cutoff:
        return f"its history begins later, at {timestamp(snapshot.cutoff)}"
    if facts.added_seq > snapshot.head:
        return f"its history was frozen before, at number {snapshot.head}"
    return f"when its history was frozen, {_worth(facts, wanted, by=snapshot.head)}"


def _worth(facts: Facts, wanted: Filter, by: int) -> str:
    """
    Why ``min_value`` keeps a killmail out.
    """
    if facts.value is None or facts.valued_seq is None or facts.valued_seq > by:
        return "its value was not known"
    return f"its value was below {wanted.min_value:,.0f} ISK"
