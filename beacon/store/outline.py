"""The outline of a segment: where its alleles begin and end, which they are, and who carries the rare ones.

Of a large segment not all heads fit into memory, and those who carry rare alleles do not either. The outline has what
counting needs of them: 12 bytes per allele to count by position or by bases, and about as many for the rare ones among
them, in flat arrays in memory that all workers share (``beacon.store.commons``). What it holds of some neighbouring
blocks looks like the head and the rare carriers of one large block.
"""

from __future__ import annotations

import mmap
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from beacon.model.calls import GROUPS
from beacon.store.calls import RARE, Calls, is_common
from beacon.store.commons import Piece
from beacon.store.heads import carriers
from beacon.store.layout import ENDS, Layout, Run
from beacon.store.packing import Array, Arrays

BYTES = 12
"""What an allele takes without its carriers."""
_FAR: Final = np.iinfo(np.uint16).max
_LONG: Final = np.iinfo(np.uint8).max
_FAR_APART: Final = -1
"""In the place of a block's largest number: its numbers are in ``far_number``."""
_USUAL: Final = "het"
"""The group in which nearly all carriers of rare alleles are: it has a size for each allele, others an allele for each
carrier."""
_NO_ROWS: Final = np.empty(0, np.uint32)
_WHOLE, _TELLS_RARE, _LONG_ONES = range(3)
"""What the array ``said`` says: whether all was written, whether that includes who carries rare alleles, and how many
alleles are too long for ``length``."""
RARE_ENOUGH: Final = 1 / 64
"""Alleles up to this frequency are all told of among the rare ones (``beacon.store.calls.RARE``)."""
_COPIES: Final = 3
"""Copies of a rare allele that a carrier has, at most on average: beyond, the outline does without rare alleles."""


def _ends_begin(run: Run) -> int:
    return run.ends_begin


def _holding(most: int) -> Any:
    """Return the narrowest type for numbers up to ``most`` and one that stands for none."""
    return next(kind for kind in (np.uint8, np.uint16, np.uint32) if most < np.iinfo(kind).max)


def _no_count(count: Array) -> int:
    """Return what stands in an array of counts for alleles that are not rare or were not counted."""
    return int(np.iinfo(count.dtype).max)


_Room = tuple[str, Any, int]
"""Name, type and length of an array."""


def _laid(arrays: dict[str, tuple[Any, int, int]], place: int, rooms: Sequence[_Room]) -> int:
    """Lay arrays one after another from a place on, each with its type, length and place; return where they end."""
    for name, kind, size in rooms:
        arrays[name] = kind, size, place
        place += -(-size * np.dtype(kind).itemsize // mmap.PAGESIZE) * mmap.PAGESIZE
    return place


@dataclass(frozen=True, slots=True)
class Places:
    """Where the arrays of an outline lie in a piece of memory, by what the layout tells alone.

    Arrays called ``far`` and ``long`` hold in full what does not fit into the narrow ones. They, and those of groups in
    which nobody is, are mostly not written to, and then take no memory.
    """

    arrays: Mapping[str, tuple[Any, int, int]]
    size: int
    rare_begins: int

    @classmethod
    def of(cls, layout: Layout, most_bytes: int) -> Places:
        """``most_bytes`` bounds what the columns of each group of rare carriers may take."""
        alleles, blocks = layout.size, len(layout.low)
        arrays: dict[str, tuple[Any, int, int]] = {}
        size = _laid(arrays, 0, [
            ("said", np.int64, 8),
            ("start", np.uint16, alleles), ("same", np.uint64, alleles), ("end", np.uint16, alleles),
            ("far_block", np.uint8, blocks), ("far_start", np.int64, alleles),
            ("far_part", np.uint8, len(layout.ends_low)), ("far_end", np.int64, alleles),
        ])  # fmt: skip
        if layout.columns < RARE:
            return cls(arrays, size, size)
        most = layout.columns // RARE
        column = np.uint16 if layout.columns <= 1 << 16 else np.uint32
        room = min(alleles * most, most_bytes // np.dtype(column).itemsize)
        rare: list[_Room] = [
            ("length", np.uint8, alleles), ("long", np.int64, alleles), ("long_length", np.int64, alleles),
            ("count", _holding(_COPIES * most), alleles),
            ("most", np.int64, blocks), ("fewer", np.uint8, alleles), ("far_number", np.int64, alleles),
        ]  # fmt: skip
        for group in GROUPS:
            whose = (group, _holding(most), alleles) if group == _USUAL else (f"{group}.alleles", np.uint32, room)
            rare += [whose, (f"{group}.first", np.int64, blocks + 1), (f"{group}.columns", column, room)]
        return cls(arrays, _laid(arrays, size, rare), size)

    def lay(self, piece: Piece) -> Arrays:
        """Return the arrays as views of a piece."""
        return {name: np.frombuffer(piece.view, kind, size, place) for name, (kind, size, place) in self.arrays.items()}


class Outline:
    """Positions, as what is to be added to the lowest of their block or part of ends, identities and rare carriers."""

    def __init__(self, layout: Layout, piece: Piece, arrays: Arrays) -> None:
        self.layout = layout
        self.piece = piece
        self._arrays = arrays
        said = arrays["said"]
        self.tells_rare = bool(said[_TELLS_RARE])
        self._start, self._same, self._end = arrays["start"], arrays["same"], arrays["end"]
        self._far = bool(arrays["far_block"].any())
        self._long = arrays["long"][: int(said[_LONG_ONES])] if self.tells_rare else _NO_ROWS
        self._groups = [group for group in GROUPS if self.tells_rare and arrays[f"{group}.first"][-1]]

    @classmethod
    def over(cls, layout: Layout, places: Places, piece: Piece | None) -> Outline | None:
        """Return the outline that is in a piece; None where there is none, or it was not written to the end."""
        if piece is None or not (arrays := places.lay(piece))["said"][_WHOLE]:
            return None
        return cls(layout, piece, arrays)

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return self.piece.taken

    def head(self, block: int) -> Arrays:
        """Return the ``start`` and ``same`` of a block's head."""
        where = self._of_block(block)
        return {"start": self._starts(block, block + 1), "same": self._same[where]}

    def ends(self, part: int) -> Arrays:
        """Return a part of ends."""
        where = _of_part(self.layout, part)
        if self._arrays["far_part"][part]:
            return {"end": self._arrays["far_end"][where]}
        return {"end": self._end[where].astype(np.int64) + int(self.layout.ends_low[part])}

    def spans(self, blocks: Sequence[int]) -> dict[int, tuple[Arrays, Calls]]:
        """Return what is known of the rare alleles of some ascending blocks: by its first, those side by side together.

        First ``start``, ``end``, ``count`` and ``number`` (both 0 where an allele is not rare or was not counted), then
        who carries the rare ones.
        """
        found = {}
        begin = 0
        for at in range(1, len(blocks) + 1):
            if at == len(blocks) or not self._go_on(blocks[at - 1], blocks[at]):
                found[blocks[begin]] = self._span(blocks[begin], blocks[at - 1] + 1)
                begin = at
        return found

    def _go_on(self, block: int, following: int) -> bool:
        return following == block + 1 and self.layout.run_of(following) == self.layout.run_of(block)

    def _span(self, begin: int, stop: int) -> tuple[Arrays, Calls]:
        first, last = int(self.layout.first[begin]), int(self.layout.first[stop])
        held = self._arrays
        start = self._starts(begin, stop)
        length = held["length"][first:last].astype(np.int64)
        if len(self._long):
            low, high = self._long.searchsorted((first, last))
            length[self._long[low:high] - first] = held["long_length"][low:high]
        count = held["count"][first:last]
        told = count != _no_count(count)
        head = {
            "start": start,
            "end": start + length,
            "count": count * told,
            "number": self._numbers(begin, stop) * told,
        }
        part: Arrays = {"window": np.array((0, self.layout.columns), np.int64)}
        for group in self._groups:
            low, high = held[f"{group}.first"][[begin, stop]].tolist()
            if group == _USUAL:
                sizes = held[group][first:last]
            else:
                sizes = np.bincount(held[f"{group}.alleles"][low:high] - first, minlength=last - first)
            at = np.zeros(last - first + 1, np.uint32)
            np.cumsum(sizes, out=at[1:])
            part |= {
                f"{group}.at": at,
                f"{group}.columns": held[f"{group}.columns"][low:high],
                f"{group}.dense_rows": _NO_ROWS,
            }
        return head, Calls(head, {"rare": part}, self.layout.columns)

    def _starts(self, begin: int, stop: int) -> NDArray[np.int64]:
        first, last = int(self.layout.first[begin]), int(self.layout.first[stop])
        sizes = np.diff(self.layout.first[begin : stop + 1])
        found: NDArray[np.int64] = self._start[first:last] + np.repeat(self.layout.low[begin:stop], sizes)
        if self._far and (far := self._arrays["far_block"][begin:stop]).any():
            found = np.where(np.repeat(far, sizes), self._arrays["far_start"][first:last], found)
        return found

    def _numbers(self, begin: int, stop: int) -> NDArray[np.int64]:
        first, last = int(self.layout.first[begin]), int(self.layout.first[stop])
        most = np.repeat(self._arrays["most"][begin:stop], np.diff(self.layout.first[begin : stop + 1]))
        found: NDArray[np.int64] = most - self._arrays["fewer"][first:last]
        if (far := most == _FAR_APART).any():
            found[far] = self._arrays["far_number"][first:last][far]
        return found

    def _of_block(self, block: int) -> slice:
        return slice(int(self.layout.first[block]), int(self.layout.first[block + 1]))


class OutlineBuilder:
    """Writes an outline into a piece of memory: parts of ends in any order, blocks ascending."""

    def __init__(self, layout: Layout, places: Places, piece: Piece) -> None:
        self._layout = layout
        self._places = places
        self._piece = piece
        self._arrays = places.lay(piece)
        self._long = 0
        self.tells_rare = layout.columns >= RARE

    @property
    def taken(self) -> int:
        """How many bytes have been written to."""
        return self._piece.taken

    def add_ends(self, part: int, ends: Arrays) -> None:
        """Take a part of ends."""
        where = _of_part(self._layout, part)
        beyond = ends["end"].astype(np.int64) - int(self._layout.ends_low[part])
        if int(beyond.max()) > _FAR:
            self._arrays["far_part"][part] = 1
            self._arrays["far_end"][where] = ends["end"]
        else:
            self._arrays["end"][where] = beyond

    def add(self, block: int, head: Arrays, rare: Arrays) -> None:
        """Take what is needed of a block's head and its rare carriers."""
        where = slice(int(self._layout.first[block]), int(self._layout.first[block + 1]))
        held = self._arrays
        held["same"][where] = head["same"]
        start = head["start"].astype(np.int64)
        beyond = start - int(self._layout.low[block])
        if int(beyond.max()) > _FAR:
            held["far_block"][block] = 1
            held["far_start"][where] = start
        else:
            held["start"][where] = beyond
        if self.tells_rare and not self._add_rare(block, where, head, rare):
            self.leave_rare()

    def _add_rare(self, block: int, where: slice, head: Arrays, rare: Arrays) -> bool:
        """Take the rare alleles of a block; say whether there was room."""
        held, first = self._arrays, where.start
        length = head["end"].astype(np.int64) - head["start"]
        held["length"][where] = np.minimum(length, _LONG)
        long = np.flatnonzero(length >= _LONG)
        held["long"][self._long : self._long + len(long)] = first + long
        held["long_length"][self._long : self._long + len(long)] = length[long]
        self._long += len(long)
        many = carriers(head)
        common = is_common(many, self._layout.columns)
        told = (many >= 0) & (head["number"] >= 0) & ~common
        none = _no_count(held["count"])
        if told.any() and int(head["count"][told].max()) >= none:
            return False
        # Where people have more than two alleles, what many carry may be infrequent.
        if (common & (head["number"] > 0) & (head["count"] <= RARE_ENOUGH * head["number"])).any():
            return False
        held["count"][where] = np.where(told, head["count"], none)
        number = np.where(told, head["number"].astype(np.int64), head["number"].max(initial=0, where=told))
        fewer = number.max() - number
        if int(fewer.max()) > np.iinfo(np.uint8).max:
            held["most"][block] = _FAR_APART
            held["far_number"][where] = number
        else:
            held["most"][block] = number.max()
            held["fewer"][where] = fewer
        return all(self._add_carriers(block, where, group, rare) for group in GROUPS)

    def _add_carriers(self, block: int, where: slice, group: str, rare: Arrays) -> bool:
        held = self._arrays
        columns, into = rare.get(f"{group}.columns", _NO_ROWS), held[f"{group}.columns"]
        begin = int(held[f"{group}.first"][block])
        stop = begin + len(columns)
        if stop > len(into):
            return False
        held[f"{group}.first"][block + 1] = stop
        if len(columns):
            into[begin:stop] = columns
            sizes = np.diff(rare[f"{group}.at"])
            if group == _USUAL:
                held[group][where] = sizes
            else:
                held[f"{group}.alleles"][begin:stop] = np.repeat(np.arange(where.start, where.stop), sizes)
        return True

    def leave_rare(self) -> None:
        """Do without rare alleles: they take too much."""
        self.tells_rare = False
        self._piece.give_back(self._places.rare_begins, self._places.size)

    def finish(self) -> Outline:
        """Return the outline, of which nothing changes any more."""
        said = self._arrays["said"]
        said[_LONG_ONES] = self._long
        said[_TELLS_RARE] = self.tells_rare
        said[_WHOLE] = 1
        piece = self._piece.sealed()
        return Outline(self._layout, piece, self._places.lay(piece))


def _of_part(layout: Layout, part: int) -> slice:
    run = layout.runs[bisect_right(layout.runs, part, key=_ends_begin) - 1]
    begin = int(layout.first[run.begin]) + (part - run.ends_begin) * ENDS
    return slice(begin, min(begin + ENDS, int(layout.first[run.stop])))
