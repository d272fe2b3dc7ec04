"""What a VCF says about an allele beside its calls: genes, effects, names in other databases, frequencies."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from beacon.model.variant import is_sequence, symbolic_types
from loaders.interpretations import short_protein
from loaders.vcf_header import Header

Json = dict[str, Any]
Info = Mapping[str, str]

# Sequence Ontology ids of the consequence names that VEP and SnpEff write.
EFFECTS: Mapping[str, str] = {
    name: f"SO:{number:07d}"
    for name, number in {
        "3_prime_UTR_variant": 1624, "5_prime_UTR_premature_start_codon_gain_variant": 1988,
        "5_prime_UTR_variant": 1623, "TFBS_ablation": 1895, "TFBS_amplification": 1892,
        "TF_binding_site_variant": 1782, "NMD_transcript_variant": 1621, "coding_sequence_variant": 1580,
        "coding_transcript_variant": 1968, "conservative_inframe_deletion": 1825,
        "conservative_inframe_insertion": 1823, "disruptive_inframe_deletion": 1826,
        "disruptive_inframe_insertion": 1824, "downstream_gene_variant": 1632, "feature_elongation": 1907,
        "feature_truncation": 1906, "frameshift_variant": 1589, "incomplete_terminal_codon_variant": 1626,
        "inframe_deletion": 1822, "inframe_insertion": 1821, "initiator_codon_variant": 1582,
        "intergenic_region": 605, "intergenic_variant": 1628, "intragenic_variant": 2011, "intron_variant": 1627,
        "mature_miRNA_variant": 1620, "missense_variant": 1583, "non_coding_transcript_exon_variant": 1792,
        "non_coding_transcript_variant": 1619, "protein_altering_variant": 1818, "regulatory_region_ablation": 1894,
        "regulatory_region_amplification": 1891, "regulatory_region_variant": 1566, "sequence_variant": 1060,
        "splice_acceptor_variant": 1574, "splice_donor_5th_base_variant": 1787, "splice_donor_region_variant": 2170,
        "splice_donor_variant": 1575, "splice_polypyrimidine_tract_variant": 2169, "splice_region_variant": 1630,
        "start_lost": 2012, "start_retained_variant": 2019, "stop_gained": 1587, "stop_lost": 1578,
        "stop_retained_variant": 1567, "synonymous_variant": 1819, "transcript_ablation": 1893,
        "transcript_amplification": 1889, "upstream_gene_variant": 1631,
    }.items()
}  # fmt: skip
BESIDE_GENES = frozenset(
    {"upstream_gene_variant", "downstream_gene_variant", "intergenic_region", "intergenic_variant"}
)
"""Effects that name the nearest gene only; such an allele is not in the gene."""

_SORTS: Mapping[str, str] = {
    "deletion": "DEL", "copy_number_loss": "DEL", "mobile_element_deletion": "DEL", "duplication": "DUP",
    "tandem_duplication": "DUP", "copy_number_gain": "DUP", "insertion": "INS", "mobile_element_insertion": "INS",
    "novel_sequence_insertion": "INS", "inversion": "INV", "copy_number_variation": "CNV", "translocation": "TRA",
}  # fmt: skip
"""What VEP calls symbolic alleles: names of the Sequence Ontology, whose types these are."""

# What SnpEff's fields are called in VEP's terms.
_SYNONYMS = {
    "Annotation": "Consequence", "Gene_Name": "SYMBOL", "Feature_ID": "Feature", "HGVS.c": "HGVSc", "HGVS.p": "HGVSp",
}  # fmt: skip
_CARRIERS = ("ANN", "CSQ", "vep", "VEP")
_RS = re.compile(r"rs\d+")
_FREQUENCY = re.compile(r"(?:AF(?:_(?P<after>\w+))?|(?P<before>[A-Z]{2,4})_AF)")
_NO_POPULATION = frozenset({"raw", "popmax", "grpmax", "MAX"})
_RESIDUES = re.compile(r"([A-Z*])/([A-Z*])")


@dataclass(frozen=True, slots=True)
class _Annotation:
    """One INFO field with annotations, and at which place in it each value lies."""

    key: str
    places: Mapping[str, int]

    def entries(self, info: Info) -> Iterator[Mapping[str, str]]:
        for text in info.get(self.key, "").split(","):
            values = text.split("|")
            if len(values) > 1:
                yield {name: values[place].strip() for name, place in self.places.items() if place < len(values)}


@dataclass(frozen=True, slots=True)
class Annotator:
    """Reads the annotations that a file's header announces.

    ``frequencies`` are (INFO key, population, INFO keys of allele count and number); ``source`` says whose they are.
    """

    annotations: tuple[_Annotation, ...]
    frequencies: tuple[tuple[str, str, str, str], ...]
    source: str
    file: str

    @classmethod
    def build(cls, header: Header, file: str) -> Annotator:
        """Find the INFO fields of SnpEff and VEP, and those of allele frequencies per ALT."""
        described = ((key, _places(header.info.get(key, {}).get("Description", ""))) for key in _CARRIERS)
        annotations = [_Annotation(key, places) for key, places in described if places]
        frequencies = []
        for key, attributes in header.info.items():
            match = _FREQUENCY.fullmatch(key)
            if match and attributes.get("Number") == "A" and attributes.get("Type") == "Float":
                population = match["after"] or match["before"] or "all"
                if not _NO_POPULATION & set(population.split("_")):
                    frequencies.append((key, population, key.replace("AF", "AC", 1), key.replace("AF", "AN", 1)))
        return cls(tuple(annotations), tuple(frequencies), ", ".join(header.sources) or file, file)

    def molecular(self, info: Info, ref: str, alts: Sequence[str], index: int) -> tuple[Json, Json]:
        """Return ``molecularAttributes`` and ``identifiers`` of one ALT (its index from 0), empty where unknown.

        Genes are those that the allele lies in: what is only near a gene is an effect, not a gene.
        """
        genes: dict[str, None] = {}
        changes: dict[str, None] = {}
        effects: dict[str, None] = {}
        transcripts: dict[str, None] = {}
        proteins: dict[str, None] = {}
        for annotation in self.annotations:
            for entry in annotation.entries(info):
                if not _is_about(entry, ref, alts, index):
                    continue
                names = [name for name in entry.get("Consequence", "").split("&") if name]
                effects.update(dict.fromkeys(name for name in names if name in EFFECTS))
                if not BESIDE_GENES.issuperset(names):
                    genes.update(dict.fromkeys(gene for gene in [entry.get("SYMBOL")] if gene))
                if change := _change(entry):
                    changes[change] = None
                for name, found in (("HGVSc", transcripts), ("HGVSp", proteins)):
                    if hgvs := _hgvs(entry, name):
                        found[hgvs] = None
        molecular = {
            "geneIds": list(genes),
            "aminoacidChanges": list(changes),
            "molecularEffects": [{"id": EFFECTS[name], "label": name} for name in effects],
        }
        identifiers = {"transcriptHGVSIds": list(transcripts), "proteinHGVSIds": list(proteins)}
        return _filled(molecular), _filled(identifiers)

    def populations(self, info: Info, index: int) -> list[Json]:
        """Return ``frequencyInPopulations`` of one ALT (its index from 0)."""
        found = []
        for key, population, count_key, number_key in self.frequencies:
            frequency = _float(_of_alt(info.get(key), index))
            if frequency is None or not 0 <= frequency <= 1:
                continue
            counts = {
                "alleleCount": _int(_of_alt(info.get(count_key), index)),
                "alleleNumber": _int(_of_alt(info.get(number_key), index)),
            }
            known = {name: count for name, count in counts.items() if count is not None}
            found.append({"population": population, "alleleFrequency": frequency, **known})
        if not found:
            return []
        return [{"source": self.source, "sourceReference": self.file, "frequencies": found}]


def alternative_ids(id: str) -> list[Json]:
    """Return the dbSNP ids in a record's ID column as external references."""
    return [
        {"id": f"dbSNP:{one}", "reference": f"https://www.ncbi.nlm.nih.gov/snp/{one}"}
        for one in id.split(";")
        if _RS.fullmatch(one)
    ]


def _filled(values: Mapping[str, Any]) -> Json:
    return {name: value for name, value in values.items() if value}


def _places(description: str) -> dict[str, int]:
    """Read the order of values from a header's description: ``... Format: Allele|Consequence|...``."""
    listed = description.rpartition(":")[2].strip(" '\"").split("|")
    if len(listed) < 2:
        return {}
    names = [name.strip(" '\"") for name in listed]
    return {_SYNONYMS.get(name, name): place for place, name in enumerate(names)}


def _is_about(entry: Mapping[str, str], ref: str, alts: Sequence[str], index: int) -> bool:
    """Whether an annotation is about this ALT: it names it, by number or in VCF's or VEP's way, or is alone."""
    if number := entry.get("ALLELE_NUM"):
        return number == str(index + 1)
    named = entry.get("Allele")
    if named is None:
        return len(alts) == 1
    if named == alts[index]:
        return True
    if not is_sequence(alts[index]):
        return _names_sort(named, alts, index)
    # VEP leaves out the first base where all alleles share it and their lengths differ.
    alleles = [ref, *(alt for alt in alts if alt != "*")]
    first = alleles[0][:1]
    if len({len(allele) for allele in alleles}) > 1 and all(allele[:1] == first for allele in alleles):
        return named == (alts[index][1:] or "-")
    return False


def _names_sort(named: str, alts: Sequence[str], index: int) -> bool:
    """Whether VEP's word for a sort of variant means this ALT, which is not written in bases, and no other.

    Of an ALT that is alone everything is that says neither bases nor another sort.
    """
    sort = _SORTS.get(named.lower())
    if sort is None:
        return len(alts) == 1 and named not in ("", "-") and not is_sequence(named)
    fitting = [at for at, alt in enumerate(alts) if not is_sequence(alt) and sort in symbolic_types(alt)]
    return fitting == [index]


def _change(entry: Mapping[str, str]) -> str | None:
    """Return a simple change of one amino acid, in its short form (``S71R``)."""
    if protein := entry.get("HGVSp"):
        return short_protein(protein if ":" in protein else f":{protein}")
    residues = _RESIDUES.fullmatch(entry.get("Amino_acids", ""))
    position = entry.get("Protein_position", "").partition("/")[0]
    return f"{residues[1]}{position}{residues[2]}" if residues and position.isdigit() else None


def _hgvs(entry: Mapping[str, str], name: str) -> str | None:
    """Return an HGVS name with its accession: VEP writes it, SnpEff leaves it to the feature (of transcripts only)."""
    text = entry.get(name, "").replace("%3D", "=")
    if not text or ":" in text:
        return text or None
    feature = entry.get("Feature")
    return f"{feature}:{text}" if feature and text.startswith("c.") else None


def _of_alt(values: str | None, index: int) -> str:
    """Return the value of one ALT; a single value is everybody's."""
    listed = (values or "").split(",")
    return listed[index] if index < len(listed) else listed[0] if len(listed) == 1 else ""


def _float(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _int(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
