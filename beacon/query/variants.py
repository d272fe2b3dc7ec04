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
from beacon.query.carrying import Limits, alive, carried_in, carrying
from beacon.query.frequency import as_frequent
from beacon.query.joins import Selection
from beacon.query.plan import Plan
from beacon.query.told import candidates, chosen, limits_of, told
from beacon.store.base import COLUMN, AllelePredicate, Dataset, Segment, Store
from beacon.store.heads import Heads


async def carriers(store: Store, dataset: Dataset, plan: Plan, within: Selection | None = None) -> list[Selection]:
    """Return the live columns, of those ``within``, that carry a matching allele, once per zygosity asked for."""
    assert plan.alleles is not None
    if plan.alleles == AllelePredicate() and plan.groups != (GROUPS,):
        return [await _any_of_group(store, dataset, group) for group in plan.groups]
    found: list[Selection] = [{} for _ in plan.groups]
    matching, limits = await _matching(store, dataset, plan.alleles, calls=True, counting=True)
    for segment, heads, some in zip(dataset.segments, matching, limits, strict=True):
        live = segment.live.get(COLUMN, BitMap())
        allowed = live if within is None else within.get(segment.id, BitMap()) & live
        for selection, groups in zip(found, plan.groups, strict=True):
            selection[segment.id] = await carrying(store, segment, heads, groups, allowed, some)
    return found


async def _any_of_group(store: Store, dataset: Dataset, groups: tuple[str, ...]) -> Selection:
    keys = [f"={id}" for id, group in GROUP_OF_ZYGOSITY.items() if group in groups]
    return {segment.id: await store.posting(segment, COLUMN, keys) for segment in dataset.segments}


async def _matching(
    store: Store, dataset: Dataset, predicate: AllelePredicate, *, calls: bool = False, counting: bool = False
) -> tuple[list[Heads], Sequence[Limits]]:
    """Return the matching alleles of each segment, and which of their carriers are meant where that is not all.

    ``calls`` and ``counting`` as in ``Store.heads``.
    """
    wanted = [await told(store, dataset, one) for one in predicate.told if not one.negated]
    unwanted = [await told(store, dataset, one) for one in predicate.told if one.negated]
    alleles = replace(predicate, told=()) if predicate.told else predicate
    if wanted and len(dataset.segments) == 1:
        rows = reduce(BitMap.intersection, (one.rows[0] for one in wanted))
        heads = [await store.heads(dataset.segments[0], replace(alleles, among=rows), calls=calls)]
    elif wanted and replace(alleles, frequency=()) == AllelePredicate():
        keys = reduce(np.intersect1d, (one.keys for one in wanted))
        near = await candidates(store, dataset, wanted, keys)
        heads = [await _named(store, segment, near, keys) for segment in dataset.segments]
    elif not counting or wanted or unwanted or not await _alone(store, dataset):
        heads = await _written(store, dataset, alleles, calls)
    else:
        heads = [await store.heads(segment, alleles, calls=calls, counting=True) for segment in dataset.segments]
    if wanted or unwanted:
        heads = chosen(heads, wanted, unwanted)
    if predicate.frequency:
        heads = await as_frequent(store, dataset, heads, predicate.frequency)
    return heads, limits_of(dataset, wanted)


async def _alone(store: Store, dataset: Dataset) -> bool:
    """Say whether one segment has all variants, each once, and nobody is gone: then none is to be told from another."""
    holding = [segment for segment in dataset.segments if segment.variants]
    if len(holding) != 1 or not all(segment.whole for segment in dataset.segments):
        return False
    return (await store.layout(holding[0])).distinct


async def _written(store: Store, dataset: Dataset, predicate: AllelePredicate, calls: bool) -> list[Heads]:
    """Return the alleles of each segment that are written as asked.

    What a variant's records say of it (its genes, its effects) holds for the variant: one that matches in any
    segment matches in all that have it, so that answers do not depend on how files were split into loads.
    """
    if len(dataset.segments) == 1 or (predicate.gene, predicate.aminoacid_change) == (None, None):
        return [await store.heads(segment, predicate, calls=calls) for segment in dataset.segments]
    bare = replace(predicate, gene=None, aminoacid_change=None, frequency=())
    apart = []
    if predicate.gene is not None:
        apart.append(replace(bare, gene=predicate.gene))
    if predicate.aminoacid_change is not None:
        apart.append(replace(bare, aminoacid_change=predicate.aminoacid_change))
    found = [await _everywhere(store, dataset, one) for one in apart]
    wanted = reduce(np.intersect1d, [_joined([part.key for part in heads], np.uint64) for heads in found])
    return [await _named(store, segment, found[-1], wanted) for segment in dataset.segments]


async def _everywhere(store: Store, dataset: Dataset, predicate: AllelePredicate) -> list[Heads]:
    """Return what matches in each segment and is still somebody's."""
    found = []
    for segment in dataset.segments:
        heads = await store.heads(segment, predicate)
        found.append(heads.pick(await alive(store, segment, heads)))
    return found


async def _named(store: Store, segment: Segment, near: Sequence[Heads], wanted: NDArray[np.uint64]) -> Heads:
    """Return the alleles of a segment with these identities, which lie where those of ``near`` do."""
    spans: dict[str, tuple[int, int]] = {}
    for heads in near:
        for code, chrom in enumerate(heads.names):
            here = heads.pick(heads.chrom == code)
            if len(here):
                low, high = spans.get(chrom, (int(here.start.min()), 0))
                spans[chrom] = min(low, int(here.start.min())), max(high, int(here.end.max()))
    # What has no place cannot overlap; there are few of those.
    parts = [
        await store.heads(segment, AllelePredicate(chrom=chrom, overlap=span if chrom else None))
        for chrom, span in spans.items()
    ]
    found = Heads.joined(parts) if parts else Heads.empty()
    return found.pick(np.isin(found.key, wanted))


async def count(store: Store, dataset: Dataset, plan: Plan) -> int | None:
    """Return how many variants match where that takes no look at each of them, None where it does.

    That is so where one segment alone has all that could match, and nobody is gone from it.
    """
    assert plan.alleles is not None
    asked = plan.alleles
    if plan.groups != (GROUPS,) or asked.told or asked.frequency:
        return None
    holding = []
    for segment in dataset.segments:
        layout = await store.layout(segment)
        if layout.within(asked.assembly, asked.chrom, placeless=asked.placeless):
            holding.append(segment)
    if not holding:
        return 0
    return await store.count(holding[0], asked) if len(holding) == 1 and holding[0].whole else None


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
    limits: Sequence[Limits]

    @classmethod
    def in_one(cls, heads: Heads, number: int, segments: int) -> Found:
        """Return variants of one segment, by its number among so many, each there once and in order."""
        places = np.arange(len(heads))
        everywhere = tuple(heads if at == number else Heads.empty() for at in range(segments))
        return cls(everywhere, places, places + 1, np.full(len(heads), number), places, [()] * segments)

    def __len__(self) -> int:
        return len(self.first)

    def page(self, begin: int, stop: int) -> list[list[tuple[int, int]]]:
        """Return, for each variant of a page, its places: number of the segment, index in its heads."""
        return [
            list(zip(self.segment[first:last].tolist(), self.index[first:last].tolist(), strict=True))
            for first, last in zip(self.first[begin:stop].tolist(), self.stop[begin:stop].tolist(), strict=True)
        ]

    def within(self, number: int) -> Heads:
        """Return the alleles of one segment that belong to these variants."""
        chosen = np.zeros(len(self.segment) + 1, np.int64)
        np.add.at(chosen, self.first, 1)
        np.add.at(chosen, self.stop, -1)
        return self.heads[number].pick(self.index[(np.cumsum(chosen)[:-1] > 0) & (self.segment == number)])


async def find(store: Store, dataset: Dataset, plan: Plan, columns: Selection | None, *, listed: bool = True) -> Found:
    """Return the distinct variants that match, are still somebody's, and are carried within ``columns`` if given.

    Each group asked for must have a carrier; carriers of one variant may lie in different segments. Where they will
    not be ``listed``, but counted alone, with those who carry them, they may be in any order.
    """
    assert plan.alleles is not None
    heads, limits = await _matching(store, dataset, plan.alleles, calls=columns is not None, counting=not listed)
    carried = [
        await carried_in(store, segment, part, plan.groups, columns, some)
        for segment, part, some in zip(dataset.segments, heads, limits, strict=True)
    ]
    holding = [number for number, part in enumerate(heads) if len(part)]
    if not holding:
        none = np.empty(0, np.int64)
        return Found(tuple(heads), none, none, none, none, limits)
    if len(holding) == 1 and (await store.layout(dataset.segments[holding[0]])).distinct:
        # No variant is there twice, and those of one segment are in order.
        index = np.flatnonzero(carried[holding[0]].all(axis=0))
        places = np.arange(len(index))
        return Found(tuple(heads), places, places + 1, np.full(len(index), holding[0]), index, limits)
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
    return Found(tuple(heads), first, stop, segment[order], index[order], limits)


async def page(store: Store, dataset: Dataset, plan: Plan, begin: int, stop: int) -> tuple[Found, int] | None:
    """Return variants ``begin`` to before ``stop`` of those that ``find`` would find, and how many those are.

    None where it takes a look at more of them, or somebody in particular should carry them.
    """
    asked = plan.alleles
    assert asked is not None
    if plan.groups != (GROUPS,) or asked.told or asked.frequency or not await _alone(store, dataset):
        return None
    number = next(number for number, segment in enumerate(dataset.segments) if segment.variants)
    held = await store.page(dataset.segments[number], asked, begin, stop)
    if held is None:
        return None
    heads, total = held
    return Found.in_one(heads, number, len(dataset.segments)), total


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
        heads = found.within(number)
        bearing[segment.id] = await carrying(store, segment, heads, wanted, allowed, found.limits[number])
    return bearing
