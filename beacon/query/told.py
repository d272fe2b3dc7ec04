"""What variants' records, and what was recorded of single carriers, say of a variant.

What is told of a variant in any load holds for the variant; what is told of a carrier holds for that carrier alone.
Several conditions are about one variant, and those about carriers about one carrier. ``!`` finds the variants of which
the thing is not told, neither of them nor of any of their carriers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from beacon.query.carrying import Limit, Limits, alive
from beacon.query.index import IndexCondition, held
from beacon.store.base import ALLELE, CASE, COLUMN, AllelePredicate, Dataset, Store
from beacon.store.heads import Heads

Keys = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Told:
    """Where one thing is told: ``keys`` of all variants, ``rows`` and ``limits`` by segment."""

    keys: Keys
    rows: tuple[BitMap, ...]
    limits: tuple[Limit, ...]

    @property
    def of_carriers(self) -> bool:
        """Whether it is told of some carriers and not of others."""
        return any(len(limit.variants) for limit in self.limits)


async def told(store: Store, dataset: Dataset, condition: IndexCondition) -> Told:
    """Return of which variants and carriers of a dataset this is told, by segments as they are now."""
    rows: list[BitMap] = []
    whole: list[Keys] = [np.empty(0, np.uint64)]
    pairs: list[tuple[Keys, NDArray[np.uint32]]] = []
    for segment in dataset.segments:
        alleles = await held(store, segment, ALLELE, condition)
        if alleles:
            heads = await store.heads(segment, AllelePredicate(among=alleles))
            whole.append(heads.key[await alive(store, segment, heads)])
        entries = await held(store, segment, CASE, condition)
        if entries:
            cases = await store.cases_of(segment)
            at = np.array(entries, np.uint32)
            at = at[np.isin(cases.columns[at], np.array(segment.live.get(COLUMN, BitMap()), np.uint32))]
            at = at[np.argsort(cases.variants[at], kind="stable")]
            pairs.append((cases.variants[at], cases.columns[at]))
            alleles = alleles | BitMap(cases.alleles[at])
        else:
            pairs.append((np.empty(0, np.uint64), np.empty(0, np.uint32)))
        rows.append(alleles)
    everybody = np.unique(np.concatenate(whole))
    keys = np.unique(np.concatenate([everybody, *(variants for variants, _ in pairs)]))
    return Told(keys, tuple(rows), tuple(Limit(everybody, variants, columns) for variants, columns in pairs))


async def candidates(store: Store, dataset: Dataset, asked: Sequence[Told], keys: Keys) -> list[Heads]:
    """Return, of each variant among ``keys``, its alleles in the segments where one thing that is asked is told.

    It is the one that is told of fewest alleles. Another may be told by a segment that this one is not told by.
    """
    fewest = min(asked, key=lambda one: sum(map(len, one.rows)))
    found = []
    for segment, rows in zip(dataset.segments, fewest.rows, strict=True):
        heads = await store.heads(segment, AllelePredicate(among=rows))
        found.append(heads.pick(np.isin(heads.key, keys)))
    return found


def chosen(heads: Sequence[Heads], positive: Sequence[Told], negative: Sequence[Told]) -> list[Heads]:
    """Return those alleles of which all of ``positive`` and none of ``negative`` is told."""

    def mask(keys: Keys) -> NDArray[np.bool_]:
        found = np.ones(len(keys), np.bool_)
        for one in positive:
            found &= np.isin(keys, one.keys)
        for one in negative:
            found &= ~np.isin(keys, one.keys)
        return found

    return [part.pick(mask(part.key)) for part in heads]


def limits_of(dataset: Dataset, positive: Sequence[Told]) -> list[Limits]:
    """Return, by segment, which carriers are meant where not all of a variant's are."""
    asked = [one for one in positive if one.of_carriers]
    return [tuple(one.limits[at] for one in asked) for at in range(len(dataset.segments))]
