"""Synthetic alleles over whole chromosomes, and who carries them: the same numbers always, made a batch at a time.

Places are as dense as in 1,000 genomes (one allele in 33 bases), chromosome by chromosome from the smallest on.
Frequencies follow that project's spectrum: two alleles in five are seen once, three in four below 0.5 %, one in ten
above 5 %. Reference bases are made from the position and do not claim to be the real ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from beacon.model import genome
from beacon.model.calls import Calls
from beacon.model.variant import Allele
from tests.perf.sizes import Size

ASSEMBLY = "GRCh38"
CHROMOSOMES = ("22", "21", "20", "19", "18", "17", "16", "15")
BATCH = 4_096
RARE = 0.01
"""The largest frequency of an allele that questions call rare."""

_SEED = 20_260_301
_FIRST = 16_050_000
"""Where places begin on every chromosome: the short arms of the smallest ones are not sequenced."""
_MEAN_GAP = 33
_GENE = 1_000
_SNV, _INSERTION, _DELETION, _LONG_DELETION = range(4)
_SPECTRUM = ((0.40, 0), (0.53, 1), (0.76, 2), (0.90, 3), (1.01, 4))
_DRAWN_AT_ONCE = 4_000_000


def reference(start: int, length: int) -> str:
    """Return the made-up reference bases from a 0-based position on."""
    return "".join(["ACGT"[(at * 0x9E3779B97F4A7C15 >> 40) & 3] for at in range(start, start + length)])


@dataclass(frozen=True, slots=True)
class Gene:
    """A gene: its symbol, and its alleles from ``first`` to before ``stop``."""

    symbol: str
    first: int
    stop: int


@dataclass(frozen=True)
class Places:
    """Where the alleles of a cohort are; parallel arrays in file order. Coordinates 0-based half-open."""

    chrom: NDArray[np.int8]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    kind: NDArray[np.int8]
    change: NDArray[np.int16]
    """For an SNV which of the three other bases, else how many bases are inserted or deleted."""

    def __len__(self) -> int:
        return len(self.start)

    @classmethod
    def make(cls, size: Size) -> Places:
        """Lay out the places of a cohort; each chromosome is filled to its end before the next begins."""
        rng = np.random.default_rng((_SEED, 1))
        total = size.alleles
        gaps = rng.integers(1, 2 * _MEAN_GAP, total)
        kind = rng.choice(4, total, p=(0.9, 0.0495, 0.05, 0.0005)).astype(np.int8)
        # A second allele at the same place, as of records with two ALTs, comes after a single-base one.
        again = np.flatnonzero((kind[1:] == _SNV) & (kind[:-1] == _SNV) & (rng.random(max(total - 1, 0)) < 0.01)) + 1
        again = again[np.diff(again, prepend=-9) > 1]
        gaps[again] = 0
        change = rng.integers(0, 3, total).astype(np.int16)
        change[again] = (change[again - 1] + 1) % 3
        short = np.isin(kind, (_INSERTION, _DELETION))
        change[short] = rng.integers(1, 21, total)[short]
        change[kind == _LONG_DELETION] = rng.integers(500, 20_000, total)[kind == _LONG_DELETION]
        start, chrom = np.empty(total, np.int64), np.empty(total, np.int8)
        begin = 0
        for code, name in enumerate(CHROMOSOMES):
            room = genome.ASSEMBLIES[ASSEMBLY].lengths[name] - 30_000
            here = _FIRST + np.cumsum(gaps[begin:])
            stop = begin + int(np.searchsorted(here, room))
            start[begin:stop], chrom[begin:stop] = here[: stop - begin], code
            begin = stop
        if begin < total:
            raise ValueError(f"{size.name}: {total} alleles do not fit on chromosomes {', '.join(CHROMOSOMES)}")
        long = np.where(np.isin(kind, (_DELETION, _LONG_DELETION)), change, 0)
        # Within one place alleles lie by the bases, as the writer wants them.
        same = again[change[again] < change[again - 1]] if total else again
        change[same], change[same - 1] = change[same - 1].copy(), change[same].copy()
        return cls(chrom, start, start + 1 + long, kind, change)

    def allele(self, at: int) -> Allele:
        """Return the allele at an index, as a loader would make it."""
        name, start, end = CHROMOSOMES[self.chrom[at]], int(self.start[at]), int(self.end[at])
        kind, change = self.kind[at], int(self.change[at])
        base = reference(start, 1)
        if kind == _SNV:
            other = "ACGT".replace(base, "")[change]
            return Allele(ASSEMBLY, name, start, end, base, other, ("SNP", "SNV"), 1)
        if kind == _INSERTION:
            return Allele(
                ASSEMBLY,
                name,
                start,
                end,
                base,
                base + reference(start + 900, change - 1) + "ACGT".replace(base, "")[change % 3],
                ("INS", "INDEL"),
                change,
            )
        if kind == _DELETION:
            return Allele(ASSEMBLY, name, start, end, reference(start, change + 1), base, ("DEL", "INDEL"), change)
        return Allele(ASSEMBLY, name, start, end, base, "<DEL>", ("DEL",), change)

    @cached_property
    def bounds(self) -> list[tuple[str, int, int]]:
        """The chromosomes in use: name, index of the first allele and of the one after the last."""
        codes, first = np.unique(self.chrom, return_index=True)
        stops = [*first[1:].tolist(), len(self)]
        return [(CHROMOSOMES[c], b, s) for c, b, s in zip(codes.tolist(), first.tolist(), stops, strict=True)]

    @cached_property
    def genes(self) -> list[Gene]:
        """Genes of about 1,000 alleles each, with some alleles between two of them."""
        rng = np.random.default_rng((_SEED, 2))
        genes: list[Gene] = []
        for _, begin, stop in self.bounds:
            at = begin + int(rng.integers(20, 200))
            while at + 300 < stop:
                last = min(at + int(rng.integers(_GENE - 200, _GENE + 200)), stop)
                genes.append(Gene(f"SKY{len(genes) + 1}", at, last))
                at = last + int(rng.integers(100, 500))
        return genes

    @cached_property
    def gene_of(self) -> NDArray[np.int32]:
        """The number of each allele's gene, -1 between genes."""
        numbers = np.full(len(self), -1, np.int32)
        for number, gene in enumerate(self.genes):
            numbers[gene.first : gene.stop] = number
        return numbers


@dataclass(frozen=True, slots=True)
class Batch:
    """The genotypes of consecutive alleles, the first one being ``first``.

    ``het``, ``hom`` and ``missing`` hold columns; those of allele i lie from ``*_at[i]`` to ``*_at[i + 1]``.
    """

    first: int
    people: int
    het: NDArray[np.uint32]
    het_at: NDArray[np.int64]
    hom: NDArray[np.uint32]
    hom_at: NDArray[np.int64]
    missing: NDArray[np.uint32]
    missing_at: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.het_at) - 1

    def calls(self, row: int) -> Calls:
        """Return the calls of one allele."""
        return Calls(
            self.het[self.het_at[row] : self.het_at[row + 1]],
            self.hom[self.hom_at[row] : self.hom_at[row + 1]],
            missing=self.missing[self.missing_at[row] : self.missing_at[row + 1]],
        )

    @property
    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Allele count and allele number of each allele."""
        return np.diff(self.het_at) + 2 * np.diff(self.hom_at), 2 * (self.people - np.diff(self.missing_at))


def batches(size: Size, first: int = 0, stop: int | None = None) -> Iterator[Batch]:
    """Make the genotypes of the batches that hold the alleles from ``first`` to before ``stop``."""
    end = size.alleles if stop is None else stop
    for begin in range(first - first % BATCH, end, BATCH):
        yield _batch(size, begin, min(BATCH, size.alleles - begin))


def _batch(size: Size, first: int, rows: int) -> Batch:
    rng = np.random.default_rng((_SEED, 3, first))
    people = size.people
    wanted = _allele_counts(rng, rows, 2 * people)
    few = wanted <= people // 25
    keys = [_drawn(rng, np.flatnonzero(few), wanted[few], people)]
    common = np.flatnonzero(~few)
    step = max(1, _DRAWN_AT_ONCE // people)
    for begin in range(0, len(common), step):
        part = common[begin : begin + step]
        keys.append(_common(rng, part, wanted[part] / (2 * people), people))
    het, hom = (np.sort(np.concatenate(part), kind="stable") for part in zip(*keys, strict=True))  # few sorted runs
    spoiled = np.flatnonzero(rng.random(rows) < 0.05)
    much = rng.integers(1, 20, len(spoiled))
    missing = np.unique(np.repeat(spoiled, much) * people + rng.integers(0, people, int(much.sum())))
    het, hom = _without(het, missing), _without(hom, missing)
    edges = np.arange(rows + 1) * people
    split = [np.searchsorted(part, edges) for part in (het, hom, missing)]
    columns = [(part % people).astype(np.uint32) for part in (het, hom, missing)]
    return Batch(first, people, columns[0], split[0], columns[1], split[1], columns[2], split[2])


def _allele_counts(rng: np.random.Generator, rows: int, alleles: int) -> NDArray[np.int64]:
    """Draw how often each allele should be seen; within a class, as often as one over the number of copies."""
    edges = (
        (1, 1),
        (2, 2),
        (3, max(4, 0.005 * alleles)),
        (0.005 * alleles, 0.05 * alleles),
        (0.05 * alleles, 0.95 * alleles),
    )
    kind, place = rng.random(rows), rng.random(rows)
    counts = np.zeros(rows, np.int64)
    before = 0.0
    for upto, number in _SPECTRUM:
        low, high = edges[number]
        here = (kind >= before) & (kind < upto)
        counts[here] = np.maximum(1, np.rint(low * (high / low) ** place[here])).astype(np.int64)
        before = upto
    return counts


def _without(keys: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return sorted keys but for those that are among ``others``, which are few."""
    at = np.searchsorted(keys, others)
    inside = at < len(keys)
    return np.delete(keys, at[inside][keys[at[inside]] == others[inside]])


Keys = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Heterozygous and homozygous calls as row * people + column."""


def _drawn(rng: np.random.Generator, rows: NDArray[np.int64], counts: NDArray[np.int64], people: int) -> Keys:
    """Give rare alleles to single chromosomes of people, drawn one by one."""
    copies = np.repeat(rows, counts) * (2 * people) + rng.integers(0, 2 * people, int(counts.sum()))
    people_of = np.unique(copies) >> 1
    twice = people_of[1:] == people_of[:-1]
    hom = people_of[1:][twice]
    return people_of[~np.isin(people_of, hom)], hom


def _common(rng: np.random.Generator, rows: NDArray[np.int64], rate: NDArray[np.float64], people: int) -> Keys:
    """Give common alleles to everybody with the probabilities of a population that mixes freely."""
    luck = rng.integers(0, 1 << 16, (len(rows), people), np.uint16)
    hom = luck < (rate**2 * 65_535)[:, None]
    het = (luck < ((1 - (1 - rate) ** 2) * 65_535)[:, None]) & ~hom

    def keys(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        row, column = np.nonzero(mask)
        return rows[row] * people + column

    return keys(het), keys(hom)
