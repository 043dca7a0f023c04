"""
What the documents say is so: names, messages and examples, held against the code.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from docutils import nodes  # type: ignore[import-untyped]
from docutils.core import publish_doctree  # type: ignore[import-untyped]
from msgspec import structs

from tests.support.cases import SyncCase
from tests.support.eventsource import Event, EventSource
from tests.support.lookups import LookupCase
from tests.support.web import NOW, Public
from wanderer_twisted import records
from wanderer_twisted.config import Settings, load_tokens
from wanderer_twisted.config.tokens import MOST as MOST_TOKENS
from wanderer_twisted.encoding import loads
from wanderer_twisted.killmail import PARTICIPANT_NAMES
from wanderer_twisted.ops.reload import CHANGEABLE
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import Change, FeedStatus, Hole, Report
from wanderer_twisted.stream import events
from wanderer_twisted.stream.cursor import BadCursor, decode
from wanderer_twisted.web import given
from wanderer_twisted.web.api import Api
from wanderer_twisted.web.channel import MAX_BODY_BYTES
from wanderer_twisted.web.coverage import MOST_HOLES, Coverage
from wanderer_twisted.web.description.errors import ERRORS as API_ERRORS
from wanderer_twisted.web.description.events import ERRORS as STREAM_ERRORS
from wanderer_twisted.web.description.events import WARNINGS
from wanderer_twisted.web.description.serving import Description
from wanderer_twisted.web.errors import ApiError
from wanderer_twisted.web.lookups import Lookups
from wanderer_twisted.web.moments import read_moment
from wanderer_twisted.web.page import Page
from wanderer_twisted.web.parameters import Rules
from wanderer_twisted.web.selection import OF_A_LIST
from wanderer_twisted.web.status import StatusRoom
from wanderer_twisted.web.tokens import ENDS, MOST_REMOVED

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "wanderer_twisted"
DOCUMENTS = [ROOT / "README.rst", ROOT / "CHANGES.rst", *(ROOT / "docs").glob("*.rst")]

#: In examples: a killmail or some, left out.
_LEFT_OUT = "[…]"


class Document:
    """
    A document, parsed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self.tree = publish_doctree(
            path.read_text(),
            source_path=str(path),
            settings_overrides={
                "report_level": 2,
                "halt_level": 5,
                "warning_stream": self,
                "syntax_highlight": "none",
            },
        )

    def write(self, text: str) -> None:
        """
        Take a problem that docutils tells.
        """
        self.problems.append(text)

    def rows(self, title: str) -> list[list[Any]]:
        """
        The cells of a table, without its head.
        """
        for table in self.tree.findall(nodes.table):
            named = table.next_node(nodes.title)
            if named is not None and named.astext() == title:
                body = table.next_node(nodes.tbody)
                return [list(row.findall(nodes.entry)) for row in body.children]
        raise AssertionError(f"{self.path} has no table {title!r}")

    def names(self, title: str) -> list[str]:
        """
        What is in code type in the first column of a table.
        """
        return [name for row in self.rows(title) for name in literals(row[0])]

    def blocks(self) -> list[str]:
        """
        The literal blocks.
        """
        return [block.astext() for block in self.tree.findall(nodes.literal_block)]


def literals(node: Any) -> list[str]:
    return [each.astext() for each in node.findall(nodes.literal)]


PROTOCOL = Document(ROOT / "docs" / "protocol.rst")
README = Document(ROOT / "README.rst")
OPERATIONS = Document(ROOT / "docs" / "operations.rst")


def calls(*names: str, folder: str = "") -> Iterator[tuple[str, list[Any]]]:
    """
    The calls of functions by these names in the package, logs apart: the name, and the
    arguments that are constants.
    """
    for path in sorted((PACKAGE / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            whole = ast.unparse(node.func)
            name = whole.rpartition(".")[2]
            if name in names and "log" not in whole:
                constants = [
                    each.value for each in node.args if isinstance(each, ast.Constant)
                ]
                yield name, constants


def examples() -> list[Event]:
    """
    The events in docs/protocol.rst.
    """
    found = []
    for block in PROTOCOL.blocks():
        if re.match("(retry|event): ", block):
            text = block.replace(_LEFT_OUT, "[]") + "\n\n"
            found += EventSource().feed(text.encode())
    return found


class DocumentTests(SyncCase):
    """
    Every document.
    """

    def test_valid(self) -> None:
        """
        reStructuredText that docutils finds nothing to say about.
        """
        for path in DOCUMENTS:
            self.assertEqual(Document(path).problems, [])

    def test_links(self) -> None:
        """
        What a document names as another file of ours exists.
        """
        for path in DOCUMENTS:
            text = path.read_text()
            for name in re.findall(r"<(docs/[^>]+)>", text):
                self.assertTrue((ROOT / name).is_file(), f"{path}: {name}")
            for name in re.findall(
                r"(?<![\w/.])((?:docs|etc|tests|bench|wanderer_twisted)/[\w./-]+\w)",
                text,
            ):
                self.assertTrue((ROOT / name).exists(), f"{path}: {name}")

    def test_modules(self) -> None:
        """
        What a document names as a module of the package, in code type, is one; a name
        behind ``::`` is in it.
        """
        for path in DOCUMENTS:
            for name, inner in re.findall(
                r"``([a-z_]+(?:/[a-z_0-9]+)*\.py)(?:::(\w+))?``", path.read_text()
            ):
                file = next(
                    (each for each in (PACKAGE / name, ROOT / name) if each.exists()),
                    None,
                )
                self.assertIsNotNone(file, f"{path}: {name}")
                if inner and file is not None:
                    pattern = rf"\b(def|class) {inner}\b|^{inner}\b"
                    found = re.search(pattern, file.read_text(), re.MULTILINE)
                    self.assertTrue(found, f"{path}: {name}::{inner}")


class NamesTests(SyncCase):
    """
    docs/protocol.rst has every name that the code has, and no other.
    """

    def same(self, title: str, code: set[str]) -> None:
        said = PROTOCOL.names(title)
        self.assertEqual(sorted(said), sorted(code))

    def test_routes(self) -> None:
        """
        Routes.
        """
        names = {"<text>": "{id}", "<name>": "{name}"}
        routes = {
            f"{method} {re.sub('<.+?>', lambda found: names[found[0]], rule.rule)}"
            for room in (Api, Lookups, Coverage, StatusRoom, Page, Description)
            for rule in room.app.url_map.iter_rules()
            for method in (rule.methods or set()) & {"GET", "POST"}
        }
        said = [literals(row[0])[0] for row in PROTOCOL.rows("Routes")]
        self.assertEqual(sorted(said), sorted(routes))

    def test_parameters(self) -> None:
        """
        Parameters of a stream.
        """
        self.same("Parameters", {*given.KNOWN, given.TOKEN, "_"})

    def test_events(self) -> None:
        """
        Events: each has its section and an example.
        """
        code = {names[0] for _, names in calls("event", folder="stream") if names}
        (section,) = (
            each
            for each in PROTOCOL.tree.findall(nodes.section)
            if each.next_node(nodes.title).astext() == "Events"
        )
        sections = {
            each.next_node(nodes.title).astext()
            for each in section.findall(nodes.section)
            if each is not section
        }
        self.assertEqual(sections, code)
        self.assertEqual({event.name for event in examples()}, code)

    def test_gaps(self) -> None:
        """
        Reasons of a gap.
        """
        self.same("Reasons of a gap", set(get_args(events.GapReason)))

    def test_warnings(self) -> None:
        """
        Types of warnings.
        """
        code = {args[0] for _, args in calls("warning", "warn") if args}
        self.same("Warnings", code)
        self.assertEqual({*WARNINGS}, code)

    def test_errors_in_a_stream(self) -> None:
        """
        Types of errors in a stream: those of refusals, and those that end one.
        """
        refusals = {
            next(each for each in args if isinstance(each, str))
            for _, args in calls("_refusal", folder="web")
        }
        ends = {
            args[0] for _, args in calls("end") if args and isinstance(args[0], str)
        }
        ends |= {*ENDS}
        self.same("Errors in a stream", ends | refusals)
        self.assertEqual({*STREAM_ERRORS}, ends | refusals)

    def test_error_types(self) -> None:
        """
        Types of errors, with their status and domain.
        """
        code = {
            (args[2], args[0], args[1])
            for _, args in calls("ApiError", folder="web")
            if len(args) > 2
        }
        code |= {
            (args[1], args[0], "server")
            for _, args in calls("_refusal", folder="web")
            if isinstance(args[0], int)
        }
        code |= {
            ("connection_limit", 429, "server"),
            ("connection_limit", 503, "server"),
        }
        code |= {(each, 401, "auth") for each in ENDS}
        said = {
            (literals(row[0])[0], int(status), literals(row[2])[0])
            for row in PROTOCOL.rows("Error types")
            for status in row[1].astext().split(", ")
        }
        self.assertEqual(said, code)
        described = {(each.type, each.status, each.domain) for each in API_ERRORS}
        self.assertEqual(described, code)

    def test_states(self) -> None:
        """
        States of a feed, here and for the operator.
        """
        states = set(get_args(records.FeedState))
        text = PROTOCOL.path.read_text()
        for state in states:
            self.assertIn(f"``{state}``", text)
        self.assertEqual(set(OPERATIONS.names("States of a feed")), states)

    def test_reload(self) -> None:
        """
        What can change without a restart.
        """
        self.assertEqual(set(OPERATIONS.names("What can change")), CHANGEABLE)

    def test_tokens(self) -> None:
        """
        The file of tokens that is shown is one.
        """
        (block,) = (each for each in OPERATIONS.blocks() if each.startswith("tokens:"))
        path = Path(self.mktemp())
        path.write_text(block)
        _, token = load_tokens(str(path))
        self.assertIsNotNone(token.expires_at)
        limits = set(structs.asdict(token.limits))
        text = " ".join(OPERATIONS.path.read_text().split())
        for name in limits:
            self.assertIn(name, block)
        self.assertIn(f"At most {MOST_TOKENS:,} are read", text)
        self.assertIn(f"(the last {MOST_REMOVED:,})", text)

    def test_reasons(self) -> None:
        """
        Why streams end, for the operator.
        """
        closings = [*calls("close", folder="stream"), *calls("end")]
        given = {args[0] for _, args in closings if args and isinstance(args[0], str)}
        said = OPERATIONS.names("Reasons of a stream's end")
        self.assertEqual({*said}, given | {*ENDS})

    def test_names_of_participants(self) -> None:
        """
        The keys under which names are sent.
        """
        said = PROTOCOL.names("Keys")
        for row in PROTOCOL.rows("Keys"):
            said += literals(row[1])
        for name in (*PARTICIPANT_NAMES, *PARTICIPANT_NAMES.values()):
            self.assertIn(name, said)


class LookupTests(LookupCase):
    """
    Look-ups and coverage are as docs/protocol.rst says.
    """

    def test_parameters(self) -> None:
        """
        Parameters, and their limits.
        """
        self.assertEqual(PROTOCOL.names("Parameters of a look-up"), [*OF_A_LIST])
        text = " ".join(PROTOCOL.path.read_text().split())
        hours = 24 * Settings().history.max_days
        self.assertIn(f"look back, 1 to {hours}; 24 if you don't say", text)
        self.assertIn("one page may have, 1 to 1000; 50 if you don't say", text)
        systems = Settings().limits.system_ids
        self.assertIn(f"``system_ids``, at most {systems} different ones", text)
        self.assertIn(f"The newest {MOST_HOLES} parts of a live feed", text)

    def test_answers(self) -> None:
        """
        Each body shown has the keys of a real one.
        """
        body = b'{"system_ids":[30000142,30002187]}'
        for row in PROTOCOL.rows("Answers to look-ups"):
            (shown,) = literals(row[1])
            said = loads(shown.replace(_LEFT_OUT, "[]").encode())
            for path in literals(row[0]):
                target = path.replace("{id}", "30000142")
                ours = self.post(target, body) if "{" not in path else self.get(target)
                self.assertEqual(_shape(loads(ours.body)), _shape(said))

    def test_coverage(self) -> None:
        """
        The coverage shown has the keys of a real one, all of them told of.
        """
        hole = Hole("r2z2", 1, 1, 1.0, 2.0)
        self.successResultOf(self.store.commit(Change(holes=[hole])))
        ours = loads(self.get("/api/v1/coverage").body)
        (block,) = (each for each in PROTOCOL.blocks() if '"listed_at"' in each)
        said = loads(block.replace(",…]", "]").encode())
        self.assertEqual(_shape(said), _shape(ours))
        keys = {*said["data"]} - {"timestamp"}
        for part in ("days", "holes"):
            inner = said["data"][part][0]
            self.assertEqual(list(inner), list(ours["data"][part][0]))
            keys |= {*inner}
        told = PROTOCOL.names("Keys of coverage")
        told += literals(PROTOCOL.rows("Keys of coverage")[2][1])
        # The rest is told with a feed_gap, or by its name.
        self.assertEqual(keys - {*told}, {"day", "since", "until", "source"})


class MessagesTests(SyncCase):
    """
    Refusals say what docs/protocol.rst says.
    """

    def test_parameters(self) -> None:
        """
        Each query in the table gets its message.
        """
        rows = PROTOCOL.rows("Refused parameters")
        self.assertGreater(len(rows), 15)
        for row in rows:
            (query,), (message,) = literals(row[0]), literals(row[1])
            query = query.replace("2,…,", ",".join(map(str, range(2, 101))) + ",")
            rules = Rules(character_preload="disabled" not in message)
            error = self.assertRaises(ApiError, rules.read, query.encode(), NOW)
            self.assertEqual((error.status, error.type), (400, "invalid_format"))
            self.assertEqual(error.message, message)

    def test_bodies(self) -> None:
        """
        So does each body.
        """
        for row in PROTOCOL.rows("Refused bodies"):
            (body,), (message,) = literals(row[0]), literals(row[1])
            many = ",".join(map(str, range(2, 10_001))) + ","
            client = Public().post(
                "/api/v1/kills/stream", body.replace("2,…,", many).encode()
            )
            self.assertEqual(client.response.status, 400)
            self.assertEqual(loads(client.response.body)["error"]["message"], message)

    def test_moments(self) -> None:
        """
        Each moment in the table is one.
        """
        values = PROTOCOL.names("Moments")
        self.assertGreater(len(values), 7)
        for value in values:
            self.assertIsNotNone(read_moment(value, NOW), value)

    def test_envelope(self) -> None:
        """
        The example of the envelope is what its query gets.
        """
        (block,) = (each for each in PROTOCOL.blocks() if each.startswith('{"error"'))
        error = self.assertRaises(ApiError, Rules().read, b"character_id=1", NOW)
        self.assertEqual(block, error.body().decode())

    def test_limits(self) -> None:
        """
        The limits that it names are the defaults.
        """
        text = " ".join(PROTOCOL.path.read_text().split())
        limits = Settings().limits
        self.assertIn(
            f"has its number of streams ({limits.connections_per_address})", text
        )
        self.assertIn(f"the server has ({limits.connections:,})", text)
        self.assertIn(
            f"- {limits.connections_per_address} streams from one address (an IPv6 /64"
            f" counts as one), {limits.character_ids} each of characters, corporations,"
            f" alliances and systems a stream; by ``POST`` {limits.post_ids:,} ids of"
            " all kinds together",
            text,
        )
        self.assertIn(f"at most {MAX_BODY_BYTES // 1024} KiB (413)", text)
        self.assertIn(f"- Over {MAX_BODY_BYTES // 1024} KiB", text)
        self.assertIn(f"({Settings().retention.days} days, unless", text)


class ExamplesTests(SyncCase):
    """
    The events that docs/protocol.rst shows.
    """

    def test_cursors(self) -> None:
        """
        Each ``id`` is a cursor as the server makes them, and absent where it should be.
        """
        for event in examples():
            if event.id:
                decode(event.id)
            before_gap = event.name == "connected" and event.data["mode"] == "realtime"
            self.assertEqual(not event.id, before_gap or event.name == "error", event)
        self.assertRaises(BadCursor, decode, "x")

    def test_keys(self) -> None:
        """
        They have the keys that the server's events have, in their order.
        """
        now = 1.0
        hole = Hole("r2z2", 1, 1, now, now)
        status = FeedStatus("r2z2", "live", "", now)
        block = events.feed_block(status, now)
        filters = events.filters(Filter(), 0, None)
        made = [
            events.connected(filters, "", "realtime", False, 1, now),
            events.batch([], 1, 1),
            events.transition(0, Report(0, 0, None), now),
            events.heartbeat("realtime", block, now),
            events.feed_gap(hole, now),
            events.gap("expired", "x", now),
            events.error("draining", "", 1, now),
        ]
        ours = {
            each.name: each
            for data in made
            for each in EventSource().feed(data.plain + b"\n")
        }
        for example in examples():
            if example.name != "killmail":
                ours_is = ours[example.name]
                self.assertEqual(_shape(example.data), _shape(ours_is.data))
                self.assertEqual(example.retry is None, ours_is.retry is None)

    def test_killmail(self) -> None:
        """
        The killmail shown has every key that the table tells of, but for rare ones.
        """
        (killmail,) = (each.data for each in examples() if each.name == "killmail")
        said = set(PROTOCOL.names("Keys"))
        self.assertEqual(said - set(killmail), {"moon_id", "war_id"})
        self.assertEqual(set(killmail) - said, set())
        self.assertEqual(list(killmail)[-1], "victim")

    def test_json(self) -> None:
        """
        Every block that begins as a JSON object is one, in every document.
        """
        count = 0
        for path in DOCUMENTS:
            for block in Document(path).blocks():
                for line in block.splitlines():
                    if line.startswith('{"') and "…" not in line:
                        loads(line.encode())
                        count += 1
        self.assertGreater(count, 1)


def _shape(data: Any) -> Any:
    """
    The keys of a document, in their order, down to where values begin.
    """
    if isinstance(data, dict):
        return [(key, _shape(value)) for key, value in data.items()]
    return None
