"""The built-in people are as official and as true to the ontology as anybody."""

from __future__ import annotations

from beacon.model.entry_types import RECORD_TYPES
from beacon.model.sample_data import ANCESTORS, SIMILAR, cohort, dataset, people, variants
from beacon.model.similarity import LEVELS, decode
from loaders.mapping import individual
from loaders.similarity import hpo_neighbours
from loaders.terms import hpo
from schemas import validator
from tests.contract.official import check_record


def test_their_records_fit_the_official_schemas(shared: object) -> None:
    for person in people():
        for kind in RECORD_TYPES:
            assert check_record(kind, person.records[kind]) == []
    assert check_record("dataset", dataset()) == check_record("cohort", cohort()) == []


def test_their_phenopackets_are_valid_and_say_what_their_records_say() -> None:
    packets = [person.phenopacket for person in people()]
    assert [packet is None for packet in packets] == [False, False, True]
    for person in people():
        if person.phenopacket is not None:
            assert validator("phenopacket").errors(person.phenopacket) == ()
            mapped = individual(person.phenopacket)
            for member in ("id", "sex", "phenotypicFeatures", "diseases"):
                assert mapped[member] == person.records["individual"][member]
            assert mapped["info"]["timeAtLastEncounter"] == person.records["individual"]["info"]["timeAtLastEncounter"]


def test_ancestors_are_those_of_the_ontology() -> None:
    for term, ancestors in ANCESTORS.items():
        assert set(ancestors) == set(hpo().ancestors(term))
    used = {
        row["featureType"]["id"]
        for person in people()
        for row in person.records["individual"].get("phenotypicFeatures", [])
    }
    assert used == set(ANCESTORS)


def test_similar_terms_are_those_of_the_measure() -> None:
    for term, levels in SIMILAR.items():
        assert {level: set(others) for level, others in levels.items()} == {
            level: set(decode(term, hpo_neighbours()[term], level)) for level in LEVELS
        }


def test_everybody_carries_something_and_every_variant_is_somebodys() -> None:
    carried = {id for variant in variants() for id, _ in variant.carriers}
    assert carried == {person.id for person in people()}
    assert [variant.allele.start for variant in variants()] == sorted(variant.allele.start for variant in variants())
