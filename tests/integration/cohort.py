"""The synthetic cohort in databases of this session's MongoDB, and networks over sites that serve them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from beacon.auth.assertion import public_jwks, signing_key
from beacon.auth.policy import policy_for
from beacon.model.access import DatasetPolicy, Granularity, Level
from beacon.settings import Issuer, Limits, Listen, NetworkSettings, Node, Peer, SiteSettings, VisaIssuer
from beacon.store.admin import Admin
from loaders.pipeline import load_phenopackets
from loaders.synthetic import Cohort, generate, write
from loaders.synthetic import Site as Files
from loaders.vcf import load_vcf
from network.app import running
from network.issuer import GRANT, SOURCE, DemonstrationIssuer
from tests.integration.conftest import Site, drop

T = TypeVar("T")
R = TypeVar("R")

AUDIENCE = "tests"
NETWORK = "test.network"
PATIENCE = 240.0
OPEN = policy_for(Level.PUBLIC, Granularity.RECORD)
HIDDEN = "hidden"
"""A fourth dataset, of people that no other one has."""


@dataclass(frozen=True, slots=True)
class Databases:
    """The cohort in five databases: one for each site, ``pooled`` with all in one dataset, ``mixed`` with all apart.

    Datasets are named as their site, in ``pooled`` pooled; ``mixed`` has ``HIDDEN`` too.
    """

    uri: str
    folder: Path
    cohort: Cohort
    other: Files

    @property
    def sites(self) -> tuple[str, ...]:
        return tuple(site.id for site in self.cohort.sites)

    def name(self, part: str) -> str:
        return f"cohort_{part}"

    def govern(self, part: str, policies: Mapping[str, DatasetPolicy]) -> None:
        """Set the policies of datasets of one database."""
        with Admin.open(self.uri, self.name(part)) as admin:
            for dataset, policy in policies.items():
                admin.set_policy(dataset, policy)

    def load(self, part: str, datasets: Mapping[str, Iterable[str]]) -> None:
        """Make a database anew: each dataset gets the files of these sites."""
        drop(self.uri, self.name(part))
        with Admin.open(self.uri, self.name(part)) as admin:
            for dataset, names in datasets.items():
                admin.create_dataset(dataset, policy=OPEN)
                for name in names:
                    place = self.folder / name
                    reports = (
                        load_phenopackets(admin, [place / "phenopackets"], dataset, cohort=f"{dataset}-cases"),
                        load_vcf(admin, place / "variants.vcf", dataset),
                    )
                    assert all(report.errors == 0 for report in reports), reports


@contextmanager
def loaded(uri: str, folder: Path) -> Iterator[Databases]:
    """Write the cohort's files into ``folder``, load them, and drop the databases at the end."""
    cohort, other = generate(), generate(seed=7, people=60, sites=4).sites[3]
    write(cohort, folder)
    write(Cohort(7, (replace(other, id=HIDDEN),), {}, ()), folder)
    made = Databases(uri, folder, cohort, other)
    parts: dict[str, dict[str, Iterable[str]]] = {site: {site: [site]} for site in made.sites}
    parts |= {"pooled": {"pooled": made.sites}, "mixed": {name: [name] for name in (*made.sites, HIDDEN)}}
    for part, datasets in parts.items():
        made.load(part, datasets)
    yield made
    for part in parts:
        drop(uri, made.name(part))


@dataclass(frozen=True, slots=True)
class Identity:
    """A network's key: what it signs with, and what sites believe."""

    key_file: Path
    node: Node

    @classmethod
    def make(cls, folder: Path, issuer: str) -> Identity:
        """Make a key in ``folder``; sites then believe its word on people of ``issuer``, up to controlled data."""
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = folder / "network.pem"
        path.write_bytes(pem)
        jwks = public_jwks(signing_key(pem, place="network.pem"))
        return cls(path, Node(NETWORK, (issuer,), jwks=jwks, max_level="controlled", max_granularity="record"))


def trust(issuer: DemonstrationIssuer) -> Issuer:
    """Return what a site or network needs to believe the issuer's tokens."""
    return Issuer(issuer.url, (AUDIENCE,), jwks_uri=f"{issuer.url}/jwks", visas="userinfo")


def committee(issuer: DemonstrationIssuer) -> VisaIssuer:
    """Return what a site needs to believe the issuer's visas."""
    return VisaIssuer(issuer.url, f"{issuer.url}/jwks", (SOURCE,))


def site_settings(name: str, issuer: DemonstrationIssuer | None = None, node: Node | None = None) -> SiteSettings:
    """Return the settings of a site for tests; it believes the issuer and the network's node, where given.

    Questions have minutes, since machines that run tests are busy.
    """
    return SiteSettings(
        id=name,
        issuers=(trust(issuer),) if issuer else (),
        nodes=(node,) if node else (),
        limits=Limits(query_seconds=PATIENCE),
    )


@asynccontextmanager
async def serve_network(
    peers: Mapping[str, str],
    *,
    issuer: DemonstrationIssuer | None = None,
    key_file: Path | None = None,
    deadline_seconds: float = PATIENCE,
) -> AsyncIterator[Site]:
    """Serve a network over members by id and address; it is asked like a site."""
    settings = NetworkSettings(
        id=NETWORK,
        peers=tuple(Peer(name, url, visas=(GRANT,)) for name, url in peers.items()),
        listen=Listen(port=0),
        issuers=(trust(issuer),) if issuer else (),
        signing_key_file=key_file,
        deadline_seconds=deadline_seconds,
        max_peer_bytes=50_000_000,
    )
    async with running(settings) as url, aiohttp.ClientSession() as session:
        yield Site(url, session)


async def each(items: Sequence[T], ask: Callable[[T], Awaitable[R]], at_once: int = 8) -> list[R]:
    """Ask for every item, ``at_once`` at a time; the answers in the items' order."""
    places = asyncio.Semaphore(at_once)

    async def one(item: T) -> R:
        async with places:
            return await ask(item)

    return await asyncio.gather(*(one(item) for item in items))


def body(query: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request body of a query."""
    return {"meta": {"apiVersion": "v2.0"}, "query": dict(query)}
