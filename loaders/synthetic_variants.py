"""Synthetic variants at real places: case variants of a gene, variants of a population, and one VCF per site.

REF bases are made from the position by a hash. They are not the reference sequence and do not claim to be;
every VCF record carries the flag ``SYNTHETIC``. Case variants lie in the first half of their gene, those of the
population in the second, twelve bases apart at least, so that no two overlap by chance.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from beacon.model import genome

DELETION: Final = "SO:1000029"
_COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT")
_STEP = 12
_RECURRENT = 3
_PER_GENE = 12
_PER_MILLE = (1, 5, 20, 80, 200, 450)
_SHARED_OF_TEN = 7


@dataclass(frozen=True, slots=True, order=True)
class Gene:
    """A gene and where it lies on GRCh38, 0-based half-open; ``chrom`` without ``chr``."""

    symbol: str
    hgnc: str
    chrom: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, order=True)
class CaseVariant:
    """A variant that a phenopacket names: a VCF allele (``pos`` is 1-based), or, unplaced, a type and a label."""

    gene: Gene
    pos: int = 0
    ref: str = ""
    alt: str = ""
    structural_type: str = ""
    label: str = ""

    @property
    def placed(self) -> bool:
        """Whether it has a position."""
        return self.pos > 0

    @property
    def id(self) -> str:
        """An id for the phenopacket's variation descriptor."""
        if self.placed:
            return f"{self.gene.symbol}-{self.pos}-{self.ref}-{self.alt}"
        return self.label.replace(" ", "-")


@dataclass(frozen=True, slots=True)
class Record:
    """One VCF record; ``pos`` is 1-based, ``calls`` holds one GT per sample."""

    chrom: str
    pos: int
    id: str
    ref: str
    alts: tuple[str, ...]
    calls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One column of a VCF. ``cases`` are the variants that the person's phenopacket names, with zygosity."""

    name: str
    male: bool
    cases: Mapping[CaseVariant, str]


@dataclass(frozen=True, slots=True)
class _Site:
    chrom: str
    pos: int
    id: str
    ref: str
    alts: tuple[str, ...]
    frequencies: tuple[int, ...]


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _base(chrom: str, pos: int) -> str:
    return "ACGT"[_hash(f"base {chrom}:{pos}")[0] % 4]


def _bases(chrom: str, pos: int, length: int) -> str:
    return "".join(_base(chrom, pos + offset) for offset in range(length))


def _other(base: str, choice: int) -> str:
    return "ACGT".replace(base, "")[choice % 3]


def allele_at(chrom: str, pos: int) -> tuple[str, str]:
    """Return the REF and ALT of the one allele made for a 1-based position: of ten, eight are single bases."""
    kind, size, choice = _hash(f"allele {chrom}:{pos}")[:3]
    length = 1 + size % 3
    base = _base(chrom, pos)
    if kind % 10 == 0:
        return _bases(chrom, pos, length + 1), base
    if kind % 10 == 1:
        return base, base + _bases(chrom, pos + 7000, length)
    return base, _other(base, choice)


def case_variant(gene: Gene, rng: random.Random) -> CaseVariant:
    """Return a placed variant in the first half of the gene; every other one is among three recurrent ones."""
    slots = (gene.end - gene.start) // 2 // _STEP
    recurrent = rng.randrange(2) == 0
    slot = rng.randrange(_RECURRENT) if recurrent else rng.randrange(_RECURRENT, slots)
    pos = gene.start + 1 + slot * _STEP
    return CaseVariant(gene, pos, *allele_at(gene.chrom, pos))


def structural_variant(gene: Gene, number: int) -> CaseVariant:
    """Return one of the gene's deletions whose place nobody wrote down."""
    label = f"{gene.symbol} deletion of exons {number + 2} to {number + 4}"
    return CaseVariant(gene, structural_type=DELETION, label=label)


def population(seed: int, genes: Sequence[Gene]) -> tuple[_Site, ...]:
    """Return the places where anybody at any site may vary, twelve in each gene, in file order.

    One in nine has two ALT alleles, one in ten no ID; each ALT has a frequency in carriers per thousand alleles.
    """
    rng = random.Random(f"{seed}/population")
    sites = []
    for gene in sorted(set(genes), key=_place):
        middle = (gene.start + gene.end) // 2
        gap = (gene.end - middle) // _PER_GENE
        for number in range(_PER_GENE):
            pos = middle + number * gap + 1 + rng.randrange(gap - 8)
            ref, alt = allele_at(gene.chrom, pos)
            alts = [alt]
            if len(ref) == 1 and rng.randrange(9) == 0:
                alts.append(next(a for a in (_other(ref, 0), _other(ref, 1)) if a != alt))
            name = "." if rng.randrange(10) == 0 else f"syn{gene.hgnc.removeprefix('HGNC:')}v{number + 1}"
            rates = tuple(_PER_MILLE[rng.randrange(len(_PER_MILLE))] for _ in alts)
            sites.append(_Site(gene.chrom, pos, name, ref, tuple(alts), rates))
    return tuple(sites)


def _place(item: Gene | Record) -> tuple[int, int]:
    start = item.start if isinstance(item, Gene) else item.pos
    return genome.CHROMOSOMES.index(item.chrom), start


def make_records(seed: int, site: int, pool: Sequence[_Site], samples: Sequence[Sample]) -> tuple[Record, ...]:
    """Return one site's records in file order: seven of ten of the pool, and the samples' own case variants.

    Males are haploid on X (no gene here lies in a pseudoautosomal region). Some calls are missing, wholly or
    for one allele. A case variant is carried by exactly those whose phenopackets name it.
    """
    rng = random.Random(f"{seed}/records/{site}")
    records = [
        Record(place.chrom, place.pos, place.id, place.ref, place.alts, tuple(_call(rng, place, s) for s in samples))
        for place in pool
        if rng.randrange(10) < _SHARED_OF_TEN
    ]
    for case in sorted({case for sample in samples for case in sample.cases if case.placed}):
        calls = tuple(_case_call(case, sample) for sample in samples)
        records.append(Record(case.gene.chrom, case.pos, ".", case.ref, (case.alt,), calls))
    return tuple(sorted(records, key=_place))


def _call(rng: random.Random, place: _Site, sample: Sample) -> str:
    mark = "|" if rng.randrange(2) else "/"
    ploidy = 1 if place.chrom == "X" and sample.male else 2
    alleles = [_allele(rng, place) for _ in range(ploidy)]
    luck = rng.randrange(200)
    if luck < 3:
        alleles = ["."] * ploidy
    elif luck == 3 and ploidy == 2:
        alleles[0] = "."
    return mark.join(alleles)


def _allele(rng: random.Random, place: _Site) -> str:
    drawn = rng.randrange(1000)
    for number, frequency in enumerate(place.frequencies, start=1):
        if drawn < frequency:
            return str(number)
        drawn -= frequency
    return "0"


def _case_call(case: CaseVariant, sample: Sample) -> str:
    zygosity = sample.cases.get(case)
    if zygosity == "hom":
        return "1/1"
    if zygosity == "hemi":
        return "1"
    if zygosity == "het":
        return "0/1"
    return "0" if case.gene.chrom == "X" and sample.male else "0/0"


def vcf(records: Sequence[Record], samples: Sequence[Sample], note: str) -> str:
    """Return the text of a VCF 4.2 file on GRCh38 with these records and samples."""
    lengths = genome.ASSEMBLIES["GRCh38"].lengths
    used = {record.chrom for record in records}
    lines = [
        "##fileformat=VCFv4.2",
        "##fileDate=20260101",
        f"##source={note}",
        "##reference=GRCh38",
        *(f"##contig=<ID=chr{c},length={lengths[c]},assembly=GRCh38>" for c in genome.CHROMOSOMES if c in used),
        '##FILTER=<ID=PASS,Description="All filters passed">',
        '##INFO=<ID=AC,Number=A,Type=Integer,Description="Alternate alleles called">',
        '##INFO=<ID=AN,Number=1,Type=Integer,Description="Alleles called">',
        '##INFO=<ID=SYNTHETIC,Number=0,Type=Flag,Description="Made by a program; REF is not the reference">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "\t".join((*_COLUMNS, *(sample.name for sample in samples))),
    ]
    for record in records:
        called = [allele for call in record.calls for allele in alleles_of(call) if allele is not None]
        counts = ",".join(str(called.count(number)) for number in range(1, len(record.alts) + 1))
        lines.append(
            "\t".join(
                (
                    f"chr{record.chrom}", str(record.pos), record.id, record.ref, ",".join(record.alts),
                    "50", "PASS", f"AC={counts};AN={len(called)};SYNTHETIC", "GT", *record.calls,
                )
            )
        )  # fmt: skip
    return "\n".join(lines) + "\n"


def alleles_of(call: str) -> tuple[int | None, ...]:
    """Return the allele numbers of a GT, None for each one that was not called."""
    return tuple(None if part == "." else int(part) for part in call.replace("|", "/").split("/"))
