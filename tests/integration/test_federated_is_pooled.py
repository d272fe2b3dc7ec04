"""Whoever people are dealt to, one to seven sites: the network says what one site with all of them says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import aiohttp
import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from beacon.model.access import Granularity
from beacon.model.entry_types import ENTRY_TYPES, FREQUENCY
from beacon.model.query import Pagination, Query
from beacon.model.variant import Allele
from beacon.store.admin import Admin
from network.wording import request_body, request_path
from tests.integration.cohort import OPEN, serve_network, site_settings
from tests.integration.conftest import drop, serve_site
from tests.integration.test_model_of_the_standard import GLUCOSE, ORIGINS, Dice
from tests.world import Case, Load, Packet, write

pytestmark = pytest.mark.timeout(300)

MOST_SITES = 7
POOLED = "pooled"
SITES = tuple(f"site-{number}" for number in range(1, MOST_SITES + 1))
QUESTIONS = 8


@dataclass(frozen=True)
class Places:
    """Eight sites that run: one for everybody, the others for those who are dealt to them."""

    runner: asyncio.Runner
    admins: Mapping[str, Admin]
    urls: Mapping[str, str]
    session: aiohttp.ClientSession

    def fill(self, held: Mapping[str, list[Packet]]) -> None:
        """Give each place one dataset with these people, in place of what it had."""
        for name, packets in held.items():
            admin = self.admins[name]
            for old in admin.datasets():
                admin.delete_dataset(old.id)
            admin.create_dataset(name, policy=OPEN)
            write(admin, name, Load(packets=tuple(packets)))

    async def ask(self, url: str, query: Query) -> tuple[int, dict[str, Any]]:
        body = request_body(query)
        async with self.session.post(url + request_path(query), data=orjson.dumps(body)) as response:
            return response.status, orjson.loads(await response.read())


@pytest.fixture(scope="module")
def places(mongo_uri: str) -> Iterator[Places]:
    names = (POOLED, *SITES)
    with asyncio.Runner() as runner, ExitStack() as stack:
        admins = {}
        for name in names:
            database = f"dealt_{name}"
            drop(mongo_uri, database)
            stack.callback(drop, mongo_uri, database)
            admins[name] = stack.enter_context(Admin.open(mongo_uri, database, grace=0))
        running = AsyncExitStack()

        async def serve() -> Places:
            urls = {}
            for name in names:
                context = serve_site(mongo_uri, f"dealt_{name}", site_settings(name))
                urls[name] = (await running.enter_async_context(context)).url
            return Places(runner, admins, urls, await running.enter_async_context(aiohttp.ClientSession()))

        yield runner.run(serve())
        runner.run(running.aclose())


@settings(max_examples=3, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=True))
def test_the_network_says_what_the_pooled_site_says(places: Places, random: Random) -> None:
    dice = Dice(random)
    sites = SITES[: random.randint(1, MOST_SITES)]
    packets = alike([dice.packet(person) for person in "abcdefghij"[: random.randint(1, 10)]])
    held: dict[str, list[Packet]] = {name: [] for name in sites}
    for packet in packets:
        held[random.choice(sites)].append(packet)
    places.fill({POOLED: packets, **held})
    places.runner.run(compare(places, sites, [question(dice) for _ in range(QUESTIONS)], held))


def alike(packets: list[Packet]) -> list[Packet]:
    """Have everybody say the same of an allele, as annotation does: what one site lacks no other one may add to.

    All alleles name a gene and a change: a site of which none does cannot answer for them, though its neighbours could.
    """
    said: dict[Allele, Case] = {}

    def same(case: Case) -> Case:
        first = said.setdefault(case.allele, case)
        genes, changes = first.genes or ("NOBODY1",), first.changes or ("p.Ala1Cys",)
        return replace(case, genes=genes, changes=changes, relevance=first.relevance, origin=first.origin)

    return [replace(packet, cases=tuple(map(same, packet.cases))) for packet in packets]


def question(dice: Dice) -> Query:
    """Draw a question that does not name a dataset or cohort, which are others when people are dealt out."""
    while True:
        query = dice.question()
        named = query.anchor is not None and ENTRY_TYPES[query.anchor.entry_type].collection
        rare = any(item.id == FREQUENCY for item in query.filters)
        # Pooled, one site's units are refused for all, and one person with a disease says for all what its term means.
        pooled = any(item.id == GLUCOSE or (item.id in ORIGINS and not item.scope) for item in query.filters)
        if not named and not rare and not pooled and not ENTRY_TYPES[query.entry_type].collection:
            return replace(query, pagination=Pagination(0, 1000))


async def compare(
    places: Places, sites: tuple[str, ...], questions: list[Query], held: Mapping[str, list[Packet]]
) -> None:
    async with serve_network({name: places.urls[name] for name in sites}) as network:
        for query in questions:
            try:
                for depth in (Granularity.BOOLEAN, Granularity.COUNT, Granularity.RECORD):
                    asked = replace(query, granularity=depth)
                    pooled = await places.ask(places.urls[POOLED], asked)
                    joined = await places.ask(network.url, asked)
                    check(asked, pooled, joined)
            except AssertionError:
                note(f"asked: {query}")
                note(f"held: {held}")
                raise


def check(query: Query, pooled: tuple[int, dict[str, Any]], joined: tuple[int, dict[str, Any]]) -> None:
    assert joined[0] == pooled[0], (joined[1].get("error"), pooled[1].get("error"))
    if pooled[0] != 200:
        return
    truth, said, info = pooled[1]["responseSummary"], joined[1]["responseSummary"], joined[1]["info"]
    assert said["exists"] is truth["exists"]
    assert info["answered"] == info["asked"]
    if query.granularity is Granularity.BOOLEAN:
        return
    total = truth["numTotalResults"]
    low, high = info["interval"]
    assert low <= total <= high
    if query.entry_type != "genomicVariant" or query.granularity is Granularity.RECORD:
        assert (said["numTotalResults"], said["countPrecision"], low, high) == (total, "exact", total, total)
    if query.granularity is Granularity.RECORD:
        assert ids(joined[1]) == ids(pooled[1])


def ids(answer: Mapping[str, Any]) -> set[str]:
    rows = answer["response"]["resultSets"]
    return {record.get("variantInternalId") or record["id"] for row in rows for record in row.get("results", ())}
