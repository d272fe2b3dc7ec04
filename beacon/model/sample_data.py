"""Three people who never lived, for ``testMode``: built in, the same at every site, nobody's data.

Everybody has one sample, one run and one analysis and carries a variant, so that every endpoint has something to
list. Two came with a phenopacket; the third is known from genotypes alone.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from beacon.model.entry_types import ZYGOSITIES
from beacon.model.variant import Allele, from_vcf

Json = dict[str, Any]

DATASET, COHORT = "test-mode", "test-mode-cohort"
CREATED = "2026-01-01T00:00:00Z"
_NOTE = "Made up for test mode: no real person"

ANCESTORS: Mapping[str, tuple[str, ...]] = {
    "HP:0001166": (
        "HP:0001238", "HP:0001167", "HP:0100807", "HP:0001155", "HP:0002817", "HP:0011297", "HP:0002813", "HP:0040068",
        "HP:0040064", "HP:0011844", "HP:0011842", "HP:0000924", "HP:0033127", "HP:0000118", "HP:0000001",
    ),
    "HP:0001083": ("HP:0000517", "HP:0004328", "HP:0012372", "HP:0000478", "HP:0000118", "HP:0000001"),
    "HP:0001250": ("HP:0012638", "HP:0000707", "HP:0000118", "HP:0000001"),
}  # fmt: skip
"""Ancestors of the phenotypic terms used here (Human Phenotype Ontology 2025-11-24)."""


_CATARACTS = ("HP:0000517", "HP:0000518", "HP:0001113", "HP:0007825", "HP:0010700", "HP:0007713", "HP:0010920")
_LENSES = ("HP:0001132", "HP:0008019", "HP:0008494", "HP:0012019")
_EYES = (
    "HP:0011526", "HP:0000523", "HP:0007648", "HP:0008024", "HP:0100018", "HP:0004328", "HP:0008063", "HP:0007876",
    "HP:0010696", "HP:0011141", "HP:0100019", "HP:0001142", "HP:0007787", "HP:0007971", "HP:0010693", "HP:6001302",
)  # fmt: skip
_FINGERS = ("HP:0001238", "HP:0100807", "HP:0001182", "HP:0025091")
SIMILAR: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "HP:0001166": {"high": _FINGERS, "medium": _FINGERS, "low": _FINGERS},
    "HP:0001083": {"high": _LENSES, "medium": _LENSES + _CATARACTS, "low": _LENSES + _CATARACTS + _EYES},
}
"""What is similar to the terms that somebody has (``beacon.model.similarity``)."""


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """One person's records, by entry type id, and the phenopacket that they came with."""

    records: Mapping[str, Json]
    phenopacket: Json | None

    @property
    def id(self) -> str:
        """The individual's id."""
        return str(self.records["individual"]["id"])


@dataclass(frozen=True, slots=True)
class SampleVariant:
    """One allele; ``carriers`` pairs individual ids with the id of their zygosity."""

    allele: Allele
    body: Json
    carriers: tuple[tuple[str, str], ...]


def _term(id: str, label: str) -> Json:
    return {"id": id, "label": label}


def _features(*rows: tuple[str, str, bool]) -> list[Json]:
    return [{"type": _term(id, label)} | ({"excluded": True} if absent else {}) for id, label, absent in rows]


def _phenopacket(id: str, sex: str, age: str, features: list[Json]) -> Json:
    return {
        "id": id,
        "subject": {"id": id, "sex": sex, "timeAtLastEncounter": {"age": {"iso8601duration": age}}},
        "phenotypicFeatures": features,
        "diseases": [
            {"term": _term("OMIM:154700", "Marfan syndrome"), "onset": {"age": {"iso8601duration": "P9Y"}}},
        ],
        "metaData": {
            "created": CREATED,
            "createdBy": _NOTE,
            "resources": [
                {
                    "id": "hp", "name": "Human Phenotype Ontology", "url": "http://purl.obolibrary.org/obo/hp.owl",
                    "version": "2025-11-24", "namespacePrefix": "HP",
                    "iriPrefix": "http://purl.obolibrary.org/obo/HP_",
                },
                {
                    "id": "omim", "name": "Online Mendelian Inheritance in Man", "url": "https://www.omim.org",
                    "version": "2026-01-01", "namespacePrefix": "OMIM", "iriPrefix": "https://omim.org/entry/",
                },
            ],
            "phenopacketSchemaVersion": "2.0",
        },
    }  # fmt: skip


def _individual(packet: Json, sex: Json) -> Json:
    return {
        "id": packet["id"],
        "sex": sex,
        "phenotypicFeatures": [
            {"featureType": row["type"]} | ({"excluded": True} if row.get("excluded") else {})
            for row in packet["phenotypicFeatures"]
        ],
        "diseases": [
            {"diseaseCode": row["term"], "ageOfOnset": {"iso8601duration": row["onset"]["age"]["iso8601duration"]}}
            for row in packet["diseases"]
        ],
        "info": {
            "timeAtLastEncounter": packet["subject"]["timeAtLastEncounter"]["age"],
            "vitalStatus": {"status": "ALIVE"},
            "note": _NOTE,
        },
    }


def _person(individual: Json, packet: Json | None) -> SamplePerson:
    id = individual["id"]
    sample, run = f"{id}-sample", f"{id}-run"
    return SamplePerson(
        {
            "individual": individual,
            "biosample": {
                "id": sample,
                "individualId": id,
                "biosampleStatus": _term("EFO:0009654", "reference sample"),
                "sampleOriginType": _term("UBERON:0000178", "blood"),
                "collectionDate": "2025-06-01",
            },
            "run": {
                "id": run,
                "biosampleId": sample,
                "individualId": id,
                "runDate": "2025-06-15",
                "libraryStrategy": "WGS",
                "librarySource": _term("GENEPIO:0001966", "genomic source"),
                "platform": "Illumina",
            },
            "analysis": {
                "id": f"{id}-analysis",
                "runId": run,
                "biosampleId": sample,
                "individualId": id,
                "analysisDate": "2025-07-01",
                "pipelineName": "test pipeline 1.0",
                "aligner": "bwa",
                "variantCaller": "test caller 1.0",
            },
        },
        packet,
    )


@functools.cache
def people() -> tuple[SamplePerson, ...]:
    """Return everybody."""
    first = _phenopacket(
        "test-individual-1", "FEMALE", "P34Y",
        _features(
            ("HP:0001166", "Arachnodactyly", False), ("HP:0001083", "Ectopia lentis", False),
            ("HP:0001250", "Seizure", True),
        ),
    )  # fmt: skip
    second = _phenopacket("test-individual-2", "MALE", "P11Y6M", _features(("HP:0001166", "Arachnodactyly", False)))
    return (
        _person(_individual(first, _term("NCIT:C16576", "female")), first),
        _person(_individual(second, _term("NCIT:C20197", "male")), second),
        _person(
            {
                "id": "test-individual-3",
                "sex": _term("NCIT:C17998", "unknown"),
                "measures": [
                    {
                        "assayCode": _term("LOINC:3141-9", "Body weight measured"),
                        "measurementValue": {"unit": _term("UCUM:kg", "kilogram"), "value": 70},
                    }
                ],
                "info": {"note": _NOTE},
            },
            None,
        ),
    )


@functools.cache
def variants() -> tuple[SampleVariant, ...]:
    """Return every variant, in position order: three made-up alleles in FBN1 (chromosome 15, GRCh38)."""
    het, hom = "GENO:0000135", "GENO:0000136"
    one, two, three = (person.id for person in people())
    return (
        SampleVariant(
            from_vcf("GRCh38", "15", 48_420_001, "CTT", "C"), _molecular("frameshift_variant", "SO:0001589"),
            ((two, het),),
        ),
        SampleVariant(
            from_vcf("GRCh38", "15", 48_500_001, "G", "A"),
            _relevant(_molecular("missense_variant", "SO:0001583", "C1000Y"), "pathogenic"),
            ((one, het), (three, het)),
        ),
        SampleVariant(
            from_vcf("GRCh38", "15", 48_600_001, "A", "AT"), _molecular("intron_variant", "SO:0001627"),
            ((one, hom),),
        ),
    )  # fmt: skip


CASE: Json = {"alleleOrigin": {"id": "GENO:0000888", "label": "germline"}}
"""What is known of every carrier."""


def _molecular(effect: str, term: str, *changes: str) -> Json:
    attributes: Json = {"geneIds": ["FBN1"], "molecularEffects": [_term(term, effect)]}
    return {"molecularAttributes": attributes | ({"aminoacidChanges": list(changes)} if changes else {})}


def _relevant(body: Json, relevance: str) -> Json:
    condition = _term("OMIM:154700", "Marfan syndrome")
    about = {"conditionId": condition["id"], "effect": condition, "clinicalRelevance": relevance}
    return body | {"variantLevelData": {"clinicalInterpretations": [about]}}


def dataset() -> Json:
    """Return the dataset that everything belongs to."""
    return {
        "id": DATASET,
        "name": "Test mode",
        "description": "Three people who never lived; what testMode answers from, at every site.",
        "createDateTime": CREATED,
        "updateDateTime": CREATED,
    }


def cohort() -> Json:
    """Return the cohort that everybody belongs to."""
    return {"id": COHORT, "name": "Everybody in test mode", "cohortType": "user-defined", "cohortSize": len(people())}


def zygosity(id: str) -> Json:
    """Return a zygosity as a term."""
    return _term(id, ZYGOSITIES[id])
