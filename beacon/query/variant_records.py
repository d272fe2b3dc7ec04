"""Variants as Beacon records: identifiers, counts, and the people who carry them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from beacon.model.genome import Reference
from beacon.model.records import unite
from beacon.model.variant import variation
from beacon.query.case_level import SegmentPage, case_level, counts
from beacon.query.identifiers import identifiers, in_vrs
from beacon.query.joins import Selection
from beacon.query.variants import Found
from beacon.store.base import Dataset, Store, StoredAllele

References = Mapping[tuple[str, str], Reference | None]


async def write(
    store: Store,
    dataset: Dataset,
    found: Found,
    begin: int,
    stop: int,
    columns: Selection | None,
    *,
    as_vrs: bool = False,
) -> tuple[bytes, ...]:
    """Return a page of variants as encoded Beacon records, case-level data of ``columns`` (or of all) included.

    ``as_vrs`` asks for VRS 1.3 in place of the legacy form where the allele can be said in it exactly.
    """
    page = found.page(begin, stop)
    wanted: dict[int, list[int]] = {}
    for places in page:
        for number, index in places:
            wanted.setdefault(number, []).append(index)
    only = all(len(places) == 1 for places in page)
    writers = {
        number: await SegmentPage.fetch(
            store, dataset.segments[number], found.heads[number].pick(np.array(indices)), columns, only=only
        )
        for number, indices in wanted.items()
    }
    references: dict[tuple[str, str], Reference | None] = {}
    if as_vrs:
        for place in {place for writer in writers.values() for place in writer.chromosomes()}:
            references[place] = await store.reference(*place)
    records = []
    for places in page:
        parts = []
        for number, index in places:
            heads = found.heads[number]
            stored = writers[number].alleles[int(heads.block[index]), int(heads.row[index])]
            parts.append((writers[number], stored))
        records.append(_encode(parts, references))
    return tuple(records)


def _encode(parts: list[tuple[SegmentPage, StoredAllele]], references: References) -> bytes:
    """Write one variant from all segments that hold it: bodies united, each person counted once."""
    stored = parts[0][1]
    if len(parts) == 1:
        body: dict[str, Any] = orjson.loads(stored.body)
    else:
        # Counted genotypes first: where somebody is in several segments, they tell most.
        parts = sorted((part for part in parts if part[0].holds(part[1])), key=_uncounted)
        body = {}
        for _, part in parts:
            unite(body, orjson.loads(part.body))
    info = body.setdefault("info", {})
    info["placed"] = stored.allele.placed
    info.update(counts(parts))
    total, entries = case_level(parts)
    if total:
        body["caseLevelData"] = orjson.Fragment(entries)
        # Below the Beacon's root: a site does not always know the address that others see.
        info["caseLevelTotal"], info["caseLevelIndividuals"] = total, f"/g_variants/{stored.id}/individuals"
    if named := identifiers(stored, body.get("identifiers", {})):
        body["identifiers"] = named
    said = None
    if (place := (stored.allele.assembly, stored.allele.chrom)) in references:
        said = in_vrs(stored.allele, stored.moves, references[place], stored.vrs)
    said = said or variation(stored.allele)
    return orjson.dumps({"variantInternalId": stored.id, "variation": said} | body)


def _uncounted(part: tuple[SegmentPage, StoredAllele]) -> bool:
    return part[1].allele_number is None
