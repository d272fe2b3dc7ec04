"""Alleles: how one is trimmed, named, typed and recognised, whatever notation it came in.

Coordinates are 0-based half-open. An allele is kept as a trimmed VCF allele: shared bases removed at the
end, then at the start, at least one base left on each side. Its *minimal* form may go down to no bases
at all; two notations describe the same allele where their minimal forms are equal (left-alignment apart).
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

from beacon.model import genome

UNPLACED = "skerry:unplaced"
_BASES = re.compile(r"[ACGTUNRYSWKMBDHV]*")
_SINGLE = frozenset("ACGTN")
"""What nearly every REF and ALT is, known at once."""
_MATE = re.compile(r"[^\[\]]*[\[\]]([^\[\]]+?)(?::\d+)?[\[\]][^\[\]]*")
_SPANNED = re.compile(r"<(?:(?:DEL|DUP|INV|CNV)(?::.*)?|CN\d+)>", re.IGNORECASE)
_TWO_ENDED = frozenset({"BND", "TRA", "CTX"})
_UNSPECIFIED, _NON_REF = "<*>", "<NON_REF>"
"""Two names of any allele that is not REF (VCF 4.3, section 5.5); ``*`` is a deletion upstream."""
FORM = 2
"""The rules by which alleles are kept: a number more with every new one of ``from_vcf``, which may give the alleles of
exports of before another order."""
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.*:\-]{1,100}")


class Allele(NamedTuple):
    """One allele at one place, or one without a place (``chrom`` "").

    ``types`` are the variant types that a query may name to find it, the most telling one first.
    ``length`` is the inserted, deleted or affected number of bases where it is known. ``mate`` is the chromosome
    of a breakend's other end. ``label`` is what else tells it from others: where on the ``mate`` that end lies
    (1-based) unless ``alt`` says so itself, or what there is of an allele without a place. A tuple, since a load makes
    one for every line that it reads.
    """

    assembly: str
    chrom: str
    start: int
    end: int
    ref: str
    alt: str
    types: tuple[str, ...]
    length: int | None = None
    label: str = ""
    mate: str = ""

    @property
    def placed(self) -> bool:
        """Whether the allele has a position at all."""
        return bool(self.chrom)

    @property
    def minimal(self) -> tuple[int, str, str]:
        """(start, ref, alt) without shared bases; the allele's identity among sequence alleles."""
        return minimal(self.start, self.ref, self.alt)

    @property
    def id(self) -> str:
        """The ``variantInternalId``: the same for the same allele in every file, dataset and site."""
        if not self.placed:
            return "unplaced-" + _digest(self.label)
        if is_sequence(self.alt):
            text = f"{self.assembly}-{self.chrom}-{self.start + 1}-{self.ref}-{self.alt}"
        else:
            size = "" if self.length is None else f"-{self.length}"
            # An ALT in brackets names the mate itself.
            mate = f"-{self.mate}" if self.mate and self.alt.startswith("<") else ""
            mate += f":{self.label}" if self.label else ""
            text = f"{self.assembly}-{self.chrom}-{self.start + 1}-{self.end}-{self.alt.strip('<>')}{size}{mate}"
        if _PLAIN_ID.fullmatch(text):
            return text
        return f"{self.assembly}-{self.chrom}-{self.start + 1}-" + _digest(text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def is_sequence(alt: str) -> bool:
    """Whether an ALT is written in bases (not ``*``, symbolic or a breakend)."""
    return alt in _SINGLE or bool(_BASES.fullmatch(alt.upper()))


def in_dna(bases: str) -> str:
    """Return bases as they are kept and asked for: in capitals, and the U of RNA as T."""
    return bases.upper().replace("U", "T")


def is_unspecified(alt: str) -> bool:
    """Whether an ALT stands for any allele that nobody saw, as where a gVCF tells of the reference; no variant."""
    return alt.startswith("<") and alt.upper() in (_UNSPECIFIED, _NON_REF)


def trim(start: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Remove shared bases, end first, keeping at least one on each side; ``in_dna``. Symbolic alleles pass."""
    if alt in _SINGLE and ref in _SINGLE:
        return start, ref, alt
    if not is_sequence(alt):
        return start, in_dna(ref), alt
    ref, alt = in_dna(ref), in_dna(alt)
    most = min(len(ref), len(alt)) - 1
    after = 0
    while after < most and ref[-1 - after] == alt[-1 - after]:
        after += 1
    before = 0
    while before < most - after and ref[before] == alt[before]:
        before += 1
    return start + before, ref[before : len(ref) - after], alt[before : len(alt) - after]


def minimal(start: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Remove all shared bases, end first; an insertion's ref or a deletion's alt becomes ""."""
    if alt in _SINGLE and ref in _SINGLE:  # known at once: nearly every allele is one
        return start, ref, alt
    start, ref, alt = trim(start, ref, alt)
    if len(ref) == len(alt) == 1:  # an ALT of one character shares nothing, or is the same
        return start, ref, alt
    if is_sequence(alt) and ref and alt and ref != alt:
        if ref[-1] == alt[-1]:
            ref, alt = ref[:-1], alt[:-1]
        elif ref[0] == alt[0]:
            start, ref, alt = start + 1, ref[1:], alt[1:]
    return start, ref, alt


def sequence_types(ref: str, alt: str) -> tuple[tuple[str, ...], int | None]:
    """Return the types and length of a sequence allele in its trimmed form."""
    if len(ref) == len(alt) == 1:
        return ("SNP", "SNV"), 1
    _, bare_ref, bare_alt = minimal(0, ref, alt)
    if len(bare_ref) == len(bare_alt) == 1:
        return ("SNP", "SNV"), 1
    if not bare_ref:
        return ("INS", "INDEL"), len(bare_alt)
    if not bare_alt:
        return ("DEL", "INDEL"), len(bare_ref)
    if len(bare_ref) == len(bare_alt):
        return ("MNP", "MNV"), len(bare_ref)
    return ("DELINS", "INDEL"), max(len(bare_ref), len(bare_alt))


def from_vcf(
    assembly: str,
    chrom: str,
    pos: int,
    ref: str,
    alt: str,
    *,
    end: int | None = None,
    length: int | None = None,
    mate: str | None = None,
    mate_pos: int | None = None,
) -> Allele:
    """Build the allele of one VCF ALT. ``pos`` is 1-based as in the file, ``end`` the 0-based exclusive end.

    ``end``, ``length``, ``mate`` and ``mate_pos`` matter only for symbolic alleles and breakends (INFO END, SVLEN,
    CHR2, and the place there, 1-based). A breakend's ALT names its mate itself; some callers write CHR2 for deletions
    too, where it says nothing. A breakend has no extent (VCF 4.4, section 5.4): its END, where anything, is the place
    of its other end.
    """
    start, trimmed_ref, trimmed_alt = trim(pos - 1, ref, alt)
    name = genome.chromosome(chrom)
    if is_sequence(trimmed_alt):
        types, size = sequence_types(trimmed_ref, trimmed_alt)
        return Allele(assembly, name, start, start + len(trimmed_ref), trimmed_ref, trimmed_alt, types, size)
    trimmed_alt = _spelled(trimmed_alt)
    types = symbolic_types(trimmed_alt)
    other, place = mate_chromosome(trimmed_alt), ""
    if not _TWO_ENDED.isdisjoint(types):
        if trimmed_alt.startswith("<"):
            other = genome.chromosome(mate) if mate and mate != "." else ""
            place = str(mate_pos or ("" if end in (None, pos) else end))
        end = length = None
    stop = max(end or 0, start + len(trimmed_ref))
    size = abs(length) if length else None
    return Allele(assembly, name, start, stop, trimmed_ref, trimmed_alt, types, size, place, other)


def as_kept(one: Allele) -> Allele:
    """Return an allele that was kept by earlier rules as it is kept now; one that is kept so already stays as it is."""
    if not one.placed:
        return one
    made = from_vcf(
        one.assembly, one.chrom, one.start + 1, one.ref, one.alt,
        end=one.end if one.end > one.start + len(one.ref) else None, length=one.length,
        mate=one.mate, mate_pos=int(one.label) if one.label.isdecimal() else None,
    )  # fmt: skip
    # Files may say more of the type than bases tell; of what has no bases they said all.
    more = made.types if is_sequence(made.alt) else ()
    return made._replace(types=tuple(dict.fromkeys((*one.types, *more))))


def _spelled(alt: str) -> str:
    """Return an ALT that is not written in bases in the one way in which it is kept, however files spell it."""
    if alt.startswith("<"):
        return _NON_REF if is_unspecified(alt) else alt.upper()
    if match := _MATE.fullmatch(alt):
        mate = match[1] if match[1].startswith("<") else genome.chromosome(match[1])
        return in_dna(alt[: match.start(1)]) + mate + in_dna(alt[match.end(1) :])
    return in_dna(alt) if is_sequence(alt.replace(".", "")) else alt


def spans(alt: str) -> bool:
    """Whether a symbolic allele is about a region, from POS to END, that has the length SVLEN."""
    return bool(_SPANNED.fullmatch(alt))


def extent(pos: int, alt: str, end: int | None, length: int | None) -> tuple[int | None, int | None]:
    """Return END (0-based, exclusive) and SVLEN of an allele that is not written in bases (VCF 4.4, sections 3 and 5).

    Of one that spans a region END tells the length too: where SVLEN says otherwise, it counts or guesses in another
    way, and the region is the same one. SVLEN tells END where that is not given. ``pos`` is 1-based.
    """
    if not spans(alt):
        return end, length
    if end is None and length:
        end = pos + abs(length)
    if end is not None and end > pos:
        length = end - pos
    return end, length


def ends_elsewhere(chrom: str, mate: str | None) -> bool:
    """Whether INFO's CHR2 (``mate``) names another chromosome than ``chrom``: some callers' END then lies there."""
    return mate not in {None, "", "."} and genome.chromosome(str(mate)) != genome.chromosome(chrom)


def mate_chromosome(alt: str) -> str:
    """Return the chromosome that a breakend's ALT (``G]chr7:90000]``, ``[<ctg1>:5[A``) leads to; "" for other ALTs."""
    match = _MATE.fullmatch(alt)
    return genome.chromosome(match[1].strip("<>")) if match else ""


def unplaced(assembly: str, gene: str, structural_type: str, label: str) -> Allele:
    """Build a variant known only by gene, type and a curator's words; the three together are its identity."""
    return Allele(
        assembly,
        "",
        0,
        0,
        "",
        "",
        structural_types(structural_type),
        None,
        "\x1f".join((gene, structural_type, label)),
    )


# A variant's types are what it is recorded as, then the plain words for that. A question by a plain word finds every
# variant of that sort; one by an ontology's id finds the variants recorded under it or something narrower, and where
# the id says no more than a plain word (``_SAME``) all of that word. Chromosomal kinds (SO:1000029 and so on) say more:
# that a large piece of a chromosome is concerned, which of a VCF's deletions nobody knows.
_STRUCTURAL = {
    "SO:1000029": ("DEL",), "SO:0000159": ("DEL",), "SO:1000037": ("DUP",), "SO:1000035": ("DUP",),
    "SO:1000173": ("DUP:TANDEM", "DUP"), "SO:1000030": ("INV",), "SO:1000036": ("INV",), "SO:0000667": ("INS",),
    "SO:1000044": ("TRA", "BND"), "SO:0000199": ("TRA", "BND"), "SO:0001019": ("CNV",), "SO:0001742": ("CNV", "DUP"),
    "SO:0001743": ("CNV", "DEL"), "SO:1000032": ("DELINS", "INDEL"), "SO:0001483": ("SNV", "SNP"),
    "SO:0000694": ("SNV", "SNP"), "SO:0002007": ("MNV", "MNP"), "SO:0001013": ("MNV", "MNP"),
}  # fmt: skip
_LOSSES = ("EFO:0030067", "EFO:0030068", "EFO:0020073", "EFO:0030069", "SO:0001743")
_GAINS = ("EFO:0030070", "EFO:0030071", "EFO:0030072", "EFO:0030073", "SO:0001742")
_COPY_NUMBER = ("EFO:0030066", "EFO:0030063", "SO:0001019")
_SAME = {
    "EFO:0030067": ("DEL", *_LOSSES), "SO:0001743": ("DEL", *_LOSSES),
    "EFO:0030070": ("DUP", *_GAINS), "SO:0001742": ("DUP", *_GAINS),
    "EFO:0020073": ("EFO:0030069",), "EFO:0030072": ("EFO:0030073",),
    "EFO:0030066": ("CNV",), "EFO:0030063": ("CNV",), "SO:0001019": ("CNV",),
    "SO:0000159": ("DEL",), "SO:1000035": ("DUP",), "SO:1000173": ("DUP:TANDEM",), "SO:1000036": ("INV",),
    "SO:0000667": ("INS",), "SO:0000199": ("TRA",), "SO:1000032": ("DELINS",), "SO:0001483": ("SNV",),
    "SO:0000694": ("SNV",), "SO:0002007": ("MNV",), "SO:0001013": ("MNV",),
}  # fmt: skip
_OF_ANY_SORT = frozenset({"SO:0001059", "SO:0001537", "SO:1000183"})
"""Sequence alteration, structural variant, chromosome structure variation: what is narrower is not recorded so."""
_WORDS = frozenset({
    "SNP", "SNV", "MNP", "MNV", "INS", "DEL", "INDEL", "DELINS", "DUP", "INV", "CNV", "BND", "TRA", "MEI", "STAR",
    "NON_REF", "DUP:TANDEM", "DEL:ME", "INS:ME",
})  # fmt: skip


def structural_types(curie: str) -> tuple[str, ...]:
    """Return the types of a variant recorded under an SO or EFO id: the id itself, then its words."""
    if curie in _LOSSES or curie in _GAINS:
        return (curie, "CNV", "DEL" if curie in _LOSSES else "DUP")
    if curie in _COPY_NUMBER:
        return (curie, "CNV")
    return (curie, *_STRUCTURAL.get(curie, ())) if curie else ()


def symbolic_types(alt: str) -> tuple[str, ...]:
    """Return the types of a non-sequence ALT: ``<DEL:ME:ALU>`` is DEL:ME:ALU, DEL:ME and DEL; ``<CN0>`` a lost copy.

    A region that is written as deleted or duplicated is one of changed copy number (VCF 4.4), thus a CNV too; a
    deletion written in bases is none.
    """
    if alt == "*":
        return ("STAR",)
    if not alt.startswith("<"):
        return ("BND",) if any(mark in alt for mark in "[].") else (alt.upper(),)
    name = alt.strip("<>").upper()
    if copies := re.fullmatch(r"CN(\d+)", name):
        change = {0: ("DEL",), 1: ()}.get(int(copies[1]), ("DUP",))
        return (name, "CNV", *change)
    parts = name.split(":")
    words = [":".join(parts[:size]) for size in range(len(parts), 0, -1)]
    if "ME" in parts[1:]:
        words.append("MEI")
    if parts[0] in ("DEL", "DUP"):
        words.append("CNV")
    return tuple(words)


def matching_types(requested: str) -> frozenset[str] | None:
    """Return the recorded types that a requested ``variantType`` finds; None where the word is not known.

    Nor is one of which nobody can tell here what it comprises: who asks for structural variants would miss most.
    """
    word = requested.strip().upper()
    if word in _OF_ANY_SORT:
        return None
    if word.startswith(("SO:", "EFO:")):
        return frozenset({word, *_SAME.get(word, ())})
    if word in _WORDS or re.fullmatch(r"CN\d+|(DEL|DUP|INS|INV|CNV):[A-Z0-9:_]+", word):
        return frozenset({word})
    return None


def variation(allele: Allele) -> dict[str, Any]:
    """Return the Beacon ``variation`` (legacy form: location, bases, variantType) of an allele."""
    if allele.placed:
        sequence, start, end = genome.sequence_id(allele.assembly, allele.chrom), allele.start, allele.end
    else:
        sequence, start, end = UNPLACED, 0, 0
    bases = is_sequence(allele.alt) and bool(allele.alt)
    return {
        "variantType": allele.types[0] if allele.types else "UNKNOWN",
        "referenceBases": allele.ref if is_sequence(allele.ref) else "N",
        "alternateBases": allele.alt if bases else "",
        "location": {
            "type": "SequenceLocation",
            "sequence_id": sequence,
            "interval": {
                "type": "SequenceInterval",
                "start": {"type": "Number", "value": start},
                "end": {"type": "Number", "value": end},
            },
        },
    }
