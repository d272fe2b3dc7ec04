from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.model import variant
from loaders.mapping import Converted, SampleNames, convert, individual, sample_ids
from loaders.sources import documents
from tests.contract.official import check_record
from tests.unit.loaders.packets import HETEROZYGOUS, MARFAN, RECORD, SEIZURE, interpretation, packet, read

TERM = {"id": "NCIT:C25298", "label": "Systolic Blood Pressure"}
QUANTITY = {"unit": {"id": "UCUM:mg", "label": "milligram"}, "value": 30.0}
AGE = {"age": {"iso8601duration": "P3Y"}}
MOMENT = {"timestamp": "2020-03-17T10:54:20.123Z"}


def convert_alone(body: dict[str, Any]) -> Converted:
    return convert(body, SampleNames().name)


def records(made: Converted) -> list[tuple[str, dict[str, Any]]]:
    """The Beacon records of one packet, variants as the store completes them."""
    found = [("individual", made.individual), *(("biosample", sample) for sample in made.samples)]
    for sample, case in made.cases:
        completed = case.body | {
            "variantInternalId": case.allele.id,
            "variation": variant.variation(case.allele),
            "caseLevelData": [{"biosampleId": sample, "individualId": made.id, **case.detail}],
        }
        found.append(("genomicVariant", completed))
    return found


@pytest.mark.parametrize(
    ("sex", "term"),
    [
        ("FEMALE", "NCIT:C16576"),
        ("MALE", "NCIT:C20197"),
        ("UNKNOWN_SEX", "NCIT:C17998"),
        (None, "NCIT:C17998"),
        ("OTHER_SEX", "NCIT:C17649"),
    ],
)
def test_sex_is_a_term_and_a_missing_one_is_unknown(sex: str | None, term: str) -> None:
    subject = {"id": "Patient 1"} | ({"sex": sex} if sex else {})
    assert individual(packet(subject=subject))["sex"]["id"] == term


def test_the_individual_has_the_packets_id_because_subject_ids_repeat() -> None:
    made = individual(packet("PMID_1_Patient_1"))
    assert made["id"] == "PMID_1_Patient_1"
    assert made["info"]["phenopacket"]["subjectId"] == "Patient 1"


def test_an_excluded_disease_is_never_among_the_diseases() -> None:
    made = individual(packet(diseases=[{"term": MARFAN, "excluded": True}]))
    assert "diseases" not in made
    assert made["info"]["excludedDiseases"] == [{"diseaseCode": MARFAN, "excluded": True}]


def test_a_diagnosis_is_no_disease_of_the_person_unless_the_packet_says_so() -> None:
    made = individual(packet(interpretations=[interpretation()]))
    assert "diseases" not in made
    assert made["info"]["interpretations"][0]["disease"] == MARFAN


def test_an_excluded_feature_says_so() -> None:
    features = [{"type": SEIZURE, "excluded": True}, {"type": TERM}, {"type": MARFAN, "excluded": False}]
    made = individual(packet(phenotypicFeatures=features))
    assert [feature.get("excluded", False) for feature in made["phenotypicFeatures"]] == [True, False, False]


@pytest.mark.parametrize(
    ("element", "flat"),
    [
        (AGE, {"iso8601duration": "P3Y"}),
        ({"age": {"iso8601duration": "P1,5Y"}}, {"iso8601duration": "P1.5Y"}),
        ({"gestationalAge": {"weeks": 33}}, {"weeks": 33, "days": 0}),
        ({"ontologyClass": SEIZURE}, SEIZURE),
        (
            {"ageRange": {"start": AGE["age"], "end": {"iso8601duration": "P5Y"}}},
            {"start": {"iso8601duration": "P3Y"}, "end": {"iso8601duration": "P5Y"}},
        ),
        (
            {"interval": {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}},
            {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"},
        ),
    ],
)
def test_times_become_flat(element: dict[str, Any], flat: dict[str, Any]) -> None:
    body = packet(
        subject={"id": "Patient 1", "timeAtLastEncounter": element},
        diseases=[{"term": MARFAN, "onset": element}],
        phenotypicFeatures=[{"type": SEIZURE, "onset": element, "resolution": element}],
    )
    made = individual(body)
    assert made["diseases"][0]["ageOfOnset"] == flat
    assert made["phenotypicFeatures"][0]["onset"] == flat
    assert made["phenotypicFeatures"][0]["resolution"] == flat
    assert made["info"]["timeAtLastEncounter"] == flat


def test_a_point_in_time_is_a_date_where_beacon_has_one_and_else_stays_under_info() -> None:
    made = individual(
        packet(
            diseases=[{"term": MARFAN, "onset": MOMENT}],
            measurements=[{"assay": TERM, "value": {"quantity": QUANTITY}, "timeObserved": MOMENT}],
            medicalActions=[{"procedure": {"code": TERM, "performed": MOMENT}}],
        )
    )
    assert made["diseases"] == [{"diseaseCode": MARFAN, "info": {"onset": MOMENT}}]
    assert made["measures"][0]["date"] == "2020-03-17"
    assert made["interventionsOrProcedures"][0]["dateOfProcedure"] == "2020-03-17"


def test_measured_values_may_be_quantities_terms_or_several_quantities() -> None:
    limits = {"unit": QUANTITY["unit"], "low": 10.0, "high": 60.0}
    made = individual(
        packet(
            measurements=[
                {"assay": TERM, "value": {"quantity": QUANTITY | {"referenceRange": limits}}},
                {"assay": TERM, "value": {"ontologyClass": SEIZURE}},
                {"assay": TERM, "complexValue": {"typedQuantities": [{"type": TERM, "quantity": QUANTITY}]}},
                {"assay": TERM, "value": {"quantity": {"unit": QUANTITY["unit"]}}},
            ]
        )
    )
    assert [measure["measurementValue"] for measure in made["measures"]] == [
        QUANTITY | {"referenceRange": limits},
        SEIZURE,
        {"typedQuantities": [{"quantityType": TERM, "quantity": QUANTITY}]},
        QUANTITY | {"value": 0},
    ]


def test_medical_actions_of_all_four_kinds_have_a_place() -> None:
    about = {"treatmentTarget": MARFAN}
    made = individual(
        packet(
            medicalActions=[
                about | {"procedure": {"code": TERM, "performed": AGE}},
                about | {"treatment": {"agent": TERM, "cumulativeDose": QUANTITY, "doseIntervals": [{}]}},
                about | {"radiationTherapy": {"modality": TERM, "bodySite": SEIZURE, "dosage": 5}},
                about | {"therapeuticRegimen": {"ontologyClass": TERM, "startTime": AGE}},
                about | {"therapeuticRegimen": {"externalReference": {"id": "NCT1"}}},
            ]
        )
    )
    assert made["interventionsOrProcedures"] == [
        {"procedureCode": TERM, "ageAtProcedure": AGE["age"], "info": about},
        {"procedureCode": TERM, "bodySite": SEIZURE, "info": {"dosage": 5} | about},
    ]
    assert made["treatments"] == [
        {"treatmentCode": TERM, "cumulativeDose": QUANTITY, "info": {"doseIntervals": [{}]} | about},
        {"treatmentCode": TERM, "ageAtOnset": AGE["age"], "info": about},
    ]
    assert made["info"]["medicalActions"] == [about | {"therapeuticRegimen": {"externalReference": {"id": "NCT1"}}}]


def test_a_variant_of_a_sample_is_that_samples_and_one_of_the_subject_a_derived_samples() -> None:
    body = packet(
        biosamples=[{"id": "tumor"}],
        interpretations=[
            interpretation({"vcfRecord": RECORD}, subject="tumor"),
            interpretation({"vcfRecord": RECORD, "allelicState": HETEROZYGOUS}),
        ],
    )
    made = convert_alone(body)
    assert [sample for sample, _ in made.cases] == ["tumor", "case-1-sample"]
    assert made.derived is not None
    assert made.derived["info"] == {"derived": True}
    assert [sample["individualId"] for sample in made.samples] == ["case-1", "case-1"]


def test_a_person_without_variants_has_no_derived_sample() -> None:
    assert convert_alone(packet()).samples == ()


def test_a_derived_sample_does_not_take_the_id_of_a_real_one() -> None:
    body = packet(biosamples=[{"id": "case-1-sample"}], interpretations=[interpretation({"vcfRecord": RECORD})])
    assert [sample["id"] for sample in convert_alone(body).samples] == ["case-1-sample", "case-1-derived-sample"]


def test_a_sample_keeps_what_the_packet_says_of_it() -> None:
    sample = {
        "id": "s1",
        "individualId": "Patient 1",
        "description": "a biopsy",
        "sampledTissue": {"id": "UBERON:0000970", "label": "eye"},
        "materialSample": {"id": "EFO:0009655", "label": "abnormal sample"},
        "timeOfCollection": AGE,
        "tumorProgression": TERM,
        "pathologicalTnmFinding": [TERM],
        "procedure": {"code": TERM},
    }
    (made,) = convert_alone(packet(biosamples=[sample])).samples
    assert made["biosampleStatus"]["id"] == "EFO:0009655"
    assert made["sampleOriginType"]["id"] == "NCIT:C17998"
    assert made["sampleOriginDetail"]["id"] == "UBERON:0000970"
    assert made["collectionMoment"] == "P3Y"
    assert made["notes"] == "a biopsy"
    assert check_record("biosample", made) == []


def test_two_persons_samples_of_one_name_get_two_ids_and_keep_them() -> None:
    names = SampleNames()
    names.know({"s2": "somebody"})
    assert [names.name("a", "s1"), names.name("b", "s1"), names.name("a", "s2")] == ["s1", "b:s1", "a:s2"]
    assert names.name("b", "s1") == "b:s1"


@given(st.lists(st.tuples(st.text("a:", min_size=1, max_size=3), st.text("a:", min_size=1, max_size=5)), max_size=30))
def test_no_two_persons_ever_share_a_sample(pairs: list[tuple[str, str]]) -> None:
    names = SampleNames()
    owners: dict[str, str] = {}
    for person, sample in pairs:
        assert owners.setdefault(names.name(person, sample), person) == person


def test_every_id_that_a_sample_may_get_is_known_beforehand() -> None:
    body = packet(biosamples=[{"id": "s1"}], interpretations=[interpretation({"vcfRecord": RECORD})])
    wanted = sample_ids(body)
    names = SampleNames()
    names.know({"s1": "somebody", "case-1-sample": "somebody"})
    assert {sample["id"] for sample in convert(body, names.name).samples} <= set(wanted)


@pytest.mark.parametrize("name", ["bethlem-myopathy", "covid19", "mcahs1", "retinoblastoma"])
def test_the_full_examples_become_valid_records(shared: Path, name: str) -> None:
    made = convert_alone(json.loads((shared / "data/phenopackets/examples" / f"{name}.json").read_text("utf-8")))
    for entry_type, record in records(made):
        assert check_record(entry_type, record) == []


def test_the_real_packets_give_the_expected_numbers_and_valid_records(shared: Path) -> None:
    folder = shared / "data" / "phenopackets"
    totals = json.loads((folder / "expected_counts.json").read_text("utf-8"))["totals"]
    found, _, _ = read(*documents(sorted(folder.glob("cohorts_*.zip"))))
    names = SampleNames()
    made = [convert(one.body, names.name) for one in found]
    cases = [case for one in made for _, case in one.cases]
    features = [feature for one in made for feature in one.individual.get("phenotypicFeatures", [])]

    assert len(made) == totals["individuals"]
    assert len(cases) == totals["variant_interpretations"]
    assert sum("vcf" in case.body["info"] for case in cases) == totals["interpretations_with_vcf_record"]
    assert len({case.allele.id for case in cases if case.allele.placed}) == totals["distinct_vcf_variants"]
    assert len({case.allele.id for case in cases if not case.allele.placed}) == 140
    assert (
        len({gene for case in cases for gene in case.body["molecularAttributes"]["geneIds"]})
        == totals["distinct_genes"]
    )
    absent = Counter(bool(feature.get("excluded")) for feature in features)
    assert (absent[False], absent[True]) == (totals["observed_features"], totals["excluded_features"])
    observed = {feature["featureType"]["id"] for feature in features if not feature.get("excluded")}
    assert len(observed) == totals["distinct_observed_terms"]
    diseases = {disease["diseaseCode"]["id"] for one in made for disease in one.individual["diseases"]}
    assert len(diseases) == totals["distinct_diseases"]

    for one in made[::20]:
        for entry_type, record in records(one):
            assert check_record(entry_type, record) == [], one.id
