from __future__ import annotations

import copy
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loaders.mapping import SampleNames, convert
from loaders.report import Problem, Severity
from loaders.sources import documents
from tests.unit.loaders.full import family
from tests.unit.loaders.packets import (
    HETEROZYGOUS,
    MARFAN,
    RECORD,
    SEIZURE,
    TONIC_CLONIC,
    document,
    interpretation,
    packet,
    read,
    rules,
)

VARIANT = "/interpretations/0/diagnosis/genomicInterpretations/0"
DESCRIPTOR = f"{VARIANT}/variantInterpretation/variationDescriptor"


def with_record(**members: Any) -> dict[str, Any]:
    return packet(interpretations=[interpretation({"vcfRecord": RECORD | members, "allelicState": HETEROZYGOUS})])


def test_a_sound_packet_is_read_without_a_word() -> None:
    found, problems, reader = read(document(with_record()))
    assert [one.body["id"] for one in found] == ["case-1"]
    assert problems == []
    assert reader.counts.read == 1


def test_a_byte_order_mark_is_no_fault() -> None:
    found, problems, _ = read(document(b"\xef\xbb\xbf" + json.dumps(packet()).encode()))
    assert len(found) == 1
    assert problems == []


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b'{"id": ', "json-invalid"),
        (b"\xff\xfe", "json-invalid"),
        (b"", "json-empty"),
        (b"[" * 100_000, "json-invalid"),
        (b"[{}]", "packet-list"),
        (b'"text"', "schema-type"),
        (b"null", "schema-type"),
        (b'{"id": "c", "members": []}', "schema-required"),
        (b'{"id": "1", "variants": []}', "packet-version"),
        (json.dumps(packet()).encode()[:-1] + b', "subject": {"id": "other"}}', "json-key-repeated"),
        (json.dumps(family()).encode().replace(b'"subject": {', b'"subject": {"id": "x", ', 1), "json-key-repeated"),
    ],
)
def test_what_is_no_phenopacket_gets_one_sentence(data: bytes, rule: str) -> None:
    found, problems, reader = read(document(data))
    assert found == []
    assert [problem.rule for problem in problems] == [rule]
    assert problems[0].message.endswith(".")
    assert reader.counts.set_aside == 1


def test_version_1_is_refused_with_one_sentence_that_says_so() -> None:
    old = packet()
    old["metaData"]["phenopacketSchemaVersion"] = "1.0.0"
    _, problems, _ = read(document(old))
    assert len(problems) == 1
    assert problems[0].pointer == "/metaData/phenopacketSchemaVersion"


def test_a_bad_packet_is_set_aside_and_the_rest_is_read() -> None:
    bad = packet("bad", subject={"id": "x", "sex": "woman"})
    found, problems, reader = read(document(packet("a")), document(bad, "bad.json", 7), document(packet("b")))
    assert [one.body["id"] for one in found] == ["a", "b"]
    assert [(problem.file, problem.line, problem.pointer) for problem in problems] == [("bad.json", 7, "/subject/sex")]
    assert reader.counts.set_aside == 1


def test_a_problem_of_the_source_is_passed_on() -> None:
    gone = Problem("gone.json", None, None, "file-unreadable", Severity.ERROR, "The file cannot be read.")
    found, problems, _ = read(gone, document(packet()))
    assert len(found) == 1
    assert problems == [gone]


def test_the_same_packet_twice_is_loaded_once_and_another_of_its_id_is_an_error() -> None:
    first, other = packet(), packet(subject={"id": "Patient 2"})
    reordered = dict(reversed(first.items()))
    found, problems, reader = read(document(first), document(reordered, "again.json"), document(other, "other.json"))
    assert [one.document.file for one in found] == ["case.json"]
    assert [(problem.rule, problem.severity, problem.file) for problem in problems] == [
        ("packet-repeated", Severity.WARNING, "again.json"),
        ("packet-id-taken", Severity.ERROR, "other.json"),
    ]
    assert (reader.counts.duplicates, reader.counts.set_aside) == (1, 1)


def test_a_packet_that_was_set_aside_does_not_take_its_id() -> None:
    found, _, _ = read(document(packet(subject={})), document(packet()))
    assert len(found) == 1


ONSET = {"age": {"iso8601duration": "P3Y"}}


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ([{"type": SEIZURE}, {"type": SEIZURE, "excluded": True}], [("feature-contradiction", "error", "/1")]),
        ([{"type": SEIZURE, "onset": ONSET}, {"type": SEIZURE, "excluded": True}], [("feature-both", "warning", "/1")]),
        (
            [{"type": TONIC_CLONIC}, {"type": SEIZURE, "excluded": True}],
            [("feature-excluded-ancestor", "warning", "/0")],
        ),
        ([{"type": SEIZURE}, {"type": TONIC_CLONIC, "excluded": True}], []),
        ([{"type": SEIZURE}, {"type": SEIZURE}], [("feature-repeated", "warning", "/1")]),
        ([{"type": SEIZURE}, {"type": SEIZURE, "onset": ONSET}], []),
        ([{"type": {"id": "HP:0001250"}}], [("term-label-missing", "warning", "/0/type/label")]),
        ([{"type": {"id": "HP:9999999", "label": "x"}}], [("term-unknown", "warning", "/0/type/id")]),
        ([{"type": {"id": "hp:0001250", "label": "x"}}], [("term-unknown", "warning", "/0/type/id")]),
        ([{"type": SEIZURE | {"label": "Fit"}}], [("term-label", "warning", "/0/type/label")]),
        ([{"type": SEIZURE | {"label": "seizure "}}], []),
        ([{"type": {"id": "HP:0000057", "label": "x"}}], [("term-obsolete", "warning", "/0/type/id")]),
        (
            [{"type": SEIZURE, "modifiers": [{"id": "Mild", "label": "HP:0012825"}]}],
            [("term-swapped", "warning", "/0/modifiers/0/id")],
        ),
        (
            [{"type": SEIZURE, "modifiers": [{"id": "rather mild"}]}],
            [("term-not-curie", "warning", "/0/modifiers/0/id")],
        ),
        (
            [{"type": SEIZURE, "onset": {"timestamp": "2020-02-31T00:00:00Z"}}],
            [("date-impossible", "error", "/0/onset/timestamp")],
        ),
    ],
)
def test_features_that_do_not_fit_together_are_found(
    features: list[dict[str, Any]], expected: list[tuple[str, str, str]]
) -> None:
    found = rules(packet(phenotypicFeatures=features))
    assert found == [(rule, severity, f"/phenotypicFeatures{pointer}") for rule, severity, pointer in expected]


AGE = {"iso8601duration": "P40Y"}


@pytest.mark.parametrize(
    ("members", "rule", "severity", "pointer"),
    [
        ({"subject": {"id": "p", "timeAtLastEncounter": {"age": {"iso8601duration": "P1500Y"}}}},
         "age-impossible", "error", "/subject/timeAtLastEncounter/age/iso8601duration"),
        ({"phenotypicFeatures": [{"type": SEIZURE, "onset": {"ageRange": {"start": AGE, "end": ONSET["age"]}}}]},
         "time-reversed", "error", "/phenotypicFeatures/0/onset/ageRange"),
        ({"diseases": [{"term": MARFAN, "onset": {"interval": {"start": "2020-01-02T00:00:00Z",
                                                              "end": "2020-01-01T00:00:00Z"}}}]},
         "time-reversed", "error", "/diseases/0/onset/interval"),
        ({"diseases": [{"term": MARFAN, "onset": {"age": AGE}, "resolution": ONSET}]},
         "time-order", "warning", "/diseases/0/resolution"),
        ({"subject": {"id": "p", "timeAtLastEncounter": ONSET}, "diseases": [{"term": MARFAN, "onset": {"age": AGE}}]},
         "time-after-last", "warning", "/diseases/0/onset"),
        ({"phenotypicFeatures": [{"type": SEIZURE, "onset": {"gestationalAge": {"weeks": 20, "days": 9}}}]},
         "age-gestation", "warning", "/phenotypicFeatures/0/onset/gestationalAge/days"),
        ({"subject": {"id": "p", "dateOfBirth": "2990-01-01T00:00:00Z"}}, "date-future", "warning",
         "/subject/dateOfBirth"),
        ({"subject": {"id": "p", "dateOfBirth": "2010-01-01T00:00:00Z",
                      "timeAtLastEncounter": {"timestamp": "2001-01-01T00:00:00+02:00"}}},
         "date-before-birth", "warning", "/subject/timeAtLastEncounter/timestamp"),
        ({"measurements": [{"assay": SEIZURE, "value": {"quantity": {"unit": SEIZURE, "value": 1, "referenceRange": {
            "unit": SEIZURE, "low": 3, "high": 2}}}}]},
         "range-reversed", "warning", "/measurements/0/value/quantity/referenceRange"),
    ],
)  # fmt: skip
def test_ages_dates_and_ranges_that_cannot_be_are_found(
    members: dict[str, Any], rule: str, severity: str, pointer: str
) -> None:
    assert rules(packet(**members)) == [(rule, severity, pointer)]


def test_an_excluded_disease_may_be_asked_about_at_any_time() -> None:
    last = {"id": "p", "timeAtLastEncounter": ONSET}
    excluded = {"term": MARFAN, "onset": {"age": AGE}, "excluded": True}
    assert rules(packet(subject=last, diseases=[excluded])) == []


def test_a_prefix_that_meta_data_do_not_name_is_a_warning() -> None:
    assert rules(packet(diseases=[{"term": {"id": "MONDO:0007947", "label": "Marfan syndrome"}}])) == [
        ("resource-missing", "warning", "/metaData/resources")
    ]


def test_samples_are_the_subjects_and_have_ids_of_their_own() -> None:
    twice = packet(biosamples=[{"id": "s", "individualId": "Patient 1"}, {"id": "s", "individualId": "somebody"}])
    assert rules(twice) == [
        ("biosample-repeated", "error", "/biosamples/1/id"),
        ("biosample-individual", "warning", "/biosamples/1/individualId"),
    ]


def test_a_variant_of_nobody_in_the_packet_is_a_warning() -> None:
    body = packet(interpretations=[interpretation({"vcfRecord": RECORD}, subject="somebody")])
    assert rules(body) == [("interpretation-subject", "warning", f"{VARIANT}/subjectOrBiosampleId")]
    sample = packet(interpretations=[interpretation({"vcfRecord": RECORD}, subject="s")], biosamples=[{"id": "s"}])
    assert rules(sample) == []


@pytest.mark.parametrize(
    ("record", "rule", "severity", "member"),
    [
        ({"genomeAssembly": "T2T-CHM13v1.1"}, "vcf-assembly", "error", "/genomeAssembly"),
        ({"chrom": "NC_000015.9"}, "vcf-assembly", "error", "/genomeAssembly"),
        ({"pos": 101_991_190}, "vcf-beyond-end", "error", "/pos"),
        ({"alt": "."}, "vcf-no-allele", "error", "/alt"),
        ({"alt": "g"}, "vcf-no-allele", "error", "/alt"),
        ({"alt": "<NON_REF>"}, "vcf-no-allele", "error", "/alt"),
        ({"alt": "<*>"}, "vcf-no-allele", "error", "/alt"),
        ({"ref": "N", "alt": "DEL"}, "vcf-symbolic", "warning", "/alt"),
    ],
)
def test_alleles_that_cannot_be_are_errors(record: dict[str, Any], rule: str, severity: str, member: str) -> None:
    assert rules(with_record(**record)) == [(rule, severity, f"{DESCRIPTOR}/vcfRecord{member}")]


def test_a_record_and_an_expression_that_disagree_are_told() -> None:
    expression = {"syntax": "hgvs.g", "value": "NC_000015.10:g.48505037G>T"}
    body = packet(interpretations=[interpretation({"vcfRecord": RECORD, "expressions": [expression]})])
    assert rules(body) == [("vcf-hgvs", "warning", f"{DESCRIPTOR}/vcfRecord")]
    expression["value"] = "NC_000015.10:g.48505037G>A"
    assert rules(body) == []


def test_a_subject_with_nothing_but_an_id_is_not_taken_for_a_term() -> None:
    bare = {"id": "bare", "diagnosis": {}}
    assert rules(packet(subject={"id": "only an id"}, biosamples=[{"id": "s 1"}], interpretations=[bare])) == []


def test_the_known_defects_are_each_found_where_they_are(shared: Path) -> None:
    folder = shared / "data" / "phenopackets"
    expected = json.loads((folder / "defects_expected.json").read_text("utf-8"))["lines"]
    found, problems, _ = read(*documents([folder / "defects.jsonl.gz"]))
    said: dict[int | None, list[Problem]] = defaultdict(list)
    for problem in problems:
        said[problem.line].append(problem)
    for line in expected:
        here = said[line["line"]]
        if line["severity"] in {"valid", "ignored"}:
            assert here == [], line
        else:
            matching = [problem for problem in here if problem.severity == line["severity"]]
            assert any((problem.pointer or "").startswith(line["json_pointer"]) for problem in matching), line
            assert (
                matching == [problem for problem in here if problem.severity is Severity.ERROR] or matching == here
            ), line
    loaded = {one.document.line for one in found}
    assert loaded == {
        line["line"] for line in expected if line["severity"] in {"warning", "valid"} and line["line"] != 32
    }


def test_the_real_packets_have_no_error(shared: Path) -> None:
    archives = sorted((shared / "data" / "phenopackets").glob("cohorts_*.zip"))
    found, problems, reader = read(*documents(archives))
    assert [problem for problem in problems if problem.severity is Severity.ERROR] == []
    assert (len(found), reader.counts.duplicates) == (2016, 0)


def test_whatever_one_member_is_replaced_by_nothing_breaks(shared: Path) -> None:
    """Every member of a full example is replaced once: the packet is refused with a reason, or it can be converted."""
    base = json.loads((shared / "data" / "phenopackets" / "examples" / "retinoblastoma.json").read_text("utf-8"))
    replacements: tuple[Any, ...] = ("", [])
    for path in list(paths(base)):
        for replacement in replacements:
            changed = copy.deepcopy(base)
            *way, last = path
            place = changed
            for step in way:
                place = place[step]
            place[last] = replacement
            found, problems, _ = read(document(changed))
            if found:
                convert(found[0].body, SampleNames().name)
            else:
                assert any(problem.severity is Severity.ERROR for problem in problems)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    steps: Iterable[Any] = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for step in steps:
        yield from paths(value[step], (*path, step))
