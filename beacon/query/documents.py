"""From a request to one document: GET parameters and POST bodies in all their spellings become the same shape.

The shape is that of a POST body (Beacon v2 ``beaconRequestBody``), spelt as the standard's schemas spell it. What
cannot be read so is left as it came, for the schema to refuse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import orjson

from beacon.errors import BadRequest, TooLarge
from beacon.model.entry_types import FIELD_NAMES
from beacon.model.keys import repeated_key
from beacon.query import parameters
from beacon.query.paging import TOKENS
from beacon.settings import Limits

_PAGING = ("skip", "limit")
_QUERY = ("requestedGranularity", "includeResultsetResponses")
_TRUTHS = ("includeDescendantTerms", "excluded")
_OF_FILTERS = (*_TRUTHS, "similarity", "scope")
GET = (
    "apiVersion", "requestedSchema", *_QUERY, *_PAGING, *TOKENS, "testMode", "filters", *_OF_FILTERS, "purpose",
    *parameters.SCOPING, *parameters.GENOMIC,
)  # fmt: skip
"""Every GET parameter that means something."""
SPELLINGS = parameters.SPELLINGS | {"requestedSchemas": "requestedSchema", "scopes": "scope"}
"""Other names of GET parameters that clients use."""
LISTS = ("filters", "purpose", "requestedSchema", "start", "end", *parameters.SCOPING)
"""GET parameters with several values, joined by commas or given several times (``start=1&start=2``)."""

MEMBERS: Mapping[str, tuple[str, ...]] = {
    "": ("$schema", "meta", "query"),
    "/query": (*_QUERY, "pagination", "testMode", "filters", "purpose", "requestParameters"),
    "/query/pagination": (*_PAGING, *TOKENS),
    "/query/filters": (
        "id", "includeDescendantTerms", "similarity", "excluded", "operator", "value", "scope", "label"
    ),
}  # fmt: skip
"""The members of a body that are part of the question. Others are refused: left out, they might widen it."""

_STEPS: Final = np.array([{"[": 1, "{": 1, "]": -1, "}": -1}.get(chr(byte), 0) for byte in range(256)], np.int8)

_OPERATORS = "<>=!"
_FILTER = re.compile(r"(?:\A|,)((?:\\.|[^,])*)", re.DOTALL)
_COMPARISON = re.compile(r"(?P<id>(?:\\.|[^<>=!\\])+?):?(?P<operator>>=|<=|[<>=!])(?P<value>.*)", re.DOTALL)
_ESCAPED = re.compile(r"\\([,<>=!\\])")
"""A backslash before what ends a filter or begins a comparison makes it a part of the id or value."""


def of_get(entry_type: str, params: Mapping[str, list[str]]) -> dict[str, Any]:
    """Make the document of a GET request; ``params`` holds decoded values by name, each name's in the order given.

    A GET has ids and comparisons alone as filters; how terms are to be taken, and where, is said for all of them.
    Raises ``BadRequest`` for a parameter that is unknown, or given twice with different values.
    """
    given: dict[str, list[str]] = {}
    for sent, values in params.items():
        name = sent.removesuffix("[]")
        name = SPELLINGS.get(name, name)
        if name not in GET:
            raise BadRequest(
                f"The parameter {sent!r} is not known here; the known ones are {', '.join(GET)}.", where=sent
            )
        known = given.setdefault(name, [])
        known += values if name in LISTS else [value for value in dict.fromkeys(values) if value not in known]
        if len(known) > 1 and name not in LISTS:
            raise BadRequest(f"The parameter {name} is given twice, with different values; give it once.", where=name)
    document: dict[str, Any] = {"meta": {}, "query": {"pagination": {}, "requestParameters": {}}}
    meta, query = document["meta"], document["query"]
    of_filters: dict[str, Any] = {}
    for name, values in given.items():
        value = ",".join(values)
        if name == "apiVersion":
            meta[name] = value
        elif name == "requestedSchema":
            meta["requestedSchemas"] = [{"entityType": entry_type, "schema": text} for text in _split(value)]
        elif name in _PAGING:
            query["pagination"][name] = int(value) if parameters.is_whole(value) else value
        elif name in TOKENS:
            query["pagination"][name] = value
        elif name == "testMode":
            query[name] = _truth(value)
        elif name in _OF_FILTERS:
            of_filters[name] = _truth(value) if name in _TRUTHS else value
        elif name == "filters":
            query[name] = [_filter(text) for one in values for text in _texts(one)]
        elif name == "purpose":
            query[name] = _split(value)
        elif name in _QUERY:
            query[name] = value
        else:
            query["requestParameters"][name] = value
    if of_filters and not query.get("filters"):
        name = next(iter(of_filters))
        raise BadRequest(f"The parameter {name} says how filters are meant, and there are none.", where=name)
    query["filters"] = [one | of_filters for one in query.get("filters", [])]
    return _tidy(entry_type, document)


def _truth(text: str) -> Any:
    return {"true": True, "false": False}.get(text.lower(), text)


def of_post(entry_type: str, body: bytes, params: Mapping[str, list[str]], limits: Limits) -> Any:
    """Make the document of a POST request. Raises ``BadRequest`` (not JSON, too deep) and ``TooLarge``."""
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
    if depth(body) > limits.max_depth:
        raise BadRequest(f"The body has objects or lists more than {limits.max_depth} deep; no request needs that.")
    if (key := repeated_key(body, (orjson.dumps(document),))) is not None:
        raise BadRequest(f"An object of the body has {key!r} twice; which of them is meant cannot be told.", where=key)
    return _tidy(entry_type, document) if isinstance(document, dict) else document


def check_members(document: Mapping[str, Any]) -> None:
    """Refuse members that are not part of any question. ``document`` has passed the schema."""
    query = document.get("query", {})
    places: list[tuple[str, str, Mapping[str, Any]]] = [
        ("", "", document), ("/query", "/query", query),
        ("/query/pagination", "/query/pagination", query.get("pagination", {})),
    ]  # fmt: skip
    places += [("/query/filters", f"/query/filters/{at}", item) for at, item in enumerate(query.get("filters", []))]
    for place, pointer, members in places:
        for name in members:
            if name not in MEMBERS[place]:
                raise BadRequest(
                    f"At {pointer}/{name}: {name!r} is not known here; known are {', '.join(MEMBERS[place])}.",
                    where=f"{pointer}/{name}",
                )


def depth(text: bytes) -> int:
    """Return how many objects and lists lie within each other in valid JSON, by one look at each of its bytes."""
    # Without escaped quotes every other quote ends a string; a backslash before a quote may itself be escaped.
    plain = np.frombuffer(text.replace(rb"\\", b"").replace(rb"\"", b""), np.uint8)
    outside = np.cumsum(plain == ord('"')) % 2 == 0
    return int(np.cumsum(_STEPS[plain] * outside).max(initial=0))


_CAMEL_CASE: Final = {
    "api_version": "apiVersion",
    "requested_schemas": "requestedSchemas",
    "requested_granularity": "requestedGranularity",
    "include_resultset_responses": "includeResultsetResponses",
    "request_parameters": "requestParameters",
    "test_mode": "testMode",
}
"""Members as some clients in Python write them, ai4gh 1.0 among them."""


def _in_camel_case(members: dict[str, Any]) -> dict[str, Any]:
    """Respell members; one that is there in both spellings stays as it is, and is refused as one that is not known."""
    spelled = {name: _CAMEL_CASE.get(name, name) for name in members}
    return {name if to != name and to in members else to: members[name] for name, to in spelled.items()}


def _tidy(entry_type: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out members that are null (the standard: null is not specified) and respell the others."""
    tidy = _told(document)
    for part in ("meta", "query"):
        if isinstance(tidy.get(part), dict):
            tidy[part] = _in_camel_case(_told(tidy[part]))
    meta, query = tidy.get("meta"), tidy.get("query")
    if isinstance(meta, dict):
        _tidy_schemas(entry_type, meta)
    if isinstance(query, dict):
        if isinstance(query.get("requestParameters"), dict):
            query["requestParameters"] = parameters.respell(query["requestParameters"])
        if isinstance(query.get("pagination"), dict):
            query["pagination"] = _told(query["pagination"])
        if isinstance(query.get("filters"), list):
            query["filters"] = [_tidy_filter(item) for item in query["filters"]]
    return tidy


def _told(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _tidy_schemas(entry_type: str, meta: dict[str, Any]) -> None:
    """``requestedSchema`` is its name in GET; one schema may stand without a list, and by its name alone."""
    if "requestedSchema" in meta and "requestedSchemas" not in meta:
        meta["requestedSchemas"] = meta.pop("requestedSchema")
    asked = meta.get("requestedSchemas")
    if isinstance(asked, str | dict):
        asked = [asked]
    if isinstance(asked, list):
        meta["requestedSchemas"] = [
            {"entityType": entry_type, "schema": one} if isinstance(one, str) else one for one in asked
        ]


def _tidy_filter(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    tidy = _told(item)
    if "scopes" in tidy and "scope" not in tidy:
        tidy["scope"] = tidy.pop("scopes")
    return tidy


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _texts(filters: str) -> list[str]:
    """Take filters apart. Raises ``BadRequest`` for an empty one, which as no filter would let everybody through."""
    texts = [text.strip() for text in _FILTER.findall(filters)]
    if not all(texts):
        raise BadRequest("A filter is empty; name a term or a field, or leave the parameter out.", where="filters")
    return texts


def _filter(text: str) -> dict[str, str]:
    """Read one GET filter: ``HP:0001250``, a comparison such as ``ageAtLastEncounter:>=P18Y``, or a field's value."""
    field, _, value = text.partition(":")
    custom = field in FIELD_NAMES and value and value[0] not in _OPERATORS
    match = None if custom else _COMPARISON.fullmatch(text)
    given = match.groupdict() if match else {"id": text}
    return {name: _ESCAPED.sub(r"\1", part) for name, part in given.items()}
