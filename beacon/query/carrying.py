"""Whose alleles are: going through genotype blocks, for alleles that were found."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from beacon.model.calls import GROUPS
from beacon.query.joins import Selection
from beacon.store.base import COLUMN, Dataset, Segment, Store
from beacon.store.bitmaps import bitmap_of, numbers_in
from beacon.store.calls import Calls
from beacon.store.carriers import carried_by, carriers_among
from beacon.store.heads import Heads

_CALLED: Final = "called"
_AT_ONCE: Final = 64
_WIDE: Final = 50_000
"""Blocks whose calls are read together; a quarter of that where there are more columns."""

Indices = NDArray[np.intp]
Rows = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Limit:
    """Which carriers of one segment are meant, where something was told of them one by one.

    ``whole`` are the keys of the variants all of whose carriers are; of others those listed: pairs of a variant's key
    and a column, by ascending key.
    """

    whole: NDArray[np.uint64]
    variants: NDArray[np.uint64]
    columns: NDArray[np.uint32]

    def of(self, key: np.uint64) -> NDArray[np.uint32] | None:
        """Return the carriers of one variant that are meant, None for all of them."""
        at = np.searchsorted(self.whole, key)
        if at < len(self.whole) and self.whole[at] == key:
            return None
        begin, stop = np.searchsorted(self.variants, key), np.searchsorted(self.variants, key, "right")
        return self.columns[begin:stop]


Limits = tuple[Limit, ...]


async def blocks(
    store: Store,
    segment: Segment,
    heads: Heads,
    *,
    columns: BitMap | None = None,
    sets: bool = False,
) -> AsyncIterator[list[tuple[Calls, Indices, Rows]]]:
    """Yield (calls, positions within ``heads``, rows) of blocks, many at once.

    For ``columns`` and ``sets`` see ``Store.calls``.
    """
    order = np.argsort(heads.block, kind="stable")
    numbers, begins = np.unique(heads.block[order], return_index=True)
    parts = np.split(order, begins[1:]) if len(numbers) else []
    step = _AT_ONCE if (await store.layout(segment)).columns <= _WIDE else _AT_ONCE // 4
    for begin in range(0, len(numbers), step):
        some = parts[begin : begin + step]
        asked = heads if len(some) == len(parts) else heads.pick(np.concatenate(some))
        assert asked.calls is None or not sets, "an outline does not tell who was not called"
        calls = asked.calls or await store.calls(segment, asked, columns=columns, sets=sets)
        yield [
            (calls[number], positions, heads.row[positions])
            for number, positions in zip(numbers[begin : begin + step].tolist(), some, strict=True)
        ]


async def carried_in(
    store: Store,
    segment: Segment,
    heads: Heads,
    groups: tuple[tuple[str, ...], ...],
    columns: Selection | None,
    limits: Limits = (),
) -> NDArray[np.bool_]:
    """Say for each group asked for (rows) and allele (columns) whether somebody live, within ``columns``, carries it.

    An allele that nobody carried even when it was loaded (a site without genotypes, AC 0) is data of the
    segment and counts as carried, unless the question is about carriers.
    """
    carried = np.zeros((len(groups), len(heads)), np.bool_)
    if columns is None and groups == (GROUPS,):
        carried[0] = segment.whole or (segment.uncarried and ~heads.carried)
        for limit in limits:
            carried[0] &= np.isin(heads.key, limit.whole)
        allowed = BitMap() if segment.whole and not limits else segment.live.get(COLUMN, BitMap())
    else:
        allowed = segment.live.get(COLUMN, BitMap()) if columns is None else columns.get(segment.id, BitMap())
    if allowed and len(heads):
        async for some in blocks(store, segment, heads, columns=allowed):
            chosen = [(calls, rows) for calls, _, rows in some]
            at = np.concatenate([positions for _, positions, _ in some])
            for number, wanted in enumerate(groups):
                if not limits:
                    carried[number, at] |= carried_by(chosen, allowed, wanted)
                    continue
                for calls, positions, rows in some:
                    meant = _meant(calls, rows, wanted, heads.key[positions], limits)
                    carried[number, positions] |= [not allowed.isdisjoint(bitmap_of(columns)) for columns in meant]
    return carried


async def carrying(
    store: Store, segment: Segment, heads: Heads, groups: tuple[str, ...], allowed: BitMap, limits: Limits = ()
) -> BitMap:
    """Return the columns among ``allowed`` that carry any of these alleles in one of these groups and are meant."""
    if not allowed or not len(heads):
        return BitMap()
    found = BitMap()
    async for some in blocks(store, segment, heads, columns=allowed):
        if not limits:
            found |= carriers_among([(calls, rows) for calls, _, rows in some], allowed, groups)
            continue
        for calls, positions, rows in some:
            for columns in _meant(calls, rows, groups, heads.key[positions], limits):
                found |= bitmap_of(columns)
    return found & allowed


def _meant(
    calls: Calls, rows: Rows, groups: Sequence[str], keys: NDArray[np.uint64], limits: Limits
) -> list[NDArray[np.uint32]]:
    """Return the columns that carry each of these alleles and are meant."""
    found = []
    for row, key in zip(rows.tolist(), keys, strict=True):
        columns = np.asarray(calls.carriers(row, groups), np.uint32)
        for limit in limits:
            if (those := limit.of(key)) is not None:
                columns = np.intersect1d(columns, those)
        found.append(columns)
    return found


async def alive(store: Store, segment: Segment, heads: Heads) -> NDArray[np.bool_]:
    """Say which alleles somebody live carries, or nobody ever carried: of these it is told what the files say."""
    found: NDArray[np.bool_] = (await carried_in(store, segment, heads, (GROUPS,), None))[0]
    return found


async def counted_in(store: Store, dataset: Dataset, segment: Segment, heads: Heads) -> NDArray[np.bool_]:
    """Say for which alleles those who were called in a segment count, whoever of them carries it.

    They count as long as somebody carries it there who is called anywhere, be it that those calls are another load's
    by now. Else it is as if the segment did not have the allele: that more people were called would tell of somebody
    who is gone or hidden. In a segment with alleles that nobody carries, one that is missing would tell, so all count.
    """
    if segment.whole or segment.uncarried or not len(heads):
        return np.ones(len(heads), np.bool_)
    called = {segment.id: await columns_called(store, dataset, segment)}
    found: NDArray[np.bool_] = (await carried_in(store, segment, heads, (GROUPS,), called))[0]
    return found


async def columns_called(store: Store, dataset: Dataset, segment: Segment) -> BitMap:
    """Return the columns of a segment, live or not, of people who have a live one in any segment."""
    if _CALLED not in dataset.kept:
        called = BitMap()
        for one in dataset.segments:
            links = await store.links(one, COLUMN)
            called |= bitmap_of(links.persons[numbers_in(one.live.get(COLUMN, BitMap()))])
        # A dataset that has changed is another value, so this is never out of date.
        dataset.kept[_CALLED] = called
    links = await store.links(segment, COLUMN)
    return bitmap_of(np.flatnonzero(np.isin(links.persons, numbers_in(dataset.kept[_CALLED]))))
