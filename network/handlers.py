"""What the network answers: a question is read once, asked everywhere, joined, and put into the Beacon envelope."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web

from beacon.errors import SkerryError
from beacon.http import envelope
from beacon.http.handlers import ROOT, Handler, read, read_terms, respond, terms_page, test_answer
from beacon.http.site import DOOR, ENTRY_TYPE, PRINCIPAL, QUERY
from beacon.model.access import Granularity
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.query import Anchor, Query
from beacon.query import testmode
from network import fanout
from network.client import Client
from network.merge import Joined, join, join_terms, tally
from network.outcomes import Outcome
from network.registry import Registry


@dataclass(frozen=True, slots=True)
class Node:
    """What all requests of one network node share; nothing here belongs to a request."""

    registry: Registry
    deadline_seconds: float
    jwks: Mapping[str, Any]


NODE: Final = web.AppKey("node", Node)
CLIENT: Final = web.AppKey("client", Client)


def entries(entry_type: str, anchor_type: str | None = None) -> Handler:
    """Make the handler of an entry type: lists, single records and cross endpoints alike."""

    async def handle(request: web.Request) -> web.StreamResponse:
        request[ENTRY_TYPE] = entry_type
        anchor = None if anchor_type is None else Anchor(anchor_type, request.match_info["id"])
        query = request[QUERY] = await read(request, entry_type, anchor)
        if query.test_mode:
            return respond(test_answer(request.app[DOOR].settings.id, query))
        outcomes = await _ask(request, fanout.plan(request.app[NODE].registry, query))
        try:
            joined = join(query, outcomes, anonymous=request[PRINCIPAL].person is None)
        except SkerryError as problem:
            problem.info = tally(outcomes)
            raise
        return respond(orjson.dumps(answer(request.app[DOOR].settings.id, query, joined)))

    return handle


def terms(scope: str | None = None, anchor_type: str | None = None) -> Handler:  # noqa: ARG001 - the path says it
    """Make a handler of ``filtering_terms``: those of all members at the same path, with who has what."""

    async def handle(request: web.Request) -> web.StreamResponse:
        asked = await read_terms(request)
        if asked.test_mode:
            return respond(terms_page(request.app[DOOR].settings.id, asked, testmode.terms()))
        path = request.rel_url.raw_path.removeprefix(ROOT)
        asks = fanout.plan_terms(request.app[NODE].registry, path, single=anchor_type is not None)
        outcomes = await _ask(request, asks)
        try:
            joined, resources = join_terms(outcomes, anonymous=request[PRINCIPAL].person is None)
        except SkerryError as problem:
            problem.info = tally(outcomes)
            raise
        response = {"filteringTerms": joined, "resources": resources}
        return respond(terms_page(request.app[DOOR].settings.id, asked, response, info=tally(outcomes)))

    return handle


async def jwks(request: web.Request) -> web.StreamResponse:
    """Publish the keys that members check this node's assertions with (RFC 7517)."""
    return respond(orjson.dumps(request.app[NODE].jwks))


async def _ask(request: web.Request, asks: Sequence[fanout.Ask]) -> tuple[Outcome, ...]:
    """Ask on behalf of whoever asks here; the deadline begins now, when the question is understood."""
    deadline = asyncio.get_running_loop().time() + request.app[NODE].deadline_seconds
    return await fanout.collect(request.app[CLIENT], asks, request[PRINCIPAL].person, deadline)


def answer(beacon_id: str, query: Query, joined: Joined) -> dict[str, Any]:
    """Return the joined answer (Beacon v2 boolean, count, result set or collection response)."""
    body: dict[str, Any] = {
        "meta": envelope.meta(beacon_id, query, joined.granularity),
        "responseSummary": joined.summary,
        "info": joined.info,
    }
    recorded = joined.granularity is Granularity.RECORD
    if recorded and ENTRY_TYPES[query.entry_type].collection:
        body["response"] = {"collections": joined.collections}
    elif recorded or joined.sets:
        body["response"] = {"resultSets": joined.sets}
    return body
