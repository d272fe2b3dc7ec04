"""Individuals as Phenopackets: the original where there was one, and only to those who may have the record."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from beacon.auth.policy import policy_for
from beacon.model.access import DatasetPolicy, Granularity, Level
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.representations import ALTERNATIVES
from beacon.store.admin import Admin
from beacon.store.loading import LoadInfo
from schemas import validator
from tests.unit.http.conftest import Client, site

ID = "ga4gh-phenopacket-v2.0"
ORIGINAL: dict[str, Any] = {
    "id": "P1", "subject": {"id": "patient 7", "sex": "FEMALE"}, "phenotypicFeatures": [{"type": {"id": "HP:0001250"}}],
    "metaData": {"created": "2026-01-01T00:00:00Z", "createdBy": "x", "phenopacketSchemaVersion": "2.0"},
}  # fmt: skip
SEX = {"id": "NCIT:C16576", "label": "female"}


def fill(admin: Admin, dataset: str, policy: DatasetPolicy, packet: dict[str, Any], sha256: str) -> None:
    if dataset not in {one.id for one in admin.datasets()}:
        admin.create_dataset(dataset, policy=policy)
    load = LoadInfo("made", sha256, "phenopackets", "test", admin.dataset(dataset).created, "test", cohort="c")
    with admin.begin(dataset, load, lambda term: ()) as writer:
        features = [{"featureType": {"id": "HP:0001250"}}]
        writer.individual({"id": "P1", "sex": SEX, "phenotypicFeatures": features}, phenopacket=orjson.dumps(packet))
        writer.individual({"id": "P2", "sex": SEX, "phenotypicFeatures": features}, derived=True)
        writer.publish()


def listed(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {record["id"]: record for one in body["response"]["resultSets"] for record in one["results"]}


@pytest.mark.parametrize("name", [ID, "ga4gh-phenopacket-individual-v0.1"])
async def test_people_come_as_their_own_phenopacket_or_as_one_made_for_them(
    mongo_uri: str, database_name: str, name: str
) -> None:
    with Admin.open(mongo_uri, database_name) as admin:
        fill(admin, "d", policy_for(Level.PUBLIC, Granularity.RECORD), ORIGINAL, "1")
        async with site(mongo_uri, database_name) as client:
            for path in ("/individuals", "/datasets/d/individuals", "/cohorts/c/individuals"):
                by_get = await client.get(path, requestedSchema=name)
                meta = {"apiVersion": "v2.0", "requestedSchemas": [{"entityType": "Individual", "schema": name}]}
                by_post = await client.send("POST", f"/api{path}", json={"meta": meta})
                for answer in (by_get, by_post):
                    people = listed(answer.body)
                    assert people["P1"] == ORIGINAL
                    assert people["P2"]["subject"] == {"id": "P2", "sex": "FEMALE"}
                    assert all(validator("phenopacket").is_valid(one) for one in people.values())
                    assert answer.body["meta"]["returnedSchemas"] == [{"entityType": "individual", "schema": ID}]
                    assert answer.summary["numTotalResults"] == 2
            one = await client.get("/individuals/P1", requestedSchema=name)
            assert listed(one.body) == {"P1": ORIGINAL}
            plain = await client.get("/individuals", "individual")
            assert listed(plain.body)["P1"]["sex"] == SEX
            newer = {**ORIGINAL, "subject": {"id": "patient 7", "sex": "FEMALE", "karyotypicSex": "XX"}}
            fill(admin, "d", DatasetPolicy(), newer, "2")
            assert listed((await client.get("/individuals/P1", requestedSchema=name)).body) == {"P1": newer}


async def test_a_phenopacket_goes_out_only_where_the_record_would(mongo_uri: str, database_name: str) -> None:
    with Admin.open(mongo_uri, database_name) as admin:
        for granularity in (Granularity.BOOLEAN, Granularity.COUNT):
            fill(admin, granularity.label, policy_for(Level.PUBLIC, granularity), ORIGINAL, "1")
    async with site(mongo_uri, database_name) as client:
        answer = await client.get("/individuals", requestedSchema=ID, includeResultsetResponses="ALL")
        assert len(answer.sets) == 2
        assert b"patient 7" not in orjson.dumps(answer.body)


async def test_entry_types_declare_it_and_other_schemas_are_refused(client: Client) -> None:
    declared = (await client.get("/entry_types")).body["response"]["entryTypes"]
    assert [one["id"] for one in declared["individual"]["additionallySupportedSchemas"]] == [ID]
    for kind in ENTRY_TYPES:
        told = {one["id"] for one in declared[kind]["additionallySupportedSchemas"]}
        assert told == {one.id for one in ALTERNATIVES.get(kind, ())}
    for path in ("/individuals", "/biosamples"):
        refused = await client.get(path, requestedSchema="ga4gh-phenopacket-v1.0")
        assert (refused.status, refused.body["error"]["skerryCode"]) == (400, "cannot_answer")
    other = {"apiVersion": "v2.0", "requestedSchemas": [{"entityType": "EntryTypeA", "schema": "a-v0.1"}]}
    kept = await client.send("POST", "/api/individuals", "individual", json={"meta": other})
    assert kept.body["meta"]["receivedRequestSummary"]["requestedSchemas"] == other["requestedSchemas"]
