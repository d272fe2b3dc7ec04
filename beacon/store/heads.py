"""Heads of blocks: where alleles lie, which they are and how often they were seen, as parallel arrays.

A block's head is what nearly every question about variants reads, and mostly all that it reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from beacon.model.calls import GROUPS
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.indexing import members_of
from beacon.model.variant import Allele
from beacon.store.calls import Calls
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


class Heads:
    """Alleles of one segment: parallel arrays, each made when it is asked for, since most questions need few of them.

    ``chrom`` holds codes of ``names``; ``key`` is ``identity(variant id)``; ``block`` and ``row`` say where the allele
    is. ``carriers`` is how many columns carried it when it was loaded, ``UNKNOWN`` where the source has no
    genotypes; ``count`` and ``number`` are AC and AN, ``UNKNOWN`` where they mean nothing. Where they are all that one
    column carries, ``of`` is that column.

    Where ``calls`` came along, they are as an outline tells them: good for counting them and those who carry them. A
    block is then a span of blocks by its first, and there are neither ``key`` nor ``carriers``.
    """

    __slots__ = ("_made", "_make", "_size", "calls", "names", "of")

    def __init__(
        self,
        names: tuple[str, ...],
        size: int,
        make: Callable[[str], Array],
        *,
        of: int | None = None,
        calls: Mapping[int, Calls] | None = None,
    ) -> None:
        """``make`` returns an array by its name; it is called once for each at most."""
        self.names = names
        self.of = of
        self.calls = calls
        self._size = size
        self._make = make
        self._made: dict[str, Array] = {}

    def __len__(self) -> int:
        return self._size

    def array(self, name: str) -> Array:
        """Return an array by its name."""
        found = self._made.get(name)
        if found is None:
            found = self._made[name] = self._make(name)
        return found

    @property
    def chrom(self) -> NDArray[np.int32]:
        """Chromosomes, as codes of ``names``."""
        return self.array("chrom")

    @property
    def start(self) -> NDArray[np.int64]:
        """First positions, 0-based."""
        return self.array("start")

    @property
    def end(self) -> NDArray[np.int64]:
        """Positions after the last ones."""
        return self.array("end")

    @property
    def key(self) -> NDArray[np.uint64]:
        """Identities of the variant ids."""
        return self.array("key")

    @property
    def block(self) -> NDArray[np.int32]:
        """Blocks that hold them."""
        return self.array("block")

    @property
    def row(self) -> NDArray[np.int32]:
        """Their rows in those."""
        return self.array("row")

    @property
    def carriers(self) -> NDArray[np.int32]:
        """How many columns carried each when it was loaded, ``UNKNOWN`` without genotypes."""
        return self.array("carriers")

    @property
    def count(self) -> NDArray[np.int32]:
        """AC."""
        return self.array("count")

    @property
    def number(self) -> NDArray[np.int32]:
        """AN."""
        return self.array("number")

    @property
    def how(self) -> NDArray[np.int8]:
        """The number of the group in which the column ``of`` carries each; only where there is one."""
        return self.array("how")

    @property
    def carried(self) -> NDArray[np.bool_]:
        """Whether anybody carried the allele when it was loaded."""
        return self.carriers > 0

    def settled(self) -> Heads:
        """Return them with every array made, so that nothing is kept of what they are made from."""
        for name in KINDS if self.of is None else (*KINDS, "how"):
            self.array(name)
        self._make = _nothing
        return self

    def pick(self, which: Array) -> Heads:
        """Return the alleles that a mask or an index array chooses."""
        at = which.nonzero()[0] if which.dtype == np.bool_ else which
        return Heads(self.names, len(at), lambda name: self.array(name).take(at), of=self.of, calls=self.calls)

    def along_with(self, calls: Mapping[int, Calls]) -> Heads:
        """Return them along with the calls of their blocks."""
        return Heads(self.names, len(self), self.array, of=self.of, calls=calls)

    def in_order(self) -> Heads:
        """Return the alleles by (chromosome, start, end, identity)."""
        start = self.start
        step = start[1:] - start[:-1]
        if len(self.names) > 1:
            onward = self.chrom[1:] - self.chrom[:-1]
            step = np.where(onward == 0, step, onward)
        if (step < 0).any():
            return self.pick(np.lexsort((self.key, self.end, start, self.chrom)))
        # As they lie in blocks: what begins at one place may stand in another order there.
        same = (step == 0).nonzero()[0]
        if not len(same):
            return self
        among = np.zeros(len(self), np.bool_)
        among[same] = among[same + 1] = True
        tied = among.nonzero()[0]
        order = np.arange(len(self))
        order[tied] = tied[np.lexsort((self.key[tied], self.end[tied], start[tied], self.chrom[tied]))]
        return self.pick(order)

    def by_place(self) -> Heads:
        """Return the alleles by (chromosome, start, end), in any order where these are the same."""
        return self.pick(np.lexsort((self.end, self.start, self.chrom)))

    def tied(self, begin: int, stop: int) -> tuple[int, int]:
        """Return the first of alleles ``begin`` to before ``stop`` and of those in the same place, and after the last.

        They are sorted by place.
        """
        begin, stop = min(begin, len(self)), min(stop, len(self))
        if begin >= stop:
            return begin, begin
        steps = np.stack([self.chrom, self.start, self.end])
        fresh = np.flatnonzero((steps[:, 1:] != steps[:, :-1]).any(axis=0)) + 1
        first = fresh[: fresh.searchsorted(begin, "right")]
        after = fresh[fresh.searchsorted(stop) :]
        return int(first[-1]) if len(first) else 0, int(after[0]) if len(after) else len(self)

    @classmethod
    def joined(cls, parts: Sequence[Heads]) -> Heads:
        """Return several as one, in the order given."""
        if len(parts) == 1:
            return parts[0]
        names = tuple(sorted({name for part in parts for name in part.names}))

        def make(name: str) -> Array:
            if name != "chrom":
                return np.concatenate([part.array(name) for part in parts])
            codes = [np.array([names.index(name) for name in part.names], np.int32) for part in parts]
            return np.concatenate([code[part.chrom] for code, part in zip(codes, parts, strict=True)])

        whose = {part.of for part in parts}
        return cls(names, sum(map(len, parts)), make, of=whose.pop() if len(whose) == 1 else None)

    @classmethod
    def empty(cls) -> Heads:
        """Return no alleles."""
        return cls((), 0, lambda name: np.empty(0, KINDS[name]))


def _nothing(name: str) -> Array:
    raise KeyError(name)


KINDS: Mapping[str, Any] = {
    "chrom": np.int32, "start": np.int64, "end": np.int64, "key": np.uint64, "block": np.int32, "row": np.int32,
    "carriers": np.int32, "count": np.int32, "number": np.int32,
}  # fmt: skip
"""The arrays of ``Heads`` and what they hold."""


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
        if genes := body.get("info", {}).get("genes"):
            told["info"] = {"genes": genes}
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


ALONG: Final = ("start", "end", "key", *GROUPS, "count", "number")
"""What goes along with the carriers of rare alleles too: who asks about these needs no head."""


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
    chosen = None if which is None else which.nonzero()[0]

    def joined(arrays: list[Array], dtype: Any) -> Array:
        found = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
        return (found if chosen is None else found.take(chosen)).astype(dtype, copy=False)

    def make(name: str) -> Array:
        if name == "carriers":
            return _carriers([joined([head[group] for _, _, head in parts], np.int32) for group in GROUPS])
        if name == "row":
            return joined([np.arange(size) for size in sizes], np.int32)
        if name in ("block", "chrom"):
            values = [number if name == "block" else names.index(chrom) for chrom, number, _ in parts]
            return joined([np.repeat(values, sizes)], np.int32)
        return joined([head[name] for _, _, head in parts], KINDS[name])

    return Heads(names, sum(sizes) if chosen is None else len(chosen), make)


def heads_of_column(blocks: Iterable[tuple[str, int, Arrays]], column: int, how: Sequence[NDArray[np.int8]]) -> Heads:
    """Return the alleles of some blocks that a column carries; ``how`` says so by block, -1 where it does not."""
    groups = np.concatenate(how)
    at = (groups >= 0).nonzero()[0]
    every = heads_of(blocks)
    return Heads(
        every.names, len(at), lambda name: (groups if name == "how" else every.array(name)).take(at), of=column
    )
