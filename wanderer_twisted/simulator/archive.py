"""
The archive of R2Z2: files of all killmails, day by day (contracts.md §2.3).
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from wanderer_twisted.days import DAY, compact, day_of, from_compact
from wanderer_twisted.encoding import dumps
from wanderer_twisted.simulator.data import php
from wanderer_twisted.simulator.defects import Defects
from wanderer_twisted.simulator.exchange import Reply, html_reply
from wanderer_twisted.simulator.postings import Posting
from wanderer_twisted.simulator.world import World

#: The archive is made once a day, at 06:00 UTC.
_MADE_AT: Final = 6 * 3_600

#: Bytes of files that are kept, the largest excepted: one of a real day has 25 MB and
#: more, and is asked for once by each backfill.
_ROOM: Final = 64 << 20

_FOR_EVER = {"Cache-Control": "public, max-age=31536000"}


@attrs.frozen
class _Made:
    """
    A file, and what it was made of.
    """

    body: bytes
    defects: Defects


class Archive:
    """
    Answers as the archive was last made: with every day before that one. Defects of a
    day show at once.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._made_at = 0.0
        self._days: dict[int, list[Posting]] = {}
        self._files: dict[str, _Made] = {}

    def answer(self, path: str) -> Reply:
        """
        :param path: from ``/history/`` on.
        """
        self._make()
        if path == "/history/totals.json":
            return Reply(200, dumps(self._totals()), headers=_FOR_EVER)
        match = re.fullmatch(r"/history/(raw/)?([0-9]{8})\.json", path)
        if match:
            body = self._file(match[2], with_bodies=bool(match[1]))
            if body is not None:
                return Reply(200, body, headers=_FOR_EVER)
        return html_reply(404, "404 Not Found")

    def _make(self) -> None:
        """
        What there was at six, if it is not known yet.
        """
        now = self._world.clock.seconds()
        made_at = (now - _MADE_AT) // DAY * DAY + _MADE_AT
        if made_at == self._made_at:
            return
        self._made_at = made_at
        self._files.clear()
        self._days = {}
        today = day_of(made_at)
        for posting in self._world.postings.values():
            day = day_of(posting.kill_time)
            if posting.published_at < made_at and day < today:
                self._days.setdefault(day, []).append(posting)

    def _totals(self) -> dict[str, int]:
        totals = {}
        for day, postings in sorted(self._days.items()):
            total = self._world.defects.of(day).total
            totals[compact(day)] = len(postings) if total is None else total
        return totals

    def _file(self, name: str, with_bodies: bool) -> bytes | None:
        """
        :param name: the day's.
        :returns: None where there is no such file.
        """
        try:
            day = from_compact(name)
        except ValueError:
            return None
        defects = self._world.defects.of(day)
        if day not in self._days or defects.withheld:
            return None
        key = f"raw/{name}" if with_bodies else name
        made = self._files.pop(key, None)
        if made is None or made.defects != defects:
            rows = self._bodies if with_bodies else self._hashes
            body = b"{%b}" % b",".join(rows(self._days[day], defects))
            made = _Made(body, defects)
        self._keep(key, made)
        return made.body

    def _keep(self, key: str, made: _Made) -> None:
        self._files[key] = made
        room = _ROOM - sum(len(each.body) for each in self._files.values())
        while room < 0 and len(self._files) > 1:
            room += len(self._files.pop(next(iter(self._files))).body)

    def _hashes(self, postings: Sequence[Posting], defects: Defects) -> Iterator[bytes]:
        for posting in postings:
            if posting.killmail_id not in defects.unlisted:
                yield _hash(posting)
        yield from map(_hash, self._strangers(defects.strange_listed))

    def _bodies(self, postings: Sequence[Posting], defects: Defects) -> Iterator[bytes]:
        for posting in postings:
            if posting.killmail_id not in defects.bodiless:
                yield _body(posting)
        yield from map(_body, self._strangers(defects.strange))

    def _strangers(self, ids: frozenset[int]) -> Iterator[Posting]:
        for each in sorted(ids):
            posting = self._world.postings.get(each)
            if posting is not None:  # or it is forgotten by now
                yield posting


def _hash(posting: Posting) -> bytes:
    return b'"%d":"%b"' % (posting.killmail_id, posting.hash.encode())


def _body(posting: Posting) -> bytes:
    return b'"%d":%b' % (posting.killmail_id, php(posting.esi()))
