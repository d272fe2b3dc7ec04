"""Cohorts and datasets of Beacon files: everything the standard says of them is kept, told, and exported again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from pymongo import MongoClient

from beacon.auth.policy import policy_for
from beacon.model.access import Asker, Consent, DatasetPolicy, Decision, Granularity, Level
from beacon.model.query import Query
from beacon.privacy.rules import protect
from beacon.query.execute import execute
from beacon.store.admin import Admin
from beacon.store.mongo import MongoStore
from loaders.bff import check_bff, load_bff
from loaders.bff_files import Entry
from loaders.bff_fitting import Fitting
from loaders.bff_shapes import COHORT, DATASET
from loaders.export import export
from loaders.pipeline import load_phenopackets
from loaders.report import Report
from loaders.shapes import Fitter
from tests.contract import official
from tests.integration.conftest import drop
from tests.unit.loaders.packets import packet

Json = dict[str, Any]
SEX = {"id": "NCIT:C16576", "label": "female"}
DISEASE = {"id": "MONDO:0005148", "label": "type 2 diabetes"}
EVENT: Json = {
    "eventNum": 1, "eventDate": "2019-04-23", "eventSize": 8, "eventCases": 3, "eventControls": 5,
    "eventGenders": {"availability": True, "availabilityCount": 8, "distribution": {"genders": {"female": 8}}},
    "eventTimeline": {"start": "2018-10-01T13:23:45Z", "end": "2019-04-23T09:11:13Z"},
}  # fmt: skip
COHORT_BODY: Json = {
    "id": "c", "name": "Diabetes", "cohortType": "study-defined", "cohortSize": 8,
    "cohortDesign": {"id": "OMIABIS:0001019", "label": "longitudinal study design"},
    "cohortDataTypes": [{"id": "OBI:0000070", "label": "genotyping assay"}],
    "inclusionCriteria": {
        "ageRange": {"start": {"iso8601duration": "P18Y"}, "end": {"iso8601duration": "P40Y"}}, "genders": [SEX],
        "diseaseConditions": [{"diseaseCode": DISEASE}], "locations": [{"id": "GAZ:00002955"}],
        "phenotypicConditions": [{"featureType": {"id": "HP:0001250"}}], "ethnicities": [{"id": "NCIT:C43851"}],
    },
    "exclusionCriteria": {"diseaseConditions": [{"diseaseCode": {"id": "MONDO:0005147"}}]},
    "collectionEvents": [EVENT], "info": {"protocol": "v.2", "$odd.name": 1},
}  # fmt: skip
DATASET_BODY: Json = {
    "id": "other", "name": "Diabetes genomes", "description": "A few.", "version": "v1.1",
    "externalUrl": "https://example.org/d", "createDateTime": "2017-01-17T20:33:40Z",
    "updateDateTime": "2018-01-17T20:33:40Z", "info": {"funding": "us"},
    "dataUseConditions": {"duoDataUse": [
        {"id": "DUO:0000042", "label": "general research use", "version": "2021-02-23"},
    ]},
}  # fmt: skip
PEOPLE = [{"id": f"P{at}", "sex": SEX} for at in range(8)]
PUBLIC = policy_for(Level.PUBLIC, Granularity.RECORD)
OPEN = Decision("d", Granularity.RECORD, Asker.STRANGER, Level.PUBLIC, 0)
GUARDED = Decision("d", Granularity.RECORD, Asker.REGISTERED, Level.REGISTERED, 5)


@pytest.fixture
def admin(mongo_uri: str, database_name: str, tmp_path: Path) -> Iterator[Admin]:
    with Admin.open(mongo_uri, database_name, grace=0.0, key_file=tmp_path / "key") as opened:
        opened.create_dataset("d", policy=PUBLIC)
        yield opened
    drop(mongo_uri, database_name)


def files(folder: Path, *, cohort: Json | None = None, dataset: Json | None = None, people: Any = PEOPLE) -> Path:
    folder.mkdir(exist_ok=True)
    ids = {"ids": {"individualIds": [one["id"] for one in PEOPLE]}}
    for name, records in (
        ("individuals", people), ("cohorts", [(cohort or COHORT_BODY) | ids]), ("datasets", [dataset or DATASET_BODY]),
    ):  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps(records))
    return folder


def rules(report: Report) -> list[str]:
    return [one.rule for one in report.problems]


async def told(uri: str, database: str, kind: str, decision: Decision = OPEN) -> list[Json]:
    """Return the records of a kind that an asker gets, each as the standard wants it."""
    store = await MongoStore.open(uri, database)
    try:
        query = Query(kind, granularity=Granularity.RECORD)
        found = [protect(query, decision, one) for one in await execute(store, query, [decision])]
    finally:
        await store.close()
    records = [orjson.loads(record) for one in found for record in one.records or ()]
    if official.shared_dir() is not None:
        assert [official.check_record(kind, record) for record in records] == [[]] * len(records)
    return records


async def test_a_cohort_and_a_dataset_come_back_whole_and_once_more_after_an_export(
    admin: Admin, mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    report = load_bff(admin, [files(tmp_path / "in")], "d")
    assert rules(report) == ["bff-data-use"], report.render()
    for _ in range(2):
        assert await told(mongo_uri, database_name, "cohort") == [COHORT_BODY]
        (dataset,) = await told(mongo_uri, database_name, "dataset")
        info = {"funding": "us", "assemblies": []}
        assert dataset == DATASET_BODY | {"id": "d", "info": info}
        store = await MongoStore.open(mongo_uri, database_name)
        await export(store, "d", tmp_path / "out")
        await store.close()
        admin.delete_dataset("d")
        admin.create_dataset("d", policy=PUBLIC)
        assert rules(load_bff(admin, [tmp_path / "out"], "d")) == ["bff-data-use"]
        for path in (tmp_path / "out").iterdir():
            path.unlink()


def test_people_and_what_is_said_of_them_all_become_visible_in_one_update(
    admin: Admin, mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    with MongoClient[Json](mongo_uri) as client:
        datasets = client[database_name]["datasets"]
        before = datasets.find_one({"_id": "d"}) or {}
        load_bff(admin, [files(tmp_path / "in")], "d")
        after = datasets.find_one({"_id": "d"}) or {}
    assert after["revision"] == before["revision"] + 1
    assert len(after["segments"]) == len(after["cohorts"]) == 1 and after["stated_at"] == after["updated"]


async def test_what_a_study_counted_is_told_to_nobody_whom_small_numbers_are_kept_from(
    admin: Admin, mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    misfit = COHORT_BODY | {"collectionEvents": [EVENT, {"eventSex": 1, "eventDiseases": {"availabilityCount": 2}}]}
    assert "bff-shape" in rules(load_bff(admin, [files(tmp_path / "in", cohort=misfit)], "d"))
    (whole,) = await told(mongo_uri, database_name, "cohort")
    assert whole["collectionEvents"][0] == EVENT
    assert whole["info"]["bff"] == {"/collectionEvents/1/eventDiseases": {"availabilityCount": 2}}
    (bare,) = await told(mongo_uri, database_name, "cohort", GUARDED)
    kept = {"eventNum": 1, "eventDate": "2019-04-23", "eventGenders": {"availability": True}}
    assert bare == COHORT_BODY | {"collectionEvents": [kept, {}]}
    assert await told(mongo_uri, database_name, "cohort", replace(GUARDED, threshold=9)) == []


async def test_numbers_that_came_before_the_people_are_about_whoever_joins(
    admin: Admin, mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    (tmp_path / "cohorts.json").write_text(json.dumps([COHORT_BODY]))
    load_bff(admin, [tmp_path / "cohorts.json"], "d")
    for name in "ab":
        (tmp_path / f"{name}.json").write_text(json.dumps(packet(name)))
        load_phenopackets(admin, [tmp_path / f"{name}.json"], "d", cohort="c")
    (whole,) = await told(mongo_uri, database_name, "cohort")
    assert (whole["cohortSize"], whole["collectionEvents"]) == (2, [EVENT])
    admin.withdraw("d", "b", "me")
    (bare,) = await told(mongo_uri, database_name, "cohort")
    assert (bare["cohortSize"], "eventSize" in bare["collectionEvents"][0]) == (1, False)


async def test_what_a_study_counted_is_told_no_more_once_somebody_of_it_cannot_be_seen(
    admin: Admin, mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    folder = files(tmp_path / "in")
    load_bff(admin, [folder], "d")
    admin.withdraw("d", "P3", "me")
    (record,) = await told(mongo_uri, database_name, "cohort")
    assert record["cohortSize"] == 7
    assert "eventSize" not in record["collectionEvents"][0]
    # The same file again, in which they were still counted: be it before or after their name is erased.
    for again in range(2):
        changed = DATASET_BODY | {"version": f"v{again}"}
        load_bff(admin, [files(tmp_path / "in", dataset=changed)], "d")
        (record,) = await told(mongo_uri, database_name, "cohort")
        assert (record["cohortSize"], "eventSize" in record["collectionEvents"][0]) == (7, False)
        if again == 0:
            admin.purge("d", "P3", lambda _: (), "me")


async def test_purging_erases_an_id_from_what_is_said_of_cohorts_and_datasets_where_people_are_named(
    admin: Admin, mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    named = {"info": {"individualIds": ["P3"], "memberId": "P3", "individualToFileIdentifiers": {"P3": "x"}}}
    version = {"version": "P3"}
    load_bff(admin, [files(tmp_path / "in", cohort=COHORT_BODY | named, dataset=DATASET_BODY | named | version)], "d")
    admin.withdraw("d", "P3", "me")
    admin.purge("d", "P3", lambda _: (), "me")
    with MongoClient[Json](mongo_uri) as client:
        assert repr(client[database_name]["datasets"].find_one({"_id": "d"})).count("P3") == 1
    assert admin.dataset("d").record["version"] == "P3"


async def test_a_files_conditions_of_use_are_shown_and_never_change_the_policy(
    admin: Admin, mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    report = load_bff(admin, [files(tmp_path / "in")], "d")
    (problem,) = report.problems
    assert "no consent codes" in problem.message and problem.value == "DUO:0000042"
    assert admin.policy("d") == PUBLIC
    consent = Consent(frozenset({"DUO:0000007", "DUO:0000042"}), frozenset({"MONDO:0005148"}))
    admin.set_policy("d", replace(PUBLIC, consent=consent))
    (record,) = await told(mongo_uri, database_name, "dataset")
    assert record["dataUseConditions"] == {"duoDataUse": [
        {"id": "DUO:0000007", "modifiers": [{"id": "MONDO:0005148"}], "version": "2021-02-23"},
        {"id": "DUO:0000042", "label": "general research use", "version": "2021-02-23"},
    ]}  # fmt: skip
    changed = files(tmp_path / "in", dataset=DATASET_BODY | {"version": "v2"})
    (problem,) = load_bff(admin, [changed], "d").problems
    assert "these are shown and decide" in problem.message
    assert admin.policy("d").consent == consent
    (record,) = await told(mongo_uri, database_name, "dataset")
    (tmp_path / "in" / "datasets.json").write_text(json.dumps([record]))
    assert rules(load_bff(admin, [tmp_path / "in"], "d")) == []


async def test_what_the_custodian_says_goes_before_what_a_file_says(
    admin: Admin, mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    load_bff(admin, [files(tmp_path / "in")], "d")
    use = {"duoDataUse": [{"id": "DUO:0000018", "version": "2021-02-23"}]}
    admin.set_info("d", {"name": "Mine", "version": "v7", "dataUseConditions": use})
    (record,) = await told(mongo_uri, database_name, "dataset")
    assert (record["name"], record["version"], record["dataUseConditions"]) == ("Mine", "v7", use)
    assert record["externalUrl"] == DATASET_BODY["externalUrl"]
    admin.set_info("d", {"version": "", "dataUseConditions": {}})
    (record,) = await told(mongo_uri, database_name, "dataset")
    assert (record["version"], record["dataUseConditions"]) == ("v1.1", DATASET_BODY["dataUseConditions"])


async def test_a_cohort_described_without_its_members_keeps_them_but_no_counts_once_anybody_withdrew(
    admin: Admin, mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    load_bff(admin, [files(tmp_path / "in")], "d")
    alone = tmp_path / "alone"
    alone.mkdir()
    for counted in (True, False):
        (alone / "cohorts.json").write_text(json.dumps([COHORT_BODY | {"name": f"Counted: {counted}"}]))
        load_bff(admin, [alone], "d")
        (record,) = await told(mongo_uri, database_name, "cohort")
        assert (record["name"], record["cohortSize"]) == (f"Counted: {counted}", 7 + counted)
        assert ("eventSize" in record["collectionEvents"][0]) is counted
        if counted:
            admin.withdraw("d", "P3", "me")


@pytest.mark.parametrize("ids", [["P1", "P2", "ghost"], {"individualIds": ["P1", "P2", "ghost"]}, "P1", 7])
async def test_the_members_of_a_cohort_are_told_to_nobody_however_they_are_written(
    admin: Admin, mongo_uri: str, database_name: str, tmp_path: Path, ids: Any
) -> None:
    folder = files(tmp_path / "in")
    (folder / "cohorts.json").write_text(
        json.dumps([{"id": "c", "name": "C", "cohortType": "user-defined", "ids": ids}])
    )
    report = load_bff(admin, [folder], "d")
    (record,) = await told(mongo_uri, database_name, "cohort")
    assert "ghost" not in json.dumps(record)
    assert "ids" not in json.dumps(record)
    if not isinstance(ids, str | int):
        assert record["cohortSize"] == 2
        assert any("whom the dataset has not" in one.message for one in report.problems)


async def test_cohorts_and_datasets_alone_are_taken_and_the_second_time_change_nothing(
    admin: Admin, mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    load_bff(admin, [files(tmp_path / "in")], "d")
    folder = files(tmp_path / "in", dataset=DATASET_BODY | {"version": "v2"})
    (folder / "individuals.json").unlink()
    report = load_bff(admin, [folder], "d")
    assert (report.counts["cohort"], report.counts["dataset"], report.errors) == (1, 1, 0)
    assert report.outcome == "Dataset d has what the files say of it and of its cohorts."
    (record,) = await told(mongo_uri, database_name, "dataset")
    assert (record["version"], record["updateDateTime"]) == ("v2", DATASET_BODY["updateDateTime"])
    before = admin.dataset("d")
    load_bff(admin, [folder], "d")
    assert admin.dataset("d") == before
    admin.set_policy("d", DatasetPolicy())
    (record,) = await told(mongo_uri, database_name, "dataset")
    assert record["updateDateTime"] == admin.dataset("d").updated.isoformat()  # What a file said is not so any more.


def test_what_does_not_fit_is_put_right_or_told(tmp_path: Path) -> None:
    body = {
        "id": "c", "cohortType": "of mine", "members": ["P1"],
        "collectionEvents": [{"eventDiseases": {"availability": True, "distribution": {"MONDO:1": 3}}}],
    }  # fmt: skip
    places: list[str] = []
    fitter = Fitter(lambda pointer, _expected, _value: places.append(pointer))
    fitted = fitter.fit(COHORT, body)
    assert fitted["collectionEvents"][0]["eventDiseases"]["distribution"] == {"diseases": {"MONDO:1": 3}}
    assert (fitted["info"], places) == ({"bff": {"/cohortType": "of mine"}}, ["/cohortType", "/members"])
    assert "members" not in fitted
    for given, wanted in (
        ("2021-12-01 11:53:53.000 +0100", "2021-12-01T11:53:53+01:00"),
        ("2021-12-29T20:33:40Z", "2021-12-29T20:33:40Z"),
        ("2021-12-29", "2021-12-29T00:00:00+00:00"), ("v1.0", None), ("2021-13-29", None), (7, None),
        ("2021-12-29T20:33Z", "2021-12-29T20:33:00+00:00"), ("2021-12-29T20:33:40+01:00:30", None),
    ):  # fmt: skip
        assert fitter.fit(DATASET, {"id": "d", "createDateTime": given}).get("createDateTime") == wanted
    uses = {"duoDataUse": [{"id": "DUO:0000019,DUO:00000020", "version": "7-1-19,7-1-19"}]}
    assert "duoDataUse" not in fitter.fit(DATASET, {"id": "d", "dataUseConditions": uses})["dataUseConditions"]


def test_official_examples_fit_as_they_are(shared: Path) -> None:
    model = shared / "spec" / "beacon-v2" / official.MODEL
    for folder, kind, shape in (("cohorts", "cohort", COHORT), ("datasets", "dataset", DATASET)):
        for path in sorted((model / folder / "examples").glob("*.json")):
            body = {name: value for name, value in json.loads(path.read_text()).items() if name != "$schema"}
            report = Report()
            assert Fitting(report).fitted(kind, shape, Entry(str(path), None, "", body)) == body
            assert not report.problems


def test_checking_tells_of_two_datasets_and_of_a_cohort_that_is_there_twice(tmp_path: Path) -> None:
    folder = files(tmp_path / "in")
    for name, body in (("cohorts", COHORT_BODY | {"name": "x"}), ("datasets", DATASET_BODY | {"id": "second"})):
        listed = json.loads((folder / f"{name}.json").read_text())
        (folder / f"{name}.json").write_text(json.dumps([*listed, body]))
    assert rules(check_bff([folder])) == ["bff-id-taken", "bff-datasets"]
