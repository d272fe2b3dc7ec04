"""Variants as Beacon records: what is told of them, and the people who carry them."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from beacon.model.records import unite
from beacon.query.bodies import Body, Place, Spelling
from beacon.query.case_level import SegmentPage, case_level, counts
from beacon.query.joins import Selection
from beacon.query.variants import Found
from beacon.store.base import Dataset, Store

Part = tuple[SegmentPage, Place]
"""A segment that has a variant, and where."""


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
    spelling = Spelling(as_vrs, tuple(await store.references()))
    parts: dict[tuple[int, int], Part] = {}
    for number, indices in wanted.items():
        heads = found.heads[number].pick(np.array(indices))
        held = await SegmentPage.fetch(store, dataset, number, heads, columns, spelling, only=only)
        parts |= {(number, index): (held, place) for index, place in zip(indices, held.places, strict=True)}
    return tuple([_encode([parts[place] for place in places], spelling) for places in page])


def _encode(parts: list[Part], spelling: Spelling) -> bytes:
    """Write one variant from all segments that hold it: bodies united, each person counted once."""
    page, place = parts[0]
    if page.simple:
        return page.bodies[place].closed(*case_level(parts))
    stored = page.alleles[place]
    # Counted genotypes first: where somebody is in several segments, they tell most.
    parts = sorted(parts, key=_uncounted)
    counting = [part for part in parts if part[0].counts(part[1])]
    parts = [part for part in parts if part[0].holds(part[1])]
    told: dict[str, Any] = {}
    for page, place in parts:
        unite(told, orjson.loads(page.alleles[place].body))
    return Body.of(stored, told, counts(counting), spelling).closed(*case_level(parts))


def _uncounted(part: Part) -> bool:
    page, place = part
    return page.alleles[place].allele_number is None
