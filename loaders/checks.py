"""Rules beyond the schema: terms, features, samples and variants that do not fit together.

Every rule has a row in ``loaders.rules``, which says how bad it is to break it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from beacon.model import genome, variant
from loaders import interpretations, times
from loaders.elements import CURIE
from loaders.glance import NOT_LOOKED, Glance
from loaders.report import Problem
from loaders.rules import RULES
from loaders.sources import Document
from loaders.terms import Terms, Vocabulary

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:")
_NO_TERMS = frozenset({"metaData", "files", "variation", "extensions", "xrefs", "geneContext", "gene"})
"""Members that hold no ontology terms at any depth."""
_NOT_TERMS = frozenset(
    {"subject", "biosamples", "interpretations", "variationDescriptor", "reference", "externalReference"}
)
"""Members whose objects may look like a term (id, perhaps label) and are none."""


def check(
    document: Document, packet: Mapping[str, Any], terms: Vocabulary, glance: Glance = NOT_LOOKED
) -> Iterator[Problem]:
    """Yield what is wrong with a packet that fits the schema; what a glance found sound is not looked at again."""
    for rule, pointer, message, value, hint in _findings(packet, terms, glance):
        yield document.problem(rule, message, severity=RULES[rule].severity, pointer=pointer, value=value, hint=hint)


Finding = tuple[str, str, str, Any, str | None]
"""rule, pointer, message, value, hint."""


def _findings(packet: Mapping[str, Any], terms: Vocabulary, glance: Glance) -> Iterator[Finding]:
    if not glance.terms:
        places = list(term_places(packet))
        yield from _terms(places, terms)
        yield from _resources(packet, places)
    if not glance.days:
        yield from _dates(packet)
    if not glance.times:
        yield from times.findings(packet, datetime.now(UTC))
    yield from times.order(packet)
    if features := packet.get("phenotypicFeatures"):
        yield from _features(features, terms)
    yield from _samples(packet)
    yield from _variants(packet)


def is_sound_term(term: Mapping[str, Any], terms: Vocabulary) -> bool:
    """Whether no rule finds anything in an ontology term, wherever it stands."""
    return not any(_terms([("", term)], terms))


def term_places(value: Any, pointer: str = "", name: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Walk a packet; yield every ontology term with its pointer."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from term_places(item, f"{pointer}/{index}", name)
    elif isinstance(value, dict):
        if pointer and "id" in value and value.keys() <= {"id", "label"} and name not in _NOT_TERMS:
            yield pointer, value
            return
        for member, item in value.items():
            if member not in _NO_TERMS and isinstance(item, dict | list):
                yield from term_places(item, f"{pointer}/{member}", member)


def _terms(places: list[tuple[str, Mapping[str, Any]]], terms: Vocabulary) -> Iterator[Finding]:
    for pointer, term in places:
        id, label = term["id"], term.get("label", "")
        if not CURIE.fullmatch(id):
            if not CURIE.fullmatch(label):
                yield (
                    "term-not-curie",
                    f"{pointer}/id",
                    f"{id!r} is not the id of a term.",
                    id,
                    "Write an id such as HP:0012834.",
                )
                continue
            yield "term-swapped", f"{pointer}/id", f"The id {id!r} and the label {label!r} were exchanged.", id, None
            id, label = label, id
        if not label:
            yield "term-label-missing", f"{pointer}/label", f"{id} has no label.", None, None
        if (ontology := terms.of(id)) is not None:
            yield from _known_term(pointer, id, label, ontology)
        elif (other := id.partition(":")[0].upper() + id[id.index(":") :]) != id and terms.of(other) is not None:
            message = f"{id} is no term of {other.partition(':')[0]}, and not found as one: prefixes have one spelling."
            yield "term-unknown", f"{pointer}/id", message, id, f"Write {other}."


def _known_term(pointer: str, id: str, label: str, terms: Terms) -> Iterator[Finding]:
    known = terms.label(id)
    if known is None:
        yield (
            "term-unknown", f"{pointer}/id", f"{id} is not in version {terms.version} of {terms.prefix}.", id,
            "It may be newer than that version, or mistyped.",
        )  # fmt: skip
    elif id in terms.replaced:
        better = terms.replaced[id]
        hint = f"Use {better} ({terms.label(better)})." if better else None
        yield "term-obsolete", f"{pointer}/id", f"{id} is obsolete.", id, hint
    elif label and label.strip().casefold() != known.casefold():
        yield "term-label", f"{pointer}/label", f"{id} is {known!r}, not {label!r}.", label, None


def _resources(packet: Mapping[str, Any], places: list[tuple[str, Mapping[str, Any]]]) -> Iterator[Finding]:
    listed = {row["namespacePrefix"].casefold() for row in packet["metaData"].get("resources") or ()}
    used = dict.fromkeys(term["id"].partition(":")[0] for _, term in places if CURIE.fullmatch(term["id"]))
    if missing := [prefix for prefix in used if prefix.casefold() not in listed]:
        message = f"Terms of {', '.join(missing)} are used, but meta data list no such resource."
        yield "resource-missing", "/metaData/resources", message, ", ".join(missing), None


def _dates(value: Any, pointer: str = "") -> Iterator[Finding]:
    """Look at every text that is written as a point in time; the schema cannot count the days of a month."""
    if isinstance(value, str):
        if _TIME.match(value) and not times.is_day(value[:10]):
            yield "date-impossible", pointer, f"There is no day {value[:10]}.", value, None
    elif isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _dates(item, f"{pointer}/{name}")


def _features(features: list[dict[str, Any]], terms: Vocabulary) -> Iterator[Finding]:
    """What a list of features says against itself; pointers name the later of two features."""
    absent = {feature["type"]["id"] for feature in features if feature.get("excluded")}
    present = {feature["type"]["id"] for feature in features if not feature.get("excluded")}
    alone = len(absent) + len(present) == len(features) and absent.isdisjoint(present)
    if alone and (not absent or all(absent.isdisjoint(terms.ancestors(id)) for id in present)):
        return
    seen: dict[tuple[str, bool, bytes], int] = {}
    observed: dict[str, int] = {}
    excluded: dict[str, int] = {}
    for index, feature in enumerate(features):
        id, is_absent = feature["type"]["id"], bool(feature.get("excluded"))
        about = orjson.dumps(
            [feature.get(name) for name in ("onset", "resolution", "modifiers")], option=orjson.OPT_SORT_KEYS
        )
        pointer = f"/phenotypicFeatures/{index}"
        if (id, is_absent, about) in seen:
            yield (
                "feature-repeated",
                pointer,
                f"{id} was listed before, as feature {seen[id, is_absent, about]}.",
                id,
                None,
            )
        elif (id, not is_absent, about) in seen:
            other = seen[id, not is_absent, about]
            yield (
                "feature-contradiction", pointer, f"{id} is observed and excluded: see feature {other}.", id,
                "Remove one of the two, or say with onset or modifiers how they differ.",
            )  # fmt: skip
        elif id in (observed if is_absent else excluded):
            yield "feature-both", pointer, f"{id} is observed in one respect and excluded in another.", id, None
        seen.setdefault((id, is_absent, about), index)
        (excluded if is_absent else observed).setdefault(id, index)
    for id, index in observed.items():
        if above := [ancestor for ancestor in terms.ancestors(id) if ancestor in excluded]:
            message = f"{id} is observed, but {', '.join(above)}, which includes it, is excluded."
            yield "feature-excluded-ancestor", f"/phenotypicFeatures/{index}", message, id, None


def _samples(packet: Mapping[str, Any]) -> Iterator[Finding]:
    ids: set[str] = set()
    people = {packet["id"], packet["subject"]["id"]}
    for index, sample in enumerate(packet.get("biosamples") or ()):
        pointer, id = f"/biosamples/{index}", sample["id"]
        if id in ids:
            yield (
                "biosample-repeated",
                f"{pointer}/id",
                f"Another sample of this phenopacket has the id {id!r}.",
                id,
                None,
            )
        ids.add(id)
        person = sample.get("individualId")
        if person and person not in people:
            yield (
                "biosample-individual", f"{pointer}/individualId",
                f"The sample names the individual {person!r}, the phenopacket is about {packet['subject']['id']!r}.",
                person, None,
            )  # fmt: skip


def _variants(packet: Mapping[str, Any]) -> Iterator[Finding]:
    known = {packet["id"], packet["subject"]["id"], *(row["id"] for row in packet.get("biosamples") or ())}
    for outer, interpretation in enumerate(packet.get("interpretations") or ()):
        diagnosis = interpretation.get("diagnosis") or {}
        for inner, genomic in enumerate(diagnosis.get("genomicInterpretations") or ()):
            pointer = f"/interpretations/{outer}/diagnosis/genomicInterpretations/{inner}"
            subject = genomic["subjectOrBiosampleId"]
            if subject not in known:
                message = f"{subject!r} is neither the subject nor a sample of this phenopacket."
                yield "interpretation-subject", f"{pointer}/subjectOrBiosampleId", message, subject, None
            descriptor = (genomic.get("variantInterpretation") or {}).get("variationDescriptor") or {}
            if "vcfRecord" in descriptor:
                yield from _record(f"{pointer}/variantInterpretation/variationDescriptor", descriptor)


def _record(pointer: str, descriptor: Mapping[str, Any]) -> Iterator[Finding]:
    record = descriptor["vcfRecord"]
    pointer = f"{pointer}/vcfRecord"
    name, chrom, ref, alt = (record[member] for member in ("genomeAssembly", "chrom", "ref", "alt"))
    assembly, accession = genome.assembly_name(name), genome.named_by(chrom)
    if assembly is None:
        hint = f"Use one of {', '.join(genome.ASSEMBLIES)}."
        yield "vcf-assembly", f"{pointer}/genomeAssembly", f"{name!r} is not an assembly known here.", name, hint
        return
    if accession and accession[0] not in {None, assembly}:
        message = f"{chrom} is a sequence of {accession[0]}, but the record says {name}."
        yield "vcf-assembly", f"{pointer}/genomeAssembly", message, name, None
        return
    if alt == "." or variant.is_unspecified(alt) or variant.in_dna(alt) == variant.in_dna(ref):
        yield "vcf-no-allele", f"{pointer}/alt", f"{alt!r} is no alternate allele of {ref!r}.", alt, None
        return
    if alt in interpretations.SYMBOLIC:
        yield "vcf-symbolic", f"{pointer}/alt", f"{alt!r} is taken as <{alt}>.", alt, None
    allele = interpretations.from_record(record)
    length = genome.ASSEMBLIES[assembly].lengths.get(allele.chrom)
    if length is not None and allele.end > length:
        message = f"{name} {chrom} ends at {length}, before this allele does."
        yield "vcf-beyond-end", f"{pointer}/pos", message, record["pos"], "Is it the right assembly?"
        return
    named = interpretations.from_expressions(descriptor)
    if named and variant.is_sequence(alt) and not _same(named, allele):
        message = f"The VCF record means {allele.id}, the genomic expression {named.id}."
        yield "vcf-hgvs", pointer, message, named.id, None


def _same(one: variant.Allele, other: variant.Allele) -> bool:
    """Whether two alleles are the same, or say nothing against each other for being of different assemblies."""
    return one.assembly != other.assembly or (one.chrom, one.minimal) == (other.chrom, other.minimal)
