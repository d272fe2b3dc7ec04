"""From rows of one kind to rows of another: whose samples, whose runs, whose genotypes.

A ``Selection`` holds rows of one kind by segment id. Everything hangs together by two numbers that a row of
any kind has: its person and its sample.
"""

from __future__ import annotations

import numpy as np
from pyroaring import BitMap

from beacon.query.again import again
from beacon.store.base import COLUMN, NO_SAMPLE, Dataset, Segment, Store
from beacon.store.bitmaps import bitmap_of, numbers_in

Selection = dict[str, BitMap]


def everything(dataset: Dataset, kind: str) -> Selection:
    """Return all live rows of a kind."""
    return {segment.id: segment.live.get(kind, BitMap()) for segment in dataset.segments}


def both(left: Selection, right: Selection) -> Selection:
    """Return the rows in both selections (of one kind)."""
    return {segment: rows & right.get(segment, BitMap()) for segment, rows in left.items()}


def either(left: Selection, right: Selection) -> Selection:
    """Return the rows in either selection (of one kind)."""
    return {
        segment: left.get(segment, BitMap()) | right.get(segment, BitMap()) for segment in left.keys() | right.keys()
    }


def without(left: Selection, right: Selection) -> Selection:
    """Return the rows of ``left`` that are not in ``right``."""
    return {segment: rows - right.get(segment, BitMap()) for segment, rows in left.items()}


def size(selection: Selection) -> int:
    """Return how many rows are selected."""
    return sum(map(len, selection.values()))


async def persons(store: Store, dataset: Dataset, kind: str, selection: Selection) -> BitMap:
    """Return the ordinals of the people behind the selected rows."""
    found = BitMap()
    for segment in dataset.segments:
        rows = selection.get(segment.id)
        if rows:
            found |= rows if kind == "individual" else await _linked(store, segment, kind, rows, "persons")
    return found


async def convert(store: Store, dataset: Dataset, kind: str, selection: Selection, target: str) -> Selection:
    """Return the live rows of ``target`` that belong to the selected rows of ``kind``.

    To or from individuals by person; genotypes to their own run and analysis; otherwise by sample.
    """
    if kind == target:
        return both(selection, everything(dataset, kind))
    if COLUMN in (kind, target) and {kind, target} & {"run", "analysis"}:
        return await _by_column(store, dataset, kind, selection, target)
    by = "persons" if "individual" in (kind, target) else "samples"
    wanted = BitMap()
    for segment in dataset.segments:
        if rows := selection.get(segment.id):
            wanted |= rows if kind == "individual" else await _linked(store, segment, kind, rows, by)
    if by == "samples":
        wanted.discard(NO_SAMPLE)
    found: Selection = {}
    for segment in dataset.segments:
        live = segment.live.get(target, BitMap())
        if target == "individual" or (target == "biosample" and by == "samples"):
            found[segment.id] = wanted & live
        elif live and wanted:
            links = await store.links(segment, target)
            found[segment.id] = links.having(wanted, by) & live
        else:
            found[segment.id] = BitMap()
    return found


async def _linked(store: Store, segment: Segment, kind: str, rows: BitMap, by: str) -> BitMap:
    return bitmap_of((await store.links(segment, kind)).of(rows, by))


async def _by_column(store: Store, dataset: Dataset, kind: str, selection: Selection, target: str) -> Selection:
    own = target if kind == COLUMN else kind
    elsewhere = await again(store, dataset, own)
    found: Selection = {segment.id: BitMap() for segment in dataset.segments}
    for segment in dataset.segments:
        of_column, moved = await store.column_rows(segment, own), elsewhere.get(segment.id, {})
        if kind == COLUMN:
            chosen = of_column[numbers_in(selection.get(segment.id, BitMap()))]
            found[segment.id] |= bitmap_of(chosen[chosen >= 0]) & segment.live.get(target, BitMap())
            for row in moved.keys() & set(chosen.tolist()):
                id, now = moved[row]
                found[id].add(now)
        else:
            rows = selection.get(segment.id, BitMap())
            rows = rows | BitMap(row for row, (id, now) in moved.items() if now in selection.get(id, BitMap()))
            wanted = np.isin(of_column, numbers_in(rows))
            found[segment.id] = bitmap_of(np.flatnonzero(wanted)) & segment.live.get(target, BitMap())
    return found
