"""The requests that the standard itself gives as examples, sent as they stand to a site and to a network over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio

from beacon.model.entry_types import ENTRY_TYPES
from beacon.store.admin import Admin
from loaders.pipeline import load_phenopackets
from tests.contract import official
from tests.integration.cohort import OPEN, serve_network, site_settings
from tests.integration.conftest import drop, serve_site

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

DATABASE = "official_requests"
DATASETS = ("DatasetXYZ", "Dataset123")
TISSUE = "EFO:0001212"
LISTS = [row.path for row in ENTRY_TYPES.values()]


def packet(name: str) -> dict[str, Any]:
    """A person whose sample has the term that the example asks for, and what the examples of GET ask for."""
    return {
        "id": name,
        "subject": {"id": name, "sex": "MALE"},
        "biosamples": [{"id": f"{name}-1", "sampledTissue": {"id": TISSUE, "label": "ear"}}],
        "metaData": {"created": "2024-01-01T00:00:00Z", "createdBy": "us", "phenopacketSchemaVersion": "2.0"},
    }


@pytest.fixture(scope="module")
def database(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("packets")
    with Admin.open(mongo_uri, DATABASE) as admin:
        for dataset in DATASETS:
            (folder / f"{dataset}.json").write_bytes(orjson.dumps(packet(f"of-{dataset}")))
            admin.create_dataset(dataset, policy=OPEN)
            assert load_phenopackets(admin, [folder / f"{dataset}.json"], dataset, cohort=f"{dataset}-all").errors == 0
    yield mongo_uri
    drop(mongo_uri, DATABASE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def roots(database: str) -> AsyncIterator[tuple[str, str]]:
    """The roots of a site and of a network over it."""
    async with (
        serve_site(database, DATABASE, site_settings("site")) as site,
        serve_network({"site": site.url}) as network,
    ):
        yield site.url, network.url


@pytest.mark.parametrize("example", ["MAX", "MIN"])
async def test_an_example_of_a_request_gets_a_valid_answer_everywhere(
    example: str, roots: tuple[str, str], shared: Path
) -> None:
    folder = shared / "spec" / "beacon-v2" / "framework" / "json" / "requests" / "examples-fullDocuments"
    content = (folder / f"beaconRequestBody-{example}-example.json").read_bytes()
    async with aiohttp.ClientSession(headers={"Content-Type": "application/json"}) as session:
        for root in roots:
            for path in LISTS:
                async with session.post(f"{root}/{path}", data=content) as response:
                    body = orjson.loads(await response.read())
                official.assert_answer(body, entry_type(body))
                assert response.status == 200, (root, path, body)
                assert body["responseSummary"]["exists"] is (path not in NOTHING), (root, path)
                assert body["meta"]["returnedGranularity"] == {"MAX": "boolean", "MIN": "record"}[example]


NOTHING = {"g_variants", "runs", "analyses"}
"""What the two people have none of."""


def entry_type(body: dict[str, Any]) -> str | None:
    """Return the entry type that an answer says it is about."""
    found: str | None = (body["meta"].get("returnedSchemas") or [{}])[0].get("entityType")
    return found


async def test_every_example_of_a_parameter_gets_a_valid_answer(roots: tuple[str, str], shared: Path) -> None:
    model = shared / "spec" / "beacon-v2" / "models" / "json" / "beacon-v2-default-model"
    asked = 0
    async with aiohttp.ClientSession() as session:
        for name, folder in FOLDERS.items():
            parameters = orjson.loads((model / folder / "endpoints.json").read_bytes())["components"]["parameters"]
            for parameter, said in parameters.items():
                values = [one["value"] for one in said.get("examples", {}).values()]
                values += (
                    [said["example"]] if parameter in ("geneId", "aminoacidChange", "genomicAlleleShortForm") else []
                )
                for value in values:
                    text = ",".join(value) if isinstance(value, list) else value
                    for root in roots:
                        asked += 1
                        async with session.get(f"{root}/{name}", params={parameter: text}) as response:
                            body = orjson.loads(await response.read())
                        official.assert_answer(body, entry_type(body))
                        # A term that nobody here has heard of is refused by name, and never answered with "no".
                        if response.status != 200:
                            assert (response.status, body["error"]["skerryCode"]) in REFUSALS, (root, name, text, body)
    assert asked >= 2 * 12


GENOMIC = ("geneId", "aminoacidChange", "genomicAlleleShortForm")
FOLDERS = {
    "g_variants": "genomicVariations",
    "cohorts": "cohorts",
    "biosamples": "biosamples",
    "datasets": "datasets",
    "analyses": "analyses",
    "runs": "runs",
    "individuals": "individuals",
}
REFUSALS = {(400, "unknown_filter"), (400, "cannot_answer"), (400, "needs_reference")}
