"""The stand-in for VRS 1.3."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import validator
from tests.unit.schemas.documents import places, without

CHECK = validator("vrs13")

INTERVAL = {
    "type": "SequenceInterval",
    "start": {"type": "Number", "value": 55039979},
    "end": {"type": "IndefiniteRange", "value": 55039980, "comparator": ">="},
}
LOCATION = {"type": "SequenceLocation", "sequence_id": "refseq:NC_000001.11", "interval": INTERVAL}
SIMPLE = LOCATION | {"interval": {"type": "SimpleInterval", "start": 0, "end": 0}}
BAND = {
    "type": "ChromosomeLocation",
    "species_id": "taxonomy:9606",
    "chr": "19",
    "interval": {"type": "CytobandInterval", "start": "q13.32", "end": "pter"},
}
LITERAL = {"type": "LiteralSequenceExpression", "sequence": "ACGT"}
DERIVED = {"type": "DerivedSequenceExpression", "location": LOCATION, "reverse_complement": False}
REPEATED = {
    "type": "RepeatedSequenceExpression",
    "seq_expr": DERIVED,
    "count": {"type": "DefiniteRange", "min": 1, "max": 2},
}
ALLELE = {"type": "Allele", "location": LOCATION, "state": LITERAL}
HAPLOTYPE = {"type": "Haplotype", "members": [ALLELE, "ga4gh:VA.abc"]}
NUMBER = {"type": "Number", "value": 2}

SOUND: dict[str, dict[str, Any]] = {
    "allele": ALLELE,
    "allele with id": ALLELE | {"_id": "ga4gh:VA.abc"},
    "allele with an old state": ALLELE | {"state": {"type": "SequenceState", "sequence": ""}},
    "allele by reference": ALLELE | {"location": "ga4gh:VSL.abc"},
    "repeat": ALLELE | {"state": REPEATED},
    "composed": ALLELE | {"state": {"type": "ComposedSequenceExpression", "components": [LITERAL, REPEATED]}},
    "haplotype": HAPLOTYPE,
    "gain": {"type": "CopyNumberChange", "subject": LOCATION, "copy_change": "efo:0030070"},
    "count": {"type": "CopyNumberCount", "subject": {"type": "Gene", "gene_id": "HGNC:1884"}, "copies": NUMBER},
    "genotype": {
        "type": "Genotype",
        "count": NUMBER,
        "members": [{"type": "GenotypeMember", "count": NUMBER, "variation": HAPLOTYPE}],
    },
    "text": {"type": "Text", "definition": "a deletion somewhere"},
    "set": {"type": "VariationSet", "members": [ALLELE, "ga4gh:VA.abc"]},
    "location": LOCATION,
    "simple location": SIMPLE,
    "unplaced": SIMPLE | {"sequence_id": "skerry:unplaced"},
    "cytoband": BAND,
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_variations_and_locations_are_accepted(name: str) -> None:
    assert CHECK.errors(SOUND[name]) == ()
    assert CHECK.is_valid(SOUND[name])


@pytest.mark.parametrize("name", SOUND)
def test_no_member_may_be_missing_but_the_id(name: str) -> None:
    for path in places(SOUND[name]):
        if path and isinstance(path[-1], str) and path[-1] != "_id":
            assert not CHECK.is_valid(without(SOUND[name], path)), path


@given(st.data())
@settings(deadline=None)
def test_no_unknown_member_is_accepted(data: st.DataObject) -> None:
    document = SOUND[data.draw(st.sampled_from(sorted(SOUND)))]
    extra = data.draw(st.text().filter(lambda name: name not in document and name != "_id"))
    assert not CHECK.is_valid(document | {extra: 1})


@pytest.mark.parametrize(
    "document",
    [
        ALLELE | {"type": "Variant"},
        ALLELE | {"state": {"type": "LiteralSequenceExpression", "sequence": "acgt"}},
        LOCATION | {"sequence_id": "NC_000001.11"},
        LOCATION | {"interval": INTERVAL | {"start": 55039979}},
        LOCATION | {"interval": INTERVAL | {"start": {"type": "Number", "value": "55039979"}}},
        LOCATION | {"interval": INTERVAL | {"start": {"type": "Number", "value": -1}}},
        LOCATION | {"interval": {"type": "SimpleInterval", "start": True, "end": 2}},
        SOUND["gain"] | {"copy_change": "gain"},
        SOUND["gain"] | {"subject": 5},
        HAPLOTYPE | {"members": [ALLELE]},
        HAPLOTYPE | {"members": [ALLELE, ALLELE]},
        BAND | {"interval": {"type": "CytobandInterval", "start": "13", "end": "pter"}},
        {},
        [],
        None,
    ],
)
def test_malformed_ones_are_refused(document: Any) -> None:
    assert not CHECK.is_valid(document)
    assert CHECK.errors(document)
