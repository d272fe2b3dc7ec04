"""What a server does with a question: answers it well, or misbehaves in one way."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, Final

import orjson
from aiohttp import web

from beacon.model.entry_types import entry_type_id
from network.zoo.answers import ID, SEX, answer, document, people
from network.zoo.running import Handler

HUGE_BYTES: Final = 300_000_000
_DEPTHS = ("boolean", "count", "record")
_BLOCK = b" " * 65_536


def healthy(
    sets: Mapping[str, list[dict[str, Any]]],
    *,
    most: str = "record",
    least: str = "boolean",
    beacon_id: str = ID,
    seconds: float = 0.0,
    heeds_filters: bool = True,
) -> Handler:
    """Answer for these individuals by dataset, other entry types being empty, after so many seconds.

    Everybody should be female, since ``NCIT:C16576`` is the one filter. ``most`` is the deepest granularity it gives;
    ``least`` above ``boolean`` makes it answer deeper than it was asked. Unless it ``heeds_filters``, it gives
    everybody, whatever is asked.
    """

    async def answered(request: web.Request) -> web.StreamResponse:
        sent = orjson.loads(await request.read() or b"{}").get("query", {}) | _parameters(request)
        asked = max(min(sent.get("requestedGranularity", "boolean"), most, key=_DEPTHS.index), least, key=_DEPTHS.index)
        kind = entry_type_id(request.path.rsplit("/", 1)[-1]) or "individual"
        unknown = [one["id"] for one in sent.get("filters", ()) if one.get("id") != SEX["id"]]
        if heeds_filters and unknown:
            return await error(400, "unknown_filter", f"{unknown[0]} is not a filter here.")(request)
        page = {"skip": 0, "limit": 10} | sent.get("pagination", {})
        held = sets if kind == "individual" else {name: [] for name in sets}
        await asyncio.sleep(seconds)
        body = answer(held, granularity=asked, entry_type=kind, beacon_id=beacon_id, **page)
        return web.json_response(body, headers={"X-Request-Id": "member-request-1"})

    return documented(answered, beacon_id)


def _parameters(request: web.Request) -> dict[str, Any]:
    """What a question that came by GET says."""
    given: dict[str, Any] = {key: request.query[key] for key in ("requestedGranularity",) if key in request.query}
    if "filters" in request.query:
        given["filters"] = [{"id": one} for one in request.query["filters"].split(",")]
    pages = {key: int(request.query[key]) for key in ("skip", "limit") if key in request.query}
    return given | ({"pagination": pages} if pages else {})


def documented(handler: Handler, beacon_id: str) -> Handler:
    """Give the documents about the beacon in good order, and everything else to ``handler``."""

    async def handle(request: web.Request) -> web.StreamResponse:
        base = f"{request.scheme}://{request.host}/api"
        written = document(request.path.rstrip("/").rsplit("/", 1)[-1], beacon_id, base)
        return (
            await handler(request) if written is None else web.Response(body=written, content_type="application/json")
        )

    return handle


def replying(
    body: object,
    status: int = 200,
    content_type: str = "application/json",
    encoding: str | None = None,
) -> Handler:
    """Give this answer, whatever is asked: bytes as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    headers = {"Content-Encoding": encoding} if encoding else {}

    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=content, status=status, content_type=content_type, headers=headers)

    return handle


def error(status: int, code: str | None, message: str = "No.") -> Handler:
    """Refuse with a Beacon error, with a machine-readable code (``skerryCode``) or without."""
    body: dict[str, Any] = {"errorCode": status, "errorMessage": message}
    return replying({"meta": {}, "error": body | ({"skerryCode": code} if code else {})}, status)


def redirecting(target: str, status: int = 307) -> Handler:
    """Send every question on to another address."""

    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": f"{target}/individuals", "Set-Cookie": "zoo=1"})

    return handle


async def redirecting_without_end(request: web.Request) -> web.StreamResponse:
    """Send every question on to another address of its own."""
    turn = int(request.query.get("turn", 0)) + 1
    return web.Response(status=307, headers={"Location": f"{request.path}?turn={turn}"})


async def hanging(_request: web.Request) -> web.StreamResponse:
    """Take the question and say nothing."""
    await asyncio.sleep(3600)
    raise web.HTTPGatewayTimeout


async def one_byte_a_second(request: web.Request) -> web.StreamResponse:
    """Give a right answer, too slowly for anybody to wait."""
    response = await _begun(request)
    for byte in orjson.dumps(answer({"ds": people("slow")})):
        await response.write(bytes([byte]))
        await asyncio.sleep(1)
    return response


async def without_end(request: web.Request) -> web.StreamResponse:
    """Do not say how long the answer is, and do not stop."""
    response = await _begun(request)
    while True:
        await response.write(_BLOCK)


async def huge(request: web.Request) -> web.StreamResponse:
    """Give an answer of 300 MB, most of it white space, and say so beforehand."""
    content = orjson.dumps(answer({"ds": people("P1")}))
    response = await _begun(request, length=HUGE_BYTES)
    for _ in range((HUGE_BYTES - len(content)) // len(_BLOCK)):
        await response.write(_BLOCK)
    await response.write(b" " * ((HUGE_BYTES - len(content)) % len(_BLOCK)) + content)
    return response


async def breaking_off(request: web.Request) -> web.StreamResponse:
    """Promise more than is sent, and close the connection."""
    response = await _begun(request, length=100_000)
    await response.write(b'{"meta": {')
    if request.transport is not None:
        request.transport.close()
    return response


async def resetting(request: web.Request) -> web.StreamResponse:
    """Reset the connection (TCP RST) in the middle of the answer."""
    response = await _begun(request, length=100_000)
    await response.write(b'{"meta": {')
    if request.transport is not None:
        request.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return response


async def _begun(request: web.Request, *, length: int | None = None) -> web.StreamResponse:
    headers = {"Content-Type": "application/json"} | ({} if length is None else {"Content-Length": str(length)})
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    return response
