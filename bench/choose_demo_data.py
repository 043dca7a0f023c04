"""
Choose the killmails that the simulator ships, out of larger collections.

    python bench/choose_demo_data.py OUTPUT.jsonl.gz INPUT.jsonl.gz...

Each line of an input is ESI's body of one killmail, where known with
``killmail_hash`` and zKillboard's ``zkb`` beside it. Taken are, in this order:

- the smaller killmails of a few characters that were busy on every day, so that a
  client with a handful of ids has hundreds to look back at and sees new ones often;
- everything that is not of the inputs' busiest month (curated collections hold single
  killmails of other years) or that comes with a zkb block;
- some of each kind that readers trip over (see ``KINDS``);
- ordinary ones, evenly over the whole time, up to ``TARGET``.

The same inputs give the same file.
"""

import gzip
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

TARGET = 2_000
BUSY_CHARACTERS = 6
BUSY_ATTACKERS = 45  # at most: what is bigger is dear in bytes
PER_KIND = 20
LIMIT = 1 << 20

Mail = dict[str, Any]

_CAPSULES = (670, 33328)


def parties(mail: Mail) -> Iterator[Mail]:
    yield mail["victim"]
    yield from mail["attackers"]


def characters(mail: Mail) -> set[int]:
    return {p["character_id"] for p in parties(mail) if p.get("character_id")}


def _final_blow(mail: Mail) -> Mail:
    return next((a for a in mail["attackers"] if a["final_blow"]), {})


def _is_awox(mail: Mail) -> bool:
    corporation = mail["victim"].get("corporation_id", 0)
    ours = corporation == _final_blow(mail).get("corporation_id")
    return ours and corporation > 1_999_999


def _items(mail: Mail) -> list[Mail]:
    return mail["victim"].get("items", [])


KINDS: dict[str, Callable[[Mail], bool]] = {
    "by NPCs alone": lambda m: not any("character_id" in a for a in m["attackers"]),
    "by an NPC pilot": lambda m: any(
        3_000_000 <= a.get("character_id", 0) < 4_000_000 for a in m["attackers"]
    ),
    "an attacker without any id": lambda m: any(
        not any(key.endswith("_id") for key in a) for a in m["attackers"]
    ),
    "victim without a character": lambda m: "character_id" not in m["victim"],
    "victim of a faction": lambda m: "faction_id" in m["victim"],
    "at a moon": lambda m: "moon_id" in m,
    "in a war": lambda m: "war_id" in m,
    "a capsule": lambda m: m["victim"]["ship_type_id"] in _CAPSULES,
    "awox": _is_awox,
    "nested items": lambda m: any("items" in item for item in _items(m)),
    "more than 300 items": lambda m: len(_items(m)) > 300,
    "20 to 99 attackers": lambda m: 20 <= len(m["attackers"]) < 100,
    "in a wormhole": lambda m: 31_000_000 <= m["solar_system_id"] < 32_000_000,
    "in the abyss": lambda m: 32_000_000 <= m["solar_system_id"] < 33_000_000,
    "in the void": lambda m: 34_000_000 <= m["solar_system_id"] < 35_000_000,
}

#: Dear in bytes, so fewer of them.
BIG: dict[str, Callable[[Mail], bool]] = {
    "hundreds of attackers": lambda m: len(m["attackers"]) >= 200,
}
PER_BIG_KIND = 3


def read(paths: Iterable[Path]) -> list[Mail]:
    """
    Every killmail of the inputs once, in the order of ids.
    """
    found: dict[int, Mail] = {}
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                mail = json.loads(line)
                known = found.get(mail["killmail_id"], {})
                found[mail["killmail_id"]] = {**known, **mail}
    return [found[key] for key in sorted(found)]


def spread(mails: Sequence[Mail], count: int) -> list[Mail]:
    """
    *count* of them at even distances; all where there are not more.
    """
    if len(mails) <= count:
        return list(mails)
    return [mails[i * len(mails) // count] for i in range(count)]


def busy_every_day(mails: Iterable[Mail]) -> list[int]:
    """
    The characters whose quietest day is the least quiet.
    """
    days: defaultdict[int, Counter[str]] = defaultdict(Counter)
    seen: Counter[str] = Counter()
    for mail in mails:
        day = mail["killmail_time"][:10]
        seen[day] += 1
        for character in characters(mail):
            days[character][day] += 1
    full = [day for day, count in seen.items() if count > 5_000]

    def quietest(character: int) -> tuple[int, int]:
        return min((days[character][day] for day in full), default=0), -character

    return sorted(days, key=quietest, reverse=True)[:BUSY_CHARACTERS]


def choose(mails: Sequence[Mail]) -> list[Mail]:
    """
    What the module's docstring says.
    """
    chosen: dict[int, Mail] = {}

    def take(some: Iterable[Mail], why: str) -> None:
        before = len(chosen)
        chosen.update((mail["killmail_id"], mail) for mail in some)
        print(f"{len(chosen) - before:6} {why}")

    busy = set(busy_every_day(mails))
    theirs = [m for m in mails if busy & characters(m)]
    small = [m for m in theirs if len(m["attackers"]) <= BUSY_ATTACKERS]
    take(small, f"of the characters {sorted(busy)}")
    month = Counter(mail["killmail_time"][:7] for mail in mails).most_common(1)[0][0]
    year = month[:4]
    take((m for m in mails if m["killmail_time"][:4] != year), f"not of {year}")
    take((m for m in mails if "zkb" in m), "with a zkb block")
    plain = [m for m in mails if m["killmail_time"][:7] == month]
    for kinds, count in ((KINDS, PER_KIND), (BIG, PER_BIG_KIND)):
        for name, is_such in kinds.items():
            take(spread([m for m in plain if is_such(m)], count), name)
    rest = [m for m in plain if m["killmail_id"] not in chosen]
    take(spread(rest, TARGET - len(chosen)), "ordinary")
    return [chosen[key] for key in sorted(chosen)]


def main(output: Path, inputs: list[Path]) -> None:
    chosen = choose(read(inputs))
    lines = (json.dumps(mail, separators=(",", ":")) for mail in chosen)
    text = "".join(line + "\n" for line in lines).encode()
    packed = gzip.compress(text, 9, mtime=0)
    if len(packed) > LIMIT:
        raise SystemExit(f"{len(packed)} bytes are more than {LIMIT}")
    output.write_bytes(packed)
    print(f"{len(chosen)} killmails, {len(packed)} bytes ({len(text)} unpacked)")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), [Path(each) for each in sys.argv[2:]])
