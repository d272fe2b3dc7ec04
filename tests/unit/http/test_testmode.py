"""testMode is answered by everybody's Beacon alike, and never from anybody's data; public validators pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beacon.http.endpoints import Endpoint, endpoints
from beacon.model.access import DatasetPolicy
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.sample_data import COHORT, DATASET, people, variants
from beacon.store.admin import Admin
from schemas import validator
from tests.contract import official, verifiers
from tests.unit.http.conftest import Answer, Client, site
from tests.unit.http.test_info import comparisons

FIRST = people()[0]
SINGLES = {kind: record["id"] for kind, record in FIRST.records.items()} | {
    "genomicVariant": variants()[1].allele.id, "dataset": DATASET, "cohort": COHORT,
}  # fmt: skip
ENTRIES = [one for one in endpoints() if not one.terms]


def filled(one: Endpoint, ids: Mapping[str, str] = SINGLES) -> str:
    return one.path.replace("{id}", ids.get(one.anchor_type or "", ""))


@asynccontextmanager
async def closed_site(uri: str, database: str) -> AsyncIterator[Client]:
    """A site that answers nobody anything about its own data."""
    with Admin.open(uri, database) as admin:
        admin.create_dataset("hidden", policy=DatasetPolicy())
    async with site(uri, database) as client:
        yield client


def asker(client: Client) -> verifiers.Ask:
    async def ask(method: str, address: str, body: Any) -> tuple[int, Any]:
        options = {} if body is None else {"json": body}
        answer = await client.send(method, address.removeprefix(client.root), **options)
        return answer.status, answer.body

    return ask


async def test_the_validator_of_the_elixir_network_finds_nothing(
    mongo_uri: str, filled: str, database_name: str, shared: object
) -> None:
    async with site(mongo_uri, filled) as client:
        assert await verifiers.neat(asker(client), client.root + "/api") == []
    async with closed_site(mongo_uri, database_name) as client:
        assert await verifiers.neat(asker(client), client.root + "/api") == []


async def test_the_verifier_of_the_ega_finds_nothing(client: Client, shared: object) -> None:
    assert await verifiers.ega(asker(client), client.root + "/api") == []


async def test_the_validators_find_what_is_wrong(client: Client, shared: object) -> None:
    ask = asker(client)

    async def as_the_official_map(method: str, address: str, body: Any) -> tuple[int, Any]:
        status, document = await ask(method, address, body)
        if address.endswith("/map"):
            document = orjson.loads(orjson.dumps(document).replace(b"{variantInternalId}", b"{id}"))
        return status, document

    for verify in (verifiers.neat, verifiers.ega):
        faults = await verify(as_the_official_map, client.root + "/api")
        assert any("g_variants" in fault for fault in faults)


async def test_every_path_answers_records_without_credentials(
    mongo_uri: str, database_name: str, shared: object
) -> None:
    async with closed_site(mongo_uri, database_name) as client:
        for one in ENTRIES:
            by_get = await client.get(filled(one), one.entry_type, testMode="true")
            by_post = await client.post(filled(one), one.entry_type, testMode=True)
            assert by_get.body == by_post.body
            assert by_get.status == 200
            assert by_get.body["meta"]["testMode"] is True
            assert by_get.body["meta"]["returnedGranularity"] == "record"
            assert by_get.summary["exists"] is True, one.path
            for granularity in ("boolean", "count"):
                less = await client.get(filled(one), one.entry_type, testMode="true", requestedGranularity=granularity)
                assert less.body["meta"]["returnedGranularity"] == granularity
        assert (await client.get("/individuals", "individual")).status == 401


async def test_every_cross_endpoint_is_consistent_with_the_records(client: Client) -> None:
    async def ids(path: str) -> set[str]:
        body = (await client.get(path, testMode="true", limit="0")).body["response"]
        records = body.get("collections") or [record for one in body["resultSets"] for record in one["results"]]
        return {record.get("variantInternalId") or record["id"] for record in records}

    held = {kind: await ids(f"/{row.path}") for kind, row in ENTRY_TYPES.items()}
    assert all(held.values())
    for kind, row in ENTRY_TYPES.items():
        for other in row.crosses:
            there = {id: await ids(f"/{row.path}/{id}/{ENTRY_TYPES[other].path}") for id in held[kind]}
            assert all(found and found <= held[other] for found in there.values()), (kind, other)
            for id, found in there.items():
                for back in found:
                    assert id in await ids(f"/{ENTRY_TYPES[other].path}/{back}/{row.path}")


async def test_filters_and_variants_choose_among_the_three(client: Client) -> None:
    place = {"referenceName": "15", "assemblyId": "GRCh38"}
    cases: list[tuple[str, dict[str, str], int]] = [
        ("individuals", {"filters": "HP:0001167"}, 2), ("individuals", {"filters": "HP:0001250"}, 0),
        ("individuals", {"filters": "HP:0001083,OMIM:154700"}, 1), ("individuals", {"filters": "sex:=NCIT:C20197"}, 1),
        ("individuals", {"filters": "ageAtLastEncounter:>P12Y"}, 1), ("runs", {"filters": "HP:0001083"}, 1),
        ("individuals", {"filters": "vitalStatus:!ALIVE"}, 1), ("individuals", {"filters": "GENO:0000136"}, 1),
        ("individuals", {"geneId": "FBN1"}, 3), ("individuals", {"geneId": "SATB2"}, 0),
        ("g_variants", {"filters": "HP:0001083"}, 2), ("g_variants", {"variantType": "DEL"}, 1),
        ("g_variants", {**place, "start": "48500000", "referenceBases": "G", "alternateBases": "A"}, 1),
        ("g_variants", {**place, "start": "48420001", "referenceBases": "TT", "alternateBases": ""}, 1),
        ("g_variants", {**place, "start": "48499000", "end": "48510000"}, 1),
        ("g_variants", {**place, "start": "48499000,48501000", "end": "48500001,48510000"}, 1),
        ("g_variants", {**place, "start": "48499000", "end": "48499001"}, 0), ("datasets", {"geneId": "FBN1"}, 1),
        ("g_variants", {"allele": "NC_000015.10:g.48500001G>A"}, 1), ("cohorts", {"filters": "HP:0001250"}, 0),
        ("g_variants", {"allele": "NC_000015.10:g.48500001G>C"}, 0), ("individuals", {"datasets": "open"}, 0),
        ("individuals", {"filters": "SO:0001583"}, 2), ("g_variants", {"filters": "alleleFrequency:<0.3"}, 1),
        ("individuals", {"filters": "LOINC:3141-9:>=60000 g"}, 1),
        ("runs", {"filters": "cohortType:user-defined"}, 3),
        ("individuals", {"filters": "variantLevelData.clinicalInterpretations.clinicalRelevance:=pathogenic"}, 2),
        ("individuals", {"filters": "sex:female"}, 1), ("individuals", {"filters": "LOINC:3141-9:<70 kg"}, 0),
        ("g_variants", {"filters": "identifiers.genomicHGVSId:=NC_000015.10:g.48500001G>A"}, 1),
    ]  # fmt: skip
    for path, params, expected in cases:
        answer = await client.get(f"/{path}", testMode="true", requestedGranularity="count", **params)
        assert answer.summary.get("numTotalResults") == expected, (path, params)
    for level, expected in (("exact", 0), ("high", 0), ("medium", 1), ("low", 1)):
        alike: dict[str, Any] = {"filters": [{"id": "HP:0000518", "similarity": level}], "testMode": True}
        found = await client.post("/individuals", "individual", **alike)
        assert found.summary["numTotalResults"] == expected
    excluded = {"filters": [{"id": "HP:0001250", "excluded": True}], "testMode": True}
    assert (await client.post("/individuals", "individual", **excluded)).summary["numTotalResults"] == 1
    refused = await client.get("/individuals", testMode="true", filters="shoeSize:>40")
    assert (refused.status, refused.body["error"]["skerryCode"]) == (400, "unknown_filter")


async def test_people_come_as_phenopackets_in_test_mode_too(client: Client) -> None:
    answer = await client.get("/individuals", testMode="true", requestedSchema="ga4gh-phenopacket-v2.0")
    packets = answer.sets[DATASET]["results"]
    assert len(packets) == 3
    assert all(validator("phenopacket").is_valid(packet) for packet in packets)


async def test_a_bad_token_is_refused_in_test_mode_too(client: Client) -> None:
    for ask in (client.send("GET", "/api/individuals?testMode=true", headers={"Authorization": "Bearer a.b.c"}),):
        assert (await ask).status == 401


async def test_terms_in_test_mode_are_those_of_the_three(client: Client, shared: object) -> None:
    boolean: dict[str, Any] = {"testMode": True, "requestedGranularity": "boolean"}
    answer = await client.get("/filtering_terms", testMode="true")
    official.assert_kind("filtering_terms", answer.body)
    for row in answer.body["response"]["filteringTerms"]:
        for more in comparisons(row):
            item = {"id": row["id"], **more}
            found = [
                await client.post(f"/{ENTRY_TYPES[scope].path}", filters=[item | {"scope": scope}], **boolean)
                for scope in row["scopes"]
            ]
            assert {"exists": True} in [one.summary for one in found], item


IDS = st.sampled_from([*SINGLES.values(), "open-00", "open", "open-cohort", "nobody", "GRCh38-2-199300000-G-A"])
FILTERS = st.sampled_from([
    {"id": "HP:0001166"}, {"id": "HP:0001250"}, {"id": "OMIM:612313"}, {"id": "GENO:0000135"}, {"id": "XX:1"},
    {"id": "ageAtLastEncounter", "operator": ">", "value": "P1Y"}, {"id": "shoeSize", "operator": ">", "value": 4},
    {"id": "runDate", "operator": ">=", "value": "2026-01-01"}, {"id": "HP:0001250", "excluded": True},
])  # fmt: skip
QUERIES = st.fixed_dictionaries(
    {"testMode": st.just(True)},
    optional={
        "requestedGranularity": st.sampled_from(["boolean", "count", "record"]),
        "includeResultsetResponses": st.sampled_from(["ALL", "HIT", "MISS", "NONE"]),
        "filters": st.lists(FILTERS, max_size=2),
        "requestParameters": st.sampled_from(
            [{"geneId": "SATB2"}, {"geneId": "FBN1"}, {"datasets": ["open"]}, {"variantType": "DEL"}]
        ),
        "pagination": st.sampled_from([{"skip": 1, "limit": 1}, {"limit": 0}, {"skip": 5}]),
    },
)


@pytest.fixture
async def two_sites(mongo_uri: str, filled: str, database_name: str) -> AsyncIterator[tuple[Client, Client]]:
    async with site(mongo_uri, filled) as full, closed_site(mongo_uri, database_name) as closed:
        yield full, closed


async def test_no_byte_depends_on_a_sites_data(two_sites: tuple[Client, Client]) -> None:
    full, closed = two_sites
    asked: list[tuple[str, dict[str, Any]]] = []

    @given(st.sampled_from(ENTRIES), IDS, QUERIES)
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def draw(one: Endpoint, id: str, query: dict[str, Any]) -> None:
        asked.append((one.path.replace("{id}", id), query))

    draw()

    async def ask(client: Client, path: str, query: dict[str, Any]) -> Answer:
        return await client.post(path, **query)

    for path, query in asked:
        for person in (None, "tomas"):
            one = await ask(full.as_person(person) if person else full, path, query)
            other = await ask(closed, path, query)
            assert orjson.dumps(one.body) == orjson.dumps(other.body)
            assert one.status == other.status
            own = ("open-0", "counted-", "asked-", "hidden-")
            answered = one.body.get("response", {})
            assert not any(name in orjson.dumps(answered).decode() for name in own)
