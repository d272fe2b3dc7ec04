"""What the network answers: a question is read once, asked everywhere, joined, and put into the Beacon envelope."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from aiohttp import web

from beacon.audit.lines import Told
from beacon.auth import tokens
from beacon.auth.hop import draft
from beacon.errors import CannotAnswer, SkerryError
from beacon.http import envelope
from beacon.http.account import REQUEST_ID, TOLD, account_part
from beacon.http.handlers import ROOT, Handler, read, read_terms, respond, terms_page, test_answer
from beacon.http.hops import is_first
from beacon.http.proxies import client_address
from beacon.http.rate import network_of
from beacon.http.site import DEADLINE, DOOR, ENTRY_TYPE, HOP, PRINCIPAL, QUERY, VISAS
from beacon.http.streams import Stream, StreamedAnswer, accepted
from beacon.model.query import Anchor, Query
from beacon.query import testmode
from network import fanout, pages
from network.answers import answer
from network.client import Client, kept_short
from network.credentials import Behalf
from network.events import events
from network.merge import join, join_terms, tally
from network.outcomes import Outcome
from network.registry import Registry


@dataclass(frozen=True, slots=True)
class Node:
    """What all requests of one network node share; nothing here belongs to a request."""

    registry: Registry
    deadline_seconds: float
    max_hops: int
    jwks: Mapping[str, Any]


NODE: Final = web.AppKey("node", Node)
CLIENT: Final = web.AppKey("client", Client)


def entries(entry_type: str, anchor_type: str | None = None) -> Handler:
    """Make the handler of an entry type: lists, single records and cross endpoints alike."""

    async def handle(request: web.Request) -> web.StreamResponse:
        request[ENTRY_TYPE] = entry_type
        anchor = None if anchor_type is None else Anchor(anchor_type, request.match_info["id"])
        query = request[QUERY] = read(request, entry_type, anchor)
        if query.test_mode:
            return respond(test_answer(request.app[DOOR].settings.id, query))
        asks = fanout.plan(request.app[NODE].registry, _with_purpose(request, query))
        if (form := accepted(request)) is not None:
            return await _streamed(request, form, query, asks)
        outcomes = await _ask(request, asks)
        queries = {ask.member.id: ask.queries() for ask in asks}
        page = pages.cut(query, queries, outcomes) if pages.placed(query) else None
        try:
            joined = join(query, outcomes, anonymous=request[PRINCIPAL].person is None, page=page)
        except SkerryError as problem:
            problem.info = tally(outcomes)
            raise
        following = page.following if page else None
        return respond(orjson.dumps(answer(request.app[DOOR].settings.id, query, joined, following)))

    return handle


def terms(scope: str | None = None, anchor_type: str | None = None) -> Handler:  # noqa: ARG001 - the path says it
    """Make a handler of ``filtering_terms``: those of all members at the same path, with who has what.

    Those of a dataset or cohort that is named with its member (``site-a:cases``) are that member's alone.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        asked = read_terms(request)
        if asked.test_mode:
            return respond(terms_page(request.app[DOOR].settings.id, asked, testmode.terms()))
        path = request.rel_url.raw_path.removeprefix(request.app[DOOR].prefix).removeprefix(ROOT)
        purpose = asked.purpose or request[PRINCIPAL].purpose
        anchor = None if anchor_type is None else Anchor(anchor_type, request.match_info["id"])
        asks = fanout.plan_terms(request.app[NODE].registry, path, purpose, anchor=anchor)
        outcomes = await _ask(request, asks)
        try:
            joined, resources = join_terms(outcomes, anonymous=request[PRINCIPAL].person is None)
        except SkerryError as problem:
            problem.info = tally(outcomes)
            raise
        response = {"filteringTerms": joined, "resources": resources}
        return respond(terms_page(request.app[DOOR].settings.id, asked, response, info=tally(outcomes)))

    return handle


def explain(entry_type: str, anchor_type: str | None = None) -> Handler:
    """Make the handler that says what an entry type's question would be to each member, in place of asking it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        request[ENTRY_TYPE] = entry_type
        anchor = None if anchor_type is None else Anchor(anchor_type, request.match_info["id"])
        query = request[QUERY] = read(request, entry_type, anchor)
        deadline = asyncio.get_running_loop().time() + _seconds(request)
        asks = fanout.plan(request.app[NODE].registry, _with_purpose(request, query))
        asks, behalf = await _onward(request, asks)
        plans = await fanout.explain(request.app[CLIENT], asks, behalf, deadline)
        return respond(envelope.informational(request.app[DOOR].settings.id, "explain", {"plan": plans}))

    return handle


def _with_purpose(request: web.Request, query: Query) -> Query:
    """Declare in the question what its asker declared at login, of which members hear nothing else."""
    return query if query.purpose else replace(query, purpose=request[PRINCIPAL].purpose)


async def jwks(request: web.Request) -> web.StreamResponse:
    """Publish the keys that members check this node's assertions with (RFC 7517)."""
    return respond(orjson.dumps(request.app[NODE].jwks))


async def _ask(request: web.Request, asks: Sequence[fanout.Ask]) -> tuple[Outcome, ...]:
    """Ask on behalf of whoever asks here; the deadline begins now, when the question is understood."""
    deadline = asyncio.get_running_loop().time() + _seconds(request)
    asks, behalf = await _onward(request, asks)
    outcomes = await fanout.collect(request.app[CLIENT], asks, behalf, deadline)
    request[TOLD] = tuple(map(_told, outcomes))
    return outcomes


def _told(outcome: Outcome) -> Told:
    return Told(outcome.peer, outcome.kind.name, outcome.finding.granularity.label, request=outcome.request_id or None)


async def _streamed(request: web.Request, form: Stream, query: Query, asks: Sequence[fanout.Ask]) -> web.StreamResponse:
    if pages.placed(query) and pages.shared(query) and query.pagination.skip and not query.pagination.place:
        raise CannotAnswer("A stream of variants goes on by the page token of its end, not by number.", where="skip")
    seconds = _seconds(request)
    deadline = asyncio.get_running_loop().time() + seconds
    asks, behalf = await _onward(request, asks)
    coming = _accounted(request, fanout.outcomes(request.app[CLIENT], asks, behalf, deadline))
    anonymous = request[PRINCIPAL].person is None
    beacon_id = request.app[DOOR].settings.id
    return StreamedAnswer(form, events(beacon_id, query, asks, coming, seconds=seconds, anonymous=anonymous))


async def _accounted(request: web.Request, coming: AsyncGenerator[Outcome]) -> AsyncGenerator[Outcome]:
    """Write down each member's part before it leaves; ``AuditUnavailable`` then cuts the stream off."""
    async with aclosing(coming) as outcomes:
        async for outcome in outcomes:
            await account_part(request, (_told(outcome),))
            yield outcome


def _seconds(request: web.Request) -> float:
    """Return how long members have: this node's deadline, or what is left of that of whoever asks, if less.

    Of the latter some is kept back for joining what they said: whoever asks gets that in place of nothing.
    """
    seconds = request.app[NODE].deadline_seconds
    if DEADLINE not in request:
        return seconds
    left = max(request[DEADLINE] - asyncio.get_running_loop().time(), 0)
    return min(seconds, kept_short(left))


async def _onward(request: web.Request, asks: Sequence[fanout.Ask]) -> tuple[tuple[fanout.Ask, ...], Behalf]:
    """Return who is asked, and on whose behalf; the question is known by its id here from now on."""
    door, principal = request.app[DOOR], request[PRINCIPAL]
    came = request.get(HOP)
    asks = fanout.without_visited(asks, came)
    own, id = door.settings.id, request[REQUEST_ID]
    next_hop = fanout.onward(came, own, asks, max_hops=request.app[NODE].max_hops, request=id)
    if came is None:
        is_first(door, next_hop.question, own)
    hop = draft(next_hop, time.time())
    if principal.person is None:
        return asks, Behalf(account=f"address {network_of(client_address(request, door.settings.listen))}", hop=hop)
    header = request.headers["Authorization"]
    visas: tuple[str, ...] = request.get(VISAS, ())
    if principal.node is None and any(ask.member.visas for ask in asks):
        visas = await door.verifier.passport(header)
    token = tokens.bearer(header) if principal.node is None else None
    return asks, Behalf(principal, repr(principal.person), hop, token, visas)
