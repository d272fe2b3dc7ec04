"""``genomicAlleleShortForm``: genomic HGVS, SPDI, or the VRS id of an allele, read strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass

from beacon.errors import BadRequest, CannotAnswer
from beacon.model import genome, hgvs, spdi, vrs
from beacon.model.edit import Edit

WHERE = "genomicAlleleShortForm"


@dataclass(frozen=True, slots=True)
class ShortForm:
    """What a short form names: a change of a chromosome, or an allele's ``vrs`` id (then without chromosome).

    ``assembly`` None: in every assembly that has the sequence.
    """

    text: str
    assembly: str | None
    chrom: str | None = None
    edit: Edit | None = None
    vrs: str | None = None


def is_computed(text: str) -> bool:
    """Whether a text is an id that variants get when they are written, whatever their file calls them: SPDI or VRS."""
    return vrs.is_allele_id(text) or spdi.is_spdi(text.removeprefix("refseq:"))


def read(text: str, assembly: str | None) -> ShortForm:
    """Read a short form; ``assembly`` is that of ``assemblyId``, if given.

    Raises ``BadRequest`` where it is badly written, ``CannotAnswer`` where it is of a kind that is not taken.
    """
    text = text.strip()
    if text.startswith("ga4gh:"):
        return _vrs(text, assembly)
    try:
        if hgvs.is_hgvs(text):
            sequence, edit = hgvs.read(text)
        elif text.count(":") >= 3:
            sequence, edit = spdi.read(text.removeprefix("refseq:"))
        else:
            raise BadRequest(
                f"The text {text!r} is no short form of an allele: give a genomic HGVS name "
                "(NC_000007.14:g.140753336A>T), an SPDI (NC_000007.14:140753335:A:T) or a VRS id "
                "(ga4gh:VA. and 32 characters).",
                where=WHERE,
            )
    except hgvs.NotTaken as error:
        raise CannotAnswer(f"The short form {text!r} cannot be asked for: {error}.", where=WHERE) from error
    except ValueError as error:
        raise BadRequest(f"The short form {text!r} cannot be read: {error}.", where=WHERE) from error
    told, chrom = _place(text, sequence, assembly)
    length = genome.length(told, chrom)
    if length is not None and edit.end > length:
        raise BadRequest(
            f"The short form {text!r} lies beyond the end of chromosome {chrom}, which has {length} bases"
            f"{f' in {told}' if told else ''}.",
            where=WHERE,
        )
    return ShortForm(text, told, chrom, edit)


def _vrs(text: str, assembly: str | None) -> ShortForm:
    if vrs.is_allele_id(text):
        return ShortForm(text, assembly, vrs=text)
    if re.fullmatch(r"ga4gh:(?!VA\.)[A-Z]+\..*", text):
        raise CannotAnswer(
            f"The VRS id {text!r} is not that of an allele; give one that begins with ga4gh:VA.", where=WHERE
        )
    raise BadRequest(f"The text {text!r} is no VRS id of an allele: give ga4gh:VA. and 32 characters.", where=WHERE)


def _place(text: str, sequence: str, assembly: str | None) -> tuple[str | None, str]:
    """Return assembly, if it matters, and chromosome of the sequence that a short form names."""
    accession = genome.named_by(sequence)
    # Of an accession from elsewhere the data tell whether a file calls a sequence so.
    if accession is None and genome.is_unknown(sequence):
        raise CannotAnswer(
            f"The sequence {sequence!r} is not known here; give the accession of a chromosome of "
            f"{', '.join(genome.ASSEMBLIES)} with its version, such as NC_000007.14.",
            where=WHERE,
        )
    told, chrom = accession or (None, genome.chromosome(sequence))
    if told and assembly and told != assembly:
        raise BadRequest(
            f"The sequence {sequence!r} belongs to {told}, but assemblyId says {assembly}.", where="assemblyId"
        )
    if accession is None and assembly is None:
        raise BadRequest(
            f"In {text!r} the sequence {sequence!r} says nothing without an assembly: add assemblyId (such as GRCh38).",
            where="assemblyId",
        )
    return told or assembly, chrom
