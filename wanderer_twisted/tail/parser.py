"""
Event streams, as the WHATWG has them: bytes in, events out.
"""

import re
from collections.abc import Iterator
from typing import Final

import attrs

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_BOM: Final = b"\xef\xbb\xbf"


class EventTooLarge(ValueError):
    """
    What comes is larger than any event that we want: most likely no event stream.
    """


@attrs.frozen
class Event:
    """
    One event.

    :ivar id: the last id that was sent, with this event or before it; empty for none.
    :ivar retry: milliseconds, where the event brought any.
    """

    name: str
    data: str
    id: str
    retry: int | None = None


class EventParser:
    """
    The parser of one response. What is incomplete at its end is never an event.
    """

    def __init__(self, last_event_id: str = "", limit: int = 16 << 20) -> None:
        """
        :param last_event_id: from the responses before.
        :param limit: bytes of one event.
        """
        self._id = last_event_id
        self._limit = limit
        self._begun = False
        self._ended_with_cr = False
        self._rest: list[bytes] = []
        self._retry: int | None = None
        self._reset()

    def feed(self, data: bytes) -> Iterator[Event]:
        """
        Take some bytes.

        :returns: the events that they complete; to be read to its end.
        :raises EventTooLarge: there is no point in going on.
        """
        for line in self._lines(data):
            if line:
                self._take_field(line)
            elif (event := self._dispatch()) is not None:
                yield event

    def _lines(self, data: bytes) -> Iterator[str]:
        if self._ended_with_cr:  # its LF, if it has one, comes with the next bytes
            data = data.removeprefix(b"\n")
        self._ended_with_cr = data.endswith(b"\r")
        *lines, rest = _LINE_END.split(data)
        for line in lines:
            self._grow(len(line))
            yield self._text(b"".join((*self._rest, line)))
            self._rest.clear()
        self._grow(len(rest))
        self._rest.append(rest)

    def _text(self, line: bytes) -> str:
        if not self._begun:
            self._begun = True
            line = line.removeprefix(_BOM)
        return line.decode("utf-8", "replace")

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._limit:
            raise EventTooLarge(f"an event of more than {self._limit} bytes")

    def _take_field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(value)
            case "event":
                self._name = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if re.fullmatch(r"[0-9]{1,12}", value):
                self._retry = int(value)

    def _dispatch(self) -> Event | None:
        event = None
        if self._data:
            data = "\n".join(self._data)
            event = Event(self._name or "message", data, self._id, self._retry)
        self._reset()
        return event

    def _reset(self) -> None:
        self._name = ""
        self._data: list[str] = []
        self._retry = None
        self._size = 0
