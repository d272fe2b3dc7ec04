"""Connections: what is no request at all, clients that are slow or leave, and an end that loses no answer."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from beacon.app import running
from beacon.http.site import SITE
from beacon.settings import Limits, Listen, SiteSettings
from beacon.store.mongo import MongoStore
from tests.contract import official
from tests.unit.http.conftest import site

QUESTION = b'{"meta": {"apiVersion": "v2.0"}, "query": {"requestedGranularity": "count"}}'


@dataclass(frozen=True, slots=True)
class Raw:
    status: int
    headers: dict[str, str]
    body: Any


class Wire:
    """A bare connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, seconds: float = 10) -> Raw:
        async with asyncio.timeout(seconds):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Raw(int(head[0].split()[1]), headers, orjson.loads(body) if body else None)

    async def closed(self, seconds: float = 10) -> bool:
        async with asyncio.timeout(seconds):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True


@asynccontextmanager
async def wire(address: str) -> AsyncIterator[Wire]:
    host, _, port = address.removeprefix("http://").partition("/")[0].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


def post(body: bytes, path: str = "/api/individuals", length: int | None = None) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body


@asynccontextmanager
async def server(uri: str, database: str, **changes: Any) -> AsyncIterator[str]:
    settings = SiteSettings(id="test.site", listen=changes.pop("listen", Listen(port=0)))
    settings = replace(settings, mongo=replace(settings.mongo, database=database), **changes)
    async with running(settings, uri) as address:
        yield address


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GARBAGE\r\n\r\n", 400, "bad_request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_request"),
        (b"GET /api/info HTTP/9.9\r\n\r\n", 400, "bad_request"),
        (b"GET /api/info HTTP/1.1\r\nHost x\r\n\r\n", 400, "bad_request"),
        (b"GET /api/info?" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "too_large"),
        (b"GET /api/info HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\n", 414, "too_large"),
        (b"GET /api/info HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n", 417, "bad_request"),
    ],
)
async def test_what_is_no_request_is_refused_as_a_beacon_error(
    mongo_uri: str, database_name: str, sent: bytes, status: int, code: str
) -> None:
    async with server(mongo_uri, database_name) as address, wire(address) as connection:
        await connection.send(sent)
        answer = await connection.answer()
        assert (answer.status, answer.body["error"]["skerryCode"]) == (status, code)
        assert answer.headers["server"] == "skerry"
        assert "xxx" not in str(answer.body) and "miracles" not in str(answer.body)
        if official.shared_dir():
            official.assert_answer(answer.body, None)
        assert await connection.closed()


async def test_the_longest_line_is_a_setting(mongo_uri: str, database_name: str) -> None:
    limits = Limits(max_line_bytes=8192)
    async with server(mongo_uri, database_name, limits=limits) as address, wire(address) as connection:
        await connection.send(b"GET /api/info?" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await connection.answer()
        assert answer.status == 414
        assert "8192" in answer.body["error"]["errorMessage"]


async def test_a_client_that_sends_its_body_byte_by_byte_is_cut_off(mongo_uri: str, database_name: str) -> None:
    limits = Limits(read_seconds=0.5)
    async with server(mongo_uri, database_name, limits=limits) as address, wire(address) as connection:
        began = time.monotonic()
        await connection.send(post(b"{", length=1000))

        async def drip() -> None:
            while True:
                await connection.send(b" ")
                await asyncio.sleep(0.1)

        dripping = asyncio.create_task(drip())
        answer = await connection.answer()
        assert (answer.status, answer.body["error"]["skerryCode"]) == (408, "too_slow")
        assert time.monotonic() - began < 3
        assert await connection.closed()
        dripping.cancel()
        await asyncio.wait([dripping])
        assert dripping.cancelled() or isinstance(dripping.exception(), ConnectionError)


async def test_a_client_that_sends_its_headers_byte_by_byte_is_cut_off(mongo_uri: str, database_name: str) -> None:
    listen = Listen(port=0, idle_seconds=1)
    async with server(mongo_uri, database_name, listen=listen) as address, wire(address) as connection:
        await connection.send(b"GET /api/info HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        for _ in range(3):
            await connection.send(b"x")
            await asyncio.sleep(0.1)
        assert await connection.closed(5)


async def test_a_client_that_does_not_take_its_answer_loses_its_connection(mongo_uri: str, filled: str) -> None:
    async def large(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"0" * 50_000_000)

    limits = Limits(send_seconds=0.3)
    served = site(mongo_uri, filled, [web.get("/api/large", large)], limits=limits)
    async with served as client, wire(client.root) as connection:
        await connection.send(b"GET /api/large HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(1)
        got = 0
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(5):
                while chunk := await connection.reader.read(1_000_000):
                    got += len(chunk)
        assert got < 50_000_000


async def test_a_body_that_is_not_what_its_headers_say_is_a_bad_request(mongo_uri: str, database_name: str) -> None:
    async with server(mongo_uri, database_name) as address, wire(address) as connection:
        head = b"POST /api/individuals HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        await connection.send(head + b"zz\r\nnot a chunk\r\n")
        answer = await connection.answer()
        assert (answer.status, answer.body["error"]["skerryCode"]) == (400, "bad_request")


async def test_a_body_that_is_packed_for_its_transfer_is_refused_with_what_to_send(
    mongo_uri: str, database_name: str
) -> None:
    head = b"POST /api/individuals HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
    packed = gzip.compress(QUESTION)
    async with server(mongo_uri, database_name) as address, wire(address) as connection:
        await connection.send(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed))
        answer = await connection.answer()
    assert (answer.status, "as Content-Encoding" in answer.body["error"]["errorMessage"]) == (400, True)


async def test_a_body_announced_as_too_large_is_refused_before_it_is_sent(mongo_uri: str, database_name: str) -> None:
    async with server(mongo_uri, database_name) as address, wire(address) as connection:
        await connection.send(post(b"{", length=10**9))
        assert (await connection.answer(2)).status == 413


async def test_a_client_that_hangs_up_frees_its_place_in_the_queue_and_its_query(mongo_uri: str, filled: str) -> None:
    stores: list[MongoStore] = []

    async def slow(request: web.Request) -> web.StreamResponse:
        store = request.app[SITE].store
        assert isinstance(store, MongoStore)
        stores.append(store)
        async with store._reader.asking():
            await store._db["meta"].find_one({"$where": "sleep(20000) || true"}, comment="a long query")
        return web.Response()

    async with site(mongo_uri, filled, [web.get("/api/slow", slow)]) as client:
        asking = asyncio.create_task(client.send("GET", "/api/slow"))
        async with asyncio.timeout(10):
            while not stores or await running_operations(stores[0]) == 0:
                await asyncio.sleep(0.05)
        assert stores[0].gate.running == 1
        asking.cancel()
        async with asyncio.timeout(1):
            while stores[0].gate.running:
                await asyncio.sleep(0.02)
        async with asyncio.timeout(10):  # MongoDB notices within a second or two that nobody waits
            while await running_operations(stores[0]):
                await asyncio.sleep(0.05)


async def running_operations(store: MongoStore) -> int:
    command = {"currentOp": True, "command.comment": "a long query"}
    found = await store._client.admin.command(command)
    return len(found["inprog"])


async def test_a_request_under_way_at_the_end_still_gets_its_answer(mongo_uri: str, database_name: str) -> None:
    began, ended = asyncio.Event(), asyncio.Event()
    addresses: list[str] = []

    async def serve() -> None:
        async with server(mongo_uri, database_name) as address:
            addresses.append(address)
            began.set()
            await ended.wait()

    serving = asyncio.create_task(serve())
    await began.wait()
    async with wire(addresses[0]) as slow, wire(addresses[0]) as idle:
        await slow.send(post(QUESTION[:10], length=len(QUESTION)))
        await idle.send(b"GET /api/info HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await idle.answer()).status == 200
        ended.set()
        await asyncio.sleep(0.3)
        with pytest.raises(ConnectionRefusedError):
            async with wire(addresses[0]):
                pass
        await idle.send(b"GET /api/info HTTP/1.1\r\nHost: x\r\n\r\n")  # on a connection that was open before
        last = await idle.answer()
        assert (last.status, last.headers["connection"]) == (200, "close")
        assert not serving.done()
        await slow.send(QUESTION[10:])
        answer = await slow.answer()
        assert (answer.status, answer.headers["connection"]) == (401, "close")  # there is no dataset: an answer it is
        assert answer.body["error"]["skerryCode"] == "unauthenticated"
    async with asyncio.timeout(5):
        await serving


async def test_many_clients_at_once_are_all_taken(mongo_uri: str, database_name: str) -> None:
    async with server(mongo_uri, database_name) as address:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def one() -> int:
                async with session.get(address) as response:
                    return response.status

            assert set(await asyncio.gather(*(one() for _ in range(200)))) == {200}
