"""2,016 real phenopackets, asked over HTTP: every expected count is exactly right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from beacon.auth.policy import policy_for
from beacon.model.access import Granularity, Level
from beacon.store.admin import Admin
from loaders.pipeline import load_phenopackets
from loaders.report import Progress
from tests.integration.conftest import Site, again, drop, serve_site

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATASET = "cases"
VARIANT_QUERIES = range(29, 35)
# What the file of expected counts describes in words only.
ZYGOSITY = {35: "GENO:0000136", 36: "GENO:0000134", 37: "GENO:0000135"}
AGES = {
    41: ("ageAtLastEncounter", "P0D", "P1Y"),
    42: ("ageAtLastEncounter", "P1Y", "P5Y"),
    43: ("ageAtLastEncounter", "P18Y", "P40Y"),
    44: ("diseases.ageOfOnset.iso8601duration", "P0D", "P1Y"),
    45: ("diseases.ageOfOnset.iso8601duration", "P1Y", "P10Y"),
    46: ("diseases.ageOfOnset.iso8601duration", "P18Y", "P200Y"),
}
CLASSES = {47: "HP:0003593", 48: "HP:0003577"}
COUNTED_FROM_RECORDS = {38, 39}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["loaded", "round trip"])
async def site(
    request: pytest.FixtureRequest, mongo_uri: str, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    """A site with all packets, as they were loaded, or loaded, exported as Beacon files, and loaded from these."""
    database = "real_phenopackets"
    drop(mongo_uri, database)
    with Admin.open(mongo_uri, database) as admin:
        admin.create_dataset(DATASET, policy=policy_for(Level.PUBLIC, Granularity.RECORD))
        packets = sorted((shared / "data" / "phenopackets").glob("cohorts_*.zip"))
        report = load_phenopackets(admin, packets, DATASET, cohort="published", progress=Progress(quiet=True))
        assert report.errors == 0, report.render()
        if request.param == "round trip":
            await again(mongo_uri, database, admin, DATASET, tmp_path_factory.mktemp("export"))
    # Answers were checked against the schemas the first time.
    async with serve_site(mongo_uri, database, checked=request.param == "loaded") as running:
        yield running
    drop(mongo_uri, database)


@pytest.fixture(scope="module")
def expected(shared: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((shared / "data" / "phenopackets" / "expected_counts.json").read_text())
    return loaded


def question(row: dict[str, Any]) -> dict[str, Any]:
    """Return the Beacon query of one row of the expected counts."""
    number = row["n"]
    if number in VARIANT_QUERIES:
        return {"requestParameters": {"g_variant": row["beacon"]["query"]}}
    if "query" in row["beacon"]:
        return dict(row["beacon"]["query"])
    if number in (13, 15):
        return {"filters": [{"id": row["meaning"].split()[0], "excluded": True}]}
    if number in ZYGOSITY:
        return {"filters": [{"id": ZYGOSITY[number]}]}
    if number == 40:
        return {"requestParameters": {"g_variant": {"variantType": "SO:1000029"}}}
    if number in AGES:
        field, low, high = AGES[number]
        return {
            "filters": [
                {"id": field, "operator": ">=", "value": low},
                {"id": field, "operator": "<", "value": high},
            ]
        }
    if number in CLASSES:
        return {"filters": [{"id": "diseases.ageOfOnset", "operator": "=", "value": CLASSES[number]}]}
    assert number == 49, row
    return {"filters": [{"id": "vitalStatus", "operator": "=", "value": "DECEASED"}]}


async def test_every_expected_count_is_answered_exactly(site: Site, expected: dict[str, Any]) -> None:
    rows = [row for row in expected["queries"] if row["n"] not in COUNTED_FROM_RECORDS]
    assert len(rows) == 49
    found = {row["n"]: await site.count("/individuals", question(row)) for row in rows}
    assert found == {row["n"]: row["expected"] for row in rows}


async def test_the_same_people_are_found_not_only_as_many(site: Site, expected: dict[str, Any]) -> None:
    rows = [row for row in expected["queries"] if "ids_sha256" in row and row["n"] not in COUNTED_FROM_RECORDS]
    assert len(rows) > 20
    for row in rows:
        ids = sorted(record["id"] for record in await site.records("/individuals", question(row)))
        assert hashlib.sha256("\n".join(ids).encode()).hexdigest() == row["ids_sha256"], row["meaning"]


async def test_people_with_two_variants_and_with_unplaced_ones_are_counted_from_records(
    site: Site, expected: dict[str, Any]
) -> None:
    carried: dict[str, list[bool]] = {}
    for variant in await site.records("/g_variants"):
        for case in variant["caseLevelData"]:
            carried.setdefault(case["individualId"], []).append(variant["info"]["placed"])
    wanted = {row["n"]: row["expected"] for row in expected["queries"]}
    assert sum(len(variants) == 2 for variants in carried.values()) == wanted[38]
    assert sum(not all(variants) for variants in carried.values()) == wanted[39]


async def test_variants_of_a_gene_are_the_placed_and_the_unplaced_ones(site: Site, expected: dict[str, Any]) -> None:
    for row in expected["g_variants_by_gene"]:
        query = {"requestParameters": {"g_variant": row["beacon"]["query"]}}
        variants = await site.records("/g_variants", query)
        placed = [variant for variant in variants if variant["info"]["placed"]]
        unplaced = [variant for variant in variants if not variant["info"]["placed"]]
        assert len(placed) == row["expected_distinct_vcf_variants"]
        assert await site.count("/g_variants", query) == len(placed) + len(unplaced)
        # The expected entries are those of all interpretations; unplaced variants hold theirs too.
        entries = sum(len(variant["caseLevelData"]) for variant in variants)
        assert entries == row["expected_case_level_entries"]
        assert sum(len(variant["caseLevelData"]) for variant in unplaced) == row["without_vcf_record"]
        for variant in unplaced:
            location = variant["variation"]["location"]
            assert location["sequence_id"] == "skerry:unplaced"
            assert location["interval"]["start"]["value"] == location["interval"]["end"]["value"] == 0


async def test_ranges_find_their_variants_and_the_people_who_carry_them(site: Site, expected: dict[str, Any]) -> None:
    for row in expected["g_variants_ranges"]:
        query = {"requestParameters": {"g_variant": row["beacon"]["query"]}}
        assert await site.count("/g_variants", query) == row["expected_distinct_vcf_variants"]
        assert await site.count("/individuals", query) == row["expected_individuals"]


async def test_a_position_of_another_assembly_finds_nothing(site: Site) -> None:
    there = {"assemblyId": "GRCh38", "referenceName": "11", "start": [61392562], "end": [61392563]}
    assert await site.count("/g_variants", {"requestParameters": {"g_variant": there}}) > 0
    elsewhere = there | {"assemblyId": "GRCh37"}
    assert await site.count("/g_variants", {"requestParameters": {"g_variant": elsewhere}}) == 0


async def test_empty_bases_match_the_same_deletion_as_padded_ones(site: Site) -> None:
    padded: dict[str, Any] = {
        "assemblyId": "GRCh38",
        "referenceName": "9",
        "start": [137728519],
        "referenceBases": "TCA",
        "alternateBases": "T",
    }
    bare = padded | {"start": [137728520], "referenceBases": "CA", "alternateBases": ""}
    longer = padded | {"referenceBases": "TCAG", "alternateBases": "TG"}
    for form in (padded, bare, longer):
        assert await site.count("/individuals", {"requestParameters": {"g_variant": form}}) == 1


async def test_every_list_and_cross_endpoint_answers(site: Site) -> None:
    individual = (await site.records("/individuals", {"filters": [{"id": "OMIM:301127"}]}))[0]["id"]
    variants = await site.records(f"/individuals/{individual}/g_variants")
    samples = await site.records(f"/individuals/{individual}/biosamples")
    assert len(variants) == len(samples) == 1
    assert samples[0]["individualId"] == individual
    assert samples[0]["info"]["derived"] is True
    carriers = await site.records(f"/g_variants/{variants[0]['variantInternalId']}/individuals")
    assert individual in {record["id"] for record in carriers}
    assert await site.count("/cohorts/published/individuals") == 2016
    assert await site.count(f"/datasets/{DATASET}/individuals") == 2016
    listed = await site.get("/cohorts")
    assert [record["id"] for record in listed["response"]["collections"]] == ["published"]
