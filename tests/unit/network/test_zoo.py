"""The zoo is what it says: every animal answers as its row tells, on the port that it was given."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import tomllib

import aiohttp
import pytest

from network.outcomes import KINDS
from network.zoo import ANIMALS, HEALTHY, open_zoo
from network.zoo.animals import bomb
from network.zoo.behaviour import HUGE_BYTES, healthy
from network.zoo.running import serving
from network.zoo.tls import certificates
from tests.contract import official
from tests.ports import free_port


def test_every_outcome_of_the_table_is_one_that_a_network_can_give() -> None:
    outcomes = {animal.expected(depth) for animal in ANIMALS.values() for depth in ("boolean", "count", "record")}
    assert outcomes <= set(KINDS)
    assert outcomes >= {"hit", "timeout", "invalid", "oversized", "unreachable", "denied", "cannot_answer"}


async def test_the_healthy_ones_pass_the_official_schemas(shared: object) -> None:
    kinds = ("info", "configuration", "entry_types", "map", "filtering_terms", "service-info")
    async with open_zoo([]) as zoo, aiohttp.ClientSession() as session:
        assert set(zoo.members) == set(HEALTHY)
        for one in zoo.members.values():
            for depth in ("boolean", "count", "record"):
                query = {"requestedGranularity": depth}
                async with session.post(f"{one.url}/individuals", json={"query": query}) as reply:
                    official.assert_answer(await reply.json(), "individual")
                async with session.get(f"{one.url}/individuals", params=query) as reply:
                    assert (await reply.json())["meta"]["returnedGranularity"] == depth
            for kind in kinds:
                async with session.get(f"{one.url}/{kind}") as reply:
                    official.assert_kind(kind.replace("-", "_"), await reply.json())


async def test_members_are_written_as_peers_of_a_network() -> None:
    async with open_zoo(["slow", "html"]) as zoo:
        listed = tomllib.loads(zoo.written())["peers"]
    assert {row["id"]: row["url"] for row in listed} == {name: one.url for name, one in zoo.members.items()}
    assert set(zoo.members) == {*HEALTHY, "slow", "html"}


async def test_ports_stay_the_same_from_one_opening_to_the_next() -> None:
    first = free_port(following=len(ANIMALS) + len(HEALTHY))
    async with open_zoo(["html"], first_port=first) as zoo:
        assert zoo.stranger.url == f"http://127.0.0.1:{first}/api"
        alone = zoo.members["html"].url
    async with open_zoo(["slow", "html"], first_port=first) as zoo:
        assert zoo.members["html"].url == alone


async def test_only_its_name_is_wrong_with_the_certificate_for_another_name() -> None:
    with certificates() as signed:
        trusting = ssl.create_default_context(cafile=str(signed.authority))
        connector = aiohttp.TCPConnector(ssl=trusting)
        async with aiohttp.ClientSession(connector=connector) as session:
            async with (
                serving(healthy({"ds": []}), tls=signed.right) as right,
                session.get(f"{right.url}/info") as reply,
            ):
                assert reply.status == 200
            for wrong, word in ((signed.wrong_name, "doesn't match|not valid for"), (signed.expired, "expired")):
                async with serving(healthy({"ds": []}), tls=wrong) as member:
                    with pytest.raises(aiohttp.ClientConnectorCertificateError, match=word):
                        await session.get(f"{member.url}/info")


async def test_a_reset_is_one_and_a_byte_comes_at_a_time() -> None:
    async with open_zoo(["reset", "one-byte-a-second", "huge"]) as zoo, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            async with session.post(f"{zoo.members['reset'].url}/individuals") as reply:
                await reply.read()
        async with session.post(f"{zoo.members['one-byte-a-second'].url}/individuals") as reply:
            assert await reply.content.readany() == b"{"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reply.content.readany(), 0.2)
        async with session.post(f"{zoo.members['huge'].url}/individuals") as reply:
            assert reply.content_length == HUGE_BYTES


def test_the_bomb_unpacks_to_a_hundred_megabytes() -> None:
    assert len(bomb()) < 1_000_000
    assert len(gzip.decompress(bomb())) > 100_000_000
