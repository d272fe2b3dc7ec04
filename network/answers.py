"""The joined answer in the Beacon envelope."""

from __future__ import annotations

from typing import Any

from beacon.http import envelope
from beacon.model.access import Granularity
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.query import Query
from network import pages
from network.merge import Joined
from network.pages import Places


def answer(beacon_id: str, query: Query, joined: Joined, following: Places | None = None) -> dict[str, Any]:
    """Return the joined answer (Beacon v2 boolean, count, result set or collection response).

    ``following`` are the places at which the next page begins, where pages have places.
    """
    tokens = None
    if joined.granularity is Granularity.RECORD and not ENTRY_TYPES[query.entry_type].collection:
        tokens = pages.tokens(query, following)
    body: dict[str, Any] = {
        "meta": envelope.meta(beacon_id, query, joined.granularity, pages=tokens),
        "responseSummary": joined.summary,
        "info": joined.info,
    }
    recorded = joined.granularity is Granularity.RECORD
    if recorded and ENTRY_TYPES[query.entry_type].collection:
        body["response"] = {"collections": joined.collections}
    elif recorded or joined.sets:
        body["response"] = {"resultSets": joined.sets}
    return body
