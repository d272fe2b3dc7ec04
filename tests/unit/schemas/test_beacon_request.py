"""The schema of Beacon requests."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from schemas import validator
from tests.unit.schemas.documents import REQUEST, changed, without

CHECK = validator("beacon_request")
PARAMETERS = validator("request_parameters")


def _pointers(document: Any) -> list[str]:
    problems = CHECK.errors(document)
    assert CHECK.is_valid(document) == (not problems)
    return [problem.pointer for problem in problems]


def test_a_full_request_is_accepted() -> None:
    assert _pointers(REQUEST) == []


@pytest.mark.parametrize("document", [{}, {"meta": {}}, {"query": {}}, {"meta": {"apiVersion": "v2.2.0"}}])
def test_everything_may_be_left_out(document: Any) -> None:
    assert _pointers(document) == []


def test_unknown_members_are_tolerated_as_in_the_standard() -> None:
    assert (
        _pointers({"extra": 1, "meta": {"x": None}, "query": {"y": [], "filters": [{"id": "a", "label": "b"}]}}) == []
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), []),
        (("meta",), "v2"),
        (("meta", "apiVersion"), 2.0),
        (("meta", "requestedSchemas"), {"entityType": "x"}),
        (("meta", "requestedSchemas"), ["x"]),
        (("query",), []),
        (("query", "requestedGranularity"), "aggregated"),
        (("query", "requestedGranularity"), "Boolean"),
        (("query", "includeResultsetResponses"), "hit"),
        (("query", "testMode"), "true"),
        (("query", "testMode"), 1),
        (("query", "pagination"), [0, 10]),
        (("query", "pagination", "skip"), -1),
        (("query", "pagination", "skip"), True),
        (("query", "pagination", "skip"), "0"),
        (("query", "pagination", "skip"), 1.5),
        (("query", "pagination", "limit"), -10),
        (("query", "pagination", "limit"), None),
        (("query", "pagination", "limit"), 2**31),
        (("query", "pagination", "limit"), 10**40),
        (("query", "pagination", "currentPage"), 3),
        (("query", "filters"), "HP:0001250"),
        (("query", "filters"), {"id": "HP:0001250"}),
        (("query", "filters"), None),
        (("query", "filters"), [{"id": "a"}] * 257),
        (("query", "filters", 0), "HP:0001250"),
        (("query", "filters", 0, "id"), ""),
        (("query", "filters", 0, "id"), ["HP:0001250"]),
        (("query", "filters", 0, "id"), "x" * 1001),
        (("query", "filters", 0, "includeDescendantTerms"), "false"),
        (("query", "filters", 0, "similarity"), "very"),
        (("query", "filters", 0, "scope"), 1),
        (("query", "filters", 1, "excluded"), "true"),
        (("query", "filters", 2, "operator"), "~"),
        (("query", "filters", 2, "value"), True),
        (("query", "filters", 2, "value"), ["P3Y"]),
        (("query", "requestParameters"), []),
        (("query", "requestParameters", "g_variant"), []),
        (("query", "requestParameters", "g_variant", "referenceName"), 7),
        (("query", "requestParameters", "g_variant", "start"), [-1]),
        (("query", "requestParameters", "g_variant", "start"), []),
        (("query", "requestParameters", "g_variant", "start"), [1, 2, 3]),
        (("query", "requestParameters", "g_variant", "start"), "100"),
        (("query", "requestParameters", "g_variant", "start"), True),
        (("query", "requestParameters", "g_variant", "end"), [0]),
        (("query", "requestParameters", "g_variant", "end"), 0),
        (("query", "requestParameters", "g_variant", "alternateBases"), "AXZ"),
        (("query", "requestParameters", "g_variant", "alternateBases"), "A\n"),
        (("query", "requestParameters", "g_variant", "variantMaxLength"), 0),
        (("query", "requestParameters", "g_variant", "geneId"), ""),
        (("query", "requestParameters", "g_variant", "refernceName"), "7"),
        (("query", "requestParameters", "datasets"), {"ids": ["ds1"]}),
        (("query", "requestParameters", "datasets", "datasetIds"), [1]),
        (("query", "requestParameters", "individual"), {"id": "P1"}),
        (("query", "requestParameters", "gvariant"), {"start": 1}),
    ],
)
def test_wrong_types_and_values_are_refused(path: tuple[str | int, ...], value: Any) -> None:
    pointers = _pointers(changed(REQUEST, path, value))
    assert pointers
    assert all(pointer.startswith("".join(f"/{step}" for step in path)) for pointer in pointers)


def test_a_filter_needs_an_id_and_an_operator_needs_a_value() -> None:
    assert _pointers(without(REQUEST, ("query", "filters", 1, "id"))) == ["/query/filters/1/id"]
    assert _pointers(without(REQUEST, ("query", "filters", 2, "value"))) == ["/query/filters/2/value"]
    assert _pointers(without(REQUEST, ("query", "filters", 2, "operator"))) == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"start": 10, "end": 20, "referenceName": "1", "assemblyId": "GRCh38"},
        {"start": [10], "alternateBases": "", "referenceBases": "acgt"},
        {"g_variant": {"geneId": "CFTR"}, "datasets": ["a", "b"]},
        {"datasets": "a"},
        {"datasetIds": ["a"], "geneId": "CFTR"},
        {"datasets": {"datasetIds": "a"}},
        {"individual": {}, "g_variants": {}},
        {},
    ],
)
def test_parameters_may_be_nested_or_flat(parameters: Any) -> None:
    assert _pointers({"query": {"requestParameters": parameters}}) == []
    assert PARAMETERS.errors(parameters) == ()


def test_a_misspelt_parameter_is_named_with_what_was_meant() -> None:
    (problem,) = CHECK.errors({"query": {"requestParameters": {"g_variant": {"refernceName": "7"}}}})
    assert problem.message == "'refernceName' is not known here; perhaps 'referenceName' is meant."


def test_a_filter_as_text_is_told_its_shape() -> None:
    (problem,) = CHECK.errors({"query": {"filters": ["HP:0001250"]}})
    assert problem.message == ('\'HP:0001250\' is a text; expected a filter (an object such as {"id": "HP:0001250"}).')


def test_the_51_expected_queries_are_accepted() -> None:
    given = os.environ.get("SKERRY_SHARED")
    folder = Path(given) if given else Path(__file__).resolve().parents[3].parent / "shared"
    file = folder / "data" / "phenopackets" / "expected_counts.json"
    if not file.exists():
        pytest.skip("needs the shared folder beside the checkout, or SKERRY_SHARED")
    bodies = [
        entry["beacon"] for entry in json.loads(file.read_text())["queries"] if "query" in entry.get("beacon", {})
    ]
    assert bodies
    assert [_pointers(body) for body in bodies if _pointers(body)] == []
