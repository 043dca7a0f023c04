"""
The simulator's own HTTP interface, to command it from outside: ``/control/…``, JSON.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

import attrs

from wanderer_twisted.encoding import loads
from wanderer_twisted.simulator.defects import read_defects
from wanderer_twisted.simulator.exchange import Ask, Reply, json_reply
from wanderer_twisted.simulator.faults import Fault
from wanderer_twisted.simulator.player import Player, parse_pace
from wanderer_twisted.simulator.world import Twist, World

_MOST_AT_ONCE = 10_000

Handler = Callable[[Mapping[str, Any]], object]


class BadCommand(ValueError):
    """
    A command cannot be followed; the message says why.
    """


class Control:
    """
    Commands. Each is also a method of :class:`~wanderer_twisted.simulator.world.World`,
    its books of faults and defects, its rules, or the player.

    ======  =====================  =====================================================
    GET     ``/``                  how things are
    GET     ``/busy?count=5``      the characters and systems with most killmails
    GET     ``/requests``          the log of requests (``?service=r2z2``)
    DELETE  ``/requests``          forget it
    POST    ``/play``              ``{"count": 1, "age": null}``
    POST    ``/pace``              ``{"pace": "manual"}``, ``"real"``, or a factor
    POST    ``/redeliver``         ``{"killmail_id": null}``
    POST    ``/sequences``         ``{"next": "hole", "count": 1, "seconds": 20}``
    POST    ``/hide``              ``{"sequence": 1, "seconds": null}``
    GET     ``/faults``            what is in force
    POST    ``/faults``            a :class:`~wanderer_twisted.simulator.faults.Fault`
    DELETE  ``/faults``            clear all
    GET     ``/archive``           the days that are wrong
    POST    ``/archive``           ``{"day": "20261101"}`` and
                                   :class:`~wanderer_twisted.simulator.defects.Defects`
    DELETE  ``/archive``           make all of them right
    POST    ``/rules``             some :class:`~wanderer_twisted.simulator.rules.Rules`
    ======  =====================  =====================================================
    """

    def __init__(self, world: World, player: Player) -> None:
        self._world = world
        self._player = player
        self._routes: dict[tuple[str, str], Handler] = {
            ("GET", "/"): self._state,
            ("GET", "/busy"): self._busy,
            ("GET", "/requests"): self._requests,
            ("DELETE", "/requests"): self._forget_requests,
            ("POST", "/play"): self._play,
            ("POST", "/pace"): self._set_pace,
            ("POST", "/redeliver"): self._redeliver,
            ("POST", "/sequences"): self._twist,
            ("POST", "/hide"): self._hide,
            ("GET", "/faults"): self._faults,
            ("POST", "/faults"): self._add_fault,
            ("DELETE", "/faults"): self._clear_faults,
            ("GET", "/archive"): self._defects,
            ("POST", "/archive"): self._spoil_day,
            ("DELETE", "/archive"): self._clear_defects,
            ("POST", "/rules"): self._change_rules,
        }

    def answer(self, ask: Ask) -> Reply:
        """
        Follow a command.
        """
        handler = self._routes.get((ask.method, ask.path))
        if handler is None:
            known = sorted(f"{method} {path}" for method, path in self._routes)
            return json_reply({"error": "no such command", "commands": known}, 404)
        try:
            return json_reply(handler(self._wishes(ask)))
        except ValueError as error:
            return json_reply({"error": str(error)}, 400)

    def _wishes(self, ask: Ask) -> Mapping[str, Any]:
        if ask.method != "POST":
            return ask.args
        wishes = loads(ask.body) if ask.body.strip() else {}
        if not isinstance(wishes, dict):
            raise BadCommand("the body must be a JSON object")
        return wishes

    # --- how things are ----------------------------------------------------------

    def _state(self, wishes: Mapping[str, Any]) -> object:
        world = self._world
        return {
            "time": world.clock.seconds(),
            "pace": self._player.pace or "manual",
            "killmails": len(world.postings),
            "sequence": world.sequence,
            "pointer": world.pointer,
            "faults": len(world.faults),
            "defects": len(world.defects),
            "rules": attrs.asdict(world.rules),
        }

    def _busy(self, wishes: Mapping[str, Any]) -> object:
        text = wishes.get("count", "5")
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1_000):
            raise BadCommand("'count' must be from 1 to 1000")
        return {
            "character_ids": self._world.busiest("characterID", int(text)),
            "system_ids": self._world.busiest("systemID", int(text)),
        }

    def _requests(self, wishes: Mapping[str, Any]) -> object:
        service = wishes.get("service")
        return [
            attrs.asdict(each)
            for each in self._world.requests
            if service in (None, each.service)
        ]

    def _forget_requests(self, wishes: Mapping[str, Any]) -> object:
        self._world.requests.clear()
        return []

    # --- what is published -------------------------------------------------------

    def _play(self, wishes: Mapping[str, Any]) -> object:
        _only(wishes, "count", "age")
        age = _seconds(wishes, "age", None)
        postings = self._world.play(_count(wishes), age)
        return {
            "killmail_ids": [each.killmail_id for each in postings],
            "sequence": self._world.sequence,
        }

    def _set_pace(self, wishes: Mapping[str, Any]) -> object:
        _only(wishes, "pace")
        self._player.set_pace(parse_pace(str(wishes.get("pace"))))
        return {"pace": self._player.pace or "manual"}

    def _redeliver(self, wishes: Mapping[str, Any]) -> object:
        _only(wishes, "killmail_id")
        try:
            posting = self._world.redeliver(wishes.get("killmail_id"))
        except (KeyError, TypeError, StopIteration) as error:
            raise BadCommand("no such killmail") from error
        return {"killmail_id": posting.killmail_id, "sequence": self._world.sequence}

    def _twist(self, wishes: Mapping[str, Any]) -> object:
        _only(wishes, "next", "count", "seconds")
        twist = wishes.get("next")
        if twist not in get_args(Twist):
            raise BadCommand(f"'next' must be one of {', '.join(get_args(Twist))}")
        seconds = _seconds(wishes, "seconds", 20.0)
        count = _count(wishes)
        self._world.twist(cast(Twist, twist), count, seconds or 0.0)
        return {"next": twist, "count": count}

    def _hide(self, wishes: Mapping[str, Any]) -> object:
        _only(wishes, "sequence", "seconds")
        seconds = _seconds(wishes, "seconds", None)
        try:
            self._world.hide(
                wishes["sequence"], math.inf if seconds is None else seconds
            )
        except (KeyError, TypeError) as error:
            raise BadCommand("no such sequence") from error
        return {"sequence": wishes["sequence"]}

    # --- what goes wrong ---------------------------------------------------------

    def _faults(self, wishes: Mapping[str, Any]) -> object:
        return self._world.faults.as_json()

    def _add_fault(self, wishes: Mapping[str, Any]) -> object:
        self._world.faults.add(Fault.from_json(wishes))
        return self._world.faults.as_json()

    def _clear_faults(self, wishes: Mapping[str, Any]) -> object:
        self._world.faults.clear()
        return []

    def _defects(self, wishes: Mapping[str, Any]) -> object:
        return self._world.defects.as_json()

    def _spoil_day(self, wishes: Mapping[str, Any]) -> object:
        day, defects = read_defects(wishes)
        try:
            self._world.spoil_day(day, defects)
        except KeyError as error:
            raise BadCommand(f"no such killmail: {error}") from error
        return self._world.defects.as_json()

    def _clear_defects(self, wishes: Mapping[str, Any]) -> object:
        self._world.defects.clear()
        return {}

    def _change_rules(self, wishes: Mapping[str, Any]) -> object:
        self._world.rules.change(dict(wishes))
        return attrs.asdict(self._world.rules)


def _only(wishes: Mapping[str, Any], *names: str) -> None:
    for name in wishes:
        if name not in names:
            raise BadCommand(f"no such key: {name!r}; there are {', '.join(names)}")


def _count(wishes: Mapping[str, Any]) -> int:
    count = wishes.get("count", 1)
    if type(count) is not int or not 1 <= count <= _MOST_AT_ONCE:
        raise BadCommand(f"'count' must be from 1 to {_MOST_AT_ONCE}")
    return count


def _seconds(
    wishes: Mapping[str, Any], name: str, default: float | None
) -> float | None:
    value = wishes.get(name)
    if value is None:
        return default
    if type(value) not in (int, float) or value < 0:
        raise BadCommand(f"{name!r} must be seconds, 0 or more")
    return float(value)
