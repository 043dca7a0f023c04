"""
``twistd -n wanderer-simulator``: options, and the services that they make.
"""

import re
from pathlib import Path
from typing import Any

from twisted.application import strports
from twisted.application.service import MultiService
from twisted.internet.error import CannotListenError
from twisted.python import usage

from wanderer_twisted.config.formats import check_endpoint
from wanderer_twisted.simulator.data import BadData, Data, read, read_shipped
from wanderer_twisted.simulator.front import make_site
from wanderer_twisted.simulator.player import Pace, Player, parse_pace
from wanderer_twisted.simulator.service import SHIPPED_DAYS, usual_tail
from wanderer_twisted.simulator.world import World
from wanderer_twisted.terminal import end_start, is_daemon

_LONGEST = 3_650.0


class Options(usage.Options):
    """
    What is read from the command line, checked.
    """

    synopsis = "[--listen ENDPOINT] [--data FILE] [--pace PACE] [--days N] [--tail N]"
    longdesc = (
        "Stands in for R2Z2 (/r2z2), RedisQ (/redisq/listen.php), zKillboard (/zkb/api)"
        " and ESI (/esi), and plays real killmails. Commands: /control."
    )
    optParameters = (
        ("listen", "l", "tcp:4010:interface=127.0.0.1", "Where to listen."),
        ("data", "d", None, "Killmails, .jsonl or .jsonl.gz; default: those shipped."),
        ("pace", "p", "real", "real, manual, or how many times faster than life."),
        (
            "days",
            None,
            None,
            "How many days the past is laid out over; 0: as in the data."
            f" Default: {SHIPPED_DAYS:.0f} for the shipped data, else 0.",
        ),
        ("tail", None, None, "How many of the last killmails are still to come."),
    )

    killmails: Data
    pace: Pace
    days: float | None
    tail: int

    def postOptions(self) -> None:
        """
        :raises usage.UsageError: something cannot be done as asked; one line says what.
        """
        try:
            check_endpoint(self["listen"])
        except ValueError as error:
            raise usage.UsageError(f"--listen: {error}") from error
        try:
            self.pace = parse_pace(self["pace"])
        except ValueError as error:
            raise usage.UsageError(f"--pace: {error}") from error
        self.days = self._days()
        try:
            path = self["data"]
            self.killmails = read_shipped() if path is None else read(Path(path))
        except BadData as error:
            raise usage.UsageError(f"--data: {error}") from error
        self.tail = self._tail(len(self.killmails.templates))

    def _days(self) -> float | None:
        text = self["days"]
        if text is None:
            return SHIPPED_DAYS if self["data"] is None else None
        if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]+)?", text, re.ASCII):
            raise usage.UsageError(f"--days: {text!r} is no number of days")
        if float(text) > _LONGEST:
            raise usage.UsageError(f"--days: {text} is more than {_LONGEST:.0f}")
        return float(text) or None

    def _tail(self, size: int) -> int:
        text = self["tail"]
        if text is None:
            return usual_tail(self.killmails)
        if not re.fullmatch("[0-9]{1,9}", text, re.ASCII) or int(text) > size:
            raise usage.UsageError(
                f"--tail: {text!r} is no number of killmails from 0 to {size}"
            )
        return int(text)


class Simulation(MultiService):
    """
    All of it.

    :param is_daemon: it runs in the background.
    """

    def __init__(self, is_daemon: bool) -> None:
        super().__init__()
        self._is_daemon = is_daemon

    def privilegedStartService(self) -> None:
        """
        :raises SystemExit: the port cannot be had; one line says why.
        """
        try:
            super().privilegedStartService()
        except (CannotListenError, OSError) as error:
            end_start("wanderer-simulator", error, self._is_daemon)


def makeService(options: Options, reactor: Any = None) -> MultiService:
    """
    The player, and the site on its endpoint.
    """
    if reactor is None:
        from twisted.internet import reactor
    parent = Simulation(is_daemon(options))
    world = World(reactor, options.killmails, options.tail, options.days)
    player = Player(world, options.pace)
    site = make_site(world, player)
    for service in (strports.service(options["listen"], site, reactor), player):
        service.setServiceParent(parent)
    return parent
