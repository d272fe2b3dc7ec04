"""From a request to a ``Query``: GET parameters and POST bodies become the same document, then the same value.

A GET is first brought into the shape of a POST body, and both pass one schema, so that the same question gives
the same ``Query`` however it was sent. Nothing that was sent is silently left out of the question: an unknown
parameter is refused, because without it the answer would be to another question.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from beacon.errors import BadRequest, CannotAnswer, TooLarge, UnknownFilter
from beacon.model.access import Granularity
from beacon.model.entry_types import FIELD_NAMES, entry_type_id
from beacon.model.query import (
    AlphanumericFilter,
    Anchor,
    CustomFilter,
    Filter,
    Include,
    OntologyFilter,
    Pagination,
    Query,
)
from beacon.model.representations import names, representation
from beacon.query import documents, paging, parameters
from beacon.settings import Limits
from schemas import Problem, validator

API_VERSION = "v2.0"
"""Assumed where a request does not say which version it is written for."""
DEFAULT_GRANULARITY = Granularity.RECORD
"""Where nothing is asked, as much as the asker may see (the standard leaves it to the server)."""
DEFAULT_LIMIT = 10
_OF_RECORDS = (
    "filters", "requestParameters", "requestedGranularity", "includeResultsetResponses", "requestedSchemas"
)  # fmt: skip
"""What says which records are asked for, and how: of filtering terms it means nothing."""

_CURIE = re.compile(r"\w[^:]+:.+")
_UNDERSCORED = re.compile(r"([A-Z][A-Za-z0-9]+)_([A-Z]{0,2}[0-9][\w.\-]*)")


@dataclass(frozen=True, slots=True)
class TermsRequest:
    """A request for filtering terms; with ``limit`` 0 all of them are one page, after which there is none."""

    skip: int = 0
    limit: int = 0
    test_mode: bool = False
    purpose: frozenset[str] = frozenset()


def parse_get(entry_type: str, anchor: Anchor | None, params: Mapping[str, list[str]], limits: Limits) -> Query:
    """Read a GET request; ``params`` holds decoded values by name, each name's in the order given.

    Lists are joined by commas in one parameter (Beacon v2, GET requests), or the parameter is repeated.
    Raises ``BadRequest`` (unknown, contradictory or wrong parameter), ``CannotAnswer`` and ``TooLarge``, with
    ``where`` naming the parameter.
    """
    return _query(entry_type, anchor, documents.of_get(entry_type, params), limits, body=False)


def parse_post(
    entry_type: str, anchor: Anchor | None, body: bytes, params: Mapping[str, list[str]], limits: Limits
) -> Query:
    """Read a POST request (Beacon v2 ``beaconRequestBody``).

    Raises ``BadRequest`` (not JSON, or against the schema), ``CannotAnswer`` and ``TooLarge``, with ``where``
    a JSON pointer or the name of a parameter.
    """
    return _query(entry_type, anchor, documents.of_post(entry_type, body, params, limits), limits, body=True)


def parse_terms(body: bytes | None, params: Mapping[str, list[str]], limits: Limits) -> TermsRequest:
    """Read a request for filtering terms, which are paged and nothing else; ``body`` None means a GET.

    Raises ``BadRequest``, ``CannotAnswer`` for what would choose among them or their form, and ``TooLarge``.
    """
    document = documents.of_get("", params) if body is None else documents.of_post("", body, params, limits)
    _check(document, limits, body=body is not None)
    query = document.get("query", {})
    asked = query | {"requestedSchemas": document.get("meta", {}).get("requestedSchemas")}
    for name in _OF_RECORDS:
        if asked.get(name):
            raise CannotAnswer(
                f"Filtering terms are paged by skip and limit, and not chosen otherwise; leave out {name}.", where=name
            )
    page = query.get("pagination", {})
    if token := next((name for name in paging.TOKENS if page.get(name)), None):
        raise CannotAnswer("Filtering terms have no page tokens; ask by skip and limit.", where=token)
    limit = _limit(int(page.get("limit", 0)), limits, "all of them")
    return TermsRequest(
        int(page.get("skip", 0)), limit, query.get("testMode", False), frozenset(query.get("purpose", []))
    )


def _query(entry_type: str, anchor: Anchor | None, document: Any, limits: Limits, *, body: bool) -> Query:
    _check(document, limits, body=body)
    meta: Mapping[str, Any] = document.get("meta", {})
    query: Mapping[str, Any] = document.get("query", {})
    variant, datasets = parameters.read(query.get("requestParameters", {}))
    filters = tuple(map(_filter, query.get("filters", [])))
    page = query.get("pagination", {})
    asked = Query(
        entry_type=entry_type,
        anchor=anchor,
        filters=filters,
        variant=variant,
        datasets=datasets,
        granularity=Granularity.parse(query.get("requestedGranularity", DEFAULT_GRANULARITY.label)),
        include=Include(query.get("includeResultsetResponses", Include.HIT)),
        test_mode=query.get("testMode", False),
        purpose=frozenset(query.get("purpose", [])),
        api_version=meta.get("apiVersion", API_VERSION),
        requested_schemas=_schemas(entry_type, meta.get("requestedSchemas", [])),
        echoed_parameters=parameters.echo(variant, datasets),
        echoed_filters=tuple(map(_echo, filters)),
    )
    return replace(asked, pagination=_pagination(paging.page_of(asked, page), page, limits))


def _check(document: Any, limits: Limits, *, body: bool) -> None:
    _check_amount(document, limits)
    schema = validator("beacon_request")
    if not schema.is_valid(document):
        _refuse(schema.errors(document, limit=1)[0], body)
    documents.check_members(document)


def _check_amount(document: Any, limits: Limits) -> None:
    """Refuse too many filters before anything is done with each of them."""
    query = document.get("query") if isinstance(document, dict) else None
    filters = query.get("filters") if isinstance(query, dict) else None
    if isinstance(filters, list) and len(filters) > limits.max_filters:
        raise TooLarge(f"There are {len(filters)} filters; {limits.max_filters} is the most here.", where="filters")


def _refuse(problem: Problem, body: bool) -> NoReturn:
    """Turn a breach of the schema into the error; a GET's parameter is named as it was sent."""
    if body:
        place = f"At {problem.pointer}" if problem.pointer else "In the whole body"
        raise BadRequest(f"{place}: {problem.message}", where=problem.pointer or None)
    steps = [step for step in problem.pointer.split("/") if step in documents.GET or step == "requestedSchemas"]
    name = steps[-1] if steps else problem.pointer
    raise BadRequest(f"In the parameter {name}: {problem.message}", where=name)


def _schemas(entry_type: str, asked: list[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the schemas asked for. Those of other entry types than the one that is returned do not matter."""
    wanted = tuple((item.get("entityType", entry_type), item.get("schema", "")) for item in asked)
    if representation(entry_type, wanted) is None:
        unknown = next(schema for kind, schema in wanted if entry_type_id(kind) == entry_type and schema)
        raise CannotAnswer(
            f"The schema {unknown!r} is not one that records of the entry type {entry_type} can be had in; "
            f"there are {', '.join(names(entry_type))}.",
            where="requestedSchemas",
        )
    return wanted


def _pagination(named: Pagination | None, given: Mapping[str, Any], limits: Limits) -> Pagination:
    """Return the page asked for, by token or by numbers."""
    most = limits.max_page_size
    page = named or Pagination(int(given.get("skip", 0)), int(given.get("limit", min(DEFAULT_LIMIT, most))))
    return replace(page, limit=_limit(page.limit, limits, "that many") or most)


def _limit(asked: int, limits: Limits, zero: str) -> int:
    """Refuse a page above the most that there is; ``zero`` says what a limit of 0 asks for."""
    if asked > limits.max_page_size:
        raise BadRequest(
            f"The limit {asked} is above {limits.max_page_size}, the most on a page here; 0 asks for {zero}.",
            where="limit",
        )
    return asked


def _filter(given: Mapping[str, Any]) -> Filter:
    """Decide a filter's kind: a comparison where it compares, else a term where its id is a CURIE, else custom."""
    id = _UNDERSCORED.sub(r"\1:\2", written) if _UNDERSCORED.fullmatch(written := given["id"].strip()) else written
    scope = _scope(id, given.get("scope"))
    similarity, excluded = given.get("similarity", "exact"), given.get("excluded", False)
    if "operator" in given or "value" in given:
        if excluded or similarity != "exact":
            word = "excluded" if excluded else "similarity"
            raise UnknownFilter(f"The filter {id!r} compares a field; {word} is for terms.", where=id)
        return AlphanumericFilter(id, given.get("operator", "="), _value(id, given["value"]), scope)
    custom = id.partition(":")[0] in FIELD_NAMES
    if _CURIE.fullmatch(id) and not custom:
        return OntologyFilter(id, given.get("includeDescendantTerms", True), similarity, excluded, scope)
    if excluded or similarity != "exact":
        raise UnknownFilter(f"The filter {id!r} is no ontology term, so leave out excluded and similarity.", where=id)
    return CustomFilter(id, scope)


def _scope(id: str, given: Any) -> str | None:
    names = [given] if isinstance(given, str) else given or []
    found = {name: entry_type_id(name) for name in names}
    for name, known in found.items():
        if known is None:
            raise BadRequest(f"The filter {id!r} has the scope {name!r}, which is no entry type.", where="scope")
    kinds = set(found.values())
    if len(kinds) > 1:
        raise CannotAnswer(f"The filter {id!r} has {len(kinds)} scopes; give one, or none.", where="scope")
    return kinds.pop() if kinds else None


def _value(id: str, value: str | int | float) -> str:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BadRequest(f"The filter {id!r} has a value that is no number.", where=id)
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return str(value).strip()


def _echo(item: Filter) -> str:
    """Write a filter as the summary shows it; what departs from the default is said behind it."""
    scope = f" in {item.scope}" if item.scope else ""
    match item:
        case AlphanumericFilter():
            return f"{item.id}:{item.operator}{item.value}{scope}"
        case OntologyFilter():
            exact = "" if item.descendants else " without descendants"
            similar = "" if item.similarity == "exact" else f" with {item.similarity} similarity"
            return f"{item.id}{' excluded' if item.excluded else ''}{exact}{similar}{scope}"
        case CustomFilter():
            return f"{item.id}{scope}"
