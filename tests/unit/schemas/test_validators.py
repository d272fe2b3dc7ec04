"""What holds for every schema: local references, agreement of the two validators, sentences that help."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

import schemas
from schemas import NAMES, Problem, schema, validator
from schemas.explain import WORDS
from tests.unit.schemas.documents import JSON, PHENOPACKET, REQUEST, damaged

ANNOTATIONS = {"$schema", "$id", "$comment", "$defs", "definitions", "title"}
APPLICATORS = {"$ref", "allOf", "if", "then", "else", "properties", "items"}


def _subschemas(node: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(node, dict):
        return
    yield node
    for keyword, value in node.items():
        if keyword in ("properties", "$defs", "definitions"):
            for inner in value.values():
                yield from _subschemas(inner)
        elif keyword in ("allOf", "anyOf", "oneOf"):
            for inner in value:
                yield from _subschemas(inner)
        elif keyword in ("items", "not", "if", "then", "else", "additionalProperties"):
            yield from _subschemas(value)


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_is_a_valid_schema(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_that_a_schema_uses_has_its_sentence(name: str) -> None:
    used = {keyword for node in _subschemas(schema(name)) for keyword in node}
    assert used - ANNOTATIONS - APPLICATORS <= set(WORDS)


@pytest.mark.parametrize("name", NAMES)
def test_rules_whose_sentence_is_made_from_the_title_have_one(name: str) -> None:
    titled = ("pattern", "minProperties", "maxProperties")
    for node in _subschemas(schema(name)):
        if any(keyword in node for keyword in titled) and "phenopacketSchemaVersion" not in json.dumps(node):
            if node.get("pattern", "").startswith("^[vV]?[01]"):
                continue  # a condition, never an assertion
            assert node.get("title"), node


@pytest.mark.parametrize("name", NAMES)
def test_references_lead_only_to_other_schemas_of_ours(name: str) -> None:
    for node in _subschemas(schema(name)):
        target = node.get("$ref", "#").split("#")[0]
        assert target.removesuffix(".json") in ("", *NAMES)


def test_an_unknown_schema_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="There is no schema 'nonsense'; there are beacon_request"):
        validator("nonsense")


def test_a_validator_is_made_once() -> None:
    assert validator("phenopacket") is validator("phenopacket")


@given(damaged(REQUEST))
@settings(deadline=None)
def test_the_fast_check_and_the_explanation_agree_on_requests(document: Any) -> None:
    check = validator("beacon_request")
    assert check.is_valid(document) == (check.errors(document) == ())


@given(damaged(PHENOPACKET))
@settings(deadline=None)
def test_the_fast_check_and_the_explanation_agree_on_phenopackets(document: Any) -> None:
    check = validator("phenopacket")
    assert check.is_valid(document) == (check.errors(document) == ())


@given(JSON)
@settings(deadline=None)
def test_no_document_makes_a_validator_fail(document: Any) -> None:
    for name in NAMES:
        check = validator(name)
        assert check.is_valid(document) == (check.errors(document) == ())


@given(damaged(REQUEST))
@settings(deadline=None)
def test_every_problem_is_one_sentence_with_a_pointer(document: Any) -> None:
    for problem in validator("beacon_request").errors(document):
        assert problem.pointer == "" or problem.pointer.startswith("/")
        assert problem.message.endswith((".", "?"))
        assert "\n" not in problem.message
        assert len(problem.message) < 1000


def test_without_the_extra_the_reference_validator_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    slow = schemas.validator.__wrapped__("beacon_request")
    assert slow.is_valid(REQUEST)
    assert not slow.is_valid({"query": []})


def test_values_that_are_not_json_or_beyond_reason_are_refused_not_raised() -> None:
    check = validator("phenopacket")
    for document in (float("nan"), {"id": float("inf")}, {1: 2}, {"id": {1, 2}}, 10**400, {"id": 10**400}):
        assert not check.is_valid(document)
        assert check.errors(document)


@pytest.mark.parametrize("name", NAMES)
def test_no_schema_is_recursive(name: str) -> None:
    # A compiled validator that recurses ends the process on a document nested deeply enough.
    def walk(target: str, seen: tuple[str, ...]) -> None:
        assert target not in seen, target
        file, _, pointer = target.partition("#")
        node: Any = schema(file)
        for step in pointer.split("/")[1:]:
            node = node[step]
        bare = node if pointer else {key: value for key, value in node.items() if key not in ("$defs", "definitions")}
        for inner in _subschemas(bare):
            if "$ref" in inner:
                there, _, fragment = inner["$ref"].partition("#")
                walk(f"{there.removesuffix('.json') or file}#{fragment}", (*seen, target))

    walk(f"{name}#", ())


def test_deep_nesting_is_refused_not_raised() -> None:
    nested: Any = {}
    for _ in range(5_000):
        nested = {"type": "VariationSet", "members": [nested]}
    assert not validator("vrs13").is_valid(nested)
    assert validator("vrs13").errors(nested)
    document = PHENOPACKET | {"subject": nested}
    assert not validator("phenopacket").is_valid(document)
    assert validator("phenopacket").errors(document)


def test_pointers_escape_as_rfc_6901_says() -> None:
    document = {"query": {"requestParameters": {"a/b~c": 1}}}
    assert [problem.pointer for problem in validator("beacon_request").errors(document)] == [
        "/query/requestParameters/a~1b~0c"
    ]


def test_long_values_are_shown_in_part() -> None:
    (problem,) = validator("beacon_request").errors({"query": {"requestedGranularity": "x" * 10_000}})
    assert len(problem.message) < 200
    assert problem.value == "x" * 10_000
    assert "xxx" in problem.message
    assert len(repr(problem)) < 400


def test_the_number_of_problems_is_limited() -> None:
    document: Any = {"query": {"filters": [{}] * 200}}
    assert len(validator("beacon_request").errors(document)) == 50
    assert len(validator("beacon_request").errors(document, limit=3)) == 3


def test_problems_come_in_the_order_of_the_document() -> None:
    document = {"query": {"filters": [{"id": n} for n in range(12)]}}
    found = [problem.pointer for problem in validator("beacon_request").errors(document)]
    assert found == [f"/query/filters/{n}/id" for n in range(12)]


def test_a_problem_is_a_value() -> None:
    assert Problem("/a", "b", "type", 1) == Problem("/a", "b", "type", 1)
