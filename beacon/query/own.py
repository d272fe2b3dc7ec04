"""The variants of one person: blocks are read in order until a page is full; the total is known from loading."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from beacon.model.calls import GROUPS
from beacon.query.joins import Selection
from beacon.query.plan import Plan
from beacon.query.variants import Found
from beacon.store.base import AllelePredicate, Dataset, Segment, Store
from beacon.store.heads import Heads
from beacon.store.layout import Layout, Run

_ANY: Final = AllelePredicate()
_MOST: Final = 32
"""At most so many blocks are read together."""


@dataclass(frozen=True, slots=True)
class Own:
    """The first variants of one sample, and how many it has in all."""

    found: Found
    total: int


async def variants(store: Store, dataset: Dataset, plan: Plan, columns: Selection, upto: int) -> Own | None:
    """Return the first ``upto`` variants of a single column, in the order of ``variants.find``, and how many it has.

    None where the question is another: about several columns, or about some variants only; or where more than one
    segment has variants, since others may tell more of the same ones.
    """
    if plan.alleles != _ANY or plan.groups != (GROUPS,):
        return None
    holding = [(number, segment) for number, segment in enumerate(dataset.segments) if segment.variants]
    if len(holding) != 1 or len(columns.get(holding[0][1].id, ())) != 1:
        return None
    number, segment = holding[0]
    layout = await store.layout(segment)
    runs = sorted(layout.runs, key=lambda run: run.chrom)
    if not layout.distinct or len({run.chrom for run in runs}) < len(runs):
        return None
    column = columns[segment.id][0]
    total = int((await store.totals(segment))[column]) if layout.columns else 0
    parts: list[Heads] = []
    many = 0
    each = total / max(len(layout.low), 1)
    for run in runs:
        async for part in _carried(store, segment, layout, run, column, min(upto, total) - many, each):
            parts.append(part)
            many += len(part)
    heads = (Heads.joined(parts) if parts else Heads.empty()).in_order()
    return Own(Found.in_one(heads, number, len(dataset.segments)), total)


async def _carried(
    store: Store, segment: Segment, layout: Layout, run: Run, column: int, wanted: int, each: float
) -> AsyncIterator[Heads]:
    """Yield what a column carries in a run, block by block, until so many are found and none could come before them.

    ``each`` is how many it carries in a block on average: so many blocks are read at once as will most likely do.
    """
    block, last = run.begin, -1
    # Alleles that start at one place may lie in two blocks, in an order of their own.
    while block < run.stop and (wanted > 0 or int(layout.low[block]) <= last):
        likely = int((wanted + 2 * wanted**0.5) / each) + 1 if wanted > 0 else 1
        some = range(block, min(block + min(likely, _MOST), run.stop))
        mine, seen = await store.heads_of_column(segment, some, column, wanted)
        yield mine
        wanted -= len(mine)
        block, last = block + seen, int(layout.high[block + seen - 1])
