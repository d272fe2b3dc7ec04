"""Loading again: what is there stays, what changed is replaced, what vanished is told; and where it all came from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from beacon.errors import LoadError
from beacon.model.variant import from_vcf
from beacon.store.admin import Admin
from loaders.bff import check_bff, load_bff
from loaders.dry_run import check_phenopackets
from loaders.pipeline import load_phenopackets
from loaders.report import Report
from loaders.terms import ancestors
from loaders.vcf import check_vcf, load_vcf
from tests.unit.loaders.packets import MARFAN, RECORD, SEIZURE, interpretation, packet

HEADER = "##fileformat=VCFv4.3\n##reference=GRCh38\n"


@pytest.fixture
def admin(mongo_uri: str, database_name: str, tmp_path: Path) -> Iterator[Admin]:
    with Admin.open(mongo_uri, database_name, grace=0, key_file=tmp_path / "key") as opened:
        opened.create_dataset("cases")
        yield opened


def lines(path: Path, *bodies: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(body) + "\n" for body in bodies), "utf-8")
    return path


def vcf(path: Path, samples: str, *records: str, header: str = HEADER) -> Path:
    path.parent.mkdir(exist_ok=True)
    columns = f"#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT {samples}".replace(" ", "\t")
    rows = [record.split() for record in records]
    text = "".join("\t".join([c, p, ".", r, a, ".", "PASS", ".", "GT", *calls]) + "\n" for c, p, r, a, *calls in rows)
    path.write_text(f"{header}{columns}\n{text}", "utf-8")
    return path


def load(admin: Admin, path: Path, **options: Any) -> Report:
    return load_phenopackets(admin, [path], "cases", **options)


def individuals(admin: Admin) -> int:
    return admin.dataset("cases").counts["individual"]


def alleles(admin: Admin) -> int:
    return admin.dataset("cases").counts["genomicVariant"]


def told(report: Report) -> set[tuple[str, Any]]:
    return {(problem.rule, problem.value) for problem in report.problems}


def test_of_a_file_that_was_loaded_before_only_what_changed_is_written(admin: Admin, tmp_path: Path) -> None:
    people = [packet(f"p{number}", interpretations=[interpretation({"vcfRecord": RECORD})]) for number in range(5)]
    load(admin, lines(tmp_path / "cases.jsonl", *people))
    people[3] |= {"phenotypicFeatures": [{"type": SEIZURE}]}
    report = load(admin, lines(tmp_path / "cases.jsonl", *people, packet("new")))
    assert report.counts["unchanged individual"] == 4
    assert report.counts["replaced individual"] == 1
    assert report.counts["individual"] == 2
    assert (individuals(admin), alleles(admin)) == (6, 1)
    last = admin.loads("cases")[-1]
    assert admin._db["records"].count_documents({"l": last.id, "k": "individual"}) == 2


def test_who_is_not_there_any_more_is_told_and_removed_on_request_alone(admin: Admin, tmp_path: Path) -> None:
    load(admin, lines(tmp_path / "other.jsonl", packet("z")))
    load(admin, lines(tmp_path / "cases.jsonl", packet("a"), packet("b")))
    report = load(admin, lines(tmp_path / "cases.jsonl", packet("b")))
    assert ("record-vanished", "a") in told(report)
    assert ("record-vanished", "z") not in told(report)
    assert individuals(admin) == 3
    broken = load(admin, lines(tmp_path / "cases.jsonl", packet("b"), packet("a", subject={})), remove_vanished=True)
    assert "record-vanished" not in {rule for rule, _ in told(broken)}
    broken = load(admin, lines(tmp_path / "cases.jsonl", packet("b"), packet("c", subject={})), remove_vanished=True)
    assert ("record-vanished", "a") in told(broken)
    assert individuals(admin) == 3
    report = load(admin, lines(tmp_path / "cases.jsonl", packet("b")), remove_vanished=True)
    assert report.counts["removed individual"] == 1
    assert individuals(admin) == 2


def test_files_of_one_name_in_two_folders_are_two_and_however_a_path_is_written_it_is_one(
    admin: Admin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "h1" / "cases", tmp_path / "h2" / "cases"
    for folder, ids in ((first, ("a", "b")), (second, ("c",))):
        folder.mkdir(parents=True)
        lines(folder / "all.jsonl", *map(packet, ids))
        assert told(load(admin, folder, remove_vanished=True)) == set()
    assert individuals(admin) == 3
    lines(first / "all.jsonl", packet("a"))
    (tmp_path / "link").symlink_to(first)
    monkeypatch.chdir(tmp_path / "h1")
    for path in (first, Path("cases"), Path("../h1/cases"), tmp_path / "link"):
        assert told(check_phenopackets([path], admin=admin, dataset="cases")) == {("record-vanished", "b")}
    load(admin, Path("cases"), remove_vanished=True)
    assert individuals(admin) == 2


def test_a_check_says_who_is_new_would_be_replaced_stays_or_has_vanished(admin: Admin, tmp_path: Path) -> None:
    load(admin, lines(tmp_path / "cases.jsonl", packet("a"), packet("b"), packet("c")))
    before = admin.dataset("cases")
    path = lines(tmp_path / "cases.jsonl", packet("a"), packet("b", subject={"id": "Another"}), packet("d"))
    report = check_phenopackets([path], admin=admin, dataset="cases")
    counts = {kind: number for kind, number in report.counts.items() if kind.endswith(" individual")}
    assert counts == {"unchanged individual": 1, "replaced individual": 1, "new individual": 1}
    assert told(report) == {("record-vanished", "c")}
    assert admin.dataset("cases") == before


def test_a_check_of_phenopackets_says_who_would_be_left_out_as_withdrawn(admin: Admin, tmp_path: Path) -> None:
    path = lines(tmp_path / "cases.jsonl", packet("a"), packet("b"))
    load(admin, path)
    admin.withdraw("cases", "b", "")
    counts = check_phenopackets([path], admin=admin, dataset="cases").counts
    assert (counts["unchanged individual"], counts["withdrawn individual left out"]) == (1, 1)


def test_a_check_of_a_vcf_reports_what_its_load_would(admin: Admin, tmp_path: Path) -> None:
    path = vcf(tmp_path / "calls.vcf", "S1 S2 S3", "1 100 A G 0/1 0/0 0/0", "2 200 C T 0/0 0/1 0/1")
    load(admin, lines(tmp_path / "cases.jsonl", packet("S1"), packet("S4")))
    load_vcf(admin, path, "cases")
    assert "would change nothing" in check_vcf(path, admin=admin, dataset="cases").outcome
    admin.withdraw("cases", "S3", "")
    before = admin.dataset("cases")
    vcf(path, "S1 S3 S4 S5", "1 100 A T 0/1 0/0 0/0 0/1", "1 300 A <NON> 0/0 0/0 0/0 0/0", "1 400 A Z 0/0 0/0 0/0 0/0")
    checked = check_vcf(path, admin=admin, dataset="cases")
    assert admin.dataset("cases") == before
    people = {kind: number for kind, number in checked.counts.items() if " individual" in kind or "earlier" in kind}
    assert people == {
        "known individual": 2, "new individual": 1, "withdrawn individual left out": 1,
        "earlier load that it would replace": 1,
    }  # fmt: skip
    alone = told(check_vcf(path))
    loaded = load_vcf(admin, path, "cases")
    assert told(checked) == told(loaded) > alone
    assert {("record-vanished", "S2"), ("vcf-part-vanished", "2")} <= told(checked)
    assert loaded.counts["withdrawn individual left out"] == 1


def test_a_check_of_beacon_files_says_who_is_new_and_who_would_be_replaced(admin: Admin, tmp_path: Path) -> None:
    sex = {"id": "NCIT:C16576", "label": "female"}
    path = tmp_path / "individuals.json"
    path.write_text(json.dumps([{"id": id, "sex": sex} for id in ("a", "b", "c")]))
    load_bff(admin, [path], "cases")
    assert "would change nothing" in check_bff([path], admin=admin, dataset="cases").outcome
    admin.withdraw("cases", "c", "")
    before = admin.dataset("cases")
    path.write_text(json.dumps([{"id": id, "sex": sex} for id in ("b", "c", "d", "e")]))
    checked = check_bff([path], admin=admin, dataset="cases")
    assert admin.dataset("cases") == before
    people = {kind: number for kind, number in checked.counts.items() if " individual" in kind}
    assert people == {"replaced individual": 1, "new individual": 2, "withdrawn individual left out": 1}
    counts = load_bff(admin, [path], "cases").counts
    assert (counts["replaced individual"], counts["withdrawn individual left out"]) == (1, 1)


def test_a_corrected_vcf_takes_the_place_of_the_earlier_one_of_its_name(admin: Admin, tmp_path: Path) -> None:
    path = vcf(tmp_path / "calls.vcf", "S1 S2", "1 100 A G 0/1 0/0", "1 200 C T 0/0 0/1", "1 300 C G 0/0 0/0")
    load_vcf(admin, path, "cases")
    assert alleles(admin) == 3
    report = load_vcf(admin, vcf(path, "S1 S2", "1 100 A T 0/1 0/0"), "cases")
    assert report.exit_code == 0
    counts = admin.dataset("cases").counts
    assert (counts["individual"], counts["biosample"], counts["run"], counts["genomicVariant"]) == (2, 2, 2, 1)


def test_of_samples_that_a_corrected_vcf_has_no_more_the_calls_stay_unless_asked(admin: Admin, tmp_path: Path) -> None:
    path = vcf(tmp_path / "calls.vcf", "S1 S2", "1 100 A G 0/1 0/0", "1 200 C T 0/0 0/1")
    load_vcf(admin, path, "cases")
    report = load_vcf(admin, vcf(path, "S1", "1 100 A T 0/1"), "cases")
    assert ("record-vanished", "S2") in told(report)
    assert (individuals(admin), alleles(admin), admin.dataset("cases").counts["run"]) == (2, 2, 2)
    load_vcf(admin, vcf(path, "S1", "1 100 A C 0/1"), "cases", remove_vanished=True)
    assert (individuals(admin), alleles(admin), admin.dataset("cases").counts["run"]) == (1, 1, 1)


def test_calls_that_stayed_go_with_the_same_vcf_and_the_option(admin: Admin, tmp_path: Path) -> None:
    path = vcf(tmp_path / "calls.vcf", "S1 S2", "1 100 A G 0/1 0/1")
    load_vcf(admin, path, "cases")
    load_vcf(admin, vcf(path, "S1", "1 100 A T 0/1"), "cases")
    assert individuals(admin) == 2
    checked = check_vcf(path, admin=admin, dataset="cases", remove_vanished=True)
    report = load_vcf(admin, path, "cases", remove_vanished=True)
    assert "would change nothing" not in checked.outcome
    assert ("record-vanished", "S2") in told(report) & told(checked)
    assert (individuals(admin), alleles(admin)) == (1, 1)
    assert "holds this file already" in load_vcf(admin, path, "cases", remove_vanished=True).outcome


def test_files_of_one_name_for_different_chromosomes_add_up_and_so_does_whatever_is_told_to(
    admin: Admin, tmp_path: Path
) -> None:
    for chrom in ("1", "2"):
        (tmp_path / chrom).mkdir()
        load_vcf(admin, vcf(tmp_path / chrom / "calls.vcf", "S1", f"{chrom} 100 A G 0/1"), "cases")
    assert alleles(admin) == 2
    load_vcf(admin, vcf(tmp_path / "calls.vcf", "S1", "1 200 A G 0/1"), "cases", keep_earlier=True)
    assert alleles(admin) == 3
    again = load_vcf(admin, vcf(tmp_path / "calls.vcf", "S1", "1 300 A G 0/1"), "cases")
    assert ("vcf-part-vanished", "2") not in told(again)
    assert alleles(admin) == 2
    last = admin.loads("cases")[-1].id
    load_vcf(admin, vcf(tmp_path / "renamed.vcf", "S1", "1 400 A G 0/1"), "cases", replaces=[last[:8]])
    assert alleles(admin) == 2


def test_only_a_load_of_a_vcf_into_the_same_dataset_can_be_replaced(admin: Admin, tmp_path: Path) -> None:
    load(admin, lines(tmp_path / "cases.jsonl", packet("a"), packet("b")))
    admin.create_dataset("other")
    calls = vcf(tmp_path / "calls.vcf", "S1", "1 100 A G 0/1")
    load_vcf(admin, calls, "other")
    of_people, elsewhere = admin.loads("cases")[-1].id, admin.loads("other")[-1].id
    for id, words in ((of_people, "load phenopackets"), (elsewhere, "dataset 'other'"), ("dead", "no load 'dead'")):
        with pytest.raises(LoadError, match=words) as refused:
            load_vcf(admin, calls, "cases", replaces=[id])
        assert refused.value.where == id
        with pytest.raises(LoadError, match=words):
            check_vcf(calls, admin=admin, dataset="cases", replaces=[id])
    assert (individuals(admin), alleles(admin)) == (2, 0)


def test_what_gives_way_to_a_vcf_is_told_with_its_load_before_and_afterwards(admin: Admin, tmp_path: Path) -> None:
    load_vcf(admin, vcf(tmp_path / "snv" / "P1.vcf", "P1 P2", "1 100 A G 0/1 0/1", "1 200 C T 0/1 0/0"), "cases")
    first = admin.loads("cases")[-1].id
    path = vcf(tmp_path / "sv" / "P1.vcf", "P1", "1 900 A <DEL> 0/1")
    for report in (check_vcf(path, admin=admin, dataset="cases"), load_vcf(admin, path, "cases")):
        (found,) = [one for one in report.problems if one.rule == "vcf-replaced"]
        assert found.value == first
        assert all(word in found.message for word in (first[:8], "P1.vcf", "1 sample ", "2 variants"))
        assert found.hint is not None and "--keep-earlier" in found.hint
    assert told(load_vcf(admin, path, "cases", keep_earlier=True)) == set()


def test_a_vcf_is_loaded_anew_with_another_assembly_in_place_of_the_earlier_calls(admin: Admin, tmp_path: Path) -> None:
    path = vcf(tmp_path / "calls.vcf", "S1", "1 100 A G 0/1", header="##fileformat=VCFv4.3\n")
    load_vcf(admin, path, "cases", assembly="GRCh37")
    assert "already" in load_vcf(admin, path, "cases", assembly="hg19").outcome
    assert "vcf-replaced" in {rule for rule, _ in told(load_vcf(admin, path, "cases", assembly="GRCh38"))}
    assert admin.where(from_vcf("GRCh37", "1", 100, "A", "G").id) == []
    assert len(admin.where(from_vcf("GRCh38", "1", 100, "A", "G").id)) == 1
    assert alleles(admin) == 1


def test_the_people_of_a_vcf_that_is_held_join_a_cohort_without_its_being_loaded_again(
    admin: Admin, tmp_path: Path
) -> None:
    path = vcf(tmp_path / "calls.vcf", "S1 S2", "1 100 A G 0/1 0/1")
    load_vcf(admin, path, "cases")
    admin.withdraw("cases", "S2", "")
    admin.readmit("cases", "S2", (), "")
    load_vcf(admin, path, "cases")
    assert "would be members" in check_vcf(path, admin=admin, dataset="cases", cohort="c1").outcome
    assert "joined the cohort c1" in load_vcf(admin, path, "cases", cohort="c1").outcome
    assert admin.dataset("cases").cohorts == {"c1": 2}
    journal = admin.loads("cases")
    assert "nothing was changed" in load_vcf(admin, path, "cases", cohort="c1").outcome
    assert admin.loads("cases") == journal
    assert len(admin.where("S1")) == 2


def test_a_vcf_that_is_held_replaces_what_it_is_said_to_and_stays(admin: Admin, tmp_path: Path) -> None:
    load_vcf(admin, vcf(tmp_path / "old.vcf", "S1", "1 100 A G 0/1"), "cases")
    first = admin.loads("cases")[-1].id
    path = vcf(tmp_path / "new.vcf", "S1", "1 100 A T 0/1")
    load_vcf(admin, path, "cases")
    assert alleles(admin) == 2
    check = check_vcf(path, admin=admin, dataset="cases", replaces=[first])
    assert check.counts["earlier load that it would replace"] == 1
    assert told(load_vcf(admin, path, "cases", replaces=[first])) == told(check) == {("vcf-replaced", first)}
    assert (alleles(admin), admin.dataset("cases").counts["run"]) == (1, 1)
    assert "already" in load_vcf(admin, path, "cases", replaces=[first]).outcome
    other = load_vcf(admin, vcf(tmp_path / "other.vcf", "S2", "1 100 A T 0/1"), "cases", replaces=[first])
    assert told(other) == {("vcf-replaces-nothing", first)}


def test_a_vcf_without_a_variant_leaves_the_earlier_calls_and_says_so(admin: Admin, tmp_path: Path) -> None:
    path = vcf(tmp_path / "calls.vcf", "S1", "1 100 A G 0/1")
    load_vcf(admin, path, "cases")
    first = admin.loads("cases")[-1].id
    vcf(path, "S1")
    assert told(check_vcf(path, admin=admin, dataset="cases")) == {("vcf-part-vanished", first)}
    assert told(load_vcf(admin, path, "cases")) == {("vcf-part-vanished", first)}
    assert alleles(admin) == 1
    report = load_vcf(admin, path, "cases", replaces=[first])
    assert ("vcf-replaced", first) in told(report)
    assert (alleles(admin), admin.dataset("cases").counts["run"]) == (0, 1)
    load_vcf(admin, vcf(path, "S1", "1 100 A G 0/1", "1 200 A G 0/1"), "cases")
    assert (alleles(admin), admin.dataset("cases").counts["run"]) == (2, 1)


def test_a_vcf_with_neither_samples_nor_variants_changes_nothing(admin: Admin, tmp_path: Path) -> None:
    load_vcf(admin, vcf(tmp_path / "calls.vcf", "S1", "1 100 A G 0/1"), "cases")
    (tmp_path / "nothing.vcf").write_text(HEADER + "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
    report = load_vcf(admin, tmp_path / "nothing.vcf", "cases", replaces=[admin.loads("cases")[-1].id])
    assert "neither samples nor variants" in report.outcome
    assert alleles(admin) == 1


def test_a_vcf_without_samples_is_corrected_whole(admin: Admin, tmp_path: Path) -> None:
    def sites(*rows: str) -> Path:
        text = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "".join(
            "\t".join([*row.split()[:2], ".", *row.split()[2:], ".", "PASS", "."]) + "\n" for row in rows
        )
        (tmp_path / "sites.vcf").write_text(HEADER + text)
        return tmp_path / "sites.vcf"

    load_vcf(admin, sites("1 100 A G", "1 200 C T"), "cases")
    load_vcf(admin, sites("1 100 A G"), "cases")
    assert alleles(admin) == 1


def test_every_record_knows_its_file_its_line_and_its_load(admin: Admin, tmp_path: Path) -> None:
    path = lines(tmp_path / "cases.jsonl", packet("a"), packet("b", biosamples=[{"id": "s"}]))
    load(admin, path, who="ada")
    load_vcf(admin, vcf(tmp_path / "calls.vcf", "b", "1 100 A T 0/1"), "cases", who="bob")
    for id, kind, file, line, who in (
        ("b", "individual", str(path), 2, "ada"),
        ("s", "biosample", str(path), 2, "ada"),
        ("b", "biosample", "calls.vcf", None, "bob"),
    ):
        (found,) = [one for one in admin.where(id) if one.kind == kind]
        assert found.load is not None
        assert (found.file, found.line, found.load.who) == (file, line, who)
        assert len(found.load.sha256) == 64
        assert found.load.loader.startswith("skerry ")
    first = admin.where("a")[0].load
    assert first is not None
    assert set(first.ontologies) == {"HP"}
    assert (first.state, first.counts["individual"]) == ("done", 2)
    (variant,) = admin.where(from_vcf("GRCh38", "1", 100, "A", "T").id)
    assert (variant.kind, variant.file, variant.line) == ("genomicVariant", "calls.vcf", 4)
    assert variant.load is not None and variant.load.who == "bob"
    assert admin.where("nobody") == []


def test_what_was_written_anew_still_knows_its_load_its_file_and_its_line(admin: Admin, tmp_path: Path) -> None:
    load_vcf(admin, vcf(tmp_path / "one.vcf", "a b", "1 100 A T 0/1 0/1", "1 200 C G 0/1 0/0"), "cases", who="ada")
    load_vcf(admin, vcf(tmp_path / "two.vcf", "c", "1 50 A T 0/1", "1 200 C G 0/1"), "cases", who="bob")
    admin.compact("cases", ancestors, "", everything=True)
    assert len({one.load.id for one in admin.where("a") if one.load}) == 1
    admin.withdraw("cases", "b", "")
    admin.purge("cases", "b", ancestors, "")
    found = admin.where(from_vcf("GRCh38", "1", 200, "C", "G").id)
    origins = {(one.file, one.line, one.load and one.load.who) for one in found}
    assert origins == {("one.vcf", 5, "ada"), ("two.vcf", 5, "bob")}


def test_a_purge_leaves_of_a_relative_that_there_was_somebody_and_of_everybody_else_all(
    admin: Admin, tmp_path: Path
) -> None:
    def member(id: str, subject: str, **members: Any) -> dict[str, Any]:
        return packet(id, subject={"id": subject}, **members)

    persons = [
        {"individualId": "Kid", "maternalId": "Mum", "sex": "FEMALE", "affectedStatus": "AFFECTED"},
        {"individualId": "Mum", "sex": "FEMALE", "affectedStatus": "UNAFFECTED"},
    ]
    kid, mother = member("1", "Kid", diseases=[{"term": MARFAN}]), member("m-1", "Mum")
    family = {"id": "f", "proband": kid, "relatives": [mother], "metaData": kid["metaData"]}
    resources = [{"id": "hp", "namespacePrefix": "HP", "version": "1", "name": "", "url": "", "iriPrefix": ""}]
    other = member("o", "1", biosamples=[{"id": "S", "individualId": "1"}])
    other["metaData"] = other["metaData"] | {"resources": resources}
    for name, body in (("f.json", family | {"pedigree": {"persons": persons}}), ("o.json", other)):
        (tmp_path / name).write_text(json.dumps(body), "utf-8")
        load(admin, tmp_path / name)
    before = shown(admin)
    assert before["m-1"]["pedigrees"]
    admin.withdraw("cases", "1", "")
    admin.compact("cases", ancestors, "", everything=True)
    admin.purge("cases", "1", ancestors, "")
    after = shown(admin)
    assert after.keys() == {"m-1", "o", "S", "packet of m-1", "packet of o"}
    assert after["m-1"]["info"]["family"] == {"id": "f", "metaData": family["metaData"]} | {
        "persons": [{"individualId": "withdrawn"}, persons[1]],
        "memberIds": ["withdrawn", "m-1"],
    }
    assert "pedigrees" not in after["m-1"]
    for id in ("o", "S", "packet of m-1", "packet of o"):
        assert after[id] == before[id]


def shown(admin: Admin) -> dict[str, Any]:
    """Every record that is kept, by its id."""
    found = admin._db["records"].find({"k": {"$in": ["individual", "biosample", "phenopacket"]}})
    names = {"phenopacket": "packet of "}
    return {names.get(one["k"], "") + one["i"]: orjson.loads(one["b"]) for one in found}


def test_who_withdrew_does_not_come_back_with_the_same_files_and_is_counted(admin: Admin, tmp_path: Path) -> None:
    path = lines(tmp_path / "cases.jsonl", packet("a"), packet("b", biosamples=[{"id": "S1"}]))
    calls = vcf(tmp_path / "calls.vcf", "S1 S2", "1 100 A G 1/1 0/1", "1 200 C T 0/1 0/0")
    load(admin, path)
    load_vcf(admin, calls, "cases")
    admin.withdraw("cases", "b", "")
    assert load(admin, path).counts["withdrawn individual left out"] == 1
    calls.write_text(calls.read_text() + "1\t300\t.\tA\tT\t.\tPASS\t.\tGT\t0/1\t0/1\n")
    load_vcf(admin, calls, "cases")
    counts = admin.dataset("cases").counts
    assert (counts["individual"], counts["biosample"], counts["run"], counts["genomicVariant"]) == (2, 1, 1, 2)
    assert [one.id for one in admin.where("b")] == [one.id for one in admin.where("S1")] == []


def test_a_vcf_of_which_no_sample_leads_to_anybody_is_told_of_where_there_are_people(
    admin: Admin, tmp_path: Path
) -> None:
    path = vcf(tmp_path / "calls.vcf", "S1 S2", "1 100 A G 0/1 0/1")
    assert told(check_vcf(path, admin=admin, dataset="cases")) == set()
    load(admin, lines(tmp_path / "cases.jsonl", packet("a")))
    assert told(check_vcf(path, admin=admin, dataset="cases")) == told(load_vcf(admin, path, "cases")) == {
        ("vcf-sample-unmatched", "S1"), ("vcf-sample-unmatched", "S2"),
    }  # fmt: skip
    admin.create_dataset("other")
    for number in range(2):
        report = load_vcf(admin, vcf(tmp_path / f"{number}.vcf", f"S{number}", "1 100 A G 0/1"), "other")
        assert told(report) == set()


def test_whoever_is_known_by_samples_alone_is_not_said_to_be_made_nor_is_whoever_withdrew(
    admin: Admin, tmp_path: Path
) -> None:
    load(admin, lines(tmp_path / "cases.jsonl", packet("a")))
    load_vcf(admin, vcf(tmp_path / "one.vcf", "S1 S2", "1 100 A G 0/1 0/1"), "cases")
    admin.withdraw("cases", "S2", "")
    path = vcf(tmp_path / "two.vcf", "S1 S2 S3", "1 200 A G 0/1 0/1 0/1")
    checked = check_vcf(path, admin=admin, dataset="cases")
    assert {kind: number for kind, number in checked.counts.items() if " individual" in kind} == {
        "known individual": 1, "new individual": 1, "withdrawn individual left out": 1,
    }  # fmt: skip
    said = {problem.value: problem.message for problem in load_vcf(admin, path, "cases").problems}
    assert {person: "is made" in message for person, message in said.items()} == {"S1": False, "S3": True}
    assert "nothing but samples" in said["S1"]
