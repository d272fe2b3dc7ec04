"""The yardstick itself: the official examples, and documents broken on purpose."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract import official
from tests.contract.official import check, check_answer, check_record

SHARED = official.shared_dir()
pytestmark = pytest.mark.skipif(
    SHARED is None, reason="needs the official schemas: put the shared folder beside the checkout or set SKERRY_SHARED"
)
SPEC = (SHARED or Path()) / "spec" / "beacon-v2"

ENVELOPES = {
    "beaconBooleanResponse-example": ("boolean", False),
    "beaconCollectionsResponse-MID-example": ("collections", False),
    "beaconCollectionsResponse-MIN-example": ("collections", False),
    "beaconConfigurationResponse-example": ("configuration", True),
    "beaconCountResponse-example": ("count", False),
    "beaconEntryTypesResponse-example": ("entry_types", True),
    "beaconErrorResponse_example": ("error", False),
    "beaconFilteringTermsResponse-example": ("filtering_terms", True),
    "beaconInfo-MAX-example": ("info", True),
    "beaconInfo-MIN-example": ("info", True),
    "beaconMapResponse-example": ("map", True),
    "beaconResultsetResponse-MIN-example": ("resultsets", False),
}

ENTRY_TYPES = {
    "analyses": "analysis",
    "biosamples": "biosample",
    "cohorts": "cohort",
    "datasets": "dataset",
    "genomicVariations": "genomicVariant",
    "individuals": "individual",
    "runs": "run",
}

NOT_OF_2_1 = {
    "genomicVariant-MID-example",
    "individual-MID-example",
    "individual-with-pedigree-MID-example",
    "pedigree-example",
}

SUMMARY = {
    "apiVersion": "v2.0",
    "requestedSchemas": [],
    "pagination": {"skip": 0, "limit": 10},
    "requestedGranularity": "record",
}

SERVICE_INFO = {
    "id": "org.example.skerry",
    "name": "A Beacon",
    "type": {"group": "org.ga4gh", "artifact": "beacon", "version": "v2.2.0"},
    "organization": {"name": "A hospital", "url": "https://example.org"},
    "version": "0.1.0",
}


def _answer(granularity: str, **members: Any) -> dict[str, Any]:
    meta = {
        "beaconId": "org.example",
        "apiVersion": "v2.2.0",
        "returnedSchemas": [],
        "returnedGranularity": granularity,
        "receivedRequestSummary": SUMMARY,
    }
    return {"meta": meta, "responseSummary": {"exists": True}, **members}


def _record_answer(*records: Any) -> dict[str, Any]:
    one = {"id": "ds1", "setType": "dataset", "exists": True, "resultsCount": len(records), "results": list(records)}
    return _answer(
        "record",
        responseSummary={"exists": True, "numTotalResults": len(records)},
        response={"resultSets": [one]},
    )


def _count_answer(**summary: Any) -> dict[str, Any]:
    return _answer("count", responseSummary={"exists": True, "numTotalResults": 3, **summary})


INDIVIDUAL = {"id": "P1", "sex": {"id": "NCIT:C16576", "label": "female"}}
VARIANT = {
    "variantInternalId": "v1",
    "variation": {
        "variantType": "SNP",
        "referenceBases": "G",
        "alternateBases": "A",
        "location": {
            "type": "SequenceLocation",
            "sequence_id": "refseq:NC_000001.11",
            "interval": {
                "type": "SequenceInterval",
                "start": {"type": "Number", "value": 10},
                "end": {"type": "Number", "value": 11},
            },
        },
    },
}


@pytest.mark.parametrize(("name", "expected"), ENVELOPES.items())
def test_official_envelopes_are_judged_as_upstream_documents_them(name: str, expected: tuple[str, bool]) -> None:
    kind, fits = expected
    document = json.loads((SPEC / "framework/json/responses/examples-fullDocuments" / f"{name}.json").read_text())
    assert (check(kind, document) == []) is fits


def test_every_official_envelope_example_is_in_the_table() -> None:
    folder = SPEC / "framework/json/responses/examples-fullDocuments"
    assert {path.stem for path in folder.glob("*.json")} == set(ENVELOPES)


@pytest.mark.parametrize("folder", ENTRY_TYPES)
def test_official_records_are_judged_as_upstream_documents_them(folder: str) -> None:
    examples = sorted((SPEC / official.MODEL / folder / "examples").glob("*.json"))
    assert examples
    for path in examples:
        faults = check_record(ENTRY_TYPES[folder], json.loads(path.read_text()))
        assert (faults == []) is (path.stem not in NOT_OF_2_1), (path.stem, faults)


def test_official_requests_validate() -> None:
    for path in (SPEC / "framework/json/requests/examples-fullDocuments").glob("*.json"):
        assert check("request", json.loads(path.read_text())) == []


def test_sound_answers_pass() -> None:
    assert check_answer(_answer("boolean")) == []
    assert check_answer(_count_answer(countPrecision="rounded", countAdjustedTo=[10, "5"])) == []
    assert check_answer(_record_answer(INDIVIDUAL), "individual") == []
    assert check_answer(_record_answer(VARIANT), "genomicVariant") == []
    assert check_answer(_answer("record", response={"collections": [{"id": "d", "name": "D"}]}), "dataset") == []
    error = {"errorCode": 404, "errorMessage": "There is no such path."}
    failed = _answer("boolean", error=error)
    del failed["responseSummary"]
    assert check_answer(failed) == []
    assert check("service_info", SERVICE_INFO) == []


def test_a_result_set_of_2_2_needs_neither_results_nor_a_count() -> None:
    sets = {"resultSets": [{"id": "ds1", "setType": "dataset", "exists": True}]}
    assert check_answer(_answer("boolean", response=sets)) == []


@pytest.mark.parametrize("document", [None, [], {}, "yes", 7, {"ok": True}, {"meta": {}}, {"error": {}}, {"meta": []}])
def test_what_is_no_answer_fails(document: Any) -> None:
    assert check_answer(document, "individual")
    for kind in official.KINDS:
        assert check(kind, document)


def test_unknown_kinds_and_entry_types_are_refused() -> None:
    with pytest.raises(KeyError):
        check("banana", {})
    with pytest.raises(KeyError):
        check_record("individuals", INDIVIDUAL)
    with pytest.raises(KeyError):
        check_answer(_record_answer(INDIVIDUAL), "banana")


def test_an_informational_document_is_no_answer_to_a_query() -> None:
    info = SPEC / "framework/json/responses/examples-fullDocuments/beaconInfo-MIN-example.json"
    assert check_answer(json.loads(info.read_text()))


def test_records_without_an_entry_type_fail() -> None:
    assert check_answer(_record_answer(INDIVIDUAL))


def test_empty_informational_answers_fail() -> None:
    meta = {"beaconId": "b", "apiVersion": "v2.2.0", "returnedSchemas": []}
    assert check("filtering_terms", {"meta": meta, "response": {"filteringTerms": []}}) == []
    assert check("filtering_terms", {"meta": meta, "response": {}})
    assert check("entry_types", {"meta": meta, "response": {"entryTypes": []}})


def _broken(change: Callable[[dict[str, Any]], object], document: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    change(changed)
    return changed


BREAKS: dict[str, tuple[dict[str, Any], str | None, Callable[[dict[str, Any]], object]]] = {
    "exists as text": (_count_answer(), None, lambda d: d["responseSummary"].update(exists="true")),
    "count as text": (_count_answer(), None, lambda d: d["responseSummary"].update(numTotalResults="3")),
    "a negative count": (_count_answer(), None, lambda d: d["responseSummary"].update(numTotalResults=-1)),
    "an unknown precision": (_count_answer(), None, lambda d: d["responseSummary"].update(countPrecision="vague")),
    "an adjustment that is no list": (
        _count_answer(),
        None,
        lambda d: d["responseSummary"].update(countAdjustedTo=10),
    ),
    "a count answer without its count": (_count_answer(), None, lambda d: d["responseSummary"].pop("numTotalResults")),
    "no request summary": (_count_answer(), None, lambda d: d["meta"].pop("receivedRequestSummary")),
    "flat parameters in the summary": (
        _count_answer(),
        None,
        lambda d: d["meta"]["receivedRequestSummary"].update(requestParameters={"start": 1}),
    ),
    "filters as objects in the summary": (
        _count_answer(),
        None,
        lambda d: d["meta"]["receivedRequestSummary"].update(filters=[{"id": "HP:1"}]),
    ),
    "an unknown granularity": (_count_answer(), None, lambda d: d["meta"].update(returnedGranularity="some")),
    "a count in a boolean answer": (_answer("boolean"), None, lambda d: d["responseSummary"].update(numTotalResults=1)),
    "a set's count in a boolean answer": (
        _answer("boolean"),
        None,
        lambda d: d.update(
            response={"resultSets": [{"id": "a", "setType": "dataset", "exists": True, "resultsCount": 1}]}
        ),
    ),
    "records in a count answer": (
        _record_answer(INDIVIDUAL),
        "individual",
        lambda d: d["meta"].update(returnedGranularity="count"),
    ),
    "a record answer without a response": (_record_answer(INDIVIDUAL), "individual", lambda d: d.pop("response")),
    "result sets at the wrong place": (
        _record_answer(INDIVIDUAL),
        "individual",
        lambda d: d.update(resultSets=d.pop("response")["resultSets"]),
    ),
    "a set without a type": (
        _record_answer(INDIVIDUAL),
        "individual",
        lambda d: d["response"]["resultSets"][0].pop("setType"),
    ),
    "a person without a sex": (
        _record_answer(INDIVIDUAL),
        "individual",
        lambda d: d["response"]["resultSets"][0]["results"][0].pop("sex"),
    ),
    "a record of another type": (_record_answer(INDIVIDUAL), "biosample", lambda d: None),
    "a second record that is broken": (
        _record_answer(INDIVIDUAL, INDIVIDUAL),
        "individual",
        lambda d: d["response"]["resultSets"][0]["results"].__setitem__(1, {"id": 5}),
    ),
    "an error code as text": (
        {"meta": _answer("boolean")["meta"], "error": {"errorCode": 400}},
        None,
        lambda d: d["error"].update(errorCode="400"),
    ),
    "results beside an error": (
        {"meta": _answer("boolean")["meta"], "error": {"errorCode": 400}},
        None,
        lambda d: d.update(responseSummary={"exists": True}),
    ),
    "a position as a bare number": (
        _record_answer(VARIANT),
        "genomicVariant",
        lambda d: d["response"]["resultSets"][0]["results"][0]["variation"]["location"]["interval"].update(start=10),
    ),
    "a location without a sequence": (
        _record_answer(VARIANT),
        "genomicVariant",
        lambda d: d["response"]["resultSets"][0]["results"][0]["variation"]["location"].pop("sequence_id"),
    ),
    "a variant without its alternate bases": (
        _record_answer(VARIANT),
        "genomicVariant",
        lambda d: d["response"]["resultSets"][0]["results"][0]["variation"].pop("alternateBases"),
    ),
    "a handover without an address": (
        _answer("boolean"),
        None,
        lambda d: d.update(beaconHandovers=[{"handoverType": {"id": "CUSTOM:x"}, "url": "not an address"}]),
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_answer_is_refused(name: str) -> None:
    document, entry_type, change = BREAKS[name]
    assert check_answer(_broken(change, document), entry_type)


def test_the_answers_that_are_broken_above_were_sound_before() -> None:
    for name, (document, entry_type, _) in BREAKS.items():
        if name != "a record of another type":
            assert check_answer(document, entry_type) == []


def test_formats_of_dates_and_addresses_are_asserted() -> None:
    run = {"id": "r", "biosampleId": "b", "runDate": "2024-02-29"}
    assert check_record("run", run) == []
    assert check_record("run", run | {"runDate": "2023-02-29"})
    assert check_record("run", run | {"runDate": "yesterday"})
    assert check("service_info", SERVICE_INFO | {"createdAt": "2024-01-01"})


def test_the_assertions_show_where_the_fault_lies() -> None:
    official.assert_answer(_answer("boolean"))
    with pytest.raises(AssertionError, match="/responseSummary/exists"):
        official.assert_answer(_answer("boolean", responseSummary={"exists": "no"}))
    official.assert_kind("service_info", SERVICE_INFO)
    with pytest.raises(AssertionError, match="version"):
        official.assert_kind("service_info", {k: v for k, v in SERVICE_INFO.items() if k != "version"})
