"""The schemas of Phenopackets, against protobuf's own descriptors, real files and known defects."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given, settings
from phenopackets import Cohort, Family, Phenopacket

from schemas import schema, validator
from tests.unit.schemas.documents import PHENOPACKET, changed, damaged, without

CHECK = validator("phenopacket")
DEFINITIONS: dict[str, Any] = schema("phenopacket")["$defs"]
SHARED = Path(os.environ.get("SKERRY_SHARED") or Path(__file__).resolve().parents[3].parent / "shared")
DATA = SHARED / "data" / "phenopackets"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="needs the shared folder beside the checkout, or SKERRY_SHARED"
)

FOUND_BY_LOADER_RULES = {
    # Matters of ontologies, of several members together, or of several records: not of the schema.
    "hpo_term_without_label",
    "hpo_id_not_in_ontology",
    "hpo_obsolete_term",
    "hpo_label_mismatch",
    "same_term_observed_and_excluded",
    "observed_child_of_excluded_parent",
    "duplicate_feature",
    "interpretation_subject_mismatch",
    "metadata_resource_missing_for_prefix",
    "truncated_json",
    "blank_line",
    "duplicate_phenopacket_id_identical_content",
    "duplicate_phenopacket_id_different_content",
    None,
}


def _messages(descriptor: Descriptor, definition: Any, seen: dict[str, Any]) -> None:
    """Pair every message type with the part of our schema that describes it."""
    definition = _resolved(definition)
    if descriptor.full_name in seen or descriptor.full_name == "google.protobuf.Timestamp":
        return
    seen[descriptor.full_name] = (descriptor, definition)
    for field in descriptor.fields:
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            member = _resolved(definition["properties"][field.json_name])
            _messages(field.message_type, member.get("items", member), seen)


def _resolved(definition: Any) -> Any:
    while "$ref" in definition:
        definition = DEFINITIONS[definition["$ref"].rsplit("/", 1)[1]]
    return definition


def _pairs() -> dict[str, Any]:
    seen: dict[str, Any] = {}
    _messages(Phenopacket.DESCRIPTOR, DEFINITIONS["Phenopacket"], seen)
    _messages(Family.DESCRIPTOR, schema("family")["else"], seen)
    _messages(Cohort.DESCRIPTOR, schema("cohort")["else"], seen)
    return seen


PAIRS = _pairs()


@pytest.mark.parametrize("name", PAIRS)
def test_our_schema_knows_exactly_the_members_that_protobuf_knows(name: str) -> None:
    descriptor, definition = PAIRS[name]
    assert set(definition["properties"]) - {"_id"} == {field.json_name for field in descriptor.fields}
    assert definition["additionalProperties"] is False


@pytest.mark.parametrize("name", PAIRS)
def test_our_schema_gives_every_member_the_type_that_protobuf_gives_it(name: str) -> None:
    descriptor, definition = PAIRS[name]
    for field in descriptor.fields:
        member = _resolved(definition["properties"][field.json_name])
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        if field.is_repeated and not is_map:
            assert member["type"] == "array", field.full_name
            member = _resolved(member["items"])
        if field.enum_type is not None:
            assert member["enum"] == [value.name for value in field.enum_type.values], field.full_name
        elif "enum" in member:
            assert field.type == FieldDescriptor.TYPE_STRING
        else:
            assert member["type"] == _expected_type(field), field.full_name


def _expected_type(field: FieldDescriptor) -> str | list[str]:
    if field.message_type is not None:
        return "string" if field.message_type.name == "Timestamp" else "object"
    match field.type:
        case FieldDescriptor.TYPE_UINT64:
            return ["integer", "string"]
        case FieldDescriptor.TYPE_INT32 | FieldDescriptor.TYPE_UINT32:
            return "integer"
        case FieldDescriptor.TYPE_DOUBLE:
            return "number"
        case FieldDescriptor.TYPE_BOOL:
            return "boolean"
    return "string"


@given(damaged(PHENOPACKET))
@settings(deadline=None, max_examples=300)
def test_what_our_schema_accepts_protobuf_accepts_too(document: Any) -> None:
    if CHECK.is_valid(document):
        json_format.ParseDict(document, Phenopacket())


def test_what_protobuf_writes_of_a_sound_phenopacket_our_schema_accepts() -> None:
    message = json_format.ParseDict(PHENOPACKET, Phenopacket())
    assert CHECK.errors(json_format.MessageToDict(message)) == ()


@pytest.mark.parametrize(
    "path",
    [
        ("id",),
        ("subject",),
        ("subject", "id"),
        ("metaData",),
        ("metaData", "created"),
        ("metaData", "phenopacketSchemaVersion"),
        ("phenotypicFeatures", 0, "type"),
        ("phenotypicFeatures", 0, "type", "id"),
        ("diseases", 0, "term"),
        ("biosamples", 0, "id"),
        ("measurements", 0, "assay"),
    ],
)
def test_a_missing_member_is_named_where_it_should_be(path: tuple[str | int, ...]) -> None:
    assert [problem.pointer for problem in CHECK.errors(without(PHENOPACKET, path))] == [
        "".join(f"/{step}" for step in path)
    ]


@pytest.mark.parametrize(
    "path", [("subject", "sex"), ("phenotypicFeatures",), ("phenotypicFeatures", 0, "type", "label"), ("diseases",)]
)
def test_what_may_be_missing_may_be_missing(path: tuple[str | int, ...]) -> None:
    assert CHECK.is_valid(without(PHENOPACKET, path))


CALL = ("interpretations", 0, "diagnosis", "genomicInterpretations", 0)
VCF = (*CALL, "variantInterpretation", "variationDescriptor", "vcfRecord")
AGE = ("subject", "timeAtLastEncounter", "age", "iso8601duration")


@pytest.mark.parametrize("pos", [1, "1", 48426762, "48426762"])
def test_a_position_may_be_a_number_or_a_text(pos: Any) -> None:
    assert CHECK.is_valid(changed(PHENOPACKET, (*VCF, "pos"), pos))


@pytest.mark.parametrize("pos", [0, "0", -1, "chr1:5", "", 1.5, True, None, "12\n", 2**31, "99999999999"])
def test_other_positions_are_refused(pos: Any) -> None:
    assert not CHECK.is_valid(changed(PHENOPACKET, (*VCF, "pos"), pos))


@pytest.mark.parametrize("age", ["P3Y", "P3Y6M", "P8M2W", "P21D", "P0D", "P54Y0M", "PT12H", "P1DT6H30M", "P1.5Y"])
def test_durations_are_accepted(age: str) -> None:
    assert CHECK.is_valid(changed(PHENOPACKET, AGE, age))


@pytest.mark.parametrize("age", ["P", "PT", "P1DT", "3Y", "P3", "P3Y\n", "P-3Y", "12 years", "P6M3Y", "", "p3y", 3])
def test_what_is_no_duration_is_refused(age: Any) -> None:
    assert not CHECK.is_valid(changed(PHENOPACKET, AGE, age))


@pytest.mark.parametrize(
    "chrom", ["chr7", "7", "X", "chrY", "MT", "chrM", "M", "NC_000007.14", "chr1_KI270706v1_random"]
)
def test_chromosomes_are_accepted(chrom: str) -> None:
    assert CHECK.is_valid(changed(PHENOPACKET, (*VCF, "chrom"), chrom))


@pytest.mark.parametrize("chrom", ["chr77", "0", "23", "", "chr", "Z", 7, "chr7 "])
def test_other_chromosomes_are_refused(chrom: Any) -> None:
    assert not CHECK.is_valid(changed(PHENOPACKET, (*VCF, "chrom"), chrom))


@pytest.mark.parametrize(
    "alt", ["A", "acgtn", "*", ".", "<DEL>", "<DUP:TANDEM>", "DEL", "G]17:198982]", "]13:123456]T"]
)
def test_alternate_alleles_are_accepted(alt: str) -> None:
    assert CHECK.is_valid(changed(PHENOPACKET, (*VCF, "alt"), alt))


@pytest.mark.parametrize("alt", ["", "AXZ", "A,T", "-", "<DEL", "A T", None])
def test_other_alternate_alleles_are_refused(alt: Any) -> None:
    assert not CHECK.is_valid(changed(PHENOPACKET, (*VCF, "alt"), alt))


@pytest.mark.parametrize("time", ["2020-02-30", "2020-13-01T00:00:00Z", "2020-01-01T00:00:00", "yesterday", 0])
def test_what_is_no_time_is_refused(time: Any) -> None:
    assert not CHECK.is_valid(changed(PHENOPACKET, ("subject", "dateOfBirth"), time))


def test_an_onset_is_one_thing_not_two_and_not_none() -> None:
    onset = ("phenotypicFeatures", 0, "onset")
    for value in ({}, {"age": {"iso8601duration": "P1Y"}, "timestamp": "2020-01-01T00:00:00Z"}):
        (problem,) = CHECK.errors(changed(PHENOPACKET, onset, value))
        assert "exactly one of age" in problem.message


def test_snake_case_is_refused_with_the_right_name() -> None:
    document = without(PHENOPACKET, ("diseases",)) | {"medical_actions": []}
    (problem,) = CHECK.errors(document)
    assert problem.pointer == "/medical_actions"
    assert problem.message == "'medical_actions' is not known here; perhaps 'medicalActions' is meant."


@pytest.mark.parametrize("version", ["1.0.0-RC3", "1.0", "v1", "0.9"])
def test_version_1_earns_one_clear_sentence(version: str) -> None:
    document = {"id": "x", "genes": [], "variants": [], "metaData": {"phenopacketSchemaVersion": version}}
    (problem,) = CHECK.errors(document)
    assert problem.pointer == "/metaData/phenopacketSchemaVersion"
    assert "only 2" in problem.message


@pytest.mark.parametrize("version", ["2", "2.0", "2.0.2", "2.0.0-RC1"])
def test_version_2_is_read(version: str) -> None:
    assert CHECK.is_valid(changed(PHENOPACKET, ("metaData", "phenopacketSchemaVersion"), version))


def test_families_and_cohorts_hold_phenopackets() -> None:
    meta = PHENOPACKET["metaData"]
    family = {"id": "f", "proband": PHENOPACKET, "pedigree": {"persons": [{"individualId": "a"}]}, "metaData": meta}
    cohort = {"id": "c", "members": [PHENOPACKET], "metaData": meta}
    assert validator("family").errors(family) == ()
    assert validator("cohort").errors(cohort) == ()
    bad = changed(PHENOPACKET, ("subject", "sex"), "f")
    assert [p.pointer for p in validator("family").errors(family | {"relatives": [bad]})] == [
        "/relatives/0/subject/sex"
    ]
    assert [p.pointer for p in validator("cohort").errors(cohort | {"members": [bad]})] == ["/members/0/subject/sex"]
    assert [p.pointer for p in validator("family").errors({"id": "f", "metaData": meta})] == ["/pedigree", "/proband"]


def _real() -> Iterator[tuple[str, Any]]:
    for path in sorted(DATA.glob("cohorts_*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".json"):
                    yield name, json.loads(archive.read(name))


@needs_data
def test_all_2016_real_phenopackets_validate() -> None:
    documents = dict(_real())
    assert len(documents) == 2016
    assert [name for name, document in documents.items() if not CHECK.is_valid(document)] == []


@needs_data
@pytest.mark.parametrize("path", sorted((DATA / "examples").glob("*.json")), ids=lambda path: path.stem)
def test_published_examples_are_read_and_version_1_is_refused(path: Path) -> None:
    name = path.stem if path.stem in ("family", "cohort") else "phenopacket"
    problems = validator(name).errors(json.loads(path.read_text("utf-8")))
    if path.stem.startswith("v1_"):
        assert [problem.pointer for problem in problems] == ["/metaData/phenopacketSchemaVersion"]
    else:
        assert problems == ()


@needs_data
def test_defects_are_found_at_their_place_and_nothing_else_is() -> None:
    expected = json.loads((DATA / "defects_expected.json").read_text())["lines"]
    with gzip.open(DATA / "defects.jsonl.gz", "rt", encoding="utf-8") as file:
        lines = file.read().splitlines()
    found = 0
    for entry in expected:
        if entry["defect"] in ("truncated_json", "blank_line"):
            continue
        pointers = [problem.pointer for problem in CHECK.errors(json.loads(lines[entry["line"] - 1]))]
        if entry["defect"] in FOUND_BY_LOADER_RULES:
            assert pointers == [], entry
        else:
            assert pointers == [entry["json_pointer"]], entry
            found += 1
    assert found == 19
