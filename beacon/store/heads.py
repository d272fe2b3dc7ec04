"""Heads of blocks: where alleles lie, which they are and how often they were seen, as parallel arrays.

A block's head is what nearly every question about variants reads, and mostly all that it reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from beacon.model.calls import GROUPS
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.indexing import members_of
from beacon.model.variant import Allele
from beacon.store.packing import Array, Arrays

UNKNOWN = -1
"""In the place of a number that a source does not have."""
_TOLD = members_of(ENTRY_TYPES["genomicVariant"])
_NOT_GENOTYPED = (UNKNOWN,) * (len(GROUPS) + 1)


def identity(variant_id: str) -> int:
    """Return 64 bits that stand for a variant id, or any other text, wherever many are compared."""
    return int.from_bytes(hashlib.blake2b(variant_id.encode(), digest_size=8).digest(), "little")


def same_allele(start: int, ref: str, alt: str) -> int:
    """Return 64 bits that stand for an allele in minimal form on its chromosome, in whatever way it was written."""
    return identity(f"{start}:{ref}:{alt}")


@dataclass(frozen=True, slots=True)
class Heads:
    """Alleles of one segment: parallel arrays.

    ``chrom`` holds codes of ``names``; ``key`` is ``identity(variant id)``; ``block`` and ``row`` say where the allele
    is. ``carriers`` is how many columns carried it when it was loaded, ``UNKNOWN`` where the source has no
    genotypes; ``count`` and ``number`` are AC and AN, ``UNKNOWN`` where they mean nothing.
    """

    names: tuple[str, ...]
    chrom: NDArray[np.int32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    key: NDArray[np.uint64]
    block: NDArray[np.int32]
    row: NDArray[np.int32]
    carriers: NDArray[np.int32]
    count: NDArray[np.int32]
    number: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.start)

    @property
    def carried(self) -> NDArray[np.bool_]:
        """Whether anybody carried the allele when it was loaded."""
        return self.carriers > 0

    def pick(self, which: Array) -> Heads:
        """Return the alleles that a mask or an index array chooses."""
        if which.dtype == np.bool_:
            which = np.flatnonzero(which)
        return Heads(self.names, *[getattr(self, name).take(which) for name in self.__slots__[1:]])

    def in_order(self) -> Heads:
        """Return the alleles by (chromosome, start, end, identity)."""
        if not len(self):
            return self
        chrom, start = self.chrom, self.start
        step = start[1:] - start[:-1]
        if len(self.names) > 1:
            onward = chrom[1:] - chrom[:-1]
            step = np.where(onward == 0, step, onward)
        if (step < 0).any():
            return self.pick(np.lexsort((self.key, self.end, start, chrom)))
        # As they lie in blocks: what begins at one place may stand in another order there.
        same = np.flatnonzero(step == 0)
        if not len(same):
            return self
        among = np.zeros(len(self), np.bool_)
        among[same] = among[same + 1] = True
        tied = np.flatnonzero(among)
        order = np.arange(len(self))
        order[tied] = tied[np.lexsort((self.key[tied], self.end[tied], start[tied], chrom[tied]))]
        return self.pick(order)

    @classmethod
    def joined(cls, parts: Sequence[Heads]) -> Heads:
        """Return several as one, in the order given."""
        if len(parts) == 1:
            return parts[0]
        names = tuple(sorted({name for part in parts for name in part.names}))
        codes = [np.array([names.index(name) for name in part.names], np.int32)[part.chrom] for part in parts]
        return cls(
            names,
            np.concatenate(codes),
            *(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__[2:]),
        )

    @classmethod
    def empty(cls) -> Heads:
        """Return no alleles."""
        small, wide = np.empty(0, np.int32), np.empty(0, np.int64)
        return cls((), small, wide, wide, np.empty(0, np.uint64), small, small, small, small, small)


class Spelled(NamedTuple):
    """What follows from an allele and its body alone, so that whichever process reads them can make it.

    ``id`` is the variant id, ``key`` its ``identity``, ``same`` what ``same_allele`` says (0 for one without a place).
    ``told`` are those members of the body by which it is found: most alleles are told the same as one before.
    """

    id: str
    key: int
    same: int
    body: bytes
    told: bytes

    @classmethod
    def of(cls, allele: Allele, body: Mapping[str, Any]) -> Spelled:
        """Spell an allele and encode its body."""
        id = allele.id
        same = same_allele(*allele.minimal) if allele.chrom else 0
        told = {member: body[member] for member in _TOLD if member in body}
        return cls(id, identity(id), same, orjson.dumps(body), orjson.dumps(told))


class HeadBuilder:
    """Collects what a block's head says of its alleles. ``kinds`` numbers the segment's combinations of types."""

    def __init__(self, kinds: dict[tuple[str, ...], int]) -> None:
        self._kinds = kinds
        self._rows: list[tuple[int, ...]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, allele: Allele, spelled: Spelled, sizes: Sequence[int] | None, counts: tuple[int, int]) -> None:
        """Add an allele; ``sizes`` are those of its calls, ``counts`` AC and AN, or ``UNKNOWN``."""
        length = UNKNOWN if allele.length is None else allele.length
        groups = _NOT_GENOTYPED if sizes is None else sizes[:5]
        kind = self._kinds.setdefault(allele.types, len(self._kinds))
        self._rows.append((allele.start, allele.end, spelled.key, spelled.same, length, kind, *groups, *counts))

    def encode(self) -> Arrays:
        """Return the head: see ``COLUMNS``."""
        columns = zip(*self._rows, strict=True)
        return {name: _narrow(np.array(values, dtype)) for (name, dtype), values in zip(COLUMNS, columns, strict=True)}


def _narrow(array: Array) -> Array:
    """Return whole numbers in as few bytes as hold them: a head is read for nearly every question."""
    if array.dtype == np.uint64:
        return array
    low, high = int(array.min()), int(array.max())
    kinds: tuple[Any, ...] = (np.int8, np.int16, np.int32)
    fitting = (kind for kind in kinds if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return array.astype(next(fitting, array.dtype))


COLUMNS: tuple[tuple[str, Any], ...] = (
    ("start", np.int64), ("end", np.int64), ("key", np.uint64), ("same", np.uint64), ("length", np.int32),
    ("kind", np.int32), *((group, np.int32) for group in GROUPS), ("missing", np.int32), ("count", np.int32),
    ("number", np.int32),
)  # fmt: skip
"""A head's arrays, each kept as narrow as its values allow: 0-based half-open coordinates, identities of id and minimal
allele, length in bases, number of the combination of types, columns in each group of carriers and without a call, AC
and AN."""


def carriers(head: Arrays) -> NDArray[np.int32]:
    """Return how many columns carry each allele, ``UNKNOWN`` where the source has no genotypes."""
    return _carriers([head[group].astype(np.int32) for group in GROUPS])


def _carriers(groups: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    total: NDArray[np.int32] = np.add.reduce(groups)
    total[groups[0] < 0] = UNKNOWN
    return total


def heads_of(blocks: Iterable[tuple[str, int, Arrays]], which: NDArray[np.bool_] | None = None) -> Heads:
    """Return the alleles of some blocks, given as (chromosome, number, head): all, or those that a mask chooses."""
    parts = list(blocks)
    if not parts:
        return Heads.empty()
    names = tuple(sorted({chrom for chrom, _, _ in parts}))
    sizes = [len(head["start"]) for _, _, head in parts]
    rows = np.arange(sizes[0]) if len(parts) == 1 else np.concatenate([np.arange(size) for size in sizes])
    chosen = None if which is None else np.flatnonzero(which)

    def picked(array: Array, dtype: Any) -> Any:
        return (array if chosen is None else array.take(chosen)).astype(dtype, copy=False)

    def column(name: str, dtype: Any) -> Any:
        found = parts[0][2][name] if len(parts) == 1 else np.concatenate([head[name] for _, _, head in parts])
        return picked(found, dtype)

    return Heads(
        names,
        picked(np.repeat([names.index(chrom) for chrom, _, _ in parts], sizes), np.int32),
        column("start", np.int64),
        column("end", np.int64),
        column("key", np.uint64),
        picked(np.repeat([number for _, number, _ in parts], sizes), np.int32),
        picked(rows, np.int32),
        _carriers([column(group, np.int32) for group in GROUPS]),
        column("count", np.int32),
        column("number", np.int32),
    )
