"""How a question is worded for a member: the standard's paths and POST bodies."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import orjson

from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.query import AlphanumericFilter, Filter, Include, OntologyFilter, Query, VariantQuery


def request_path(query: Query) -> str:
    """Return the Beacon path of a query: ``/individuals``, ``/individuals/{id}``, ``/individuals/{id}/biosamples``."""
    if query.anchor is None:
        return f"/{ENTRY_TYPES[query.entry_type].path}"
    path = f"/{ENTRY_TYPES[query.anchor.entry_type].path}/{quote(query.anchor.id, safe='')}"
    return path if query.anchor.entry_type == query.entry_type else f"{path}/{ENTRY_TYPES[query.entry_type].path}"


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
