"""Whoever sends what no honest client sends gets a Beacon error within seconds, nothing of the inside, and no data."""

from __future__ import annotations

import asyncio
import base64
import gzip
import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import pytest
import pytest_asyncio

from beacon.app import running
from beacon.model.access import Asker, DatasetPolicy, Granularity, Level
from beacon.settings import Limits, Listen, Mongo
from tests.contract import official
from tests.integration.cohort import HIDDEN, OPEN, Databases, body, serve_network, site_settings
from tests.integration.conftest import Site
from tests.unit.http.test_server import Raw, Wire, post, wire

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

MOST_SECONDS = 5.0
"""No answer may take longer, whatever was sent."""
INSIDE = re.compile(
    rb'Traceback|File \\?"|\bself\b|0x[0-9a-f]{6}|NoneType|pymongo|bson|mongod|site-packages|aiohttp|Python|uvloop|'
    rb"site-[bc]|SYN-[BCD]-"
)
"""Words of the program's inside, of what it is made of, and of the data that nobody here may know of."""


@dataclass(frozen=True, slots=True)
class Attack:
    """Bytes, and the statuses that they may get."""

    name: str
    sent: bytes
    statuses: tuple[int, ...]


def get(path: str, *headers: bytes) -> bytes:
    return b"\r\n".join([b"GET " + path.encode() + b" HTTP/1.1", b"Host: x", *headers, b"", b""])


def json_post(query: Any, path: str = "/api/individuals") -> bytes:
    return post(orjson.dumps(query), path)


def packed(content: bytes, coding: bytes = b"gzip") -> bytes:
    return post(content).replace(b"Content-Length", b"Content-Encoding: " + coding + b"\r\nContent-Length", 1)


def unsigned(**claims: Any) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, {"sub": "tomas", "iss": "https://login.example", **claims})
    return ".".join(base64.urlsafe_b64encode(orjson.dumps(part)).decode().rstrip("=") for part in parts) + "."


OPERATORS: tuple[dict[str, Any], ...] = (
    {"$gt": ""},
    {"$ne": 1},
    {"$where": "sleep(9000)"},
    {"$regex": "(a+)+$"},
    {"$expr": {"$function": {}}},
)
NUMBERS = ("-1", "99999999999999999999999", "1e400", "NaN", "Infinity", "-0", "0x10", "1_000", "１２", "1.0000000001")
PATHS = (
    "../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/", "....//", "%00", "a%00b", "%0d%0aX:y",
    "C:%5Cwindows", "%c0%ae%c0%ae/", "%ff", "~root", "file:%2f%2f%2fetc%2fpasswd", "%252e%252e%252f",
)  # fmt: skip
HEADERS = (
    b"X: a\x00b", b"X: a\nb", b": x", b"X", b" X: folded", b"Host: y", b"Content-Length: 7, 7", b"Expect: 7",
    b"Transfer-Encoding: chunked\r\nContent-Length: 3", b"Transfer-Encoding: x", b"Range: bytes=0-1,-9",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings", b"Accept: " + b"a" * 9000, b"Origin: null",
    b"Accept-Encoding: " + b"x;q=" * 900, b"Cookie: " + b"a=b;" * 2000, b"X-Forwarded-For: 1.2.3.4" * 200,
    b"If-None-Match: *", b"X-HTTP-Method-Override: DELETE",
)  # fmt: skip
LINES = (
    b"GET", b"GET /api/individuals", b"get /api/info HTTP/1.1", b"GET  /api/map  HTTP/1.1", b"GET http://[::1 HTTP/1.1",
    b"GET * HTTP/1.1", b"CONNECT x:1 HTTP/1.1", b"TRACE / HTTP/1.1", b"GET /api/info HTTP/3.0", b"\x16\x03\x01",
    b"PRI * HTTP/2.0", b"GET //evil.example/ HTTP/1.1", b"GET http://evil.example/api/info HTTP/1.1",
    b"GET /" + b"a" * 9_000 + b" HTTP/1.1", b"GET /" + b"a" * 90_000 + b" HTTP/1.1",
)  # fmt: skip
IDENTITIES = (
    b"X-User: tomas", b"X-Remote-User: tomas", b"Remote-User: tomas", b"X-Forwarded-User: tomas", b"X-Sub: tomas",
    b"X-Forwarded-For: 127.0.0.1", b"X-Original-URL: /api/datasets/" + HIDDEN.encode(), b"From: tomas@example.org",
    b"X-Auth-Request-User: tomas", b"X-Userinfo: eyJzdWIiOiJ0b21hcyJ9", b"Cookie: token=tomas",
    b"Forwarded: for=127.0.0.1;by=tomas", b"Proxy-Authorization: Bearer tomas",
)  # fmt: skip
HERE = ("/api/individuals", "/api/g_variants", "/api/datasets", "/api/filtering_terms")


def attacks() -> Iterator[Attack]:
    """Yield all."""
    for sent in (b"{", b'{"query"', b"\x00", b"[[[", b'{"query": {"filters": [}}', b"\xff\xfe{}", b'"' * 1000, b"nul"):
        yield Attack("malformed JSON", post(sent), (400,))
    for operator in OPERATORS:
        places: tuple[Any, ...] = (
            {"filters": [{"id": operator}]}, {"filters": [{"id": "sex", "operator": "=", "value": operator}]},
            {"filters": operator}, {"pagination": operator}, {"requestedGranularity": operator},
            {"requestParameters": {"g_variant": {"geneId": operator}}},
            {"requestParameters": {"datasets": {"datasetIds": operator}}},
            {"requestParameters": {"datasets": {"datasetIds": [operator]}}}, {"testMode": operator}, operator,
        )  # fmt: skip
        for query in places:
            yield Attack("an operator in a body", json_post(body(query)), (400,))
        name = next(iter(operator))
        for path in HERE:
            yield Attack("an operator as a parameter", get(f"{path}?filters[{name}]=1"), (400,))
            yield Attack("an operator as a value", get(f"{path}?limit[{quote(name)}]=1&limit={quote(name)}"), (400,))
        yield Attack("an operator as an id", get(f"/api/individuals/{quote(name)}"), (200,))
        yield Attack("an operator as a term", get(f"/api/individuals?filters={quote(name)}:1"), (400,))
        yield Attack("an operator as a field", get(f"/api/individuals?filters={quote(name)}=1"), (400,))
    for number in NUMBERS:
        for parameter in ("skip", "limit"):
            yield Attack("a strange number", get(f"/api/individuals?{parameter}={quote(number)}"), (200, 400))
        start = f"assemblyId=GRCh38&referenceName=1&start={quote(number)}&end=9"
        yield Attack("a strange place", get(f"/api/g_variants?{start}"), (200, 400))
        text = b'{"meta": {}, "query": {"pagination": {"skip": %b}}}' % number.encode()
        yield Attack("a strange number in a body", post(text), (200, 400))
    for depth in (50, 5_000, 400_000):
        for opening, closing in ((b"[", b"]"), (b'{"query":', b"}")):
            nested = opening * depth + b"1" + closing * depth
            yield Attack("deep nesting", post(nested), (413,) if len(nested) > 1_000_000 else (400,))
    long = "x" * 900_000
    texts: tuple[Any, ...] = (
        {"filters": [{"id": long}]}, {"filters": [{"id": "sex", "operator": "=", "value": long}]},
        {"requestParameters": {"g_variant": {"geneId": long}}}, {"requestedGranularity": long},
        {"requestParameters": {"g_variant": {"genomicAlleleShortForm": long}}},
        {"requestParameters": {"g_variant": {"aminoacidChange": long}}},
        {"requestParameters": {"datasets": {"datasetIds": [long]}}}, {long: 1},
    )  # fmt: skip
    for query in texts:
        yield Attack("a long string", json_post(body(query)), (200, 400, 401, 413))
    for path in PATHS:
        for kind in ("individuals", "datasets"):
            yield Attack("path traversal", get(f"/api/{kind}/{path}"), (200, 400, 401, 404))
        yield Attack("path traversal", get(f"/api/cohorts/{path}/biosamples"), (200, 400, 401, 404))
    for bomb in ("(a+)+$", "%a" * 2_000 + "%b", "%" * 5_000, "^(([a-z])+.)+[A-Z]([a-z])+$", "\\" * 500, "[" * 500):
        for field in ("libraryStrategy", "sex", "ageAtLastEncounter", "id"):
            one = {"id": field, "operator": "=", "value": bomb}
            yield Attack("a regex bomb", json_post(body({"filters": [one]})), (200, 400, 413))
        yield Attack("a regex bomb as a term", json_post(body({"filters": [{"id": bomb}]})), (400, 413))
        for name in ("genomicAlleleShortForm", "aminoacidChange", "geneId", "referenceName", "alternateBases"):
            parameters = {"requestParameters": {"g_variant": {name: bomb}}}
            yield Attack("a regex bomb as a variant", json_post(body(parameters), "/api/g_variants"), (200, 400))
    short = "GRCh38:" + "1" * 300 + ":" + "A" * 300_000 + ":T"
    form = {"requestParameters": {"g_variant": {"genomicAlleleShortForm": short}}}
    yield Attack("a short form without end", json_post(body(form), "/api/g_variants"), (400, 413))
    yield Attack("five megabytes", post(b" " * 5_000_000), (413,))
    yield Attack("five megabytes announced", post(b"{}", length=5_000_000), (413,))
    yield Attack("a gzip bomb", packed(gzip.compress(b" " * 500_000_000, 9)), (413,))
    yield Attack("a gzip bomb in a gzip bomb", packed(gzip.compress(gzip.compress(b" " * 50_000_000))), (400, 413))
    yield Attack("no gzip", packed(b"{}"), (400,))
    yield Attack("an unknown packing", packed(b"\x1f\x8b{}", b"zip, br, x"), (400, 415))
    yield Attack("a thousand headers", get("/api/individuals", *(b"X-%d: y" % n for n in range(1000))), (200, 400, 414))
    for header in HEADERS:
        yield Attack(f"the header {header[:30]!r}", get("/api/individuals", header), (200, 400, 417))
    for line in LINES:
        sent = line + b"\r\nHost: x\r\nConnection: close\r\n\r\n"
        yield Attack(f"the line {line[:30]!r}", sent, (200, 400, 404, 405, 414))
    for header in IDENTITIES:
        yield Attack("a forged identity", get(f"/api/individuals?datasets={HIDDEN}", header), (401,))
    for value in (unsigned(), "tomas", "null", "undefined", "Bearer", f"{unsigned()}x", "a.b.c.d.e", "." * 100):
        header = f"Authorization: Bearer {value}".encode()
        yield Attack("a forged token", get("/api/individuals", header), (401,))
    for name in ("access_token", "token", "user", "sub", "debug", "admin", "audit", "X-User"):
        yield Attack("a forged identity as a parameter", get(f"/api/individuals?{name}=tomas"), (400,))
        yield Attack("a forged identity in a body", json_post({**body({}), name: "tomas"}), (400,))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(databases: Databases) -> AsyncIterator[Site]:
    """A site with an open dataset and one that nobody here may know of."""
    nothing = dict.fromkeys(Asker, Granularity.NONE)
    databases.govern("mixed", {name: OPEN if name == "site-a" else DatasetPolicy(Level.CONTROLLED, nothing)
                               for name in ("site-a", "site-b", "site-c", HIDDEN)})  # fmt: skip
    settings = replace(
        site_settings("mixed"), listen=Listen(port=0), mongo=Mongo(databases.uri, database=databases.name("mixed")),
        limits=Limits(read_seconds=2.0),
    )  # fmt: skip
    async with running(settings, databases.uri) as url, aiohttp.ClientSession() as session:
        yield Site(url, session)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(site: Site) -> AsyncIterator[Site]:
    async with serve_network({"mixed": site.url}) as target:
        yield target


async def exchange(target: Site, sent: bytes) -> tuple[Raw, float]:
    """Send bytes; return the answer and how long it took."""
    began = time.monotonic()
    async with wire(target.url) as connection:
        sending = asyncio.create_task(connection.send(sent))
        answer = await connection.answer(30)
        sending.cancel()
        await asyncio.wait([sending])
        if not sending.cancelled():
            sending.exception()  # a server that refuses what is announced need not read it
    return answer, time.monotonic() - began


def fault(attack: Attack, answer: Raw, seconds: float) -> str | None:
    """Say what is wrong with an answer; None where nothing is."""
    if answer.status not in attack.statuses:
        return "its status"
    if seconds > MOST_SECONDS:
        return f"it took {seconds:.1f} s"
    if answer.headers.get("server") != "skerry":
        return "its Server header"
    text = orjson.dumps(answer.body)
    if found := INSIDE.search(text):
        return f"it shows {found[0]!r}"
    if not isinstance(answer.body, dict) or ("error" in answer.body) is not (answer.status >= 400):
        return "it is no Beacon answer"
    if answer.status >= 400:
        error = answer.body["error"]
        if error["errorCode"] != answer.status or not 10 < len(error["errorMessage"]) < 2000:
            return "its error"
    return None


@pytest.mark.parametrize("kind", ["site", "network"])
async def test_abuse_is_answered_with_a_beacon_error_and_the_server_answers_on(
    kind: str, site: Site, network: Site
) -> None:
    target = {"site": site, "network": network}[kind]
    before = await count(target)
    sent = list(attacks())[:: 1 if kind == "site" else 5]
    wrong = []
    compared: set[str] = set()
    for attack in sent:
        answer, seconds = await exchange(target, attack.sent)
        said = fault(attack, answer, seconds)
        if answer.status >= 400 and attack.name not in compared and official.shared_dir() is not None:
            compared.add(attack.name)
            said = said or "; ".join(map(str, official.check_answer(answer.body)))
        if said:
            wrong.append((attack.name, attack.sent[:200], said, answer.status, str(answer.body)[:300]))
    assert not wrong, f"{len(wrong)} of {len(sent)}:\n" + "\n".join(map(str, wrong[:20]))
    assert len(sent) > (300 if kind == "site" else 60)
    assert await count(target) == before


async def count(target: Site) -> int:
    return await target.count("/individuals")


async def test_slow_clients_hold_up_nobody_and_are_cut_off(site: Site) -> None:
    async def drip(connection: Wire) -> Raw:
        await connection.send(post(b"{", length=1000))
        for _ in range(4):
            await asyncio.sleep(0.2)
            await connection.send(b" ")
        return await connection.answer()

    async def dripping() -> Raw:
        async with wire(site.url) as connection:
            return await drip(connection)

    slow = [asyncio.create_task(dripping()) for _ in range(100)]
    await asyncio.sleep(0.5)
    began = time.monotonic()
    assert await count(site) > 0
    assert time.monotonic() - began < MOST_SECONDS
    answers = await asyncio.gather(*slow)
    assert {(one.status, one.body["error"]["skerryCode"]) for one in answers} == {(408, "too_slow")}
