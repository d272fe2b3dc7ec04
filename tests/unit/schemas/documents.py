"""Sound documents, and strategies that damage them in one place."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

REQUEST: dict[str, Any] = {
    "meta": {"apiVersion": "v2.0", "requestedSchemas": [{"entityType": "individual", "schema": "x"}]},
    "query": {
        "requestedGranularity": "record",
        "includeResultsetResponses": "HIT",
        "pagination": {"skip": 1, "limit": 20},
        "testMode": False,
        "filters": [
            {"id": "HP:0001250", "includeDescendantTerms": False, "similarity": "exact", "scope": "individual"},
            {"id": "HP:0001250", "excluded": True},
            {"id": "diseases.ageOfOnset.iso8601duration", "operator": ">=", "value": "P3Y", "scope": ["individuals"]},
        ],
        "requestParameters": {
            "g_variant": {
                "referenceName": "NC_000007.14",
                "assemblyId": "GRCh38",
                "start": [100],
                "end": [200, 300],
                "referenceBases": "",
                "alternateBases": "ACGT",
                "variantType": "DEL",
                "variantMinLength": 0,
                "variantMaxLength": 10,
                "geneId": "CFTR",
                "aminoacidChange": "V600E",
                "genomicAlleleShortForm": "NM_004006.2:c.4375C>T",
                "mateName": "chr9",
            },
            "datasets": {"datasetIds": ["ds1"]},
        },
    },
}

PHENOPACKET: dict[str, Any] = {
    "id": "case-1",
    "subject": {
        "id": "Patient 1",
        "timeAtLastEncounter": {"age": {"iso8601duration": "P3Y6M"}},
        "vitalStatus": {"status": "ALIVE"},
        "sex": "FEMALE",
        "dateOfBirth": "2020-02-29T00:00:00Z",
    },
    "phenotypicFeatures": [
        {
            "type": {"id": "HP:0001250", "label": "Seizure"},
            "onset": {"ontologyClass": {"id": "HP:0003577", "label": "Congenital onset"}},
        },
        {"type": {"id": "HP:0001263", "label": "Global developmental delay"}, "excluded": True},
    ],
    "measurements": [
        {
            "assay": {"id": "LOINC:2141-0", "label": "Corticotropin"},
            "value": {"quantity": {"unit": {"id": "UCUM:pg/L"}, "value": 10.5}},
        }
    ],
    "biosamples": [{"id": "s1", "individualId": "Patient 1", "timeOfCollection": {"gestationalAge": {"weeks": 33}}}],
    "interpretations": [
        {
            "id": "i1",
            "progressStatus": "SOLVED",
            "diagnosis": {
                "disease": {"id": "OMIM:219700", "label": "Cystic fibrosis"},
                "genomicInterpretations": [
                    {
                        "subjectOrBiosampleId": "Patient 1",
                        "interpretationStatus": "CAUSATIVE",
                        "variantInterpretation": {
                            "acmgPathogenicityClassification": "PATHOGENIC",
                            "variationDescriptor": {
                                "id": "v1",
                                "geneContext": {"valueId": "HGNC:1884", "symbol": "CFTR"},
                                "vcfRecord": {
                                    "genomeAssembly": "hg38",
                                    "chrom": "chr7",
                                    "pos": "117559590",
                                    "ref": "ATCT",
                                    "alt": "A",
                                },
                                "variation": {
                                    "copyNumber": {
                                        "number": {"value": "1"},
                                        "derivedSequenceExpression": {"reverseComplement": False},
                                    }
                                },
                                "moleculeContext": "genomic",
                                "allelicState": {"id": "GENO:0000136", "label": "homozygous"},
                            },
                        },
                    }
                ],
            },
        }
    ],
    "diseases": [{"term": {"id": "OMIM:219700", "label": "Cystic fibrosis"}}],
    "medicalActions": [{"treatment": {"agent": {"id": "DrugCentral:1610"}, "drugType": "PRESCRIPTION"}}],
    "files": [{"uri": "file:///a.vcf.gz", "fileAttributes": {"genomeAssembly": "GRCh38"}}],
    "metaData": {
        "created": "2024-10-13T04:37:53.000309500Z",
        "createdBy": "ORCID:0000-0002-0736-9199",
        "phenopacketSchemaVersion": "2.0.2",
        "resources": [{"id": "hp", "namespacePrefix": "HP", "version": "2025-11-24"}],
    },
}

SIMPLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(["P1Y\n", "HP:1", "HP:0001250", "PT1M", "chr1", "1", "0", "A", "<DEL>", "2", "MALE", "ALL", ""]),
)
JSON = st.recursive(
    SIMPLE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


def places(document: Any) -> list[tuple[str | int, ...]]:
    """The path of every value in the document, the document itself included."""
    found: list[tuple[str | int, ...]] = [()]
    steps = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for step, value in steps:
        found += [(step, *path) for path in places(value)]
    return found


def at(document: Any, path: tuple[str | int, ...]) -> Any:
    """The value at a path."""
    for step in path:
        document = document[step]
    return document


def changed(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy of the document with another value at the path."""
    if not path:
        return value
    result = copy.deepcopy(document)
    at(result, path[:-1])[path[-1]] = value
    return result


def without(document: Any, path: tuple[str | int, ...]) -> Any:
    """A copy of the document that lacks what is at the path."""
    result = copy.deepcopy(document)
    del at(result, path[:-1])[path[-1]]
    return result


@st.composite
def damaged(draw: st.DrawFn, document: Any) -> Any:
    """The document with one value replaced, removed or added; it may still be sound."""
    path = draw(st.sampled_from(places(document)))
    match draw(st.sampled_from(["replace", "remove", "add"])):
        case "remove" if path:
            return without(document, path)
        case "add" if isinstance(at(document, path), dict):
            return changed(document, path, at(document, path) | {draw(st.text(max_size=8)): draw(JSON)})
    return changed(document, path, draw(JSON))
