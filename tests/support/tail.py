"""
Events and killmails as ``wanderer-tail`` gets them (docs/protocol.rst, "Events").
"""

from pathlib import Path
from typing import Any

from wanderer_twisted.encoding import dumps, loads
from wanderer_twisted.killmail import decode, encode

DATA = Path(__file__).parents[1] / "data" / "sources"

#: Names of the real killmail's participants, made up, and its system's.
NAMES = {
    2124253410: "Vera",
    98828892: "Milk Run",
    30004993: "Heild",
    11129: "Gallente Shuttle",
}


def real_killmail(**more: Any) -> dict[str, Any]:
    """
    One of March 2026, as our server sends it.

    :param more: keys to put in the place of others.
    """
    document = loads((DATA / "ephemeral_96695606.json").read_bytes())
    killmail = decode(document["esi"], document["zkb"], document["hash"])
    return {**loads(encode(killmail, NAMES).json(with_items=False)), **more}


def killmails(*ids: int) -> list[dict[str, Any]]:
    return [real_killmail(killmail_id=id) for id in ids]


def event(name: str, data: Any, id: str = "", retry: int | None = None) -> bytes:
    """
    An event on the wire.
    """
    lines = [f"event: {name}", f"data: {dumps(data).decode()}"]
    if retry is not None:
        lines.insert(0, f"retry: {retry}")
    if id:
        lines.append(f"id: {id}")
    return "\n".join([*lines, "", ""]).encode()


def connected(id: str = "", mode: str = "realtime", retry: int = 2000) -> bytes:
    return event("connected", {"status": "connected", "mode": mode}, id, retry)


def batch(id: str, number: int, total: int, *ids: int) -> bytes:
    data = {
        "kills": killmails(*ids),
        "count": len(ids),
        "batch_number": number,
        "total_batches": total,
    }
    return event("batch", data, id)


def transition(id: str, total: int, missing: int = 0, ids_incomplete: int = 0) -> bytes:
    coverage = {
        "complete": not (missing or ids_incomplete),
        "ids_incomplete": ids_incomplete,
        "from": None,
    }
    data = {"total_historical": total, "missing": missing, "coverage": coverage}
    return event("transition", data, id)


def live(id: str, killmail_id: int) -> bytes:
    return event("killmail", real_killmail(killmail_id=killmail_id), id)
