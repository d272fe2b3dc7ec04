"""Decisions of docs/beacon-decisions.md that no other test holds."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

import pytest

from beacon.auth.policy import policy_for
from beacon.model.access import Granularity, Level
from beacon.model.genome import Gene, Place
from beacon.model.variant import from_vcf
from beacon.store.admin import Admin
from beacon.store.loading import LoadInfo
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


async def test_where_carriers_are_listed_is_an_address_relative_to_the_root(client: Client) -> None:
    answer = await client.get("/g_variants", "genomicVariant")
    (record,) = answer.sets["open"]["results"]
    there = urljoin(f"{client.root}/api/", record["info"]["caseLevelIndividuals"])
    carriers = await client.get(there.removeprefix(f"{client.root}/api"), "individual")
    assert len(carriers.sets["open"]["results"]) == record["info"]["caseLevelTotal"] == 3


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


async def test_a_gene_that_nobody_could_tell_is_refused_and_not_denied(mongo_uri: str, database_name: str) -> None:
    told: dict[str, dict[str, Any]] = {
        "symbols": {"molecularAttributes": {"geneIds": ["A"], "aminoacidChanges": ["V600E"]}},
        "ids": {"molecularAttributes": {"geneIds": ["HGNC:5"]}},
        "bare": {},
    }
    with Admin.open(mongo_uri, database_name) as admin:
        for id, body in told.items():
            admin.create_dataset(id, policy=policy_for(Level.PUBLIC, Granularity.RECORD))
            load = LoadInfo("made", "1", "vcf", "test", admin.dataset(id).created, "test", assembly="GRCh38")
            with admin.begin(id, load, lambda term: ()) as writer:
                writer.allele(from_vcf("GRCh38", "1", 101, "A", "G"), body, None)
                writer.publish()
        admin.create_dataset("empty", policy=policy_for(Level.PUBLIC, Granularity.RECORD))

    async def asked(dataset: str, **given: str) -> object:
        params = {"datasets": dataset, "requestedGranularity": "count"}
        answer = await client.get("/g_variants", "genomicVariant", **params, **given)
        if answer.status == 200:
            return answer.summary["numTotalResults"]
        assert answer.body["error"]["where"] == next(iter(given))
        return answer.body["error"]["skerryCode"]

    unsaid = "cannot_answer"
    async with site(mongo_uri, database_name) as client:
        genes = {
            dataset: [await asked(dataset, geneId=gene) for gene in ("A", "B", "HGNC:5", "HGNC:6", "ENSG00000000001")]
            for dataset in (*told, "empty", "symbols,ids")
        }
        assert genes == {
            "symbols": [1, 0, unsaid, unsaid, unsaid],
            "ids": [unsaid, unsaid, 1, 0, unsaid],
            "bare": [unsaid] * 5,
            "empty": [0] * 5,
            "symbols,ids": [unsaid] * 5,
        }
        changes = {dataset: await asked(dataset, aminoacidChange="V600E") for dataset in (*told, "empty")}
        assert changes == {"symbols": 1, "ids": unsaid, "bare": unsaid, "empty": 0}
        with Admin.open(mongo_uri, database_name) as admin:
            gene = Gene(frozenset({"A", "HGNC:5"}), (Place("GRCh38", "1", 50, 150),))
            admin.store_genes("GRCh38", [gene], {"source": "made"})
        for dataset in told:
            assert [await asked(dataset, geneId=name) for name in ("A", "HGNC:5")] == [1, 1]
        assert await asked("bare", geneId="B") == unsaid


async def test_an_answer_says_which_files_could_not_tell_of_a_gene(mongo_uri: str, database_name: str) -> None:
    told: dict[str, dict[str, Any]] = {
        "1": {"molecularAttributes": {"geneIds": ["A"], "aminoacidChanges": ["V600E"]}},
        "2": {},
    }
    with Admin.open(mongo_uri, database_name) as admin:
        admin.create_dataset("mixed", policy=policy_for(Level.PUBLIC, Granularity.RECORD))
        for chrom, body in told.items():
            load = LoadInfo(chrom, chrom, "vcf", "test", admin.dataset("mixed").created, "test", assembly="GRCh38")
            with admin.begin("mixed", load, lambda term: ()) as writer:
                writer.allele(from_vcf("GRCh38", chrom, 101, "A", "G"), body, None)
                writer.publish()

    async def asked(granularity: str = "count", **given: str) -> tuple[Any, ...]:
        params = {"requestedGranularity": granularity, "includeResultsetResponses": "ALL"}
        answer = await client.get("/g_variants", "genomicVariant", **params, **given)
        one = answer.sets["mixed"]
        return one["exists"], one.get("resultsCount"), one["info"].get("caveat")

    names = (
        "Some of its files do not name genes by symbols, and there is no table of genes that says where it lies in "
        "GRCh38; what is in them was not found by gene."
    )
    changes = "Some of its files do not tell how variants change proteins; what is in them was not found."
    async with site(mongo_uri, database_name) as client:
        assert await asked(geneId="A") == (True, 1, names)
        assert await asked(geneId="B") == (False, 0, names)
        assert await asked("boolean", geneId="A") == (True, None, names)
        assert await asked("record", aminoacidChange="V600E") == (True, 1, changes)
        assert await asked(geneId="A", aminoacidChange="V600E") == (True, 1, f"{names} {changes}")
        assert await asked(referenceName="2", assemblyId="GRCh38", start="100", end="101") == (True, 1, None)
        with Admin.open(mongo_uri, database_name) as admin:
            gene = Gene(frozenset({"A"}), (Place("GRCh38", "2", 50, 150),))
            admin.store_genes("GRCh38", [gene], {"source": "made"})
        assert await asked(geneId="A") == (True, 2, None)
        assert await asked(geneId="B") == (False, 0, names)


async def test_a_path_and_a_request_that_ask_for_different_datasets_are_told_so(client: Client) -> None:
    answer = await client.get("/datasets/open/individuals", "individual", datasets="counted")
    assert (answer.status, answer.body["error"]["where"]) == (400, "datasets")
    both = await client.get("/datasets/open/individuals", "individual", datasets="counted,open")
    assert set(both.sets) == {"open"}


async def test_a_gene_is_found_by_the_id_beside_its_symbol_and_by_any_version_of_it(
    mongo_uri: str, database_name: str
) -> None:
    told: list[dict[str, Any]] = [
        {"molecularAttributes": {"geneIds": ["SATB2"]}, "info": {"genes": [{"id": "HGNC:21637", "symbol": "SATB2"}]}},
        {"molecularAttributes": {"geneIds": ["ENSG00000119042.18"]}, "info": {"genes": ["of another shape"]}},
    ]
    with Admin.open(mongo_uri, database_name) as admin:
        admin.create_dataset("d", policy=policy_for(Level.PUBLIC, Granularity.RECORD))
        load = LoadInfo("made", "1", "vcf", "test", admin.dataset("d").created, "test", assembly="GRCh38")
        with admin.begin("d", load, lambda term: ()) as writer:
            for at, body in enumerate(told):
                writer.allele(from_vcf("GRCh38", "1", 101 + at, "A", "G"), body, None)
            writer.publish()
    async with site(mongo_uri, database_name) as client:
        for gene in ("SATB2", "HGNC:21637", "ENSG00000119042", "ENSG00000119042.5"):
            answer = await client.get("/g_variants", "genomicVariant", geneId=gene, requestedGranularity="count")
            assert answer.summary["numTotalResults"] == 1, gene
