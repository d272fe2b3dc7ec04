"""Every route, at every granularity, for every asker, by GET and POST: official, and never deeper than allowed."""

from __future__ import annotations

from typing import Any

import pytest

from beacon.http.endpoints import Endpoint, endpoints
from beacon.model.entry_types import ENTRY_TYPES
from tests.contract import official
from tests.unit.http.conftest import Client
from tests.unit.http.test_routes import SINGLES

OFFICIAL_CROSSES = {
    "analyses": "g_variants", "biosamples": "analyses g_variants runs",
    "cohorts": "analyses biosamples g_variants individuals runs filtering_terms",
    "datasets": "analyses biosamples g_variants individuals runs filtering_terms",
    "g_variants": "analyses biosamples individuals runs",
    "individuals": "analyses biosamples g_variants runs filtering_terms", "runs": "analyses g_variants",
}  # fmt: skip
"""What the official map and OpenAPI files have under ``/{type}/{id}/``."""
ENTRIES = [one for one in endpoints() if not one.terms]
TERMS = [one for one in endpoints() if one.terms]


def filled(one: Endpoint) -> str:
    return one.path.replace("{id}", SINGLES.get(one.anchor_type or "", ""))


def test_every_official_path_is_there_and_the_reverse_ones_too() -> None:
    paths = {one.path for one in endpoints()}
    wanted = {f"/{path}" for path in OFFICIAL_CROSSES} | {f"/{path}/{{id}}" for path in OFFICIAL_CROSSES}
    wanted |= {f"/{path}/{{id}}/{cross}" for path, crosses in OFFICIAL_CROSSES.items() for cross in crosses.split()}
    wanted |= {"/individuals/filtering_terms", "/filtering_terms"}
    assert wanted <= paths
    every = {row.path for row in ENTRY_TYPES.values()}
    for path in every:
        assert {f"/{path}/{{id}}/{other}" for other in every - {path}} <= paths
        assert f"/{path}/filtering_terms" in paths


@pytest.mark.parametrize("person", [None, "noor", "rosa", "tomas"])
async def test_every_route_fits_the_official_schemas_for_everybody(
    client: Client, shared: object, person: str | None
) -> None:
    asker = client.as_person(person) if person else client
    for one in ENTRIES:
        for granularity in ("boolean", "count", "record"):
            query: dict[str, Any] = {"requestedGranularity": granularity, "includeResultsetResponses": "ALL"}
            by_post = await asker.post(filled(one), one.entry_type, **query)
            by_get = await asker.get(filled(one), one.entry_type, **query)
            assert by_get.body == by_post.body
            hidden_from_strangers = one.anchor_type == "dataset" and by_post.status != 200
            assert by_post.status == 200 or hidden_from_strangers, (one.path, by_post.body)
            assert by_post.body["meta"]["returnedGranularity"] == granularity
            assert official.check_answer(by_post.body, one.entry_type) == []


@pytest.mark.parametrize("person", [None, "noor", "rosa", "tomas"])
async def test_every_list_of_terms_is_official_by_get_and_post(
    client: Client, shared: object, person: str | None
) -> None:
    asker = client.as_person(person) if person else client
    for one in TERMS:
        by_get, by_post = await asker.get(filled(one)), await asker.post(filled(one))
        assert by_get.status == by_post.status == 200
        assert by_get.body == by_post.body
        official.assert_kind("filtering_terms", by_get.body)
        few = await asker.post(filled(one), pagination={"skip": 0, "limit": 2})
        assert few.body["response"]["filteringTerms"] == by_get.body["response"]["filteringTerms"][:2]


async def test_a_persons_terms_are_listed_to_those_who_may_see_the_person(client: Client) -> None:
    async def listed(asker: Client, id: str) -> set[str]:
        answer = await asker.get(f"/individuals/{id}/filtering_terms")
        assert answer.status == 200
        return {row["id"] for row in answer.body["response"]["filteringTerms"]}

    assert {"HP:0001250", "OMIM:612313", "NCIT:C16576", "runDate"} <= await listed(client, "open-00")
    assert "OMIM:612313" not in await listed(client, "open-02")
    assert "HP:0001250" not in await listed(client, "open-01")  # looked for, and absent
    for id in ("counted-00", "asked-00", "hidden-00", "nobody"):
        assert await listed(client, id) == set()
    assert await listed(client.as_person("rosa"), "asked-00") == set()  # one person is below the threshold
    assert await listed(client.as_person("tomas"), "asked-00")


async def test_page_tokens_lead_through_all_records_and_back(client: Client) -> None:
    for ask in (client.get, client.post):
        seen: list[str] = []
        fields: dict[str, Any] = {"requestedGranularity": "record"}
        page: dict[str, str] = {"limit": "5"}
        tokens = []
        while True:
            if ask == client.post:
                wanted = {name: int(text) if name == "limit" else text for name, text in page.items()}
                scope = {"requestParameters": {"datasets": {"datasetIds": ["open"]}}}
                answer = await client.post("/individuals", "individual", pagination=wanted, **fields, **scope)
            else:
                answer = await client.get("/individuals", "individual", datasets="open", **fields, **page)
            seen += [record["id"] for record in answer.sets["open"]["results"]]
            told = answer.body["meta"]["receivedRequestSummary"]["pagination"]
            tokens.append(told)
            if not told["nextPage"]:
                break
            page = {"nextPage": told["nextPage"]}
        assert seen == [f"open-{number:02}" for number in range(12)]
        assert [told["skip"] for told in tokens] == [0, 1, 2]
        assert tokens[0]["previousPage"] == ""
        assert tokens[2]["previousPage"] == tokens[1]["currentPage"] == tokens[0]["nextPage"]


async def test_tokens_tell_nothing_where_no_records_are_given(client: Client) -> None:
    for path, query in (("/individuals", {"requestedGranularity": "count"}), ("/datasets/counted/individuals", {})):
        answer = await client.get(path, "individual", **query)
        assert set(answer.body["meta"]["receivedRequestSummary"]["pagination"]) == {"skip", "limit"}


async def test_collections_have_tokens_too(client: Client) -> None:
    tomas = client.as_person("tomas")
    first = await tomas.get("/datasets", "dataset", limit="3")
    token = first.body["meta"]["receivedRequestSummary"]["pagination"]["nextPage"]
    second = await tomas.get("/datasets", "dataset", nextPage=token)
    assert len(second.body["response"]["collections"]) == 1
    assert second.body["meta"]["receivedRequestSummary"]["pagination"]["nextPage"] == ""


async def test_info_comes_as_service_info_too(client: Client, shared: object) -> None:
    for path in ("", "/", "/info"):
        answer = await client.get(path, requestedSchema="ga4gh-service-info-v1.0")
        official.assert_kind("info", answer.body)
        official.assert_kind("service_info", answer.body["response"])
        assert answer.body["meta"]["returnedSchemas"][0]["schema"] == "ga4gh-service-info-v1.0"
    assert (await client.get("/info", requestedSchema="beacon-info-v2.0.0")).status == 200
    refused = await client.get("/info", requestedSchema="x")
    assert (refused.status, refused.body["error"]["where"]) == (400, "requestedSchema")
