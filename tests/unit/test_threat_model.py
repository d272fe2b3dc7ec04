"""Every threat of the threat model names tests, and all of them are there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STRIDE = (
    "Spoofing", "Tampering", "Repudiation", "Information disclosure", "Denial of service", "Elevation of privilege",
)  # fmt: skip
SECTIONS = {
    section.partition("\n")[0]: section
    for section in re.split(r"^## ", (ROOT / "docs" / "threat-model.md").read_text("utf-8"), flags=re.MULTILINE)[1:]
}


def threats(name: str) -> list[list[str]]:
    """Return the cells of each row of a section's table."""
    rows = [line.strip("| \n").split(" | ") for line in SECTIONS[name].splitlines() if line.startswith("| ")]
    return [row for row in rows if row[0] != "Threat" and not row[0].startswith("---")]


@cache
def defined_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("name", STRIDE)
def test_every_threat_names_tests_and_they_exist(name: str) -> None:
    found = threats(name)
    assert len(found) >= 5
    for row in found:
        threat, defence, tests = row
        named = re.findall(r"`([^`]+)::(test_\w+)`", tests)
        assert threat and defence and named, row
        assert " ".join(f"`{path}::{test}`" for path, test in named) == tests, row
        for path, test in named:
            assert test in defined_in(ROOT / path), f"{path}::{test}"


def test_the_operators_duty_is_said() -> None:
    assert len(re.findall(r"^\* \*\*", SECTIONS["The operator's duty"], flags=re.MULTILINE)) >= 5
