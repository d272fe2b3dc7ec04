"""How a report is written: for people, and in the formats that programs and continuous integration read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from beacon import __version__
from loaders.report import Problem, Report, Severity
from loaders.rules import RULES, about
from loaders.words import counted

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
_NOT_XML = {code: "\ufffd" for code in range(32) if code not in (9, 10, 13)} | {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}
"""Characters that XML 1.0 cannot carry."""


def as_json(report: Report) -> str:
    """Return the whole report as one JSON object."""
    return json.dumps(report.to_json(), default=str)


def json_line(problem: Problem) -> str:
    """Return one problem as a line of JSON."""
    return json.dumps(problem.to_json(), default=str)


def as_json_lines(report: Report) -> str:
    """Return the last line of a report in JSON lines; the problems went before it, each as it was found."""
    return json.dumps({name: value for name, value in report.to_json().items() if name != "problems"}, default=str)


def as_sarif(report: Report) -> str:
    """Return the report in SARIF 2.1.0, which code hosts show beside the files."""
    extra = [rule for _, rule in report.rules if rule not in RULES]
    ids = {rule: index for index, rule in enumerate(dict.fromkeys([*RULES, *extra]))}
    driver = {
        "name": "skerry",
        "version": __version__,
        "rules": [
            {
                "id": rule,
                "shortDescription": {"text": about(rule).meaning},
                "defaultConfiguration": {"level": about(rule).severity.value},
            }
            for rule in ids
        ],
    }
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True, "exitCode": report.exit_code}],
        "results": [_result(problem, ids[problem.rule]) for problem in report.problems],
        "properties": {"outcome": report.outcome, "counts": dict(report.counts)},
    }
    if report.not_kept:
        told = f"Not listed: {counted(report.not_kept, 'more problem')}, counted in the readable report."
        run["invocations"][0]["toolExecutionNotifications"] = [{"level": "warning", "message": {"text": told}}]
    return json.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, default=str)


def _result(problem: Problem, index: int) -> dict[str, Any]:
    place: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": quote(problem.file)}}}
    if problem.line is not None:
        place["physicalLocation"]["region"] = {"startLine": problem.line}
    if problem.pointer:
        place["logicalLocations"] = [{"fullyQualifiedName": problem.pointer}]
    return {
        "ruleId": problem.rule,
        "ruleIndex": index,
        "level": problem.severity.value,
        "message": {"text": " ".join(part for part in (problem.message, problem.hint) if part)},
        "locations": [place],
        "properties": {"value": problem.value},
    }


def as_junit(report: Report) -> str:
    """Return the report as JUnit XML: a test case for each rule, which fails where an error broke it."""
    suite = ElementTree.Element("testsuite", name="skerry check")
    failures = 0
    for rule in dict.fromkeys([*RULES, *(rule for _, rule in report.rules)]):
        case = ElementTree.SubElement(suite, "testcase", classname="skerry.rules", name=rule)
        for severity, element in ((Severity.ERROR, "failure"), (Severity.WARNING, "system-out")):
            if number := report.rules[severity, rule]:
                part = ElementTree.SubElement(case, element)
                part.text = "\n".join(_clean(line) for line in _told(report, severity, rule, number))
                if element == "failure":
                    failures += 1
                    part.set("message", f"{number} x {about(rule).meaning}")
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failures))
    suite.set("errors", "0")
    root = ElementTree.Element("testsuites")
    root.append(suite)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _told(report: Report, severity: Severity, rule: str, number: int) -> Iterator[str]:
    shown = [problem for problem in report.problems if (problem.severity, problem.rule) == (severity, rule)]
    yield from map(str, shown)
    if number > len(shown):
        yield f"... and {number - len(shown):,} more"


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode().translate(_NOT_XML)


FORMATS: Mapping[str, Callable[[Report], str]] = {
    "text": Report.render,
    "json": as_json,
    "jsonl": as_json_lines,
    "sarif": as_sarif,
    "junit": as_junit,
}
"""What ``--format`` takes; of JSON lines all but the last are written while the input is read."""
