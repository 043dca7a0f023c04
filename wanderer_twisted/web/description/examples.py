"""
What is shown: events made by the code that makes a stream's, and bodies of requests.
"""

from collections.abc import Iterator
from typing import Any, Final

from wanderer_twisted.encoding import loads
from wanderer_twisted.frames import Frame
from wanderer_twisted.killmail import decode, encode
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import FeedStatus, Hole, Report
from wanderer_twisted.stream import events

_NOW = 1_795_476_007.115  # 2026-11-23T23:20:07.115Z
_CURSOR = "l.lmj2oo.000000p3"
_ESI = {
    "attackers": [
        {
            "damage_done": 71106,
            "faction_id": 500021,
            "final_blow": True,
            "security_status": 0,
            "ship_type_id": 37472,
        }
    ],
    "killmail_id": 99989696,
    "killmail_time": "2026-11-23T23:18:09Z",
    "solar_system_id": 31002093,
    "victim": {
        "character_id": 95648105,
        "corporation_id": 98640270,
        "damage_taken": 71106,
        "ship_type_id": 28665,
    },
}
_ZKB = {
    "hash": "81fce5455db6b6140f7f7b7926de93ff1a11434e",
    "totalValue": 707018038.18,
    "npc": True,
}
_NAMES = {31002093: "J502093", 28665: "Vargur"}

#: Bodies of requests, by the names of their schemas.
BODIES: Final = {
    "StreamRequest": {
        "character_ids": [304652582, 95648105],
        "system_ids": [30000142],
        "since": "36h",
        "dry_run": True,
    },
    "SystemsRequest": {"system_ids": [30000142, 30002187], "limit": 10},
}


def frames() -> Iterator[Frame]:
    """
    One of each event.
    """
    wanted = events.filters(Filter.only("character", 95648105), 30, None)
    killmail = encode(decode(_ESI, _ZKB), _NAMES).json(with_items=False)
    status = FeedStatus("r2z2", "live", "378501334", _NOW - 5)
    report = Report(missing=0, ids_incomplete=0, since=_NOW - 30 * 86400)
    yield events.connected(wanted, "e0aaa3d0", "historical", False, 2707, _NOW)
    yield events.gap("unknown_epoch", "l.zzzzzz.00000001", _NOW)
    yield events.batch([killmail], 1, 1)
    yield events.transition(1, report, _NOW)
    yield events.event("killmail", killmail)
    yield events.heartbeat("realtime", events.feed_block(status, _NOW), _NOW)
    yield events.feed_gap(Hole("r2z2", 1, 1, _NOW - 60, _NOW - 52), _NOW)
    yield events.error("draining", "The server is going down", 19_683, _NOW)


def data_of(frame: Frame) -> Any:
    (line,) = (each for each in frame.plain.split(b"\n") if each.startswith(b"data: "))
    return loads(line.removeprefix(b"data: "))


def text_of_a_stream() -> str:
    """
    How one begins that has nothing of the past.
    """
    wanted = events.filters(Filter.only("character", 95648105), 0, None)
    begin = events.connected(wanted, "e0aaa3d0", "realtime", False, 2707, _NOW)
    shown = [begin, *(each for each in frames() if each.name == "killmail")]
    return b"".join(each.plain + events.end(_CURSOR) for each in shown).decode()
