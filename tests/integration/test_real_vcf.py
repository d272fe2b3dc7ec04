"""Real VCF files, asked over HTTP: carriers, genotypes, allele counts and ranges are exactly right."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from beacon.auth.policy import policy_for
from beacon.model.access import Granularity, Level
from beacon.query.case_level import MAX_CASES
from beacon.store.admin import Admin
from loaders.report import Progress
from loaders.vcf import load_vcf
from tests.integration.conftest import Site, again, drop, serve_site
from tests.unit.loaders.test_vcf_expected_counts import expectations

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Files that do not say which assembly they are of need to be told.
ASSEMBLIES = {
    "1000G_chr22_10.5-11.0Mb_GRCh38_2548samples.vcf.gz": "GRCh38",
    "1000G_phase3_chr1_11.70-11.84Mb_GRCh37_2504samples.vcf.gz": "GRCh37",
    "CINECA_chr22_GRCh37_2504samples_annotated.vcf.gz": "GRCh37",
    "edge/1kg_2020_chrM_indels_star_multiallelic_3samples.vcf.gz": "GRCh38",
    "edge/haploid_chrX_3samples.vcf.gz": "GRCh37",
    "edge/mixed_ploidy.vcf.gz": "GRCh38",
    "edge/gnomad_sites_no_samples_chr1.vcf.gz": "GRCh37",
    "edge/cnv_DEL_DUP_1sample.vcf": "GRCh37",
    "edge/synthetic_edge_cases.vcf": "GRCh38",
}


@pytest.fixture(scope="module")
def expected(shared: Path) -> Mapping[str, Any]:
    return expectations(shared)


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=[(name, way) for name in ASSEMBLIES for way in ("loaded", "round trip")]
)
async def loaded(
    request: pytest.FixtureRequest, mongo_uri: str, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[str, Site]]:
    """A site with one file, as it was loaded, or loaded, exported as Beacon files, and loaded again from these."""
    name, way = request.param
    database = "real_vcf"
    drop(mongo_uri, database)
    with Admin.open(mongo_uri, database) as admin:
        admin.create_dataset("calls", policy=policy_for(Level.PUBLIC, Granularity.RECORD))
        path = shared / "data" / "vcf" / name
        report = load_vcf(admin, path, "calls", assembly=ASSEMBLIES[name], progress=Progress(quiet=True))
        assert report.errors == 0, report.render()
        if way == "round trip":
            await again(mongo_uri, database, admin, "calls", tmp_path_factory.mktemp("export"))
    # Answers were checked against the schemas the first time.
    async with serve_site(mongo_uri, database, checked=way == "loaded") as running:
        yield name, running
    drop(mongo_uri, database)


def place(name: str, row: dict[str, Any], start: int, end: int | None = None) -> dict[str, Any]:
    """Return the position part of a question."""
    asked: dict[str, Any] = {"assemblyId": ASSEMBLIES[name], "referenceName": row["chrom"], "start": [start]}
    return asked if end is None else asked | {"end": [end]}


async def test_sampled_alleles_have_exactly_their_carriers(
    loaded: tuple[str, Site], expected: Mapping[str, Any]
) -> None:
    name, site = loaded
    twice = expected[name]["trimmed_alleles_appearing_more_than_once"]
    for row in expected[name]["sampled_alleles"]:
        variant = await find(name, site, row)
        if variant is None:
            pytest.fail(f"not found: {row}")
        if twice and variant["variation"]["location"]["interval"]["start"]["value"] == 1099 and row["alt"] == "C":
            assert variant["info"]["carriers"] == 2  # The record that occurs twice is one variant with both calls.
            continue
        if "carriers" not in row or row.get("genotypes_absent"):
            assert not {"carriers", "alleleCount", "alleleNumber"} & variant["info"].keys()
            continue
        if "carriers" not in variant["info"]:
            assert row["AN"] == 0 and row["id"] == "gt_absent"
            continue
        genotypes = variant["info"]["genotypes"]
        found = (
            variant["info"]["carriers"], genotypes["heterozygous"], genotypes["homozygous"], genotypes["hemizygous"],
            variant["info"]["alleleCount"], variant["info"]["alleleNumber"],
        )  # fmt: skip
        assert found == (row["carriers"], row["het"], row["hom"], row["haploid"], row["AC"], row["AN"]), row
        listed = {case["individualId"] for case in variant.get("caseLevelData", ())}
        assert set(row["first_carriers"]) <= listed
        assert len(listed) == min(row["carriers"], MAX_CASES)
        if row["carriers"]:
            assert variant["info"]["caseLevelTotal"] == row["carriers"]
            assert await site.count(f"/{variant['info']['caseLevelIndividuals']}") == row["carriers"]


async def find(name: str, site: Site, row: dict[str, Any]) -> dict[str, Any] | None:
    """Find one sampled allele: by sequence where it has bases, else by range and its ALT as in the file."""
    if "trimmed" in row:
        trimmed = row["trimmed"]
        asked = place(name, row, trimmed["pos"] - 1) | {
            "referenceBases": trimmed["ref"],
            "alternateBases": trimmed["alt"],
        }
        records = await site.records("/g_variants", {"requestParameters": {"g_variant": asked}})
        assert len(records) == 1, row
        return records[0]
    asked = place(name, row, row["start0"], row["end0"])
    records = await site.records("/g_variants", {"requestParameters": {"g_variant": asked}})
    matching = [
        record
        for record in records
        if record["info"]["vcf"]["alt"] == row["alt"]
        and record["info"]["vcf"]["pos"] == row["pos"]
        and record["info"]["vcf"].get("id", ".") in (row["id"], None)
    ]
    return matching[0] if len(matching) == 1 else None


async def test_ranges_hold_exactly_their_alleles_and_carriers(
    loaded: tuple[str, Site], expected: Mapping[str, Any]
) -> None:
    name, site = loaded
    for row in expected[name]["ranges"]:
        query = {"requestParameters": {"g_variant": place(name, row, row["start0"], row["end0"])}}
        assert await site.count("/g_variants", query) == row["alleles_overlapping_trimmed_span"], row
        if expected[name]["samples"]:
            assert await site.count("/individuals", query) == row["samples_carrying_any_allele"], row


async def test_each_sample_has_one_biosample_run_and_analysis(
    loaded: tuple[str, Site], expected: Mapping[str, Any]
) -> None:
    name, site = loaded
    for path in ("/individuals", "/biosamples", "/runs", "/analyses"):
        assert await site.count(path) == expected[name]["samples"]
    distinct = (
        expected[name]["counts"]["alleles_after_split"] - expected[name]["trimmed_alleles_appearing_more_than_once"]
    )
    assert await site.count("/g_variants") == distinct
