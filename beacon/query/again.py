"""Runs and analyses that came again: calls name theirs by row, and the record of that id may lie in a later load."""

from __future__ import annotations

from collections.abc import Mapping

from pyroaring import BitMap

from beacon.store.base import Dataset, Store
from beacon.store.bitmaps import bitmap_of

Row = tuple[str, int]
"""A segment's id and a row in it."""


async def again(store: Store, dataset: Dataset, kind: str) -> Mapping[str, Mapping[int, Row]]:
    """Return, by segment, where the records of a kind are now that its calls name and that are not live there.

    It is worked out once for a dataset as it stands; most have none.
    """
    key = ("again", kind)
    if key not in dataset.kept:
        dataset.kept[key] = await _found(store, dataset, kind)
    kept: Mapping[str, Mapping[int, Row]] = dataset.kept[key]
    return kept


async def _found(store: Store, dataset: Dataset, kind: str) -> dict[str, dict[int, Row]]:
    found: dict[str, dict[int, Row]] = {}
    holding = [segment for segment in dataset.segments if segment.live.get(kind)]
    for segment in dataset.segments:
        others = [other for other in holding if other is not segment]
        of_column = await store.column_rows(segment, kind)
        gone = bitmap_of(of_column[of_column >= 0]) - segment.live.get(kind, BitMap())
        if not others or not gone:
            continue
        for row, id in (await store.record_ids(segment, kind, gone)).items():
            for other in others:
                if (now := await store.row_of(other, kind, id)) is not None:
                    found.setdefault(segment.id, {})[row] = other.id, now
    return found
