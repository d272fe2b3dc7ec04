"""Around every request: who asks, how often and how long, and one shape for whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from beacon import telemetry
from beacon.errors import (
    AuditUnavailable,
    BadRequest,
    MethodNotAllowed,
    NotFound,
    QueryTimeout,
    SkerryError,
    StoreUnavailable,
    TooOften,
    TooSlow,
    Unauthenticated,
)
from beacon.http import cors, envelope, health
from beacon.http.account import PROBLEM, REPEATED, REQUEST_ID, account, template
from beacon.http.compression import compress, mismatch, too_large, unpacked
from beacon.http.handlers import respond
from beacon.http.hops import arrived
from beacon.http.proxies import client_address
from beacon.http.rate import charge, charge_network
from beacon.http.site import BODY, DEADLINE, DOOR, ENTRY_TYPE, PRINCIPAL, QUERY, Door
from beacon.http.streams import StreamedAnswer
from beacon.model.access import ANONYMOUS, Granularity
from beacon.model.query import Query

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger("skerry.access")
_errors = logging.getLogger("skerry.error")

MAKE: Final = "Skerry-Beacon"
"""By this nodes know each other, as proxies put their own name into ``Server``; 1 is how they speak to each other."""
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Vary": "Authorization, Accept-Encoding, Origin",
    "X-Content-Type-Options": "nosniff",
    "Server": "skerry",
    MAKE: "1",
}
"""On every answer: it is this asker's alone, and says nothing of what it was made with but that it speaks as we do."""


_BUFFERED_BYTES = 16_384
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?", re.ASCII)


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer one request, whatever happens, with a Beacon document; never with an exception's words."""
    if request.match_info.apps[-1] is not request.app:
        return await handler(request)  # of an application within this one, which has its own guard
    began = time.monotonic()
    door = request.app[DOOR]
    request_id = str(uuid.uuid4())
    telemetry.request_id.set(request_id)
    request[REQUEST_ID] = request_id
    door.traffic.begin()
    door.meter.begin()
    status = 499  # what is left where the client goes before its answer
    try:
        response = await _accounted(request, await _response(request, handler, request_id))
        took = time.monotonic() - began
        response.headers.update(HEADERS)
        response.headers.update(cors.headers(request, door.settings.listen, response.headers.get("Allow")))
        response.headers["X-Request-Id"] = request_id
        await compress(request, response, door.settings.listen.compress_from_bytes)
        if door.traffic.ending:
            response.force_close()
        await _send(request, response, door.settings.limits.send_seconds)
        status = response.status
        return response
    finally:
        if status == 499:
            took = time.monotonic() - began
        door.meter.database(*door.load())
        door.meter.end(template(request), request.method, status, took)
        door.traffic.end()
        _access(request, template(request), status, took)


async def _response(request: web.Request, handler: Handler, request_id: str) -> web.StreamResponse:
    if _about_health(request):
        return await handler(request)
    try:
        return await _answer(request, handler)
    except SkerryError as error:
        if error.status >= 500:
            _errors.warning("%s: %s", error.code, error.message, exc_info=error.__cause__)
        return _refusal(request, error)
    except Exception:  # noqa: BLE001 - the outermost place: whoever asked gets a sentence, the log gets the cause
        _errors.exception("unexpected")
        return _refusal(request, SkerryError(f"Something went wrong here; it is logged as {request_id}."))


async def _accounted(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Write the answer's audit line; where that cannot be, the answer is that instead."""
    if _about_health(request):
        return response
    try:
        await account(request, response.status)
    except AuditUnavailable as error:
        return _refusal(request, error)
    return response


def _about_health(request: web.Request) -> bool:
    return request.path in health.PATHS and request.method in ("GET", "HEAD")


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    door = request.app[DOOR]
    limits = door.settings.limits
    seconds = limits.query_seconds
    try:
        await _identify(request, door)
        await _receive(request, limits.read_seconds, limits.max_body_bytes)
        await arrived(request)
        seconds = _seconds(request, limits.query_seconds)
        async with asyncio.timeout(seconds):
            return await handler(request)
    except TimeoutError:
        if not await door.reachable():  # then it was waited for, and asking for less would not help
            raise StoreUnavailable("The site's database does not answer; ask again later.") from None
        raise QueryTimeout(f"The answer took longer than {seconds:g} seconds; ask for less.") from None
    except web.HTTPMethodNotAllowed as refused:
        allowed = ", ".join(sorted({*refused.allowed_methods, "OPTIONS"}))
        if request.method == "OPTIONS":
            return web.Response(status=204, headers={"Allow": allowed})
        response = _refusal(
            request, MethodNotAllowed(f"The method {request.method} is not for this path; it takes {allowed}.")
        )
        response.headers["Allow"] = allowed
        return response
    except web.HTTPNotFound:
        raise NotFound("There is nothing at this path; /api/map lists every path.", where=request.path) from None
    except web.HTTPRequestEntityTooLarge:
        raise too_large(limits.max_body_bytes) from None
    except web.HTTPException as refused:
        error = SkerryError(f"This cannot be answered: {refused.reason}.")
        error.status = refused.status
        raise error from None


async def _identify(request: web.Request, door: Door) -> None:
    """Find out who asks, and count it. A bad token counts against the address, as nobody else is known to send it."""
    settings = door.settings
    address = client_address(request, settings.listen)
    principal = ANONYMOUS
    if request.method == "OPTIONS":  # browsers send it before the question, and never with a token
        request[PRINCIPAL] = principal
        charge_network(door.buckets, "preflight", address, settings.rate)
        return
    try:
        if (authorization := _authorization(request)) is not None:
            async with asyncio.timeout(settings.limits.query_seconds):
                principal = await door.verifier.principal(authorization)
    except (SkerryError, TimeoutError):
        charge_network(door.buckets, "address", address, settings.rate)
        raise
    request[PRINCIPAL] = principal  # before it is charged: a refusal's line says whose it is
    charge(door.buckets, principal, address, settings.rate, settings.nodes)


def _authorization(request: web.Request) -> str | None:
    values = request.headers.getall("Authorization", [])
    if len(values) > 1:
        raise Unauthenticated("Several Authorization headers were sent; send one bearer token.")
    return values[0] if values else None


async def _receive(request: web.Request, seconds: float, most: int) -> None:
    """Read a body (``BODY``) before anything is done for it; what is announced as too much is not."""
    request[BODY] = b""
    if not request.can_read_body:
        return
    if ",".join(request.headers.getall("Transfer-Encoding", [])).strip().lower() not in ("", "chunked"):
        raise BadRequest(
            "The body's Transfer-Encoding is not taken here: send chunked, and compression as Content-Encoding."
        )
    if (request.content_length or 0) > most:
        raise too_large(most)
    try:
        if request.content.is_eof():
            body = await request.read()  # it came with the headers, as most do: nothing is waited for
        else:
            async with asyncio.timeout(seconds):
                body = await request.read()
    except TimeoutError:
        raise TooSlow(f"The body did not arrive within {seconds:g} seconds; send it faster.") from None
    except web.RequestPayloadError:
        # Nobody can tell where the next request would begin; and what is left is not read once more.
        request.protocol.keep_alive(False)
        request.content.feed_eof()
        raise mismatch() from None
    content = request[BODY] = unpacked(request, body, most)
    if request.method in ("GET", "HEAD") and content.strip():
        raise BadRequest(f"The question is in the body of a {request.method}, where it is not read; send it by POST.")


def _seconds(request: web.Request, most: float) -> float:
    """Return how long the answer may take: as long as whoever asks will wait (``Skerry-Deadline``), if that is less."""
    if not (texts := request.headers.getall("Skerry-Deadline", [])):
        return most
    if len(texts) > 1 or not _SECONDS.fullmatch(texts[0]) or not (seconds := float(texts[0])):
        raise BadRequest(
            "The header Skerry-Deadline must be one number of seconds above 0, such as 4.5.", where="Skerry-Deadline"
        )
    request[DEADLINE] = asyncio.get_running_loop().time() + seconds
    return min(seconds, most)


async def _send(request: web.Request, response: web.StreamResponse, seconds: float) -> None:
    """Send the answer, for as long as the client takes it; one that does not loses its connection."""
    try:
        await response.prepare(request)
        if isinstance(response, web.Response) and (response.content_length or 0) < _BUFFERED_BYTES:
            await response.write_eof()  # goes into the connection's buffer, without waiting for anybody
            return
        if isinstance(response, StreamedAnswer):
            await response.send(seconds)
        async with asyncio.timeout(seconds):
            await response.write_eof()
    except (TimeoutError, AuditUnavailable):  # the latter in the middle of an answer that is sent piece by piece
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:  # aiohttp finds it closed, and ends it
        return


def _refusal(request: web.Request, error: SkerryError) -> web.Response:
    request[PROBLEM] = error.code
    request[REPEATED] = isinstance(error, TooOften) and error.repeated
    query = request.get(QUERY)
    if query is None and ENTRY_TYPE in request:
        query = Query(entry_type=request[ENTRY_TYPE], granularity=Granularity.RECORD)
    return refusal(request.app[DOOR].settings.id, error, query)


def refusal(beacon_id: str, error: SkerryError, query: Query | None = None) -> web.Response:
    """Make the answer that an error becomes."""
    response = respond(envelope.error(beacon_id, error, query), error.status)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.retry_seconds is not None:
        response.headers["Retry-After"] = str(error.retry_seconds)
    return response


def _access(request: web.Request, path: str, status: int, took: float) -> None:
    """Write one line per request: the route's template, never the question or the asker's name."""
    level = logging.DEBUG if path in health.PATHS else logging.INFO
    if not _log.isEnabledFor(level):
        return
    path = path or "(no such path)"
    _log.log(
        level, "%s %s %d %.1f ms", request.method, path, status, took * 1000,
        extra={
            "method": request.method, "path": path, "status": status, "milliseconds": round(took * 1000, 1),
            "client": client_address(request, request.app[DOOR].settings.listen),
        },
    )  # fmt: skip
