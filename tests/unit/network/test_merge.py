"""Joining: never a false no, never a number that is not there, and the truth always inside the interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.errors import (
    CannotAnswer,
    Forbidden,
    NetworkError,
    NotFound,
    QueryTimeout,
    SkerryError,
    Unauthenticated,
    UnknownFilter,
)
from beacon.model import variant
from beacon.model.access import Granularity
from beacon.model.query import Include, Pagination, Query
from network.merge import Inconclusive, join, join_terms
from network.outcomes import (
    CANNOT_ANSWER,
    DENIED,
    HIT,
    INVALID,
    KINDS,
    NO_HIT,
    NOTHING,
    OVERSIZED,
    TIMEOUT,
    UNREACHABLE,
    WITHHELD,
    Bounds,
    Finding,
    Kind,
    Outcome,
    Reply,
    Verdict,
    classify,
)
from network.reading import entries, filtering_terms

COUNT = Query("individual", granularity=Granularity.COUNT, include=Include.ALL)
FINDINGS = {
    HIT: Finding(True, Bounds(3, 3), Granularity.COUNT),
    NO_HIT: Finding(False, NOTHING, Granularity.COUNT),
    WITHHELD: Finding(False, Bounds(0, 4), Granularity.COUNT),
}


def outcome(kind: Kind, peer: str = "a", code: str = "") -> Outcome:
    return Outcome(peer, Verdict(kind, "So.", FINDINGS.get(kind, Finding()), code), 1)


def outcomes(*kinds: Kind) -> list[Outcome]:
    return [outcome(kind, f"peer{number}") for number, kind in enumerate(kinds)]


def test_one_yes_is_a_yes_whatever_became_of_the_others() -> None:
    joined = join(COUNT, outcomes(HIT, TIMEOUT, INVALID, DENIED, WITHHELD))
    assert joined.exists
    assert joined.summary == {"exists": True, "numTotalResults": 3, "countPrecision": "imprecise"}
    assert joined.info["interval"] == [3, None]
    assert (joined.info["answered"], joined.info["asked"]) == (2, 5)
    assert [row["outcome"] for row in joined.info["outcomes"]] == ["hit", "timeout", "invalid", "denied", "withheld"]
    assert [row["beaconId"] for row in joined.sets] == ["peer0", "peer4"]


def test_all_said_no_is_a_no() -> None:
    joined = join(COUNT, outcomes(NO_HIT, NO_HIT))
    assert joined.summary == {"exists": False, "numTotalResults": 0, "countPrecision": "exact"}


@pytest.mark.parametrize(
    ("kinds", "error", "status", "code"),
    [
        ((NO_HIT, TIMEOUT), QueryTimeout, 504, "network_timeout"),
        ((TIMEOUT, TIMEOUT), QueryTimeout, 504, "network_timeout"),
        ((TIMEOUT, DENIED, WITHHELD), QueryTimeout, 504, "network_timeout"),
        ((TIMEOUT, UNREACHABLE), NetworkError, 502, "network_failed"),
        ((NO_HIT, INVALID), NetworkError, 502, "network_failed"),
        ((OVERSIZED,), NetworkError, 502, "network_failed"),
        ((NO_HIT, WITHHELD), Inconclusive, 502, "network_inconclusive"),
        ((WITHHELD, WITHHELD), Inconclusive, 502, "network_inconclusive"),
        ((NO_HIT, DENIED), Inconclusive, 502, "network_inconclusive"),
        ((NO_HIT, CANNOT_ANSWER), Inconclusive, 502, "network_inconclusive"),
        ((CANNOT_ANSWER, CANNOT_ANSWER), CannotAnswer, 400, "cannot_answer"),
        ((DENIED, DENIED), Unauthenticated, 401, "unauthenticated"),
    ],
)
def test_where_nobody_said_yes_and_not_all_said_no_the_answer_is_an_error(
    kinds: tuple[Kind, ...], error: type[SkerryError], status: int, code: str
) -> None:
    with pytest.raises(error) as raised:
        join(COUNT, outcomes(*kinds))
    assert (raised.value.status, raised.value.code) == (status, code)


def test_a_person_whom_all_deny_is_forbidden_and_an_unknown_filter_is_named() -> None:
    with pytest.raises(Forbidden):
        join(COUNT, outcomes(DENIED, DENIED), anonymous=False)
    unknown = [outcome(CANNOT_ANSWER, "a", "unknown_filter"), outcome(CANNOT_ANSWER, "b", "unknown_filter")]
    with pytest.raises(UnknownFilter, match="a: So"):
        join(COUNT, unknown)


def test_a_record_that_nobody_knows_is_not_found_as_at_a_site() -> None:
    with pytest.raises(NotFound):
        join(COUNT, [outcome(NO_HIT, "a", "not_found"), outcome(NO_HIT, "b", "not_found")])
    assert not join(COUNT, [outcome(NO_HIT, "a", "not_found"), outcome(NO_HIT, "b")]).exists


def here(kinds: Iterable[Kind]) -> set[Kind]:
    """Those that count here: what is asked by another way is answered there."""
    return {kind for kind in kinds if not kind.elsewhere}


@given(st.lists(st.sampled_from(list(KINDS.values())), min_size=1, max_size=8), st.booleans())
def test_no_is_said_only_when_every_member_said_no(kinds: list[Kind], anonymous: bool) -> None:
    try:
        joined = join(COUNT, outcomes(*kinds), anonymous=anonymous)
    except SkerryError as problem:
        assert HIT not in kinds
        assert here(kinds) != {NO_HIT}
        assert 400 <= problem.status < 600
    else:
        assert joined.exists == (HIT in kinds)
        assert joined.exists or here(kinds) == {NO_HIT}
        assert len(joined.info["outcomes"]) == len(kinds)


@pytest.mark.parametrize(
    ("include", "shown"),
    [(Include.ALL, ["peer0", "peer1"]), (Include.HIT, ["peer0"]), (Include.MISS, ["peer1"]), (Include.NONE, [])],
)
def test_the_asker_chooses_which_result_sets_are_listed(include: Include, shown: list[str]) -> None:
    joined = join(replace(COUNT, include=include), outcomes(HIT, NO_HIT))
    assert [row["beaconId"] for row in joined.sets] == shown
    assert joined.summary["numTotalResults"] == 3


# Random cohorts split over sites and datasets, each released in its own way, and the truth beside them.

MODES = ("record", "count", "boolean", "withheld", "failed")
ALLELES = [
    variant.from_vcf("GRCh38", "1", 100 + n // 3, "ACGT"[n % 4], "CGTA"[n % 4] + "T" * (n % 3)) for n in range(12)
]
SPLIT = st.lists(
    st.tuples(st.sampled_from(MODES), st.lists(st.sets(st.integers(0, 11), max_size=6), min_size=1, max_size=3)),
    min_size=1,
    max_size=7,
)


def record(entry_type: str, number: int) -> dict[str, Any]:
    if entry_type == "genomicVariant":
        return {"variantInternalId": ALLELES[number].id, "variation": variant.variation(ALLELES[number])}
    return {"id": f"P{number}"}


def site_answer(query: Query, mode: str, datasets: list[set[int]], page: int) -> dict[str, Any]:
    """What a Skerry site says that holds these records."""
    returned = min(
        query.granularity, Granularity.parse(mode) if mode in {"record", "count", "boolean"} else query.granularity
    )
    sets = []
    for number, held in enumerate(datasets):
        one: dict[str, Any] = {"id": f"ds{number}", "setType": "dataset", "exists": bool(held), "info": {}}
        if mode == "withheld" and len(held) < 5:
            one |= {"exists": False, "resultsCount": 0, "countPrecision": "imprecise"}
            one["info"] = {"withheld": True, "threshold": 5}
        elif returned >= Granularity.COUNT:
            one["resultsCount"] = len(held)
        if returned is Granularity.RECORD and one["exists"]:
            one["results"] = [record(query.entry_type, n) for n in sorted(held)][:page]
        sets.append(one)
    summary: dict[str, Any] = {"exists": any(one["exists"] for one in sets)}
    if returned >= Granularity.COUNT:
        exact = all("resultsCount" in one and "countPrecision" not in one for one in sets)
        summary |= {"numTotalResults": sum(one.get("resultsCount", 0) for one in sets)}
        summary |= {"countPrecision": "exact" if exact else "imprecise"}
    meta = {"beaconId": "x", "returnedGranularity": returned.label}
    return {"meta": meta, "responseSummary": summary, "response": {"resultSets": sets}}


@given(
    SPLIT,
    st.sampled_from(["individual", "biosample", "genomicVariant"]),
    st.sampled_from([Granularity.BOOLEAN, Granularity.COUNT, Granularity.RECORD]),
    st.sampled_from([3, 100]),
)
def test_the_interval_always_holds_the_truth(
    split: list[tuple[str, list[set[int]]]], entry_type: str, granularity: Granularity, page: int
) -> None:
    query = Query(entry_type, granularity=granularity, pagination=Pagination(0, page), include=Include.ALL)
    asked = []
    for number, (mode, datasets) in enumerate(split):
        if mode == "failed":
            verdict = Verdict(TIMEOUT)
        else:
            verdict = classify(Reply(200, orjson.dumps(site_answer(query, mode, datasets, page))), entries(query))
        asked.append(Outcome(f"peer{number}", verdict))
    every = [held for _, datasets in split for held in datasets]
    distinct = entry_type == "genomicVariant"
    truth = len(set().union(*every)) if distinct else sum(map(len, every))
    try:
        joined = join(query, asked)
    except SkerryError:
        assert any(mode in {"failed", "withheld"} for mode, _ in split)
        return
    assert truth >= joined.exists
    assert joined.bounds.low <= truth
    assert joined.bounds.high is None or truth <= joined.bounds.high
    assert joined.exists or truth == 0
    pairs = [(row["beaconId"], row["id"]) for row in joined.sets]
    assert len(set(pairs)) == len(pairs)
    open_modes = {mode for mode, _ in split} <= {"record", "count"} and granularity >= Granularity.COUNT
    if open_modes and not distinct:
        assert joined.bounds == Bounds(truth, truth)
    read_all = {mode for mode, _ in split} == {"record"} and granularity is Granularity.RECORD and page == 100
    if read_all:
        assert joined.bounds == Bounds(truth, truth)


def test_filtering_terms_are_united_with_who_has_what() -> None:
    def terms(peer: str, *ids: str) -> Outcome:
        rows = [{"id": id, "type": "ontologyTerm", "label": id, "scopes": ["individual"]} for id in ids]
        resource = {"id": "hp", "name": "Human Phenotype Ontology", "version": "1"}
        body = {"meta": {"beaconId": "x"}, "response": {"filteringTerms": rows, "resources": [resource]}}
        return Outcome(peer, classify(Reply(200, orjson.dumps(body)), filtering_terms))

    joined, resources = join_terms([terms("a", "HP:2", "HP:1"), terms("b", "HP:2"), outcome(TIMEOUT, "c")])
    assert [(row["id"], row["beaconIds"]) for row in joined] == [("HP:1", ["a"]), ("HP:2", ["a", "b"])]
    assert resources[0]["beaconIds"] == ["a", "b"]
    with pytest.raises(QueryTimeout):
        join_terms([outcome(TIMEOUT, "c")])


def test_many_values_of_many_members_are_united_each_once() -> None:
    def told(peer: str, first: int) -> Outcome:
        row = {"id": "ethnicity", "type": "alphanumeric", "values": [f"v{n}" for n in range(first, first + 30_000)]}
        body = {"meta": {"beaconId": "x"}, "response": {"filteringTerms": [row, row]}}
        return Outcome(peer, classify(Reply(200, orjson.dumps(body)), filtering_terms))

    (term,), _ = join_terms([told("a", 0), told("b", 15_000)])
    assert term["values"] == [f"v{n}" for n in range(45_000)]
    assert term["beaconIds"] == ["a", "b"]
