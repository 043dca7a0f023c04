"""
The files in etc/ for Prometheus and Grafana name only what there is.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import promql_parser
import yaml
from prometheus_client import Metric
from promql_parser import AggregateExpr, BinaryExpr, VectorSelector
from twisted.logger import LogLevel

from tests.support.server import ServerCase
from tests.test_docs import OPERATIONS, ROOT, literals
from wanderer_twisted.records import FeedState

#: What Prometheus itself tells of what it scrapes, and the labels that it adds to all.
_PROMETHEUS = {"up"}
_ADDED = {"job", "instance"}

_LEVELS = {level.name for level in LogLevel.iterconstants()}

#: Metrics whose labels have values that are known.
_VALUES = {
    "wanderer_streams": {"state": {"following", "replaying", "historical"}},
    "wanderer_feed_state": {"state": {*get_args(FeedState)}},
    "wanderer_upstream_circuit": {"state": {"closed", "open", "half-open"}},
    "wanderer_log_events_total": {"level": _LEVELS},
}

_ALERTS = ROOT / "etc" / "alerts.yml"
_DASHBOARD = ROOT / "etc" / "grafana-dashboard.json"


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(_ALERTS.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_DASHBOARD.read_text())["panels"]
    return found


def queries() -> list[str]:
    """
    All expressions of the dashboard, Grafana's variables filled in.
    """
    found = [
        target["expr"] for panel in panels() for target in panel.get("targets", ())
    ]
    return [each.replace("$__rate_interval", "1m") for each in found]


def parts(expression: Any) -> Iterator[Any]:
    """
    An expression and all inside it.
    """
    yield expression
    for name in ("lhs", "rhs", "expr", "args", "vector_selector"):
        inner = getattr(expression, name, None)
        for each in inner if isinstance(inner, list) else [inner]:
            if each is not None:
                yield from parts(each)


class EtcCase(ServerCase):
    """
    A scrape in which every metric has its labels.
    """

    def setUp(self) -> None:
        super().setUp()
        server = self.server
        server.hub.closings["gone"] += 1
        server.hub.frames["killmail"] += 1
        server.hub.bytes["killmail"] += 1
        server.front.api.refused["draining"] += 1
        server.front.site.responses[200] += 1
        server.client.upstreams["r2z2"].requests["200"] += 1
        self.open()
        for feed in server.feeds:
            status = feed.status()
            now = self.clock.seconds()
            told = type(status)("r2z2", "live", "378501337", now, now)
            self.patch(feed, "status", lambda told=told: told)
        self.samples = dict(self.labels(self.scrape()))

    def labels(self, scrape: Mapping[str, Metric]) -> Iterator[tuple[str, set[str]]]:
        """
        The name of each sample, with its labels.
        """
        for family in scrape.values():
            self.assertNotEqual(family.samples, [], family.name)
            for sample in family.samples:
                yield sample.name, {*sample.labels} | _ADDED

    def check(self, text: str) -> set[str]:
        """
        An expression is one of PromQL, and names what there is.

        :returns: the metrics that it names.
        """
        names: set[str] = set()
        labels: set[str] = set()
        for part in parts(promql_parser.parse(text)):
            if isinstance(part, VectorSelector):
                names.add(part.name or "")
        for name in names - _PROMETHEUS:
            self.assertIn(name, self.samples, text)
            labels |= self.samples[name]
        for part in parts(promql_parser.parse(text)):
            if isinstance(part, VectorSelector) and part.name in self.samples:
                self.check_matchers(part, text)
            for name in _grouped(part):
                self.assertIn(name, labels, text)
        return names

    def check_matchers(self, part: VectorSelector, text: str) -> None:
        metric = part.name or ""
        for matcher in part.matchers.matchers:
            self.assertIn(matcher.name, self.samples[metric], text)
            known = _VALUES.get(metric, {}).get(matcher.name)
            if known is not None:
                self.assertLessEqual({*matcher.value.split("|")}, known, text)


def _grouped(part: Any) -> list[str]:
    if isinstance(part, AggregateExpr) and part.modifier is not None:
        return list(part.modifier.labels)
    if isinstance(part, BinaryExpr) and part.modifier is not None:
        matching = part.modifier.matching
        return list(matching.labels) if matching is not None else []
    return []


class AlertsTests(EtcCase):
    """
    etc/alerts.yml.
    """

    def test_expressions(self) -> None:
        """
        Each names metrics and labels that there are.
        """
        self.assertGreater(len(rules()), 12)
        for rule in rules():
            self.check(rule["expr"])

    def test_wrong_ones_are_found(self) -> None:
        """
        The check finds what it is there for.
        """
        for wrong in (
            "wanderer_stream",
            "rate(wanderer_streams_refused[5m])",
            'wanderer_streams{stat="following"}',
            'wanderer_streams{state="follow"}',
            "sum by (reasons) (wanderer_streams_refused_total)",
            "wanderer_streams_limit > on (state) wanderer_streams_limit",
        ):
            self.assertRaises(self.failureException, self.check, wrong)
        self.assertRaises(ValueError, self.check, "sum(wanderer_streams")

    def test_told(self) -> None:
        """
        Each says what it is and how bad, and where one reads on.
        """
        names = [rule["alert"] for rule in rules()]
        self.assertEqual(len(names), len({*names}))
        for rule in rules():
            self.assertRegex(rule["alert"], "^Wanderer[A-Z][A-Za-z]+$")
            self.assertIn(rule["labels"]["severity"], ("warning", "critical"))
            notes = rule["annotations"]
            self.assertEqual({*notes}, {"summary", "description", "runbook"})
            self.assertTrue(notes["description"].endswith("."), rule["alert"])
            for label in re.findall(r"\$labels\.(\w+)", str(notes)):
                self.assertIn(label, rule["expr"] + str(self.labels_of(rule)))

    def labels_of(self, rule: Mapping[str, Any]) -> set[str]:
        found: set[str] = set()
        return found.union(*(self.samples[each] for each in self.check(rule["expr"])))

    def test_runbook(self) -> None:
        """
        Each has its place in docs/operations.rst, and nothing else has.
        """
        for rule in rules():
            document, _, anchor = rule["annotations"]["runbook"].partition("#")
            self.assertEqual(ROOT / document, OPERATIONS.path)
            self.assertIn(anchor, OPERATIONS.tree.ids)
            self.assertEqual(anchor, rule["alert"].lower())
        told = [row[0].astext() for row in OPERATIONS.rows("Alerts")]
        self.assertEqual(told, [rule["alert"] for rule in rules()])


class DashboardTests(EtcCase):
    """
    etc/grafana-dashboard.json.
    """

    def test_expressions(self) -> None:
        """
        Each names metrics and labels that there are; so do the texts of legends.
        """
        self.assertGreater(len(queries()), 40)
        for query in queries():
            self.check(query)
        for panel in panels():
            for target in panel.get("targets", ()):
                for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                    names = self.check(target["expr"].replace("$__rate_interval", "1m"))
                    labels = set().union(*(self.samples[each] for each in names))
                    self.assertIn(label, labels, target)

    def test_variables(self) -> None:
        """
        What can be chosen comes from a metric that there is.
        """
        dashboard = json.loads(_DASHBOARD.read_text())
        for variable in dashboard["templating"]["list"]:
            for name in re.findall(r"wanderer_\w+", variable["query"]):
                self.assertIn(name, self.samples)

    def test_panels(self) -> None:
        """
        Each has an id and a place of its own.
        """
        ids = [panel["id"] for panel in panels()]
        self.assertEqual(len(ids), len({*ids}))
        taken: set[tuple[int, int]] = set()
        for panel in panels():
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            self.assertEqual(taken & cells, set(), panel["title"])
            self.assertLessEqual(place["x"] + place["w"], 24)
            taken |= cells


class DocumentTests(EtcCase):
    """
    docs/operations.rst.
    """

    def test_metrics(self) -> None:
        """
        It tells of every metric, with its labels and in the words of the scrape, and of
        no other.
        """
        told = {}
        for row in OPERATIONS.rows("Metrics"):
            (name,) = literals(row[0])
            told[name] = {*literals(row[1])}, row[2].astext()
        ours = {}
        for family in self.scrape().values():
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = {label for each in family.samples for label in each.labels}
            ours[name] = labels - {"le"}, family.documentation
        self.assertEqual(told, ours)
