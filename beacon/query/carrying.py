"""Whose alleles are: going through genotype blocks, for alleles that were found."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from beacon.model.calls import GROUPS
from beacon.query.joins import Selection
from beacon.store.base import COLUMN, Segment, Store
from beacon.store.blocks import Heads


async def blocks(store: Store, segment: Segment, heads: Heads, at_once: int = 16) -> Any:
    """Yield (calls, positions within ``heads``, rows) block by block."""
    order = np.argsort(heads.block, kind="stable")
    numbers, begins = np.unique(heads.block[order], return_index=True)
    parts = np.split(order, begins[1:]) if len(numbers) else []
    for begin in range(0, len(numbers), at_once):
        wanted = numbers[begin : begin + at_once]
        calls = await store.calls(segment, wanted.tolist())
        for number, positions in zip(wanted.tolist(), parts[begin : begin + at_once], strict=True):
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
    if allowed:
        async for calls, positions, rows in blocks(store, segment, heads):
            mask = as_mask(allowed, calls.columns)
            for number, wanted in enumerate(groups):
                carried[number, positions] |= calls.carried_by(rows, mask, wanted)
    return carried


async def alive(store: Store, segment: Segment, heads: Heads) -> NDArray[np.bool_]:
    """Say which alleles somebody live carries, or nobody ever carried."""
    found: NDArray[np.bool_] = (await carried_in(store, segment, heads, (GROUPS,), None))[0]
    return found


def as_mask(columns: BitMap, size: int) -> NDArray[np.bool_]:
    """Return columns as a mask of ``size``."""
    mask = np.zeros(size, np.bool_)
    mask[np.array(columns, np.uint32)] = True
    return mask
