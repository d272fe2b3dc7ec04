"""Real phenopackets and real genotypes, dealt out by person: the network says what one site with all of them says."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from beacon.store.admin import Admin
from loaders.pipeline import load_phenopackets
from loaders.sources import Document, documents
from loaders.vcf import load_vcf
from tests.integration.cohort import OPEN, serve_network, site_settings
from tests.integration.conftest import Site, drop, serve_site
from tests.integration.test_real_phenopackets import COUNTED_FROM_RECORDS, question

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

SITES = ("one", "two", "three")
VCF = "1000G_chr22_10.5-11.0Mb_GRCh38_2548samples.vcf.gz"
FIXED_COLUMNS = 9


@dataclass(frozen=True, slots=True)
class Federation:
    """Three sites, one that holds everything, and the network over the three."""

    sites: dict[str, Site]
    pooled: Site
    network: Site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def federation(
    mongo_uri: str, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Federation]:
    folder = tmp_path_factory.mktemp("dealt")
    packets = sorted((shared / "data" / "phenopackets").glob("cohorts_*.zip"))
    calls = shared / "data" / "vcf" / VCF
    deal_packets(packets, folder)
    deal_samples(calls, folder)
    load(mongo_uri, "pooled", packets, calls)
    for name in SITES:
        load(mongo_uri, name, [folder / name], folder / f"{name}.vcf")
    async with AsyncExitStack() as stack:
        sites = {
            name: await stack.enter_async_context(serve_site(mongo_uri, f"real_{name}", site_settings(name)))
            for name in (*SITES, "pooled")
        }
        pooled = sites.pop("pooled")
        network = await stack.enter_async_context(serve_network({name: site.url for name, site in sites.items()}))
        yield Federation(sites, pooled, network)
    for name in (*SITES, "pooled"):
        drop(mongo_uri, f"real_{name}")


def deal_packets(archives: list[Path], folder: Path) -> None:
    """Write each phenopacket into the folder of one site, chosen by the digest of its name."""
    for name in SITES:
        (folder / name).mkdir()
    for document in documents(archives):
        assert isinstance(document, Document)
        number = int(hashlib.sha256(document.file.encode()).hexdigest(), 16) % len(SITES)
        place = folder / SITES[number] / Path(document.file.rpartition("!")[2]).name
        assert not place.exists()
        place.write_bytes(document.data)


def deal_samples(calls: Path, folder: Path) -> None:
    """Write each sample's column into one site's VCF, without records that only other sites' people carry."""
    files = {name: (folder / f"{name}.vcf").open("w") for name in SITES}
    with gzip.open(calls, "rt") as source:
        for line in source:
            columns = line.rstrip("\n").split("\t")
            parts = {name: columns[FIXED_COLUMNS + at :: len(SITES)] for at, name in enumerate(SITES)}
            carried = {name for name, part in parts.items() if any("1" in call for call in part)}
            for name, file in files.items():
                if line.startswith("##"):
                    file.write(line)
                elif line.startswith("#") or name in carried or not carried:
                    file.write("\t".join(columns[:FIXED_COLUMNS] + parts[name]) + "\n")
    for file in files.values():
        file.close()


def load(uri: str, name: str, packets: list[Path], calls: Path) -> None:
    drop(uri, f"real_{name}")
    with Admin.open(uri, f"real_{name}") as admin:
        admin.create_dataset(name, policy=OPEN)
        reports = load_phenopackets(admin, packets, name), load_vcf(admin, calls, name, assembly="GRCh38")
        assert all(report.errors == 0 for report in reports), [report.render() for report in reports]


@pytest.fixture(scope="module")
def expected(shared: Path) -> dict[str, Any]:
    """Return the files of expected counts: phenopackets, vcf."""
    found = {kind: json.loads((shared / "data" / kind / "expected_counts.json").read_text()) for kind in KINDS}
    found["vcf"] = found["vcf"]["files"][VCF]
    return found


KINDS = ("phenopackets", "vcf")


def genomic(parameters: dict[str, Any]) -> dict[str, Any]:
    return {"requestParameters": {"g_variant": parameters}}


def places(expected: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the queries about variants: real genes, and ranges of both kinds of data."""
    rows = [row["beacon"]["query"] for kind in ("gene", "range") for row in expected["phenopackets"][SECTIONS[kind]]]
    rows += [
        {"assemblyId": "GRCh38", "referenceName": "22", "start": [row["start0"]], "end": [row["end0"]]}
        for row in expected["vcf"]["ranges"]
    ]
    return [genomic(row) for row in rows]


SECTIONS = {"gene": "g_variants_by_gene", "range": "g_variants_ranges"}


async def test_people_add_up_to_the_expected_counts(federation: Federation, expected: dict[str, Any]) -> None:
    rows = [row for row in expected["phenopackets"]["queries"] if row["n"] not in COUNTED_FROM_RECORDS]
    # Whoever has only genotypes has no known sex and is in no phenopacket's count, but in that of "everybody".
    extra = expected["vcf"]["samples"]
    for row in rows:
        answer = await federation.network.post("/individuals", question(row) | {"requestedGranularity": "count"})
        assert answer["responseSummary"]["countPrecision"] == "exact"
        total = answer["responseSummary"]["numTotalResults"]
        assert total == await federation.pooled.count("/individuals", question(row))
        assert total in (row["expected"], row["expected"] + extra) or row["n"] in CALLED, row["meaning"]


CALLED = range(29, 38)
"""Questions about variants and zygosity, which genotypes answer too."""


@pytest.mark.parametrize("path", ["biosamples", "runs", "analyses", "individuals"])
async def test_what_belongs_to_people_adds_up(path: str, federation: Federation, expected: dict[str, Any]) -> None:
    terms = [row["beacon"]["query"] for row in expected["phenopackets"]["queries"][:12] if "query" in row["beacon"]]
    whose = [
        {"filters": [one | {"scope": "individual"} for one in query["filters"]]}
        for query in terms
        if "filters" in query
    ]
    assert len(whose) > 5
    for asked in ({}, *whose, *places(expected)):
        answer = await federation.network.post(f"/{path}", asked | {"requestedGranularity": "count"})
        pooled = await federation.pooled.count(f"/{path}", asked)
        assert answer["info"]["interval"] == [pooled, pooled], asked
        assert answer["responseSummary"]["numTotalResults"] == pooled


async def test_variants_are_an_interval_at_count_and_the_pooled_number_at_record(
    federation: Federation, expected: dict[str, Any]
) -> None:
    joined = 0
    for asked in places(expected):
        each = [await site.count("/g_variants", asked) for site in federation.sites.values()]
        pooled = await federation.pooled.count("/g_variants", asked)
        counted = await federation.network.post("/g_variants", asked | {"requestedGranularity": "count"})
        assert counted["info"]["interval"] == [max(each), sum(each)]
        assert max(each) <= pooled <= sum(each)
        assert counted["responseSummary"]["exists"] is (pooled > 0)
        if pooled > 100:
            continue  # Thousands of carriers each: more than one page of any use.
        page = {"pagination": {"skip": 0, "limit": 1000}, "requestedGranularity": "record"}
        recorded = await federation.network.post("/g_variants", asked | page)
        assert recorded["responseSummary"]["numTotalResults"] == pooled, asked
        assert recorded["info"]["interval"] == [pooled, pooled]
        joined += sum(each) > pooled
    assert joined > 3


async def test_variants_that_sites_share_are_fewer_than_their_sum(federation: Federation) -> None:
    each = [await site.count("/g_variants") for site in federation.sites.values()]
    pooled = await federation.pooled.count("/g_variants")
    assert max(each) < pooled < sum(each)
