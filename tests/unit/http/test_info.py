"""The documents about the beacon itself: complete, official, and true to the routes."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from beacon.model.access import DatasetPolicy
from beacon.model.entry_types import ENTRY_TYPES
from beacon.settings import Listen
from beacon.store.admin import Admin
from tests.contract import official
from tests.unit.http.conftest import RARE, SEIZURE, Client, site
from tests.unit.http.test_routes import SINGLES

DOCUMENTS = [
    ("", "info"), ("/", "info"), ("/info", "info"), ("/service-info", "service_info"), ("/map", "map"),
    ("/configuration", "configuration"), ("/entry_types", "entry_types"), ("/filtering_terms", "filtering_terms"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "kind"), DOCUMENTS)
async def test_each_informational_document_is_official(client: Client, shared: object, path: str, kind: str) -> None:
    answer = await client.get(path)
    assert answer.status == 200
    official.assert_kind(kind, answer.body)


async def test_every_address_of_the_map_answers_once_its_template_is_filled(client: Client) -> None:
    sets = (await client.get("/map")).body["response"]["endpointSets"]
    assert set(sets) == set(ENTRY_TYPES)
    for kind, endpoints in sets.items():
        addresses = [endpoints["rootUrl"], endpoints["singleEntryUrl"], endpoints["filteringTermsUrl"]]
        addresses += [one["url"] for one in endpoints["endpoints"].values()]
        for address in addresses:
            path = re.sub(r"\{\w+\}", SINGLES[kind], address).removeprefix(client.root + "/api")
            answer = await client.get(path)
            assert answer.status == 200, path


async def test_the_variants_id_is_named_as_in_their_records(client: Client) -> None:
    variants = (await client.get("/map")).body["response"]["endpointSets"]["genomicVariant"]
    assert variants["singleEntryUrl"] == f"{client.root}/api/g_variants/{{variantInternalId}}"


async def test_the_address_is_the_public_one_where_one_is_set(mongo_uri: str, filled: str) -> None:
    listen = Listen(public_url="https://beacon.example.org/here/")
    async with site(mongo_uri, filled, listen=listen) as client:
        sets = (await client.get("/map")).body["response"]["endpointSets"]
        assert sets["run"]["rootUrl"] == "https://beacon.example.org/here/api/runs"


async def test_forwarded_headers_count_from_trusted_proxies_alone(mongo_uri: str, filled: str) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "beacon.example.org", "X-Forwarded-For": "192.0.2.1"}

    async def root(listen: Listen) -> str:
        async with site(mongo_uri, filled, listen=listen) as client:
            answer = await client.send("GET", "/api/map", headers=headers)
            return str(answer.body["response"]["endpointSets"]["run"]["rootUrl"])

    assert (await root(Listen())).startswith("http://127.0.0.1:")
    trusted = Listen(trusted_proxies=(ip_network("127.0.0.0/8"),))
    assert await root(trusted) == "https://beacon.example.org/api/runs"
    assert (await root(replace(trusted, trusted_proxies=(ip_network("10.0.0.0/8"),)))).startswith("http://127.0.0.1:")


async def test_a_host_that_is_no_host_is_not_repeated(client: Client) -> None:
    answer = await client.send("GET", "/api/map", headers={"Host": 'evil"/><script>'})
    assert answer.status == 400 or "script" not in str(answer.body)


async def test_terms_are_listed_as_far_as_an_asker_may_know_of_them(client: Client) -> None:
    async def listed(asker: Client, path: str = "/filtering_terms", **params: str) -> dict[str, list[str]]:
        answer = await asker.get(path, **params)
        assert answer.status == 200
        return {row["id"]: row["scopes"] for row in answer.body["response"]["filteringTerms"]}

    everybody = await listed(client)
    assert everybody[SEIZURE] == ["individual"]
    assert everybody[RARE] == ["individual"]
    assert everybody["GENO:0000135"] == ["genomicVariant"]
    assert everybody["phenotypicFeatures.featureType"] == ["individual"]
    assert "diseases.ageOfOnset.iso8601duration" not in everybody  # nobody has it
    of_asked = await listed(client.as_person("rosa"), "/datasets/asked/filtering_terms")
    assert SEIZURE in of_asked
    assert RARE not in of_asked  # one person has it, and the threshold is five
    assert "GENO:0000135" not in of_asked  # three carry it
    assert RARE in await listed(client.as_person("tomas"), "/datasets/asked/filtering_terms")
    assert (await client.get("/datasets/asked/filtering_terms")).status == 401
    assert SEIZURE in await listed(client, "/cohorts/open-cohort/filtering_terms")
    assert SEIZURE not in await listed(client, "/cohorts/nowhere/filtering_terms")
    assert SEIZURE not in await listed(client, "/biosamples/filtering_terms")
    assert SEIZURE in await listed(client, "/individuals/filtering_terms")


async def test_every_term_listed_works_as_a_filter(client: Client) -> None:
    """On one of its entry types at least; a field with each of its values, else by being compared."""
    everybody = client.as_person("tomas")
    rows = (await everybody.get("/filtering_terms")).body["response"]["filteringTerms"]
    assert {row["type"] for row in rows} == {"ontology", "alphanumeric", "custom"}
    asked = [(row["scopes"], {"id": row["id"]} | compared) for row in rows for compared in comparisons(row)]
    assert len(asked) > 50  # of every kind of field that these people and cohorts have
    for scopes, item in asked:
        found = [
            await everybody.post(
                f"/{ENTRY_TYPES[scope].path}", filters=[item | {"scope": scope}], requestedGranularity="boolean"
            )
            for scope in scopes
        ]
        assert {one.status for one in found} == {200}, item
        assert {"exists": True} in [one.summary for one in found], item


async def test_every_term_listed_for_a_path_is_found_there_without_a_scope(client: Client) -> None:
    everybody = client.as_person("tomas")
    rows = (await everybody.get("/filtering_terms")).body["response"]["filteringTerms"]
    asked = [(row["id"], scope) for row in rows if row["type"] == "ontology" for scope in row["scopes"]]
    assert {"individual", "genomicVariant"} <= {scope for _, scope in asked}
    for term, scope in asked:
        found = await everybody.get(f"/{ENTRY_TYPES[scope].path}", filters=term, requestedGranularity="boolean")
        assert found.summary == {"exists": True}, (term, scope)


def comparisons(row: dict[str, Any]) -> list[dict[str, str]]:
    """Return what must go with a listed term to make filters of it that find somebody."""
    if row["type"] != "alphanumeric":
        return [{}]
    if "values" in row:
        return [{"operator": "=", "value": value} for value in row["values"]]
    nobodys = "P999Y" if "iso8601" in row["id"] else "1900-01-01" if "Date" in row["id"] else "0.123456"
    return [{"operator": "!", "value": nobodys}]


async def test_terms_are_paged(client: Client) -> None:
    rows = (await client.get("/filtering_terms")).body["response"]["filteringTerms"]
    second = (await client.get("/filtering_terms", skip="1", limit="3")).body["response"]["filteringTerms"]
    assert second == rows[3:6]
    for wrong in ({"limit": "-1"}, {"limit": "x"}, {"limit": "1001"}, {"page": "1"}):
        assert (await client.get("/filtering_terms", **wrong)).status == 400


async def test_whoever_pages_terms_by_skip_alone_comes_to_an_end(client: Client) -> None:
    rows = (await client.get("/filtering_terms", skip="0")).body["response"]["filteringTerms"]
    assert len(rows) > 10
    for pagination in ({"skip": 1}, {"skip": 100_000}, {"skip": 1, "limit": 0}):
        answer = await client.post("/filtering_terms", pagination=pagination)
        assert (answer.status, answer.body["response"]["filteringTerms"]) == (200, [])
    assert (await client.get("/filtering_terms", skip="3")).body["response"]["filteringTerms"] == []


async def test_a_site_with_nothing_open_still_says_what_it_is(mongo_uri: str, database_name: str) -> None:
    with Admin.open(mongo_uri, database_name) as admin:
        admin.create_dataset("hidden", policy=DatasetPolicy())
    async with site(mongo_uri, database_name) as client:
        assert (await client.get("/info")).status == 200
        terms = (await client.get("/filtering_terms")).body["response"]["filteringTerms"]
        assert terms == []
        refused = await client.get("/individuals")
        assert (refused.status, refused.body["error"]["skerryCode"]) == (401, "unauthenticated")
