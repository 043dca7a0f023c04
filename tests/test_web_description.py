"""
The documents that describe the API, held against what it does.
"""

from itertools import chain
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator  # type: ignore[import-untyped]
from openapi_spec_validator import OpenAPIV31SpecValidator
from twisted.internet.testing import MemoryReactorClock
from twisted.web.http import RESPONSES

from tests.support.cases import SyncCase
from tests.support.lookups import CHARACTER, SYSTEM, LookupCase
from tests.support.schemas import problems
from tests.support.web import NOW, PublicCase
from wanderer_twisted.assembly import Server
from wanderer_twisted.config import Settings
from wanderer_twisted.encoding import dumps, loads
from wanderer_twisted.killmail import decode, encode, nameable_ids
from wanderer_twisted.partition import Filter
from wanderer_twisted.records import ArchivedDay, Change, FeedStatus, Hole, Report
from wanderer_twisted.simulator.data import read_shipped
from wanderer_twisted.stream import events
from wanderer_twisted.web import given, selection
from wanderer_twisted.web.description.asyncapi import asyncapi
from wanderer_twisted.web.description.errors import ERRORS, name_of
from wanderer_twisted.web.description.events import EVENTS
from wanderer_twisted.web.description.examples import (
    BODIES,
    data_of,
    frames,
    text_of_a_stream,
)
from wanderer_twisted.web.description.openapi import openapi
from wanderer_twisted.web.errors import ApiError
from wanderer_twisted.web.parameters import Rules

ASYNCAPI = Path(__file__).parent / "data" / "asyncapi" / "3.0.0.json"

STREAM = "/api/v1/kills/stream"


def parameters(document: Any, path: str) -> dict[str, Any]:
    """
    Of the query of its GET, by name.
    """
    told = document["paths"][path]["get"]["parameters"]
    return {each["name"]: each for each in told if each["in"] == "query"}


class ValidTests(SyncCase):
    """
    Both are what they say they are.
    """

    def test_openapi(self) -> None:
        """
        OpenAPI 3.1, examples and all.
        """
        document = openapi(Rules())
        self.assertEqual(list(OpenAPIV31SpecValidator(document).iter_errors()), [])
        del document["paths"]["/ping"]["get"]["responses"]["200"]["description"]
        self.assertNotEqual(list(OpenAPIV31SpecValidator(document).iter_errors()), [])

    def test_asyncapi(self) -> None:
        """
        AsyncAPI 3.0.
        """
        validator = Draft7Validator(loads(ASYNCAPI.read_bytes()))
        document = asyncapi(Rules())
        self.assertEqual(list(validator.iter_errors(document)), [])
        document["components"]["messages"]["batch"]["payload"] = "Batch"
        self.assertNotEqual(list(validator.iter_errors(document)), [])

    def test_references(self) -> None:
        """
        Each leads somewhere, and every schema is led to.
        """
        for document in (openapi(Rules()), asyncapi(Rules())):
            found = set(references(document))
            for each in found:
                part = document
                for name in each.removeprefix("#/").split("/"):
                    part = part[name]
            schemas = {
                f"#/components/schemas/{name}"
                for name in document["components"]["schemas"]
            }
            self.assertEqual(schemas - found, set())

    def test_names(self) -> None:
        """
        No two operations are called the same.
        """
        ids = [
            operation["operationId"]
            for path in openapi(Rules())["paths"].values()
            for operation in path.values()
        ]
        self.assertEqual(len(ids), len(set(ids)))


def references(document: Any) -> list[str]:
    if isinstance(document, list):
        return [*chain.from_iterable(map(references, document))]
    if not isinstance(document, dict):
        return []
    inner = chain.from_iterable(map(references, document.values()))
    return [document["$ref"]] if "$ref" in document else [*inner]


class ServedTests(PublicCase):
    """
    ``/api/openapi`` and ``/api/asyncapi``.
    """

    def test_documents(self) -> None:
        """
        Anybody's page may read them, under the limits in force.
        """
        rules = Rules(max_days=7, character_ids=3)
        public = self.public(rules=rules)
        for path, document in (
            ("/api/openapi", openapi(rules)),
            ("/api/asyncapi", asyncapi(rules)),
        ):
            response = public.ask(path).response
            self.assertEqual(response.status, 200)
            self.assertEqual(response.headers["Content-Type"], "application/json")
            self.assertEqual(response.headers["Access-Control-Allow-Origin"], "*")
            self.assertEqual(response.body, dumps(document))

    def test_tag(self) -> None:
        """
        Who has one already is told no more than that.
        """
        public = self.public()
        for path in ("/api/openapi", "/api/asyncapi"):
            tag = public.ask(path).response.headers["ETag"]
            response = public.ask(path, f"If-None-Match: {tag}").response
            self.assertEqual((response.status, response.body), (304, b""))
            self.assertEqual(response.headers["ETag"], tag)
            other = self.public(rules=Rules(max_days=7))
            response = other.ask(path, f"If-None-Match: {tag}").response
            self.assertEqual(response.status, 200)

    def test_methods(self) -> None:
        """
        HEAD gets the headers, OPTIONS the methods.
        """
        public = self.public()
        for path in ("/api/openapi", "/api/asyncapi"):
            length = public.ask(path).response.headers["Content-Length"]
            raw = public.ask(path, method="HEAD").raw
            self.assertIn(f"\r\nContent-Length: {length}\r\n".encode(), raw)
            response = public.ask(path, method="OPTIONS").response
            self.assertEqual(response.headers["Allow"], "GET, HEAD, OPTIONS")


class RoutesTests(SyncCase):
    """
    Every route is described, and nothing else.
    """

    def setUp(self) -> None:
        reactor = MemoryReactorClock()
        server = Server(Settings(database="sqlite::memory:"), reactor)
        server.listeners[0].privilegedStartService()
        site: Any = reactor.tcpServers[0][1]
        self.routes: dict[str, set[str]] = {}
        for app in site.resource.apps:
            for rule in app.url_map.iter_rules():
                path = rule.rule.replace("<text>", "{id}").replace("<name>", "{name}")
                self.routes.setdefault(path, set()).update(rule.methods or ())

    def test_described(self) -> None:
        """
        A route or method without an entry in ``web/description/operations.py``, and an
        entry without a route.
        """
        described = {
            f"{method.upper()} {path}"
            for path, operations in openapi(Rules())["paths"].items()
            for method in operations
        }
        routes = {
            f"{method} {path}"
            for path, methods in self.routes.items()
            for method in methods - {"HEAD", "OPTIONS"}
        }
        self.assertEqual(routes - described, set(), "not described")
        self.assertEqual(described - routes, set(), "no such route")

    def test_what_goes_without_saying(self) -> None:
        """
        Each path takes OPTIONS, and HEAD with GET.
        """
        for path, methods in self.routes.items():
            self.assertIn("OPTIONS", methods, path)
            self.assertEqual("GET" in methods, "HEAD" in methods, path)


class ParametersTests(SyncCase):
    """
    Parameters are those that the code checks.
    """

    def test_told(self) -> None:
        """
        Each says what it does.
        """
        for table in (given.PARAMETERS, selection.PARAMETERS):
            for name, parameter in table.items():
                self.assertEqual(parameter.name, name)
                self.assertGreater(len(parameter.about), 10, name)

    def test_names(self) -> None:
        """
        All are there, and no others.
        """
        document = openapi(Rules())
        self.assertEqual(list(parameters(document, STREAM)), [*given.KNOWN])
        body = document["components"]["schemas"]["StreamRequest"]["properties"]
        self.assertEqual(list(body), [*given.KNOWN])
        self.assertEqual(
            list(parameters(document, "/api/v1/kills/system/{id}")),
            [*selection.OF_A_LIST],
        )
        self.assertEqual(
            list(parameters(document, "/api/v1/kills/count/{id}")),
            [*selection.OF_A_COUNT],
        )
        body = document["components"]["schemas"]["SystemsRequest"]["properties"]
        self.assertEqual(list(body), [*selection.OF_SYSTEMS])

    def test_limits(self) -> None:
        """
        They are the operator's.
        """
        rules = Rules(character_ids=3, post_ids=5, max_days=7, system_ids=4)
        document = openapi(rules)
        told = parameters(document, STREAM)
        self.assertEqual(told["character_ids"]["schema"]["maxItems"], 3)
        self.assertIn("At most 7 days", told["preload_days"]["description"])
        schemas = document["components"]["schemas"]
        posted = schemas["StreamRequest"]["properties"]["alliance_ids"]
        self.assertEqual(posted["maxItems"], 5)
        systems = schemas["SystemsRequest"]["properties"]["system_ids"]
        self.assertEqual((systems["minItems"], systems["maxItems"]), (1, 4))
        hours = parameters(document, "/api/v1/kills/count/{id}")["since_hours"]
        self.assertEqual(hours["schema"]["maximum"], 7 * 24)

    def test_what_is_disabled(self) -> None:
        """
        A server without the past has no parameters for it.
        """
        rules = Rules(character_preload=False)
        names = {*parameters(openapi(rules), STREAM)}
        self.assertEqual({*given.KNOWN} - names, {"preload_days", "since"})
        (query,) = (
            each["bindings"]["http"]["query"]["properties"]
            for each in asyncapi(rules)["operations"].values()
            if each["bindings"]["http"]["method"] == "GET"
        )
        self.assertEqual({*query}, names)

    def test_bounds(self) -> None:
        """
        What is told to be the least and the most is taken; what is beyond is not.
        """
        rules = Rules()
        for name, told in parameters(openapi(rules), STREAM).items():
            schema = told["schema"].get("items", told["schema"])
            for bound, beyond in (("minimum", -1), ("maximum", 1)):
                if bound in schema:
                    ids = "" if name.endswith("_ids") else "character_ids=1&"
                    query = f"{ids}{name}={schema[bound]}"
                    rules.read(query.encode(), NOW)
                    query = f"{ids}{name}={schema[bound] + beyond}"
                    self.assertRaises(ApiError, rules.read, query.encode(), NOW)

    def test_bounds_of_look_ups(self) -> None:
        """
        Those of look-ups likewise, and what counts where nothing is said.
        """

        def read(query: str) -> selection.Selection:
            return selection.read_selection(
                query.encode(), selection.OF_A_LIST, NOW, Rules().max_days
            )

        told = parameters(openapi(Rules()), "/api/v1/kills/system/{id}")
        for name in ("since_hours", "limit"):
            schema = told[name]["schema"]
            self.assertEqual(read(""), read(f"{name}={schema['default']}"))
            for bound, beyond in (("minimum", -1), ("maximum", 1)):
                read(f"{name}={schema[bound]}")
                self.assertRaises(ApiError, read, f"{name}={schema[bound] + beyond}")


class ErrorsTests(SyncCase):
    """
    What is answered instead.
    """

    def test_envelope(self) -> None:
        """
        Each error has the shape of all.
        """
        for error in ERRORS:
            self.assertEqual(problems("Error", loads(error.body())), [], error.type)

    def test_names(self) -> None:
        """
        Each status is a response, called as HTTP calls it.
        """
        responses = openapi(Rules())["components"]["responses"]
        self.assertEqual({*responses}, {name_of(error.status) for error in ERRORS})
        self.assertEqual(name_of(404), RESPONSES[404].decode().replace(" ", ""))
        self.assertNotIn("Retry-After", str(responses["BadRequest"]))
        self.assertIn("Retry-After", responses["ServiceUnavailable"]["headers"])


class AnswersTests(LookupCase):
    """
    Answers are as they are described, and have no key more.
    """

    def setUp(self) -> None:
        super().setUp()
        for number in range(1, 4):
            self.add(number, victim=CHARACTER, system=SYSTEM, items=2)

    def check(self, schema: str, target: str, status: int = 200) -> None:
        response = self.get(target)
        self.assertEqual(response.status, status)
        self.assertEqual(problems(schema, loads(response.body)), [])

    def test_look_ups(self) -> None:
        """
        Of one id and of several, with and without more pages.
        """
        for kind, id in (("character", CHARACTER), ("system", SYSTEM)):
            for query in ("", "?limit=2"):
                self.check("Kills", f"/api/v1/kills/{kind}/{id}{query}")
        self.check("Kills", f"/api/v1/kills/cached/{SYSTEM}")
        self.check("CountOfKills", f"/api/v1/kills/count/{SYSTEM}")
        for limit in (b"1", b"9"):
            body = b'{"system_ids":[%d,1],"limit":%b}' % (SYSTEM, limit)
            response = self.post("/api/v1/kills/systems", body)
            self.assertEqual(problems("KillsOfSystems", loads(response.body)), [])

    def test_coverage(self) -> None:
        """
        With days and holes, in which a list may be lacking.
        """
        hole = Hole("r2z2", 1, 1, NOW - 9, NOW)
        day = ArchivedDay(int(NOW) // 86400 - 1, expected=3, have=3, listed_at=NOW)
        self.successResultOf(self.store.commit(Change(holes=[hole], days=[day])))
        self.check("CoverageAnswer", "/api/v1/coverage")

    def test_dry_runs(self) -> None:
        """
        With a history and without.
        """
        for past in ("", "&preload_days=9", "&since=36h"):
            query = f"character_ids={CHARACTER}&dry_run=1{past}"
            self.check("DryRun", f"{STREAM}?{query}")

    def test_bodies(self) -> None:
        """
        The bodies shown are as described, and taken.
        """
        for name, path in (
            ("StreamRequest", STREAM),
            ("SystemsRequest", "/api/v1/kills/systems"),
        ):
            self.assertEqual(problems(name, BODIES[name]), [])
            response = self.post(path, dumps(BODIES[name]))
            self.assertEqual(response.status, 200)

    def test_errors(self) -> None:
        """
        A real one of either kind.
        """
        self.check("Error", f"{STREAM}?x=1", 400)
        self.store.close()
        self.check("Error", f"/api/v1/kills/system/{SYSTEM}", 503)


class EventsTests(SyncCase):
    """
    Events are as they are described, and have no key more.
    """

    def check(self, frame: Any) -> None:
        (event,) = (each for each in EVENTS if each.name == frame.name)
        self.assertEqual(problems(event.schema, data_of(frame)), [], frame.name)

    def test_examples(self) -> None:
        """
        There is one of each event, by the code that makes them, shown in its message.
        """
        made = {frame.name: frame for frame in frames()}
        self.assertEqual([*made], [each.name for each in EVENTS])
        messages = asyncapi(Rules())["components"]["messages"]
        for name, frame in made.items():
            self.check(frame)
            (example,) = messages[name]["examples"]
            self.assertEqual(example["payload"], data_of(frame))
        self.assertIn("event: connected\n", text_of_a_stream())

    def test_what_may_be_absent(self) -> None:
        """
        Events that have less to say.
        """
        wanted = events.filters(Filter(min_value=1.5), 0, int(NOW))
        quiet = events.feed_block(FeedStatus("r2z2", "starting"), NOW)
        self.check(events.connected(wanted, "", "realtime", True, 1, NOW))
        self.check(events.heartbeat("historical", None, NOW))
        self.check(events.heartbeat("realtime", quiet, NOW))
        self.check(events.transition(0, Report(1, 1, None), NOW))
        self.check(events.warning("draining", "", NOW, 1))
        self.check(events.batch([], 1, 1))

    def test_killmails(self) -> None:
        """
        Real ones, with and without names and items.
        """
        bodies = []
        for template in read_shipped().templates[::20]:
            killmail = decode(loads(template.body), loads(template.zkb))
            names = {id: f"Name {id}" for id in nameable_ids(killmail)}
            for known, with_items in ((names, True), ({}, False)):
                body = encode(killmail, known).json(with_items)
                self.assertEqual(problems("Killmail", loads(body)), [])
                bodies.append(body)
        self.assertGreater(len(bodies), 100)
        self.check(events.batch(bodies[:50], 1, 2))

    def test_what_is_wrong(self) -> None:
        """
        A killmail that lacks something, or has what nobody told of, is none.
        """
        killmail = next(data_of(each) for each in frames() if each.name == "killmail")
        self.assertEqual(problems("Killmail", killmail), [])
        self.assertNotEqual(problems("Killmail", {**killmail, "more": 1}), [])
        del killmail["victim"]
        self.assertNotEqual(problems("Killmail", killmail), [])
