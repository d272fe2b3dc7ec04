"""Who carries the alleles of one block, in parts that can be read apart.

rare    the carriers of alleles that few columns carry, one array of column numbers per group with offsets (CSR)
tileN   those of all other alleles, among columns N * TILE to before (N + 1) * TILE, as CSR or as bit rows
sets    columns without a call and haploid ones, which hardly change from allele to allele, once per distinct set; and
        calls with unusual numbers of copies

So a question about rare variants reads no common ones, and one about a single person reads one tile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from beacon.model.calls import GROUPS
from beacon.model.calls import Calls as AlleleCalls
from beacon.store.packing import Array, Arrays

Mask = NDArray[np.bool_]
_NOBODY = np.empty(0, np.uint32)
_NO_SIZES = (0,) * 6

_KEYS = tuple((f"{name}.at", f"{name}.columns", f"{name}.dense_rows", f"{name}.dense") for name in GROUPS)

TILE = 1 << 14
"""Columns per tile."""
RARE = 32
"""An allele is rare where at most one in so many columns carries it."""


class Carriers(NamedTuple):
    """Columns of one tile that carry an allele alike: the number of their group, and they, counted from the tile's
    first, ascending.
    """

    tile: int
    group: int
    columns: Array


def is_common(many: Any, columns: int) -> Any:
    """Whether the carriers of an allele (or of each of several), so many, lie in tiles."""
    return many * RARE > columns


def tiles(columns: int) -> range:
    """Return the numbers of the tiles that so many columns have."""
    return range((columns + TILE - 1) // TILE)


def tiles_of(columns: BitMap) -> list[int]:
    """Return the numbers of the tiles that hold these columns."""
    if not columns:
        return []
    window = range(columns.min() // TILE, columns.max() // TILE + 1)
    return [tile for tile in window if columns.range_cardinality(tile * TILE, (tile + 1) * TILE)]


def encode_calls(
    calls: Sequence[AlleleCalls | None], counted: Sequence[tuple[int, ...] | None], columns: int
) -> dict[str, Arrays]:
    """Return the parts of one block's calls by name; those that would be empty are left out, but for ``rare``.

    ``counted`` are the sizes of the calls.
    """
    sizes = np.array([one or _NO_SIZES for one in counted], np.int64).reshape(-1, len(_NO_SIZES))
    carried = sizes[:, : len(GROUPS)]
    many = carried.sum(axis=1)
    common = is_common(many, columns)
    parts: dict[str, Arrays] = {}
    # Of each group that anybody is in, the alleles that have it.
    having = {name: carried[:, number] > 0 for number, name in enumerate(GROUPS) if carried[:, number].any()}
    if columns:
        rare = {name: have & ~common for name, have in having.items() if (have & ~common).any()}
        parts["rare"] = _encode_groups(calls, rare, (0, columns), columns, dense=False)
    if common.any():
        others = {name: have & common for name, have in having.items()}
        for tile in tiles(columns):
            window = (tile * TILE, min(columns, (tile + 1) * TILE))
            parts[f"tile{tile}"] = _encode_groups(calls, others, window, columns, dense=True)
    exceptions = [(row, *e) for row, one in enumerate(calls) if one for e in one.exceptions]
    if exceptions or sizes[:, len(GROUPS) :].any():
        parts["sets"] = _encode_sets(calls, "missing") | _encode_sets(calls, "haploid")
        parts["sets"]["exceptions"] = np.array(exceptions, np.uint32).reshape(-1, 4)
    return parts


def _encode_groups(
    calls: Sequence[AlleleCalls | None],
    having: Mapping[str, Mask],
    window: tuple[int, int],
    columns: int,
    *,
    dense: bool,
) -> Arrays:
    """Encode the carriers within a window of columns, of those alleles that have each group; as bit rows too, where
    ``dense`` and that is smaller.
    """
    begin, stop = window
    width = np.uint16 if stop - begin <= 1 << 16 else np.uint32
    most = (stop - begin) // (8 * np.dtype(width).itemsize) if dense else columns
    arrays: Arrays = {"window": np.array(window, np.int64)}
    for group, have in having.items():
        sizes = np.zeros(len(calls) + 1, np.uint32)
        listed: list[Array] = []
        dense_rows: list[int] = []
        bit_rows: list[Array] = []
        for row in np.flatnonzero(have).tolist():
            held: Array = getattr(calls[row], group)
            if window != (0, columns):
                held = held[np.searchsorted(held, begin) : np.searchsorted(held, stop)] - np.uint32(begin)
            if len(held) > most:
                bits = np.zeros(stop - begin, np.bool_)
                bits[held] = True
                dense_rows.append(row)
                bit_rows.append(np.packbits(bits))
            elif len(held):
                sizes[row + 1] = len(held)
                listed.append(held)
        arrays[f"{group}.at"] = np.cumsum(sizes, dtype=np.uint32)
        arrays[f"{group}.columns"] = np.concatenate(listed).astype(width) if listed else np.empty(0, width)
        arrays[f"{group}.dense_rows"] = np.array(dense_rows, np.uint32)
        arrays[f"{group}.dense"] = np.array(bit_rows, np.uint8).reshape(len(bit_rows), (stop - begin + 7) // 8)
    return arrays


def _encode_sets(calls: Sequence[AlleleCalls | None], name: str) -> Arrays:
    distinct: dict[bytes, int] = {}
    refs = []
    for one in calls:
        columns = getattr(one, name) if one else ()
        encoded = BitMap(columns).serialize() if len(columns) else b""
        refs.append(distinct.setdefault(encoded, len(distinct)))
    return {
        f"{name}.refs": np.array(refs, np.uint32),
        f"{name}.sizes": np.array([len(encoded) for encoded in distinct], np.uint32),
        f"{name}.sets": np.frombuffer(b"".join(distinct), np.uint8),
    }


class Calls:
    """The calls of one block, as far as they were read: ``parts`` by name.

    ``head`` is the block's, or, of rare alleles, the part with what goes along (``beacon.store.heads.ALONG``).
    """

    def __init__(self, head: Arrays, parts: Mapping[str, Arrays], columns: int) -> None:
        self.columns = columns
        self._head = head
        self._sets = parts.get("sets") or None
        self._rare = [part for name, part in parts.items() if name == "rare" and part]
        self._tiles = [part for name, part in parts.items() if name not in ("rare", "sets") and part]

    @property
    def size(self) -> int:
        """How many alleles the block has."""
        return len(self._head["start"])

    @property
    def carrying(self) -> list[Arrays]:
        """The parts that say who carries what, as far as they were read."""
        return [*self._rare, *self._tiles]

    def genotyped(self, row: int) -> bool:
        """Whether the source had genotypes for this allele at all."""
        return bool(self._head[GROUPS[0]][row] >= 0)

    def counted(self, row: int) -> bool:
        """Whether allele count and number mean something for this allele."""
        return bool(self._head["number"][row] >= 0)

    def group(self, name: str, row: int) -> Array:
        """Return the columns of one group of carriers, ascending."""
        if self._head[name][row] <= 0:
            return _NOBODY
        return _in_parts(self._parts_of(self._sizes(row)), GROUPS.index(name), row)

    def _sizes(self, row: int) -> list[int]:
        """Return how many columns each group has, none of an allele without genotypes."""
        return [max(self._head[name].item(row), 0) for name in GROUPS]

    def _parts_of(self, sizes: Sequence[int]) -> list[Arrays]:
        return self._tiles if is_common(sum(sizes), self.columns) else self._rare

    def carriers(self, row: int, groups: Sequence[str] = GROUPS) -> Array:
        """Return the columns of all carriers in these groups, ascending."""
        found = [self.group(name, row) for name in groups]
        return np.unique(np.concatenate([np.asarray(part, np.uint32) for part in found]))

    def listed(self, row: int) -> list[Carriers]:
        """Return all carriers of an allele, tile by tile."""
        sizes = self._sizes(row)
        found = []
        for part in self._parts_of(sizes):
            begin, stop = part["window"].tolist()
            for number in range(len(GROUPS)):
                if sizes[number] and len(columns := _in_window(part, number, row, stop - begin)):
                    found += _by_tile(begin // TILE, number, columns, stop - begin)
        return found

    def of_column(self, column: int) -> NDArray[np.int8]:
        """Return, for each allele, the number of the group in which a column carries it, -1 where it does not."""
        found = np.full(self.size, -1, np.int8)
        for part in self.carrying:
            begin, stop = part["window"].tolist()
            place = column - begin
            if not 0 <= place < stop - begin:
                continue
            for number, (at, columns, dense_rows, dense) in enumerate(_KEYS):
                if at not in part:
                    continue
                hits = (part[columns] == place).nonzero()[0]
                if len(hits):
                    found[part[at].searchsorted(hits, "right") - 1] = number
                if len(rows := part[dense_rows]):
                    bits = part[dense][:, place >> 3] & (0x80 >> (place & 7))
                    found[rows[bits.nonzero()[0]]] = number
        return found

    def shared(self, name: str, row: int) -> BitMap:
        """Return the ``missing`` or ``haploid`` columns of an allele."""
        if self._sets is None:
            return BitMap()
        ref = int(self._sets[f"{name}.refs"][row])
        sizes = self._sets[f"{name}.sizes"]
        if not sizes[ref]:
            return BitMap()
        begin = int(sizes[:ref].sum())
        return BitMap.deserialize(self._sets[f"{name}.sets"][begin : begin + int(sizes[ref])].tobytes())

    def exceptions(self, row: int) -> list[tuple[int, int, int]]:
        """Return (column, copies, alleles called) of the unusual calls of an allele."""
        if self._sets is None:
            return []
        listed = self._sets["exceptions"]
        return [(int(c), int(n), int(called)) for _, c, n, called in listed[listed[:, 0] == row]]

    def tally(self, row: int, columns: BitMap) -> tuple[int, int, int]:
        """Return (carriers, allele count, allele number) of an allele among these columns."""
        groups = {name: BitMap(np.asarray(self.group(name, row), np.uint32)) & columns for name in GROUPS}
        many = sum(map(len, groups.values()))
        missing, haploid = self.shared("missing", row) & columns, self.shared("haploid", row) & columns
        count = many + len(groups["hom"])
        number = 2 * (len(columns) - len(missing)) - len(haploid - missing)
        for column, copies, called in self.exceptions(row):
            if column in columns:
                usual = 2 if column in groups["hom"] else int(any(column in group for group in groups.values()))
                count += copies - usual
                number += called - (0 if column in missing else 1 if column in haploid else 2)
        return many, count, number


def _in_parts(parts: Sequence[Arrays], group: int, row: int) -> Array:
    found = [_in_part(part, group, row) for part in parts]
    return found[0] if len(found) == 1 else np.concatenate([_NOBODY, *found])


def _in_part(part: Arrays, group: int, row: int) -> Array:
    begin, stop = part["window"].tolist()
    found = _in_window(part, group, row, stop - begin).astype(np.uint32)
    return found + np.uint32(begin) if begin else found


def _in_window(part: Arrays, group: int, row: int, width: int) -> Array:
    """Return the columns of one group that carry an allele, counted from the first one of the part's window."""
    at, columns, dense_rows, dense = _KEYS[group]
    first, last = part[at][row : row + 2].tolist()
    if first == last and len(rows := part[dense_rows]):
        place = int(rows.searchsorted(np.uint32(row)))
        if place < len(rows) and rows[place] == row:
            return np.unpackbits(part[dense][place], count=width).nonzero()[0]
    found: Array = part[columns][first:last]
    return found


def _by_tile(tile: int, group: int, columns: Array, width: int) -> list[Carriers]:
    if width <= TILE:
        return [Carriers(tile, group, columns)]
    bounds = columns.searchsorted(np.arange(0, width + TILE, TILE)).tolist()
    return [
        Carriers(number, group, columns[begin:stop] - columns.dtype.type(number * TILE))
        for number, (begin, stop) in enumerate(pairwise(bounds), tile)
        if begin < stop
    ]
