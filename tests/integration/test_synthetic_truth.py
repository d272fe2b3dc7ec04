"""Every true answer of the synthetic cohort, asked over HTTP: at each site, and of all data together.

Sites load their files in different orders, which must not show in any answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from beacon.app import running
from beacon.auth.policy import policy_for
from beacon.model.access import Granularity, Level
from beacon.settings import Listen, Mongo, SiteSettings
from beacon.store.admin import Admin
from loaders import synthetic
from loaders.pipeline import load_phenopackets
from loaders.report import Progress
from loaders.vcf import load_vcf

POOLED = "pooled"


def load(admin: Admin, dataset: str, site: Path, *, phenopackets_first: bool) -> None:
    def phenopackets() -> None:
        report = load_phenopackets(
            admin,
            [site / "phenopackets"],
            dataset,
            cohort=f"{dataset}-people",
            progress=Progress(quiet=True),
            who="test",
        )
        assert report.exit_code == 0, report.to_json()

    def vcf() -> None:
        report = load_vcf(admin, site / "variants.vcf", dataset, progress=Progress(quiet=True), who="test")
        assert report.exit_code == 0, report.to_json()

    for step in (phenopackets, vcf) if phenopackets_first else (vcf, phenopackets):
        step()


@pytest.fixture
async def loaded(mongo_uri: str, database_name: str, tmp_path: Path) -> AsyncIterator[tuple[str, synthetic.Cohort]]:
    """A site with one public dataset per synthetic site and one of all their data; yields its address."""
    cohort = synthetic.generate()
    synthetic.write(cohort, tmp_path)
    with Admin.open(mongo_uri, database_name) as admin:
        for dataset in (POOLED, *(site.id for site in cohort.sites)):
            admin.create_dataset(dataset, policy=policy_for(Level.PUBLIC, Granularity.RECORD))
        for number, site in enumerate(cohort.sites):
            for dataset in (site.id, POOLED):
                load(admin, dataset, tmp_path / site.id, phenopackets_first=number % 2 == 0)
    settings = replace(SiteSettings(), listen=Listen(port=0), mongo=Mongo(uri=mongo_uri, database=database_name))
    async with running(settings, mongo_uri) as address:
        yield address, cohort


async def test_every_count_is_the_true_one_at_each_site_and_of_all_together(
    loaded: tuple[str, synthetic.Cohort],
) -> None:
    address, cohort = loaded
    async with aiohttp.ClientSession() as session:
        for question in cohort.questions:
            body = {
                "meta": {"apiVersion": "v2.0"},
                "query": {
                    "filters": list(question.filters),
                    "requestParameters": dict(question.parameters),
                    "requestedGranularity": "count",
                    "includeResultsetResponses": "ALL",
                },
            }
            async with session.post(f"{address}/{question.path}", json=body) as response:
                answer: dict[str, Any] = await response.json()
            assert response.status == 200, (question, answer)
            counts = {one["id"]: one["resultsCount"] for one in answer["response"]["resultSets"]}
            assert counts == {**question.sites, POOLED: question.pooled}, question
