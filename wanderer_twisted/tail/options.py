"""
The command line of ``wanderer-tail``.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from twisted.python import usage

from wanderer_twisted import SERVER_NAME
from wanderer_twisted.tail.cursor import CursorFile
from wanderer_twisted.tail.follower import Request
from wanderer_twisted.tail.lines import Side
from wanderer_twisted.terminal import ScriptOptions

_URL: Final = "http://127.0.0.1:4004"
_PATH: Final = "/api/v1/kills/stream"

#: What goes into the query as it is, and under which name; the server checks it.
_PASSED_ON: Final = {
    "characters": "character_ids",
    "corporations": "corporation_ids",
    "alliances": "alliance_ids",
    "systems": "system_ids",
    "min-value": "min_value",
    "days": "preload_days",
    "since": "since",
}

#: How often in a row to fail before a run that is to end gives up.
_ATTEMPTS: Final = 5


class Options(ScriptOptions):
    """
    :ivar request: what to ask the server for.
    :ivar side: on whose behalf a killmail is a kill or a loss.
    :ivar cursor_file: None where nothing is to be remembered.
    :ivar cursor: where to go on; empty for the beginning.
    :ivar plain: neither colours nor a bar.
    """

    synopsis = "Usage: wanderer-tail [--characters IDS] [--days N] [--json] [more]"
    longdesc = (
        "Prints killmails as they are published, a line each, and before that those of"
        " the last days. Comes back by itself when the connection breaks, and shows"
        " nothing twice. Times are UTC. Exit status: 0 the history that was asked for"
        " is told (--no-follow), or nobody reads us any more; 1 the server refuses for"
        " good, or something fails; 2 the command line is wrong; 3 as 0, but the"
        " history is not complete; 130 interrupted."
    )
    optParameters = (
        ("url", "u", _URL, "The server."),
        ("characters", "c", None, "Ids of characters, with commas between them."),
        ("corporations", None, None, "Ids of corporations."),
        ("alliances", None, None, "Ids of alliances."),
        ("systems", "s", None, "Ids of solar systems."),
        ("min-value", None, None, "Only killmails that are worth as much, in ISK."),
        ("days", "d", None, "How many days of the past to show first, up to 90."),
        ("since", None, None, "Since when, instead: 36h, 7d, 2026-11-01."),
        ("cursor", None, None, "A file to go on from, and to remember the place in."),
        (
            "token",
            None,
            None,
            "Sent to the server; WANDERER_TOKEN in the environment is not seen by"
            " others of this machine.",
        ),
    )
    optFlags = (
        ("json", "j", "A killmail a line, as JSON."),
        ("no-follow", None, "End where the history does, instead of going on live."),
        ("no-color", None, "Neither colours nor a progress bar; so does NO_COLOR."),
    )

    request: Request
    side: Side
    cursor_file: CursorFile | None
    cursor: str
    plain: bool

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        super().__init__()
        self._environment = environment

    def postOptions(self) -> None:
        """
        :raises usage.UsageError: something cannot be used; one line says what.
        """
        self.side = Side(
            self._ids("characters"), self._ids("corporations"), self._ids("alliances")
        )
        self._ids("systems")
        self.plain = bool(self["no-color"] or self._environment.get("NO_COLOR"))
        if self["no-follow"]:
            self._check_history()
        self.request = Request(
            self._stream_url(),
            {"User-Agent": SERVER_NAME, **self._authorization()},
            attempts=_ATTEMPTS if self["no-follow"] else 0,
        )
        self._open_cursor()

    def _ids(self, name: str) -> frozenset[int]:
        found = [each.strip() for each in (self[name] or "").split(",")]
        for each in filter(None, found):
            if not re.fullmatch(r"[0-9]{1,10}", each):
                raise usage.UsageError(f"--{name}: {each!r:.40} is no id")
        return frozenset(int(each) for each in found if each)

    def _check_history(self) -> None:
        if self["days"] is None and self["since"] is None:
            raise usage.UsageError("--no-follow needs --days or --since")
        if self["cursor"] is not None:
            raise usage.UsageError("--no-follow begins anew each time: no --cursor")

    def _stream_url(self) -> str:
        base = self["url"]
        try:
            parts = urlsplit(base)
            good = parts.scheme in ("http", "https") and parts.hostname
            good = good and parts.port != 0
        except ValueError:
            good = False
        if not good or not re.fullmatch(r"[!-~]+", base):
            raise usage.UsageError(f"--url: {base!r:.80} is no http:// or https:// URL")
        if parts.query or parts.fragment or parts.username is not None:
            raise usage.UsageError(
                "--url: the address of the server alone, as http://127.0.0.1:4004"
            )
        asked = {
            theirs: self[ours]
            for ours, theirs in _PASSED_ON.items()
            if self[ours] is not None
        }
        return f"{base.rstrip('/')}{_PATH}?{urlencode(asked)}".rstrip("?")

    def _authorization(self) -> dict[str, str]:
        token = self["token"] or self._environment.get("WANDERER_TOKEN")
        if not token:
            return {}
        if not re.fullmatch(r"[!-~]+", token):
            raise usage.UsageError(
                "the token holds blanks or something else than ASCII"
            )
        return {"Authorization": f"Bearer {token}"}

    def _open_cursor(self) -> None:
        self.cursor_file, self.cursor = None, ""
        if self["cursor"] is None:
            return
        self.cursor_file = CursorFile(Path(self["cursor"]))
        try:
            self.cursor = self.cursor_file.read()
        except OSError as error:
            raise usage.UsageError(
                f"--cursor {self['cursor']}: {error.strerror}"
            ) from error
        except ValueError as error:
            raise usage.UsageError(f"--cursor {self['cursor']}: {error}") from error
