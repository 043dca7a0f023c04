"""
R2Z2: a file per publication, and a pointer to the newest (contracts.md §2); its archive
is in ``archive.py``.
"""

import re

from wanderer_twisted.encoding import dumps
from wanderer_twisted.simulator.archive import Archive
from wanderer_twisted.simulator.data import php
from wanderer_twisted.simulator.exchange import (
    Ask,
    Reply,
    Throttle,
    html_reply,
    json_reply,
)
from wanderer_twisted.simulator.postings import Posting, Slot
from wanderer_twisted.simulator.world import World

#: A 404 that was handed out stays in the edge's cache until the file's URL is purged,
#: so many seconds after its upload.
_PURGE = 1.0

_PATIENCE = 5.5  # the rule is six seconds between two tries of a missing file
_STRIKES = 20
_STRIKE_WINDOW = 600.0
_BAN = 3_600.0

#: Seen in production on 2026-02-28: a file with nothing in it.
NULL_DOCUMENT = (
    rb'{"killmail_id":null,"hash":null,"esi":null,"zkb":{"hash":null,'
    rb'"attackerCount":0,"href":"https:\/\/esi.evetech.net\/killmails\/\/\/"},'
    rb'"uploaded_at":%d,"sequence_id":%d}'
)


def document(slot: Slot) -> bytes:
    """
    The file of a sequence.
    """
    posting = slot.posting
    if posting is None:
        return NULL_DOCUMENT % (slot.uploaded_at, slot.sequence)
    return b'{"killmail_id":%d,"hash":"%b","esi":%b,"zkb":%b,"uploaded_at":%d,%b}' % (
        posting.killmail_id,
        posting.hash.encode(),
        php(posting.esi()),
        full_zkb(posting),
        slot.uploaded_at,
        b'"sequence_id":%d' % slot.sequence,
    )


def full_zkb(posting: Posting, version: str = "") -> bytes:
    """
    zKillboard's block as R2Z2 and RedisQ give it, with attackerCount and href.
    """
    href = f"https://esi.evetech.net/{version}killmails/{posting.killmail_id}/{posting.hash}/"
    return b'%b,"attackerCount":%d,"href":%b}' % (
        posting.zkb()[:-1],
        posting.template.attacker_count,
        php(dumps(href)),
    )


class R2Z2:
    """
    The service.

    :ivar strikes: rules broken, of all addresses.
    """

    null = NULL_DOCUMENT % (0, 0)

    def __init__(self, world: World) -> None:
        self._world = world
        self._clock = world.clock
        self._archive = Archive(world)
        self._throttle = Throttle(world.clock, 1.0)
        self._patience = Throttle(world.clock, _STRIKE_WINDOW)
        self._banned: dict[str, float] = {}
        self._missed: dict[tuple[str, int], float] = {}
        self._cached_missing: set[int] = set()
        self.strikes = 0

    def close(self) -> None:
        """
        Nothing is ever under way.
        """

    def finish(self, ask: Ask, reply: Reply) -> Reply:
        return reply

    async def answer(self, ask: Ask) -> Reply:
        refusal = self._refuse(ask)
        if refusal is not None:
            return refusal
        if ask.method not in ("GET", "HEAD"):
            return html_reply(405, "405 Method Not Allowed")
        if ask.path == "/ephemeral/sequence.json":
            return json_reply({"sequence": self._world.pointer})
        match = re.fullmatch(r"/ephemeral/([0-9]{1,12})\.json", ask.path)
        if match:
            return self._file(int(match[1]), ask.address)
        return self._archive.answer(ask.path)

    def _refuse(self, ask: Ask) -> Reply | None:
        if not ask.headers.get("user-agent", "").strip():
            return html_reply(403, "403 Forbidden")
        if not self._world.rules.limits:
            return None
        if self._banned.get(ask.address, 0.0) > self._clock.seconds():
            return html_reply(403, "403 Forbidden")
        if self._throttle.over(ask.address, self._world.rules.r2z2_per_second):
            self._strike(ask.address)
            return html_reply(429, "429 Too Many Requests")
        return None

    def _strike(self, address: str) -> None:
        self.strikes += 1
        if self._patience.over(address, _STRIKES):
            self._banned[address] = self._clock.seconds() + _BAN

    def _file(self, sequence: int, address: str) -> Reply:
        now = self._clock.seconds()
        slot = self._world.slots.get(sequence)
        if slot is None or not self._is_there(slot, now):
            self._miss(sequence, address, now)
            return html_reply(404, "404 Not Found")
        self._cached_missing.discard(sequence)
        return Reply(200, document(slot), "application/json")

    def _is_there(self, slot: Slot, now: float) -> bool:
        cached = slot.sequence in self._cached_missing
        visible_from = slot.visible_from + (_PURGE if cached else 0.0)
        expires = slot.uploaded_at + self._world.rules.r2z2_retention
        return visible_from <= now < expires

    def _miss(self, sequence: int, address: str, now: float) -> None:
        last = self._missed.pop((address, sequence), None)
        if self._world.rules.limits and last is not None and now - last < _PATIENCE:
            self._strike(address)
        self._missed[address, sequence] = now
        self._cached_missing.add(sequence)
        while len(self._missed) > 1_000:
            gone = next(iter(self._missed))
            del self._missed[gone]
            self._cached_missing.discard(gone[1])
