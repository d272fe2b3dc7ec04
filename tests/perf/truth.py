"""What is true of a cohort, kept beside its database as plain arrays; nothing here asks the site or shares its code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from beacon.model.calls import Calls
from tests.perf.alleles import BATCH, RARE, Batch, Places, batches
from tests.perf.people import People
from tests.perf.sizes import Size

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Truth:
    """One cohort: its people, the places of its alleles, their counts, and the carriers of rare ones.

    Alleles are known by their index in file order. Of rare ones (``RARE``) the carriers lie in ``rare`` from
    ``rare_at[i]`` to ``rare_at[i + 1]``; of others there is nothing, and ``genotypes`` makes them anew.
    """

    size: Size
    people: People
    places: Places
    count: NDArray[np.int64]
    number: NDArray[np.int64]
    rare: NDArray[np.uint32]
    rare_at: NDArray[np.int64]

    def save(self, file: Path) -> None:
        """Keep what takes long to make."""
        np.savez(file, count=self.count, number=self.number, rare=self.rare, rare_at=self.rare_at)

    @classmethod
    def load(cls, size: Size, file: Path) -> Truth:
        """Read what ``save`` wrote, and make the rest anew."""
        with np.load(file) as held:
            arrays = {name: held[name] for name in ("count", "number", "rare", "rare_at")}
        return cls(size, People.make(size), Places.make(size), **arrays)

    @cached_property
    def frequency(self) -> NDArray[np.float64]:
        """The share of called chromosomes that have each allele."""
        return np.asarray(self.count / np.maximum(self.number, 1))

    def overlapping(self, chrom: str, start: int, end: int) -> Indices:
        """Return the alleles that share a base with a range."""
        bounds = {name: (first, stop) for name, first, stop in self.places.bounds}
        first, stop = bounds.get(chrom, (0, 0))
        last = first + int(np.searchsorted(self.places.start[first:stop], end))
        return first + np.flatnonzero(self.places.end[first:last] > start)

    def within_gene(self, number: int) -> Indices:
        """Return the alleles of a gene."""
        gene = self.places.genes[number]
        return np.arange(gene.first, gene.stop)

    def rare_among(self, alleles: Indices) -> Indices:
        """Return those of these alleles that are rare and that somebody carries."""
        return alleles[(self.frequency[alleles] <= RARE) & (self.count[alleles] > 0)]

    def rare_carriers(self, allele: int) -> NDArray[np.uint32]:
        """Return the people who carry one rare allele."""
        return self.rare[self.rare_at[allele] : self.rare_at[allele + 1]]

    def ill(self, disease: int) -> Indices:
        """Return, ascending, the people with a disease."""
        return np.flatnonzero(self.people.disease == disease)

    def same_allele(self, chrom: str, start: int, ref: str, alt: str) -> Indices:
        """Return the alleles that are this one after removing the bases that both sides share."""
        wanted = _bare(start, ref, alt)
        around = [(at, self.places.allele(at)) for at in self.overlapping(chrom, start - 25, start + 25).tolist()]
        return np.array([at for at, a in around if _bare(a.start, a.ref, a.alt) == wanted], np.int64)

    def calls(self, allele: int) -> Calls:
        """Return who carries an allele."""
        return _batch(self.size, allele - allele % BATCH).calls(allele % BATCH)

    def in_order(self, alleles: Indices) -> Indices:
        """Return alleles of one chromosome by start, then end; a site may order those at one place as it likes."""
        return alleles[np.lexsort((self.places.end[alleles], self.places.start[alleles]))]

    def first_carried(self, person: int) -> Indices:
        """Return, in order, what a person carries among the first alleles of the chromosome that a site lists first."""
        first, carried = self._early
        return self.in_order(first + np.flatnonzero(carried[person]))

    @cached_property
    def _early(self) -> tuple[int, NDArray[np.bool_]]:
        """The first batch of that chromosome: the index of its first allele, and (person, allele) carried or not."""
        _, first, stop = min(self.places.bounds)
        last = min(first + BATCH, stop)
        carried = np.zeros((self.size.people, last - first), np.bool_)
        for at in range(first, last):
            calls = self.calls(at)
            carried[calls.het, at - first] = True
            carried[calls.hom, at - first] = True
        return first, carried


@lru_cache(maxsize=16)
def _batch(size: Size, first: int) -> Batch:
    return next(batches(size, first, first + 1))


def _bare(start: int, ref: str, alt: str) -> tuple[int, str, str]:
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while ref and alt and ref[0] == alt[0]:
        start, ref, alt = start + 1, ref[1:], alt[1:]
    return start, ref, alt
