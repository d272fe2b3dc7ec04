"""Around every request: who asks, how long it may take, and one shape for whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable

from aiohttp import web

from beacon import telemetry
from beacon.errors import MethodNotAllowed, NotFound, QueryTimeout, SkerryError, TooLarge, Unauthenticated
from beacon.http import envelope
from beacon.http.handlers import respond
from beacon.http.proxies import client_address
from beacon.http.site import DOOR, ENTRY_TYPE, PRINCIPAL, QUERY
from beacon.model.access import Granularity
from beacon.model.query import Query

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger("skerry.access")
_errors = logging.getLogger("skerry.error")

HEADERS = {
    "Cache-Control": "no-store",
    "Vary": "Authorization",
    "X-Content-Type-Options": "nosniff",
    "Server": "skerry",
}
"""On every answer: it is this asker's alone, and says nothing of what it was made with."""


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer one request, whatever happens, with a Beacon document; never with an exception's words."""
    began = time.monotonic()
    request_id = str(uuid.uuid4())
    telemetry.request_id.set(request_id)
    try:
        response = await _answer(request, handler)
    except SkerryError as error:
        response = _refusal(request, error)
        if error.status >= 500:
            _errors.warning("%s: %s", error.code, error.message, exc_info=error.__cause__)
    except asyncio.CancelledError:
        _access(request, 499, began)
        raise
    except Exception:  # noqa: BLE001 - the outermost place: whoever asked gets a sentence, the log gets the cause
        _errors.exception("unexpected")
        response = _refusal(request, SkerryError(f"Something went wrong here; it is logged as {request_id}."))
    response.headers.update(HEADERS)
    response.headers["X-Request-Id"] = request_id
    _access(request, response.status, began)
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    door = request.app[DOOR]
    seconds = door.settings.limits.query_seconds
    try:
        async with asyncio.timeout(seconds):
            request[PRINCIPAL] = await door.verifier.principal(_authorization(request))
            return await handler(request)
    except TimeoutError:
        raise QueryTimeout(f"The answer took longer than {seconds:g} seconds; ask for less.") from None
    except web.HTTPMethodNotAllowed as refused:
        allowed = ", ".join(sorted({*refused.allowed_methods, "OPTIONS"}))
        if request.method == "OPTIONS":
            return web.Response(status=204, headers={"Allow": allowed})
        response = _refusal(request, MethodNotAllowed(f"{request.method} is not for this path; it takes {allowed}."))
        response.headers["Allow"] = allowed
        return response
    except web.HTTPNotFound:
        raise NotFound("There is nothing at this path; /api/map lists every path.", where=request.path) from None
    except web.HTTPRequestEntityTooLarge:
        most = door.settings.limits.max_body_bytes
        raise TooLarge(f"The body is above {most} bytes, the most that is read here.") from None
    except web.HTTPException as refused:
        error = SkerryError(refused.reason)
        error.status = refused.status
        raise error from None


def _authorization(request: web.Request) -> str | None:
    values = request.headers.getall("Authorization", [])
    if len(values) > 1:
        raise Unauthenticated("Several Authorization headers were sent; send one bearer token.")
    return values[0] if values else None


def _refusal(request: web.Request, error: SkerryError) -> web.Response:
    query = request.get(QUERY)
    if query is None and ENTRY_TYPE in request:
        query = Query(entry_type=request[ENTRY_TYPE], granularity=Granularity.RECORD)
    response = respond(envelope.error(request.app[DOOR].settings.id, error, query), error.status)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.status == 503:
        response.headers["Retry-After"] = "1"
    return response


def _access(request: web.Request, status: int, began: float) -> None:
    """Write one line per request: the route's template, never the question or the asker's name."""
    if not _log.isEnabledFor(logging.INFO):
        return
    resource = request.match_info.route.resource
    path = resource.canonical if resource else "(no such path)"
    took = (time.monotonic() - began) * 1000
    _log.info(
        "%s %s %d %.1f ms", request.method, path, status, took,
        extra={
            "method": request.method, "path": path, "status": status,
            "milliseconds": round(took, 1), "client": client_address(request, request.app[DOOR].settings.listen),
        },
    )  # fmt: skip
