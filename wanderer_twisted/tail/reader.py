"""
What is done with each event of the stream.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from wanderer_twisted.encoding import dumps
from wanderer_twisted.tail import wire
from wanderer_twisted.tail.cursor import CursorFile
from wanderer_twisted.tail.lines import Side
from wanderer_twisted.tail.parser import Event
from wanderer_twisted.tail.screen import Screen

#: Killmails that are remembered, for a history that comes again after a gap.
REMEMBERED: Final = 100_000

_GAPS: Final = {
    "expired": "we were away for longer than the server keeps killmails",
    "unknown_epoch": "our cursor is another database's",
    "ahead": "our cursor is from the future of this database",
    "malformed": "our cursor is none",
    "filter": "our cursor was made for other ids",
}


class HistoryTold(Exception):
    """
    All that was wanted has come.

    :ivar complete: and it is all that there was.
    """

    def __init__(self, complete: bool) -> None:
        super().__init__()
        self.complete = complete


class Reader:
    """
    The follower's listener.
    """

    def __init__(
        self,
        screen: Screen,
        side: Side,
        as_json: bool = False,
        follow: bool = True,
        cursor_file: CursorFile | None = None,
    ) -> None:
        """
        :param follow: go on behind the history; else that ends with
            :exc:`HistoryTold`.
        """
        self._screen = screen
        self._side = side
        self._as_json = as_json
        self._follow = follow
        self._cursor_file = cursor_file
        self._shown: OrderedDict[int, None] = OrderedDict()
        self._greeted = False

    def take(self, event: Event) -> None:
        """
        :raises HistoryTold: this is the end.
        :raises OSError: what is to be shown or kept cannot be written.
        """
        try:
            self._deal_with(event.name, wire.parse(event.data))
        except wire.Nonsense as error:
            self._screen.warn(f"event {event.name:.40} makes no sense: {error}")
        if self._cursor_file is not None and event.id:
            self._cursor_file.keep(event.id)

    def lost(self, reason: str, pause: float) -> None:
        self._screen.warn(f"{reason}; trying again in {pause:.1f} s")

    def _deal_with(self, name: str, data: Any) -> None:
        match name:
            case "connected":
                self._connected(wire.read(data, wire.Connected))
            case "batch":
                self._batch(wire.read(data, wire.Batch))
            case "transition":
                self._transition(wire.read(data, wire.Transition))
            case "killmail":
                self._show([data])
            case "gap":
                self._gap(wire.read(data, wire.Gap))
            case "warning" | "error":
                told = wire.read(data, wire.Told)
                if told.type != "history_incomplete":  # transition says more
                    self._screen.warn(told.message)

    def _connected(self, it: wire.Connected) -> None:
        if self._greeted:
            self._screen.tell("connected again")
        else:
            self._screen.tell(
                "connected" if self._as_json else "connected; times are UTC"
            )
        self._greeted = True
        if it.mode == "historical":
            self._screen.wait("waiting for the past")

    def _batch(self, it: wire.Batch) -> None:
        self._show(it.kills)
        self._screen.progress(it.batch_number, it.total_batches)

    def _transition(self, it: wire.Transition) -> None:
        count = f"{it.total_historical:,} killmails of the past"
        onward = "; now live" if self._follow else ""
        if it.coverage.complete:
            self._screen.tell(f"{count}, complete{onward}")
        else:
            lacking = ", ".join(_lacking(it)) or "some are lacking"
            self._screen.warn(f"{count}, not complete: {lacking}{onward}")
        if not self._follow:
            raise HistoryTold(it.coverage.complete)

    def _gap(self, it: wire.Gap) -> None:
        why = _GAPS.get(it.reason, it.reason)
        self._screen.warn(f"starting anew: {why}; what this run has shown is left out")

    def _show(self, killmails: Sequence[Any]) -> None:
        """
        Those that we had not.
        """
        lines = []
        for each in killmails:
            try:
                lines += self._line(each)
            except wire.Nonsense as error:
                self._screen.warn(f"a killmail makes no sense: {error}")
        self._screen.show(lines)

    def _line(self, data: Any) -> list[str]:
        """
        One line, or none where it was shown before.
        """
        killmail_id = wire.read(data, wire.Numbered).killmail_id
        if killmail_id in self._shown:
            return []
        if self._as_json:
            line = dumps(data).decode("ascii")
        else:
            killmail = wire.read(data, wire.Killmail)
            line = self._screen.painter.line(killmail, self._side)
        self._remember(killmail_id)
        return [line]

    def _remember(self, killmail_id: int) -> None:
        self._shown[killmail_id] = None
        if len(self._shown) > REMEMBERED:
            self._shown.popitem(last=False)


def _lacking(it: wire.Transition) -> Iterator[str]:
    """
    Why a history is not complete.
    """
    if it.missing:
        yield f"{it.missing:,} more could not be had"
    if ids := it.coverage.ids_incomplete:
        yield f"of {ids:,} id{'s' * (ids != 1)} not all was there yet (try again later)"
