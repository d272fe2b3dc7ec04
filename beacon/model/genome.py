"""Reference assemblies as facts: names, chromosome lengths, accessions.

Lengths and accessions are those of the primary assemblies in NCBI RefSeq and, by GenBank, in the INSDC databases:
GCF_000001405.25 and GCA_000001405.14 (GRCh37.p13), GCF_000001405.40 and GCA_000001405.29 (GRCh38.p14),
GCF_009914755.1 and GCA_009914755.4 (T2T-CHM13v2.0).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

CHROMOSOMES = (*map(str, range(1, 23)), "X", "Y", "MT")

_NAMES = {
    "GRCh37": (
        "grch37",
        "hg19",
        "b37",
        "hs37d5",
        "g1k_v37",
        "ncbi37",
        "gcf_000001405.25",
        "gcf_000001405.13",
    ),
    "GRCh38": ("grch38", "hg38", "b38", "hs38dh", "gcf_000001405.40", "gcf_000001405.26", "gcf_000001405.39"),
    "T2T": ("t2t", "t2t-chm13", "t2t-chm13v2.0", "chm13", "chm13v2", "chm13v2.0", "hs1", "gcf_009914755.1"),
}
_VERSIONS = {
    "GRCh37": (10, 11, 11, 11, 9, 11, 13, 10, 11, 10, 9, 11, 10, 8, 9, 9, 10, 9, 9, 10, 8, 10, 10, 9),
    "GRCh38": (11, 12, 12, 12, 10, 12, 14, 11, 12, 11, 10, 12, 11, 9, 10, 10, 11, 10, 10, 11, 9, 11, 11, 10),
}
_LENGTHS = {
    "GRCh37": (
        249250621, 243199373, 198022430, 191154276, 180915260, 171115067, 159138663, 146364022, 141213431,
        135534747, 135006516, 133851895, 115169878, 107349540, 102531392, 90354753, 81195210, 78077248,
        59128983, 63025520, 48129895, 51304566, 155270560, 59373566, 16569,
    ),
    "GRCh38": (
        248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973, 145138636, 138394717,
        133797422, 135086622, 133275309, 114364328, 107043718, 101991189, 90338345, 83257441, 80373285,
        58617616, 64444167, 46709983, 50818468, 156040895, 57227415, 16569,
    ),
    "T2T": (
        248387328, 242696752, 201105948, 193574945, 182045439, 172126628, 160567428, 146259331, 150617247,
        134758134, 135127769, 133324548, 113566686, 101161492, 99753195, 96330374, 84276897, 80542538,
        61707364, 66210255, 45090682, 51324926, 154259566, 62460029, 16569,
    ),
}  # fmt: skip
_MITOCHONDRION = "NC_012920.1"
_MITOCHONDRION_INSDC = "J01415.2"


def _accessions(assembly: str) -> tuple[str, ...]:
    if assembly == "T2T":
        return (*(f"NC_{60925 + index:06d}.1" for index in range(24)), _MITOCHONDRION)
    return (
        *(f"NC_{index + 1:06d}.{version}" for index, version in enumerate(_VERSIONS[assembly])),
        _MITOCHONDRION,
    )


def _insdc(assembly: str) -> tuple[str, ...]:
    if assembly == "T2T":
        return (*(f"CP{68277 - index:06d}.2" for index in range(23)), "CP086569.2", "CP068254.1")
    version = {"GRCh37": 1, "GRCh38": 2}[assembly]
    return (*(f"CM{663 + index:06d}.{version}" for index in range(24)), _MITOCHONDRION_INSDC)


@dataclass(frozen=True, slots=True)
class Assembly:
    """One reference assembly; chromosome names without ``chr``, lengths in bases."""

    name: str
    lengths: Mapping[str, int]
    accessions: Mapping[str, str]

    @classmethod
    def build(cls, name: str) -> Assembly:
        """Assemble the facts above for one assembly name."""
        return cls(
            name,
            dict(zip(CHROMOSOMES, _LENGTHS[name], strict=True)),
            dict(zip(CHROMOSOMES, _accessions(name), strict=True)),
        )


ASSEMBLIES: Mapping[str, Assembly] = {name: Assembly.build(name) for name in _NAMES}
_PATCH = re.compile(r"\.p[0-9]+$")
_BY_ALIAS = {alias: name for name, aliases in _NAMES.items() for alias in aliases}
_BY_ACCESSION: Mapping[str, tuple[str | None, str]] = {
    accession: (name, chrom)
    for name, assembly in ASSEMBLIES.items()
    for accessions in (assembly.accessions.values(), _insdc(name))
    for chrom, accession in zip(CHROMOSOMES, accessions, strict=True)
} | {_MITOCHONDRION: (None, "MT"), _MITOCHONDRION_INSDC: (None, "MT")}
_NUMBERED = {"23": "X", "24": "Y", "26": "MT"}
"""What PLINK calls the chromosomes that have no number; its 25 is parts of two."""
_OF_A_DATABASE = re.compile(r"(?:refseq:|insdc:|skerry:|ga4gh:|SQ\.|NC_|C[MP]\d{6}|J01415)", re.IGNORECASE)
_INSDC = r"(?:GL|JH|K[BEINQVZ]|ML|MU)[0-9]{6}|JTFH[0-9]{8}"
"""Sequences beside the chromosomes: those of the Genome Reference Consortium, and the decoys that aligners add."""
_CONTIG = re.compile(
    rf"(?P<insdc>{_INSDC})\.(?P<version>[0-9]+)"
    # UCSC's names of them; those of hg19 are all of the first version, and do not say so.
    rf"|(?:chr)?(?:[0-9]+|X|Y|Un)_(?:(?P<ucsc>{_INSDC})v(?P<of_ucsc>[0-9]+)(?:_(?:random|alt|fix|decoy))?"
    r"|(?P<hg19>GL[0-9]{6})(?:_random)?)",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"(?:N[GMPRTWZ]_|X[MPR]_|ENS[A-Z]*[GTP][0-9]|LRG_|(?:[A-Z]{2}[0-9]{6}|[A-Z]{4,6}[0-9]{8,10})(?:\.[0-9]+)?$)",
    re.IGNORECASE,
)
_OWN = re.compile(r"skerry:(?P<assembly>[^-]+)-(?P<contig>(?!skerry:).+)")
_DIGEST = re.compile(r"(?:ga4gh:)?SQ\.([A-Za-z0-9_-]{32})")


def assembly_name(text: str) -> str | None:
    """Return GRCh37, GRCh38 or T2T for any name in use (hg19, ``GRCh38.p13``, GCF_000001405.40), or None."""
    alias = text.strip().lower()
    return _BY_ALIAS.get(alias) or _BY_ALIAS.get(_PATCH.sub("", alias))


@functools.lru_cache(10_000)
def chromosome(text: str) -> str:
    """Return a contig's name as this program stores it: without ``chr``, and ``MT`` for the mitochondrion.

    An accession of a known assembly becomes its chromosome, a number with zeros before it (``01``) or in the place of a
    letter (``23``) too. Contigs beside the chromosomes are called by their accession in INSDC, which UCSC's names hold
    (``chrUn_KI270302v1``); other names stay as they are.
    """
    name = text.strip()
    if known := named_by(name):
        return known[1]
    if name[:3].lower() == "chr" and len(name) > 3:
        name = name[3:]
    bare = name.upper()
    if bare.isdecimal():
        bare = bare.lstrip("0")
    bare = _NUMBERED.get(bare, bare)
    if bare in {"M", "MT"}:
        return "MT"
    return bare if bare in CHROMOSOMES else name


def named_by(text: str) -> tuple[str | None, str] | None:
    """Return (assembly, chromosome) that a versioned accession names, with or without ``refseq:`` or ``insdc:``.

    So does ``sequence_id`` of other contigs. The assembly is None where several may have the same sequence: that of the
    mitochondrion, and contigs named by their accession, as UCSC's names do.
    """
    name = _DATABASE.sub("", text.strip())
    if known := _BY_ACCESSION.get(name):
        return known
    if (own := _OWN.fullmatch(name)) and own["assembly"] in ASSEMBLIES:
        return own["assembly"], chromosome(own["contig"])
    if contig := _CONTIG.fullmatch(name):
        accession = contig["insdc"] or contig["ucsc"] or contig["hg19"]
        return None, f"{accession.upper()}.{contig['version'] or contig['of_ucsc'] or 1}"
    return None


_DATABASE = re.compile(r"^(?:refseq|insdc):", re.IGNORECASE)


def is_unknown(text: str) -> bool:
    """Whether a name of a sequence is a database's, and of no chromosome of an assembly here, or is an assembly's."""
    name = text.strip()
    return assembly_name(name) is not None or (bool(_OF_A_DATABASE.match(name)) and named_by(name) is None)


def is_of_elsewhere(text: str) -> bool:
    """Whether a name is an accession of which nobody can tell here what else the sequence is called."""
    return bool(_ELSEWHERE.match(text.strip())) and named_by(text) is None


def sequence_digest(text: str) -> str | None:
    """Return the GA4GH digest (refget without ``SQ.``) of which a text is the name, None of any other text."""
    match = _DIGEST.fullmatch(text.strip())
    return match[1] if match else None


def sequence_id(assembly: str, chrom: str) -> str:
    """Return the CURIE of a chromosome's sequence: RefSeq where it has one, else ``skerry:assembly-name``."""
    known = ASSEMBLIES.get(assembly)
    accession = known.accessions.get(chrom) if known else None
    return f"refseq:{accession}" if accession else f"skerry:{assembly}-{chrom}"


def length(assembly: str | None, chrom: str) -> int | None:
    """Return how many bases a chromosome has, in an assembly or in all that share it; None where it is not known."""
    found = {one.lengths.get(chrom) for name, one in ASSEMBLIES.items() if assembly in (None, name)}
    return found.pop() if len(found) == 1 else None


def infer_assembly(contigs: Iterable[tuple[str, int]]) -> str | None:
    """Return the one assembly whose chromosomes have these (name, length) pairs, or None where it is not certain.

    The mitochondrion says nothing: GRCh38 and most GRCh37 files share its sequence.
    """
    fits = set(ASSEMBLIES)
    told = False
    for contig, length in contigs:
        chrom = chromosome(contig)
        if chrom in CHROMOSOMES and chrom != "MT" and length > 0:
            told = True
            fits &= {name for name, assembly in ASSEMBLIES.items() if assembly.lengths[chrom] == length}
    return next(iter(fits)) if told and len(fits) == 1 else None


@dataclass(frozen=True, slots=True)
class Reference:
    """The sequence of one chromosome, as a store holds it.

    ``length`` in bases; ``digest`` its GA4GH digest (refget without ``SQ.``); ``indexed`` whether all alleles on it
    have been named after it. ``key`` is the store's.
    """

    assembly: str
    chrom: str
    length: int
    digest: str
    key: str
    indexed: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of a chromosome, 0-based half-open."""

    assembly: str
    chrom: str
    start: int
    end: int


SYMBOLS: Final = "symbols"
PROTEIN_CHANGES: Final = "protein changes"
"""What variants may be told by beside ``GENE_IDS``."""
GENE_IDS: Final[Mapping[str, str]] = {"HGNC ids": "HGNC:", "Ensembl ids": "ENSG", "NCBI Gene ids": "NCBIGene:"}
"""What genes may be named by other than symbols, and how such names begin."""


def gene_name(text: str) -> str:
    """Return a gene's name as it is looked for, in one case and without the version of what is known of it (Ensembl).

    No two human genes differ in case alone; HGNC writes small letters in a few symbols (``C1orf112``).
    """
    name = text.strip().upper()
    name = next((begin + name[len(begin) :] for begin in GENE_IDS.values() if name.startswith(begin.upper())), name)
    return name.partition(".")[0] if _VERSIONED.fullmatch(name) else name


_VERSIONED: Final = re.compile(r"ENS[A-Z]*G[0-9]{11}\.[0-9]+")


def naming(gene: str) -> str:
    """Return what a gene is named by: a key of ``GENE_IDS``, or ``SYMBOLS``."""
    found = (kind for kind, begin in GENE_IDS.items() if gene.startswith(begin) and gene[len(begin) :][:1].isdigit())
    return next(found, SYMBOLS)


@dataclass(frozen=True, slots=True)
class Gene:
    """A gene as a table of genes has it: all its names (symbol, HGNC id, Ensembl id), and where it lies."""

    names: frozenset[str]
    places: tuple[Place, ...]
