"""
SIGHUP: the settings are read again, and what can change without a restart does.
"""

import signal
from collections.abc import Callable, Sequence
from threading import Thread
from types import FrameType
from typing import Any, Final

import attrs
from msgspec import json, structs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from wanderer_twisted.config import ConfigError, Settings, Token
from wanderer_twisted.config.settings import Section
from wanderer_twisted.tasks import Tasks

#: What can change while the server runs.
CHANGEABLE: Final = frozenset(
    (
        "auth.tokens_file",
        "cors.origins",
        "features.character_preload",
        "limits.accept_per_second",
        "limits.alliance_ids",
        "limits.character_ids",
        "limits.connections",
        "limits.connections_per_address",
        "limits.corporation_ids",
        "limits.histories_at_once",
        "limits.post_ids",
        "limits.system_ids",
        "log_level",
        "stream.heartbeat_seconds",
        "stream.retry_ms",
        "trusted_proxies",
    )
)

#: The settings, and the tokens of their file; None where there is none.
Loaded = tuple[Settings, Sequence[Token] | None]


@attrs.frozen
class Change:
    """
    :ivar key: dotted, as ``limits.connections``.
    """

    key: str
    old: object
    new: object

    @property
    def is_possible(self) -> bool:
        return self.key in CHANGEABLE


def compare(old: Settings, new: Settings) -> list[Change]:
    """
    What differs.
    """
    before, after = _flat(old), _flat(new)
    return [
        Change(key, before[key], after[key])
        for key in before
        if before[key] != after[key]
    ]


def merge(settings: Settings, changes: Sequence[Change]) -> Settings:
    """
    The settings with those of the changes that are possible.
    """
    for change in changes:
        if change.is_possible:
            section, _, name = change.key.rpartition(".")
            value = change.new
            if section:
                inner = getattr(settings, section)
                value = structs.replace(inner, **{name: value})
            settings = structs.replace(settings, **{section or name: value})
    return settings


class Reload(Service):
    """
    Reads the settings again at each SIGHUP while it runs. What is wrong with them
    changes nothing.

    :param load: reads and checks the files; called in a thread, for tokens may be many.
        Raises :exc:`ConfigError`.
    :param apply: takes what is in force from now on.
    :ivar settings: in force.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        load: Callable[[], Loaded],
        apply: Callable[[Settings, Sequence[Token] | None], None],
        settings: Settings,
    ) -> None:
        self.settings = settings
        self._reactor = reactor
        self._load = load
        self._apply = apply
        self._before: Any = None
        self._one_at_a_time = DeferredLock()
        self._tasks = Tasks()

    def startService(self) -> None:
        super().startService()
        self._before = signal.signal(signal.SIGHUP, self._on_signal)

    def stopService(self) -> None:
        super().stopService()
        signal.signal(signal.SIGHUP, self._before)
        self._tasks.cancel()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """
        Leave it to the reactor, which may be in the middle of anything.
        """
        self._reactor.callFromThread(self.start)

    def start(self) -> None:
        if self.running:
            self._tasks.start(self._reload())

    async def _reload(self) -> None:
        if self._one_at_a_time.locked:
            self._log.warn("The settings are still being read; they will be once more")
        async with self._one_at_a_time:
            try:
                loaded = await self._load_aside()
            except ConfigError as error:
                self._log.error("Nothing is changed: {reason}", reason=str(error))
            else:
                self._take(*loaded)

    def _load_aside(self) -> Deferred[Loaded]:
        """
        In a thread that nobody waits for: a disk that hangs must not keep the process
        from ending, as one of the reactor's own threads would.
        """
        answer: Deferred[Loaded] = Deferred()

        def load() -> None:
            try:
                result: Loaded | Failure = self._load()
            except Exception:
                result = Failure()
            self._reactor.callFromThread(answer.callback, result)

        Thread(target=load, name="reload", daemon=True).start()
        return answer

    def _take(self, settings: Settings, tokens: Sequence[Token] | None) -> None:
        changes = compare(self.settings, settings)
        merged = merge(self.settings, changes)
        self._apply(merged, tokens)
        self.settings = merged
        for change in changes:
            if change.is_possible:
                level, text = LogLevel.info, "{key} was {old} and is {new} now"
            else:
                level, text = LogLevel.warn, "{key} stays {old} until a restart: {new}"
            old, new = _shown(change.old), _shown(change.new)
            self._log.emit(level, text, key=change.key, old=old, new=new)
        self._log.info("The settings were read again")


def _flat(settings: Settings) -> dict[str, object]:
    """
    The values by their dotted keys.
    """
    flat: dict[str, object] = {}
    for key, value in structs.asdict(settings).items():
        if isinstance(value, Section):
            inner = structs.asdict(value)
            flat |= {f"{key}.{name}": each for name, each in inner.items()}
        else:
            flat[key] = value
    return flat


def _shown(value: object) -> str:
    return json.encode(value).decode()[:200]
