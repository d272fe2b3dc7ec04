"""What two public validators check, written anew from what they are known to do, so that a site can be held to it.

``neat`` follows elixir-europe/neat-beacon-v2-validator 0.0.8, which admits nodes into the ELIXIR network: the
metadata documents by GET, then every address of the map by POST in test mode, at record granularity, one record.
``ega`` follows EGA-archive/beacon-verifier-v2 of March 2025: GET only, templates filled by fixed names. Both fill
the templates of addresses from records that they were given before.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.contract import official

Ask = Callable[[str, str, Any], Awaitable[tuple[int, Any]]]
"""(method, absolute address, body) to (status, decoded JSON)."""

METADATA = {
    "/info": "info", "/service-info": "service_info", "/configuration": "configuration", "/map": "map",
    "/entry_types": "entry_types", "/filtering_terms": "filtering_terms",
}  # fmt: skip
NEAT_BODY = {
    "meta": {"apiVersion": "v2.0"},
    "query": {"testMode": True, "requestedGranularity": "record", "pagination": {"skip": 0, "limit": 1}},
}
_VARIABLE = re.compile(r"\{(\w+)\}")
_SUFFIXES = {
    "analyses": "analysis", "biosamples": "biosample", "cohorts": "cohort", "datasets": "dataset",
    "g_variants": "genomicVariant", "individuals": "individual", "runs": "run",
}  # fmt: skip


async def neat(ask: Ask, base: str) -> list[str]:
    """Return the faults that the ELIXIR validator would find in a Beacon at ``base``."""
    faults: list[str] = []
    documents: dict[str, Any] = {}
    for path, kind in METADATA.items():
        status, documents[kind] = await ask("GET", base + path, None)
        faults += [f"{path}: {fault}" for fault in official.check(kind, documents[kind])]
        if status >= 300:
            faults.append(f"{path}: {status}")
    entry_types = documents["entry_types"]["response"]["entryTypes"]
    for endpoints in documents["map"]["response"]["endpointSets"].values():
        kind = endpoints["entryType"]
        if kind not in entry_types:
            faults.append(f"{kind} is in the map and not among the entry types")
        roots, found = await _neat_asks(ask, endpoints["rootUrl"], kind)
        faults += found
        if not roots:
            faults.append(f"{endpoints['rootUrl']}: no results")
        addresses = [(endpoints["singleEntryUrl"], kind)]
        addresses += [(one["url"], one["returnedEntryType"]) for one in endpoints["endpoints"].values()]
        for template, returned in addresses:
            for record in roots[:1]:
                missing = [name for name in _VARIABLE.findall(template) if name not in record]
                if missing:
                    faults.append(f"{template}: the record has no field {missing[0]}")
                    continue
                address = _VARIABLE.sub(lambda match, record=record: str(record[match[1]]), template)  # type: ignore[misc]
                records, found = await _neat_asks(ask, address, returned)
                faults += found if records else [*found, f"{address}: an empty answer"]
    return faults


async def _neat_asks(ask: Ask, address: str, kind: str) -> tuple[list[Any], list[str]]:
    status, document = await ask("POST", address, NEAT_BODY)
    if status >= 300 or not document:
        return [], [f"{address}: {status}"]
    response = document.get("response", {})
    envelope = "collections" if "collections" in response else "resultsets"
    records = _records(document)
    faults = official.check(envelope, document)
    faults += [fault for record in records for fault in official.check_record(kind, record)]
    return records, [f"{address}: {fault}" for fault in faults]


async def ega(ask: Ask, base: str) -> list[str]:
    """Return the faults that the EGA verifier would find, without those that it swallows."""
    faults: list[str] = []
    documents: dict[str, Any] = {}
    for path, kind in METADATA.items():
        _, documents[kind] = await ask("GET", base + path, None)
        if kind not in ("entry_types", "service_info"):
            faults += [f"{path}: {fault}" for fault in official.check(kind, documents[kind])]
    for endpoints in documents["map"]["response"]["endpointSets"].values():
        root = endpoints["rootUrl"]
        suffix = root.rpartition("/")[2]
        if suffix not in _SUFFIXES:
            faults.append(f"{root} is not named as in the default model")
            continue
        records, found = await _ega_asks(ask, root, _SUFFIXES[suffix])
        faults += found
        name = "variantInternalId" if suffix == "g_variants" else "id"
        for template in [endpoints["singleEntryUrl"], *(one["url"] for one in endpoints["endpoints"].values())]:
            if f"{{{name}}}" not in template:
                faults.append(f"{template} has no {{{name}}}")
            for record in records[:1]:
                address = template.replace(f"{{{name}}}", str(record[name]))
                last = address.rpartition("/")[2]
                faults += (await _ega_asks(ask, address, _SUFFIXES.get(last, _SUFFIXES[suffix])))[1]
    return faults


async def _ega_asks(ask: Ask, address: str, kind: str) -> tuple[list[Any], list[str]]:
    _, document = await ask("GET", address, None)
    granularity = document["meta"]["returnedGranularity"]
    faults = official.check(granularity, document) if granularity in ("boolean", "count") else []
    records = _records(document)
    faults += [fault for record in records for fault in official.check_record(kind, record)]
    return records, [f"{address}: {fault}" for fault in faults]


def _records(document: Mapping[str, Any]) -> list[Any]:
    response = document.get("response", {})
    listed = [record for one in response.get("resultSets", []) for record in one.get("results", [])]
    return [*listed, *response.get("collections", [])]
