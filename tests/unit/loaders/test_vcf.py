"""A VCF is loaded whole or not at all, once, and its samples are the people that the dataset has."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo import MongoClient

from beacon.errors import LoadError
from beacon.model.calls import Calls
from beacon.model.variant import from_vcf
from beacon.store.admin import Admin
from beacon.store.heads import Spelled
from loaders.pipeline import load_phenopackets
from loaders.report import Report, Severity
from loaders.vcf import check_vcf, load_vcf
from loaders.vcf_order import in_order
from loaders.vcf_records import Record, Site
from tests.contract import official
from tests.stored import alleles
from tests.unit.loaders.packets import packet

HEADER = "##fileformat=VCFv4.3\n##contig=<ID=1,length=248956422>\n##contig=<ID=2,length=242193529>\n"
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"


@pytest.fixture
def stored(mongo_uri: str, database_name: str) -> Iterator[Any]:
    """The database itself, to see what lies in it."""
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        yield client[database_name]


def vcf(
    path: Path, *records: str, samples: tuple[str, ...] = ("S1", "S2"), header: str = HEADER, end: str = "\n"
) -> Path:
    """Write a VCF; a record is ``chrom pos ref alt genotypes...``, by spaces; INFO may follow ALT after a semicolon."""
    lines = [header + "\t".join([COLUMNS, *(["FORMAT", *samples] if samples else [])])]
    for record in records:
        chrom, pos, ref, told, *genotypes = record.split(" ")
        alt, _, about = told.partition(";")
        lines.append(
            "\t".join(
                [chrom, pos, ".", ref, alt, ".", "PASS", about or ".", *(["GT"] if genotypes else []), *genotypes]
            )
        )
    path.write_text("\n".join(lines) + end)
    return path


def bodies(stored: Any, kind: str) -> list[dict[str, Any]]:
    return [orjson.loads(found["b"]) for found in stored["records"].find({"k": kind}).sort("r")]


def unchanged(admin: Admin, stored: Any) -> bool:
    """Whether the dataset is as empty as before, with nothing left over from a load."""
    left = sum(stored[name].count_documents({}) for name in ("segments", "records", "alleles", "blocks", "arrays"))
    return left == 0 and not any(admin.dataset("d").counts.values())


def test_samples_become_individuals_biosamples_runs_and_analyses(admin: Admin, stored: Any, tmp_path: Path) -> None:
    header = HEADER + "##fileDate=20150218\n##source=maker\n"
    report = load_vcf(admin, vcf(tmp_path / "a.vcf", "1 100 A G,T 0/1 1/2", header=header), "d", who="me")
    assert report.exit_code == 0
    kinds = {"individual": 2, "biosample": 2, "run": 2, "analysis": 2, "genomicVariant": 2}
    assert {kind: report.counts[kind] for kind in kinds} == kinds
    counts = admin.dataset("d").counts
    assert {kind: counts[kind] for kind in kinds} == kinds
    for kind in ("individual", "biosample", "run", "analysis"):
        for body in bodies(stored, kind):
            assert official.check_record(kind, body) == []
    assert bodies(stored, "individual")[0] == {
        "id": "S1", "sex": {"id": "NCIT:C17998", "label": "unknown"}, "info": {"derived": True},
    }  # fmt: skip
    assert {body["runDate"] for body in bodies(stored, "run")} == {"2015-02-18"}
    (first, _) = bodies(stored, "analysis")
    assert (first["individualId"], first["biosampleId"], first["pipelineName"]) == ("S1", "S1", "maker")
    assert first["runId"] == bodies(stored, "run")[0]["id"]
    assert first["info"] == {"file": "a.vcf", "dateFrom": "fileDate"}


def test_a_date_that_the_header_lacks_is_the_loads_and_marked(admin: Admin, stored: Any, tmp_path: Path) -> None:
    load_vcf(admin, vcf(tmp_path / "a.vcf", "1 100 A G 0/1 1/1"), "d")
    (run, _) = bodies(stored, "run")
    assert run["info"]["dateFrom"] == "load"
    assert run["runDate"] == stored["loads"].find_one()["time"].date().isoformat()


def test_loading_the_same_file_again_changes_nothing_and_says_so(admin: Admin, tmp_path: Path) -> None:
    path = vcf(tmp_path / "a.vcf", "1 100 A G 0/1 1/1")
    load_vcf(admin, path, "d")
    before = admin.dataset("d")
    report = load_vcf(admin, path.rename(tmp_path / "b.vcf"), "d")
    assert "holds this file already" in report.outcome
    assert admin.dataset("d") == before


def test_files_of_the_same_people_have_runs_of_their_own(admin: Admin, stored: Any, tmp_path: Path) -> None:
    load_vcf(admin, vcf(tmp_path / "chr1.vcf", "1 100 A G 0/1 1/1"), "d")
    load_vcf(admin, vcf(tmp_path / "chr2.vcf", "2 100 A G 0/1 1/1"), "d")
    counts = admin.dataset("d").counts
    assert (counts["individual"], counts["biosample"], counts["run"], counts["analysis"]) == (2, 2, 4, 4)
    for kind in ("run", "analysis"):
        ids = [body["id"] for body in bodies(stored, kind)]
        assert len(set(ids)) == 4


def test_a_sample_joins_the_individual_of_its_name(admin: Admin, stored: Any, tmp_path: Path) -> None:
    load_vcf(admin, vcf(tmp_path / "first.vcf", "1 100 A G 0/1", samples=("S1",)), "d")
    load_vcf(admin, vcf(tmp_path / "second.vcf", "1 200 A G 0/1 0/0"), "d")
    assert admin.dataset("d").counts["individual"] == 2
    assert [person["i"] for person in stored["people"].find({"k": "individual"}).sort("o")] == ["S1", "S2"]


def test_samples_join_the_people_that_phenopackets_describe(admin: Admin, stored: Any, tmp_path: Path) -> None:
    (tmp_path / "S1.json").write_text(json.dumps(packet("S1")), "utf-8")
    (tmp_path / "P.json").write_text(json.dumps(packet("P", biosamples=[{"id": "S2"}])), "utf-8")
    load_phenopackets(admin, [tmp_path / "S1.json", tmp_path / "P.json"], "d")
    load_vcf(admin, vcf(tmp_path / "a.vcf", "1 100 A G 0/1 1/1 0/0", samples=("S1", "S2", "S3")), "d")
    counts = admin.dataset("d").counts
    assert (counts["individual"], counts["biosample"]) == (3, 3)  # S1, P and S3, which is new; S1, S2 and S3
    assert [body["individualId"] for body in bodies(stored, "run")] == ["S1", "P", "S3"]


def test_a_later_phenopacket_takes_the_place_of_a_derived_individual(admin: Admin, tmp_path: Path) -> None:
    load_vcf(admin, vcf(tmp_path / "a.vcf", "1 100 A G 0/1 1/1"), "d")
    (tmp_path / "S1.json").write_text(json.dumps(packet("S1")), "utf-8")
    report = load_phenopackets(admin, [tmp_path / "S1.json"], "d")
    assert report.counts["replaced individual"] == 1
    counts = admin.dataset("d").counts
    assert (counts["individual"], counts["biosample"], counts["run"]) == (2, 2, 2)


def test_a_sample_that_came_before_its_phenopacket_finds_its_person_as_the_hint_says(
    admin: Admin, stored: Any, tmp_path: Path
) -> None:
    file = vcf(tmp_path / "a.vcf", "1 100 A G 0/1 1/1")
    (tmp_path / "P.json").write_text(json.dumps(packet("P", biosamples=[{"id": "S2"}])), "utf-8")
    load_vcf(admin, file, "d")
    report = load_phenopackets(admin, [tmp_path / "P.json"], "d")
    assert "delete 'P' and 'S2', load this phenopacket again, and then what" in str(report.problems[0].hint)
    admin.delete_people("d", ["P", "S2"], "me")
    assert load_phenopackets(admin, [tmp_path / "P.json"], "d").problems == []
    load_vcf(admin, file, "d")
    assert admin.owners("d", ["S1", "S2"]) == {"S1": "S1", "S2": "P"}
    counts = admin.dataset("d").counts
    assert (counts["individual"], counts["biosample"], counts["run"]) == (2, 2, 2)


@pytest.mark.parametrize(
    ("records", "rule", "line"),
    [
        (("1 100 A G 0/1 0/0", "1 99 A G 0/1 0/0"), "vcf-order", 6),
        (("1 100 A G 0/1 0/0", "2 50 A G 0/1 0/0", "1 300 A G 0/1 0/0"), "vcf-order", 7),
    ],
)
def test_a_file_that_is_not_sorted_is_refused_at_the_line_where_it_shows(
    admin: Admin, stored: Any, tmp_path: Path, records: tuple[str, ...], rule: str, line: int
) -> None:
    report = load_vcf(admin, vcf(tmp_path / "a.vcf", *records), "d")
    assert [(one.rule, one.line) for one in report.problems] == [(rule, line)]
    assert report.exit_code == 1
    assert report.outcome == "The file is refused; nothing was changed."
    assert unchanged(admin, stored)


def test_a_record_that_is_wrong_is_set_aside_and_the_rest_is_loaded(admin: Admin, stored: Any, tmp_path: Path) -> None:
    good, wrong = "1 100 A G 0/1 0/0", ("1 200 A G 0/1 0/2", "1 300 Q G 0/1 0/0", "1 400 A G 0/1", "3 1 A G 0/1 0/1")
    path = vcf(tmp_path / "a.vcf", good, *wrong)
    found = [(one.line, one.rule, one.pointer) for one in check_vcf(path).problems]
    assert found == [
        (6, "vcf-genotype", "S2/GT"), (7, "vcf-ref", "REF"), (8, "vcf-columns", None), (9, "vcf-contig", "CHROM"),
    ]  # fmt: skip
    assert unchanged(admin, stored)
    report = load_vcf(admin, path, "d")
    assert [(one.line, one.rule, one.pointer) for one in report.problems] == found
    assert (report.exit_code, report.counts["set-aside record"]) == (1, 4)
    held = [(one.allele.start, one.allele_count, one.allele_number) for one in alleles(stored)]
    assert held == [(99, 1, 4)]


def test_a_file_of_which_no_record_is_right_changes_nothing(admin: Admin, stored: Any, tmp_path: Path) -> None:
    report = load_vcf(admin, vcf(tmp_path / "a.vcf", "1 100 A G 0/1 0/2"), "d")
    assert (report.exit_code, report.outcome) == (1, "No record of the file can be used; dataset d was not changed.")
    assert unchanged(admin, stored)


def test_a_file_with_too_many_errors_is_read_no_further_and_changes_nothing(
    admin: Admin, stored: Any, tmp_path: Path
) -> None:
    path = vcf(tmp_path / "a.vcf", "1 1 A G 0/1 0/1", *(f"1 {pos} A G 0/1 0/7" for pos in range(2, 50)))
    report = load_vcf(admin, path, "d", report=Report(most=5))
    assert (report.errors, report.counts["record"]) == (5, 6)
    assert report.outcome == "After 5 errors nothing more was read; nothing was changed."
    assert unchanged(admin, stored)
    assert check_vcf(path).errors == 48


def test_a_file_cut_in_half_is_refused_at_the_line_where_it_ends(
    admin: Admin, stored: Any, tmp_path: Path, shared: Path
) -> None:
    for name in (
        "1000G_chr22_10.5-11.0Mb_GRCh38_2548samples.vcf.gz",
        "CINECA_chr22_GRCh37_2504samples_annotated.vcf.gz",
    ):
        data = (shared / "data/vcf" / name).read_bytes()
        path = tmp_path / name
        path.write_bytes(data[: len(data) // 2])
        report = load_vcf(admin, path, "d", assembly="GRCh38" if "38" in name else "GRCh37")
        (problem,) = [one for one in report.problems if one.severity is Severity.ERROR]
        assert problem.rule == "file-damaged"
        assert problem.line is not None
        assert problem.line > 1000
        assert unchanged(admin, stored)


def test_a_file_cut_in_its_header_is_refused(admin: Admin, stored: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.vcf.gz"
    path.write_bytes(gzip.compress(HEADER.encode())[:-20])
    assert load_vcf(admin, path, "d").errors == 1
    (tmp_path / "b.vcf").write_text(HEADER)
    assert "ends before its #CHROM line" in load_vcf(admin, tmp_path / "b.vcf", "d").render()
    assert unchanged(admin, stored)


def test_no_name_of_a_file_reaches_a_terminal_with_what_controls_it(admin: Admin, tmp_path: Path) -> None:
    for name, header in (("a\x1b[31m\udcff.vcf", HEADER), ("b\x1b[31m\udcff.vcf", "##nothing")):
        path = vcf(tmp_path / name, "1 100 A G 0/1 0/0", "1 200 A Z 0/1 0/0", header=header)
        text = load_vcf(admin, path, "d").render()
        assert f"{name[0]}\ufffd[31m\ufffd.vcf" in text
        assert "\x1b" not in text
    assert admin.loads("d")[0].source == "a\ufffd[31m\ufffd.vcf"


def test_what_is_no_vcf_is_refused(admin: Admin, tmp_path: Path) -> None:
    (tmp_path / "a.vcf").write_text("id,name\n1,x\n")
    (tmp_path / "b.vcf").write_bytes(b"\xff\xd8\xff\xe0" * 20)
    (tmp_path / "c.vcf").touch()
    for name in ("a.vcf", "b.vcf", "c.vcf"):
        assert load_vcf(admin, tmp_path / name, "d").exit_code == 1


def test_places_that_are_not_there_are_refused_in_a_sentence(admin: Admin, tmp_path: Path) -> None:
    path = vcf(tmp_path / "a.vcf", "1 100 A G 0/1 0/0")
    with pytest.raises(LoadError, match="no dataset 'e'"):
        load_vcf(admin, path, "e")
    with pytest.raises(LoadError, match=r"none\.vcf cannot be read: No such file"):
        load_vcf(admin, tmp_path / "none.vcf", "d")
    with pytest.raises(LoadError, match="cannot be read: Is a directory"):
        load_vcf(admin, tmp_path, "d")


def test_an_uncertain_assembly_is_asked_for_and_nothing_is_begun(admin: Admin, stored: Any, tmp_path: Path) -> None:
    path = vcf(tmp_path / "a.vcf", "1 100 A G 0/1 0/0", header="##fileformat=VCFv4.3\n")
    with pytest.raises(LoadError, match="--assembly"):
        load_vcf(admin, path, "d")
    assert unchanged(admin, stored)
    assert load_vcf(admin, path, "d", assembly="hg19").exit_code == 0
    assert stored["loads"].find_one()["assembly"] == "GRCh37"


def test_an_accession_in_the_first_record_tells_the_assembly(admin: Admin, stored: Any, tmp_path: Path) -> None:
    bare = "##fileformat=VCFv4.3\n"
    path = vcf(tmp_path / "a.vcf", "NC_000001.10 100 A G 0/1 0/0", "NC_000002.11 100 A G 0/1 0/0", header=bare)
    assert check_vcf(path).problems == []
    assert load_vcf(admin, path, "d").counts["genomicVariant"] == 2
    assert stored["loads"].find_one()["assembly"] == "GRCh37"
    assert "holds this file already" in load_vcf(admin, path, "d", assembly="GRCh37").outcome
    for_both = vcf(tmp_path / "b.vcf", "NC_000001.10 100 A G 0/1 0/0", header=bare + "##reference=GRCh38\n")
    with pytest.raises(LoadError, match="does not tell"):
        load_vcf(admin, for_both, "d")


def test_a_contig_of_another_length_is_a_warning(admin: Admin, tmp_path: Path) -> None:
    path = vcf(tmp_path / "a.vcf", "1 100 A G 0/1 0/0", header="##fileformat=VCFv4.3\n##contig=<ID=1,length=1000>\n")
    report = load_vcf(admin, path, "d", assembly="GRCh38")
    assert (report.errors, report.warnings, report.problems[0].rule) == (0, 1, "vcf-contig-length")


def test_a_contig_that_has_the_length_of_a_chromosome_alone_is_a_warning(admin: Admin, tmp_path: Path) -> None:
    names = "".join(f"##contig=<ID={name},length=242193529>\n" for name in ("foo", "02", "CM000664.2"))
    header = HEADER + names + "##contig=<ID=decoy,length=5386>\n"
    report = load_vcf(admin, vcf(tmp_path / "a.vcf", "foo 100 A G 0/1 0/0", header=header), "d")
    (problem,) = report.problems
    assert (problem.rule, problem.value, problem.severity) == ("vcf-contig-unknown", "foo", Severity.WARNING)
    assert "chromosome 2 of GRCh38" in problem.message


def test_a_cohort_is_made_of_the_samples(admin: Admin, tmp_path: Path) -> None:
    load_vcf(admin, vcf(tmp_path / "a.vcf", "1 100 A G 0/1 0/0"), "d", cohort="c")
    assert admin.dataset("d").cohorts == {"c": 2}


def test_sites_without_samples_are_loaded_without_calls(admin: Admin, stored: Any, tmp_path: Path) -> None:
    report = load_vcf(admin, vcf(tmp_path / "a.vcf", "1 100 A G", "1 200 A G,T", samples=()), "d")
    assert report.counts["genomicVariant"] == 3
    assert [(one.carriers, one.allele_count, one.allele_number) for one in alleles(stored)] == [(None, None, None)] * 3


def test_translocations_from_one_position_stay_apart_where_they_lead_elsewhere(
    admin: Admin, stored: Any, tmp_path: Path
) -> None:
    leading = (
        "<TRA>;CHR2=2;END=100",
        "<TRA>;CHR2=5;END=200",
        "<TRA>;CHR2=5;END=90000000",
        "<BND>;CHR2=5;POS2=7;END=5001",
    )
    records = [f"1 5000 A {one} 0/{number % 2} 0/1" for number, one in enumerate(leading)]
    report = load_vcf(admin, vcf(tmp_path / "a.vcf", *records), "d")
    assert report.problems == []
    assert {one.id.partition("5000-")[2]: one.carriers for one in alleles(stored)} == {
        "5000-TRA-2:100": 1, "5000-TRA-5:200": 2, "5000-TRA-5:90000000": 1, "5000-BND-5:7": 2,
    }  # fmt: skip
    again = load_vcf(admin, vcf(tmp_path / "b.vcf", records[0], records[0]), "d")
    assert [one.rule for one in again.problems] == ["vcf-allele-twice"]


def test_counts_in_the_store_are_those_of_the_calls(admin: Admin, stored: Any, shared: Path) -> None:
    load_vcf(admin, shared / "data/vcf/edge/synthetic_edge_cases.vcf", "d")
    found = {
        orjson.loads(one.body)["info"]["vcf"].get("id"): (one.carriers, one.allele_count, one.allele_number)
        for one in alleles(stored)
    }
    assert found["half_call"] == (2, 2, 3)
    assert found["triploid"] == (3, 6, 11)
    assert found["same_site_a"] == (2, 2, 8)
    assert found["gt_absent"] == (None, None, None)
    assert found["x_nonpar_haploid_males"] == (3, 4, 6)


def records_of(places: list[tuple[int, str, str]]) -> list[Record]:
    found = []
    for line, (pos, ref, alt) in enumerate(sorted(places, key=lambda place: place[0]), 1):
        allele = from_vcf("GRCh38", "1", pos, ref, alt)
        site = Site(line, allele, Spelled.of(allele, {"info": {"lines": [line]}}), Calls())
        found.append(Record(line, "1", "1", pos, (site,)))
    return found


BASES = st.text("AC", min_size=1, max_size=5)


@given(st.lists(st.tuples(st.integers(1, 12), BASES, BASES).filter(lambda place: place[1] != place[2]), max_size=30))
def test_alleles_leave_in_order_each_once_whatever_their_trimming(places: list[tuple[int, str, str]]) -> None:
    report = Report("d")
    records = records_of(places)
    found = list(in_order(records, 1, "a.vcf", report))
    keys = [(site.allele.start, site.allele.end) for site in found]
    assert keys == sorted(keys)
    ids = [site.allele.id for site in found]
    assert len(set(ids)) == len(ids)
    assert set(ids) == {site.allele.id for record in records for site in record.sites}
    assert report.warnings == len(records) - len(ids)
    assert sorted(line for site in found for line in site.body["info"]["lines"]) == list(range(1, len(records) + 1))


def test_the_two_spellings_of_one_chromosome_are_one(admin: Admin, stored: Any, tmp_path: Path) -> None:
    header = "##fileformat=VCFv4.3\n##reference=GRCh38\n"
    path = vcf(tmp_path / "a.vcf", "chr1 100 A G 0/1 0/0", "1 200 A G 0/0 0/1", header=header)
    assert load_vcf(admin, path, "d").exit_code == 0
    assert [(one.allele.chrom, one.carriers) for one in alleles(stored)] == [("1", 1), ("1", 1)]
