"""Web pages ask from a browser only where their origin is configured."""

from __future__ import annotations

import pytest

from beacon.settings import Listen
from tests.unit.http.conftest import Client, site

PORTAL = "https://portal.example.org"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


def cors(headers: object) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("Access-Control-")}  # type: ignore[attr-defined]


async def test_without_configuration_no_page_may_read_an_answer(client: Client) -> None:
    for method in ("GET", "OPTIONS"):
        answer = await client.send(method, "/api/individuals", headers={"Origin": PORTAL, **PREFLIGHT})
        assert cors(answer.headers) == {}
        assert "Origin" in answer.headers["Vary"]


async def test_a_page_of_a_configured_origin_may_read_answers_and_errors(mongo_uri: str, filled: str) -> None:
    async with site(mongo_uri, filled, listen=Listen(cors_origins=(PORTAL,))) as client:
        for path in ("/api/individuals", "/api/nowhere"):
            answer = await client.send("GET", path, headers={"Origin": PORTAL})
            told = cors(answer.headers)
            assert told["Access-Control-Allow-Origin"] == PORTAL
            assert "Retry-After" in told["Access-Control-Expose-Headers"]
            assert "Access-Control-Allow-Credentials" not in told
            assert "Origin" in answer.headers["Vary"]


async def test_a_preflight_is_told_what_may_be_sent(mongo_uri: str, filled: str) -> None:
    async with site(mongo_uri, filled, listen=Listen(cors_origins=(PORTAL,))) as client:
        answer = await client.send("OPTIONS", "/api/individuals", headers={"Origin": PORTAL, **PREFLIGHT})
        assert (answer.status, answer.body) == (204, None)
        told = cors(answer.headers)
        assert told["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS, POST"
        assert told["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
        assert told["Access-Control-Max-Age"] == "600"


@pytest.mark.parametrize(
    "origin",
    ["https://portal.example.org.evil.example", "http://portal.example.org", PORTAL + ":443", "null", PORTAL.upper()],
)
async def test_an_origin_is_matched_as_a_whole(mongo_uri: str, filled: str, origin: str) -> None:
    async with site(mongo_uri, filled, listen=Listen(cors_origins=(PORTAL,))) as client:
        for method in ("GET", "OPTIONS"):
            answer = await client.send(method, "/api/individuals", headers={"Origin": origin, **PREFLIGHT})
            assert cors(answer.headers) == {}


async def test_a_site_for_all_pages_says_so_and_never_with_credentials(mongo_uri: str, filled: str) -> None:
    async with site(mongo_uri, filled, listen=Listen(cors_origins=("*",))) as client:
        answer = await client.send("GET", "/api/info", headers={"Origin": "https://anybody.example"})
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers
