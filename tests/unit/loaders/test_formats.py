from __future__ import annotations

import json
from xml.etree import ElementTree

from beacon.commands import load
from loaders.formats import FORMATS
from loaders.report import KEPT, Problem, Report, Severity
from loaders.rules import RULES


def report() -> Report:
    made = Report("cases", outcome="Checked.")
    made.add(Problem("a b.json", 12, "/diseases/0", "term-label", Severity.WARNING, "Odd.", "odd", "Look at it."))
    made.add(Problem("x.vcf", 7, "S2/GT", "vcf-genotype", Severity.ERROR, "No allele \x00 2.", "0/2"))
    made.add(Problem("c.json", None, "/id", "schema-required", Severity.ERROR, "'id' is missing."))
    return made


def test_the_command_offers_every_format() -> None:
    assert tuple(FORMATS) == load.FORMATS


def test_sarif_has_a_result_with_rule_level_file_line_and_pointer_for_each_problem() -> None:
    log = json.loads(FORMATS["sarif"](report()))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert {rule["id"] for rule in rules} == {*RULES, "schema-required"}
    assert [rules[one["ruleIndex"]]["id"] for one in run["results"]] == [one["ruleId"] for one in run["results"]]
    first, second, third = run["results"]
    assert (first["ruleId"], first["level"], first["message"]["text"]) == ("term-label", "warning", "Odd. Look at it.")
    place = first["locations"][0]
    assert place["physicalLocation"] == {"artifactLocation": {"uri": "a%20b.json"}, "region": {"startLine": 12}}
    assert place["logicalLocations"] == [{"fullyQualifiedName": "/diseases/0"}]
    assert (second["level"], second["properties"]["value"]) == ("error", "0/2")
    assert "region" not in third["locations"][0]["physicalLocation"]
    assert run["invocations"][0]["exitCode"] == 1


def test_sarif_says_what_it_left_out() -> None:
    many = Report()
    for _ in range(KEPT + 3):
        many.add(Problem("a.vcf", 1, "POS", "vcf-pos", Severity.ERROR, "No."))
    (run,) = json.loads(FORMATS["sarif"](many))["runs"]
    assert len(run["results"]) == KEPT
    assert "3 more" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


def test_junit_has_a_case_for_each_rule_and_those_fail_that_an_error_broke() -> None:
    root = ElementTree.fromstring(FORMATS["junit"](report()))
    suite = root[0]
    cases = {case.get("name"): case for case in suite}
    assert cases.keys() == {*RULES, "schema-required"}
    assert (suite.get("tests"), suite.get("failures")) == (str(len(cases)), "2")
    assert {name for name, case in cases.items() if case.find("failure") is not None} == {
        "vcf-genotype", "schema-required",
    }  # fmt: skip
    failure = cases["vcf-genotype"].find("failure")
    assert failure is not None
    assert failure.text == "x.vcf:7 S2/GT: No allele \ufffd 2."
    assert cases["term-label"].findtext("system-out") == "a b.json:12 /diseases/0: Odd. Look at it."


def test_json_lines_end_with_the_counts() -> None:
    last = json.loads(FORMATS["jsonl"](report()))
    assert (last["errors"], last["warnings"]) == (2, 1)
    assert "problems" not in last
