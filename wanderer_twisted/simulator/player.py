"""
The clockwork: has the world publish killmails at a pace.
"""

import re

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from wanderer_twisted.simulator.world import World

#: How many times faster than life; None: only on command.
Pace = float | None

FASTEST = 10_000.0


def parse_pace(text: str) -> Pace:
    """
    :param text: ``real``, ``manual``, or a factor such as ``10`` or ``0.5x``.
    :raises ValueError: it is none of these.
    """
    if text in ("real", "manual"):
        return 1.0 if text == "real" else None
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)[x\u00d7]?", text, re.ASCII)
    if not match or not 0 < float(match[1]) <= FASTEST:
        raise ValueError(
            f"{text!r} is no pace; use real, manual, or how many times faster than life"
            f" (above 0, up to {FASTEST:.0f})"
        )
    return float(match[1])


class Player(Service):
    """
    Plays while it runs.
    """

    _log = Logger()

    def __init__(self, world: World, pace: Pace = 1.0) -> None:
        self._world = world
        self._pace = pace
        self._call: IDelayedCall | None = None

    @property
    def pace(self) -> Pace:
        return self._pace

    def set_pace(self, pace: Pace) -> None:
        """
        Play at another pace from now on; the wait for the next killmail begins anew.
        """
        self._pace = pace
        self._stop()
        if self.running:
            self._schedule()

    def startService(self) -> None:
        super().startService()
        self._schedule()

    def stopService(self) -> None:
        super().stopService()
        self._stop()

    def _schedule(self) -> None:
        if self._pace is not None:
            gap = self._world.next_gap() / self._pace
            self._call = self._world.clock.callLater(gap, self._turn)

    def _stop(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _turn(self) -> None:
        self._call = None
        try:
            self._world.play()
        except Exception:
            self._log.failure("A killmail could not be played")
        self._schedule()
