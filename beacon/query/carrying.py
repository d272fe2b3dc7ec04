"""Whose alleles are: going through genotype blocks, for alleles that were found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from beacon.model.calls import GROUPS
from beacon.query.joins import Selection
from beacon.store.base import COLUMN, Segment, Store
from beacon.store.calls import Calls
from beacon.store.heads import Heads

_AT_ONCE: Final = 64
"""Blocks whose calls are read together."""

Indices = NDArray[np.intp]
Rows = NDArray[np.int32]


async def blocks(
    store: Store,
    segment: Segment,
    heads: Heads,
    *,
    columns: BitMap | None = None,
    sets: bool = False,
) -> AsyncIterator[tuple[Calls, Indices, Rows]]:
    """Yield (calls, positions within ``heads``, rows) by block; for ``columns`` and ``sets`` see ``Store.calls``."""
    order = np.argsort(heads.block, kind="stable")
    numbers, begins = np.unique(heads.block[order], return_index=True)
    parts = np.split(order, begins[1:]) if len(numbers) else []
    for begin in range(0, len(numbers), _AT_ONCE):
        some = parts[begin : begin + _AT_ONCE]
        calls = await store.calls(segment, heads.pick(np.concatenate(some)), columns=columns, sets=sets)
        for number, positions in zip(numbers[begin : begin + _AT_ONCE].tolist(), some, strict=True):
            yield calls[number], positions, heads.row[positions]


async def carried_in(
    store: Store, segment: Segment, heads: Heads, groups: tuple[tuple[str, ...], ...], columns: Selection | None
) -> NDArray[np.bool_]:
    """Say for each group asked for (rows) and allele (columns) whether somebody live, within ``columns``, carries it.

    An allele that nobody carried even when it was loaded (a site without genotypes, AC 0) is data of the
    segment and counts as carried, unless the question is about carriers.
    """
    carried = np.zeros((len(groups), len(heads)), np.bool_)
    if columns is None and groups == (GROUPS,):
        carried[0] = True if segment.whole else ~heads.carried
        allowed = BitMap() if segment.whole else segment.live.get(COLUMN, BitMap())
    else:
        allowed = segment.live.get(COLUMN, BitMap()) if columns is None else columns.get(segment.id, BitMap())
    if allowed and len(heads):
        mask = as_mask(allowed, (await store.layout(segment)).columns)
        async for calls, positions, rows in blocks(store, segment, heads, columns=allowed):
            for number, wanted in enumerate(groups):
                carried[number, positions] |= calls.carried_by(rows, mask, wanted)
    return carried


async def carrying(store: Store, segment: Segment, heads: Heads, groups: tuple[str, ...], allowed: BitMap) -> BitMap:
    """Return the columns among ``allowed`` that carry any of these alleles in one of these groups."""
    if not allowed or not len(heads):
        return BitMap()
    found = np.zeros((await store.layout(segment)).columns, np.bool_)
    async for calls, _, rows in blocks(store, segment, heads, columns=allowed):
        found |= calls.union(rows, groups)
    return BitMap(np.flatnonzero(found).astype(np.uint32)) & allowed


async def alive(store: Store, segment: Segment, heads: Heads) -> NDArray[np.bool_]:
    """Say which alleles somebody live carries, or nobody ever carried."""
    found: NDArray[np.bool_] = (await carried_in(store, segment, heads, (GROUPS,), None))[0]
    return found


def as_mask(columns: BitMap, size: int) -> NDArray[np.bool_]:
    """Return columns as a mask of ``size``."""
    mask = np.zeros(size, np.bool_)
    mask[np.array(columns, np.uint32)] = True
    return mask
