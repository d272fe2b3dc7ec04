"""Zygosities that say more than heterozygous or hemizygous are found as both, whatever kind of file they came in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from beacon.auth.policy import policy_for
from beacon.model.access import Granularity, Level
from beacon.store.admin import Admin
from loaders.bff import load_bff
from loaders.pipeline import load_phenopackets
from tests.integration.conftest import ServeSite, Site
from tests.unit.loaders.packets import interpretation, packet

STATES = {
    "GENO:0000135": "GENO:0000135", "GENO:0000458": "GENO:0000135", "GENO:0000402": "GENO:0000135",
    "GENO:0000134": "GENO:0000134", "GENO:0000604": "GENO:0000134", "GENO:0000605": "GENO:0000134",
    "GENO:0000606": "GENO:0000134", "GENO:0000136": "GENO:0000136",
}  # fmt: skip
"""Zygosities, with what each of them is at least."""
EVERYBODY = {id: f"P{id[-3:]}" for id in (*STATES, "GENO:0000603")}
"""One person of each zygosity; heteroplasmic is none of the three."""


def phenopackets(admin: Admin, folder: Path) -> None:
    record = {"genomeAssembly": "hg38", "chrom": "chr1", "pos": "100", "ref": "A", "alt": "G"}
    for id, person in EVERYBODY.items():
        told = {"id": "v", "moleculeContext": "genomic", "vcfRecord": record, "allelicState": {"id": id, "label": "x"}}
        body = packet(person, interpretations=[interpretation(told)])
        (folder / f"{person}.json").write_text(json.dumps(body), "utf-8")
    assert load_phenopackets(admin, [folder], "d").errors == 0


def beacon_files(admin: Admin, folder: Path) -> None:
    interval = {"start": {"value": 99}, "end": {"value": 100}}
    location = {"sequence_id": "NC_000001.11", "interval": interval}
    cases = [
        {"biosampleId": person, "zygosity": {"id": id.replace("GENO:", "GENO:GENO_"), "label": "0|1"}}
        for id, person in EVERYBODY.items()
    ]
    variation = {"referenceBases": "A", "alternateBases": "G", "location": location}
    variants = [{"variation": variation, "caseLevelData": cases}]
    (folder / "genomicVariations.json").write_text(json.dumps(variants), "utf-8")
    assert load_bff(admin, [folder], "d").errors == 0


async def having(site: Site, zygosity: str) -> set[str]:
    return {one["id"] for one in await site.records("/individuals", {"filters": [{"id": zygosity}]})}


@pytest.mark.parametrize("load", [phenopackets, beacon_files])
async def test_a_zygosity_is_found_under_its_own_id_and_as_what_it_is_at_least(
    load: Any, mongo_uri: str, database_name: str, tmp_path: Path, serve: ServeSite
) -> None:
    with Admin.open(mongo_uri, database_name) as admin:
        admin.create_dataset("d", policy=policy_for(Level.PUBLIC, Granularity.RECORD))
        load(admin, tmp_path)
    async with serve(mongo_uri, database_name) as site:
        for id, person in EVERYBODY.items():
            least = {EVERYBODY[one] for one, group in STATES.items() if group == id}
            assert await having(site, id) == {person} | least
        (found,) = await site.records("/g_variants")
    genotypes = {"heterozygous": 3, "homozygous": 1, "hemizygous": 4, "zygosityNotStated": 1}
    assert found["info"]["genotypes"] == genotypes
    told = {case["individualId"]: case["zygosity"]["id"] for case in found["caseLevelData"]}
    assert told == {person: id for id, person in EVERYBODY.items()}
