"""Every path of the table answers by GET and POST, to each asker as deeply as that asker may see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from beacon.app import templates
from beacon.http.handlers import entries
from beacon.http.routes import explaining, routes
from beacon.model.access import Asker
from beacon.model.entry_types import ENTRY_TYPES
from beacon.store.admin import Admin
from tests.unit.http.conftest import BOOLEAN, DATABASE, RARE, SEIZURE, Client, fill, policies, site

LISTS = [(f"/{row.path}", row.id) for row in ENTRY_TYPES.values()]
SINGLES = {
    "individual": "open-00", "biosample": "open-00-s", "run": "open-00-r", "analysis": "open-00-a",
    "genomicVariant": "GRCh38-2-199300000-G-A", "dataset": "open", "cohort": "open-cohort",
}  # fmt: skip
CROSSES = [
    (f"/{row.path}/{SINGLES[row.id]}/{ENTRY_TYPES[kind].path}", kind)
    for row in ENTRY_TYPES.values()
    for kind in row.crosses
]
SINGLE_PATHS = [(f"/{ENTRY_TYPES[kind].path}/{id}", kind) for kind, id in SINGLES.items()]


def listed(body: dict[str, Any]) -> list[dict[str, Any]]:
    response = body["response"]
    if "collections" in response:
        return list(response["collections"])
    return [record for one in response["resultSets"] for record in one.get("results", [])]


@pytest.mark.parametrize(("path", "kind"), [*LISTS, *SINGLE_PATHS, *CROSSES])
async def test_every_path_answers_records_by_get_and_by_post(client: Client, path: str, kind: str) -> None:
    by_get = await client.get(path, kind, datasets="open")
    by_post = await client.post(path, kind, requestParameters={"datasets": {"datasetIds": ["open"]}})
    assert by_get.status == by_post.status == 200
    assert by_get.body == by_post.body
    assert listed(by_get.body), by_get.body
    assert by_get.body["meta"]["returnedGranularity"] == "record"
    assert by_get.body["meta"]["returnedSchemas"] == [{"entityType": kind, "schema": ENTRY_TYPES[kind].schema_id}]


@pytest.mark.parametrize("granularity", ["boolean", "count", "record"])
@pytest.mark.parametrize("person", [None, "noor", "rosa", "tomas"])
@pytest.mark.parametrize("include", ["ALL", "HIT", "MISS", "NONE"])
async def test_every_list_fits_the_official_schemas_for_everybody(
    client: Client, granularity: str, person: str | None, include: str
) -> None:
    asker = client.as_person(person) if person else client
    for path, kind in LISTS:
        query = {"requestedGranularity": granularity, "includeResultsetResponses": include}
        answer = await asker.post(path, kind, **query)
        assert answer.status == 200
        assert answer.body["meta"]["returnedGranularity"] == granularity


async def test_each_asker_sees_only_what_that_asker_may_see(client: Client) -> None:
    def depths(answer: Any) -> dict[str, str]:
        return {id: one["info"]["returnedGranularity"] for id, one in answer.sets.items()}

    stranger = await client.get("/individuals", "individual")
    assert depths(stranger) == {"open": "record", "counted": "count"}
    assert "results" not in stranger.sets["counted"]
    assert stranger.summary == {"exists": True, "numTotalResults": 20, "countPrecision": "exact"}
    rosa = await client.as_person("rosa").get("/individuals", "individual")
    assert depths(rosa) == {"open": "record", "counted": "count", "asked": "record"}
    tomas = await client.as_person("tomas").get("/individuals", "individual")
    assert set(depths(tomas).values()) == {"record"}
    assert set(depths(tomas)) == {"open", "counted", "asked", "hidden"}


async def test_few_people_are_withheld_and_not_called_a_no(client: Client) -> None:
    rosa = client.as_person("rosa")
    for asked in (RARE, "OMIM:100000"):
        answer = await rosa.post("/individuals", "individual", filters=[{"id": asked}], includeResultsetResponses="ALL")
        one = answer.sets["asked"]
        assert (one["exists"], one["resultsCount"], one["countAdjustedTo"]) == (False, 0, ["<5"])
        assert one["info"]["withheld"] is True
        assert answer.body["info"]["withheld"] is True
        assert answer.summary["countPrecision"] == "imprecise"
    tomas = await client.as_person("tomas").post("/individuals", "individual", filters=[{"id": RARE}])
    assert tomas.sets["asked"]["resultsCount"] == 1


async def test_a_total_never_includes_a_dataset_that_says_only_yes_or_no(mongo_uri: str, client: Client) -> None:
    with Admin.open(mongo_uri, DATABASE) as admin:
        policy = policies(client.issuer.url)["counted"]
        admin.set_policy("counted", replace(policy, ceilings={Asker.STRANGER: BOOLEAN}))
    answer = await client.get("/individuals", "individual", requestedGranularity="count")
    assert answer.summary == {"exists": True, "numTotalResults": 12, "countPrecision": "imprecise"}
    assert "lower bound" in answer.body["info"]["numTotalResults"]
    assert set(answer.sets["counted"]) == {"id", "setType", "exists", "info"}


async def test_the_four_choices_of_result_sets(client: Client) -> None:
    query: dict[str, Any] = {"filters": [{"id": RARE}], "requestParameters": {"datasets": {"datasetIds": ["open"]}}}
    for include, shown in (("ALL", 1), ("HIT", 1), ("MISS", 0), ("NONE", 0)):
        answer = await client.post("/individuals", "individual", includeResultsetResponses=include, **query)
        assert len(answer.body["response"]["resultSets"]) == shown
        assert answer.summary["exists"] is True
    none = await client.post(
        "/individuals", "individual", includeResultsetResponses="NONE", requestedGranularity="count", **query
    )
    assert "response" not in none.body


async def test_pages_are_counted_in_pages(client: Client) -> None:
    first = await client.get("/individuals", "individual", datasets="open", limit="5")
    third = await client.get("/individuals", "individual", datasets="open", limit="5", skip="2")
    names = [record["id"] for answer in (first, third) for record in listed(answer.body)]
    assert names == [f"open-{number:02}" for number in (0, 1, 2, 3, 4, 10, 11)]
    assert third.sets["open"]["resultsCount"] == 12


async def test_collections_are_paged_over_all_datasets(client: Client) -> None:
    tomas = client.as_person("tomas")
    pages = [await tomas.get("/datasets", "dataset", limit="3", skip=str(page)) for page in range(3)]
    assert [len(page.body["response"]["collections"]) for page in pages] == [3, 1, 0]
    assert [page.summary["numTotalResults"] for page in pages] == [4, 4, 4]


async def test_filters_and_variants_are_joined_on_any_entry_type(client: Client) -> None:
    variant = {"g_variant": {"geneId": "SATB2"}, "datasets": {"datasetIds": ["open"]}}
    for path, expected in (("/individuals", 2), ("/biosamples", 2), ("/runs", 2), ("/analyses", 2), ("/g_variants", 1)):
        answer = await client.post(
            path, filters=[{"id": SEIZURE}], requestParameters=variant, requestedGranularity="count"
        )
        assert answer.summary["numTotalResults"] == expected
    looked_for = await client.post(
        "/individuals", filters=[{"id": SEIZURE, "excluded": True}], requestParameters=variant,
        requestedGranularity="count",
    )  # fmt: skip
    assert looked_for.summary["numTotalResults"] == 1


async def test_the_summary_tells_how_the_request_was_understood(client: Client) -> None:
    answer = await client.get(
        "/individuals", "individual", filters="sex:=NCIT:C16576", referenceName="chr2", assemblyId="hg38",
        start="199299999", referenceBases="g", alternateBases="a", requestedGranularity="count",
    )  # fmt: skip
    summary = answer.body["meta"]["receivedRequestSummary"]
    assert summary["filters"] == ["sex:=NCIT:C16576"]
    assert summary["requestParameters"] == {
        "g_variant": {
            "referenceName": "2", "assemblyId": "GRCh38", "start": [199299999], "referenceBases": "G",
            "alternateBases": "A",
        }
    }  # fmt: skip
    assert summary["pagination"] == {"skip": 0, "limit": 10}
    assert answer.summary["numTotalResults"] == 6


async def test_an_unknown_record_is_not_there_for_anybody(client: Client) -> None:
    answer = await client.get("/individuals/nobody", "individual")
    assert (answer.status, answer.summary["exists"]) == (200, False)


async def test_a_record_is_reached_by_its_id_whatever_characters_that_has(mongo_uri: str, database_name: str) -> None:
    with Admin.open(mongo_uri, database_name) as admin:
        admin.create_dataset("{a}b", policy=policies("")["open"])
        fill(admin, "{a}b", 1)
    async with site(mongo_uri, database_name) as client:
        for path, exists in (("%7Ba%7Db-00", True), ("{a}b-00", True), ("{a}b-00/biosamples", True), ("%7B", False)):
            answer = await client.send("GET", f"/api/individuals/{path}")
            assert (answer.status, answer.summary["exists"]) == (200, exists)


def test_templates_of_routes_show_no_pattern() -> None:
    app = web.Application()
    app.add_routes([*routes(), *explaining(entries)])
    assert "/api/individuals/{id}/biosamples" in templates(app)
    assert not [template for template in templates(app) if set(template) & set("[]^:")]


async def test_a_hidden_dataset_and_none_at_all_look_the_same(client: Client) -> None:
    for asker in (client, client.as_person("noor")):
        hidden = await asker.get("/datasets/hidden/individuals", "individual")
        absent = await asker.get("/datasets/nowhere/individuals", "individual")
        assert hidden.status == absent.status == (401 if asker is client else 403)
        assert hidden.body["error"] == absent.body["error"]
        named = await asker.get("/individuals", "individual", datasets="hidden")
        assert (named.status, named.body["error"]) == (hidden.status, hidden.body["error"])
    assert (await client.as_person("tomas").get("/datasets/hidden/individuals", "individual")).status == 200
