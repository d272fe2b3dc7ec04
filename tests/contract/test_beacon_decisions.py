"""The page of decisions covers every ambiguity, and each is held by tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTIONS = re.split(r"^## ", (ROOT / "docs" / "beacon-decisions.md").read_text("utf-8"), flags=re.MULTILINE)[1:]


def test_each_of_the_sixteen_ambiguities_has_a_section() -> None:
    numbers = [match[1] for section in SECTIONS if (match := re.match(r"(\d+)\. ", section))]
    assert numbers == [str(number) for number in range(1, 17)]


@pytest.mark.parametrize("section", SECTIONS, ids=[section.partition("\n")[0] for section in SECTIONS])
def test_each_decision_names_tests_that_exist(section: str) -> None:
    told = re.search(r"^Test: (.+)$", section, re.MULTILINE)
    assert told, "names no test"
    named = re.findall(r"`(test_\w+)`", told[1])
    assert named
    texts = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    for name in named:
        assert any(re.search(rf"def {name}\(", text) for text in texts), name
