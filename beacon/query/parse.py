"""From a request to a ``Query``: GET parameters and POST bodies become the same document, then the same value.

A GET is first brought into the shape of a POST body, and both pass one schema, so that the same question gives
the same ``Query`` however it was sent. Nothing that was sent is silently left out of the question: an unknown
parameter is refused, because without it the answer would be to another question.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import orjson

from beacon.errors import BadRequest, CannotAnswer, TooLarge, UnknownFilter
from beacon.model.access import Granularity
from beacon.model.entry_types import entry_type_id
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
from beacon.query import parameters
from beacon.settings import Limits
from schemas import Problem, validator

API_VERSION = "v2.0"
"""Assumed where a request does not say which version it is written for."""
DEFAULT_GRANULARITY = Granularity.RECORD
"""Where nothing is asked, as much as the asker may see (the standard leaves it to the server)."""
DEFAULT_LIMIT = 10
MAX_DEPTH = 32
"""Objects and lists within each other; the deepest meaningful request has 6."""

_SPELLINGS = parameters.SPELLINGS | {"requestedSchemas": "requestedSchema"}
_QUERY = ("requestedGranularity", "includeResultsetResponses")
_PAGING = ("skip", "limit")
_TOKENS = ("currentPage", "nextPage", "previousPage")
_GET = (
    "apiVersion", "requestedSchema", *_QUERY, *_PAGING, *_TOKENS, "testMode", "filters", *parameters.SCOPING,
    *parameters.GENOMIC,
)  # fmt: skip
"""Every GET parameter that means something."""

_MEMBERS = {
    "": ("$schema", "meta", "query"),
    "/query": (*_QUERY, "pagination", "testMode", "filters", "requestParameters"),
    "/query/pagination": (*_PAGING, *_TOKENS),
    "/query/filters": (
        "id", "includeDescendantTerms", "similarity", "excluded", "operator", "value", "scope", "label"
    ),
}  # fmt: skip
"""The members of a body that are part of the question. Others are refused: left out, they might widen it."""

_COMPARISON = re.compile(r"(?P<id>[^<>=!]+?):?(?P<operator>>=|<=|[<>=!])(?P<value>.*)", re.DOTALL)
_CURIE = re.compile(r"\w[^:]+:.+")
_UNDERSCORED = re.compile(r"([A-Z][A-Za-z]+)_([0-9]+)")


def parse_get(entry_type: str, anchor: Anchor | None, params: Mapping[str, list[str]], limits: Limits) -> Query:
    """Read a GET request; ``params`` holds decoded values by name, each name's in the order given.

    Lists are joined by commas in one parameter (Beacon v2, GET requests); ``filters`` may be repeated too.
    Raises ``BadRequest`` (unknown, repeated or wrong parameter), ``CannotAnswer`` and ``TooLarge``, with
    ``where`` naming the parameter.
    """
    given: dict[str, str] = {}
    for name, values in params.items():
        known = _SPELLINGS.get(name, name)
        if known not in _GET:
            raise BadRequest(
                f"The parameter {name!r} is not known here; the known ones are {', '.join(_GET)}.", where=name
            )
        if known in given or (len(values) > 1 and known != "filters"):
            raise BadRequest(f"The parameter {known} is given more than once; join its values by commas.", where=known)
        given[known] = ",".join(values)
    document: dict[str, Any] = {"meta": {}, "query": {"pagination": {}, "requestParameters": {}}}
    meta, query = document["meta"], document["query"]
    for name, value in given.items():
        if name == "apiVersion":
            meta[name] = value
        elif name == "requestedSchema":
            meta["requestedSchemas"] = [{"entityType": entry_type, "schema": text} for text in _split(value)]
        elif name in _PAGING:
            query["pagination"][name] = int(value) if parameters.is_whole(value) else value
        elif name in _TOKENS:
            query["pagination"][name] = value
        elif name == "testMode":
            query[name] = {"true": True, "false": False}.get(value.lower(), value)
        elif name == "filters":
            query[name] = [_get_filter(text) for text in _split(value)]
        elif name in _QUERY:
            query[name] = value
        else:
            query["requestParameters"][name] = value
    return _query(entry_type, anchor, document, limits, body=False)


def parse_post(
    entry_type: str, anchor: Anchor | None, body: bytes, params: Mapping[str, list[str]], limits: Limits
) -> Query:
    """Read a POST request (Beacon v2 ``beaconRequestBody``).

    Raises ``BadRequest`` (not JSON, or against the schema), ``CannotAnswer`` and ``TooLarge``, with ``where``
    a JSON pointer or the name of a parameter.
    """
    if params:
        name = next(iter(params))
        raise BadRequest(f"The parameter {name!r} is in the address of a POST; put it into the body.", where=name)
    if len(body) > limits.max_body_bytes:
        raise TooLarge(f"The body is above {limits.max_body_bytes} bytes, the most that is read here.")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not body.strip():
            raise BadRequest('The body is empty; the smallest request is {"meta": {"apiVersion": "v2.0"}}.') from None
        raise BadRequest(f"The body is not JSON: {error}.", where=f"line {error.lineno} column {error.colno}") from None
    _check_depth(document)
    return _query(entry_type, anchor, document, limits, body=True)


def _check_depth(document: Any) -> None:
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise BadRequest(f"The body has objects or lists more than {MAX_DEPTH} deep; no request needs that.")


def _query(entry_type: str, anchor: Anchor | None, document: Any, limits: Limits, *, body: bool) -> Query:
    document = _tidy(document)
    _check_amount(document, limits)
    schema = validator("beacon_request")
    if not schema.is_valid(document):
        _refuse(schema.errors(document, limit=1)[0], body)
    _check_members(document)
    meta: Mapping[str, Any] = document.get("meta", {})
    query: Mapping[str, Any] = document.get("query", {})
    if query.get("testMode", False):
        raise CannotAnswer("testMode is not answered here yet; ask without it.", where="testMode")
    variant, datasets = parameters.read(query.get("requestParameters", {}))
    filters = tuple(map(_filter, query.get("filters", [])))
    return Query(
        entry_type=entry_type,
        anchor=anchor,
        filters=filters,
        variant=variant,
        datasets=datasets,
        granularity=Granularity.parse(query.get("requestedGranularity", DEFAULT_GRANULARITY.label)),
        include=Include(query.get("includeResultsetResponses", Include.HIT)),
        pagination=_pagination(query.get("pagination", {}), limits),
        api_version=meta.get("apiVersion", API_VERSION),
        requested_schemas=tuple(
            (item.get("entityType", entry_type), item.get("schema", "")) for item in meta.get("requestedSchemas", [])
        ),
        echoed_parameters=parameters.echo(variant, datasets),
        echoed_filters=tuple(map(_echo, filters)),
    )


def _check_amount(document: Any, limits: Limits) -> None:
    """Refuse too many filters before anything is done with each of them."""
    query = document.get("query") if isinstance(document, dict) else None
    filters = query.get("filters") if isinstance(query, dict) else None
    if isinstance(filters, list) and len(filters) > limits.max_filters:
        raise TooLarge(f"{len(filters)} filters are given; {limits.max_filters} is the most here.", where="filters")


def _check_members(document: Mapping[str, Any]) -> None:
    query = document.get("query", {})
    places: list[tuple[str, str, Mapping[str, Any]]] = [
        ("", "", document), ("/query", "/query", query),
        ("/query/pagination", "/query/pagination", query.get("pagination", {})),
    ]  # fmt: skip
    places += [("/query/filters", f"/query/filters/{at}", item) for at, item in enumerate(query.get("filters", []))]
    for place, pointer, members in places:
        for name in members:
            if name not in _MEMBERS[place]:
                raise BadRequest(
                    f"{pointer}/{name}: {name!r} is not known here; known are {', '.join(_MEMBERS[place])}.",
                    where=f"{pointer}/{name}",
                )


def _tidy(document: Any) -> Any:
    """Leave out members that are null (the standard: null is not specified) and respell the parameters."""
    if not isinstance(document, dict):
        return document
    tidy = {name: value for name, value in document.items() if value is not None}
    for part in ("meta", "query"):
        if isinstance(tidy.get(part), dict):
            tidy[part] = {name: value for name, value in tidy[part].items() if value is not None}
    query = tidy.get("query")
    if isinstance(query, dict) and isinstance(query.get("requestParameters"), dict):
        query["requestParameters"] = parameters.respell(query["requestParameters"])
    return tidy


def _refuse(problem: Problem, body: bool) -> NoReturn:
    """Turn a breach of the schema into the error; a GET's parameter is named as it was sent."""
    if body:
        place = problem.pointer or "the whole body"
        raise BadRequest(f"{place}: {problem.message}", where=problem.pointer or None)
    names = [step for step in problem.pointer.split("/") if step in _GET or step == "requestedSchemas"]
    name = names[-1] if names else problem.pointer
    raise BadRequest(f"The parameter {name}: {problem.message}", where=name)


def _pagination(given: Mapping[str, Any], limits: Limits) -> Pagination:
    for token in _TOKENS:
        if given.get(token):
            raise CannotAnswer("Pages have no tokens here; ask for one by skip (pages) and limit.", where=token)
    limit = int(given.get("limit", min(DEFAULT_LIMIT, limits.max_page_size)))
    if limit > limits.max_page_size:
        raise BadRequest(
            f"limit {limit} is above {limits.max_page_size}, the most records on a page here; 0 asks for that many.",
            where="limit",
        )
    return Pagination(skip=int(given.get("skip", 0)), limit=limit or limits.max_page_size)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _get_filter(text: str) -> dict[str, str]:
    """Read one GET filter: ``HP:0001250``, or a comparison such as ``ageAtLastEncounter:>=P18Y``."""
    match = _COMPARISON.fullmatch(text)
    return match.groupdict() if match else {"id": text}


def _filter(given: Mapping[str, Any]) -> Filter:
    """Decide a filter's kind: a comparison where it compares, else a term where its id is a CURIE, else custom."""
    id = _UNDERSCORED.sub(r"\1:\2", given["id"]) if _UNDERSCORED.fullmatch(given["id"]) else given["id"]
    scope = _scope(id, given.get("scope"))
    similarity, excluded = given.get("similarity", "exact"), given.get("excluded", False)
    if "operator" in given or "value" in given:
        if excluded or similarity != "exact":
            word = "excluded" if excluded else "similarity"
            raise UnknownFilter(f"The filter {id!r} compares a field; {word} is for terms.", where=id)
        return AlphanumericFilter(id, given.get("operator", "="), _value(id, given["value"]), scope)
    if _CURIE.fullmatch(id):
        return OntologyFilter(id, given.get("includeDescendantTerms", True), similarity, excluded, scope)
    if excluded or similarity != "exact":
        raise UnknownFilter(f"The filter {id!r} is not an ontology term, so it is asked as it is.", where=id)
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
    return str(value)


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
