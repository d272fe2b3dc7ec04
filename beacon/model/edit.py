"""Changes of a sequence as notations state them, and what they come to once the sequence is known.

Coordinates are 0-based half-open. A deletion or insertion inside a repeat can be written in many places: VCF
writes it leftmost, HGVS rightmost, SPDI and VRS over the whole stretch in which it can be moved. Which of these are
the same allele only the reference sequence tells.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from beacon.model.bases import may_agree
from beacon.model.variant import minimal

FLANK = 64
"""Bases on each side that are looked at first; repeats that reach further are followed."""
_STRIDE = 4_096
_COMPLEMENT = str.maketrans("ACGTURYSWKMBDHVN", "TGCAAYRSWMKVHDBN")

Asking = Generator[tuple[int, int], str, "Normal"]
"""Asks for bases [start, end) of the sequence, upper case, until it can return a ``Normal``."""


class Become(Enum):
    """What the bases become, where the notation does not write it."""

    TWICE = "twice"
    INVERTED = "inverted"


class Contradiction(ValueError):
    """The sequence has other bases there than the notation says; ``there`` are the sequence's."""

    def __init__(self, there: str) -> None:
        super().__init__(there)
        self.there = there


@dataclass(frozen=True, slots=True)
class Edit:
    """Bases [start, end) of one sequence become others. ``ref`` None where the bases there were not written."""

    start: int
    end: int
    ref: str | None
    alt: str | Become

    @property
    def allele(self) -> tuple[int, str, str] | None:
        """(start, ref, alt) in minimal form where the notation alone tells that nothing can be moved, else None."""
        if self.ref is None or isinstance(self.alt, Become):
            return None
        start, ref, alt = minimal(self.start, self.ref, self.alt)
        return (start, ref, alt) if ref and alt else None

    def onto(self, ref: str) -> Edit:
        """Return the edit with the bases written out, where the sequence has these there."""
        return Edit(self.start, self.end, ref, _become(ref, self.alt))

    @property
    def one_base(self) -> str | None:
        """The base that one base, which was not written, becomes; None where more is changed than that."""
        alone = self.ref is None and self.end - self.start == 1 and isinstance(self.alt, str) and len(self.alt) == 1
        return str(self.alt) if alone else None


class Normal(NamedTuple):
    """An allele in minimal form, and how many bases an insertion or deletion could stand further left and right."""

    start: int
    ref: str
    alt: str
    left: int = 0
    right: int = 0

    @property
    def leftmost(self) -> tuple[int, str, str]:
        """(start, ref, alt), minimal, as far left as it goes: what VCF writes."""
        return self._moved(-self.left)

    @property
    def rightmost(self) -> tuple[int, str, str]:
        """(start, ref, alt), minimal, as far right as it goes: what HGVS writes."""
        return self._moved(self.right)

    @property
    def justified(self) -> tuple[int, str, str]:
        """(start, ref, alt) over the whole stretch in which it can be moved: what SPDI and VRS write."""
        if self.ref and self.alt:
            return self.start, self.ref, self.alt
        bases = self.ref or self.alt
        short = _repeated(bases, -self.left, self.right)
        long = _repeated(bases, -self.left, self.right + len(bases))
        return (self.start - self.left, long, short) if self.ref else (self.start - self.left, short, long)

    @property
    def duplicates(self) -> bool:
        """Whether what is inserted stands beside it already."""
        return not self.ref and self.left + self.right >= len(self.alt)

    def _moved(self, by: int) -> tuple[int, str, str]:
        if self.ref and self.alt:
            return self.start, self.ref, self.alt
        bases = self.ref or self.alt
        moved = _repeated(bases, by, by + len(bases))
        return (self.start + by, moved, "") if self.ref else (self.start + by, "", moved)


def _repeated(bases: str, begin: int, end: int) -> str:
    """Return the stretch [begin, end) of ``bases`` repeated without end in both directions, themselves at 0."""
    size = len(bases)
    copies = bases * ((end - begin) // size + 2)
    return copies[begin % size : begin % size + end - begin]


def normal(edit: Edit, length: int) -> Asking:
    """Work out the allele that an edit makes of a sequence of ``length`` bases; ask for the bases that this takes.

    Raises ``Contradiction`` where the sequence has other bases than the edit says, ``ValueError`` where the edit lies
    beyond its end or changes nothing.
    """
    if edit.end > length:
        raise ValueError(f"the sequence has {length} bases only")
    flank = FLANK if edit.allele is None else 0
    begin = max(0, edit.start - flank)
    window = yield begin, min(length, edit.end + flank)
    there = window[edit.start - begin : edit.end - begin]
    if edit.ref is not None and not all(map(may_agree, edit.ref, there)):
        raise Contradiction(there)
    ref = edit.ref if edit.ref is not None else there
    start, ref, alt = minimal(edit.start, ref, _become(ref, edit.alt))
    if ref == alt:
        raise ValueError("nothing is changed")
    if ref and alt:
        return Normal(start, ref, alt)
    bases, end = ref or alt, start + len(ref)
    left = yield from _alike(bases, start, 0, window[: start - begin])
    right = yield from _alike(bases, end, length, window[end - begin :])
    return Normal(start, ref, alt, left, right)


def _become(ref: str, alt: str | Become) -> str:
    if alt is Become.TWICE:
        return ref + ref
    return reverse_complement(ref) if alt is Become.INVERTED else str(alt)


def _alike(bases: str, place: int, limit: int, known: str) -> Generator[tuple[int, int], str, int]:
    """Count how far, from a place towards ``limit``, the sequence goes on as ``bases`` repeated."""
    moved, forward = 0, limit > place
    while True:
        if not forward:
            known = known[::-1]
        for base in known:
            if base != bases[(moved if forward else -1 - moved) % len(bases)]:
                return moved
            moved += 1
        edge = place + moved if forward else place - moved
        if edge == limit:
            return moved
        known = yield (edge, min(limit, edge + _STRIDE)) if forward else (max(limit, edge - _STRIDE), edge)


def reverse_complement(bases: str) -> str:
    """Return the other strand's bases, upper case, in its own direction."""
    return bases.translate(_COMPLEMENT)[::-1]
