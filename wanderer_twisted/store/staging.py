"""
A day of the archive, made ready to be taken in: checked, encoded and compressed into a
database of its own, in another process, so that the server has only to copy it.

``python -m wanderer_twisted.store.staging RAW OUT`` reads an :class:`Ask` as JSON from
its standard input and writes the :class:`Staged` to its standard output.
"""

import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import attrs
import msgspec

from wanderer_twisted.days import day_of
from wanderer_twisted.encoding import dumps, loads
from wanderer_twisted.killmail import (
    Killmail,
    decode,
    encode,
    sizes_of,
)
from wanderer_twisted.partition import KINDS, Kind
from wanderer_twisted.records import Package
from wanderer_twisted.store.bodies import Codec, bare_dictionary
from wanderer_twisted.store.rows import packed

#: Killmails of one part: what the server's writer copies in well under 50 ms.
PART: Final = 400

#: How many of the ids without a body are named.
_MOST_LACKING: Final = 1_000

_TABLES: Final = """
PRAGMA page_size = 16384;
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
BEGIN;
CREATE TABLE part (part INTEGER PRIMARY KEY, first INTEGER, last INTEGER);
CREATE TABLE killmail (
    killmail_id INTEGER PRIMARY KEY, kill_time, system_id, size, size_items
);
CREATE TABLE body (killmail_id INTEGER PRIMARY KEY, participants, main, items);
CREATE TABLE news (killmail_id INTEGER PRIMARY KEY, hash, esi);
"""
_INDEX: Final = """
CREATE TABLE {kind}_kill (
    part, owner, kill_time, killmail_id,
    PRIMARY KEY (part, owner, kill_time, killmail_id)
) WITHOUT ROWID;
"""


class BadDay(ValueError):
    """
    A file is no day of the archive; the message is one line.
    """


@attrs.frozen
class Ask:
    """
    What a day's file is held against.

    :ivar day: as :mod:`wanderer_twisted.days` counts.
    :ivar hashes: the day's list: id -> hash.
    :ivar news: ids that may have to be announced ...
    :ivar spans: ... and are set apart where their kill_time lies in one of these, UNIX
        seconds.
    """

    day: int
    hashes: Mapping[int, str] = attrs.field(repr=False)
    news: frozenset[int] = attrs.field(default=frozenset(), repr=False)
    spans: Sequence[tuple[float, float]] = ()

    def is_news(self, killmail: Killmail) -> bool:
        return killmail.killmail_id in self.news and any(
            since <= killmail.kill_time <= until for since, until in self.spans
        )

    def json(self) -> bytes:
        return dumps(
            {
                "day": self.day,
                "hashes": self.hashes,
                "news": sorted(self.news),
                "spans": self.spans,
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> "Ask":
        document = loads(data)
        return cls(
            document["day"],
            {int(id): hash for id, hash in document["hashes"].items()},
            frozenset(document["news"]),
            [(since, until) for since, until in document["spans"]],
        )


@attrs.frozen
class Staged:
    """
    What became of a day's file.

    :ivar parts: to be taken in, numbered from 0.
    :ivar killmails: staged, or set apart as news.
    :ivar unlisted: bodies that the list lacks; left out.
    :ivar misdated: bodies of another day; left out.
    :ivar broken: bodies that are no killmails; left out.
    :ivar lacking: listed ids without a body that can be used; the first of them ...
    :ivar lacking_count: ... and how many there are.
    """

    parts: int
    killmails: int
    unlisted: int
    misdated: int
    broken: int
    lacking: Sequence[int]
    lacking_count: int

    @classmethod
    def from_json(cls, data: bytes) -> "Staged":
        return cls(**loads(data))


def stage(raw: str, path: str, ask: Ask, part_size: int = PART) -> Staged:
    """
    :param raw: the path of a day's file: a JSON object of bodies by id.
    :param path: where to write the staged day; overwritten.
    :param part_size: killmails of one part.
    :raises BadDay: the file is no such object.
    :raises OSError: a file cannot be read or written, the disk being full for instance.
    """
    try:
        bodies = msgspec.json.decode(
            Path(raw).read_bytes(), type=dict[str, msgspec.Raw]
        )
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadDay(f"It is no object of killmails: {error}") from None
    Path(path).unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return _Stage(connection, ask, part_size).fill(bodies)
    except sqlite3.OperationalError as error:
        raise OSError(f"The staged day cannot be written: {error}") from error


def read_news(path: str, after: int, limit: int) -> Sequence[Package]:
    """
    What was set apart, in the order of ids.

    :param after: the last id that was read; 0 at first.
    """
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(
            "SELECT killmail_id, hash, esi FROM news WHERE killmail_id > ?"
            " ORDER BY killmail_id LIMIT ?",
            (after, limit),
        ).fetchall()
    return [Package(id, hash, loads(esi)) for id, hash, esi in found]


class _Stage:
    def __init__(
        self, connection: sqlite3.Connection, ask: Ask, part_size: int
    ) -> None:
        self._connection = connection
        self._ask = ask
        self._part_size = part_size
        self._codec = Codec(bare_dictionary())
        self._counts = dict.fromkeys(("unlisted", "misdated", "broken"), 0)
        self._used: set[int] = set()
        tables = _TABLES + "".join(_INDEX.format(kind=kind) for kind in KINDS)
        connection.executescript(tables)

    def fill(self, bodies: Mapping[str, msgspec.Raw]) -> Staged:
        parts = 0
        part: list[Killmail] = []
        for killmail in self._killmails(bodies):
            part.append(killmail)
            if len(part) == self._part_size:
                self._write(parts, part)
                parts, part = parts + 1, []
        if part:
            self._write(parts, part)
            parts += 1
        self._connection.execute("COMMIT")
        lacking = sorted(self._ask.hashes.keys() - self._used)
        return Staged(
            parts=parts,
            killmails=len(self._used),
            lacking=lacking[:_MOST_LACKING],
            lacking_count=len(lacking),
            **self._counts,
        )

    def _killmails(self, bodies: Mapping[str, msgspec.Raw]) -> Iterator[Killmail]:
        """
        What can be used and is not news, in the order of ids.
        """
        listed: list[tuple[int, msgspec.Raw]] = []
        for key, body in bodies.items():
            id = int(key) if key.isascii() and key.isdigit() and len(key) < 19 else 0
            if id in self._ask.hashes:
                listed.append((id, body))
            else:
                self._counts["unlisted"] += 1
        for id, body in sorted(listed, key=lambda each: each[0]):
            hash = self._ask.hashes[id]
            try:
                killmail = decode(loads(bytes(body)), hash=hash)
            except ValueError:
                self._counts["broken"] += 1
                continue
            if killmail.killmail_id != id:
                self._counts["broken"] += 1
            elif day_of(killmail.kill_time) != self._ask.day:
                self._counts["misdated"] += 1
            else:
                self._used.add(id)
                if self._ask.is_news(killmail):
                    self._connection.execute(
                        "INSERT INTO news VALUES (?, ?, ?)", (id, hash, bytes(body))
                    )
                else:
                    yield killmail

    def _write(self, number: int, part: Sequence[Killmail]) -> None:
        compress = self._codec.compress
        facts, bodies = [], []
        owned: dict[Kind, list[tuple[int, ...]]] = {kind: [] for kind in KINDS}
        for each in part:
            body = encode(each, {})
            key = each.kill_time, each.killmail_id
            sizes = sizes_of(body, each.participants)
            facts.append((each.killmail_id, each.kill_time, each.system_id, *sizes))
            bodies.append(
                (
                    each.killmail_id,
                    packed(each),
                    compress(body.main),
                    compress(body.items),
                )
            )
            owned["system"].append((number, each.system_id, *key))
            for kind in KINDS[:-1]:
                for owner in getattr(each, f"{kind}_ids"):
                    owned[kind].append((number, owner, *key))
        write = self._connection.executemany
        first, last = part[0].killmail_id, part[-1].killmail_id
        write("INSERT INTO part VALUES (?, ?, ?)", [(number, first, last)])
        write("INSERT INTO killmail VALUES (?, ?, ?, ?, ?)", facts)
        write("INSERT INTO body VALUES (?, ?, ?, ?)", bodies)
        for kind, rows in owned.items():
            write(f"INSERT INTO {kind}_kill VALUES (?, ?, ?, ?)", sorted(rows))


def main() -> int:
    """
    One day, as a process of its own that leaves the processor to others.
    """
    os.nice(10)
    try:
        ask = Ask.from_json(sys.stdin.buffer.read())
        staged = stage(sys.argv[1], sys.argv[2], ask)
    except (BadDay, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    sys.stdout.buffer.write(dumps(attrs.asdict(staged)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
