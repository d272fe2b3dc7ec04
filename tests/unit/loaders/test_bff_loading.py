"""Loading Beacon files into a dataset that has something already: whose samples are, what is replaced, what stays."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from beacon.model.access import Asker, Decision, Granularity, Level
from beacon.model.query import AlphanumericFilter, Anchor, Query, VariantQuery
from beacon.query.execute import execute
from beacon.store.admin import Admin
from beacon.store.base import AllelePredicate
from beacon.store.mongo import MongoStore
from loaders.bff import check_bff, load_bff
from loaders.export import export
from loaders.pipeline import load_phenopackets
from loaders.report import Report
from loaders.terms import ancestors
from loaders.vcf import load_vcf
from tests.unit.loaders.packets import RECORD, interpretation, packet
from tests.unit.loaders.test_again import lines, vcf

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


def told(report: Report) -> list[tuple[str, Any]]:
    return [(one.rule, one.value) for one in report.problems]


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


FOLDER = {
    "individuals": [person("P1"), person("P2")],
    "biosamples": [sample("S1", "P1"), sample("S2", "P2")],
    "runs": [run("r1", "S1"), run("r2", "S2")],
    "genomicVariations": [variant(99, {"S1": "het", "S2": "het"}), variant(200, {"S1": "het"})],
}
WHOLE = {"individual": 2, "biosample": 2, "run": 2, "genomicVariant": 2}


def carriers(admin: Admin, mongo_uri: str, folder: Path) -> dict[int, dict[str, str]]:
    """Return who carries each variant, by its start, with which zygosity."""
    shutil.rmtree(folder, ignore_errors=True)

    async def written() -> None:
        store = await MongoStore.open(mongo_uri, admin.address[1])
        try:
            await export(store, "d", folder)
        finally:
            await store.close()

    asyncio.run(written())
    found = {}
    for line in gzip.decompress((folder / "genomicVariations.json.gz").read_bytes()).splitlines():
        if line.startswith(b"{"):
            record = json.loads(line.rstrip(b","))
            start = record["variation"]["location"]["interval"]["start"]["value"]
            found[start] = {
                one["biosampleId"]: "hom" if one["zygosity"]["id"] == ZYGOSITY["hom"]["id"] else "het"
                for one in record.get("caseLevelData", ())
            }
    return found


@pytest.mark.parametrize("file_by_file", [False, True])
def test_corrected_people_keep_the_samples_runs_and_variants_that_they_have(
    file_by_file: bool, admin: Admin, tmp_path: Path
) -> None:
    folder = write(tmp_path / "in", **FOLDER)
    for paths in [[path] for path in sorted(folder.iterdir())] if file_by_file else [[folder]]:
        load_bff(admin, paths, "d")
    assert counts(admin) == WHOLE
    write(folder, individuals=[person("P1", info={"seen": "again"}), person("P2")])
    report = load_bff(admin, [folder / "individuals.json"], "d")
    assert (report.exit_code, report.counts["replaced individual"]) == (0, 2)
    assert counts(admin) == WHOLE
    admin.withdraw("d", "P1", "")
    assert counts(admin) == {"individual": 1, "biosample": 1, "run": 1, "genomicVariant": 1}


def test_a_corrected_run_takes_the_place_of_the_one_of_its_id(admin: Admin, tmp_path: Path) -> None:
    load_bff(admin, [write(tmp_path / "in", **FOLDER)], "d")
    load_bff(admin, [write(tmp_path / "more", runs=[run("r1", "S1", platform="another")])], "d")
    assert counts(admin) == WHOLE


def test_a_corrected_run_or_analysis_keeps_the_calls_that_name_it(admin: Admin, mongo_uri: str, tmp_path: Path) -> None:
    analysis = {"id": "A1", "biosampleId": "S1", "runId": "R1", "analysisDate": "2021-09-24", "pipelineName": "one"}
    files = write(
        tmp_path / "in", individuals=[person("P1")], biosamples=[sample("S1", "P1")],
        runs=[run("R1", "S1", platform="Illumina")], analyses=[analysis],
        genomicVariations=[variant(1_000, {"S1": "het"})],
    )  # fmt: skip
    load_bff(admin, [files], "d")
    place = VariantQuery("GRCh38", "1", (1_000,), (1_001,))

    def joined() -> list[int]:
        questions = [
            Query("run", variant=place), Query("analysis", variant=place),
            Query("genomicVariant", Anchor("run", "R1")), Query("genomicVariant", Anchor("analysis", "A1")),
        ]  # fmt: skip
        return [asyncio.run(counted(mongo_uri, admin, query)) for query in questions]

    def of(platform: str) -> int:
        item = AlphanumericFilter("platform", "=", platform)
        return asyncio.run(counted(mongo_uri, admin, Query("genomicVariant", filters=(item,))))

    assert (joined(), of("Illumina"), of("PacBio")) == ([1, 1, 1, 1], 1, 0)
    more = write(
        tmp_path / "more", runs=[run("R1", "S1", platform="PacBio")], analyses=[analysis | {"pipelineName": "two"}]
    )
    load_bff(admin, [more], "d")
    assert (joined(), of("Illumina"), of("PacBio")) == ([1, 1, 1, 1], 0, 1)
    load_bff(admin, [write(tmp_path / "again", runs=[run("R1", "S1", platform="Nanopore")])], "d")
    assert (joined(), of("PacBio"), of("Nanopore")) == ([1, 1, 1, 1], 0, 1)


async def counted(mongo_uri: str, admin: Admin, query: Query) -> int:
    store = await MongoStore.open(mongo_uri, admin.address[1])
    try:
        decision = Decision("d", Granularity.RECORD, Asker.GRANTED, Level.REGISTERED, 0)
        (result,) = await execute(store, replace(query, granularity=Granularity.COUNT), [decision])
        return result.count or 0
    finally:
        await store.close()


@pytest.mark.parametrize("rewritten", [False, True])
def test_who_comes_with_a_phenopacket_leaves_nothing_of_an_earlier_one_behind(
    rewritten: bool, admin: Admin, tmp_path: Path
) -> None:
    def load_packet(**record: Any) -> None:
        people = packet("P1", interpretations=[interpretation({"vcfRecord": RECORD | record})]), packet("P2")
        path = lines(tmp_path / "cases.jsonl", *people[: 2 if rewritten and not record else 1])
        assert load_phenopackets(admin, [path], "d").exit_code == 0

    load_packet()
    load_bff(admin, [write(tmp_path / "in", individuals=[person("P1")])], "d")
    if rewritten:
        admin.withdraw("d", "P2", "")
        admin.purge("d", "P2", ancestors, "")
    assert counts(admin) == {"individual": 1, "biosample": 1, "genomicVariant": 1}
    load_packet(pos="48786500")
    assert counts(admin) == {"individual": 1, "biosample": 1, "genomicVariant": 1}


@pytest.mark.parametrize("assembly", [None, "GRCh38"])
def test_corrected_variants_take_the_place_of_the_earlier_ones(
    assembly: str | None, admin: Admin, mongo_uri: str, tmp_path: Path
) -> None:
    first = [variant(99, {"S1": "het", "S2": "het"}), variant(200, {"S1": "het"}), variant(300, {"S3": "het"})]
    path = write(tmp_path / "in", genomicVariations=first) / "genomicVariations.json"
    load_bff(admin, [path], "d")
    write(path.parent, genomicVariations=[variant(99, {"S1": "hom"})])
    checked = check_bff([path], assembly=assembly, admin=admin, dataset="d")
    report = load_bff(admin, [path], "d", assembly=assembly)
    vanished = {("record-vanished", "S2"), ("record-vanished", "S3")}
    assert {(one.rule, one.value) for one in report.problems} == vanished
    assert {(one.rule, one.value) for one in checked.problems} == vanished
    assert carriers(admin, mongo_uri, tmp_path / "out") == {99: {"S1": "hom"}}
    assert counts(admin) == {"individual": 1, "biosample": 1, "genomicVariant": 1}


def test_variants_without_carriers_are_corrected_too(admin: Admin, tmp_path: Path) -> None:
    path = write(tmp_path / "in", genomicVariations=[variant(99, {}), variant(200, {})]) / "genomicVariations.json"
    load_bff(admin, [path], "d")
    write(path.parent, genomicVariations=[variant(99, {})])
    load_bff(admin, [path], "d")
    assert counts(admin) == {"genomicVariant": 1}


def test_a_folder_is_corrected_as_a_whole(admin: Admin, mongo_uri: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", **FOLDER)
    load_bff(admin, [folder], "d")
    write(folder, individuals=[person("P1")], genomicVariations=[variant(99, {"S1": "hom"})])
    report = load_bff(admin, [folder], "d")
    told = [(one.rule, one.value) for one in report.problems if one.rule == "record-vanished"]
    # Of the person the file has no more all stays but the calls, which another file has.
    assert told == [("record-vanished", "P2"), ("record-vanished", "S2")]
    assert carriers(admin, mongo_uri, tmp_path / "out") == {99: {"S1": "hom"}}
    assert counts(admin) == WHOLE | {"genomicVariant": 1}


def test_of_a_folder_one_file_may_be_corrected_alone(admin: Admin, mongo_uri: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", **FOLDER)
    load_bff(admin, [folder], "d")
    first = admin.loads("d")[-1].id
    for carried in ("hom", "het"):
        write(folder, genomicVariations=[variant(300, {"S1": carried})])
        report = load_bff(admin, [folder / "genomicVariations.json"], "d")
        # The second time it is its own earlier load that gives way, and nothing of the folder's.
        assert told(report) == [("vcf-replaced", first)] * (carried == "hom") + [("record-vanished", "S2")]
        assert carriers(admin, mongo_uri, tmp_path / "out") == {99: {"S2": "het"}, 300: {"S1": carried}}
        assert counts(admin) == WHOLE
    report = load_bff(admin, [folder], "d")
    assert carriers(admin, mongo_uri, tmp_path / "out") == {300: {"S1": "het"}}


def test_files_of_the_same_name_in_another_folder_add(admin: Admin, mongo_uri: str, tmp_path: Path) -> None:
    load_bff(admin, [write(tmp_path / "one", genomicVariations=[variant(99, {"S1": "het"})])], "d")
    report = load_bff(admin, [write(tmp_path / "two", genomicVariations=[variant(200, {"S1": "hom"})])], "d")
    assert not report.problems
    assert carriers(admin, mongo_uri, tmp_path / "out") == {99: {"S1": "het"}, 200: {"S1": "hom"}}


def test_a_person_who_is_in_the_same_files_no_more_is_told(
    admin: Admin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "in", individuals=[person("P1"), person("P2")]) / "individuals.json"
    load_bff(admin, [path], "d")
    write(path.parent, individuals=[person("P1")])
    monkeypatch.chdir(path.parent)
    for relative in ("individuals.json", "../in/individuals.json"):
        report = check_bff([relative], admin=admin, dataset="d")
        assert [(one.rule, one.value) for one in report.problems] == [("record-vanished", "P2")]
    report = load_bff(admin, ["individuals.json"], "d")
    assert [(one.rule, one.value) for one in report.problems] == [("record-vanished", "P2")]
    assert counts(admin) == {"individual": 2}


def test_where_there_is_nothing_to_read_that_is_an_error(admin: Admin, tmp_path: Path) -> None:
    for path, rule in ((write(tmp_path / "empty"), "nothing-found"), (tmp_path / "nofile", "file-unreadable"),
                       (tmp_path / "individuals.json", "file-unreadable")):  # fmt: skip
        for report in (check_bff([path]), load_bff(admin, [path], "d")):
            assert [one for one, _ in errors(report)] == [rule]
            assert report.exit_code == 1


def test_inserted_bases_have_their_own_carriers(admin: Admin, mongo_uri: str, tmp_path: Path) -> None:
    inserted = [variant(13_000, {f"S{at}": "het"}, "", bases) for at, bases in enumerate(("GGA", "TTT"))]
    load_bff(admin, [write(tmp_path / "in", genomicVariations=inserted)], "d")
    assert counts(admin) == {"individual": 2, "biosample": 2, "genomicVariant": 2}
    found = asyncio.run(asked(mongo_uri, admin, (13_000, "", "GGA")))
    assert found == 1


async def asked(mongo_uri: str, admin: Admin, sequence: tuple[int, str, str]) -> int:
    """Return how many alleles a question by these bases finds."""
    store = await MongoStore.open(mongo_uri, admin.address[1])
    try:
        dataset = (await store.datasets())["d"]
        asking = AllelePredicate(assembly="GRCh38", chrom="1", sequence=sequence)
        return sum([len(await store.heads(segment, asking)) for segment in dataset.segments])
    finally:
        await store.close()


@pytest.mark.parametrize("first", ["bff", "phenopackets"])
def test_what_stayed_of_a_person_stays_when_somebody_else_is_purged(admin: Admin, tmp_path: Path, first: str) -> None:
    if first == "bff":
        files = {"individuals": [person("p1")], "biosamples": [sample("b1", "p1")], "runs": [run("r1", "b1")]}
        load_bff(admin, [write(tmp_path / "one", **files, genomicVariations=[variant(100, {"b1": "het"})])], "d")
    else:
        (tmp_path / "p1.json").write_text(json.dumps(packet("p1", biosamples=[{"id": "b1"}])))
        load_phenopackets(admin, [tmp_path / "p1.json"], "d")
    load_bff(admin, [write(tmp_path / "two", individuals=[person("p1"), person("x")])], "d")
    admin.withdraw("d", "x", "")
    before = counts(admin)
    assert before["biosample"] == 1
    admin.purge("d", "x", ancestors, "", wait=lambda _: None)
    assert counts(admin) == before


def test_of_a_person_whose_last_record_is_deleted_nothing_stays(admin: Admin, tmp_path: Path) -> None:
    files = {"individuals": [person("p1")], "biosamples": [sample("b1", "p1")]}
    load_bff(admin, [write(tmp_path / "one", **files, genomicVariations=[variant(100, {"b1": "het"})])], "d")
    load_bff(admin, [write(tmp_path / "two", individuals=[person("p1")])], "d")
    admin.delete_load("d", admin.loads("d")[-1].id, "")
    assert not any(counts(admin).values())


def test_a_variant_that_nobody_carried_goes_when_it_is_corrected_away(admin: Admin, tmp_path: Path) -> None:
    people = [person("p1"), person("p2")]
    folder = write(tmp_path / "in", individuals=people, genomicVariations=[variant(99, {}), variant(200, {})])
    load_bff(admin, [folder], "d")
    load_bff(admin, [write(folder, individuals=people[:1], genomicVariations=[variant(99, {})])], "d")
    assert counts(admin) == {"individual": 2, "genomicVariant": 1}


def test_a_folder_within_a_folder_adds_to_it(admin: Admin, tmp_path: Path) -> None:
    load_bff(admin, [write(tmp_path / "in", genomicVariations=[variant(99, {}), variant(200, {})])], "d")
    load_bff(admin, [write(tmp_path / "in" / "sub", genomicVariations=[variant(5000, {})])], "d")
    assert counts(admin)["genomicVariant"] == 3


def test_what_a_corrected_folder_has_no_more_of_a_person_is_told_and_stays(admin: Admin, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", **FOLDER)
    load_bff(admin, [folder], "d")
    calls = [variant(99, {"S1": "het", "S2": "het"})]
    # A record that was set aside is in the files all the same.
    write(folder, biosamples=[sample("S1", "P1")], runs=[run("r1", "S1"), {"id": "r2"}], genomicVariations=calls)
    checked = check_bff([folder], admin=admin, dataset="d")
    report = load_bff(admin, [folder], "d", remove_vanished=True)
    vanished = [one for one in report.problems if one.rule == "record-vanished"]
    assert [one.message for one in vanished] == [
        "The biosample 'S2' came with an earlier load of these files and is not in them any more."
    ]
    assert "delete 'P2'" in str(vanished[0].hint)
    assert told(checked) == told(report)
    assert counts(admin) == WHOLE | {"genomicVariant": 1}
    write(folder, runs=[run("r1", "S1")])
    assert told(load_bff(admin, [folder], "d")) == [("record-vanished", "S2"), ("record-vanished", "r2")]


def test_who_is_in_a_corrected_folder_no_more_is_removed_on_request_with_all_that_is_theirs(
    admin: Admin, tmp_path: Path
) -> None:
    folder = write(tmp_path / "in", **FOLDER)
    load_bff(admin, [folder], "d")
    ones = {name: listed[:1] for name, listed in FOLDER.items()} | {
        "genomicVariations": FOLDER["genomicVariations"][1:]
    }
    write(folder, **ones | {"runs": [{"id": "r1"}]})
    load_bff(admin, [folder], "d", remove_vanished=True)
    assert counts(admin)["individual"] == 2  # an error may be what the other one was in
    write(folder, **ones)
    checked = check_bff([folder], admin=admin, dataset="d", remove_vanished=True)
    report = load_bff(admin, [folder], "d", remove_vanished=True)
    assert told(checked) == told(report) == [("record-vanished", "P2")]
    assert report.counts["removed individual"] == admin.loads("d")[-1].counts["removed individual"] == 1
    assert counts(admin) == dict.fromkeys(WHOLE, 1)


def test_who_stayed_after_a_corrected_load_is_removed_by_the_same_files_with_the_option(
    admin: Admin, tmp_path: Path
) -> None:
    folder = write(tmp_path / "in", individuals=[person("P1"), person("P2")])
    load_bff(admin, [folder], "d")
    write(folder, individuals=[person("P1")])
    assert told(load_bff(admin, [folder], "d")) == [("record-vanished", "P2")]
    checked = check_bff([folder], admin=admin, dataset="d", remove_vanished=True)
    assert checked.outcome == "Checked. Nothing was changed."
    report = load_bff(admin, [folder], "d", remove_vanished=True)
    assert told(checked) == told(report) == [("record-vanished", "P2")]
    assert report.counts["removed individual"] == checked.counts["removed individual"] == 1
    assert counts(admin) == {"individual": 1}
    again = load_bff(admin, [folder], "d", remove_vanished=True)
    assert again.outcome == "Dataset d holds exactly this already; nothing was changed."


def test_who_goes_is_not_counted_in_a_cohort_that_still_lists_them(admin: Admin, tmp_path: Path) -> None:
    cohort = {"id": "C", "name": "C", "cohortType": "study-defined", "cohortSize": 2}
    cohort["ids"] = {"individualIds": ["P1", "P2"]}
    folder = write(tmp_path / "in", individuals=[person("P1"), person("P2")], cohorts=[cohort])
    load_bff(admin, [folder], "d")
    write(folder, individuals=[person("P1")])
    report = load_bff(admin, [folder], "d", remove_vanished=True)
    assert told(report) == [("record-vanished", "P2"), ("bff-cohort-size", 2)]
    assert "it has 1 member here" in report.problems[1].message


def test_a_chromosome_whose_calls_went_is_told_of_once(admin: Admin, tmp_path: Path) -> None:
    second = variant(500, {"S1": "het"})
    second["variation"]["location"]["sequence_id"] = "NC_000002.12"
    people = {"individuals": [person("S1"), person("P2")]}
    folder = write(tmp_path / "in", genomicVariations=[variant(99, {"S1": "het"}), second], **people)
    load_bff(admin, [folder], "d")
    people = {"individuals": [person("S1")]}
    for start, parts in ((100, ["2"]), (101, [])):
        write(folder, genomicVariations=[variant(start, {"S1": "het"})], **people)
        report = load_bff(admin, [folder], "d")
        assert [value for rule, value in told(report) if rule == "vcf-part-vanished"] == parts


def test_of_one_file_of_a_folder_nobody_is_removed_and_that_is_said(admin: Admin, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", individuals=[person("P1"), person("P2")], runs=[])
    load_bff(admin, [folder], "d")
    first = admin.loads("d")[-1].id
    path = write(folder, individuals=[person("P1")]) / "individuals.json"
    checked = check_bff([path], admin=admin, dataset="d", remove_vanished=True)
    report = load_bff(admin, [path], "d", remove_vanished=True)
    assert told(checked) == told(report) == [("record-vanished", first)]
    assert "brought 1 individual who are not in these files, such as 'P2'" in report.problems[0].message
    assert "load the whole folder" in str(report.problems[0].hint)
    assert counts(admin) == {"individual": 2}


def test_nobody_is_removed_of_whom_the_corrected_files_have_a_sample(admin: Admin, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", **FOLDER)
    load_bff(admin, [folder], "d")
    write(folder, individuals=[person("P1")])
    report = load_bff(admin, [folder], "d", remove_vanished=True)
    assert told(report) == [("record-vanished", "P2")]
    assert counts(admin) == WHOLE


def test_people_of_whom_a_load_of_other_files_has_more_are_told_with_that_load(admin: Admin, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", **FOLDER)
    load_bff(admin, [folder], "d")
    first = admin.loads("d")[-1].id
    moved = folder.rename(tmp_path / "moved")
    write(moved, genomicVariations=[variant(200, {"S1": "het"}), variant(300, {"S2": "het"})])
    checked = check_bff([moved], admin=admin, dataset="d")
    report = load_bff(admin, [moved], "d")
    assert told(checked) == told(report) == [("bff-elsewhere", first)]
    assert f"of {folder} brought 2 individuals of these files" in report.problems[0].message
    assert f"skerry delete --load {first[:8]} --dataset d" in str(report.problems[0].hint)
    assert counts(admin) == WHOLE | {"genomicVariant": 3}
    admin.delete_load("d", first, "")
    assert counts(admin) == WHOLE
    write(moved / "sub", individuals=[person("P3")])
    assert told(load_bff(admin, [moved], "d")) == []
    write(moved / "sub", individuals=[person("P3", info={"seen": "again"})])
    assert told(load_bff(admin, [moved / "sub"], "d")) == []


def test_a_further_file_of_a_folder_says_what_gives_way_to_it_and_how_both_are_loaded(
    admin: Admin, mongo_uri: str, tmp_path: Path
) -> None:
    second = variant(500, {"S1": "het", "S2": "het"})
    second["variation"]["location"]["sequence_id"] = "NC_000002.12"
    folder = write(tmp_path / "in", genomicVariations=[variant(99, {"S1": "het"}), second])
    load_bff(admin, [folder], "d")
    first = admin.loads("d")[-1].id
    others = write(folder, genomicVariationsVcf=[variant(200, {"S3": "het"})]) / "genomicVariationsVcf.json"
    load_bff(admin, [others], "d")
    write(folder, genomicVariationsVcf=[variant(300, {"S1": "hom", "S3": "het"})])
    checked = check_bff([others], admin=admin, dataset="d")
    report = load_bff(admin, [others], "d")
    assert told(checked) == told(report) == [
        ("vcf-replaced", first), ("vcf-part-vanished", "2"), ("record-vanished", "S2"),
    ]  # fmt: skip
    assert "its calls of 1 sample go" in report.problems[0].message
    assert carriers(admin, mongo_uri, tmp_path / "out") == {300: {"S1": "hom", "S3": "het"}, 500: {"S2": "het"}}
    assert "load the whole folder again" in str(report.problems[0].hint)
    load_bff(admin, [folder], "d")
    assert carriers(admin, mongo_uri, tmp_path / "out") == {
        99: {"S1": "het"}, 300: {"S1": "hom", "S3": "het"}, 500: {"S1": "het", "S2": "het"},
    }  # fmt: skip
