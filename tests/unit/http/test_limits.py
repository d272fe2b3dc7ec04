"""Each limit is a setting; beyond it is a Beacon error that names the limit, and documentation that tells of it."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from beacon.settings import Limits
from tests.unit.http.conftest import site

OPERATING = Path(__file__).parents[3] / "docs" / "operating.md"


def nested(depth: int) -> dict[str, Any]:
    """A question in which a filter's value lies ``depth`` objects and lists deep."""
    value: Any = "x"
    for _ in range(depth - 4):
        value = [value]
    return {"query": {"filters": [{"id": "HP:0001250", "value": value}]}}


@pytest.mark.parametrize(
    ("limits", "body", "status", "code", "named"),
    [
        (Limits(max_body_bytes=1000), {"$schema": "x" * 1000}, 413, "too_large", "1000 bytes"),
        (Limits(max_depth=10), nested(11), 400, "bad_request", "10 deep"),
        (Limits(), nested(33), 400, "bad_request", "32 deep"),
        (Limits(), nested(32), 400, "bad_request", "/query/filters/0/value"),
        (Limits(max_filters=2), {"query": {"filters": [{"id": "HP:1"}] * 3}}, 413, "too_large", "2 is the most"),
        (Limits(max_page_size=20), {"query": {"pagination": {"limit": 21}}}, 400, "bad_request", "above 20"),
    ],
)
async def test_a_question_beyond_a_limit_is_refused_with_the_limit(
    mongo_uri: str, filled: str, limits: Limits, body: dict[str, Any], status: int, code: str, named: str
) -> None:
    async with site(mongo_uri, filled, limits=limits) as client:
        answer = await client.send("POST", "/api/individuals", json={"meta": {"apiVersion": "v2.0"}} | body)
    assert (answer.status, answer.body["error"]["skerryCode"]) == (status, code)
    assert named in answer.body["error"]["errorMessage"]


async def test_a_question_that_takes_too_long_is_told_the_time_it_had(mongo_uri: str, filled: str) -> None:
    async def slow(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    async with site(mongo_uri, filled, [web.get("/api/slow", slow)], limits=Limits(query_seconds=0.2)) as client:
        answer = await client.send("GET", "/api/slow")
    assert (answer.status, answer.body["error"]["skerryCode"]) == (504, "query_timeout")
    assert "0.2 seconds" in answer.body["error"]["errorMessage"]


def test_every_limit_is_in_the_table_for_operators_with_its_default() -> None:
    rows = {line.split("`")[1]: line for line in OPERATING.read_text().splitlines() if line.startswith("| `limits.")}
    assert set(rows) == {f"limits.{item.name}" for item in fields(Limits)}
    for item in fields(Limits):
        default = getattr(Limits(), item.name)
        assert f"| {default:,.0f} " in rows[f"limits.{item.name}"]
