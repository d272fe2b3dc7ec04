"""Handovers stand beside the answer of the dataset that they are for, and only where that answer is deep enough."""

from __future__ import annotations

from typing import Any

from beacon.settings import Handover
from tests.unit.http.conftest import Client, site

WAYS = (
    Handover("open", "https://files.example.org/htsget/open", "EDAM:operation_2422", "htsget", "reads", "record"),
    Handover("counted", "mailto:data@example.org", "CUSTOM:contact", "Write to us", None, "count"),
    Handover("hidden", "https://files.example.org/secret", "EDAM:operation_2422", "htsget", None, "boolean"),
)


def shown(answer: Any) -> dict[str, list[str]]:
    return {id: [way["url"] for way in one.get("resultsHandovers", [])] for id, one in answer.sets.items()}


async def test_handovers_are_shown_where_the_answer_is_deep_enough(mongo_uri: str, filled: str) -> None:
    async with site(mongo_uri, filled, handovers=WAYS) as client:
        record = await client.get("/individuals", "individual")
        assert shown(record) == {"open": [WAYS[0].url], "counted": [WAYS[1].url]}
        assert record.sets["open"]["resultsHandovers"][0] == {
            "handoverType": {"id": "EDAM:operation_2422", "label": "htsget"}, "url": WAYS[0].url, "note": "reads",
        }  # fmt: skip
        count = await client.get("/individuals", "individual", requestedGranularity="count")
        assert shown(count) == {"open": [], "counted": [WAYS[1].url]}
        missed = await client.get("/individuals", "individual", filters="HP:0000118", includeResultsetResponses="ALL")
        assert shown(missed) == {"open": [], "counted": []}
        assert b"secret" not in repr(record.body).encode()


async def test_collections_have_theirs_beside_them(mongo_uri: str, filled: str) -> None:
    async def listed(client: Client) -> set[str]:
        return {way["url"] for way in (await client.get("/datasets", "dataset")).body.get("beaconHandovers", [])}

    async with site(mongo_uri, filled, handovers=WAYS) as client:
        assert WAYS[0].url in await listed(client)
        assert WAYS[2].url not in await listed(client)
        assert WAYS[2].url in await listed(client.as_person("tomas"))
        test = await client.get("/individuals", "individual", testMode="true")
        assert "resultsHandovers" not in repr(test.body)
