"""How a question is worded for a member: the standard's paths and POST bodies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.query import AlphanumericFilter, Filter, Include, OntologyFilter, Query, VariantQuery
from network.outcomes import Reader


@dataclass(frozen=True, slots=True)
class Question:
    """One HTTP request to a member and how its answer is read.

    ``path`` is percent-encoded and begins with a slash, below the root of the member's API. A ``body`` makes
    it a POST. ``single``: it is about one record or what belongs to it. ``query`` is what it asks, where it may have
    to be put in other words; ``refuses``: see ``classify``.
    """

    path: str
    read: Reader
    body: bytes | None = None
    single: bool = False
    query: Query | None = None
    refuses: bool = False


@dataclass(frozen=True, slots=True)
class Style:
    """How a beacon takes questions: by POST or by GET, genomic parameters within ``g_variant`` or beside it."""

    post: bool = True
    nested: bool = True


PLAIN: Final = Style()


def worded(query: Query, style: Style, paths: Mapping[str, str] | None = None) -> tuple[str, bytes | None]:
    """Return the path (percent-encoded, with its parameters) and the body, None for a GET, that ask ``query``.

    ``paths`` are those of entry types, where they are other ones than the standard's.
    """
    path = request_path(query, paths)
    body = request_body(query)
    parameters = body["query"]["requestParameters"]
    if not style.nested:
        parameters |= parameters.pop("g_variant", {})
    if style.post:
        return path, orjson.dumps(body)
    given = {
        "requestedGranularity": query.granularity.label,
        "includeResultsetResponses": Include.ALL.value,
        "skip": query.pagination.skip,
        "limit": query.pagination.limit,
        **({"filters": ",".join(one.id for one in query.filters)} if query.filters else {}),
        **{name: value for name, value in parameters.items() if name != "datasets"},
    }
    if query.datasets:
        given["datasets"] = ",".join(query.datasets)
    listed = {name: value if isinstance(value, list) else [value] for name, value in given.items()}
    return f"{path}?{urlencode({name: ','.join(map(str, value)) for name, value in listed.items()})}", None


def request_path(query: Query, paths: Mapping[str, str] | None = None) -> str:
    """Return the Beacon path of a query: ``/individuals``, ``/individuals/{id}``, ``/individuals/{id}/biosamples``.

    ``paths`` are those of entry types, where they are other ones than the standard's.
    """
    if query.anchor is None:
        return _root(query.entry_type, paths)
    path = f"{_root(query.anchor.entry_type, paths)}/{quote(query.anchor.id, safe='')}"
    return path if query.anchor.entry_type == query.entry_type else f"{path}/{ENTRY_TYPES[query.entry_type].path}"


def _root(entry_type: str, paths: Mapping[str, str] | None) -> str:
    return (paths or {}).get(entry_type) or f"/{ENTRY_TYPES[entry_type].path}"


def request_body(query: Query) -> dict[str, Any]:
    """Return the Beacon v2 POST body that asks ``query``.

    All result sets are asked for, whatever the asker wants to see of them: one that withholds says so only
    where it is listed.
    """
    parameters: dict[str, Any] = {}
    if query.variant is not None:
        parameters["g_variant"] = _variant_parameters(query.variant)
    if query.datasets is not None:
        parameters["datasets"] = {"datasetIds": list(query.datasets)}
    schemas = [{"entityType": entity, "schema": schema} for entity, schema in query.requested_schemas]
    return {
        "meta": {"apiVersion": query.api_version, "requestedSchemas": schemas},
        "query": {
            "requestedGranularity": query.granularity.label,
            "includeResultsetResponses": Include.ALL.value,
            "pagination": {"skip": query.pagination.skip, "limit": query.pagination.limit},
            "testMode": query.test_mode,
            **({"purpose": sorted(query.purpose)} if query.purpose else {}),
            "filters": [_filter(one) for one in query.filters],
            "requestParameters": parameters,
        },
    }


def encode(query: Query) -> bytes:
    """Return ``request_body`` as it goes over the wire."""
    return orjson.dumps(request_body(query))


_VARIANT_PARAMETERS: Final = {
    "assemblyId": "assembly",
    "referenceName": "chrom",
    "referenceBases": "reference_bases",
    "alternateBases": "alternate_bases",
    "variantType": "variant_type",
    "variantMinLength": "min_length",
    "variantMaxLength": "max_length",
    "geneId": "gene",
    "aminoacidChange": "aminoacid_change",
    "genomicAlleleShortForm": "short_form",
    "mateName": "mate",
}


def _variant_parameters(variant: VariantQuery) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        name: value
        for name, attribute in _VARIANT_PARAMETERS.items()
        if (value := getattr(variant, attribute)) is not None
    }
    if variant.start:
        parameters["start"] = list(variant.start)
    if variant.end:
        parameters["end"] = list(variant.end)
    return parameters


def _filter(one: Filter) -> dict[str, Any]:
    body: dict[str, Any] = {"id": one.id}
    match one:
        case OntologyFilter():
            body |= {"includeDescendantTerms": one.descendants, "similarity": one.similarity}
            if one.excluded:
                body["excluded"] = True
        case AlphanumericFilter():
            body |= {"operator": one.operator, "value": one.value}
    if one.scope is not None:
        body["scope"] = one.scope
    return body
