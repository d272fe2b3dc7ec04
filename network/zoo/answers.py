"""What a beacon in good order says: answers that hold given records, and the documents about itself (Beacon v2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from beacon.http import envelope, info
from beacon.model.entry_types import ENTRY_TYPES
from beacon.settings import SiteSettings

ID = "org.example.member"
SEX = {"id": "NCIT:C16576", "label": "female"}
MALE = {"id": "NCIT:C20197", "label": "male"}


def people(*ids: str, sex: Mapping[str, str] = SEX) -> list[dict[str, Any]]:
    """Make records that are valid individuals."""
    return [{"id": id, "sex": sex} for id in ids]


def answer(
    sets: Mapping[str, list[dict[str, Any]]],
    *,
    granularity: str = "record",
    entry_type: str = "individual",
    skip: int = 0,
    limit: int = 10,
    total: int | None = None,
    beacon_id: str = ID,
) -> dict[str, Any]:
    """Make a valid answer that holds these records by result set; ``total`` replaces their true number."""
    summary: dict[str, Any] = {"exists": any(sets.values())}
    rows = []
    for name, records in sets.items():
        row: dict[str, Any] = {"id": name, "setType": "dataset", "exists": bool(records)}
        if granularity != "boolean":
            row["resultsCount"] = len(records)
        if granularity == "record":
            row["results"] = records[skip * limit : (skip + 1) * limit] if limit else records
        rows.append(row)
    if granularity != "boolean":
        summary["numTotalResults"] = sum(map(len, sets.values())) if total is None else total
    received = {
        "apiVersion": "v2.0",
        "requestedSchemas": [],
        "pagination": {"skip": skip, "limit": limit},
        "requestedGranularity": granularity,
    }
    return {
        "meta": {
            "beaconId": beacon_id,
            "apiVersion": "v2.2.0",
            "returnedSchemas": [{"entityType": entry_type, "schema": ENTRY_TYPES[entry_type].schema_id}],
            "returnedGranularity": granularity,
            "receivedRequestSummary": received,
        },
        "responseSummary": summary,
        "response": {"resultSets": rows},
    }


def document(name: str, beacon_id: str, base: str) -> bytes | None:
    """Write a document about the beacon: the path's last part is ``name``, ``base`` the root of its API.

    None where ``name`` is no such document.
    """
    about = SiteSettings(id=beacon_id, name=f"Zoo: {beacon_id}")
    if name == "filtering_terms":
        term = {"id": SEX["id"], "type": "ontologyTerm", "label": SEX["label"], "scopes": ["individual"]}
        listed = {"filteringTerms": [term], "resources": [{"id": "ncit"}]}
        return envelope.informational(beacon_id, name, listed)
    if name == "service-info":
        return orjson.dumps(info.service_info(about, base))
    if name not in _DOCUMENTS:
        return None
    kind, make = _DOCUMENTS[name]
    return envelope.informational(beacon_id, kind, make(about, base))


_DOCUMENTS = {
    "api": ("info", info.info),
    "info": ("info", info.info),
    "configuration": ("configuration", info.configuration),
    "entry_types": ("entry_types", info.entry_types),
    "map": ("map", info.beacon_map),
}
