"""What this server has written down of whoever asks: people can see their own audit lines, and nobody else's.

Outside the Beacon's root, since it is no part of the standard. Only the person's own token opens it, never the word of
a network node.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from aiohttp import web

from beacon.audit.place import Place, is_day
from beacon.audit.search import of_person
from beacon.errors import BadRequest, Forbidden, Overloaded, Unauthenticated
from beacon.http import envelope
from beacon.http.account import SEARCH
from beacon.http.handlers import respond
from beacon.http.site import DOOR, PRINCIPAL

PATH: Final = "/audit/mine"
DAYS: Final = 30
"""How far back lines are looked for unless ``since`` says otherwise."""
MOST: Final = 1000
SECONDS: Final = 10.0
"""After so long the search is given up."""


async def answer(request: web.Request) -> web.StreamResponse:
    """Answer with the asker's own lines of this server, the latest first; ``since=YYYY-MM-DD`` (UTC) goes further back.

    Raises ``Unauthenticated`` without a token, ``Forbidden`` where a node asks, ``BadRequest``, ``Overloaded`` and
    ``QueryTimeout``.
    """
    principal = request[PRINCIPAL]
    if principal.person is None:
        raise Unauthenticated("Your own audit lines are shown to you alone; log in and send your token.")
    if principal.node is not None:
        raise Forbidden("Audit lines are shown to the person alone; ask here with your own token, not through a node.")
    settings = request.app[DOOR].settings
    since = _since(request)
    search = request.app[SEARCH]
    if search.locked():
        raise Overloaded("Somebody else's audit lines are just being looked for; ask again in a moment.")
    async with search:
        found = await asyncio.to_thread(
            of_person, Place.of(settings), principal.person, since=since, most=MOST, seconds=SECONDS
        )
    return respond(envelope.informational(settings.id, "audit", {"since": since, "lines": found}))


def _since(request: web.Request) -> str:
    if unknown := set(request.query) - {"since"}:
        raise BadRequest(f"The path {PATH} takes since (a day), and not {min(unknown)!r}.", where=min(unknown))
    given = request.query.getall("since", [])
    if not given:
        return (datetime.now(UTC) - timedelta(days=DAYS)).strftime("%Y-%m-%d")
    if len(given) > 1 or not is_day(given[0]):
        raise BadRequest("The parameter since must be one day, as in 2026-01-31.", where="since")
    return given[0]
