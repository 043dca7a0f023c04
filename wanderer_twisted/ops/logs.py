"""
The log on standard output, as JSON or as text, for ``twistd --logger=``: from the level
on that the settings say.
"""

import math
import sys
from typing import Any, TextIO

from twisted.logger import (
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogEvent,
    LogLevel,
    PredicateResult,
    formatEvent,
    textFileLogObserver,
)
from zope.interface import implementer

from wanderer_twisted.encoding import dumps, dumps_plain, timestamp

#: What Twisted adds to events of its older way of logging.
_LEGACY = frozenset(
    ("format", "isError", "printed", "system", "text", "time", "why", "message")
)

_RANKS = {level: rank for rank, level in enumerate(LogLevel.iterconstants())}


@implementer(ILogFilterPredicate)
class _FromLevel:
    """
    Lets through what is of a level or above it. Twisted's own has a level for each
    namespace, and looks through them for each event.
    """

    def __init__(self, level: Any) -> None:
        self.level = level

    def __call__(self, event: LogEvent) -> Any:
        rank = _RANKS.get(event.get("log_level"), -1)
        enough = rank >= _RANKS[self.level]
        return PredicateResult.maybe if enough else PredicateResult.no


#: twistd makes the observer before there are settings, and only by its name.
_filter = _FromLevel(LogLevel.info)


def set_level(name: str) -> None:
    """
    Have the observers write what is of this level or above it.
    """
    _filter.level = LogLevel.levelWithName(name)


def json_stdout() -> ILogObserver:
    """
    The observer for ``twistd --logger=wanderer_twisted.ops.logs.json_stdout``.
    """
    return json_to(sys.stdout)


def json_to(out: TextIO) -> ILogObserver:
    """
    The same, elsewhere.
    """
    return FilteringLogObserver(JsonObserver(out), [_filter])


def text_stdout() -> ILogObserver:
    """
    The observer for ``twistd --logger=wanderer_twisted.ops.logs.text_stdout``.
    """
    return FilteringLogObserver(textFileLogObserver(sys.stdout), [_filter])


@implementer(ILogObserver)
class JsonObserver:
    """
    Writes each event as a line of JSON: ``time``, ``level``, ``system``, ``message``,
    then the event's own fields where they are plain, and a ``failure`` as text.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, event: LogEvent) -> None:
        try:
            line = dumps_plain(_line(event))
        except Exception as error:  # a log that raises would lose more than this line
            why = f"an event that cannot be written: {type(error).__name__}"
            line = dumps({"level": "error", "system": __name__, "message": why})
        self._out.write(line.decode("ascii") + "\n")
        self._out.flush()  # a pipe's reader wants it now


def _line(event: LogEvent) -> dict[str, object]:
    seconds = event.get("log_time")
    level = event.get("log_level")
    line: dict[str, object] = {
        "time": timestamp(seconds) if isinstance(seconds, float) else None,
        "level": getattr(level, "name", "info"),
        "system": str(event.get("log_system") or event.get("log_namespace", "-")),
        "message": _message(event),
    }
    for key, value in event.items():
        if not key.startswith("log_") and key not in _LEGACY and _is_plain(value):
            line.setdefault(key, value)
    if "log_failure" in event:
        line["failure"] = _traceback(event["log_failure"])
    return line


def _message(event: LogEvent) -> str:
    """
    As Twisted's own function has it, but at a tenth of the time where a format asks for
    nothing that only Twisted knows.
    """
    try:
        return event["log_format"].format_map(event)
    except Exception:  # the other one never raises
        return formatEvent(event)


def _is_plain(value: object) -> bool:
    if type(value) is float:
        return math.isfinite(value)
    if type(value) is int:
        return value.bit_length() <= 64
    return value is None or type(value) in (str, bool)


def _traceback(failure: object) -> str:
    try:
        return str(failure.getTraceback())  # type: ignore[attr-defined]
    except Exception as error:  # an exception whose own text fails
        return f"{type(error).__name__} while formatting the failure"
