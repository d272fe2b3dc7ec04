"""How frequent alleles are among the people of a dataset: allele count over allele number, over live columns only.

The same numbers as in a variant's record: somebody who is in several segments counts in the first that called them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from beacon.query.carrying import blocks, counted_in
from beacon.store.base import COLUMN, Dataset, Range, Store
from beacon.store.bitmaps import bitmap_of, numbers_in
from beacon.store.heads import Heads


async def as_frequent(store: Store, dataset: Dataset, heads: Sequence[Heads], ranges: Sequence[Range]) -> list[Heads]:
    """Return those alleles of each segment whose frequency lies in all ranges; ``heads`` are of every segment.

    Where nothing was counted (no genotypes, or nobody called) there is no frequency.
    """
    holding = [part for part in heads if len(part)]
    if len(holding) == 1 and all(segment.whole for segment in dataset.segments):
        # Nobody is gone and no other segment has any of them, so that the numbers counted at loading stand.
        return [_between(part, ranges) if len(part) else part for part in heads]
    heads = [
        part.pick(await counted_in(store, dataset, segment, part))
        for segment, part in zip(dataset.segments, heads, strict=True)
    ]
    counted = await _counted(store, dataset, heads)
    keys = np.unique(np.concatenate([np.empty(0, np.uint64), *(part.key for part in heads)]))
    frequencies = np.array([_frequency(*counted.get(key, (0, 0))) for key in keys.tolist()], np.float64)
    for wanted in ranges:
        chosen = wanted.holds(frequencies)
        keys, frequencies = keys[chosen], frequencies[chosen]
    return [part.pick(np.isin(part.key, keys)) for part in heads]


def _between(heads: Heads, ranges: Sequence[Range]) -> Heads:
    known = heads.number > 0
    frequencies = np.full(len(heads), np.nan)
    np.divide(heads.count, heads.number, out=frequencies, where=known)
    return heads.pick(np.logical_and.reduce([wanted.holds(frequencies) for wanted in ranges]))


def _frequency(count: int, number: int) -> float:
    return count / number if number else np.nan


async def _counted(store: Store, dataset: Dataset, heads: Sequence[Heads]) -> dict[int, tuple[int, int]]:
    """Return allele count and number of each variant, by its key."""
    totals: dict[int, tuple[int, int]] = {}
    seen: dict[int, BitMap] = {}
    for segment, part in zip(dataset.segments, heads, strict=True):
        columns = segment.live.get(COLUMN, BitMap())
        if not columns:
            continue
        persons = (await store.links(segment, COLUMN)).persons
        async for calls, positions, rows in (
            block async for some in blocks(store, segment, part, sets=True) for block in some
        ):
            for key, row in zip(part.key[positions].tolist(), rows.tolist(), strict=True):
                if not calls.counted(row):
                    continue
                asked = columns
                if key in seen:
                    asked = columns - _columns_of(seen[key], persons)
                _, count, number = calls.tally(row, asked)
                held = totals.get(key, (0, 0))
                totals[key] = held[0] + count, held[1] + number
                if len(dataset.segments) > 1:
                    called = numbers_in(asked - calls.shared("missing", row))
                    seen[key] = seen.get(key, BitMap()) | BitMap(persons[called])
    return totals


def _columns_of(people: BitMap, persons: NDArray[np.uint32]) -> BitMap:
    return bitmap_of(np.flatnonzero(np.isin(persons, numbers_in(people))))
