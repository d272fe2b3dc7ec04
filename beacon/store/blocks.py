"""Genotype blocks: consecutive alleles of one chromosome and who carries them, as a few arrays.

A block has a *head* (start, end and identity of each allele) and its *calls*. Carriers of a group (het, hom,
hemi, other) lie in one array of column numbers with offsets (CSR), or as bit rows where those are smaller;
missing and haploid columns, which hardly change from allele to allele, are kept once per distinct set. So the
carriers of a whole range are one slice, not one object per allele.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pyroaring import BitMap

from beacon.model.calls import GROUPS
from beacon.model.calls import Calls as AlleleCalls

Mask = NDArray[np.bool_]
Array = NDArray[Any]

_SETS = (*GROUPS, "missing", "haploid")


def identity(variant_id: str) -> int:
    """Return 64 bits that stand for a variant id wherever many are compared."""
    return int.from_bytes(hashlib.blake2b(variant_id.encode(), digest_size=8).digest(), "little")


def pack(arrays: Mapping[str, Array]) -> bytes:
    """Write named arrays as one byte string: a JSON line that describes them, then their bytes."""
    described = [(name, array.dtype.str, array.shape) for name, array in arrays.items()]
    return b"".join([orjson.dumps(described), b"\n", *(np.ascontiguousarray(a).tobytes() for a in arrays.values())])


def unpack(data: bytes) -> dict[str, Array]:
    """Read what ``pack`` wrote; the arrays are views of ``data``."""
    line = data.index(b"\n")
    offset = line + 1
    arrays: dict[str, Array] = {}
    for name, dtype, shape in orjson.loads(data[:line]):
        size = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(data, dtype, size, offset).reshape(shape)
        offset += size * np.dtype(dtype).itemsize
    return arrays


@dataclass(frozen=True, slots=True)
class Heads:
    """Places of alleles in one segment, by position: parallel arrays.

    ``chrom`` holds codes of ``names``; ``key`` is ``identity(variant id)``; ``carried`` says whether anybody
    carried the allele when it was loaded.
    """

    names: tuple[str, ...]
    chrom: NDArray[np.int32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    key: NDArray[np.uint64]
    block: NDArray[np.int32]
    row: NDArray[np.int32]
    carried: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.start)

    def pick(self, which: Array) -> Heads:
        """Return the alleles that a mask or an index array chooses."""
        return Heads(
            self.names, self.chrom[which], self.start[which], self.end[which], self.key[which],
            self.block[which], self.row[which], self.carried[which],
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: Sequence[Heads]) -> Heads:
        """Return several as one, in the order given."""
        names = tuple(sorted({name for part in parts for name in part.names}))
        codes = [np.array([names.index(name) for name in part.names], np.int32)[part.chrom] for part in parts]
        return cls(
            names,
            np.concatenate(codes),
            *(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__[2:]),
        )

    @classmethod
    def build(cls, rows: Iterable[tuple[str, int, int, int, int, int, bool]]) -> Heads:
        """Build from (chromosome, start, end, key, block, row, carried)."""
        listed = list(rows)
        names = tuple(sorted({row[0] for row in listed}))
        codes = {name: code for code, name in enumerate(names)}
        columns: list[Sequence[Any]] = list(zip(*listed, strict=True)) if listed else [()] * 7
        return cls(
            names,
            np.array([codes[name] for name in columns[0]], np.int32),
            np.array(columns[1], np.int64),
            np.array(columns[2], np.int64),
            np.array(columns[3], np.uint64),
            np.array(columns[4], np.int32),
            np.array(columns[5], np.int32),
            np.array(columns[6], np.bool_),
        )


class BlockBuilder:
    """Collects consecutive alleles until ``full`` and encodes them; ``columns`` is the segment's number of columns."""

    MAX_ALLELES = 1024
    MAX_BYTES = 2_000_000

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self._heads: list[tuple[int, int, int, bool]] = []
        self._calls: list[AlleleCalls | None] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._heads)

    @property
    def full(self) -> bool:
        """Whether the block should be written before another allele is added."""
        return len(self._heads) >= self.MAX_ALLELES or self._bytes >= self.MAX_BYTES

    def add(self, start: int, end: int, key: int, calls: AlleleCalls | None) -> int:
        """Add an allele and return its row."""
        self._calls.append(calls)
        self._bytes += 32
        carried = False
        if calls is not None:
            for name in _SETS:
                if size := len(getattr(calls, name)):
                    self._bytes += min(4 * size, self.columns // 8 + 1)
                    carried = carried or name in GROUPS
            self._bytes += 16 * len(calls.exceptions)
        self._heads.append((start, end, key, carried))
        return len(self._heads) - 1

    def encode(self) -> tuple[bytes, bytes, int, int]:
        """Return (head, calls, smallest start, largest end)."""
        start, end, key, carried = zip(*self._heads, strict=True)
        head = {
            "start": np.array(start, np.int64),
            "end": np.array(end, np.int64),
            "key": np.array(key, np.uint64),
            "carried": np.array(carried, np.bool_),
        }
        return pack(head), pack(self._encode_calls()), min(start), max(end)

    def _encode_calls(self) -> dict[str, Array]:
        arrays: dict[str, Array] = {
            "columns": np.array([self.columns], np.int64),
            "state": np.array([0 if c is None else 1 + c.counted for c in self._calls], np.uint8),
        }
        for group in GROUPS:
            arrays |= self._encode_group(group)
        for name in ("missing", "haploid"):
            arrays |= self._encode_shared(name)
        exceptions = [(row, *e) for row, c in enumerate(self._calls) if c for e in c.exceptions]
        arrays["exceptions"] = np.array(exceptions, np.uint32).reshape(-1, 4)
        return arrays

    def _encode_group(self, group: str) -> dict[str, Array]:
        width = np.uint16 if self.columns <= 1 << 16 else np.uint32
        most = (self.columns // 8 + 1) // np.dtype(width).itemsize
        sizes = np.array([len(getattr(calls, group)) if calls else 0 for calls in self._calls], np.int64)
        dense_rows = np.flatnonzero(sizes > most)
        dense = np.zeros((len(dense_rows), (self.columns + 7) // 8), np.uint8)
        for position, row in enumerate(dense_rows.tolist()):
            bits = np.zeros(self.columns, np.bool_)
            bits[getattr(self._calls[row], group)] = True
            dense[position] = np.packbits(bits)
        sizes[dense_rows] = 0
        sparse = [getattr(self._calls[row], group) for row in np.flatnonzero(sizes).tolist()]
        return {
            f"{group}.offsets": np.concatenate([[0], np.cumsum(sizes)]).astype(np.uint32),
            f"{group}.columns": np.concatenate(sparse).astype(width) if sparse else np.empty(0, width),
            f"{group}.dense_rows": dense_rows.astype(np.uint32),
            f"{group}.dense": dense,
        }

    def _encode_shared(self, name: str) -> dict[str, Array]:
        distinct: dict[bytes, int] = {}
        refs = []
        for calls in self._calls:
            columns = getattr(calls, name) if calls else ()
            encoded = BitMap(columns).serialize() if len(columns) else b""
            refs.append(distinct.setdefault(encoded, len(distinct)))
        return {
            f"{name}.refs": np.array(refs, np.uint32),
            f"{name}.sizes": np.array([len(encoded) for encoded in distinct], np.uint32),
            f"{name}.sets": np.frombuffer(b"".join(distinct), np.uint8),
        }


class Calls:
    """The decoded calls of one block; a mask over columns narrows every question to some samples."""

    def __init__(self, data: bytes) -> None:
        self._arrays = unpack(data)
        self.columns = int(self._arrays["columns"][0])

    def genotyped(self, row: int) -> bool:
        """Whether the source had genotypes for this allele at all."""
        return bool(self._arrays["state"][row])

    def counted(self, row: int) -> bool:
        """Whether allele count and number mean something for this allele."""
        return bool(self._arrays["state"][row] == 2)

    def group(self, name: str, row: int) -> Array:
        """Return the columns of one group of carriers, ascending."""
        a = self._arrays
        dense = np.searchsorted(a[f"{name}.dense_rows"], row)
        if dense < len(a[f"{name}.dense_rows"]) and a[f"{name}.dense_rows"][dense] == row:
            return np.flatnonzero(np.unpackbits(a[f"{name}.dense"][dense], count=self.columns))
        begin, stop = a[f"{name}.offsets"][row], a[f"{name}.offsets"][row + 1]
        return a[f"{name}.columns"][begin:stop]

    def carriers(self, row: int, groups: Sequence[str] = GROUPS) -> Array:
        """Return the columns of all carriers in these groups, ascending."""
        found = [self.group(name, row) for name in groups]
        return np.unique(np.concatenate([np.asarray(part, np.uint32) for part in found]))

    def union(self, rows: Array, groups: Sequence[str] = GROUPS) -> Mask:
        """Return a mask of the columns that carry any of these alleles."""
        mask = np.zeros(self.columns, np.bool_)
        for name in groups:
            sparse, dense = self._slices(name, rows)
            mask[sparse] = True
            if len(dense):
                bits = np.bitwise_or.reduce(dense, axis=0)
                mask |= np.unpackbits(bits, count=self.columns).astype(np.bool_)
        return mask

    def carried_by(self, rows: Array, mask: Mask, groups: Sequence[str] = GROUPS) -> Mask:
        """Return, for each of these rows, whether any column of ``mask`` carries its allele."""
        found = np.zeros(len(rows), np.bool_)
        packed = np.packbits(mask)
        for name in groups:
            a = self._arrays
            hits = np.concatenate([[0], np.cumsum(mask[a[f"{name}.columns"]], dtype=np.int64)])
            offsets = a[f"{name}.offsets"]
            found |= hits[offsets[rows + 1]] > hits[offsets[rows]]
            for position, row in enumerate(a[f"{name}.dense_rows"]):
                if (a[f"{name}.dense"][position] & packed).any():
                    found |= rows == row
        return found

    def _slices(self, name: str, rows: Array) -> tuple[Array, Array]:
        a = self._arrays
        chosen = np.zeros(len(a["state"]), np.bool_)
        chosen[rows] = True
        offsets = a[f"{name}.offsets"].astype(np.int64)
        sparse = a[f"{name}.columns"][np.repeat(chosen, offsets[1:] - offsets[:-1])]
        return sparse, a[f"{name}.dense"][chosen[a[f"{name}.dense_rows"]]]

    def shared(self, name: str, row: int) -> BitMap:
        """Return the ``missing`` or ``haploid`` columns of an allele."""
        a = self._arrays
        ref = int(a[f"{name}.refs"][row])
        sizes = a[f"{name}.sizes"]
        if not sizes[ref]:
            return BitMap()
        begin = int(sizes[:ref].sum())
        return BitMap.deserialize(a[f"{name}.sets"][begin : begin + int(sizes[ref])].tobytes())

    def exceptions(self, row: int) -> list[tuple[int, int, int]]:
        """Return (column, copies, alleles called) of the unusual calls of an allele."""
        listed = self._arrays["exceptions"]
        return [(int(c), int(n), int(called)) for r, c, n, called in listed[listed[:, 0] == row]]

    def tally(self, row: int, columns: BitMap) -> tuple[int, int, int]:
        """Return (carriers, allele count, allele number) of an allele among these columns."""
        groups = {name: BitMap(np.asarray(self.group(name, row), np.uint32)) & columns for name in GROUPS}
        carriers = sum(map(len, groups.values()))
        missing, haploid = self.shared("missing", row) & columns, self.shared("haploid", row) & columns
        count = carriers + len(groups["hom"])
        number = 2 * (len(columns) - len(missing)) - len(haploid - missing)
        for column, copies, called in self.exceptions(row):
            if column in columns:
                usual = 2 if column in groups["hom"] else int(any(column in group for group in groups.values()))
                count += copies - usual
                number += called - (0 if column in missing else 1 if column in haploid else 2)
        return carriers, count, number
