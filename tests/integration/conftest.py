"""Real sites for tests: a database loaded through the loaders, served over HTTP on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
from aiohttp.test_utils import TestServer
from pymongo import MongoClient

from beacon.app import create_app
from beacon.auth.oidc import Verifier
from beacon.model.entry_types import entry_type_id
from beacon.settings import Mongo, SiteSettings
from beacon.store.admin import Admin
from beacon.store.mongo import MongoStore
from loaders.bff import load_bff
from loaders.export import export
from tests.contract import official

if TYPE_CHECKING:
    from tests.integration.cohort import Databases


@dataclass(frozen=True, slots=True)
class Site:
    """A running site; its answers are checked against the official schemas where those are there, if ``checked``."""

    url: str
    session: aiohttp.ClientSession
    checked: bool = True

    async def post(
        self, path: str, query: Mapping[str, Any] | None = None, *, token: str | None = None, status: int = 200
    ) -> dict[str, Any]:
        """Ask by POST and return the answer, which must have this status."""
        body = {"meta": {"apiVersion": "v2.0"}, "query": dict(query or {})}
        return await self._ask("POST", path, {"json": body}, token, status)

    async def get(
        self, path: str, params: Mapping[str, str] | None = None, *, token: str | None = None, status: int = 200
    ) -> dict[str, Any]:
        """Ask by GET and return the answer, which must have this status."""
        return await self._ask("GET", path, {"params": dict(params or {})}, token, status)

    async def count(self, path: str, query: Mapping[str, Any] | None = None, *, token: str | None = None) -> int:
        """Return the number of results of a question."""
        answer = await self.post(path, {**(query or {}), "requestedGranularity": "count"}, token=token)
        return int(answer["responseSummary"]["numTotalResults"])

    async def records(self, path: str, query: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return all records of a question, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            pagination = {"skip": len(found) // 500, "limit": 500}
            answer = await self.post(
                path, {**(query or {}), "requestedGranularity": "record", "pagination": pagination}
            )
            sets = answer["response"]["resultSets"]
            page = [record for one in sets for record in one["results"]]
            found += page
            if len(page) < 500:
                return found

    async def _ask(
        self, method: str, path: str, arguments: dict[str, Any], token: str | None, status: int
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.session.request(method, self.url + path, headers=headers, **arguments) as response:
            text = await response.read()
            assert response.status == status, text[:2000]
            answer: dict[str, Any] = orjson.loads(text)
        if self.checked and official.shared_dir() is not None and "meta" in answer:
            assert official.check_answer(answer, _returned(path)) == [], text[:2000]
        return answer


def _returned(path: str) -> str | None:
    """Return the entry type that a path lists: ``/individuals/{id}/biosamples`` lists biosamples."""
    names = [entry_type_id(part) for part in path.strip("/").split("/")[::2]]
    return names[-1] if names else None


ServeSite = Callable[..., AbstractAsyncContextManager[Site]]


def drop(uri: str, database: str) -> None:
    """Delete a database."""
    with MongoClient[dict[str, Any]](uri) as client:
        client.drop_database(database)


@asynccontextmanager
async def serve_site(
    uri: str, database: str, settings: SiteSettings | None = None, *, checked: bool = True
) -> AsyncIterator[Site]:
    """Serve a database on a free port of this machine."""
    settings = settings or SiteSettings(id="test.site", mongo=Mongo(uri=uri, database=database))
    store = await MongoStore.open(uri, database)
    verifier = Verifier(settings.issuers, settings.nodes, beacon_id=settings.id, visa_issuers=settings.visa_issuers)
    server = TestServer(create_app(settings, store, verifier))
    await server.start_server()
    try:
        async with aiohttp.ClientSession() as session:
            yield Site(str(server.make_url("/api")), session, checked)
    finally:
        await server.close()
        await verifier.close()
        await store.close()


async def again(uri: str, database: str, admin: Admin, dataset: str, folder: Path) -> None:
    """Export a dataset as Beacon files, delete it, and load it from these."""
    store = await MongoStore.open(uri, database)
    try:
        await export(store, dataset, folder / "bff")
    finally:
        await store.close()
    policy = admin.dataset(dataset).policy
    admin.delete_dataset(dataset)
    admin.create_dataset(dataset, policy=policy)
    report = load_bff(admin, [folder / "bff"], dataset)
    assert not report.problems, report.render()


@pytest.fixture
def serve() -> ServeSite:
    """Return ``serve_site``."""
    return serve_site


@pytest.fixture(scope="session")
def databases(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """The synthetic cohort, loaded once for all tests."""
    from tests.integration import cohort

    with cohort.loaded(mongo_uri, tmp_path_factory.mktemp("cohort")) as made:
        yield made
