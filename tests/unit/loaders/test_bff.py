"""Beacon files with whatever in them: what does not fit is told, kept aside, and never breaks the reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders.bff import check_bff
from loaders.bff_files import entries
from loaders.bff_shapes import DATASET, INDIVIDUAL
from loaders.report import Problem, Severity
from loaders.shapes import Fitter, Misfit

Json = dict[str, Any]
TERM = {"id": "HP:0001250", "label": "Seizure"}
RECORDS: dict[str, Json] = {
    "individuals": {
        "id": "P1", "sex": {"id": "NCIT:C16576"}, "info": {"x": 1},
        "diseases": [{"diseaseCode": TERM, "ageOfOnset": {"iso8601duration": "P3Y"}, "stage": TERM}],
        "measures": [{"assayCode": TERM, "measurementValue": {"unit": TERM, "value": 3}, "date": "2021-09-24"}],
        "exposures": [{"exposureCode": TERM, "ageAtExposure": {"iso8601duration": "P3Y"}, "unit": TERM,
                       "duration": "P1D"}],
    },
    "biosamples": {"id": "S1", "individualId": "P1", "biosampleStatus": TERM, "sampleOriginType": TERM},
    "runs": {"id": "r", "biosampleId": "S1", "runDate": "2021-09-24"},
    "analyses": {"id": "a", "runId": "r", "analysisDate": "2021-09-24", "pipelineName": "p"},
    "cohorts": {"id": "c", "ids": {"individualIds": ["P1"], "biosampleIds": ["S1"]}},
    "targets": {"biosampleIds": ["S1"]},
    "caseLevelData": {"_id": "v", "0": "01"},
    "genomicVariations": {
        "_id": "v", "identifiers": {"genomicHGVSId": "NC_000022.11:g.100A>G"},
        "variation": {
            "variantType": "SNP", "referenceBases": "A", "alternateBases": "G",
            "location": {"sequence_id": "HGVSid:22:g.100A>G",
                         "interval": {"start": {"value": 99}, "end": {"value": 100}}},
        },
        "caseLevelData": [{"biosampleId": "S2", "zygosity": {"id": "GENO:0000135"}}],
        "info": {"skerry": {"calls": {"het": "0", "counted": True}}},
    },
}  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**40) | st.floats(-9, 2**40) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["id", "value", "start", "x", "0"]), inner),
    max_leaves=6,
)  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key) below a value."""
    keys: Any = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    found = [(value, key) for key in keys]
    return found + [place for container, key in list(found) for place in places(container[key])]


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_member_is_replaced_by_whatever_nothing_breaks(data: st.DataObject, tmp_path: Path) -> None:
    records = json.loads(json.dumps(RECORDS))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(records)))
        container[key] = data.draw(ANYTHING)
    for name, body in records.items():
        (tmp_path / f"{name}.json").write_text(json.dumps([body, body] if data.draw(st.booleans()) else [body]))
    report = check_bff([tmp_path])
    assert all(problem.message and problem.rule for problem in report.problems)


@pytest.mark.parametrize(
    ("given_time", "wanted"),
    [
        ({"age": {"iso8601duration": "P3Y"}}, {"iso8601duration": "P3Y"}),
        ({"age": "P3Y"}, {"iso8601duration": "P3Y"}),
        ("P3Y", {"iso8601duration": "P3Y"}),
        ({"ageRange": {"start": {"age": "P1Y"}, "end": "P2Y"}},
         {"start": {"iso8601duration": "P1Y"}, "end": {"iso8601duration": "P2Y"}}),
        ({"weeks": 8.0, "days": 5.0}, {"weeks": 8, "days": 5}),
        ({"ontologyClass": TERM}, TERM),
        ({"days": 5.0}, None),
        ("yesterday", None),
    ],
)  # fmt: skip
def test_old_shapes_of_ages_are_put_right_and_what_is_none_is_kept_aside(given_time: Any, wanted: Any) -> None:
    told: list[str] = []
    fitter = Fitter(lambda pointer, _expected, _value: told.append(pointer))
    record = {"id": "P1", "sex": TERM, "diseases": [{"diseaseCode": TERM, "ageOfOnset": given_time}]}
    (disease,) = (fitted := fitter.fit(INDIVIDUAL, record))["diseases"]
    assert disease.get("ageOfOnset") == wanted
    pointer = "/diseases/0/ageOfOnset"
    assert told == ([] if wanted else [pointer])
    assert fitted.get("info") == (None if wanted else {"bff": {pointer: given_time}})


@pytest.mark.parametrize(
    ("written", "meant"),
    [(True, True), ("true", True), ("TRUE", True), (1, True), (" False ", False), (0, False), (None, None)],
)
def test_a_finding_is_excluded_however_that_is_written(written: Any, meant: bool | None) -> None:
    record = {"id": "P1", "sex": TERM, "phenotypicFeatures": [{"featureType": TERM, "excluded": written}]}
    (feature,) = Fitter(lambda *_: None).fit(INDIVIDUAL, record)["phenotypicFeatures"]
    assert feature == {"featureType": TERM} | ({} if meant is None else {"excluded": meant})


def test_a_negated_finding_is_excluded() -> None:
    record = {"id": "P1", "sex": TERM, "phenotypicFeatures": [{"featureType": TERM, "negated": True}]}
    (feature,) = Fitter(lambda *_: None).fit(INDIVIDUAL, record)["phenotypicFeatures"]
    assert feature["excluded"] is True


@pytest.mark.parametrize("written", ["maybe", 2, [True], {"value": True}, "", 0.5])
@pytest.mark.parametrize(
    ("kind", "member"), [("phenotypicFeatures", "featureType"), ("diseases", "diseaseCode"), ("exposures", None)]
)
def test_what_may_be_absent_is_never_kept_as_present(kind: str, member: str | None, written: Any) -> None:
    told: list[tuple[str, str]] = []
    fitter = Fitter(lambda pointer, expected, _value: told.append((pointer, expected)))
    finding = RECORDS["individuals"]["exposures"][0] if member is None else {member: TERM}
    fitted = fitter.fit(INDIVIDUAL, {"id": "P1", "sex": TERM, kind: [finding | {"excluded": written}]})
    assert fitted[kind] == []
    assert told == [(f"/{kind}/0", "an object whose excluded is true or false")]
    assert fitted["info"]["bff"] == {f"/{kind}/0": finding | {"excluded": written}}


def test_an_excluded_disease_is_not_among_those_that_a_person_has() -> None:
    other = {"id": "OMIM:154700", "label": "Marfan syndrome"}
    diseases = [{"diseaseCode": TERM, "excluded": "True"}, {"diseaseCode": other}]
    fitted = Fitter(lambda *_: None).fit(INDIVIDUAL, {"id": "P1", "sex": TERM, "diseases": diseases, "info": {"x": 1}})
    assert fitted["diseases"] == [{"diseaseCode": other}]
    assert fitted["info"] == {"x": 1, "excludedDiseases": [{"diseaseCode": TERM, "excluded": True}]}


def test_a_condition_of_use_is_not_kept_without_one_of_its_modifiers() -> None:
    use = {"id": "DUO:0000042", "version": "2021-02-23"}
    uses = [use | {"modifiers": [{"id": "DUO:0000045"}, {"label": "not for profit"}]}, use | {"modifiers": [TERM]}]
    fitted = Fitter(lambda *_: None).fit(DATASET, {"id": "d", "name": "D", "dataUseConditions": {"duoDataUse": uses}})
    assert fitted["dataUseConditions"]["duoDataUse"] == uses[1:]


def test_a_record_without_what_the_model_demands_is_a_misfit() -> None:
    with pytest.raises(Misfit, match="id"):
        Fitter(lambda *_: None).fit(INDIVIDUAL, {"sex": TERM})
    assert Fitter(lambda *_: None).fit(INDIVIDUAL, {"id": "P1"})["sex"]["id"] == "NCIT:C17998"


@pytest.mark.parametrize("text", ['[{"id": "a", "id": "b"}]', '[\n{"id": "a", "sex": 1, "sex": 2},\n{"id": "b"}\n]\n'])
def test_a_record_that_says_something_twice_is_not_guessed_at(text: str, tmp_path: Path) -> None:
    (tmp_path / "individuals.json").write_text(text)
    (problem,) = entries(tmp_path / "individuals.json")
    assert isinstance(problem, Problem)
    assert (problem.rule, problem.severity) == ("json-key-repeated", Severity.ERROR)
    assert "twice" in problem.message
