"""A family, a cohort and a table, with every member of the standard: what a Beacon answers of them, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from beacon.auth.policy import policy_for
from beacon.model.access import Granularity, Level
from beacon.store.admin import Admin
from loaders.ontologies import load_ontology
from loaders.pipeline import load_phenopackets
from tests.integration.conftest import Site, drop, serve_site
from tests.unit.loaders.full import cohort, family

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAMILY, COHORT = family(), cohort()
PACKETS: dict[str, dict[str, Any]] = {
    body["id"]: body for body in (FAMILY["proband"], *FAMILY["relatives"], *COHORT["members"])
}
DISEASE, EXCLUDED = (row["term"] for row in FAMILY["proband"]["diseases"])


DATABASE = "everything_of_a_phenopacket"


def write_ontology(folder: Path, above: str) -> Path:
    """Write an ontology in which the proband's disease stands under a term, of two without anything above them."""
    path = folder / f"xx-{above[-1]}.obo"
    path.write_text(
        f"format-version: 1.2\ndata-version: {above}\n\n[Term]\nid: XX:0\nname: any disease\n\n"
        f"[Term]\nid: XX:9\nname: another\n\n"
        f"[Term]\nid: {DISEASE['id']}\nname: {DISEASE['label']}\nis_a: {above}\n\n"
        f"[Term]\nid: {EXCLUDED['id']}\nname: {EXCLUDED['label']}\nis_a: {above}\n"
    )
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "packets.jsonl").write_bytes(orjson.dumps(FAMILY) + b"\n" + orjson.dumps(COHORT))
    ontology = write_ontology(folder, above="XX:0")
    drop(mongo_uri, DATABASE)
    with Admin.open(mongo_uri, DATABASE) as admin:
        admin.create_dataset("d", policy=policy_for(Level.PUBLIC, Granularity.RECORD))
        report = load_phenopackets(admin, [folder / "packets.jsonl"], "d")
        assert (report.errors, report.counts["individual"]) == (0, 4), report.render()
        load_ontology(admin, ontology)
    async with serve_site(mongo_uri, DATABASE) as running:
        yield running
    drop(mongo_uri, DATABASE)


async def people(site: Site, query: dict[str, Any]) -> set[str]:
    return {str(record["id"]) for record in await site.records("/individuals", query)}


async def test_all_records_of_all_kinds_fit_the_model(site: Site) -> None:
    assert await people(site, {}) == PACKETS.keys()
    assert await site.count("/biosamples") == 16
    assert await site.count("/g_variants") == len(await site.records("/g_variants"))


async def test_a_disease_is_found_by_what_is_above_it_and_an_excluded_one_never(site: Site) -> None:
    assert await people(site, {"filters": [{"id": DISEASE["id"]}]}) == {"proband"}
    assert await people(site, {"filters": [{"id": "XX:0"}]}) == {"proband"}
    assert await people(site, {"filters": [{"id": EXCLUDED["id"]}]}) == set()
    assert await people(site, {"filters": [{"id": EXCLUDED["id"], "excluded": True}]}) == {"proband"}
    feature = FAMILY["proband"]["phenotypicFeatures"][1]["type"]["id"]
    assert await people(site, {"filters": [{"id": feature, "excluded": True}]}) == {"proband"}


async def test_an_interpretation_that_names_only_a_gene_is_found_by_it(site: Site) -> None:
    causative, rejected, _ = PACKETS["one"]["interpretations"][0]["diagnosis"]["genomicInterpretations"]
    for genomic, expected in ((causative, {"one"}), (rejected, set())):
        asked = {"requestParameters": {"g_variant": {"geneId": genomic["gene"]["symbol"]}}}
        assert await people(site, asked) == expected
        assert await site.count("/g_variants", asked) == len(expected)


async def test_relatives_have_their_pedigrees_and_a_cohort_its_members_and_files(site: Site) -> None:
    (proband,) = await site.records("/individuals", {"filters": [{"id": DISEASE["id"]}]})
    assert [one["memberId"] for one in proband["pedigrees"][0]["members"]][:2] == ["proband", "mother"]
    answer = await site.get(f"/cohorts/{COHORT['id'].replace(' ', '%20')}")
    (found,) = answer["response"]["collections"]
    assert (found["id"], found["cohortSize"]) == (COHORT["id"], 2)
    assert found["info"]["description"] == COHORT["description"]
    assert COHORT["members"][0]["subject"]["id"] not in orjson.dumps(found).decode()
    members = await site.records(f"/cohorts/{COHORT['id'].replace(' ', '%20')}/individuals")
    assert {one["id"] for one in members} == {"one", "other"}


async def test_everybody_comes_back_as_the_phenopacket_that_they_were(site: Site) -> None:
    asked = {"requestedSchema": "ga4gh-phenopacket-v2.0"}
    async with site.session.get(f"{site.url}/individuals", params=asked) as response:  # not in the default model
        answer = orjson.loads(await response.read())
    held = [record for one in answer["response"]["resultSets"] for record in one["results"]]
    assert {one["id"]: one for one in held} == PACKETS


async def test_a_running_site_finds_by_an_ontologys_new_version_at_once(
    site: Site, mongo_uri: str, tmp_path: Path
) -> None:
    assert await people(site, {"filters": [{"id": "XX:0"}]}) == {"proband"}
    assert await people(site, {"filters": [{"id": "XX:9"}]}) == set()
    with Admin.open(mongo_uri, DATABASE) as admin:
        await asyncio.to_thread(load_ontology, admin, write_ontology(tmp_path, above="XX:9"))
    assert await people(site, {"filters": [{"id": "XX:0"}]}) == set()
    assert await people(site, {"filters": [{"id": "XX:9"}]}) == {"proband"}
