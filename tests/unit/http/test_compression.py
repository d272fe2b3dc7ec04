"""Large answers are compressed where the client says that it can read them so, and never otherwise."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from beacon.http.compression import accepts_gzip
from beacon.settings import Limits, Listen
from tests.unit.http.conftest import Client, site
from tests.unit.http.test_server import server

PEOPLE = "/api/individuals?requestedGranularity=record"


async def fetch(root: str, path: str, accepted: str | None) -> tuple[bytes, str | None]:
    """The body as it came over the wire, and how it was coded."""
    skipped = {"Accept-Encoding"} if accepted is None else set()
    headers = {} if accepted is None else {"Accept-Encoding": accepted}
    async with (
        aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=skipped) as session,
        session.get(root + path, headers=headers) as response,
    ):
        body = await response.read()
        assert int(response.headers["Content-Length"]) == len(body)
        assert "Accept-Encoding" in response.headers["Vary"]
        return body, response.headers.get("Content-Encoding")


async def test_a_large_answer_is_compressed_for_whoever_accepts_it(mongo_uri: str, filled: str) -> None:
    async with site(mongo_uri, filled, listen=Listen(compress_from_bytes=500)) as client:
        plain, coding = await fetch(client.root, PEOPLE, None)
        assert coding is None
        packed, coding = await fetch(client.root, PEOPLE, "deflate, gzip, br")
        assert coding == "gzip"
        assert len(packed) < len(plain) / 2
        assert orjson.loads(gzip.decompress(packed)) == orjson.loads(plain)
        assert (await fetch(client.root, PEOPLE, "gzip;q=0, identity"))[1] is None


async def test_small_answers_and_refusals_are_never_compressed(mongo_uri: str, filled: str) -> None:
    async with site(mongo_uri, filled) as client:
        for path in ("/api/individuals?requestedGranularity=count", "/api/nowhere?" + "x" * 5000):
            assert (await fetch(client.root, path, "gzip"))[1] is None


async def test_compression_can_be_switched_off(mongo_uri: str, filled: str) -> None:
    async with site(mongo_uri, filled, listen=Listen(compress_from_bytes=0)) as client:
        assert (await fetch(client.root, PEOPLE, "gzip"))[1] is None


async def test_a_very_large_answer_is_compressed_aside(mongo_uri: str, filled: str) -> None:
    async def large(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"0123456789" * 100_000)

    async with site(mongo_uri, filled, [web.get("/api/large", large)]) as client:
        packed, coding = await fetch(client.root, "/api/large", "gzip")
        assert coding == "gzip"
        assert gzip.decompress(packed) == b"0123456789" * 100_000


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True), ("GZIP", True), ("br, gzip;q=0.5", True), ("*", True), ("gzip;q=0.001", True),
        ("gzip;q=0", False), ("gzip; q=0.000", False), ("*;q=0", False), ("gzip;q=0, *", False), ("br", False),
        ("", False), ("xgzip", False), ("gzip-2", False), (None, False),
    ],
)  # fmt: skip
def test_a_client_accepts_what_it_says(header: str | None, accepted: bool) -> None:
    headers = {} if header is None else {"Accept-Encoding": header}
    assert accepts_gzip(make_mocked_request("GET", "/", headers=headers)) is accepted


async def test_a_compressed_body_is_measured_as_what_it_unpacks_to(mongo_uri: str, filled: str) -> None:
    async with site(mongo_uri, filled, limits=Limits(max_body_bytes=10_000)) as client:
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        question = b'{"meta": {"apiVersion": "v2.0"}}'
        much = gzip.compress(b" " * 6_000)
        for body, status in (
            (gzip.compress(question), 200), (gzip.compress(b" " * 50_000_000), 413), (much + much, 413),
        ):  # fmt: skip
            answer = await client.send("POST", "/api/individuals", data=body, headers=headers)
            assert answer.status == status
        answer = await client.send("POST", "/api/individuals", data=b"no gzip at all", headers=headers)
        assert (answer.status, answer.body["error"]["skerryCode"]) == (400, "bad_request")


QUESTION = b'{"meta": {"apiVersion": "v2.0"}}'
PACKED = gzip.compress(QUESTION, mtime=0)
HALVES = gzip.compress(QUESTION[:9], mtime=0) + gzip.compress(QUESTION[9:], mtime=0)
EMPTY = gzip.compress(b"", mtime=0)
BARE = zlib.compress(QUESTION, wbits=-zlib.MAX_WBITS)


@pytest.mark.parametrize(
    ("coding", "body", "refused"),
    [
        ("gzip", PACKED, None), ("x-gzip", PACKED, None), ("GZip", PACKED, None), ("identity", QUESTION, None),
        ("deflate", zlib.compress(QUESTION), None), ("deflate", BARE, None),
        ("gzip, gzip", gzip.compress(PACKED, mtime=0), "not taken"), ("gzip, identity", PACKED, "not taken"),
        ("compress", QUESTION, "not taken"), ("bogus", QUESTION, "not taken"), ("br", QUESTION, "not taken"),
        ("gzip", HALVES, None), ("gzip", HALVES + EMPTY * 98, None),
        ("gzip", HALVES + EMPTY * 99, "not what its headers say"), ("gzip", HALVES[:-8], "not what its headers say"),
        ("gzip", PACKED[:-8], "not what its headers say"), ("gzip", PACKED + b"x", "not what its headers say"),
        ("gzip", QUESTION, "not what its headers say"), ("deflate", BARE[:-1], "not what its headers say"),
    ],
)  # fmt: skip
async def test_a_body_is_read_as_its_headers_say_or_refused(
    client: Client, coding: str, body: bytes, refused: str | None
) -> None:
    headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
    answer = await client.send("POST", "/api/individuals", data=body, headers=headers)
    assert answer.status == (200 if refused is None else 400)
    assert refused is None or refused in answer.body["error"]["errorMessage"]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_nothing_is_nothing_however_it_is_packed(client: Client, coding: str) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    answer = await client.send("POST", "/api/individuals", data=nothing(), headers={"Content-Encoding": coding})
    assert (answer.status, "The body is empty" in answer.body["error"]["errorMessage"]) == (400, True)


async def test_servers_leave_unpacking_to_us(mongo_uri: str, database_name: str) -> None:
    async with server(mongo_uri, database_name) as address, aiohttp.ClientSession() as session:
        for body, said in ((PACKED, "unauthenticated"), (PACKED[:-8], "bad_request")):
            headers = {"Content-Encoding": "gzip"}
            async with session.post(f"{address}/individuals", data=body, headers=headers) as response:
                assert (await response.json())["error"]["skerryCode"] == said
