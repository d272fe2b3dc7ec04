"""``testMode``: the question is answered from three built-in people, and from nobody else.

No store, no policy and no token comes into it, so not a byte of the answer can depend on a site's data. It is an
answer all the same: filters and variants choose among the three, and it passes the privacy step like any other.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from beacon.model import protein
from beacon.model.access import Asker, Decision, Granularity, Level
from beacon.model.bases import pattern
from beacon.model.entry_types import ENTRY_TYPES, FREQUENCY, RECORD_TYPES, ZYGOSITIES, ZYGOSITY, Field, FieldKind
from beacon.model.indexing import ABSENT, BELOW, RECORDED, Entries, as_number, index_entries
from beacon.model.phenopacket import phenopacket
from beacon.model.query import AlphanumericFilter, Anchor, Filter, OntologyFilter, Query, VariantQuery
from beacon.model.representations import PHENOPACKET, VRS, representation
from beacon.model.result import DatasetResult
from beacon.model.sample_data import (
    ANCESTORS,
    COHORT,
    CREATED,
    DATASET,
    SamplePerson,
    SampleVariant,
    cohort,
    dataset,
    people,
    variants,
    zygosity,
)
from beacon.model.variant import matching_types, minimal, variation
from beacon.query.identifiers import in_vrs
from beacon.query.plan import plan
from beacon.store.base import AllelePredicate

DECISION = Decision(DATASET, Granularity.RECORD, Asker.STRANGER, Level.PUBLIC, 0)
"""Everybody may see all of it."""

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda held, asked: held == asked, "<": lambda held, asked: held < asked,
    ">": lambda held, asked: held > asked, "<=": lambda held, asked: held <= asked,
    ">=": lambda held, asked: held >= asked,
}  # fmt: skip


def answer(query: Query) -> DatasetResult:
    """Return what the three people are for this question; ``DECISION`` goes with it.

    Raises ``UnknownFilter``, ``BadRequest`` and ``CannotAnswer`` for what no site could be asked. A term that none of
    the three has finds nobody.
    """
    alleles = plan(query).alleles
    chosen = {person.id for person in people()} & _anchored(query.anchor)
    if query.datasets is not None and DATASET not in query.datasets:
        chosen = set()
    zygosities: list[set[str]] = []
    for item in query.filters:
        if states := _zygosity(item):
            zygosities.append(states)
        elif item.id != FREQUENCY:
            chosen &= {person.id for person in people() if _fits(person, item)}
    found = [
        (variant, carriers)
        for variant in variants()
        if _matches(variant, query.variant, alleles) and _is_anchor(variant, query.anchor)
        if alleles is None or all(wanted.holds(np.array([_frequency(variant)])).all() for wanted in alleles.frequency)
        if (carriers := _carriers(variant, zygosities, chosen))
    ]
    if query.variant is not None or zygosities or (alleles is not None and alleles.frequency):
        chosen &= {id for _, carriers in found for id in carriers}
    records = [orjson.dumps(record) for record in _records(query, chosen, found)]
    begin = query.pagination.skip * query.pagination.limit
    page = records[begin : begin + query.pagination.limit]
    return DatasetResult(DATASET, bool(records), len(records), tuple(page))


def terms() -> dict[str, Any]:
    """Return the ``response`` of ``/filtering_terms`` in test mode: the terms that the three people have."""
    found: dict[str, dict[str, Any]] = {}
    for person in people():
        for kind, entries in _entries(person).items():
            for key, label in entries.keys.items():
                field, _, id = key.partition(RECORDED)
                if id and not field:
                    row = found.setdefault(id, {"type": "ontology", "id": id, "label": label, "scopes": []})
                    row["scopes"] = sorted({*row["scopes"], kind})
    return {"filteringTerms": [found[id] for id in sorted(found)], "resources": []}


def _records(
    query: Query, chosen: set[str], found: Sequence[tuple[SampleVariant, Sequence[str]]]
) -> Iterable[Mapping[str, Any]]:
    kind = query.entry_type
    if kind == "genomicVariant":
        as_vrs = representation(kind, query.requested_schemas) == VRS
        return [_variant_record(variant, carriers, as_vrs=as_vrs) for variant, carriers in found]
    if kind == "dataset":
        return [dataset()] if chosen else []
    if kind == "cohort":
        return [cohort()] if chosen else []
    held = [person for person in people() if person.id in chosen]
    if representation(kind, query.requested_schemas) == PHENOPACKET:
        return [person.phenopacket or phenopacket(person.records[kind], created=CREATED) for person in held]
    return [person.records[kind] for person in held]


def _variant_record(variant: SampleVariant, carriers: Sequence[str], *, as_vrs: bool) -> dict[str, Any]:
    cases = []
    for person in people():
        for id, state in variant.carriers:
            if id == person.id and id in carriers:
                own = {f"{kind}Id": person.records[kind]["id"] for kind in RECORD_TYPES}
                cases.append(own | {"zygosity": zygosity(state)})
    said = (in_vrs(variant.allele, None, None, None) if as_vrs else None) or variation(variant.allele)
    about = {"variantInternalId": variant.allele.id, "variation": said}
    return about | variant.body | {"caseLevelData": cases}


def _anchored(anchor: Anchor | None) -> set[str]:
    """Return the ids of the people to whom the record of the path belongs."""
    everybody = {person.id for person in people()}
    match anchor:
        case None:
            return everybody
        case Anchor(entry_type="dataset", id=id):
            return everybody if id == DATASET else set()
        case Anchor(entry_type="cohort", id=id):
            return everybody if id == COHORT else set()
        case Anchor(entry_type="genomicVariant", id=id):
            return {name for variant in variants() if variant.allele.id == id for name, _ in variant.carriers}
        case Anchor(entry_type=kind, id=id):
            return {person.id for person in people() if person.records[kind]["id"] == id}


def _is_anchor(variant: SampleVariant, anchor: Anchor | None) -> bool:
    return anchor is None or anchor.entry_type != "genomicVariant" or variant.allele.id == anchor.id


def _carriers(variant: SampleVariant, zygosities: Sequence[set[str]], chosen: set[str]) -> list[str]:
    """Return who among ``chosen`` carries the variant in one of the states, once every state asked for occurs."""
    held = [(id, state) for id, state in variant.carriers if id in chosen]
    if not all(any(state in states for _, state in held) for states in zygosities):
        return []
    wanted: set[str] = set().union(*zygosities)
    return [id for id, state in held if not zygosities or state in wanted]


def _frequency(variant: SampleVariant) -> float:
    copies = sum(2 if ZYGOSITIES[state] == "homozygous" else 1 for _, state in variant.carriers)
    return copies / (2 * len(people()))


def _zygosity(item: Filter) -> set[str] | None:
    """Return the zygosities that a filter is for, None for other filters."""
    if isinstance(item, OntologyFilter) and item.id.startswith("GENO:"):
        return {item.id}
    return {item.value} if isinstance(item, AlphanumericFilter) and item.id == ZYGOSITY else None


@functools.cache
def _indexed() -> Mapping[str, Mapping[str, Entries]]:
    def ancestors(term: str) -> tuple[str, ...]:
        return ANCESTORS.get(term, ())

    return {
        person.id: {kind: index_entries(ENTRY_TYPES[kind], person.records[kind], ancestors) for kind in RECORD_TYPES}
        for person in people()
    }


def _entries(person: SamplePerson) -> Mapping[str, Entries]:
    return _indexed()[person.id]


def _fits(person: SamplePerson, item: Filter) -> bool:
    kinds = RECORD_TYPES if item.scope is None else tuple({item.scope} & set(RECORD_TYPES))
    match item:
        case OntologyFilter():
            mark = ABSENT if item.excluded else BELOW if item.descendants or item.similarity != "exact" else RECORDED
            return any(f"{mark}{item.id}" in _entries(person)[kind].keys for kind in kinds)
        case AlphanumericFilter():
            return _compares(person, item, kinds)
        case _:
            return False


def _compares(person: SamplePerson, item: AlphanumericFilter, kinds: Sequence[str]) -> bool:
    fields = [(kind, row) for kind in kinds for row in ENTRY_TYPES[kind].fields if row.id == item.id]
    return any(_holds(_entries(person)[kind], row, item) for kind, row in fields)


def _holds(entries: Entries, row: Field, item: AlphanumericFilter) -> bool:
    if row.kind in (FieldKind.TEXT, FieldKind.ONTOLOGY):
        wanted = re.compile(".*".join(map(re.escape, item.value.split("%"))), re.DOTALL)
        values = (key.partition(RECORDED) for key in entries.keys)
        found = any(field == row.id and wanted.fullmatch(value) for field, _, value in values)
        return found == (item.operator == "=")
    asked = as_number(row.kind, _plain(item.value) if row.kind is FieldKind.NUMBER else item.value)
    if asked is None:
        return False
    held = [number for field, number in entries.numbers if field == row.id]
    if item.operator == "!":
        return asked not in held
    return any(_COMPARE[item.operator](number, asked) for number in held)


def _plain(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _matches(variant: SampleVariant, asked: VariantQuery | None, alleles: AllelePredicate | None) -> bool:
    """Whether an allele is one that is asked for; coordinates 0-based half-open."""
    if asked is None:
        return True
    allele, molecular = variant.allele, variant.body["molecularAttributes"]
    types = None if asked.variant_type is None else matching_types(asked.variant_type) or frozenset()
    checks = (
        asked.assembly in (None, allele.assembly),
        asked.chrom in (None, allele.chrom),
        asked.gene is None or asked.gene in molecular["geneIds"],
        asked.aminoacid_change is None
        or protein.change(asked.aminoacid_change) in map(protein.change, molecular.get("aminoacidChanges", ())),
        types is None or not types.isdisjoint(allele.types),
        asked.min_length is None or (allele.length or 0) >= asked.min_length,
        asked.max_length is None or (allele.length or 0) <= asked.max_length,
        asked.mate in (None, allele.mate),
        asked.short_form is None or _is_named(variant, alleles),
        _is_there(variant, asked),
    )
    return all(checks)


def _is_named(variant: SampleVariant, alleles: AllelePredicate | None) -> bool:
    """Whether a short form, as the plan has read it, names this allele."""
    if alleles is None or alleles.sequence is None:
        return False
    allele = variant.allele
    same = minimal(*alleles.sequence) == allele.minimal
    return same and alleles.chrom == allele.chrom and alleles.assembly in (None, allele.assembly)


def _is_there(variant: SampleVariant, asked: VariantQuery) -> bool:
    allele = variant.allele
    if len(asked.start) == 2:
        low, high = asked.start
        first, last = asked.end
        return low <= allele.start <= high and first <= allele.end <= last
    if asked.start and asked.end:
        return allele.start < asked.end[0] and asked.start[0] < allele.end
    ref, alt = asked.reference_bases, asked.alternate_bases
    if asked.start and ref is not None and alt is not None and minimal(asked.start[0], ref, alt) == allele.minimal:
        return True
    if asked.start and asked.start[0] != allele.start:
        return False
    pairs = ((ref, allele.ref), (alt, allele.alt))
    return all(bases is None or pattern(bases).match(held) is not None for bases, held in pairs)
