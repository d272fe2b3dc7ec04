"""The handlers: list, single and cross endpoints are one thing, a query with an anchor or without."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson
from aiohttp import web

from beacon.auth.policy import decide
from beacon.errors import BadRequest, Forbidden, Unauthenticated
from beacon.http import envelope
from beacon.http.proxies import base_url
from beacon.http.site import DOOR, ENTRY_TYPE, PRINCIPAL, QUERY, SITE
from beacon.model.access import Decision
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.query import Anchor, Pagination, Query
from beacon.privacy.rules import protect
from beacon.query.execute import dataset_policies, execute
from beacon.query.parameters import is_whole
from beacon.query.parse import parse_get, parse_post
from beacon.query.terms import filtering_terms
from beacon.settings import SiteSettings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Document = Callable[[SiteSettings, str], Mapping[str, Any]]

ROOT = "/api"
"""Where the Beacon begins; below it are the standard's paths."""
_EVERYTHING = Pagination(0, 1_000_000)


def respond(body: bytes, status: int = 200) -> web.Response:
    """Wrap an encoded envelope."""
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")


def entries(entry_type: str, anchor_type: str | None = None) -> Handler:
    """Make the handler that answers with entries of a type: of all datasets, or of one record's belongings.

    ``anchor_type`` is the entry type of the path's ``{id}``: the same for ``/individuals/{id}``, another for
    ``/individuals/{id}/biosamples``.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        site = request.app[SITE]
        request[ENTRY_TYPE] = entry_type
        anchor = None if anchor_type is None else Anchor(anchor_type, request.match_info["id"])
        query = await read(request, entry_type, anchor)
        request[QUERY] = query
        decisions = await _decide(request, query.datasets, anchor)
        # Few and all needed to page them together, over all datasets; the envelope takes the page.
        asked = replace(query, pagination=_EVERYTHING) if ENTRY_TYPES[entry_type].collection else query
        results = {result.dataset: result for result in await execute(site.store, asked, decisions)}
        protected = [
            protect(asked, decision, results[decision.dataset]) for decision in decisions if decision.dataset in results
        ]
        return respond(envelope.answer(site.settings.id, query, protected))

    return answer


def terms(scope: str | None = None, anchor_type: str | None = None) -> Handler:
    """Make a handler of ``filtering_terms``: of all datasets, of an entry type, of one dataset or cohort."""

    async def answer(request: web.Request) -> web.StreamResponse:
        site = request.app[SITE]
        skip, limit = paging(request)
        anchor = None if anchor_type is None else Anchor(anchor_type, request.match_info["id"])
        try:
            decisions = await _decide(request, None, anchor)
        except (Unauthenticated, Forbidden):
            if anchor is not None:
                raise
            decisions = ()  # the beacon's own document is for everybody; it then lists fields, and no data
        cohort = anchor.id if anchor and anchor.entry_type == "cohort" else None
        response = await filtering_terms(site.store, decisions, scope=scope, cohort=cohort)
        listed = response["filteringTerms"]
        response["filteringTerms"] = listed[skip * limit : (skip + 1) * limit] if limit else listed
        return respond(envelope.informational(site.settings.id, "filtering_terms", response))

    return answer


def document(entity: str, make: Document, *, bare: bool = False) -> Handler:
    """Make the handler of an informational document; ``bare`` ones have no Beacon envelope."""

    async def answer(request: web.Request) -> web.StreamResponse:
        settings = request.app[DOOR].settings
        made = make(settings, base_url(request, settings.listen) + ROOT)
        return respond(orjson.dumps(made) if bare else envelope.informational(settings.id, entity, made))

    return answer


async def to_root(request: web.Request) -> web.StreamResponse:
    """Send whoever comes to the server's own root on to the Beacon."""
    address = base_url(request, request.app[DOOR].settings.listen) + ROOT
    return web.Response(status=307, headers={"Location": address})


async def read(request: web.Request, entry_type: str, anchor: Anchor | None) -> Query:
    """Read the question, by GET or POST alike. Raises what ``beacon.query.parse`` raises."""
    limits = request.app[DOOR].settings.limits
    params = {name: request.query.getall(name) for name in request.query}
    if request.method == "POST":
        return parse_post(entry_type, anchor, await request.read(), params, limits)
    return parse_get(entry_type, anchor, params, limits)


async def _decide(request: web.Request, wanted: tuple[str, ...] | None, anchor: Anchor | None) -> tuple[Decision, ...]:
    """Decide anew for every request; nothing about who may see what outlives it."""
    if anchor is not None and anchor.entry_type == "dataset":
        wanted = (anchor.id,) if wanted is None or anchor.id in wanted else ()
    return decide(await dataset_policies(request.app[SITE].store), request[PRINCIPAL], wanted=wanted)


def paging(request: web.Request) -> tuple[int, int]:
    """Return pages to skip and terms on one; 0 means all of them, which is also the default."""
    found = {"skip": 0, "limit": 0}
    for name, value in request.query.items():
        if name not in found or len(request.query.getall(name)) > 1:
            raise BadRequest("filtering_terms takes the parameters skip and limit, each once.", where=name)
        if not is_whole(value) or not 0 <= int(value) < 2**31:
            raise BadRequest(f"The parameter {name}: {value!r} is not a whole number from 0 on.", where=name)
        found[name] = int(value)
    return found["skip"], found["limit"]
