"""What the network says of itself: the same documents as a site, and everybody's filtering terms."""

from __future__ import annotations

from typing import Any

import pytest

from beacon.model.entry_types import ENTRY_TYPES
from network.zoo.answers import people
from network.zoo.behaviour import healthy, replying
from tests.contract import official
from tests.network.conftest import Start
from tests.network.members import Group

HTML = replying(b"<html><body>It works!</body></html>", content_type="text/html")


def terms(*ids: str) -> dict[str, Any]:
    rows = [{"id": id, "type": "ontologyTerm", "label": id, "scopes": ["individual"]} for id in ids]
    meta = {"beaconId": "org.example", "apiVersion": "v2.2.0", "returnedSchemas": []}
    return {"meta": meta, "response": {"filteringTerms": rows, "resources": [{"id": "hp", "version": "1"}]}}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("", "info"),
        ("/", "info"),
        ("/info", "info"),
        ("/service-info", "service_info"),
        ("/configuration", "configuration"),
        ("/entry_types", "entry_types"),
        ("/map", "map"),
        ("/filtering_terms", "filtering_terms"),
        ("/individuals/filtering_terms", "filtering_terms"),
        ("/cohorts/c1/filtering_terms", "filtering_terms"),
    ],
)
async def test_informational_documents_fit_the_official_schemas(
    path: str, kind: str, members: Group, start: Start, shared: Any
) -> None:
    await members.add("a", healthy({"ds": people("P1")}))
    network = await start({"a": members.members["a"].url})
    reply = await network.send("GET", path)
    assert reply.status == 200
    official.assert_kind(kind, reply.body)


async def test_every_path_of_the_map_is_served(members: Group, start: Start) -> None:
    await members.add("a", healthy({"ds": []}))
    network = await start({"a": members.members["a"].url})
    listed = (await network.send("GET", "/map")).body["response"]["endpointSets"]
    assert set(listed) == set(ENTRY_TYPES)
    urls = [one["rootUrl"] for one in listed.values()]
    urls += [cross["url"] for one in listed.values() for cross in one["endpoints"].values()]
    assert len(urls) > 40
    for url in urls:
        assert url.startswith(f"{network.url}/api/")
        path = url.removeprefix(f"{network.url}/api").replace("{id}", "X").replace("{variantInternalId}", "X")
        reply = await network.ask(path, "count")
        assert reply.outcomes == {"a": "no_hit"}
        assert members.members["a"].seen[-1].path == f"/api{path}"


async def test_filtering_terms_are_everybodys_with_who_has_what(members: Group, start: Start) -> None:
    await members.add("a", replying(terms("HP:0000001", "HP:0000002")))
    await members.add("b", replying(terms("HP:0000002")))
    await members.add("c", HTML)
    network = await start({name: member.url for name, member in members.members.items()})
    reply = await network.send("GET", "/filtering_terms")
    rows = reply.body["response"]["filteringTerms"]
    assert [(row["id"], row["beaconIds"]) for row in rows] == [("HP:0000001", ["a"]), ("HP:0000002", ["a", "b"])]
    assert reply.outcomes == {"a": "hit", "b": "hit", "c": "invalid"}
    page = await network.send("GET", "/filtering_terms?skip=1&limit=1")
    assert [row["id"] for row in page.body["response"]["filteringTerms"]] == ["HP:0000002"]
    assert (await network.send("GET", "/filtering_terms?limit=x")).status == 400


async def test_terms_of_a_dataset_named_with_its_member_are_asked_for_there_alone(members: Group, start: Start) -> None:
    for name in ("a", "b"):
        await members.add(name, replying(terms("HP:0000001")))
    network = await start({name: member.url for name, member in members.members.items()})
    for path in ("datasets", "cohorts"):
        reply = await network.send("GET", f"/{path}/b:my%2Fown/filtering_terms")
        assert (reply.status, reply.outcomes) == (200, {"b": "hit"})
        assert members.members["b"].seen[-1].path.startswith(f"/api/{path}/my%2Fown/filtering_terms?")
    assert (await network.send("GET", "/datasets/shared/filtering_terms")).outcomes == {"a": "hit", "b": "hit"}
    assert len(members.members["a"].seen) == 1


async def test_where_no_member_gives_its_terms_the_answer_is_an_error(members: Group, start: Start) -> None:
    await members.add("a", HTML)
    network = await start({"a": members.members["a"].url})
    reply = await network.send("GET", "/filtering_terms")
    assert (reply.status, reply.outcomes) == (502, {"a": "invalid"})


async def test_datasets_of_all_members_are_joined_with_whose_they_are(members: Group, start: Start) -> None:
    def datasets(*ids: str) -> dict[str, Any]:
        meta = {"beaconId": "x", "returnedGranularity": "record"}
        summary = {"exists": True, "numTotalResults": len(ids)}
        return {
            "meta": meta,
            "responseSummary": summary,
            "response": {"collections": [{"id": id, "name": id.upper()} for id in ids]},
        }

    await members.add("a", replying(datasets("ds1", "ds2")))
    await members.add("b", replying(datasets("ds1")))
    network = await start({name: member.url for name, member in members.members.items()})
    reply = await network.ask("/datasets")
    listed = [(row["beaconId"], row["id"]) for row in reply.body["response"]["collections"]]
    assert listed == [("a", "ds1"), ("a", "ds2"), ("b", "ds1")]
    assert reply.body["responseSummary"]["numTotalResults"] == 3
