"""One small site with four datasets under four policies, served for real; every answer is checked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pymongo import MongoClient

from beacon.app import create_app
from beacon.auth.oidc import Verifier
from beacon.model.access import Asker, DatasetPolicy, Granularity, Level, Person
from beacon.model.variant import from_vcf
from beacon.settings import Issuer, Node, SiteSettings, VisaIssuer
from beacon.store.admin import Admin
from beacon.store.loading import LoadInfo
from beacon.store.mongo import MongoStore
from network.app import mount
from network.issuer import SOURCE, DemonstrationIssuer, running_issuer
from tests.contract import official

DATABASE = "test_http"
SEIZURE, RARE = "HP:0001250", "OMIM:612313"
NONE, BOOLEAN, COUNT, RECORD = Granularity


def policies(issuer: str) -> dict[str, DatasetPolicy]:
    """``open`` gives records to all, ``counted`` counts; ``asked`` is for rosa, ``hidden`` for tomas."""
    rosa, tomas = Person(issuer, "rosa"), Person(issuer, "tomas")

    def policy(level: Level, stranger: Granularity, registered: Granularity, granted: Granularity) -> DatasetPolicy:
        ceilings = {Asker.STRANGER: stranger, Asker.REGISTERED: registered, Asker.GRANTED: granted}
        return DatasetPolicy(level, ceilings, frozenset({rosa, tomas}), frozenset({tomas}), 5)

    return {
        "open": policy(Level.PUBLIC, RECORD, RECORD, RECORD),
        "counted": policy(Level.PUBLIC, COUNT, COUNT, RECORD),
        "asked": policy(Level.REGISTERED, NONE, RECORD, RECORD),
        "hidden": policy(Level.CONTROLLED, NONE, NONE, RECORD),
    }


def fill(admin: Admin, dataset: str, people: int) -> None:
    """Load ``people``: every second one had a seizure, one has a rare disease, three carry a variant."""
    load = LoadInfo(
        source="made", sha256=dataset, format="phenopackets", assembly="GRCh38", cohort=f"{dataset}-cohort",
        time=datetime(2026, 1, 1, tzinfo=UTC), loader="test", ontologies={}, who="test",
    )  # fmt: skip
    term = {"id": "XX:1", "label": "x"}
    with admin.begin(dataset, load, lambda term: ()) as writer:
        for number in range(people):
            name = f"{dataset}-{number:02}"
            features = [{"featureType": {"id": SEIZURE, "label": "Seizure"}, "excluded": number % 2 == 1}]
            disease = [{"diseaseCode": {"id": RARE, "label": "Glass syndrome"}}] if number == 0 else []
            writer.individual(
                {"id": name, "sex": {"id": "NCIT:C16576", "label": "female"}, "phenotypicFeatures": features}
                | ({"diseases": disease} if disease else {})
            )
            sample = {"id": f"{name}-s", "individualId": name, "biosampleStatus": term, "sampleOriginType": term}
            writer.record("biosample", sample, individual=name)
            run = {"id": f"{name}-r", "biosampleId": f"{name}-s", "individualId": name, "runDate": "2026-01-01"}
            writer.record("run", run, individual=name)
            analysis = {
                "id": f"{name}-a",
                "analysisDate": "2026-01-01",
                "pipelineName": "p",
                "individualId": name,
                "biosampleId": f"{name}-s",
            }
            writer.record("analysis", analysis, individual=name)
            column = writer.column(name, f"{name}-s", f"{name}-r", f"{name}-a")
            if number < 3:
                body = {"molecularAttributes": {"geneIds": ["SATB2"]}}
                writer.case(from_vcf("GRCh38", "2", 199_300_000, "G", "A"), body, column, "het", None)
        writer.publish()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any
    headers: Any

    @property
    def sets(self) -> dict[str, dict[str, Any]]:
        return {one["id"]: one for one in self.body["response"]["resultSets"]}

    @property
    def summary(self) -> dict[str, Any]:
        return dict(self.body["responseSummary"])


@dataclass(frozen=True, slots=True)
class Client:
    """Asks the site; answers and refusals must fit the official schemas, where those are there."""

    root: str
    session: aiohttp.ClientSession
    issuer: DemonstrationIssuer
    audience: str = "test"
    headers: dict[str, str] = field(default_factory=dict)

    def as_person(self, person: str) -> Client:
        token = self.issuer.token(person, self.audience)
        return replace(self, headers={"Authorization": f"Bearer {token}"})

    async def send(self, method: str, path: str, entry_type: str | None = None, **options: Any) -> Answer:
        headers = self.headers | options.pop("headers", {})
        async with self.session.request(
            method, self.root + path, headers=headers, allow_redirects=False, **options
        ) as response:
            raw = await response.read()
            body = orjson.loads(raw) if raw else None
        if official.shared_dir() and body and ("error" in body or entry_type):
            official.assert_answer(body, entry_type)
        return Answer(response.status, body, response.headers)

    async def get(self, path: str, entry_type: str | None = None, **params: str) -> Answer:
        return await self.send("GET", f"/api{path}", entry_type, params=params)

    async def post(self, path: str, entry_type: str | None = None, **query: Any) -> Answer:
        return await self.send("POST", f"/api{path}", entry_type, json={"meta": {"apiVersion": "v2.0"}, "query": query})


@pytest.fixture(scope="session")
def filled(mongo_uri: str) -> Iterator[str]:
    """The database, loaded once; its datasets are closed until a test's issuer is known."""
    with MongoClient[dict[str, object]](mongo_uri) as client:
        client.drop_database(DATABASE)
        with Admin.open(mongo_uri, DATABASE) as admin:
            for dataset, people in (("open", 12), ("counted", 8), ("asked", 14), ("hidden", 10)):
                admin.create_dataset(dataset, name=f"The {dataset} one", policy=DatasetPolicy())
                fill(admin, dataset, people)
        yield DATABASE
        client.drop_database(DATABASE)


@asynccontextmanager
async def site(
    uri: str,
    database: str,
    extra: Sequence[web.RouteDef] = (),
    port: int | None = None,
    node: Node | None = None,
    grants: str | None = None,
    **changes: Any,
) -> AsyncIterator[Client]:
    """Serve the database with these settings changed, and with ``extra`` routes that misbehave.

    ``node`` is believed too, for people of the site's issuer, whose visas of the value ``grants`` make grantees.
    """
    async with running_issuer() as issuer:
        if database == DATABASE:
            with Admin.open(uri, database) as admin:
                for dataset, policy in policies(issuer.url).items():
                    visas = frozenset({grants} if grants else ())
                    admin.set_policy(dataset, replace(policy, visas=visas))
        known = Issuer(issuer.url, ("test",), jwks_uri=issuer.url + "/jwks")
        settings = replace(SiteSettings(id="test.site", issuers=(known,)), **changes)
        if node is not None:
            settings = replace(settings, nodes=(replace(node, issuers=(issuer.url,)),))
        if grants is not None:
            committee = VisaIssuer(issuer.url, f"{issuer.url}/jwks", (SOURCE,))
            settings = replace(settings, visa_issuers=(committee,))
        store = await MongoStore.open(uri, database)
        verifier = Verifier(settings.issuers, settings.nodes, beacon_id=settings.id, visa_issuers=settings.visa_issuers)
        app = create_app(settings, store, verifier, extend=mount if settings.network else None)
        app.add_routes(extra)
        server = TestServer(app, port=port)
        await server.start_server(auto_decompress=False)  # as ``accepting`` has it
        try:
            async with aiohttp.ClientSession() as session:
                yield Client(str(server.make_url("")).rstrip("/"), session, issuer)
        finally:
            await server.close()
            await verifier.close()
            await store.close()


@pytest.fixture
async def client(mongo_uri: str, filled: str) -> AsyncIterator[Client]:
    """A stranger at the site."""
    async with site(mongo_uri, filled) as one:
        yield one
