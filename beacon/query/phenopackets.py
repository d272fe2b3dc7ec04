"""People as Phenopackets: the original where there was one, else one made from the Beacon record.

This happens between what the store found and the privacy step: the records of a result are replaced, nothing
else, so that a Phenopacket goes out only where the record itself would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson

from beacon.model.access import Decision
from beacon.model.phenopacket import phenopacket
from beacon.model.query import Query
from beacon.model.representations import PHENOPACKET, representation
from beacon.model.result import DatasetResult
from beacon.privacy.fields import stripped
from beacon.store.base import Dataset, Store

_KIND = "phenopacket"
_AT_ONCE = 50


async def represent(
    store: Store,
    query: Query,
    results: Sequence[DatasetResult],
    decisions: Sequence[Decision],
    datasets: Mapping[str, Dataset],
) -> tuple[DatasetResult, ...]:
    """Return results whose records are in the schema that was asked for (Beacon v2 ``requestedSchemas``).

    Where a decision withholds anything, no original goes out: the phenopacket is made from what is left of the record.
    """
    if representation(query.entry_type, query.requested_schemas) != PHENOPACKET:
        return tuple(results)
    if not any(result.records for result in results):
        return tuple(results)
    resources = await store.ontologies()
    withheld = {decision.dataset: decision.withheld for decision in decisions}
    return tuple(
        [
            replace(
                result,
                records=await _packets(
                    store,
                    datasets[result.dataset],
                    result.records,
                    resources,
                    withheld.get(result.dataset, frozenset()),
                ),
            )
            if result.records
            else result
            for result in results
        ]
    )


async def _packets(
    store: Store,
    dataset: Dataset,
    records: Sequence[bytes],
    resources: Sequence[dict[str, object]],
    withheld: frozenset[tuple[str, str]],
) -> tuple[bytes, ...]:
    paths = [field for entry_type, field in withheld if entry_type == "individual"]
    people = [orjson.loads(stripped(record, paths) if paths else record) for record in records]
    originals: dict[str, bytes] = {}
    for begin in range(0, len(people) if not withheld else 0, _AT_ONCE):
        page = [str(person["id"]) for person in people[begin : begin + _AT_ONCE]]
        originals |= await _originals(store, dataset, page)
    created = dataset.updated.isoformat()
    return tuple(
        originals.get(str(person["id"])) or orjson.dumps(phenopacket(person, created=created, resources=resources))
        for person in people
    )


async def _originals(store: Store, dataset: Dataset, ids: Sequence[str]) -> dict[str, bytes]:
    """Return the phenopackets that these people were loaded from, by individual id.

    Only the segment in which somebody's record is live counts: an older phenopacket was replaced.
    """
    found: dict[str, bytes] = {}
    for segment in dataset.segments:
        left = [id for id in ids if id not in found]
        rows = [await store.row_of(segment, "individual", id) for id in left]
        by_row = {row: id for row, id in zip(rows, left, strict=True) if row is not None}
        held = await store.record_ids(segment, _KIND, sorted(by_row)) if by_row else {}
        packets = await store.records(segment, _KIND, sorted(held)) if held else []
        found |= {by_row[row]: packet for row, packet in zip(sorted(held), packets, strict=True)}
    return found
