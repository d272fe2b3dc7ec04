"""What a load is found by while it is written: rows under index keys, and who bears what is told of alleles."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from beacon.model.calls import GROUPS, Calls
from beacon.store.bitmaps import bitmap_of

_LOOSE = 4_096


@dataclass(slots=True)
class Posting:
    """Rows under one key; the last ones as they came, all before as a bitmap, which takes little."""

    held: BitMap | None = None
    last: array[int] = field(default_factory=lambda: array("I"))
    label: str = ""

    def add(self, row: int) -> None:
        self.last.append(row)
        if len(self.last) >= _LOOSE:
            self.settle()

    def add_all(self, rows: array[int]) -> None:
        """Add many rows at once."""
        self.settle().update(rows)

    def settle(self) -> BitMap:
        """Return all rows as a bitmap; most keys have a few, and become one in the end alone."""
        if self.held is None:
            self.held = BitMap(self.last)
            del self.last[:]
        elif self.last:
            self.held.update(self.last)
            del self.last[:]
        return self.held


class Bearing:
    """The columns that carry an allele of which one thing is told; kept as a mask while such alleles come."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.columns = BitMap()
        self._mask: NDArray[np.bool_] | None = None
        self._block = -1

    def add(self, calls: Calls, columns: int, block: int) -> None:
        """Add the carriers of an allele of this block."""
        if self._mask is None:
            self._mask = np.zeros(columns, np.bool_)
        for group in GROUPS:
            held = getattr(calls, group)
            if len(held):
                self._mask[held] = True
        self._block = block

    def settle(self, block: int | None = None) -> BitMap:
        """Return the columns; with ``block``, only where that block has none of it, since more may come."""
        if self._mask is not None and block != self._block:
            self.columns |= bitmap_of(np.flatnonzero(self._mask))
            self._mask = None
        return self.columns


@dataclass(slots=True)
class Numbers:
    """Numbers under one field, and the rows that they were told of."""

    values: array[float] = field(default_factory=lambda: array("d"))
    rows: array[int] = field(default_factory=lambda: array("I"))

    def add(self, value: float, row: int) -> None:
        self.values.append(value)
        self.rows.append(row)


@dataclass(frozen=True, slots=True)
class Element:
    """A part that many records have, such as a feature: where it is posted, and the rows that are not posted yet."""

    postings: list[Posting]
    numbers: list[tuple[Numbers, float]]
    bearing: list[Bearing] = field(default_factory=list)
    rows: array[int] = field(default_factory=lambda: array("I"))

    def settle(self) -> None:
        """Post the rows."""
        for posting in self.postings:
            posting.add_all(self.rows)
        for numbers, value in self.numbers:
            numbers.values.extend([value] * len(self.rows))
            numbers.rows.extend(self.rows)
        del self.rows[:]


@dataclass(frozen=True, slots=True)
class Told:
    """Where an allele is posted of which this is told."""

    postings: list[Posting]
    numbers: list[tuple[str, float]]
    bearing: list[Bearing]
