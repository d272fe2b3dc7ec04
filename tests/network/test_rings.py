"""Networks that list each other: each site is asked exactly once, and counts once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from beacon.settings import Listen, NetworkSettings, Peer
from network.app import create_network
from network.zoo.answers import people
from network.zoo.behaviour import healthy
from network.zoo.running import Running, serving

DEADLINE = 30.0


@dataclass(slots=True)
class Web:
    """Networks, each with a site of its own that holds one person, and whom else each lists."""

    session: aiohttp.ClientSession
    urls: dict[str, str] = field(default_factory=dict)
    sites: dict[str, Running] = field(default_factory=dict)

    async def ask(self, network: str, **query: Any) -> dict[str, Any]:
        asked = {"requestedGranularity": "count", "includeResultsetResponses": "ALL"} | query
        url = f"{self.urls[network]}/individuals"
        async with self.session.post(url, json={"meta": {"apiVersion": "v2.0"}, "query": asked}) as response:
            body: dict[str, Any] = orjson.loads(await response.read())
            return body

    def asked(self) -> dict[str, int]:
        return {name: len(site.seen) for name, site in self.sites.items()}


@asynccontextmanager
async def woven(
    lists: Mapping[str, Sequence[str]],
    change: Callable[[NetworkSettings], NetworkSettings] = lambda settings: settings,
) -> AsyncIterator[Web]:
    """Run networks by name; each asks its own site, and the other networks that it lists."""
    async with AsyncExitStack() as stack:
        made = Web(await stack.enter_async_context(aiohttp.ClientSession()))
        sockets = {name: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for name in lists}
        made.urls = {name: f"http://127.0.0.1:{one.getsockname()[1]}/api" for name, one in sockets.items()}
        for name, others in lists.items():
            handler = healthy({"ds": people(f"P-{name}")}, beacon_id=f"site.{name}")
            made.sites[name] = await stack.enter_async_context(serving(handler))
            peers = (Peer(f"site.{name}", made.sites[name].url), *(Peer(other, made.urls[other]) for other in others))
            settings = NetworkSettings(name, peers, listen=Listen(port=0), deadline_seconds=DEADLINE)
            runner = web.AppRunner(create_network(change(settings)), access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.SockSite(runner, sockets[name]).start()
        yield made


NAMES = ("n1", "n2", "n3", "n4", "n5")
RING = {name: [NAMES[(place + 1) % 5]] for place, name in enumerate(NAMES)}
BOTH_WAYS = {name: [NAMES[place - 1], NAMES[(place + 1) % 5]] for place, name in enumerate(NAMES)}
EVERYBODY = {name: [other for other in NAMES if other != name] for name in NAMES}
TWO = {"n1": ["n2"], "n2": ["n1"]}
DIAMOND = {"n1": ["n2", "n3"], "n2": ["n4"], "n3": ["n4"], "n4": []}


@pytest.mark.parametrize(
    "lists", [RING, BOTH_WAYS, EVERYBODY, TWO, DIAMOND], ids=["ring", "both ways", "everybody", "two", "diamond"]
)
async def test_each_site_is_asked_exactly_once_and_counts_once(lists: Mapping[str, Sequence[str]]) -> None:
    async with woven(lists) as made:
        for times in (1, 2):
            answer = await made.ask("n1")
            assert answer["responseSummary"] == {
                "exists": True, "numTotalResults": len(lists), "countPrecision": "exact"
            }, answer  # fmt: skip
            assert made.asked() == dict.fromkeys(lists, times)


async def test_many_questions_through_a_ring_at_once_do_not_mix() -> None:
    async with woven(BOTH_WAYS) as made:
        answers = await asyncio.gather(*(made.ask(name) for name in NAMES for _ in range(3)))
        assert {answer["responseSummary"]["numTotalResults"] for answer in answers} == {5}
        assert made.asked() == dict.fromkeys(NAMES, 15)


async def test_the_way_back_is_a_loop_and_no_doubt() -> None:
    async with woven(TWO) as made:
        inner = (await made.ask("n1"))["response"]["resultSets"]
        assert {(row["beaconId"], row["id"]) for row in inner} == {("site.n1", "ds"), ("n2", "site.n2:ds")}
        nobody = await made.ask("n1", requestedGranularity="boolean", filters=[])
        assert nobody["responseSummary"]["exists"] is True


async def test_a_question_goes_no_further_than_it_may_and_says_so() -> None:
    async with woven(RING, lambda settings: replace(settings, max_hops=2)) as made:
        answer = await made.ask("n1")
        assert sum(made.asked().values()) == 3
        assert answer["info"]["interval"] == [3, None]
        assert answer["responseSummary"]["countPrecision"] == "imprecise"


async def test_a_dataset_far_away_is_named_by_its_way() -> None:
    async with woven(TWO) as made:
        answer = await made.ask("n1", requestParameters={"datasets": {"datasetIds": ["n2:site.n2:ds"]}})
        assert [row["id"] for row in answer["response"]["resultSets"]] == ["site.n2:ds"]
        assert made.asked() == {"n1": 0, "n2": 1}
