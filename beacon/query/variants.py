"""Alleles and those who carry them: which match, and whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from beacon.model.calls import GROUP_OF_ZYGOSITY, GROUPS
from beacon.query.carrying import alive, blocks, carried_in
from beacon.query.frequency import as_frequent
from beacon.query.joins import Selection
from beacon.query.plan import Plan
from beacon.store.base import COLUMN, AllelePredicate, Dataset, Store
from beacon.store.blocks import Heads


async def carriers(store: Store, dataset: Dataset, plan: Plan) -> list[Selection]:
    """Return the live columns that carry a matching allele, once per zygosity asked for."""
    assert plan.alleles is not None
    if plan.alleles == AllelePredicate() and plan.groups != (GROUPS,):
        return [await _any_of_group(store, dataset, group) for group in plan.groups]
    found: list[Selection] = [{segment.id: BitMap() for segment in dataset.segments} for _ in plan.groups]
    for segment, heads in zip(dataset.segments, await _matching(store, dataset, plan.alleles), strict=True):
        live = segment.live.get(COLUMN, BitMap())
        async for calls, _, rows in blocks(store, segment, heads if live else Heads.build(())):
            for selection, groups in zip(found, plan.groups, strict=True):
                columns = np.flatnonzero(calls.union(rows, groups)).astype(np.uint32)
                selection[segment.id] |= BitMap(columns) & live
    return found


async def _any_of_group(store: Store, dataset: Dataset, groups: tuple[str, ...]) -> Selection:
    keys = [f"={id}" for id, group in GROUP_OF_ZYGOSITY.items() if group in groups]
    return {segment.id: await store.posting(segment, COLUMN, keys) for segment in dataset.segments}


async def _matching(store: Store, dataset: Dataset, predicate: AllelePredicate) -> list[Heads]:
    """Return the matching alleles of each segment."""
    heads = await _written(store, dataset, replace(predicate, frequency=()))
    if not predicate.frequency:
        return heads
    return await as_frequent(store, dataset, heads, predicate.frequency)


async def _written(store: Store, dataset: Dataset, predicate: AllelePredicate) -> list[Heads]:
    """Return the alleles of each segment that are written as asked.

    What a variant's records say of it (its genes, its effects) holds for the variant: one that matches in any
    segment matches in all that have it, so that answers do not depend on how files were split into loads.
    """
    apart = (replace(predicate, aminoacid_change=None), replace(predicate, gene=None))
    asked = [one for one in apart if one.gene is not None or one.aminoacid_change is not None]
    if len(dataset.segments) == 1 or not asked:
        return [await store.heads(segment, predicate) for segment in dataset.segments]
    keys: list[NDArray[np.uint64]] = []
    spans: dict[str, tuple[int, int]] = {}
    for alone in asked:
        spans = {}
        listed = []
        for segment in dataset.segments:
            heads = await store.heads(segment, alone)
            heads = heads.pick(await alive(store, segment, heads))
            listed.append(heads.key)
            for code, chrom in enumerate(heads.names):
                here = heads.pick(heads.chrom == code)
                if len(here):
                    low, high = spans.get(chrom, (int(here.start.min()), 0))
                    spans[chrom] = min(low, int(here.start.min())), max(high, int(here.end.max()))
        keys.append(np.unique(_joined(listed, np.uint64)))
    wanted = reduce(np.intersect1d, keys)
    everywhere = []
    for segment in dataset.segments:
        # What has no place cannot overlap; there are few of those.
        near = [
            await store.heads(segment, AllelePredicate(chrom=chrom, overlap=span if chrom else None))
            for chrom, span in spans.items()
        ]
        heads = Heads.joined(near) if near else Heads.build(())
        everywhere.append(heads.pick(np.isin(heads.key, wanted)))
    return everywhere


@dataclass(frozen=True, slots=True)
class Found:
    """Matching variants of a dataset, and all places where they are.

    ``heads`` holds one ``Heads`` per segment. Places are (``segment`` number, ``index`` in its heads), sorted by
    variant in (chromosome, start, end, identity) order; those of variant i are ``first[i]`` to before ``stop[i]``.
    """

    heads: tuple[Heads, ...]
    first: NDArray[np.int64]
    stop: NDArray[np.int64]
    segment: NDArray[np.int64]
    index: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first)

    def page(self, begin: int, stop: int) -> list[list[tuple[int, int, int]]]:
        """Return, for each variant of a page, its (segment number, block, row) places."""
        listed = []
        for first, last in zip(self.first[begin:stop].tolist(), self.stop[begin:stop].tolist(), strict=True):
            places = []
            for number, index in zip(self.segment[first:last].tolist(), self.index[first:last].tolist(), strict=True):
                heads = self.heads[number]
                places.append((number, int(heads.block[index]), int(heads.row[index])))
            listed.append(places)
        return listed

    def within(self, number: int) -> Heads:
        """Return the alleles of one segment that belong to these variants."""
        chosen = np.zeros(len(self.segment) + 1, np.int64)
        np.add.at(chosen, self.first, 1)
        np.add.at(chosen, self.stop, -1)
        return self.heads[number].pick(self.index[(np.cumsum(chosen)[:-1] > 0) & (self.segment == number)])


async def find(store: Store, dataset: Dataset, plan: Plan, columns: Selection | None) -> Found:
    """Return the distinct variants that match, are still somebody's, and are carried within ``columns`` if given.

    Each group asked for must have a carrier; carriers of one variant may lie in different segments.
    """
    assert plan.alleles is not None
    heads = await _matching(store, dataset, plan.alleles)
    carried = [
        await carried_in(store, segment, part, plan.groups, columns)
        for segment, part in zip(dataset.segments, heads, strict=True)
    ]
    names = sorted({name for part in heads for name in part.names})
    codes = [np.array([names.index(name) for name in part.names], np.int64)[part.chrom] for part in heads]
    key = _joined([part.key for part in heads], np.uint64)
    segment = np.repeat(np.arange(len(heads)), np.array([len(part) for part in heads], np.int64))
    index = _joined([np.arange(len(part)) for part in heads], np.int64)
    start, end = _joined([part.start for part in heads], np.int64), _joined([part.end for part in heads], np.int64)
    order = np.lexsort((segment, key, end, start, _joined(codes, np.int64)))
    same = key[order]
    first = np.flatnonzero(np.append(True, same[1:] != same[:-1])) if len(same) else np.empty(0, np.int64)
    stop = np.append(first[1:], len(same))[: len(first)]
    if len(first):
        chosen = np.logical_or.reduceat(np.concatenate(carried, axis=1)[:, order], first, axis=1).all(axis=0)
        first, stop = first[chosen], stop[chosen]
    return Found(tuple(heads), first, stop, segment[order], index[order])


def _joined(parts: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype, copy=False)


async def bearers(
    store: Store, dataset: Dataset, found: Found, groups: tuple[tuple[str, ...], ...], columns: Selection | None
) -> Selection:
    """Return the live columns, within ``columns`` if given, that carry any of these variants in a group asked for."""
    wanted = tuple({name: None for group in groups for name in group})
    bearing: Selection = {}
    for number, segment in enumerate(dataset.segments):
        allowed = segment.live.get(COLUMN, BitMap()) if columns is None else columns.get(segment.id, BitMap())
        bearing[segment.id] = BitMap()
        async for calls, _, rows in blocks(store, segment, found.within(number) if allowed else Heads.build(())):
            bearing[segment.id] |= BitMap(np.flatnonzero(calls.union(rows, wanted)).astype(np.uint32)) & allowed
    return bearing
