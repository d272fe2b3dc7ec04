"""Whether this process lives, and whether it can answer: for load balancers and those who restart what hangs.

Outside the Beacon's root, for anybody, and without a word about why; the log has that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from beacon.errors import AuditUnavailable, StoreUnavailable
from beacon.http.account import JOURNAL

LIVE: Final = "/health/live"
READY: Final = "/health/ready"
PATHS: Final = frozenset({LIVE, READY})
READY_SECONDS: Final = 2.0

_log = logging.getLogger("skerry")


async def nothing_needed() -> None:
    """What a server without a database of its own checks before it says that it is ready."""


def routes(check: Callable[[], Awaitable[None]] = nothing_needed) -> list[web.RouteDef]:
    """Return both routes; ``check`` raises ``StoreUnavailable`` where no question could be answered now.

    None could without room for its audit line either.
    """

    async def live(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok"})

    async def ready(request: web.Request) -> web.StreamResponse:
        try:
            request.app[JOURNAL].check()
            async with asyncio.timeout(READY_SECONDS):
                await check()
        except (TimeoutError, StoreUnavailable, AuditUnavailable) as problem:
            _log.warning("not ready: %s", str(problem) or "the database did not answer in time")
            return web.json_response({"status": "unavailable"}, status=503)
        return web.json_response({"status": "ok"})

    return [web.get(LIVE, live), web.get(READY, ready)]
