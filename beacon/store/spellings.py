"""In which ways an allele can be written, where a question gives its bases only in part or with wildcards."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

from beacon.model.bases import ambiguous, may_agree, pattern
from beacon.model.variant import minimal
from beacon.store.base import AllelePredicate


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way to write an allele: start, reference and alternate bases, each None where anything will do.

    ``minimal`` spellings are about an allele without the bases that both sides share, others about the stored form.
    """

    start: int | None
    ref: str | None
    alt: str | None
    minimal: bool

    def fits(self, start: int, ref: str, alt: str) -> bool:
        """Whether a stored allele can be written so; an ambiguity code matches each base it stands for."""
        if self.minimal:
            start, ref, alt = minimal(start, ref, alt)
        return self.start in (None, start) and _same(self.ref, ref) and _same(self.alt, alt)


def _same(given: str | None, bases: str) -> bool:
    if given is None:
        return True
    return bool(pattern(given).match(bases)) if ambiguous(given) else given == bases


def spellings(asked: AllelePredicate) -> list[list[Spelling]]:
    """Return what the bases of an allele must fit: one spelling of each list."""
    wanted = []
    if asked.start_bases is not None:
        wanted.append(_spelled(*asked.start_bases))
    if asked.reference_bases is not None or asked.alternate_bases is not None:
        wanted.append(_spelled(None, asked.reference_bases, asked.alternate_bases))
    return wanted


def _spelled(start: int | None, ref: str | None, alt: str | None) -> list[Spelling]:
    """Return the spellings of which an allele fits one if it can be written with these bases (at ``start``).

    Where both sides are given, bases that both may share are tried without, from either end, since alleles are
    compared in minimal form.
    """

    def shifted(by: int) -> int | None:
        return None if start is None else start + by

    if ref is None or alt is None:
        return [Spelling(start, ref, alt, minimal=False), Spelling(start, ref, alt, minimal=True)]
    if not ambiguous(ref + alt):
        by, ref, alt = minimal(0, ref, alt)
        return [Spelling(shifted(by), ref, alt, minimal=True)]
    pairs = list(zip(ref, alt, strict=False))
    heads = sum(1 for _ in takewhile(lambda pair: may_agree(*pair), pairs))
    tails = sum(1 for _ in takewhile(lambda pair: may_agree(*pair), zip(reversed(ref), reversed(alt), strict=False)))
    return [
        Spelling(shifted(head), ref[head : len(ref) - tail], alt[head : len(alt) - tail], minimal=True)
        for head in range(heads + 1)
        for tail in range(min(tails, len(pairs) - head) + 1)
    ]
