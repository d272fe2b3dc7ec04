"""Where a segment's blocks lie: the little that is read once per segment, and leads every question to few blocks.

A *run* is a sequence of blocks of one chromosome whose alleles are in position order. Most segments have one run per
chromosome. Alleles have *ordinals*: 0, 1, 2 ... in the order of the blocks; ``first`` holds that of each block's first.

Beside the blocks, the ends of a run's alleles are kept in order too, ``ENDS`` in one part. So the number of alleles
that overlap [a, b), those that start before b less those that end by a, is told by one head and one part of ends.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from beacon.store.packing import Array, Arrays, pack, unpack

ENDS = 1024
"""Ends in one part."""

Ints = NDArray[np.int64]


class Run(NamedTuple):
    """One run: its chromosome, its blocks from ``begin`` to before ``stop``, and its parts of ends likewise."""

    assembly: str
    chrom: str
    begin: int
    stop: int
    ends_begin: int
    ends_stop: int


def _begin(run: Run) -> int:
    return run.begin


@dataclass(frozen=True, slots=True)
class Layout:
    """All runs of a segment, and of each block its first and last start, largest end and first ordinal.

    ``first`` has one entry more than there are blocks: the number of alleles. ``ends_low`` is the first of each part
    of ends. ``kinds`` are the combinations of types that heads number. ``distinct`` says that no allele occurs twice,
    and that no chromosome has two runs, ``detailed`` that something was told of single carriers of counted alleles.
    """

    runs: tuple[Run, ...]
    low: Ints
    high: Ints
    reach: Ints
    first: Ints
    ends_low: Ints
    kinds: tuple[tuple[str, ...], ...]
    columns: int
    distinct: bool
    detailed: bool = False

    @property
    def size(self) -> int:
        """How many alleles the segment has."""
        return int(self.first[-1])

    def within(self, assembly: str | None, chrom: str | None, *, placeless: bool) -> list[Run]:
        """Return the runs that a question about this assembly and chromosome is about."""
        return [
            run
            for run in self.runs
            if assembly in (None, run.assembly)
            and (chrom == run.chrom if chrom is not None else placeless or run.chrom)
        ]

    def overlapping(self, run: Run, start: int, end: int) -> Ints:
        """Return the numbers of a run's blocks that may have alleles overlapping [start, end)."""
        stop = run.begin + int(np.searchsorted(self.low[run.begin : run.stop], end))
        return run.begin + np.flatnonzero(self.reach[run.begin : stop] > start)

    def starting(self, run: Run, first: int, last: int) -> Ints:
        """Return the numbers of a run's blocks that may have alleles starting from ``first`` to ``last``, inclusive."""
        begin = int(np.searchsorted(self.high[run.begin : run.stop], first))
        stop = int(np.searchsorted(self.low[run.begin : run.stop], last, "right"))
        return np.arange(run.begin + begin, run.begin + max(begin, stop))

    def blocks_of(self, ordinals: Array) -> Ints:
        """Return the numbers of the blocks that hold these ordinals; both ascending."""
        found: Ints = np.searchsorted(self.first, ordinals, "right") - 1  # of ascending ordinals, thus ascending too
        return found[np.flatnonzero(np.diff(found, prepend=-1))]

    def run_of(self, block: int) -> Run:
        """Return the run that a block belongs to."""
        return self.runs[bisect_right(self.runs, block, key=_begin) - 1]

    def edges(self, run: Run, start: int, end: int) -> tuple[int | None, int | None]:
        """Return the block that tells how many alleles start before ``end``, and the part of ends for ``start``.

        None where no reading is needed: nothing starts before ``end``, or nothing ends by ``start``.
        """
        block = run.begin + int(np.searchsorted(self.low[run.begin : run.stop], end)) - 1
        low = self.ends_low[run.ends_begin : run.ends_stop]
        part = run.ends_begin + int(np.searchsorted(low, start, "right")) - 1
        return block if block >= run.begin else None, part if part >= run.ends_begin else None

    def before(self, run: Run, block: int) -> int:
        """Return how many alleles of a run lie in the blocks before this one."""
        return int(self.first[block] - self.first[run.begin])

    def encode(self) -> bytes:
        """Write it as bytes."""
        runs = [list(run) for run in self.runs]
        told = orjson.dumps(
            {name: getattr(self, name) for name in ("kinds", "columns", "distinct", "detailed")} | {"runs": runs}
        )
        names = ("low", "high", "reach", "first", "ends_low")
        return pack({name: getattr(self, name) for name in names} | {"told": np.frombuffer(told, np.uint8)})

    @classmethod
    def decode(cls, data: bytes) -> Layout:
        """Read what ``encode`` wrote."""
        arrays = unpack(data)
        told: dict[str, Any] = orjson.loads(arrays.pop("told").tobytes())
        return cls(
            runs=tuple(Run(*run) for run in told["runs"]),
            kinds=tuple(tuple(kind) for kind in told["kinds"]),
            columns=told["columns"],
            distinct=told["distinct"],
            detailed=told.get("detailed", False),
            **arrays,
        )

    @property
    def nbytes(self) -> int:
        """How much memory it takes, about."""
        return sum(array.nbytes for array in (self.low, self.high, self.reach, self.first, self.ends_low)) + 1_000


_NONE = np.empty(0, np.int64)
NOTHING = Layout((), _NONE, _NONE, _NONE, np.zeros(1, np.int64), _NONE, (), 0, True)
"""The layout of a segment without alleles."""


class LayoutBuilder:
    """Grows with each block that is written, and cuts the ends of alleles into parts, in order."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._blocks: list[tuple[int, int, int, int]] = []
        self._ends_low: list[int] = []
        self._pending = np.empty(0, np.int64)
        self._last = np.empty(0, np.uint64)
        self._distinct = True

    def begins_run(self, assembly: str, chrom: str, start: int) -> bool:
        """Whether an allele that begins here cannot go on with the last run."""
        if not self._runs:
            return True
        run = self._runs[-1]
        return (run.assembly, run.chrom) != (assembly, chrom) or start < self._blocks[-1][1]

    def add(self, assembly: str, chrom: str, head: Arrays) -> Iterator[tuple[int, Arrays]]:
        """Add the next block; yields parts of ends that are now complete, with their numbers."""
        start, end, key = head["start"], head["end"], head["key"]
        low, high = int(start[0]), int(start[-1])
        if self.begins_run(assembly, chrom, low):
            yield from self._end_run()
            self._distinct &= all((run.assembly, run.chrom) != (assembly, chrom) for run in self._runs)
            number, parts = len(self._blocks), len(self._ends_low)
            self._runs.append(Run(assembly, chrom, number, number, parts, parts))
        self._blocks.append((low, high, int(end.max()), len(start)))
        self._runs[-1] = self._runs[-1]._replace(stop=len(self._blocks))
        # The same allele twice has the same start; those at the last start may go on in the next block.
        self._distinct &= len(np.unique(key)) == len(key) and not np.isin(key[start == low], self._last).any()
        at_last = key[start == high]
        self._last = np.concatenate([self._last, at_last]) if low == high else at_last
        self._pending = np.concatenate([self._pending, end])
        settled = np.sort(self._pending[self._pending <= high])  # whatever comes later ends later
        whole = len(settled) // ENDS * ENDS
        if whole:
            yield from self._cut(settled[:whole])
            self._pending = np.concatenate([settled[whole:], self._pending[self._pending > high]])

    def finish(self) -> Iterator[tuple[int, Arrays]]:
        """Yield what is left of the ends."""
        yield from self._end_run()

    def layout(self, kinds: dict[tuple[str, ...], int], columns: int, *, detailed: bool = False) -> Layout:
        """Return the layout of all blocks; ``finish`` was called before."""
        low, high, reach, rows = (np.array(part, np.int64) for part in zip(*self._blocks, strict=True))
        first = np.concatenate([[0], np.cumsum(rows)])
        ends = np.array(self._ends_low, np.int64)
        return Layout(tuple(self._runs), low, high, reach, first, ends, tuple(kinds), columns, self._distinct, detailed)

    def _end_run(self) -> Iterator[tuple[int, Arrays]]:
        if len(self._pending):
            yield from self._cut(np.sort(self._pending))
        self._pending, self._last = np.empty(0, np.int64), np.empty(0, np.uint64)

    def _cut(self, ends: Ints) -> Iterator[tuple[int, Arrays]]:
        for begin in range(0, len(ends), ENDS):
            part = ends[begin : begin + ENDS]
            yield len(self._ends_low), {"end": part}
            self._ends_low.append(int(part[0]))
            self._runs[-1] = self._runs[-1]._replace(ends_stop=len(self._ends_low))
