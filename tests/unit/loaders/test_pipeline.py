from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from beacon.errors import LoadError
from beacon.store.admin import Admin
from loaders.pipeline import fingerprint, load_phenopackets
from loaders.report import Progress
from loaders.sources import documents
from tests.unit.loaders.packets import RECORD, interpretation, packet


@pytest.fixture
def admin(mongo_uri: str, database_name: str) -> Iterator[Admin]:
    with Admin.open(mongo_uri, database_name) as opened:
        opened.create_dataset("cases")
        yield opened


def write(folder: Path, *bodies: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    for number, body in enumerate(bodies):
        (folder / f"{number}.json").write_text(json.dumps(body), "utf-8")
    return folder


def with_variant(id: str, **members: Any) -> dict[str, Any]:
    return packet(id, interpretations=[interpretation({"vcfRecord": RECORD})], **members)


def test_a_load_brings_people_samples_and_variants_at_once(admin: Admin, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", with_variant("a"), with_variant("b"), packet("c", biosamples=[{"id": "s"}]))
    report = load_phenopackets(admin, [folder], "cases", cohort="ours", who="a curator")
    assert report.exit_code == 0
    assert report.counts == {"individual": 3, "derived biosample": 2, "case": 2, "biosample": 3, "genomicVariant": 1}
    summary = admin.dataset("cases")
    assert (summary.counts["individual"], summary.counts["biosample"], summary.counts["genomicVariant"]) == (3, 3, 1)
    assert summary.cohorts == {"ours": 3}


def test_loading_the_same_again_changes_nothing_and_says_so(admin: Admin, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", with_variant("a"), packet("bad", subject={}))
    first = load_phenopackets(admin, [folder], "cases")
    before = admin.dataset("cases")
    again = load_phenopackets(admin, [folder], "cases")
    assert "nothing was changed" in again.outcome
    assert admin.dataset("cases") == before
    assert again.problems == first.problems
    assert again.exit_code == first.exit_code == 1


def test_the_same_packets_in_an_archive_are_the_same_load(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", packet("a"), packet("b"))
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"elsewhere/{path.name}")
    assert fingerprint(documents([folder]), ["1"]) == fingerprint(documents([tmp_path / "in.zip"]), ["1"])
    assert fingerprint(documents([folder]), ["1"]) != fingerprint(documents([folder]), ["2"])


def test_a_cohort_that_was_forgotten_is_made_by_loading_again(admin: Admin, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", packet("a"))
    load_phenopackets(admin, [folder], "cases")
    load_phenopackets(admin, [folder], "cases", cohort="ours")
    assert admin.dataset("cases").cohorts == {"ours": 1}
    assert admin.dataset("cases").counts["individual"] == 1


def test_a_packet_with_an_error_is_set_aside_and_the_rest_is_loaded(admin: Admin, tmp_path: Path) -> None:
    report = load_phenopackets(admin, [write(tmp_path / "in", packet("a"), packet("bad", subject={}))], "cases")
    assert report.exit_code == 1
    assert report.counts == {"individual": 1, "set-aside document": 1}
    assert admin.dataset("cases").counts["individual"] == 1


def test_where_nothing_can_be_loaded_the_dataset_stays_as_it_is(admin: Admin, tmp_path: Path) -> None:
    load_phenopackets(admin, [write(tmp_path / "in", packet("a"))], "cases")
    before = admin.dataset("cases")
    for path in (write(tmp_path / "bad", packet("b", subject={})), write(tmp_path / "empty"), tmp_path / "nowhere"):
        report = load_phenopackets(admin, [path], "cases")
        assert report.exit_code == 1
        assert "was not changed" in report.outcome
    assert admin.dataset("cases") == before


def test_a_changed_packet_replaces_the_person_with_samples_and_variants(admin: Admin, tmp_path: Path) -> None:
    load_phenopackets(admin, [write(tmp_path / "in", with_variant("a"), with_variant("b"))], "cases")
    later = write(tmp_path / "later", with_variant("a", subject={"id": "Patient 1", "sex": "MALE"}))
    report = load_phenopackets(admin, [later], "cases")
    assert report.counts["replaced individual"] == 1
    counts = admin.dataset("cases").counts
    assert (counts["individual"], counts["biosample"]) == (2, 2)


def test_samples_of_one_name_never_mix_two_persons(admin: Admin, tmp_path: Path) -> None:
    load_phenopackets(admin, [write(tmp_path / "in", packet("a", biosamples=[{"id": "s1"}]))], "cases")
    other = write(tmp_path / "other", packet("b", biosamples=[{"id": "s1"}]), packet("c", biosamples=[{"id": "s1"}]))
    report = load_phenopackets(admin, [other], "cases")
    assert [problem.rule for problem in report.problems] == ["biosample-id-taken"] * 2
    assert all("'a' has a sample 's1' already" in problem.message for problem in report.problems)
    assert admin.dataset("cases").counts["biosample"] == 3
    owners = admin.owners("cases", ["s1", "b:s1", "c:s1", "nobody's"])
    assert owners == {"s1": "a", "b:s1": "b", "c:s1": "c"}


def test_a_dataset_that_does_not_exist_is_named(admin: Admin, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="nowhere"):
        load_phenopackets(admin, [write(tmp_path / "in", packet())], "nowhere")


def test_a_log_shows_that_the_load_goes_on(admin: Admin, tmp_path: Path) -> None:
    log = io.StringIO()
    load_phenopackets(admin, [write(tmp_path / "in", packet())], "cases", progress=Progress(log))
    assert log.getvalue().startswith("Loading into cases: 1 of 1 document in ")


def test_the_real_packets_load_whole(admin: Admin, shared: Path) -> None:
    folder = shared / "data" / "phenopackets"
    report = load_phenopackets(admin, sorted(folder.glob("cohorts_*.zip")), "cases")
    assert report.errors == 0
    counts = admin.dataset("cases").counts
    assert (counts["individual"], counts["biosample"], counts["genomicVariant"]) == (2016, 2016, 1181 + 140)
    assert report.counts["case"] == 2350
