"""Conditions of visas: alternatives of clauses, and patterns that take no longer than they must."""

from __future__ import annotations

import fnmatch
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.auth.conditions import MAX_CLAUSES, like, needed
from beacon.model.access import Person, Visa


def visa(type_: str = "AffiliationAndRole", value: str = "faculty@example.org", by: str | None = "so") -> Visa:
    return Visa(type_, value, "https://example.org", by, Person("https://login.example", "rosa"), 0, 100)


HELD = [visa(), visa("ResearcherStatus", "https://doi.org/1", None), visa("LinkedIdentities", "1,a;2,b;3,c")]
ROLE: dict[str, Any] = {"type": "AffiliationAndRole", "value": "const:faculty@example.org"}
STATUS: dict[str, Any] = {"type": "ResearcherStatus", "value": "pattern:https://doi.org/?"}
NEVER: dict[str, Any] = {"type": "AffiliationAndRole", "value": "const:student@example.org"}


@pytest.mark.parametrize(
    "conditions",
    [
        None, [], [[ROLE]], [[ROLE, STATUS]], [[NEVER], [ROLE]], [[NEVER, ROLE], [STATUS, ROLE]],
        [[{"type": "AffiliationAndRole", "value": "pattern:*@example.org", "by": "const:so"}]],
        [[{"type": "AffiliationAndRole", "source": "pattern:https://*.org"}]],
        [[{"type": "LinkedIdentities", "value": "split_pattern:2,?"}]],
    ],
)  # fmt: skip
def test_conditions_that_other_visas_meet(conditions: object) -> None:
    assert needed(conditions, HELD) is not None


@pytest.mark.parametrize(
    "conditions",
    [
        [[NEVER]], [[ROLE, NEVER]], [[]], [[], [ROLE]], {}, "x", 7, [ROLE], [[7]], [["x"]], [[None]],
        [[{"type": "AffiliationAndRole"}]],
        [[{"value": "const:faculty@example.org"}]],
        [[ROLE | {"conditions": "const:x"}]], [[ROLE | {"asserted": "const:0"}]], [[ROLE | {"other": "const:x"}]],
        [[ROLE | {"value": "faculty@example.org"}]], [[ROLE | {"value": "regex:.*"}]], [[ROLE | {"value": "CONST:x"}]],
        [[ROLE | {"value": 7}]], [[ROLE | {"type": 7}]], [[ROLE | {"type": "const:AffiliationAndRole"}]],
        [[ROLE | {"by": "const:dac"}]],
        [[{"type": "ResearcherStatus", "by": "pattern:*"}]],
        [[{"type": "LinkedIdentities", "value": "pattern:2,?"}]],
        [[{"type": "LinkedIdentities", "value": "split_pattern:a;2"}]],
        [[ROLE] * (MAX_CLAUSES + 1)],
    ],
)  # fmt: skip
def test_conditions_that_are_not_met_or_cannot_be_read(conditions: object) -> None:
    assert needed(conditions, HELD) is None


def test_all_members_of_a_clause_are_about_one_visa() -> None:
    held = [visa(value="a@x", by="so"), visa(value="b@x", by="self")]
    assert needed([[{"type": "AffiliationAndRole", "value": "const:a@x", "by": "const:self"}]], held) is None


TEXTS = st.text("ab?*;[]!\n", max_size=12)


@given(TEXTS, TEXTS)
def test_patterns_match_as_the_standard_says(pattern: str, text: str) -> None:
    # The module fnmatch has character classes too; brackets are ordinary characters here.
    plain = pattern.replace("[", "[[]")
    assert like(pattern, text) is bool(re.match(fnmatch.translate(plain), text))


def test_no_pattern_takes_long() -> None:
    text = "a" * 4_000
    begun = time.process_time()
    assert not like("*a" * 120 + "b", text)
    assert not like("*" * 250 + "b", text)
    assert not like("a*" * 127 + "b", text)
    assert time.process_time() - begun < 2
