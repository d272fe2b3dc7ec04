"""Loading Beacon files into a dataset that has something already: whose samples are, what is replaced, what stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from beacon.store.admin import Admin
from loaders.bff import check_bff, load_bff
from loaders.report import Report
from loaders.vcf import load_vcf
from tests.unit.loaders.test_again import vcf

Json = dict[str, Any]
SEX = {"id": "NCIT:C16576", "label": "female"}
TERM = {"id": "NCIT:C17998", "label": "Unknown"}
ZYGOSITY = {"het": {"id": "GENO:0000135"}, "hom": {"id": "GENO:0000136"}}


@pytest.fixture
def admin(mongo_uri: str, database_name: str, tmp_path: Path) -> Iterator[Admin]:
    with Admin.open(mongo_uri, database_name, grace=0, key_file=tmp_path / "key") as opened:
        opened.create_dataset("d")
        yield opened


def person(id: str, **more: Any) -> Json:
    return {"id": id, "sex": SEX} | more


def sample(id: str, owner: str) -> Json:
    return {"id": id, "individualId": owner, "biosampleStatus": TERM, "sampleOriginType": TERM}


def run(id: str, of: str, **more: Any) -> Json:
    return {"id": id, "biosampleId": of, "runDate": "2021-09-24"} | more


def variant(start: int, carriers: dict[str, str], ref: str = "A", alt: str = "G", **more: Any) -> Json:
    """Return a variant of chromosome 1 with its carriers: zygosities by sample."""
    interval = {"start": {"value": start}, "end": {"value": start + len(ref)}}
    return {
        "variation": {
            "referenceBases": ref, "alternateBases": alt,
            "location": {"sequence_id": "NC_000001.11", "interval": interval},
        },
        "caseLevelData": [{"biosampleId": id, "zygosity": ZYGOSITY[group]} for id, group in carriers.items()],
    } | more  # fmt: skip


def write(folder: Path, **records: list[Json]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, listed in records.items():
        (folder / f"{name}.json").write_text(json.dumps(listed), "utf-8")
    return folder


def errors(report: Report) -> list[tuple[str, Any]]:
    return [(one.rule, one.value) for one in report.problems if one.severity == "error"]


def counts(admin: Admin) -> dict[str, int]:
    """Return how many records of each kind the dataset shows, without those of which there is none."""
    return {kind: number for kind, number in admin.dataset("d").counts.items() if number}


def test_a_sample_with_calls_is_not_given_to_somebody_else(admin: Admin, tmp_path: Path) -> None:
    load_vcf(admin, vcf(tmp_path / "calls.vcf", "S1 S2", "1 100 A G 0/1 1/1"), "d")
    files = write(
        tmp_path / "in", individuals=[person("P1"), person("P2")],
        biosamples=[sample("S1", "P1"), sample("S2", "P2"), sample("S3", "P2")],
    )  # fmt: skip
    checked = check_bff([files], admin=admin, dataset="d")
    report = load_bff(admin, [files], "d")
    assert errors(report) == errors(checked) == [("bff-sample-taken", "P1"), ("bff-sample-taken", "P2")]
    assert "'S1'" in str(report.problems[0].hint)
    assert admin.owners("d", ["S1", "S2", "S3"]) == {"S1": "S1", "S2": "S2", "S3": "P2"}
    assert report.exit_code == 1


def test_what_the_hint_says_unites_both(admin: Admin, tmp_path: Path) -> None:
    calls = vcf(tmp_path / "calls.vcf", "S1", "1 100 A G 0/1")
    load_vcf(admin, calls, "d")
    files = write(tmp_path / "in", individuals=[person("P1")], biosamples=[sample("S1", "P1")])
    load_bff(admin, [files], "d")
    admin.delete_people("d", ["S1", "P1"], "")
    assert load_bff(admin, [files], "d").exit_code == 0
    load_vcf(admin, calls, "d")
    assert counts(admin) == {"individual": 1, "biosample": 1, "run": 1, "analysis": 1, "genomicVariant": 1}
    admin.withdraw("d", "P1", "")
    assert counts(admin) == {}


def test_a_corrected_file_does_not_move_a_sample_to_another_person(admin: Admin, tmp_path: Path) -> None:
    people = [person("P1"), person("P2")]
    load_bff(admin, [write(tmp_path / "in", individuals=people, biosamples=[sample("S1", "P1")])], "d")
    load_bff(admin, [write(tmp_path / "calls", genomicVariations=[variant(99, {"S1": "het"})])], "d")
    moved = write(tmp_path / "moved", biosamples=[sample("S1", "P2")])
    assert errors(load_bff(admin, [moved], "d")) == [("bff-sample-taken", "P2")]
    assert admin.owners("d", ["S1"]) == {"S1": "P1"}


def test_neither_runs_nor_analyses_give_a_sample_to_somebody_else(admin: Admin, tmp_path: Path) -> None:
    load_bff(admin, [write(tmp_path / "in", individuals=[person("P1")], biosamples=[sample("S1", "P1")])], "d")
    made = {"analysisDate": "2021-09-24", "pipelineName": "p"}
    files = write(
        tmp_path / "more", runs=[run("r1", "S1", individualId="P2"), run("r2", "S1")],
        analyses=[{"id": "a", "biosampleId": "S1", "individualId": "P1"} | made],
    )  # fmt: skip
    # A run that names only the sample means the person whom the other run names.
    taken = [("bff-sample-taken", "P2")]
    assert errors(load_bff(admin, [files], "d")) == taken * 2
    assert counts(admin) == {"individual": 1, "biosample": 1, "analysis": 1}


@pytest.mark.parametrize("says", [{"individualId": "P1"}, {}])
def test_calls_of_somebody_elses_sample_refuse_the_load(says: Json, admin: Admin, tmp_path: Path) -> None:
    load_bff(admin, [write(tmp_path / "calls", genomicVariations=[variant(99, {"S1": "het"})])], "d")
    before = admin.dataset("d")
    case = {"biosampleId": "S1", "zygosity": ZYGOSITY["hom"]} | says
    files = write(
        tmp_path / "in", genomicVariations=[variant(200, {}, caseLevelData=[case])],
        biosamples=[] if says else [sample("S1", "P1")],
    )  # fmt: skip
    report = load_bff(admin, [files], "d")
    assert {rule for rule, _ in errors(report)} == {"bff-sample-taken"}
    assert "nothing was changed" in report.outcome
    assert admin.dataset("d") == before


def test_within_one_load_any_order_of_files_gives_each_sample_to_its_person(admin: Admin, tmp_path: Path) -> None:
    case = {"biosampleId": "S3", "individualId": "P3", "zygosity": ZYGOSITY["het"]}
    files = write(
        tmp_path / "in", individuals=[person(id) for id in ("P1", "P2", "P3")], biosamples=[sample("S1", "P1")],
        runs=[run("r1", "S1"), run("r2", "S2"), run("r3", "S2", individualId="P2"), run("r4", "S3")],
        genomicVariations=[variant(99, {"S1": "het", "S2": "hom"}), variant(300, {}, caseLevelData=[case])],
    )  # fmt: skip
    for number, order in enumerate(permutations(sorted(files.iterdir()))):
        report = check_bff(order)
        assert (report.exit_code, report.counts["derived biosample"]) == (0, 2)
        if number % 8 == 0:
            admin.create_dataset(f"d{number}")
            load_bff(admin, order, f"d{number}")
            assert admin.dataset(f"d{number}").counts["individual"] == 3
            owners = admin.owners(f"d{number}", ["S1", "S2", "S3"])
            assert owners == {"S1": "P1", "S2": "P2", "S3": "P3"}


def test_files_that_give_a_sample_to_two_people_are_told_of_the_second(admin: Admin, tmp_path: Path) -> None:
    files = write(tmp_path / "in", biosamples=[sample("S1", "P1")], runs=[run("r1", "S1", individualId="P2")])
    assert errors(load_bff(admin, [files], "d")) == [("bff-sample-taken", "P2")]
    assert counts(admin) == {"individual": 1, "biosample": 1}
