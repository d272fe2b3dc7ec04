"""Which of some columns carry which of some alleles: over the calls of many blocks in one pass.

Each block has few arrays, and looking into each array by itself would cost more than what is found there. So the
arrays of all blocks that are about the same window of columns are put one after another first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from beacon.model.calls import GROUPS
from beacon.store.bitmaps import bitmap_of, mask_of
from beacon.store.calls import Calls, Mask
from beacon.store.packing import Array, Arrays

Chosen = tuple[Calls, NDArray[np.int32]]
"""The calls of a block and rows of some of its alleles."""


def carriers_among(blocks: Sequence[Chosen], columns: BitMap, groups: Sequence[str] = GROUPS) -> BitMap:
    """Return which of these columns carry any of the chosen alleles in one of these groups."""
    sought = _Sought.of(blocks, columns)
    found = np.zeros(len(sought.mask), np.bool_)
    for window in _windows(blocks, groups, sought.chosen):
        hits = window.hits(sought)
        hits = hits[sought.chosen[window.rows_of(hits)]]
        found[window.begin :][window.columns[hits]] = True
        if len(window.dense):
            bits = np.unpackbits(np.bitwise_or.reduce(window.dense, axis=0), count=window.stop - window.begin)
            found[window.begin : window.stop] |= bits.astype(np.bool_) & sought.mask[window.begin : window.stop]
    return bitmap_of(np.flatnonzero(found))


def carried_by(blocks: Sequence[Chosen], columns: BitMap, groups: Sequence[str] = GROUPS) -> Mask:
    """Return, for the chosen alleles of all blocks in order, whether any of these columns carries it."""
    sought = _Sought.of(blocks, columns)
    found = np.zeros(len(sought.chosen), np.bool_)
    for window in _windows(blocks, groups, sought.chosen):
        found[window.rows_of(window.hits(sought))] = True
        if len(window.dense):
            found[window.dense_rows[window.dense_hits(sought)]] = True
    return found[sought.rows]


@dataclass(frozen=True, slots=True)
class _Sought:
    """Columns as a mask, and the chosen among the alleles of all blocks: their numbers, in order, and as a mask.

    ``alone`` is the column where there is only one, which is quicker to look for.
    """

    mask: Mask
    alone: int | None
    rows: Array
    chosen: Mask

    @classmethod
    def of(cls, blocks: Sequence[Chosen], columns: BitMap) -> _Sought:
        mask = mask_of(columns, max((calls.columns for calls, _ in blocks), default=0))
        bases = np.cumsum([0, *(calls.size for calls, _ in blocks)]).tolist()
        rows = [rows + base for (_, rows), base in zip(blocks, bases, strict=False)]
        numbers = np.concatenate([np.empty(0, np.int64), *rows])
        chosen = np.zeros(bases[-1], np.bool_)
        chosen[numbers] = True
        return cls(mask, columns[0] if len(columns) == 1 else None, numbers, chosen)


@dataclass(frozen=True, slots=True)
class _Window:
    """What several blocks hold of columns ``begin`` to before ``stop``, counted from ``begin``.

    ``columns`` of one allele after another, each ending at one of ``ends``; ``rows`` says which allele that is.
    ``dense`` are bit rows, of the alleles ``dense_rows``.
    """

    begin: int
    stop: int
    columns: Array
    ends: Array
    rows: Array
    dense: Array
    dense_rows: Array

    def hits(self, sought: _Sought) -> Array:
        """Return the places of ``columns`` that hold a column sought."""
        if sought.alone is not None:
            return np.flatnonzero(self.columns == sought.alone - self.begin)
        # No column lies outside of its window; with "clip" nothing is spent on finding that out.
        return np.flatnonzero(sought.mask[self.begin : self.stop].take(self.columns, mode="clip"))

    def rows_of(self, hits: Array) -> Array:
        """Return whose these places are."""
        found: Array = self.rows[np.searchsorted(self.ends, hits, "right")]
        return found

    def dense_hits(self, sought: _Sought) -> Mask:
        """Say which bit rows have a column sought."""
        if sought.alone is None:
            shared: Mask = np.any(self.dense & np.packbits(sought.mask[self.begin : self.stop]), axis=1)
            return shared
        place = sought.alone - self.begin
        if not 0 <= place < self.stop - self.begin:
            return np.zeros(len(self.dense), np.bool_)
        return np.asarray(self.dense[:, place >> 3] & (0x80 >> (place & 7)), np.bool_)


def _windows(blocks: Sequence[Chosen], groups: Sequence[str], chosen: Mask) -> Iterator[_Window]:
    """Yield what the blocks hold, window by window; of bit rows only the chosen alleles'."""
    pieces: dict[tuple[int, int], list[tuple[int, Arrays, str]]] = {}
    base = 0
    for calls, _ in blocks:
        for part in calls.carrying:
            begin, stop = part["window"].tolist()
            held = [(base, part, name) for name in groups if f"{name}.at" in part]
            pieces.setdefault((begin, stop), []).extend(held)
        base += calls.size
    for (begin, stop), some in pieces.items():
        if some:
            yield _window(begin, stop, some, chosen)


def _window(begin: int, stop: int, pieces: Sequence[tuple[int, Arrays, str]], chosen: Mask) -> _Window:
    columns = [part[f"{name}.columns"] for _, part, name in pieces]
    offsets = np.cumsum([0, *map(len, columns)]).tolist()
    ends = [part[f"{name}.at"][1:] + offset for (_, part, name), offset in zip(pieces, offsets, strict=False)]
    rows = [np.arange(base, base + len(some)) for (base, _, _), some in zip(pieces, ends, strict=True)]
    dense: list[Array] = []
    dense_rows: list[Array] = []
    for base, part, name in pieces:
        if len(at := part[f"{name}.dense_rows"]):
            wanted = chosen[at + base]
            dense.append(part[f"{name}.dense"][wanted])
            dense_rows.append((at + base)[wanted])
    return _Window(
        begin,
        stop,
        np.concatenate(columns),
        np.concatenate(ends),
        np.concatenate(rows),
        np.concatenate(dense) if dense else np.empty((0, 0), np.uint8),
        np.concatenate(dense_rows) if dense else np.empty(0, np.int64),
    )
