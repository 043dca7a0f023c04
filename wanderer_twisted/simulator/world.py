"""
The state behind all simulated services: what was published, when, and under which
sequence; and the commands that make more of it.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Literal

from twisted.internet.interfaces import IReactorTime

from wanderer_twisted.simulator.data import Data, Entity, Template
from wanderer_twisted.simulator.defects import DefectBook, Defects
from wanderer_twisted.simulator.faults import FaultBook
from wanderer_twisted.simulator.names import Names
from wanderer_twisted.simulator.postings import Logged, Posting, Slot
from wanderer_twisted.simulator.rules import Rules
from wanderer_twisted.simulator.timeline import MEAN_GAP, gaps, lag, lay_out

#: What the sequence of the next publication goes through: its file never appears
#: (hole), appears later (late), appears behind the next one's (swap), or there is an
#: empty document before it (null).
Twist = Literal["hole", "late", "swap", "null"]

#: The pointer is rewritten when it is further behind than this (contracts.md §2.1).
POINTER_LAG = 51

#: Publications that are remembered; the oldest are forgotten beyond it.
MEMORY = 200_000

#: Seconds: what zKillboard lists may be so old (contracts.md §3), and more.
_RECENT = 7_200

_EPOCH = 1_767_225_600  # 2026-01-01: numbers grow with time, so that a new start
_FIRST_ID = 140_000_000  # never gives one out again that an earlier start gave out
_IDS_PER_SECOND = 8
_FIRST_SEQUENCE = 96_000_000
_SEQUENCES_PER_SECOND = 10


class World:
    """
    The simulated universe. Times are the given clock's.

    :param tail: how many of the data's last killmails are yet to come; the rest is
        past at the start.
    :param days: how far back the past reaches; None: as far as the data's own.
    """

    def __init__(
        self,
        clock: IReactorTime,
        data: Data,
        tail: int = 0,
        days: float | None = None,
    ) -> None:
        self.clock = clock
        self.data = data
        self.rules = Rules()
        self.faults = FaultBook()
        self.defects = DefectBook()
        self.names = Names(data.roles)
        self.requests: deque[Logged] = deque(maxlen=10_000)
        self.postings: dict[int, Posting] = {}
        self.slots: dict[int, Slot] = {}
        self.started_at = clock.seconds()
        self._losses: dict[Entity, list[Template]] = {}
        self._kills: dict[Entity, list[Template]] = {}
        self._listeners: list[Callable[[Posting], None]] = []
        self._twists: deque[tuple[Twist, float]] = deque()
        self._swapped: Slot | None = None
        for template in data.templates:
            for entity in template.losses:
                self._losses.setdefault(entity, []).append(template)
            for entity in template.kills:
                self._kills.setdefault(entity, []).append(template)
        self._lay_past(len(data.templates) - tail, days)
        self._gaps = dict(
            zip(map(id, data.templates), gaps(data.templates), strict=True)
        )
        self._coming = self._order(tail)
        self._next = next(self._coming)

    def _lay_past(self, count: int, days: float | None) -> None:
        past = self.data.templates[:count]
        since = max(0, int(self.started_at) - _EPOCH)
        self.sequence = _FIRST_SEQUENCE + since * _SEQUENCES_PER_SECOND - count
        self.pointer = self.sequence
        self._last_kill_time = 0
        self._last_id = self.data.templates[-1].killmail_id
        published_at = 0.0
        times = lay_out(past, self.started_at, days) if past else []
        for template, time in zip(past, times, strict=True):
            usual = min(self.started_at, time + lag(template.killmail_id))
            published_at = max(published_at, usual)
            self._last_kill_time = int(time)
            self._post(template, template.killmail_id, int(time), published_at)
        self.pointer = self._first_pointer()

    def _first_pointer(self) -> int:
        """
        As far behind as it happens to be, but at a file that is there: of a past with a
        few killmails a day the last 51 would reach back further than files live, and
        the very last would be all that a feed that begins there has of the last hours.
        """
        oldest = self.started_at - self.rules.r2z2_retention
        living = [n for n, slot in self.slots.items() if slot.uploaded_at > oldest]
        usual = self.sequence - self.sequence % (POINTER_LAG + 1)
        if not living:
            return self.sequence
        pointer = max(usual, living[0])
        furthest = max(living[0], self.sequence - POINTER_LAG)
        recent = self.started_at - _RECENT
        while pointer > furthest and self.slots[pointer].uploaded_at > recent:
            pointer -= 1
        return pointer

    def _order(self, tail: int) -> Iterator[tuple[Template, bool]]:
        """
        What is played: the tail under its own ids, then everything over and over again
        under new ones, in a stride that mixes its years.
        """
        templates = self.data.templates
        yield from ((each, False) for each in templates[len(templates) - tail :])
        size = len(templates)
        stride = next(
            n
            for n in range(int(size * 0.618) + 1, 2 * size + 2)
            if math.gcd(n, size) == 1
        )
        i = 0
        while True:
            yield templates[i], True
            i = (i + stride) % size

    # --- commands ----------------------------------------------------------------

    def play(self, count: int = 1, age: float | None = None) -> list[Posting]:
        """
        Publish the next killmails now.

        :param age: seconds since the kill; None: one to two minutes. What is old gets
            an id of its time.
        """
        return [self._play_one(age) for _ in range(count)]

    def redeliver(self, killmail_id: int | None = None) -> Posting:
        """
        Publish a killmail once more, under a new sequence.

        :param killmail_id: None: the oldest there is.
        :raises KeyError: there is no such killmail.
        """
        if killmail_id is None:
            killmail_id = next(iter(self.postings))
        posting = self.postings[killmail_id]
        self._announce(posting, self.clock.seconds())
        return posting

    def twist(self, twist: Twist, count: int = 1, seconds: float = 20.0) -> None:
        """
        Have the sequences of the next publications go wrong.

        :param seconds: how late, for ``late``.
        """
        self._twists.extend([(twist, seconds)] * count)

    def hide(self, sequence: int, seconds: float = math.inf) -> None:
        """
        Take a file away, for good or for some seconds.

        :raises KeyError: there is no such sequence.
        """
        self.slots[sequence].visible_from = self.clock.seconds() + seconds

    def spoil_day(self, day: int, defects: Defects) -> None:
        """
        Have a day of the archive be wrong from now on, and as said: what was wrong with
        it before is not any more.

        :param day: as in :mod:`wanderer_twisted.days`.
        :raises KeyError: there is no such killmail.
        """
        for each in defects.ids:
            self.postings[each]
        self.defects.set(day, defects)

    # --- questions ---------------------------------------------------------------

    def next_gap(self) -> float:
        """
        Seconds from the last killmail to the next one, at the real pace.
        """
        template, _ = self._next
        return self._gaps[id(template)] * MEAN_GAP

    def subscribe(self, listener: Callable[[Posting], None]) -> None:
        """
        Have *listener* called with whatever is published from now on.
        """
        self._listeners.append(listener)

    def listing(self, entity: Entity, side: str | None = None) -> list[Posting]:
        """
        The killmails of a character, system, ..., newest first.

        :param side: ``kills`` or ``losses``; None for both.
        """
        found: dict[int, Template] = {}
        if side != "kills":
            found.update((t.killmail_id, t) for t in self._losses.get(entity, ()))
        if side != "losses":
            found.update((t.killmail_id, t) for t in self._kills.get(entity, ()))
        postings = chain.from_iterable(each.postings for each in found.values())
        return sorted(postings, key=lambda each: each.killmail_id, reverse=True)

    def busiest(self, modifier: str, count: int) -> list[int]:
        """
        The ids with most killmails in the data.

        :param modifier: as in zKillboard's API: ``characterID``, ``systemID``, ...
        """
        numbers: dict[int, set[int]] = {}
        for index in (self._losses, self._kills):
            for (kind, id), templates in index.items():
                if kind == modifier:
                    numbers.setdefault(id, set()).update(
                        each.killmail_id for each in templates
                    )
        return sorted(numbers, key=lambda id: (-len(numbers[id]), id))[:count]

    # --- how it is done ----------------------------------------------------------

    def _play_one(self, age: float | None) -> Posting:
        template, again = self._next
        self._next = next(self._coming)
        now = self.clock.seconds()
        if age is not None:
            kill_time = int(now - age)
            killmail_id = self._new_id(kill_time, late=True)
        else:
            kill_time = max(self._last_kill_time, int(now) - lag(template.killmail_id))
            self._last_kill_time = kill_time
            killmail_id = template.killmail_id
            if again:
                killmail_id = self._new_id(kill_time, late=False)
        return self._post(template, killmail_id, kill_time, now)

    def _post(
        self, template: Template, killmail_id: int, kill_time: int, at: float
    ) -> Posting:
        posting = Posting(killmail_id, kill_time, at, template)
        self.postings[killmail_id] = posting
        template.postings.append(posting)
        if len(self.postings) > MEMORY:
            oldest = next(iter(self.postings))
            self.postings.pop(oldest).template.postings.popleft()
        self._announce(posting, at)
        return posting

    def _new_id(self, kill_time: int, late: bool) -> int:
        fitting = _FIRST_ID + max(0, kill_time - _EPOCH) * _IDS_PER_SECOND
        if not late:
            self._last_id = fitting = max(fitting, self._last_id + 1)
        while fitting in self.postings:
            fitting += 1
        return fitting

    def _announce(self, posting: Posting, at: float) -> None:
        twist, seconds = self._twists.popleft() if self._twists else (None, 0.0)
        if twist == "null":
            self._upload(None, at, at)
        delay = {"hole": math.inf, "swap": math.inf, "late": seconds}.get(
            twist or "", 0.0
        )
        slot = self._upload(posting, at, at + delay)
        if self._swapped is not None:
            self._swapped.visible_from = at + 2.0
        self._swapped = slot if twist == "swap" else None
        for listener in self._listeners:
            listener(posting)

    def _upload(self, posting: Posting | None, at: float, visible_from: float) -> Slot:
        self.sequence += 1
        slot = Slot(self.sequence, posting, at, visible_from)
        self.slots[self.sequence] = slot
        if self.sequence - self.pointer > POINTER_LAG:
            self.pointer = self.sequence
        while len(self.slots) > MEMORY:
            del self.slots[next(iter(self.slots))]
        return slot
