"""The OpenAPI 3.1 document of this Beacon, made from the tables of entry types and endpoints.

It stands by itself: every schema that it refers to is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from beacon import API_VERSION, __version__
from beacon.http.endpoints import Endpoint, endpoints
from beacon.http.openapi_parts import SOME_TEXT, STATUSES, Json, components, get_parameters, reference
from beacon.model.entry_types import ENTRY_TYPES, EntryType
from beacon.settings import SiteSettings

_ABOUT = (400, 401, 408, 413, 414, 417, 429, 503, 504)
"""What can go wrong with a document about the beacon itself."""

_EXAMPLES: Mapping[str, Json] = {
    "Request": {
        "meta": {"apiVersion": API_VERSION},
        "query": {
            "testMode": True, "requestedGranularity": "record", "filters": [{"id": "HP:0001166"}],
            "pagination": {"skip": 0, "limit": 10},
        },
    },
    "TermsRequest": {
        "meta": {"apiVersion": API_VERSION}, "query": {"testMode": True, "pagination": {"skip": 0, "limit": 10}}
    },
}  # fmt: skip


def document(settings: SiteSettings, base: str) -> Json:
    """Return the whole document; ``base`` is the absolute address of the Beacon's root, without a slash at its end."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": settings.name,
            "summary": "A GA4GH Beacon v2",
            "description": settings.description
            or "Answers questions about people, samples and variants as deeply as whoever asks may see. "
            "With testMode every question is answered from three people who never lived.",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": base}],
        "security": [{}, {"bearer": []}],
        "tags": [
            {"name": "About", "description": "What this Beacon is, and what can be asked."},
            *({"name": row.label, "description": row.description} for row in ENTRY_TYPES.values()),
        ],
        "paths": dict(_paths()),
        "components": components(),
    }


def _paths() -> Iterator[tuple[str, Json]]:
    for path, name, title, result in (
        ("/", "info_root", "About this Beacon", "Info"),
        ("/info", "info", "About this Beacon", "Info"),
        ("/service-info", "service_info", "About this Beacon, as GA4GH service-info", "ServiceInfo"),
        ("/configuration", "configuration", "Entry types, maturity and security levels", "Configuration"),
        ("/entry_types", "entry_types", "Entry types and their schemas", "EntryTypes"),
        ("/map", "map", "Every address of this Beacon", "Map"),
    ):
        chosen = [_parameter("requestedSchema")] if result == "Info" else []
        yield path, {"get": _operation(f"get_{name}", title, "About", result, _ABOUT, parameters=chosen)}
    for one in endpoints():
        yield one.path, dict(_terms(one) if one.terms else _entries(one))


def _terms(one: Endpoint) -> Iterator[tuple[str, Json]]:
    row = ENTRY_TYPES.get(one.anchor_type or one.entry_type or "")
    what = "all entry types" if row is None else _one(row) if one.anchor_type else _many(row)
    for method in ("get", "post"):
        asked: Json = {"parameters": _parameters("skip", "limit", "testMode", "purpose")}
        if method == "post":
            asked = {"body": "TermsRequest"}
        yield method, _operation(
            f"{method}_{_slug(one.path)}", f"Filtering terms of {what}", row.label if row else "About",
            "FilteringTerms", tuple(STATUSES), path_id=one.anchor_type, **asked,
        )  # fmt: skip


def _entries(one: Endpoint) -> Iterator[tuple[str, Json]]:
    row = ENTRY_TYPES[str(one.entry_type)]
    anchor = ENTRY_TYPES.get(one.anchor_type or "")
    title = _many(row).capitalize() if anchor is None else _one(row).capitalize() if one.single else ""
    title = title or f"The {_many(row)} of {_one(anchor or row)}"
    tag = anchor.label if anchor else row.label
    for method in ("get", "post"):
        asked: Json = {"parameters": _parameters(*get_parameters())}
        if method == "post":
            asked = {"body": "Request"}
        yield method, _operation(
            f"{method}_{_slug(one.path)}", title, tag, f"{row.id}Answer", tuple(STATUSES),
            path_id=one.anchor_type, **asked,
        )  # fmt: skip


def _one(row: EntryType) -> str:
    return f"one {row.label.lower()}"


def _many(row: EntryType) -> str:
    label = row.label.lower()
    return f"{label[:-2]}es" if label.endswith("is") else f"{label}s"


def _slug(path: str) -> str:
    return path.strip("/").replace("{id}", "id").replace("/", "_")


def _operation(
    name: str, title: str, tag: str, result: str, statuses: tuple[int, ...], *,
    parameters: list[Json] | None = None, body: str | None = None, path_id: str | None = None,
) -> Json:  # fmt: skip
    made: Json = {"operationId": name, "summary": title, "tags": [tag]}
    listed = list(parameters or ())
    if path_id is not None:
        row = ENTRY_TYPES[path_id]
        known = f"The {row.parameter} of one {row.label.lower()}."
        listed.insert(0, {"name": "id", "in": "path", "required": True, "description": known, "schema": SOME_TEXT})
    if listed:
        made["parameters"] = listed
    if body is not None:
        content = {"schema": reference(body), "examples": {"test": {"value": _EXAMPLES[body]}}}
        made["requestBody"] = {"required": True, "content": {"application/json": content}}
    made["responses"] = {
        "200": {"description": "The answer.", "content": {"application/json": {"schema": reference(result)}}},
        **{str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses},
    }
    return made


def _parameter(name: str) -> Json:
    return {"$ref": f"#/components/parameters/{name}"}


def _parameters(*chosen: str) -> list[Json]:
    return [_parameter(name) for name in chosen]
