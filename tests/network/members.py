"""Members of a test network, as real servers on loopback: healthy ones, and one for every way to misbehave.

``ZOO`` is the table of those that misbehave: a name, the server, and the outcome it must end in.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from beacon.model.entry_types import ENTRY_TYPES, entry_type_id

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SEX = {"id": "NCIT:C16576", "label": "female"}


def people(*ids: str) -> list[dict[str, Any]]:
    """Records that are valid individuals."""
    return [{"id": id, "sex": SEX} for id in ids]


def answer(
    sets: Mapping[str, list[dict[str, Any]]],
    *,
    granularity: str = "record",
    entry_type: str = "individual",
    skip: int = 0,
    limit: int = 10,
    total: int | None = None,
) -> dict[str, Any]:
    """A valid Beacon v2 answer that holds these records by result set."""
    summary: dict[str, Any] = {"exists": any(sets.values())}
    rows = []
    for name, records in sets.items():
        row: dict[str, Any] = {"id": name, "setType": "dataset", "exists": bool(records)}
        if granularity != "boolean":
            row["resultsCount"] = len(records)
        if granularity == "record":
            row["results"] = records[skip * limit : (skip + 1) * limit] if limit else records
        rows.append(row)
    if granularity != "boolean":
        summary["numTotalResults"] = sum(map(len, sets.values())) if total is None else total
    received = {
        "apiVersion": "v2.0",
        "requestedSchemas": [],
        "pagination": {"skip": skip, "limit": limit},
        "requestedGranularity": granularity,
    }
    return {
        "meta": {
            "beaconId": "org.example.member",
            "apiVersion": "v2.2.0",
            "returnedSchemas": [{"entityType": entry_type, "schema": ENTRY_TYPES[entry_type].schema_id}],
            "returnedGranularity": granularity,
            "receivedRequestSummary": received,
        },
        "responseSummary": summary,
        "response": {"resultSets": rows},
    }


@dataclass(slots=True)
class Seen:
    """One request that reached a member."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Member:
    """A running member; ``seen`` are the requests it got, ``gone`` is set when a client left it waiting."""

    url: str
    seen: list[Seen] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Member]:
    """Run one handler for every path, on a free port."""
    member = Member("")

    async def record(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        member.seen.append(Seen(request.method, request.raw_path, dict(request.headers), body))
        try:
            return await handler(request)
        except asyncio.CancelledError:
            member.gone.set()
            raise

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", record)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        member.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
        yield member
    finally:
        await runner.cleanup()


def healthy(sets: Mapping[str, list[dict[str, Any]]], *, most: str = "record") -> Handler:
    """A beacon with these individuals by dataset; other entry types are empty. Answers no deeper than ``most``."""
    depths = ("boolean", "count", "record")

    async def handle(request: web.Request) -> web.StreamResponse:
        name = request.path.rsplit("/", 1)[-1]
        if name == "filtering_terms":
            terms = [{"id": "NCIT:C16576", "type": "ontologyTerm", "label": "female", "scopes": ["individual"]}]
            meta = {"beaconId": "org.example.member", "apiVersion": "v2.2.0", "returnedSchemas": []}
            return web.json_response(
                {"meta": meta, "response": {"filteringTerms": terms, "resources": [{"id": "ncit"}]}}
            )
        query = orjson.loads(await request.read())["query"]
        asked = min(query["requestedGranularity"], most, key=depths.index)
        held = sets if entry_type_id(name) == "individual" else {key: [] for key in sets}
        body = answer(held, granularity=asked, **query["pagination"])
        return web.json_response(body, headers={"X-Request-Id": "member-request-1"})

    return handle


def replying(
    body: object, status: int = 200, content_type: str = "application/json", encoding: str | None = None
) -> Handler:
    """Whatever is asked, this is the answer."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    headers = {"Content-Encoding": encoding} if encoding else {}

    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=raw, status=status, content_type=content_type, headers=headers)

    return handle


async def hanging(_request: web.Request) -> web.StreamResponse:
    """Takes the question and says nothing."""
    await asyncio.sleep(3600)
    raise AssertionError


async def one_byte_at_a_time(request: web.Request) -> web.StreamResponse:
    """A right answer, too slowly for anybody to wait."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for byte in orjson.dumps(answer({"ds": people("slow")})):
        await response.write(bytes([byte]))
        await asyncio.sleep(0.05)
    return response


async def without_end(request: web.Request) -> web.StreamResponse:
    """Does not say how long it is, and does not stop."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    while True:
        await response.write(b'{"padding": "' + b"x" * 65536 + b'"}')


async def breaking_off(request: web.Request) -> web.StreamResponse:
    """Promises more than it sends, and closes the connection."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "100000"})
    await response.prepare(request)
    await response.write(b'{"meta": {')
    assert request.transport is not None
    request.transport.close()
    return response


def error(status: int, code: str | None, message: str = "No.") -> Handler:
    """A Beacon error, with our machine-readable code or without."""
    body: dict[str, Any] = {"errorCode": status, "errorMessage": message}
    return replying({"meta": {}, "error": body | ({"skerryCode": code} if code else {})}, status)


def _changed(**changes: object) -> dict[str, Any]:
    good = answer({"ds": people("someone")}, granularity="count")
    summary = {**good["responseSummary"], **changes.pop("summary", {})}  # type: ignore[dict-item]
    return {**good, "responseSummary": summary, **changes}


_TWICE = answer({"ds": people("someone")})
_TWICE["response"]["resultSets"] *= 2

ZOO: Mapping[str, tuple[Handler, str]] = {
    "hanging": (hanging, "timeout"),
    "one-byte": (one_byte_at_a_time, "timeout"),
    "own-timeout": (error(504, "query_timeout"), "timeout"),
    "html": (replying(b"<html><body>It works!</body></html>", content_type="text/html"), "invalid"),
    "html-as-json": (replying(b"<html><body>It works!</body></html>"), "invalid"),
    "cut-json": (replying(orjson.dumps(_changed())[:-20]), "invalid"),
    "empty": (replying(b""), "invalid"),
    "a-list": (replying([]), "invalid"),
    "wrong-schema": (replying({"result": "yes", "count": 3}), "invalid"),
    "exists-as-text": (replying(_changed(summary={"exists": "true"})), "invalid"),
    "exists-false-as-text": (replying(_changed(summary={"exists": "false"})), "invalid"),
    "count-as-text": (replying(_changed(summary={"numTotalResults": "3"})), "invalid"),
    "count-as-bool": (replying(_changed(summary={"numTotalResults": True})), "invalid"),
    "count-below-zero": (replying(_changed(summary={"numTotalResults": -3})), "invalid"),
    "count-beyond-reason": (replying(_changed(summary={"numTotalResults": 10**18})), "invalid"),
    "set-twice": (replying(_TWICE), "invalid"),
    "too-many-records": (replying(answer({"ds": people(*map(str, range(50)))}, limit=0)), "invalid"),
    "deep": (replying(b'{"meta":' * 100_000), "invalid"),
    "many-values": (replying(b'{"meta": [' + b"0," * 400_000 + b"0]}"), "invalid"),
    "server-error": (replying(b"Internal Server Error", 500, "text/plain"), "invalid"),
    "bare-400": (error(400, None), "invalid"),
    "unknown-filter": (error(400, "unknown_filter"), "cannot_answer"),
    "cannot-answer": (error(400, "cannot_answer"), "cannot_answer"),
    "closed": (error(401, "unauthenticated"), "denied"),
    "forbidding": (error(403, "forbidden"), "denied"),
    "without-end": (without_end, "oversized"),
    "bomb": (
        replying(gzip.compress(b'{"a": "' + b"0" * 50_000_000 + b'"}'), encoding="gzip"),
        "oversized",
    ),
    "strange-encoding": (replying(b"xxxx", encoding="br"), "invalid"),
    "breaking-off": (breaking_off, "unreachable"),
}


@asynccontextmanager
async def raw(reply: bytes) -> AsyncIterator[Member]:
    """Answer every connection with these bytes, whatever they are, and close it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield Member(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api")


def stopped() -> Member:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return Member(f"http://127.0.0.1:{free.getsockname()[1]}/api")


@dataclass(slots=True)
class Group:
    """Members by the name that the registry gives them."""

    stack: AsyncExitStack
    members: dict[str, Member] = field(default_factory=dict)

    async def add(self, name: str, handler: Handler) -> Member:
        """Start one."""
        self.members[name] = await self.stack.enter_async_context(serving(handler))
        return self.members[name]


@asynccontextmanager
async def group() -> AsyncIterator[Group]:
    """Start members by and by; all stop at the end of the block."""
    async with AsyncExitStack() as stack:
        yield Group(stack)
