"""
``twistd -n wanderer-sse``: options, and the service that they make.
"""

import gc
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import msgspec
from twisted.application.service import IService, MultiService
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python import usage

from wanderer_twisted.config import (
    ConfigError,
    Esi,
    R2z2Feed,
    Settings,
    Token,
    Zkillboard,
    load_settings,
    load_tokens,
)
from wanderer_twisted.ops.logs import set_level
from wanderer_twisted.ops.passwords import PasswordsUnusable, read_passwords
from wanderer_twisted.ops.reload import Loaded, Reload
from wanderer_twisted.store.files import check_database
from wanderer_twisted.store.schema import DatabaseUnusable
from wanderer_twisted.terminal import is_daemon

_log = Logger()


class Options(usage.Options):
    """
    What is read from the command line, held against the settings' file.

    :ivar settings: checked; set by :meth:`postOptions`.
    :ivar tokens: likewise, of those who may ask; None for everybody.
    """

    synopsis = "[--config FILE] [--listen ENDPOINT]... [--database URL] [--demo]"
    longdesc = (
        "Streams EVE Online's killmails as server-sent events: up to 90 days back, then"
        " live. Options win over the file, the file over the defaults."
    )
    optParameters = (
        ("config", "c", None, "Settings, in YAML; etc/wanderer.yaml explains them."),
        ("admin-listen", None, None, "Where metrics are told, as of --listen."),
        ("database", "d", None, "Where killmails are kept: sqlite:PATH."),
    )
    optFlags = (
        ("demo", None, "Play real killmails of 2021 from the package, offline."),
        ("check-config", None, "Check the settings and the database, and end."),
    )

    settings: Settings
    tokens: Sequence[Token] | None

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []

    def opt_listen(self, endpoint: str) -> None:
        """
        Where to listen, as twistd's endpoints are written; may be given several times.
        """
        self["listen"].append(endpoint)

    opt_l = opt_listen

    def postOptions(self) -> None:
        """
        :raises SystemExit: something cannot be used; one line on standard error says
            what. (A UsageError would bury it under the help, on standard output.)
        """
        if self.parent is not None:  # in a process of ours
            # A reload that comes before the server can hear it ends it otherwise.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            self._go_there()
            self.settings, self.tokens = self.load()
            if not (self["demo"] and self["database"] is None):
                check_database(self.settings.database_path)
            if self.settings.manhole.listen:
                read_passwords(self.settings.manhole.passwd)
        except (ConfigError, DatabaseUnusable, PasswordsUnusable) as error:
            raise SystemExit(f"wanderer-sse: {error}") from error
        if self["check-config"]:
            print("The settings are fine.")
            sys.exit(0)

    def _go_there(self) -> None:
        """
        To twistd's ``--rundir``, from where the settings' paths count: it goes there
        itself, but only when they have been read and checked.

        :raises ConfigError: there is no such folder.
        """
        twistd: Any = self.parent or {}
        folder = twistd.get("rundir", ".")
        if folder == "." or twistd.get("chroot"):
            return
        self["config"] = self["config"] and os.path.abspath(self["config"])
        try:
            os.chdir(folder)
        except OSError as error:
            raise ConfigError(f"--rundir {folder}: {error.strerror}") from None
        twistd["rundir"] = os.getcwd()

    def load(self, may_be_empty: bool = True) -> Loaded:
        """
        Read the files, as they are now.

        :raises ConfigError: something is wrong with one.
        """
        overrides = {
            "listen": self["listen"] or None,
            "admin_listen": self["admin-listen"],
            "database": self["database"],
        }
        settings = load_settings(self["config"], overrides, may_be_empty)
        path = settings.auth.tokens_file
        return settings, load_tokens(path) if path else None

    def load_again(self) -> Loaded:
        """
        The same while the server runs. An empty file is hardly meant then: all would be
        as by default, and nobody need have a token.
        """
        return self.load(may_be_empty=False)


def makeService(options: Options, reactor: Any = None) -> IService:
    """
    The server; for ``--demo``, with the simulator as its whole world.
    """
    # Here, since Klein imports a reactor, and since only a start may choose one.
    from wanderer_twisted.assembly import Server

    if reactor is None:
        from twisted.internet import reactor
    reactor.addSystemEventTrigger("before", "shutdown", _hear_no_more)
    _raise_file_limit()
    _tune_collector()
    # SQLite's threads let go of the interpreter at every row; at the usual 5 ms a
    # busy reactor would get it back from them only so often.
    sys.setswitchinterval(0.0005)
    set_level(options.settings.log_level)
    if options["demo"]:
        return _make_demo(options, reactor)
    if not options.settings.contact:
        _log.warn("No contact is set; the upstreams ask for an e-mail or URL")
    server = Server(options.settings, reactor, options.tokens, is_daemon(options))
    reload = Reload(reactor, options.load_again, server.apply, options.settings)
    reload.setServiceParent(server)
    return server


def _make_demo(options: Options, reactor: Any) -> IService:
    from wanderer_twisted.assembly import Server
    from wanderer_twisted.simulator.service import make_demo

    simulator = make_demo(reactor)
    settings = msgspec.structs.replace(
        options.settings,
        contact="demo",
        feeds=(R2z2Feed(url=simulator.url("r2z2")),),
        zkillboard=Zkillboard(url=simulator.url("zkb/api"), requests_per_second=20.0),
        archive=msgspec.structs.replace(
            options.settings.archive, url=simulator.url("r2z2/history")
        ),
        esi=Esi(url=simulator.url("esi")),
    )
    demo = Demo(reactor)
    if options["database"] is None:
        settings = msgspec.structs.replace(
            settings, database=f"sqlite:{demo.folder / 'demo.db'}"
        )
    simulator.setServiceParent(demo)
    server = Server(settings, reactor, options.tokens)
    server.setServiceParent(demo)
    demo.tell(server, simulator.busy_characters(4))
    return demo


class Demo(MultiService):
    """
    A server and its world in one process, with a database of their own for as long.
    """

    def __init__(self, reactor: Any) -> None:
        super().__init__()
        self._reactor = reactor
        self._folder = TemporaryDirectory(prefix="wanderer-demo-")
        self.folder = Path(self._folder.name)

    def tell(self, server: Any, character_ids: list[int]) -> None:
        """
        Say how to try it, once it listens.
        """
        self._server, self._ids = server, character_ids

    def startService(self) -> None:
        super().startService()
        signal.signal(signal.SIGHUP, self._hung_up)
        self._reactor.callLater(0, self._print)

    def _hung_up(self, number: int, frame: FrameType | None) -> None:
        """
        The terminal is closed: end as ever, or the folder would stay.
        """
        self._reactor.callFromThread(self._reactor.stop)

    def _print(self) -> None:
        ids = ",".join(map(str, self._ids))
        where = _where(self._server.listeners[0].port.getHost())
        print(
            "\nKillmails of 2021, as if they happened now. Try:\n\n"
            f"    curl -N {where}/api/v1/kills/stream"
            f"?character_ids={ids}&preload_days=90'\n"
            + (f"\nor open {where[1:]}/ in a browser.\n" if where[0] == "'" else ""),
            file=sys.__stdout__,  # as it is, not as lines of the log
            flush=True,
        )

    def stopService(self) -> Deferred[Any]:
        stopped = super().stopService()
        return stopped.addBoth(self._clean_up)

    def _clean_up(self, result: Any) -> Any:
        self._folder.cleanup()
        return result


def _where(address: Any) -> str:
    """
    The beginning of curl's address of a port, quote included.
    """
    if isinstance(address, UNIXAddress):
        return f"--unix-socket {os.fsdecode(address.name or b'')} 'http://localhost"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)
    return f"'http://{f'[{host}]' if ':' in host else host}:{address.port}"


def _hear_no_more() -> None:
    """
    It goes down already: at one more signal Twisted would log a traceback.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: None)


def _tune_collector() -> None:
    """
    Leave what is there at the start alone, and look seldom: a stream is some objects
    that live for hours, and with Python's thresholds a thousand clients that come at
    once would have all of them looked at again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


def _raise_file_limit() -> None:
    """
    Every stream is an open file; the usual soft limit of 1,024 is far too low.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
