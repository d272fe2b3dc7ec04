"""The filtering terms of one person: what the records that an asker may see of them can be found by.

A list of somebody's terms says as much as their record. It is therefore made from records that passed the privacy
step, and of a dataset that gives no records nothing is listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from beacon.model.access import Decision, Granularity
from beacon.model.entry_types import ENTRY_TYPES, RECORD_TYPES
from beacon.model.indexing import RECORDED, index_entries
from beacon.model.query import Anchor, Pagination, Query
from beacon.privacy.rules import protect
from beacon.query.execute import MAX_PAGE, execute
from beacon.store.base import Store


async def person_terms(store: Store, decisions: Sequence[Decision], anchor: Anchor) -> dict[str, Any]:
    """Return the ``response`` of ``/individuals/{id}/filtering_terms`` (Beacon v2 ``beaconFilteringTermsResults``)."""
    found: dict[str, dict[str, Any]] = {}
    allowed = [decision for decision in decisions if decision.granularity is Granularity.RECORD]
    for kind in RECORD_TYPES:
        query = Query(kind, anchor, granularity=Granularity.RECORD, pagination=Pagination(0, MAX_PAGE))
        results = {result.dataset: result for result in await execute(store, query, allowed)}
        for decision in allowed:
            if decision.dataset not in results:
                continue
            for record in protect(query, decision, results[decision.dataset]).records or ():
                _add(found, kind, orjson.loads(record))
    return {"filteringTerms": [found[id] for id in sorted(found)], "resources": await store.ontologies()}


def _add(found: dict[str, dict[str, Any]], kind: str, record: dict[str, Any]) -> None:
    """Add a record's everyday terms, and the fields in which it has something to compare."""
    row = ENTRY_TYPES[kind]
    entries = index_entries(row, record, lambda _term: ())
    listed = [("ontology", id, label) for field, id, label in _recorded(entries.keys) if not field]
    comparable = {name for name, _ in entries.numbers} | {field for field, _, _ in _recorded(entries.keys) if field}
    listed += [("alphanumeric", field.id, field.label) for field in row.fields if field.id in comparable]
    for type_, id, label in listed:
        term = found.setdefault(id, {"type": type_, "id": id, "scopes": []} | ({"label": label} if label else {}))
        term["scopes"] = sorted({*term["scopes"], kind})


def _recorded(keys: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return (field, term or text, label) of what is recorded as present; the field of everyday terms is empty."""
    parted = ((*key.partition(RECORDED), label) for key, label in keys.items())
    return [(field, id, label) for field, mark, id, label in parted if mark]
