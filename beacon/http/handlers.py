"""The handlers: list, single and cross endpoints are one thing, a query with an anchor or without."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson
from aiohttp import web

from beacon.auth.policy import decide
from beacon.errors import BadRequest, CannotAnswer, Forbidden, Unauthenticated
from beacon.http import envelope, info, openapi, pages
from beacon.http.account import TOLD, answered, decided
from beacon.http.handovers import handovers
from beacon.http.proxies import base_url
from beacon.http.site import BODY, DOOR, ENTRY_TYPE, PRINCIPAL, QUERY, SITE
from beacon.model.access import Decision
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.query import Anchor, Pagination, Query
from beacon.privacy.rules import protect
from beacon.query import testmode
from beacon.query.execute import execute
from beacon.query.parse import TermsRequest, parse_get, parse_post, parse_terms
from beacon.query.person_terms import person_terms
from beacon.query.phenopackets import represent
from beacon.query.purposes import purposes
from beacon.query.terms import filtering_terms
from beacon.settings import SiteSettings
from beacon.store.base import Dataset

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Document = Callable[[SiteSettings, str], Mapping[str, Any]]

ROOT = "/api"
"""Where the Beacon begins; below it are the standard's paths."""
_EVERYTHING = Pagination(0, 1_000_000)


def root_url(request: web.Request) -> str:
    """Return the address of this Beacon's root, as the outside knows it."""
    door = request.app[DOOR]
    return base_url(request, door.settings.listen) + door.prefix + ROOT


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
        query = request[QUERY] = read(request, entry_type, anchor)
        if query.pagination.place:
            raise BadRequest("This page token is of a network; send it there.", where="pagination")
        if query.test_mode:
            return respond(test_answer(site.settings.id, query))
        decisions, datasets = await _decide(request, query.datasets, anchor, query.purpose)
        asked = _unpaged(query)
        found = await execute(site.store, asked, decisions, datasets)
        found = await represent(site.store, query, found, decisions, datasets)
        results = {result.dataset: result for result in found}
        protected = [
            protect(asked, decision, results[decision.dataset]) for decision in decisions if decision.dataset in results
        ]
        request[TOLD] = answered(decisions, protected)
        ways = functools.partial(handovers, site.settings)
        return respond(envelope.answer(site.settings.id, query, protected, ways))

    return answer


def test_answer(beacon_id: str, query: Query) -> bytes:
    """Answer a question in test mode (Beacon v2 ``testMode``): from built-in people, to whoever asks."""
    asked = _unpaged(query)
    return envelope.answer(beacon_id, query, [protect(asked, testmode.DECISION, testmode.answer(asked))])


def _unpaged(query: Query) -> Query:
    """Collections are few, and all are needed to page them together, over all datasets; the envelope takes the page."""
    return replace(query, pagination=_EVERYTHING) if ENTRY_TYPES[query.entry_type].collection else query


def terms(scope: str | None = None, anchor_type: str | None = None) -> Handler:
    """Make a handler of ``filtering_terms``: of all datasets, of an entry type, of one dataset, cohort or person."""

    async def answer(request: web.Request) -> web.StreamResponse:
        site = request.app[SITE]
        asked = read_terms(request)
        if asked.test_mode:
            return respond(terms_page(site.settings.id, asked, testmode.terms()))
        anchor = None if anchor_type is None else Anchor(anchor_type, request.match_info["id"])
        try:
            decisions, datasets = await _decide(request, None, anchor, asked.purpose)
        except (Unauthenticated, Forbidden):
            if anchor is not None:
                raise
            # The beacon's own document is for everybody; it then lists no data.
            decisions, datasets = (), {}
        if anchor and anchor.entry_type == "individual":
            response = await person_terms(site.store, decisions, anchor, datasets)
        else:
            cohort = anchor.id if anchor and anchor.entry_type == "cohort" else None
            response = await filtering_terms(site.store, decisions, datasets, scope=scope, cohort=cohort)
        request[TOLD] = tuple(replace(one, given="terms") for one in request.get(TOLD, ()))
        return respond(terms_page(site.settings.id, asked, response))

    return answer


def terms_page(
    beacon_id: str, asked: TermsRequest, response: Mapping[str, Any], *, info: Mapping[str, Any] | None = None
) -> bytes:
    """Encode one page of filtering terms."""
    listed = response["filteringTerms"]
    size = asked.limit or len(listed)
    page = listed[asked.skip * size : (asked.skip + 1) * size]
    return envelope.informational(
        beacon_id, "filtering_terms", {**response, "filteringTerms": page}, info=info, test_mode=asked.test_mode
    )


def document(entity: str, make: Document, *, bare: bool = False) -> Handler:
    """Make the handler of an informational document; ``bare`` ones have no Beacon envelope."""

    async def answer(request: web.Request) -> web.StreamResponse:
        settings = request.app[DOOR].settings
        made = make(settings, root_url(request))
        return respond(orjson.dumps(made) if bare else envelope.informational(settings.id, entity, made))

    return answer


async def information(request: web.Request) -> web.StreamResponse:
    """Answer ``/info``: in Beacon's schema, or in that of GA4GH service-info where it is asked for."""
    settings = request.app[DOOR].settings
    base = root_url(request)
    asked = {text.rpartition("/")[2] for text in request.query.getall("requestedSchema", []) if text}
    if not asked or asked & info.INFO_SCHEMAS:
        return respond(envelope.informational(settings.id, "info", info.info(settings, base)))
    if asked & info.SERVICE_INFO_SCHEMAS:
        both = info.info(settings, base) | info.service_info(settings, base)
        both["organization"] = info.info(settings, base)["organization"] | both["organization"]
        return respond(envelope.informational(settings.id, "info", both, schema="ga4gh-service-info-v1.0"))
    raise CannotAnswer(
        f"The schema {min(asked)!r} is not known here; /info comes in beacon-info-v2.0.0 and ga4gh-service-info-v1.0.",
        where="requestedSchema",
    )


async def openapi_document(request: web.Request) -> web.StreamResponse:
    """Answer with the OpenAPI document."""
    settings = request.app[DOOR].settings
    return respond(orjson.dumps(openapi.document(settings, root_url(request))))


async def openapi_page(request: web.Request) -> web.StreamResponse:
    """Answer with the same document as a page to be read."""
    settings = request.app[DOOR].settings
    page = pages.page(openapi.document(settings, root_url(request)))
    response = web.Response(text=page, content_type="text/html", charset="utf-8")
    response.headers["Content-Security-Policy"] = pages.POLICY
    return response


async def to_root(request: web.Request) -> web.StreamResponse:
    """Send whoever comes to the server's own root on to the Beacon."""
    address = root_url(request)
    return web.Response(status=307, headers={"Location": address})


def read(request: web.Request, entry_type: str, anchor: Anchor | None) -> Query:
    """Read the question, by GET or POST alike. Raises what ``beacon.query.parse`` raises."""
    limits = request.app[DOOR].settings.limits
    params = {name: request.query.getall(name) for name in request.query}
    if request.method == "POST":
        return parse_post(entry_type, anchor, request[BODY], params, limits)
    return parse_get(entry_type, anchor, params, limits)


async def _decide(
    request: web.Request, wanted: tuple[str, ...] | None, anchor: Anchor | None, purpose: frozenset[str]
) -> tuple[tuple[Decision, ...], Mapping[str, Dataset]]:
    """Decide anew for every request; nothing about who may see what outlives it.

    Returned are the datasets too, as they were decided about: the whole answer is read from these.
    A purpose in the request stands in place of one that was declared at login.
    """
    if anchor is not None and anchor.entry_type == "dataset":
        if wanted is not None and anchor.id not in wanted:
            raise BadRequest(
                "The path asks for one dataset, and the request names others; leave out either.", where="datasets"
            )
        wanted = (anchor.id,)
    store, principal = request.app[SITE].store, request[PRINCIPAL]
    declared = await purposes(store, purpose or principal.purpose)
    datasets = await store.datasets()
    policies = {id: dataset.policy for id, dataset in datasets.items()}
    decisions = decide(policies, principal, wanted=wanted, purpose=declared)
    request[TOLD] = decided(decisions)
    return decisions, datasets


def read_terms(request: web.Request) -> TermsRequest:
    """Read a request for filtering terms, by GET or POST alike. Raises what ``parse_terms`` raises."""
    params = {name: request.query.getall(name) for name in request.query}
    body = request[BODY] if request.method == "POST" else None
    return parse_terms(body, params, request.app[DOOR].settings.limits)
