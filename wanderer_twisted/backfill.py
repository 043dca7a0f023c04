"""
``wanderer-backfill``: takes days of the archive into a database that no server has
open.
"""

import sys
from typing import Any, Final, NoReturn

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater, react
from twisted.python import usage

from wanderer_twisted.config import ConfigError, Settings, load_settings
from wanderer_twisted.interfaces import StoreUnavailable, UpstreamError
from wanderer_twisted.progress import Screen
from wanderer_twisted.store.schema import DatabaseUnusable
from wanderer_twisted.terminal import ScriptOptions, abandon, check_outputs

_NAME: Final = "wanderer-backfill"
_STOP_SECONDS: Final = 10.0


class Options(ScriptOptions):
    """
    What is read from the command line, held against the settings' file.

    :ivar settings: checked; set by :meth:`postOptions`.
    :ivar days: how many to have; 0 for none.
    """

    synopsis = "Usage: wanderer-backfill [--config FILE] [--days N] [more]"
    longdesc = (
        "Takes days of zKillboard's archive into the database, the newest first, and"
        " goes on where it was stopped. Not beside a running server: that does it by"
        " itself (archive.backfill_days)."
    )
    optParameters = (
        ("config", "c", None, "Settings, in YAML; etc/wanderer.yaml explains them."),
        ("database", "d", None, "Where killmails are kept: sqlite:PATH."),
        (
            "days",
            None,
            None,
            "How many days back; by default archive.backfill_days of the settings, or"
            " history.max_days where that is 0. 0: only --vacuum.",
        ),
    )
    optFlags = (("vacuum", None, "At the end give unused space back to the disk."),)

    settings: Settings
    days: int

    def postOptions(self) -> None:
        """
        :raises usage.UsageError: something cannot be used; one line says what.
        """
        try:
            self.settings = load_settings(
                self["config"], {"database": self["database"]}
            )
        except ConfigError as error:
            raise usage.UsageError(str(error)) from error
        self.days = self._days()
        if not self.days and not self["vacuum"]:
            raise usage.UsageError("--days 0 leaves nothing to do but --vacuum")

    def _days(self) -> int:
        text, most = self["days"], self.settings.history.max_days
        if text is None:
            return self.settings.archive.backfill_days or most
        if not (text.isascii() and text.isdigit() and len(text) < 4):
            raise usage.UsageError(f"--days: {text!r:.40} is no number of days")
        if int(text) > most:
            raise usage.UsageError(f"--days: {text} is more than {most}")
        return int(text)


class Backfill:
    """
    One run.
    """

    def __init__(self, reactor: Any, options: Options, screen: Screen) -> None:
        # Here, since Klein imports a reactor.
        from wanderer_twisted.ground import Ground, make_rounds

        self._reactor = reactor
        self._options = options
        self._screen = screen
        self._ground = Ground(options.settings, reactor)
        self._store = self._ground.store
        self._rounds = make_rounds(
            self._ground,
            options.settings,
            reactor,
            feeds=(),
            backfill_days=options.days,
            told=screen.told,
        )

    async def run(self) -> int:
        """
        :returns: the exit status.
        """
        path = self._options.settings.database_path
        try:
            # The reactor hears signals once it runs: nothing begins before.
            await deferLater(self._reactor, 0)
            self._store.open()
            status = await self._take_in() if self._options.days else 0
            if self._options["vacuum"]:
                self._screen.vacuumed(*await self._store.vacuum())
            return status
        except CancelledError:
            self._screen.fail("stopped; the next run goes on from here")
        except UpstreamError as error:
            self._screen.fail(f"{error.reason}; the next run goes on from here")
        except DatabaseUnusable as error:
            self._screen.fail(f"{error}{_advice(error)}")
        except StoreUnavailable as error:
            self._screen.fail(f"database {path}: {error}")
        except OSError as error:
            abandon(sys.stdout)
            self._screen.fail(f"output: {error.strerror}")
        finally:
            self._screen.end()
            await self._close()
        return 1

    async def _take_in(self) -> int:
        self._rounds.loader.clean_up()
        self._screen.begin(self._rounds)
        outcome = await self._rounds.go()
        self._screen.sum_up(outcome)
        return 1 if outcome.incomplete else 0

    async def _close(self) -> None:
        self._ground.names.stopService()
        await self._ground.client.close()
        await self._store.close()


def _advice(error: DatabaseUnusable) -> str:
    if "another server has it open" not in str(error):
        return ""
    return (
        "; it backfills by itself where archive.backfill_days is set, or stop it first"
    )


async def _run(reactor: Any, options: Options) -> None:
    backfill = Backfill(reactor, options, Screen(reactor, sys.stdout, sys.stderr))
    running = Deferred.fromCoroutine(backfill.run())
    ended: Deferred[None] = Deferred()

    def stop() -> Deferred[None]:
        running.cancel()
        return ended.addTimeout(_STOP_SECONDS, reactor)

    reactor.addSystemEventTrigger("before", "shutdown", stop)
    try:
        raise SystemExit(await running)
    finally:
        ended.callback(None)


def main() -> NoReturn:
    """
    The console script.
    """
    check_outputs(_NAME)
    options = Options()
    try:
        options.parseOptions()
    except usage.UsageError as error:
        print(f"{_NAME}: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # of the help
        abandon(sys.stdout)
        sys.exit(0)
    react(_run, (options,))
    raise AssertionError("react() ends the process")
