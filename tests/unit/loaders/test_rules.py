"""The rules that input is checked with are those of the documentation, and nothing is reported under any other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import loaders
from loaders.rules import RULES, about
from schemas.explain import WORDS

ROOT = Path(__file__).parents[3]


def test_the_documentation_lists_every_rule_with_its_severity_and_meaning() -> None:
    text = (ROOT / "docs" / "curating.md").read_text("utf-8")
    told = re.findall(r"^\| `([a-z-]+)` \| (error|warning) \| (.+) \|$", text, re.MULTILINE)
    assert told == [(id, rule.severity.value, rule.meaning) for id, rule in RULES.items()]


def test_what_the_schema_finds_is_the_rule_of_the_form() -> None:
    assert {about(f"schema-{word}") for word in WORDS} == {RULES["schema"]}


def rules_in(source: str) -> Iterator[str]:
    """Every text in a module that is written where a rule's id belongs."""
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        place, before = {"problem": (0, ""), "Problem": (3, ""), "_problem": (1, ""), "_unusable": (2, "vcf-")}.get(
            name, (None, "")
        )
        if place is not None and len(call.args) > place:
            rule = call.args[place]
            if isinstance(rule, ast.Constant) and isinstance(rule.value, str):
                yield before + rule.value


def test_no_problem_is_reported_under_a_rule_that_is_not_listed() -> None:
    (folder,) = loaders.__path__
    found = {rule for path in Path(folder).glob("*.py") for rule in rules_in(path.read_text("utf-8"))}
    assert len(found) > 20
    assert found - RULES.keys() == set()
