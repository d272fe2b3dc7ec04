"""From a phenopacket's interpretations to alleles and what is known of them, in general and in this person."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from beacon.model import genome, variant
from beacon.model.calls import GROUP_OF_ZYGOSITY, group_of
from beacon.model.variant import Allele
from loaders.elements import Json, compact, term

SYMBOLIC = frozenset({"DEL", "DUP", "INS", "INV", "CNV", "BND"})
"""Symbolic alleles that some files write without angle brackets."""

_SUBSTITUTION = re.compile(r"(NC_\d{6}\.\d+):g\.(\d+)([ACGT])>([ACGT])")
_SPDI = re.compile(r"(NC_\d{6}\.\d+):(\d+):([ACGTN]+):([ACGTN]+)")
_PROTEIN = re.compile(r".*:p\.\(?([A-Z][a-z]{2})(\d+)([A-Z][a-z]{2}|\*|=)\)?")
_GLOBAL_ID = re.compile(r"rs\d+|[A-Za-z][A-Za-z0-9_.-]+:[!-~]+")
_CLINVAR = re.compile(r"clinvar:(?:VCV0*|variation/)?(\d+)(?:\.\d+)?", re.IGNORECASE)
_ONE_LETTER = {
    "Ala": "A", "Arg": "R", "Asn": "N", "Asp": "D", "Cys": "C", "Gln": "Q", "Glu": "E", "Gly": "G", "His": "H",
    "Ile": "I", "Leu": "L", "Lys": "K", "Met": "M", "Phe": "F", "Pro": "P", "Ser": "S", "Thr": "T", "Trp": "W",
    "Tyr": "Y", "Val": "V", "Sec": "U", "Pyl": "O", "Ter": "*", "*": "*", "=": "=",
}  # fmt: skip
_AFFIRMED = frozenset({"CONTRIBUTORY", "CANDIDATE", "CAUSATIVE"})
"""Where only a gene is named, these say that there is a variant in it; REJECTED and UNKNOWN_STATUS do not."""
_RELEVANCE = {
    "BENIGN": "benign",
    "LIKELY_BENIGN": "likely benign",
    "UNCERTAIN_SIGNIFICANCE": "uncertain significance",
    "LIKELY_PATHOGENIC": "likely pathogenic",
    "PATHOGENIC": "pathogenic",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One allele in one person.

    ``subject`` is the ``subjectOrBiosampleId`` as written, ``body`` what is known of the allele in general
    (Beacon ``genomicVariation`` without the members that the store makes), ``group`` one of ``calls.GROUPS``,
    ``detail`` what the case-level entry says beyond that.
    """

    subject: str
    allele: Allele
    body: Json
    group: str
    detail: Json


def cases(packet: Mapping[str, Any]) -> Iterator[Case]:
    """Yield every variant of a packet that its schema and checks accept, in the order written.

    Where an interpretation names a gene as causative, contributory or candidate, there is some variant in it.
    """
    for interpretation in packet.get("interpretations") or ():
        diagnosis = interpretation.get("diagnosis") or {}
        for genomic in diagnosis.get("genomicInterpretations") or ():
            if "variantInterpretation" in genomic:
                yield _case(packet["id"], interpretation, diagnosis.get("disease"), genomic)
            elif "gene" in genomic and genomic.get("interpretationStatus") in _AFFIRMED:
                yield _gene_case(packet["id"], interpretation, diagnosis.get("disease"), genomic)


def genes(packet: Mapping[str, Any]) -> list[Json]:
    """Return what a packet says of genes without naming a variant, whatever came of them."""
    return [
        compact(
            {
                **_gene(genomic["gene"]),
                "interpretationStatus": genomic.get("interpretationStatus"),
                "disease": term((interpretation.get("diagnosis") or {}).get("disease")),
            }
        )
        for interpretation in packet.get("interpretations") or ()
        for genomic in (interpretation.get("diagnosis") or {}).get("genomicInterpretations") or ()
        if "gene" in genomic
    ]


def _gene(descriptor: Mapping[str, Any]) -> Json:
    return {"id": descriptor["valueId"]} | {name: value for name, value in descriptor.items() if name != "valueId"}


def _gene_case(packet_id: str, interpretation: Json, disease: Json | None, genomic: Json) -> Case:
    """Return the variant of which no more is known than its gene. Nobody can tell that it is anybody else's too."""
    gene = genomic["gene"]
    condition = term(disease)
    detail = compact(
        {"clinicalInterpretations": [{"conditionId": condition["id"], "effect": condition}] if condition else None},
        {
            "interpretationId": interpretation["id"],
            "progressStatus": interpretation.get("progressStatus"),
            "interpretationStatus": genomic.get("interpretationStatus"),
        },
    )
    body: Json = {
        "molecularAttributes": {"geneIds": [gene["symbol"]]},
        "info": {"geneOnly": True, "genes": [_gene(gene)]},
    }
    made = variant.unplaced("", gene["symbol"], "", f"{packet_id}: a variant in this gene")
    return Case(genomic["subjectOrBiosampleId"], made, body, "other", detail)


def _case(packet_id: str, interpretation: Json, disease: Json | None, genomic: Json) -> Case:
    stated = genomic["variantInterpretation"]
    descriptor = stated["variationDescriptor"]
    state = term(descriptor.get("allelicState"))
    group = (group_of(state["id"]) if state else None) or "other"
    condition = term(disease)
    relevance = _RELEVANCE.get(stated.get("acmgPathogenicityClassification", ""))
    effect = (
        compact({"conditionId": condition["id"], "effect": condition, "clinicalRelevance": relevance})
        if condition
        else None
    )
    detail = compact(
        {
            "zygosity": state if state and state["id"] not in GROUP_OF_ZYGOSITY else None,
            "clinicalInterpretations": [effect] if effect else None,
        },
        {
            "interpretationId": interpretation["id"],
            "progressStatus": interpretation.get("progressStatus"),
            "interpretationStatus": genomic.get("interpretationStatus"),
            "acmgPathogenicityClassification": stated.get("acmgPathogenicityClassification"),
            "therapeuticActionability": stated.get("therapeuticActionability"),
            "variationDescriptorId": descriptor.get("id"),
            "description": descriptor.get("description"),
            "moleculeContext": descriptor.get("moleculeContext"),
            "extensions": descriptor.get("extensions"),
        },
    )
    return Case(genomic["subjectOrBiosampleId"], allele(descriptor, packet_id), _body(descriptor), group, detail)


def allele(descriptor: Mapping[str, Any], packet_id: str) -> Allele:
    """Return the allele that a variation descriptor means.

    Its place comes from the VCF record, else from a genomic HGVS substitution or an SPDI of a known chromosome;
    everything else would need the reference sequence, so it has no place. Such a variant is recognised by
    gene, structural type and the curator's words; where these do not suffice to know it again elsewhere,
    the packet's id keeps it apart from others.
    """
    structural = (descriptor.get("structuralType") or {}).get("id", "")
    placed = from_record(descriptor["vcfRecord"]) if "vcfRecord" in descriptor else from_expressions(descriptor)
    if placed is not None:
        types = tuple(dict.fromkeys((*placed.types, *variant.structural_types(structural))))
        return placed if types == placed.types else placed._replace(types=types)
    gene = (descriptor.get("geneContext") or {}).get("symbol", "")
    hgvs = next((value for _, value in _expressions(descriptor) if ":" in value), "")
    label, id = descriptor.get("label") or hgvs, descriptor.get("id") or ""
    if label and (gene or hgvs):
        return variant.unplaced("", gene, structural, label)
    if not label and _GLOBAL_ID.fullmatch(id):
        return variant.unplaced("", gene, structural, id)
    return variant.unplaced("", gene, structural, f"{packet_id}: {label or id}")


def from_record(record: Mapping[str, Any]) -> Allele:
    """Return the allele of a VCF record; END and SVLEN of its INFO give a symbolic allele its extent.

    Raises ``ValueError`` for an assembly that is not known.
    """
    assembly, chrom, ref, alt = (record[name] for name in ("genomeAssembly", "chrom", "ref", "alt"))
    return _written(assembly, chrom, int(record["pos"]), ref, alt, record.get("info") or "")


@functools.lru_cache(4_096)
def _written(genome_assembly: str, chrom: str, pos: int, ref: str, alt: str, info: str) -> Allele:
    """Return what a VCF record means; checks and conversion both ask, and people share alleles."""
    assembly = genome.assembly_name(genome_assembly)
    if assembly is None:
        raise ValueError(f"{genome_assembly!r} is not an assembly known here")
    if alt in SYMBOLIC:
        alt = f"<{alt}>"
    told = dict(re.findall(r"(?:^|;)(END|SVLEN|POS2)=(-?\d+)", info))
    end, length, mate_pos = (int(told[name]) if name in told else None for name in ("END", "SVLEN", "POS2"))
    mate = match[1] if (match := re.search(r"(?:^|;)CHR2=([^;]+)", info)) else None
    if variant.ends_elsewhere(chrom, mate):
        end, mate_pos = None, mate_pos or end
    end, length = variant.extent(pos, alt, end, length)
    return variant.from_vcf(assembly, chrom, pos, ref, alt, end=end, length=length, mate=mate, mate_pos=mate_pos)


def from_expressions(descriptor: Mapping[str, Any]) -> Allele | None:
    """Return the allele of a genomic HGVS substitution or an SPDI, where either names one without doubt."""
    return next((found for _, value in _expressions(descriptor) if (found := _named(value)) is not None), None)


@functools.lru_cache(4_096)
def _named(value: str) -> Allele | None:
    """Return the allele that one expression names; checks and conversion both ask."""
    for pattern, shift in ((_SUBSTITUTION, 0), (_SPDI, 1)):
        if match := pattern.fullmatch(value):
            accession, position, ref, alt = match.groups()
            assembly, chrom = genome.named_by(accession) or (None, "")
            if assembly is not None and int(position) + shift > 0:
                return variant.from_vcf(assembly, chrom, int(position) + shift, ref, alt)
    return None


def _expressions(descriptor: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(kind, text) of every expression; kind g, c or p for HGVS, whatever its declared syntax, else the syntax."""
    return [_expression(row["syntax"], row["value"]) for row in descriptor.get("expressions") or ()]


@functools.lru_cache(4_096)
def _expression(syntax: str, value: str) -> tuple[str, str]:
    value = value.strip()
    if hgvs := re.search(r":([gmcnrp])\.", value):
        syntax = {"g": "g", "m": "g", "p": "p"}.get(hgvs[1], "c")
    return syntax, value


def _body(descriptor: Mapping[str, Any]) -> Json:
    gene = descriptor.get("geneContext") or {}
    expressions = _expressions(descriptor)
    genomic, transcripts, proteins = ([value for found, value in expressions if found == kind] for kind in "gcp")
    changes = [short for protein in proteins if (short := short_protein(protein))]
    xrefs = descriptor.get("xrefs") or []
    clinvar = next((match[1] for xref in xrefs if (match := _CLINVAR.fullmatch(xref))), None)
    alternatives = [
        {"id": value, "notes": syntax} for syntax, value in expressions if syntax not in {"g", "c", "p"}
    ] + [{"id": xref} for xref in xrefs if not _CLINVAR.fullmatch(xref)]
    record = descriptor.get("vcfRecord")
    return compact(
        {
            "molecularAttributes": compact(
                {"geneIds": [gene["symbol"]] if gene else None, "aminoacidChanges": changes or None}
            )
            or None,
            "identifiers": compact(
                {
                    "genomicHGVSId": next(iter(genomic), None),
                    "transcriptHGVSIds": transcripts or None,
                    "proteinHGVSIds": proteins or None,
                    "clinvarVariantId": f"clinvar:{clinvar}" if clinvar else None,
                    "variantAlternativeIds": alternatives or None,
                }
            )
            or None,
        },
        {
            "structuralType": term(descriptor.get("structuralType")),
            "label": descriptor.get("label"),
            "alternateLabels": list(descriptor.get("alternateLabels") or ()) or None,
            "genes": [_gene(gene)] if gene else None,
            "expressions": [row for row in descriptor.get("expressions") or () if "version" in row] or None,
            "vrsRefAlleleSeq": descriptor.get("vrsRefAlleleSeq"),
            "vcf": _record(record) if record else None,
            "variation": descriptor.get("variation"),
        },
    )


def _record(record: Mapping[str, Any]) -> Json:
    """The VCF record as it was written, with a number for its position."""
    names = ("genomeAssembly", "chrom", "pos", "id", "ref", "alt", "qual", "filter", "info")
    return {name: int(record[name]) if name == "pos" else record[name] for name in names if record.get(name)}


def short_protein(hgvs: str) -> str | None:
    """Return a simple protein change in its short form (``NP_006825.1:p.(Ser71Arg)`` is S71R), else None."""
    match = _PROTEIN.fullmatch(hgvs)
    if not match or match[1] not in _ONE_LETTER or match[3] not in _ONE_LETTER:
        return None
    return f"{_ONE_LETTER[match[1]]}{match[2]}{_ONE_LETTER[match[3]]}"
