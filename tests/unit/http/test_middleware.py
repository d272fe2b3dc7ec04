"""Around every request: whatever goes wrong becomes a Beacon error, and nobody's answer is anybody else's."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from beacon.settings import Limits
from tests.unit.http.conftest import RARE, SEIZURE, Client, site


async def breaks(_request: web.Request) -> web.StreamResponse:
    raise ZeroDivisionError("a secret detail")


async def is_slow(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def test_an_unknown_path_is_a_beacon_error(client: Client) -> None:
    for path in ("/api/nowhere", "/nowhere", "/api/individuals/a/b/c", "/api/runs/x/filtering_terms"):
        answer = await client.send("GET", path)
        assert (answer.status, answer.body["error"]["skerryCode"]) == (404, "not_found")
        assert answer.body["error"]["where"] == path
        assert answer.body["meta"]["receivedRequestSummary"]["pagination"] == {"skip": 0, "limit": 10}


async def test_a_method_that_a_path_does_not_take_is_refused_with_those_it_takes(client: Client) -> None:
    for method, path, allowed in (
        ("DELETE", "/api/individuals", "GET, HEAD, OPTIONS, POST"), ("POST", "/api/info", "GET, HEAD, OPTIONS"),
    ):  # fmt: skip
        answer = await client.send(method, path)
        assert (answer.status, answer.body["error"]["skerryCode"]) == (405, "method_not_allowed")
        assert answer.headers["Allow"] == allowed


async def test_options_and_head_are_answered_without_a_body(client: Client) -> None:
    options = await client.send("OPTIONS", "/api/individuals")
    assert (options.status, options.body, options.headers["Allow"]) == (204, None, "GET, HEAD, OPTIONS, POST")
    assert (await client.send("OPTIONS", "/api/nowhere")).status == 404
    head = await client.send("HEAD", "/api/info")
    assert (head.status, head.body) == (200, None)


async def test_the_servers_root_leads_to_the_beacon(client: Client) -> None:
    answer = await client.send("GET", "/")
    assert (answer.status, answer.headers["Location"]) == (307, f"{client.root}/api")


async def test_every_answer_bears_an_id_of_our_own_and_is_nobody_elses(client: Client) -> None:
    answers = [
        await client.send("GET", path, headers={"X-Request-Id": "mine"})
        for path in ("/api/info", "/api/individuals", "/api/nowhere", "/")
    ]
    assert len({answer.headers["X-Request-Id"] for answer in answers} | {"mine"}) == 5
    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Vary"] == "Authorization, Accept-Encoding, Origin"
        assert (answer.headers["Server"], answer.headers["Skerry-Beacon"]) == ("skerry", "1")
    assert answers[0].headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("header", ["Bearer nonsense", "Basic YTpi", "Bearer", "", "Bearer a.b.c"])
async def test_a_bad_token_is_refused_and_never_anonymous(client: Client, header: str) -> None:
    for path in ("/api/info", "/api/individuals", "/api/nowhere"):
        answer = await client.send("GET", path, headers={"Authorization": header})
        assert (answer.status, answer.body["error"]["skerryCode"]) == (401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_two_tokens_are_refused(client: Client) -> None:
    good = client.as_person("rosa").headers["Authorization"]
    async with client.session.get(
        client.root + "/api/individuals", headers=[("Authorization", good), ("Authorization", good)]
    ) as response:
        assert response.status == 401


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"{", "line 1 column 2"), (b"[]", None), (b'{"query": 5}', "/query"),
        (b'{"query": {"filters": [{"id": 5}]}}', "/query/filters/0/id"),
        (b'{"query": {"pagination": {"skip": -1}}}', "/query/pagination/skip"),
        (
            b'{"query": {"requestParameters": {"g_variant": {"start": "x"}}}}',
            "/query/requestParameters/g_variant/start",
        ),
    ],
)  # fmt: skip
async def test_a_bad_body_is_refused_with_its_place(client: Client, body: bytes, where: str | None) -> None:
    answer = await client.send("POST", "/api/individuals", data=body)
    assert (answer.status, answer.body["error"].get("where")) == (400, where)
    assert answer.body["meta"]["returnedSchemas"][0]["entityType"] == "individual"


@pytest.mark.parametrize("path", ["/api/individuals", "/api/filtering_terms", "/api/info"])
async def test_a_question_in_the_body_of_a_get_is_refused_and_not_dropped(client: Client, path: str) -> None:
    answer = await client.send("GET", path, json={"query": {"testMode": True}})
    assert (answer.status, answer.body["error"]["skerryCode"]) == (400, "bad_request")
    assert "send it by POST" in answer.body["error"]["errorMessage"]
    for empty in (b"", b" \r\n"):
        assert (await client.send("GET", path, data=empty)).status == 200


@pytest.mark.parametrize("term", ["NOSUCH:1", "nonsense", "sex:>1", "similar:=x"])
async def test_an_unknown_filter_has_a_code_of_its_own(client: Client, term: str) -> None:
    answer = await client.get("/individuals", filters=term)
    assert (answer.status, answer.body["error"]["skerryCode"]) == (400, "unknown_filter")


@pytest.mark.parametrize("path", ["/api/individuals/%ff", "/api/individuals?filters=%ff", "/api/individuals?%ff=1"])
async def test_broken_text_in_an_address_is_no_failure(client: Client, path: str) -> None:
    import yarl

    async with client.session.get(yarl.URL(client.root + path, encoded=True)) as response:
        assert response.status in (200, 400)


async def test_a_body_above_the_limit_is_too_large(mongo_uri: str, filled: str) -> None:
    async def drops() -> Any:
        for _ in range(20):
            yield b" " * 100

    async with site(mongo_uri, filled, limits=Limits(max_body_bytes=1000)) as client:
        for data in (b" " * 2000, drops()):
            answer = await client.send("POST", "/api/individuals", data=data)
            assert (answer.status, answer.body["error"]["skerryCode"]) == (413, "too_large")


async def test_a_defect_is_told_without_its_details(mongo_uri: str, filled: str, caplog: Any) -> None:
    async with site(mongo_uri, filled, [web.get("/api/breaks", breaks)]) as client:
        answer = await client.send("GET", "/api/breaks")
    assert (answer.status, answer.body["error"]["skerryCode"]) == (500, "internal")
    assert "secret" not in str(answer.body)
    assert answer.headers["X-Request-Id"] in answer.body["error"]["errorMessage"]
    assert "a secret detail" in caplog.text


async def test_a_query_ends_at_its_deadline(mongo_uri: str, filled: str) -> None:
    async with site(mongo_uri, filled, [web.get("/api/slow", is_slow)], limits=Limits(query_seconds=0.1)) as client:
        answer = await client.send("GET", "/api/slow")
    assert (answer.status, answer.body["error"]["skerryCode"]) == (504, "query_timeout")


@pytest.mark.parametrize("said", [["soon"], ["0"], ["5", "9"], ["5", "5"]])
async def test_a_deadline_is_one_number_or_refused(client: Client, said: list[str]) -> None:
    headers = [("Skerry-Deadline", text) for text in said]
    async with client.session.get(f"{client.root}/api/individuals", headers=headers) as response:
        assert (response.status, (await response.json())["error"]["where"]) == (400, "Skerry-Deadline")


async def test_a_client_that_hangs_up_frees_its_query(mongo_uri: str, filled: str) -> None:
    ended = asyncio.Event()

    async def watched(request: web.Request) -> web.StreamResponse:
        try:
            return await is_slow(request)
        except asyncio.CancelledError:
            ended.set()
            raise

    async with site(mongo_uri, filled, [web.get("/api/slow", watched)]) as client:
        with suppress(TimeoutError):
            timeout = aiohttp.ClientTimeout(total=0.2)
            await client.send("GET", "/api/slow", timeout=timeout)
        async with asyncio.timeout(5):
            await ended.wait()


async def test_many_at_once_get_what_each_gets_alone(client: Client) -> None:
    askers = [client, client.as_person("rosa"), client.as_person("tomas")]
    queries: list[dict[str, Any]] = [
        {"filters": filters, "requestedGranularity": granularity, "includeResultsetResponses": "ALL"}
        for granularity in ("boolean", "count", "record")
        for filters in ([], [{"id": SEIZURE}], [{"id": RARE}])
    ]
    cases = list(itertools.product(askers, ("/individuals", "/g_variants"), queries))
    alone = [orjson.dumps((await asker.post(path, **query)).body) for asker, path, query in cases]
    gate = asyncio.Semaphore(64)

    async def ask(number: int) -> bytes:
        asker, path, query = cases[number]
        async with gate:
            return orjson.dumps((await asker.post(path, **query)).body)

    order = [number for _ in range(6) for number in range(len(cases))]
    together = await asyncio.gather(*(ask(number) for number in order))
    assert all(answer == alone[number] for number, answer in zip(order, together, strict=True))
    assert len(set(alone)) > len(cases) / 2
