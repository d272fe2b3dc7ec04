"""The demonstration's issuer: what it publishes, and what its tokens are worth."""

from __future__ import annotations

import asyncio
import socket
from typing import Literal

import aiohttp
import pytest

from beacon.auth.oidc import Verifier
from beacon.errors import ConfigurationError, Unauthenticated
from beacon.model.access import Person
from beacon.settings import Issuer
from network.issuer import PEOPLE, running_issuer

SITE = "org.example.site"


def site(url: str) -> Verifier:
    return Verifier([Issuer(url, (SITE,), jwks_uri=f"{url}/jwks")], beacon_id=SITE)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_its_three_people_are_known_to_a_site_that_trusts_it(algorithm: Literal["ES256", "RS256"]) -> None:
    async with running_issuer(algorithm=algorithm) as issuer:
        verifier = site(issuer.url)
        for person in PEOPLE:
            principal = await verifier.principal(f"Bearer {issuer.token(person, SITE)}")
            assert principal.person == Person(issuer.url, person)
    assert len(PEOPLE) == 3


async def test_its_tokens_open_nothing_elsewhere_and_end() -> None:
    async with running_issuer() as issuer, running_issuer() as another:
        verifier = site(issuer.url)
        for token in (
            issuer.token("rosa", "org.example.elsewhere"),
            issuer.token("rosa", SITE, seconds=-31),
            another.token("rosa", SITE),
        ):
            with pytest.raises(Unauthenticated):
                await verifier.principal(f"Bearer {token}")


async def test_it_knows_nobody_else() -> None:
    async with running_issuer() as issuer:
        with pytest.raises(KeyError):
            issuer.token("mallory", SITE)


async def test_it_publishes_public_keys_alone_and_only_on_this_machine() -> None:
    async with running_issuer() as issuer, aiohttp.ClientSession() as session:
        assert issuer.url.startswith("http://127.0.0.1:")
        async with session.get(issuer.url + "/.well-known/openid-configuration") as response:
            document = await response.json()
        assert document["issuer"] == issuer.url
        async with session.get(document["jwks_uri"]) as response:
            published = await response.json()
        assert [set(key) & {"d", "p", "q", "k"} for key in published["keys"]] == [set()]


async def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port}"):
            async with running_issuer(port):
                await asyncio.sleep(0)
