"""
``wanderer-tail``'s parser of event streams.
"""

import re
from itertools import pairwise

from httpx_sse._decoders import SSEDecoder
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cases import SyncCase
from wanderer_twisted.tail.parser import Event, EventParser, EventTooLarge

#: Lines of streams, with all that the rules treat in a way of its own.
_NAMES = st.sampled_from([b"data", b"id", b"event", b"retry", b"other", b" data", b""])
_SEPARATORS = st.sampled_from([b":", b": ", b":  ", b" : ", b""])
_VALUES = st.sampled_from(
    [
        b"",
        b"1",
        b"12",
        b"x",
        b"a:b",
        b"\0",
        b"1\0",
        b"\xc3\xa9",
        b"\xe2\x80\xa8",
        b"\xff",
    ]
)
_ENDS = st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n", b""])
_LINES = st.builds(
    lambda *parts: b"".join(parts),
    *(
        st.sampled_from([b"", b"", b"\xef\xbb\xbf"]),
        _NAMES,
        _SEPARATORS,
        _VALUES,
        _ENDS,
    ),
)


def parsed(data: bytes, cuts: list[int] | None = None, last: str = "") -> list[Event]:
    """
    :param cuts: where the network cuts *data* into pieces.
    """
    parser = EventParser(last)
    ends = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts or [])})
    return [event for a, b in pairwise(ends) for event in parser.feed(data[a:b])]


def by_the_letter(data: bytes) -> list[Event]:
    """
    The WHATWG's algorithm, sentence by sentence, over a stream that is all there.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    events: list[Event] = []
    buffer = kind = last_id = ""
    retry = None
    for line in re.split("\r\n|\r|\n", text)[:-1]:
        if line == "":
            if buffer != "":
                events.append(Event(kind or "message", buffer[:-1], last_id, retry))
            buffer, kind, retry = "", "", None
            continue
        if line.startswith(":"):
            continue
        name, value = line.split(":", 1) if ":" in line else (line, "")
        value = value[1:] if value.startswith(" ") else value
        if name == "event":
            kind = value
        elif name == "data":
            buffer += value + "\n"
        elif name == "id" and "\0" not in value:
            last_id = value
        elif name == "retry" and value and all(each in "0123456789" for each in value):
            retry = int(value)
    return events


class ParserTests(SyncCase):
    @settings(max_examples=300)
    @given(st.lists(_LINES, max_size=20), st.lists(st.integers(0, 200), max_size=8))
    def test_rules(self, lines: list[bytes], cuts: list[int]) -> None:
        """
        Whatever comes, and however it is cut, the events are those of the WHATWG.
        """
        data = b"".join(lines)
        self.assertEqual(parsed(data, cuts), by_the_letter(data))

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["killmail", "batch", "a b"]),
                st.text("{}[]:, xé\u2028", min_size=1),
                st.text("abc.~-_", min_size=1),
            )
        ),
        st.sampled_from(["\n", "\r\n", "\r"]),
        st.lists(st.integers(0, 2000), max_size=8),
    )
    def test_like_another(
        self, sent: list[tuple[str, str, str]], end: str, cuts: list[int]
    ) -> None:
        """
        Of a proper stream it makes what httpx-sse does.
        """
        lines = [
            line
            for name, data, id in sent
            for line in (f"event: {name}", f"data: {data}", f"id: {id}", "")
        ]
        decoder = SSEDecoder()
        theirs = [event for line in lines if (event := decoder.decode(line))]
        ours = parsed("".join(line + end for line in lines).encode(), cuts)
        self.assertEqual(
            [(each.name, each.data, each.id) for each in ours],
            [(each.event, each.data, each.id) for each in theirs],
        )

    def test_incomplete(self) -> None:
        """
        What lacks its blank line is no event, and its id is none.
        """
        (event,) = parsed(b"id: 1\ndata: x\n\nid: 2\ndata: y\n")
        self.assertEqual(event, Event("message", "x", "1"))

    def test_last_id(self) -> None:
        """
        An event without an id has the one before, of an earlier response too.
        """
        first, second = parsed(b"data: x\n\nid: 8\n\ndata: y\n\n", last="7")
        self.assertEqual((first.id, second.id), ("7", "8"))

    def test_limit(self) -> None:
        """
        An event without an end is given up, on one line or on many; one that comes
        before is not lost, and as many small ones as you like are fine.
        """
        for endless in (b"x" * 50, b"data: x\n" * 10):
            parser = EventParser(limit=40)
            events = parser.feed(b"data: 1\n\n" + endless)
            self.assertEqual(next(events).data, "1")
            self.assertRaises(EventTooLarge, next, events)
        parser = EventParser(limit=40)
        self.assertEqual(len(list(parser.feed(b"data: x\n\n" * 100))), 100)
