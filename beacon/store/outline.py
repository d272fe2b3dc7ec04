"""The outline of a segment: where its alleles begin and end and which they are, kept in memory whole.

Of a large segment not all heads fit into memory. What counting variants by position or by their bases needs takes a
quarter of them: 12 bytes per allele.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from beacon.store.layout import ENDS, Layout, Run
from beacon.store.packing import Arrays

BYTES = 12
"""What an allele takes."""


def _ends_begin(run: Run) -> int:
    return run.ends_begin


@dataclass(frozen=True, slots=True)
class Outline:
    """Positions, as what is to be added to the lowest of their block or part of ends, and identities.

    Where they lie too far apart for that, a block's starts or a part's ends are in ``far``, by (what, number).
    """

    layout: Layout
    start: NDArray[np.uint16]
    same: NDArray[np.uint64]
    end: NDArray[np.uint16]
    far: dict[tuple[str, int], NDArray[np.int64]] = field(default_factory=dict)

    @classmethod
    def of(cls, layout: Layout) -> Outline:
        """Begin an outline, to be filled with every head and part of ends."""
        size = layout.size
        return cls(layout, np.empty(size, np.uint16), np.empty(size, np.uint64), np.empty(size, np.uint16))

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return BYTES * len(self.start) + sum(array.nbytes for array in self.far.values())

    def add_head(self, block: int, head: Arrays) -> None:
        """Take what is needed of a block's head."""
        where = self._of_block(block)
        self.same[where] = head["same"]
        self._put("start", block, self.start[where], head["start"].astype(np.int64), int(self.layout.low[block]))

    def add_ends(self, part: int, ends: Arrays) -> None:
        """Take a part of ends."""
        low = int(self.layout.ends_low[part])
        self._put("end", part, self.end[self._of_part(part)], ends["end"].astype(np.int64), low)

    def head(self, block: int) -> Arrays:
        """Return the ``start`` and ``same`` of a block's head."""
        where = self._of_block(block)
        start = self._get("start", block, self.start[where], int(self.layout.low[block]))
        return {"start": start, "same": self.same[where]}

    def ends(self, part: int) -> Arrays:
        """Return a part of ends."""
        return {"end": self._get("end", part, self.end[self._of_part(part)], int(self.layout.ends_low[part]))}

    def _put(self, name: str, number: int, into: NDArray[np.uint16], values: NDArray[np.int64], low: int) -> None:
        beyond = values - low
        if int(beyond.max()) > np.iinfo(np.uint16).max:
            self.far[name, number] = values
        else:
            into[:] = beyond

    def _get(self, name: str, number: int, held: NDArray[np.uint16], low: int) -> NDArray[np.int64]:
        far = self.far.get((name, number))
        return held.astype(np.int64) + low if far is None else far

    def _of_block(self, block: int) -> slice:
        return slice(int(self.layout.first[block]), int(self.layout.first[block + 1]))

    def _of_part(self, part: int) -> slice:
        run = self.layout.runs[bisect_right(self.layout.runs, part, key=_ends_begin) - 1]
        begin = int(self.layout.first[run.begin]) + (part - run.ends_begin) * ENDS
        return slice(begin, min(begin + ENDS, int(self.layout.first[run.stop])))
