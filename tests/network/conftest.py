"""A running network node for tests, whose every answer is checked against the official schemas where they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from beacon.settings import Listen, NetworkSettings, Peer
from network.app import create_network
from tests.contract import official
from tests.network.members import Group, group

PATIENCE = 20.0
"""For members that answer: machines that run tests are busy."""
DEADLINE = 1.0
"""For members that do not."""
SLACK = 1.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A network's answer."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def outcomes(self) -> dict[str, str]:
        """What became of every member."""
        return {row["peer"]: row["outcome"] for row in self.body["info"]["outcomes"]}

    @property
    def sets(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Result sets by (member, dataset)."""
        return {(row["beaconId"], row["id"]): row for row in self.body["response"]["resultSets"]}


@dataclass(frozen=True, slots=True)
class Network:
    """A running node."""

    url: str
    session: aiohttp.ClientSession

    async def ask(
        self, path: str = "/individuals", granularity: str = "record", *, token: str | None = None, **query: Any
    ) -> Reply:
        """Ask by POST; all result sets, unless told otherwise."""
        asked = {"requestedGranularity": granularity, "includeResultsetResponses": "ALL"} | query
        return await self.send("POST", path, token=token, json={"meta": {"apiVersion": "v2.0"}, "query": asked})

    async def send(self, method: str, path: str, *, token: str | None = None, **options: Any) -> Reply:
        """Ask anything."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.session.request(method, f"{self.url}/api{path}", headers=headers, **options) as response:
            body = orjson.loads(await response.read())
            reply = Reply(response.status, body, response.headers.copy())
        if official.shared_dir() is not None and ("error" in body or "returnedGranularity" in body.get("meta", {})):
            entry_type = ((body["meta"].get("returnedSchemas") or [{}])[0]).get("entityType")
            official.assert_answer(body, entry_type)
        return reply


Start = Callable[..., Awaitable[Network]]


@pytest.fixture
async def members() -> AsyncIterator[Group]:
    """Members to be started one by one."""
    async with group() as started:
        yield started


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a network over members by name; further settings by keyword."""
    async with AsyncExitStack() as stack:

        async def begin(urls: Mapping[str, str], **changes: Any) -> Network:
            peers = tuple(Peer(name, url, audience=f"audience.of.{name}") for name, url in urls.items())
            settings = NetworkSettings(
                "test.network", peers, listen=Listen(port=0), deadline_seconds=PATIENCE, max_peer_bytes=2_000_000
            )
            app = create_network(replace(settings, **changes))
            runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return Network(f"http://127.0.0.1:{runner.addresses[0][1]}", session)

        yield begin
