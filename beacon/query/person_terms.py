"""The filtering terms of one person: what the records that an asker may see of them can be found by.

A list of somebody's terms says as much as their record. It is therefore made from records that passed the privacy
step, and of a dataset that gives no records nothing is listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from beacon.model.access import Decision, Granularity
from beacon.model.entry_types import ENTRY_TYPES, RECORD_TYPES
from beacon.model.indexing import index_entries
from beacon.model.query import Anchor, Pagination, Query
from beacon.privacy.rules import protect
from beacon.query.execute import MAX_PAGE, execute
from beacon.query.terms import Listed, Seen, add, held_by, prefixes_of, resources, written
from beacon.store.base import Dataset, Store


async def person_terms(
    store: Store, decisions: Sequence[Decision], anchor: Anchor, datasets: Mapping[str, Dataset]
) -> dict[str, Any]:
    """Return the ``response`` of ``/individuals/{id}/filtering_terms`` (Beacon v2 ``beaconFilteringTermsResults``)."""
    found: dict[Listed, Seen] = {}
    allowed = [decision for decision in decisions if decision.granularity is Granularity.RECORD]
    for kind in RECORD_TYPES:
        query = Query(kind, anchor, granularity=Granularity.RECORD, pagination=Pagination(0, MAX_PAGE))
        results = {result.dataset: result for result in await execute(store, query, allowed, datasets)}
        for decision in allowed:
            if decision.dataset not in results:
                continue
            for record in protect(query, decision, results[decision.dataset]).records or ():
                entries = index_entries(ENTRY_TYPES[kind], orjson.loads(record), lambda _term: ())
                add(found, kind, held_by(kind, entries), decision.withheld)
    return {"filteringTerms": written(found), "resources": await resources(store, prefixes_of(found))}
