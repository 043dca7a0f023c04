"""
Train the dictionary by which the store compresses bodies.

    python bench/train_dictionary.py KILLMAILS.jsonl[.gz]

Each line of the input is ESI's body of a killmail, where known with ``killmail_hash``
and ``zkb`` beside it. A killmail without a ``zkb`` gets one of the usual shape, and ids
get made-up names: what the dictionary has to know is how a body is written. A second
one is made for bodies as the archive has them, with neither.

Old databases keep a copy of the dictionary that they were written with, so a new one
can be shipped at any time.
"""

import gzip
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import zstandard

from wanderer_twisted.encoding import loads
from wanderer_twisted.killmail import Body, decode, encode, nameable_ids

SAMPLES = 12_000
SIZE = 32 * 1024  # 110 KiB saved one per cent more


def killmails(path: Path) -> Iterator[dict[str, Any]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as lines:
        yield from map(loads, lines)


def usual_zkb(esi: dict[str, Any], hash: str) -> dict[str, Any]:
    """
    A block of zKillboard's as R2Z2 sends it (contracts.md §2.2).
    """
    value = 1_000 * (esi["killmail_id"] % 99_991) + 0.27
    attackers = len(esi["attackers"])
    solo = attackers == 1
    return {
        "locationID": 40_000_000 + esi["killmail_id"] % 400_000,
        "hash": hash,
        "fittedValue": value,
        "droppedValue": round(value / 3, 2),
        "destroyedValue": round(value / 2, 2),
        "totalValue": value,
        "totalDroppableValue": round(value / 4, 2),
        "points": 1 + attackers % 30,
        "npc": False,
        "solo": solo,
        "awox": False,
        "labels": ["tz:eu", "cat:6", "solo" if solo else "#:2+", "pvp", "loc:nullsec"],
        "attackerCount": attackers,
        "href": f"https://esi.evetech.net/killmails/{esi['killmail_id']}/{hash}/",
    }


def bare_body_of(line: dict[str, Any]) -> Body:
    line.pop("zkb", None)
    hash = line.pop("killmail_hash", None) or f"{line['killmail_id']:040x}"
    return encode(decode(line, hash=hash), {})


def body_of(line: dict[str, Any]) -> Body:
    hash = line.pop("killmail_hash", "0" * 40)
    zkb = line.pop("zkb", None) or usual_zkb(line, hash)
    killmail = decode(line, zkb, hash)
    return encode(killmail, {id: f"Name {id}" for id in nameable_ids(killmail)})


def train(bodies: Iterable[Body], target: Path) -> None:
    samples: list[bytes | bytearray | memoryview] = []
    for body in bodies:
        samples += [part for part in (body.main, body.items) if part]
    dictionary = zstandard.train_dictionary(SIZE, samples, level=3)
    target.write_bytes(dictionary.as_bytes())
    print(f"{target}: {len(dictionary)} bytes from {len(samples)} samples")


def main(source: str, target: str = "wanderer_twisted/store") -> None:
    lines = list(killmails(Path(source)))
    lines = lines[:: len(lines) // SAMPLES or 1]
    bare = [bare_body_of(dict(line)) for line in lines]
    train(bare, Path(target) / "bare.zdict")
    train(map(body_of, lines), Path(target) / "bodies.zdict")


if __name__ == "__main__":
    main(*sys.argv[1:])
