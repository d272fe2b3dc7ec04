"""What each filter asks the index, and which filters are refused and how."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.errors import UnknownFilter
from beacon.model.calls import GROUP_OF_ZYGOSITY
from beacon.model.entry_types import RECORD_TYPES, SEXES, ZYGOSITIES, ZYGOSITY
from beacon.model.query import AlphanumericFilter, CustomFilter, Filter, OntologyFilter
from beacon.query.filters import SimilarCondition, ZygosityCondition, conditions
from beacon.store.base import Bound, KeyCondition, NumberCondition, TextCondition

YEAR = 12 * 30.4375
ONSET = "diseases.ageOfOnset.iso8601duration"
FEATURE = "phenotypicFeatures.featureType"
VALUE = "measures.measurementValue.quantity.value"


def one(item: Filter, target: str = "individual") -> object:
    (found,) = conditions([item], target)
    return found


def test_a_term_is_looked_for_with_its_descendants_on_every_kind_of_record() -> None:
    assert one(OntologyFilter("HP:0001166")) == KeyCondition(RECORD_TYPES, "^HP:0001166", "HP:0001166")


@pytest.mark.parametrize("target", ["cohort", "dataset", "genomicVariant"])
def test_a_term_is_looked_for_on_what_is_asked_for_too(target: str) -> None:
    expected = KeyCondition((*RECORD_TYPES, target), "^HP:0001166", "HP:0001166")
    assert one(OntologyFilter("HP:0001166"), target) == expected
    assert one(OntologyFilter("HP:0001166", excluded=True), target) == replace(
        expected, kinds=RECORD_TYPES, key="!HP:0001166"
    )


def test_a_term_without_descendants_is_looked_for_as_recorded() -> None:
    assert one(OntologyFilter("HP:0001166", descendants=False)) == KeyCondition(
        RECORD_TYPES, "=HP:0001166", "HP:0001166"
    )


@pytest.mark.parametrize("descendants", [True, False])
def test_an_excluded_term_is_looked_for_as_recorded_absent(descendants: bool) -> None:
    asked = OntologyFilter("HP:0001166", descendants=descendants, excluded=True, scope="individual")
    assert one(asked) == KeyCondition(("individual",), "!HP:0001166", "HP:0001166")


@pytest.mark.parametrize("term", sorted(SEXES))
def test_a_sex_is_a_sex_before_it_is_anything_else(term: str) -> None:
    expected = KeyCondition(("individual",), f"sex={term}", term)
    assert one(OntologyFilter(term)) == one(OntologyFilter(term, scope="individuals")) == expected
    assert one(OntologyFilter(term), target="biosample") == expected
    assert one(OntologyFilter(term, scope="biosample")) == KeyCondition(("biosample",), f"^{term}", term)


@pytest.mark.parametrize("term", sorted(ZYGOSITIES))
def test_a_zygosity_is_asked_of_genotypes_however_it_is_written(term: str) -> None:
    expected = ZygosityCondition(GROUP_OF_ZYGOSITY[term])
    assert one(OntologyFilter(term)) == expected
    assert one(OntologyFilter(term, scope="g_variants"), target="genomicVariant") == expected
    assert one(AlphanumericFilter(ZYGOSITY, "=", term)) == expected


def test_bounds_of_one_field_are_about_one_value() -> None:
    asked = [AlphanumericFilter(ONSET, operator, value) for operator, value in ((">=", "P1Y"), ("<", "P5Y"))]
    assert conditions(asked, "individual") == [
        NumberCondition(("individual",), ONSET, Bound(YEAR, True), Bound(5 * YEAR, False))
    ]


@given(st.lists(st.tuples(st.sampled_from(("<", "<=", ">", ">=")), st.integers(0, 5)), min_size=1, max_size=6))
def test_several_bounds_allow_what_each_of_them_allows(bounds: list[tuple[str, int]]) -> None:
    (found,) = conditions([AlphanumericFilter(ONSET, operator, f"P{n}Y") for operator, n in bounds], "individual")
    assert isinstance(found, NumberCondition)
    tests = {
        "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    }  # fmt: skip
    for halves in range(13):
        value = halves / 2
        low, high = found.low, found.high
        above = low is None or value * YEAR > low.value or (low.inclusive and value * YEAR == low.value)
        below = high is None or value * YEAR < high.value or (high.inclusive and value * YEAR == high.value)
        assert (above and below) == all(tests[operator](value, bound) for operator, bound in bounds)


def test_bounds_with_different_scopes_stay_apart() -> None:
    asked = [
        AlphanumericFilter("collectionMoment", ">", "P1Y", scope="biosample"),
        AlphanumericFilter(ONSET, "<", "P5Y"),
    ]
    assert len(conditions(asked, "individual")) == 2


def test_a_field_that_several_entry_types_have_is_that_of_the_one_asked_for() -> None:
    asked = AlphanumericFilter(FEATURE, "=", "HP:0001166")
    key = f"{FEATURE}=HP:0001166"
    assert one(asked) == KeyCondition(("individual",), key, "HP:0001166")
    assert one(asked, target="biosample") == KeyCondition(("biosample",), key, "HP:0001166")
    assert one(asked, target="run") == KeyCondition(("individual", "biosample"), key, "HP:0001166")


def test_text_is_equal_or_matches_a_pattern_and_may_be_negated() -> None:
    assert one(AlphanumericFilter("vitalStatus", "=", "ALIVE")) == KeyCondition(("individual",), "vitalStatus=ALIVE")
    assert one(AlphanumericFilter("vitalStatus", "!", "A%")) == TextCondition(
        ("individual",), "vitalStatus", "A%", True
    )


def test_a_term_of_an_ontology_that_one_field_alone_uses_is_asked_of_that_field() -> None:
    assert one(OntologyFilter("SO:0001583")) == KeyCondition(("genomicVariant",), "^SO:0001583", "SO:0001583")
    assert one(OntologyFilter("DUO:0000007")) == KeyCondition(("dataset",), "^DUO:0000007", "DUO:0000007")
    assert one(OntologyFilter("SO:0001583", scope="run")) == KeyCondition(("run",), "^SO:0001583", "SO:0001583")


def test_similar_terms_are_asked_of_people_and_their_samples() -> None:
    asked = OntologyFilter("HP:0001166", similarity="medium", descendants=False)
    assert one(asked) == SimilarCondition(RECORD_TYPES, "HP:0001166", "medium", False)


def test_a_quantity_is_compared_as_written_or_in_the_unit_of_its_kind() -> None:
    bare = NumberCondition(("individual",), VALUE, Bound(25.0, True), None)
    assert one(AlphanumericFilter(VALUE, ">=", "25")) == bare
    grams = NumberCondition(("individual",), f"{VALUE}@g", None, Bound(2500.0, False))
    assert one(AlphanumericFilter(VALUE, "<", "2.5 kg")) == one(AlphanumericFilter(VALUE, "<", "2500g")) == grams


@pytest.mark.parametrize("kind", ["measures", "measurements"])
@pytest.mark.parametrize("value", ["25", "70 kg"])
def test_a_measured_value_is_named_as_the_schema_has_it_in_either_shape(kind: str, value: str) -> None:
    long, short = f"{kind}.measurementValue.quantity.value", f"{kind}.measurementValue.value"
    assert one(AlphanumericFilter(short, ">", value)) == one(AlphanumericFilter(long, ">", value))


def test_what_was_measured_names_its_values_too() -> None:
    kinds = ("individual", "biosample")
    low = Bound(0.0041, True)
    expected = NumberCondition(kinds, "LOINC:14749-6@mol/L", low, low, True, "LOINC:14749-6")
    assert one(AlphanumericFilter("LOINC:14749-6", "!", "4.1 mmol/L")) == expected
    assert one(AlphanumericFilter("LOINC:14749-6", "!", "4100 UO:0000064")) == expected


def test_a_field_is_known_by_its_other_names() -> None:
    (found,) = conditions([AlphanumericFilter("PATO:0000011", ">", "P70Y")], "individual")
    assert found == NumberCondition(("individual",), "ageAtLastEncounter", Bound(70 * YEAR, False), None)


@pytest.mark.parametrize(
    ("custom", "field", "value"),
    [
        ("vitalStatus:DECEASED", "vitalStatus", "DECEASED"),
        ("sex:Female", "sex", "NCIT:C16576"),
        (f"{ZYGOSITY}:homozygous", ZYGOSITY, "GENO:0000136"),
        ("caseLevelData.clinicalInterpretations.clinicalRelevance:likely pathogenic",
         "caseLevelData.clinicalInterpretations.clinicalRelevance", "likely pathogenic"),
        ("diseases.diseaseCode:OMIM:154700", "diseases.diseaseCode", "OMIM:154700"),
        ("sex:NCIT:C16576", "sex", "NCIT:C16576"),
        ("ageAtLastEncounter:P18Y", "ageAtLastEncounter", "P18Y"),
        (f"{VALUE}:70 kg", VALUE, "70 kg"),
    ],
)  # fmt: skip
def test_a_custom_filter_is_a_field_and_a_value(custom: str, field: str, value: str) -> None:
    assert one(CustomFilter(custom)) == one(AlphanumericFilter(field, "=", value))


def test_a_pattern_may_stand_for_terms() -> None:
    asked = AlphanumericFilter("diseases.diseaseCode", "=", "OMIM:%")
    assert one(asked) == TextCondition(("individual",), "diseases.diseaseCode", "OMIM:%")


def test_the_asked_for_kind_goes_first_where_a_dataset_and_a_cohort_have_a_field() -> None:
    asked = AlphanumericFilter("name", "=", "cases")
    assert conditions([asked], "cohort", "individual") == [KeyCondition(("cohort",), "name=cases")]
    for scope in ("dataset", "cohort"):
        assert one(replace(asked, scope=scope)) == KeyCondition((scope,), "name=cases")


@pytest.mark.parametrize("field", ["id", "name"])
def test_a_field_of_datasets_that_may_be_meant_of_what_is_asked_for_needs_a_scope(field: str) -> None:
    with pytest.raises(UnknownFilter, match="scope dataset or cohort"):
        conditions([AlphanumericFilter(field, "=", "P1")], "individual")


@pytest.mark.parametrize("term", ["SO:0001583", "ENSGLOSSARY:0000174", "GENO:0000603"])
def test_terms_of_what_is_told_of_variants_are_looked_for_there_without_a_scope(term: str) -> None:
    assert one(OntologyFilter(term, descendants=False)) == KeyCondition(("genomicVariant",), f"={term}", term)


def test_zygosity_is_asked_for_by_a_whole_term() -> None:
    with pytest.raises(UnknownFilter, match="whole term"):
        conditions([AlphanumericFilter("caseLevelData.zygosity", "=", "GENO:000013%")], "individual")


def test_twelve_months_are_a_year() -> None:
    assert one(AlphanumericFilter("ageAtLastEncounter", "=", "P12M")) == one(
        AlphanumericFilter("ageAtLastEncounter", "=", "P1Y")
    )


@pytest.mark.parametrize(
    "asked",
    [
        CustomFilter("demographic.eyes:blue"),
        AlphanumericFilter("no.such.field", "=", "1"),
        AlphanumericFilter("platform", "=", "Illumina", scope="individual"),
        AlphanumericFilter("vitalStatus", ">", "ALIVE"),
        AlphanumericFilter("sex", "<", "NCIT:C16576"),
        AlphanumericFilter("sex", "=", "female"),
        AlphanumericFilter(ONSET, ">", "five years"),
        AlphanumericFilter(ONSET, "=", "5"),
        AlphanumericFilter("runDate", ">=", "yesterday"),
        AlphanumericFilter(ZYGOSITY, "!", "GENO:0000135"),
        AlphanumericFilter(VALUE, ">", "tall"),
        AlphanumericFilter(VALUE, ">", "25 bananas"),
        AlphanumericFilter("LOINC:39156-5", "=", "high"),
        AlphanumericFilter("LOINC:39156-5", "=", "25", scope="run"),
        AlphanumericFilter("alleleFrequency", "<=", "often"),
        AlphanumericFilter("identifiers.genomicHGVSId", "!", "NC_000015.10:g.48500001G>A"),
        OntologyFilter("HP:0001166", similarity="quite"),
        OntologyFilter("HP:0001166", similarity="high", excluded=True),
        OntologyFilter("SO:0001583", similarity="high"),
        OntologyFilter("HP:0001166", scope="nonsense"),
        OntologyFilter("GENO:0000135", excluded=True),
    ],
    ids=repr,
)
def test_a_filter_that_means_nothing_here_is_refused_by_name(asked: Filter) -> None:
    with pytest.raises(UnknownFilter) as caught:
        conditions([OntologyFilter("HP:0000001"), asked], "individual")
    assert caught.value.where == asked.id
    assert caught.value.status == 400
