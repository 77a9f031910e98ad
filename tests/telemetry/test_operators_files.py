"""Grafana's dashboard and the alert rules name metrics and labels that exist; the page about metrics names them all."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pointsman.telemetry import RequestMetrics, gauges
from pointsman.telemetry.series import Family

ROOT = Path(__file__).parents[2]
FAMILIES = (*(each.family for each in RequestMetrics().families()), *gauges.FAMILIES)
NAME = re.compile(r"\bpointsman_\w+")
QUOTED = re.compile(r'"[^"]*"')
GROUPED = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
MATCHED = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
LEGEND = re.compile(r"{{\s*(?:\$labels\.)?(\w+)\s*}}")


def samples(family: Family) -> dict[str, set[str]]:
    """The labels of each name that a query may use for it."""
    labels = set(family.labels)
    if family.type != "histogram":
        return {family.name: labels}
    return {f"{family.name}_bucket": labels | {"le"}, f"{family.name}_sum": labels, f"{family.name}_count": labels}


KNOWN = {name: labels for family in FAMILIES for name, labels in samples(family).items()}


def grafana_queries() -> Iterator[tuple[str, str]]:
    """Each query, with the text that shows its labels."""
    board = json.loads((ROOT / "deploy" / "grafana.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield target["expr"], target["legendFormat"]


def alert_rules() -> list[dict[str, Any]]:
    groups = YAML(typ="safe", pure=True).load(ROOT / "deploy" / "alerts.yml")["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alert_queries() -> Iterator[tuple[str, str]]:
    for rule in alert_rules():
        yield rule["expr"], " ".join(rule["annotations"].values())


QUERIES = [*grafana_queries(), *alert_queries()]


def wrong_names(query: str, shown: str) -> list[str]:
    """Metrics and labels that a query names, and that do not exist."""
    names = NAME.findall(QUOTED.sub('""', query))
    known = set().union(*(KNOWN.get(name, set()) for name in names))
    grouped = [label.strip() for labels in GROUPED.findall(query) for label in labels.split(",")]
    used = {*grouped, *MATCHED.findall(query), *LEGEND.findall(shown)}
    return [*(name for name in names if name not in KNOWN), *sorted(used - known)]


@pytest.mark.parametrize(("query", "shown"), QUERIES, ids=lambda text: text[:60])
def test_a_query_names_what_exists(query: str, shown: str) -> None:
    assert NAME.search(query)
    assert wrong_names(query, shown) == []
    assert query.count("(") == query.count(")")
    assert query.count("{") == query.count("}")


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("rate(pointsman_gone_total[5m])", ["pointsman_gone_total"]),
        ("pointsman_first_content_seconds", ["pointsman_first_content_seconds"]),
        ("sum by (session) (pointsman_sessions)", ["session"]),
        ('pointsman_cooldowns{model="m"}', ["model"]),
    ],
)
def test_wrong_names_are_found(query: str, wrong: list[str]) -> None:
    assert wrong_names(query, "") == wrong


def test_every_metric_is_shown_or_documented() -> None:
    used = {name for query, _ in QUERIES for name in NAME.findall(query)}
    assert [family.name for family in FAMILIES if not used & samples(family).keys()] == []


def test_a_rule_says_how_grave_it_is_and_what_it_means() -> None:
    rules = alert_rules()
    assert len({rule["alert"] for rule in rules}) == len(rules) > 5
    assert {rule["labels"]["severity"] for rule in rules} <= {"critical", "warning", "info"}
    assert all(rule["annotations"]["summary"].strip() for rule in rules)


def test_the_page_about_metrics_has_each_metric_with_its_labels() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `pointsman_")]
    assert {re.findall(r"`([^`]+)`", row)[0] for row in rows} == {
        f"{family.name}{{{','.join(family.labels)}}}" if family.labels else family.name for family in FAMILIES
    }
