"""Code scanning and pull requests: SARIF as its 2.1.0 schema wants it, annotations as GitHub reads them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlparse

import pytest

from doctor.diagnose import Diagnosis
from doctor.model import Finding, Location, Remedy, Severity
from doctor.report import Report, render

KEYS = {
    "log": {"$schema", "version", "runs"},
    "run": {"tool", "columnKind", "invocations", "results", "originalUriBaseIds"},
    "driver": {"name", "version", "rules"},
    "rule": {"id", "shortDescription", "help", "helpUri", "defaultConfiguration", "properties"},
    "result": {"ruleId", "ruleIndex", "level", "message", "locations", "fixes"},
    "physicalLocation": {"artifactLocation", "region"},
    "artifactLocation": {"uri", "uriBaseId"},
    "region": {"startLine", "startColumn", "endColumn"},
    "invocation": {"executionSuccessful", "toolExecutionNotifications"},
    "notification": {"level", "message"},
}
"""The properties of the 2.1.0 schema that are written; it allows no others."""


def check(kind: str, value: dict[str, Any], *required: str) -> None:
    assert set(value) <= KEYS[kind] and set(required) <= set(value), (kind, value)


@pytest.mark.parametrize("state", ["sick", "well"])
def test_sarif_is_what_the_schema_wants(state: str, request: pytest.FixtureRequest) -> None:
    log = json.loads(render(request.getfixturevalue(state), "sarif"))
    check("log", log, "version", "runs")
    assert log["version"] == "2.1.0" and urlparse(log["$schema"]).scheme == "https"
    (run,) = log["runs"]
    check("run", run, "tool")
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
    driver = run["tool"]["driver"]
    check("driver", driver, "name")
    for rule in driver["rules"]:
        check("rule", rule, "id")
        assert rule["shortDescription"]["text"] and rule["defaultConfiguration"]["level"] in (
            "error",
            "warning",
            "note",
        )
    for invocation in run["invocations"]:
        check("invocation", invocation, "executionSuccessful")
        for notification in invocation["toolExecutionNotifications"]:
            check("notification", notification, "message")
    for result in run["results"]:
        check("result", result, "message")
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        for location in result.get("locations", ()):
            place = location["physicalLocation"]
            check("physicalLocation", place, "artifactLocation")
            check("artifactLocation", place["artifactLocation"], "uri")
            assert re.fullmatch(r"[\w.~!$&'()*+,;=:@%/-]+", place["artifactLocation"]["uri"])
            check("region", place.get("region", {}))
            assert all(number >= 1 for number in place.get("region", {}).values())


def test_every_base_of_an_address_is_given(sick: Report) -> None:
    run = json.loads(render(sick, "sarif"))["runs"][0]
    text = json.dumps(run["results"])
    assert set(re.findall(r'"uriBaseId": "(\w+)"', text)) <= set(run["originalUriBaseIds"])
    assert all(base["uri"].endswith("/") for base in run["originalUriBaseIds"].values())


def test_an_edit_is_a_fix(sick: Report) -> None:
    where = Location(f"{sick.facts.directory}/run it.sh", 4, 7)
    remedy = Remedy("edit", "write `eval_strategy`", "eval_strategy", safe=True)
    found = Finding("old", remedy, where, replaces="evaluation_strategy", severity=Severity.ERROR, id="removed-flag")
    report = replace(sick, diagnosis=Diagnosis((found,), ()))
    (result,) = json.loads(render(report, "sarif"))["runs"][0]["results"]
    (change,) = result["fixes"][0]["artifactChanges"]
    assert change["artifactLocation"]["uri"] == "run%20it.sh"
    assert change["replacements"][0]["deletedRegion"] == {"startLine": 4, "startColumn": 7, "endColumn": 26}
    assert "::error title=removed-flag,file=run it.sh,line=4,col=7::old%0A" in render(report, "github")


def test_annotations_stay_on_one_line_each(sick: Report) -> None:
    where = Location("/a,b:c.py", 1, 1)
    found = Finding("50% of\nit", Remedy("advice", "do"), where, severity=Severity.HINT, id="x")
    text = render(replace(sick, diagnosis=Diagnosis((found,), ())), "github")
    assert text.splitlines()[0] == "::notice title=x,file=/a%2Cb%3Ac.py,line=1,col=1::50%25 of\\nit%0Ado"


def test_counts(sick: Report) -> None:
    first = render(sick, "statistics").splitlines()[0].split()
    assert first[:4] == ["3", "3", "fixable", "removed-attribute"]
