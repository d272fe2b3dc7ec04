"""Under which keys and numbers a record is found."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.model.entry_types import ENTRY_TYPES, FieldKind
from beacon.model.indexing import as_number, index_entries

PARENTS = {"HP:3": ("HP:2",), "HP:2": ("HP:1",), "HP:4": ("HP:2", "HP:1")}
FEATURE = "phenotypicFeatures.featureType"
YEAR = 12 * 30.4375


def above(term: str) -> set[str]:
    parents = set(PARENTS.get(term, ()))
    return parents.union(*map(above, parents))


def keys(record: dict[str, Any], kind: str = "individual") -> set[str]:
    return set(index_entries(ENTRY_TYPES[kind], record, above).keys)


def feature(term: str, excluded: bool = False) -> dict[str, Any]:
    return {"featureType": {"id": term}} | ({"excluded": True} if excluded else {})


terms = st.sampled_from(("HP:1", "HP:2", "HP:3", "HP:4"))


@given(st.lists(st.tuples(terms, st.booleans())))
def test_observed_terms_count_for_their_ancestors_and_excluded_ones_only_as_absent(
    said: list[tuple[str, bool]],
) -> None:
    found = keys({"phenotypicFeatures": [feature(term, excluded) for term, excluded in said]})
    observed = {term for term, excluded in said if not excluded}
    absent = {term for term, excluded in said if excluded}
    for name in ("", FEATURE):
        assert {key for key in found if key.startswith(f"{name}=")} == {f"{name}={term}" for term in observed}
        below = observed.union(*map(above, observed))
        assert {key for key in found if key.startswith(f"{name}^")} == {f"{name}^{term}" for term in below}
        assert {key for key in found if key.startswith(f"{name}!")} == {f"{name}!{term}" for term in absent}


def test_what_is_said_of_an_excluded_feature_is_excluded_too() -> None:
    record = {
        "phenotypicFeatures": [
            {
                "featureType": {"id": "HP:3"}, "excluded": True, "severity": {"id": "HP:9"},
                "onset": {"iso8601duration": "P3Y"},
            }
        ]
    }  # fmt: skip
    entries = index_entries(ENTRY_TYPES["individual"], record, above)
    assert set(entries.keys) == {"!HP:3", f"{FEATURE}!HP:3", "!HP:9", "phenotypicFeatures.severity!HP:9"}
    assert entries.numbers == []


def test_a_term_that_is_not_everyday_is_found_with_its_field_alone() -> None:
    found = keys({"measures": [{"assayCode": {"id": "LOINC:1"}, "measurementValue": {"id": "HP:9"}}]})
    assert "measures.measurementValue=HP:9" in found
    assert "=HP:9" not in found
    assert "^HP:9" not in found


def test_severities_and_onsets_are_found_by_their_terms_alone() -> None:
    record = {
        "phenotypicFeatures": [feature("HP:1") | {"severity": {"id": "HP:9"}, "onset": {"id": "HP:8"}}],
        "diseases": [{"diseaseCode": {"id": "OMIM:1"}, "ageOfOnset": {"id": "HP:7"}}],
    }
    assert {"=HP:9", "=HP:8", "=HP:7", "^HP:7"} <= keys(record)


def test_every_onset_of_several_diseases_is_a_number_in_days() -> None:
    record = {
        "diseases": [
            {"diseaseCode": {"id": "OMIM:1"}, "ageOfOnset": {"iso8601duration": "P1Y"}},
            {"diseaseCode": {"id": "OMIM:2"}, "ageOfOnset": {"iso8601duration": "P6M"}},
            {"diseaseCode": {"id": "OMIM:3"}, "ageOfOnset": {"id": "HP:0003577", "label": "Congenital onset"}},
        ]
    }
    entries = index_entries(ENTRY_TYPES["individual"], record, above)
    onset = "diseases.ageOfOnset.iso8601duration"
    assert entries.numbers == [(onset, YEAR), (onset, YEAR / 2)]
    assert "diseases.ageOfOnset=HP:0003577" in entries.keys
    assert entries.keys["diseases.ageOfOnset=HP:0003577"] == "Congenital onset"


def test_named_fields_are_taken_from_where_they_lie() -> None:
    record = {
        "info": {"vitalStatus": {"status": "DECEASED"}, "timeAtLastEncounter": {"iso8601duration": "P40Y"}},
        "vitalStatus": "never looked at",
    }
    entries = index_entries(ENTRY_TYPES["individual"], record, above)
    assert set(entries.keys) == {"vitalStatus=DECEASED"}
    assert entries.numbers == [("ageAtLastEncounter", 40 * YEAR)]


json = st.recursive(
    st.sampled_from((None, True, False, 0, 1.5, "", "x", "HP:1", "P3Y")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("id", "label", "excluded", "featureType", "iso8601duration", "x")), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(("sex", "phenotypicFeatures", "diseases", "info", "measures")), json))
def test_values_of_any_wrong_shape_are_left_out_and_break_nothing(record: dict[str, Any]) -> None:
    for key in keys(record):
        assert any(mark in key for mark in "=^!")


@pytest.mark.parametrize(
    ("kind", "value", "number"),
    [
        (FieldKind.DURATION, "P1Y6M", 18 * 30.4375),
        (FieldKind.DURATION, "18 months", None),
        (FieldKind.DURATION, 3, None),
        (FieldKind.DATE, "1970-01-02", 1.0),
        (FieldKind.DATE, "1970-01-02T12:00:00Z", 1.5),
        (FieldKind.DATE, "1970-01-02T13:00:00+01:00", 1.5),
        (FieldKind.DATE, "2020-13-01", None),
        (FieldKind.NUMBER, 3, 3.0),
        (FieldKind.NUMBER, True, None),
        (FieldKind.NUMBER, "3", None),
    ],
)
def test_durations_dates_and_numbers_are_compared_as_numbers(kind: FieldKind, value: Any, number: float | None) -> None:
    assert as_number(kind, value) == number
