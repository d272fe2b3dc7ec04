"""The joined answer in the Beacon envelope."""

from __future__ import annotations

from typing import Any

from beacon.http import envelope
from beacon.model.access import Granularity
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.query import Query
from network.merge import Joined


def answer(beacon_id: str, query: Query, joined: Joined) -> dict[str, Any]:
    """Return the joined answer (Beacon v2 boolean, count, result set or collection response)."""
    body: dict[str, Any] = {
        "meta": envelope.meta(beacon_id, query, joined.granularity),
        "responseSummary": joined.summary,
        "info": joined.info,
    }
    recorded = joined.granularity is Granularity.RECORD
    if recorded and ENTRY_TYPES[query.entry_type].collection:
        body["response"] = {"collections": joined.collections}
    elif recorded or joined.sets:
        body["response"] = {"resultSets": joined.sets}
    return body
