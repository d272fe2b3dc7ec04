"""Decisions of docs/beacon-decisions.md that no other test holds."""

from __future__ import annotations

from typing import Any

import pytest

from beacon.auth.policy import policy_for
from beacon.model.access import Granularity, Level
from beacon.model.variant import from_vcf
from beacon.store.admin import Admin
from beacon.store.writer import LoadInfo
from tests.unit.http.conftest import Client, site


@pytest.mark.parametrize("path", ["/datasets", "/datasets/open", "/cohorts", "/cohorts/open-cohort"])
async def test_datasets_and_cohorts_are_collections_with_records_and_result_sets_without(
    client: Client, path: str
) -> None:
    kind = path.split("/")[1].removesuffix("s")
    full = await client.get(path, kind, requestedGranularity="record")
    assert set(full.body["response"]) == {"collections"}
    assert full.body["response"]["collections"]
    for granularity in ("boolean", "count"):
        less = await client.get(path, kind, requestedGranularity=granularity)
        assert set(less.body["response"]) == {"resultSets"}
        assert "open" in less.sets


async def test_limit_is_per_result_set_and_counts_are_of_the_whole_question(client: Client) -> None:
    tomas = client.as_person("tomas")
    answer = await tomas.get("/individuals", "individual", limit="5")
    assert {id: len(one["results"]) for id, one in answer.sets.items()} == dict.fromkeys(answer.sets, 5)
    assert {id: one["resultsCount"] for id, one in answer.sets.items()} == {
        "open": 12, "counted": 8, "asked": 14, "hidden": 10,
    }  # fmt: skip
    assert answer.summary["numTotalResults"] == 44


async def test_the_edges_of_ranges_and_brackets(mongo_uri: str, database_name: str) -> None:
    with Admin.open(mongo_uri, database_name) as admin:
        admin.create_dataset("d", policy=policy_for(Level.PUBLIC, Granularity.RECORD))
        load = LoadInfo("made", "1", "vcf", "test", admin.dataset("d").created, "test", assembly="GRCh38")
        with admin.begin("d", load, lambda term: ()) as writer:
            protein: dict[str, Any] = {"molecularAttributes": {"geneIds": ["A"], "aminoacidChanges": ["V600E"]}}
            writer.allele(from_vcf("GRCh38", "1", 101, "A", "ATT"), {}, None)  # base 100, insertion behind it
            writer.allele(from_vcf("GRCh38", "1", 201, "GTC", "G"), protein, None)  # bases 200 to 202
            writer.publish()

    async def number(**asked: Any) -> int:
        params = {"referenceName": "1", "assemblyId": "GRCh38", "requestedGranularity": "count"}
        answer = await client.get("/g_variants", "genomicVariant", **params, **asked)
        return int(answer.summary["numTotalResults"]) if answer.status == 200 else -answer.status

    async with site(mongo_uri, database_name) as client:
        ranges = {(100, 101): 1, (99, 100): 0, (101, 102): 0, (202, 203): 1, (203, 204): 0, (100, 201): 2}
        for (start, end), expected in ranges.items():
            assert await number(start=str(start), end=str(end)) == expected, (start, end)
        for nothing in ({"start": "100", "end": "100"}, {"start": "0", "end": "0"}, {"start": "5", "end": "3"}):
            assert await number(**nothing) == -400
        assert await number(start="200,200", end="203,203") == 1
        assert await number(start="150,200", end="203,300") == 1
        assert await number(start="150,199", end="203,300") == 0
        assert await number(start="150,200", end="204,300") == 0
        alone = await client.get("/g_variants", "genomicVariant", aminoacidChange="V600E")
        assert alone.summary["numTotalResults"] == 1
