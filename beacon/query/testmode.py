"""``testMode``: the question is answered from three built-in people, and from nobody else.

No store, no policy and no token comes into it, so not a byte of the answer can depend on a site's data. It is an
answer all the same: filters and variants choose among the three, and it passes the privacy step like any other.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson

from beacon.model import protein
from beacon.model.access import Asker, Decision, Granularity, Level
from beacon.model.bases import pattern
from beacon.model.calls import GROUP_OF_ZYGOSITY, GROUPS
from beacon.model.entry_types import ENTRY_TYPES, RECORD_TYPES, ZYGOSITIES
from beacon.model.genome import gene_name
from beacon.model.indexing import BELOW, RECORDED, Entries, index_entries
from beacon.model.phenopacket import phenopacket
from beacon.model.query import Anchor, Query, VariantQuery
from beacon.model.representations import PHENOPACKET, VRS, representation
from beacon.model.result import DatasetResult
from beacon.model.sample_data import (
    ANCESTORS,
    CASE,
    COHORT,
    CREATED,
    DATASET,
    SIMILAR,
    SamplePerson,
    SampleVariant,
    cohort,
    dataset,
    people,
    variants,
    zygosity,
)
from beacon.model.variant import matching_types, minimal, variation
from beacon.query.filters import SimilarCondition
from beacon.query.identifiers import in_vrs
from beacon.query.index import IndexCondition
from beacon.query.plan import plan
from beacon.query.sides import SIDES, in_entries
from beacon.query.terms import Listed, Seen, add, held_by, written
from beacon.store.base import ALLELE, AllelePredicate, KeyCondition

DECISION = Decision(DATASET, Granularity.RECORD, Asker.STRANGER, Level.PUBLIC, 0)
"""Everybody may see all of it."""


def answer(query: Query) -> DatasetResult:
    """Return what the three people are for this question; ``DECISION`` goes with it.

    Raises ``UnknownFilter``, ``BadRequest`` and ``CannotAnswer`` for what no site could be asked. A term that none of
    the three has finds nobody.
    """
    asked = plan(query)
    asked = asked.decided([one for one in asked.undecided if any(_fits(person, one) for person in people())])
    alleles = asked.alleles or AllelePredicate()
    chosen = {person.id for person in people() if all(_fits(person, one) for one in asked.conditions)}
    chosen &= _anchored(query.anchor)
    if query.datasets is not None and DATASET not in query.datasets:
        chosen = set()
    zygosities = [] if asked.groups == (GROUPS,) else [_states(groups) for groups in asked.groups]
    wanted = replace(query.variant or VariantQuery(), short_form=asked.text) if asked.named_in else query.variant
    found = [
        (variant, carriers)
        for variant in variants()
        if _matches(variant, wanted, alleles) and _is_anchor(variant, query.anchor) and _is_told(variant, alleles)
        if (carriers := _carriers(variant, zygosities, chosen & _meant(variant, alleles)))
    ]
    if wanted is not None or zygosities or alleles.told or alleles.frequency:
        chosen &= {id for _, carriers in found for id in carriers}
    if asked.refusal is not None and not found:
        raise asked.refusal
    records = [orjson.dumps(record) for record in _records(query, chosen, found)]
    begin = query.pagination.skip * query.pagination.limit
    page = records[begin : begin + query.pagination.limit]
    return DatasetResult(DATASET, bool(records), len(records), tuple(page))


def terms() -> dict[str, Any]:
    """Return the ``response`` of ``/filtering_terms`` in test mode: the terms that the three people have."""
    found: dict[Listed, Seen] = {}
    for person in people():
        for kind, entries in _indexed()[person.id].items():
            add(found, kind, held_by(kind, entries), frozenset())
    for variant in variants():
        for entries in (_body(variant), _detail(variant)):
            add(found, "genomicVariant", held_by("genomicVariant", entries), frozenset())
    for kind in SIDES:
        add(found, kind, held_by(kind, _side(kind)), frozenset())
    return {"filteringTerms": written(found), "resources": []}


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
                cases.append(own | {"zygosity": zygosity(state)} | CASE)
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


def _states(groups: Sequence[str]) -> set[str]:
    return {state for state, group in GROUP_OF_ZYGOSITY.items() if group in groups}


def _frequency(variant: SampleVariant) -> float:
    copies = sum(2 if ZYGOSITIES[state] == "homozygous" else 1 for _, state in variant.carriers)
    return copies / (2 * len(people()))


def _above(term: str) -> tuple[str, ...]:
    return ANCESTORS.get(term, ())


@functools.cache
def _indexed() -> Mapping[str, Mapping[str, Entries]]:
    return {
        person.id: {kind: index_entries(ENTRY_TYPES[kind], person.records[kind], _above) for kind in RECORD_TYPES}
        for person in people()
    }


def _side(kind: str) -> Entries:
    return index_entries(ENTRY_TYPES[kind], dataset() if kind == "dataset" else cohort(), _above)


def _body(variant: SampleVariant) -> Entries:
    return index_entries(ENTRY_TYPES["genomicVariant"], variant.body, _above)


def _detail(variant: SampleVariant) -> Entries:
    """Return what every carrier of a variant is found by; their zygosities too, though these are asked otherwise."""
    cases = [{"zygosity": zygosity(state), **CASE} for _, state in variant.carriers]
    return index_entries(ENTRY_TYPES["genomicVariant"], {"caseLevelData": cases}, _above)


def _fits(person: SamplePerson, condition: IndexCondition | SimilarCondition) -> bool:
    held = [_side(kind) if kind in SIDES else _indexed()[person.id][kind] for kind in condition.kinds if kind != ALLELE]
    if isinstance(condition, SimilarCondition):
        own = f"{BELOW if condition.descendants else RECORDED}{condition.term}"
        near = [term for term, others in SIMILAR.items() if condition.term in others[condition.level]]
        condition = KeyCondition(condition.kinds, own, others=tuple(f"{RECORDED}{term}" for term in near))
    return any(in_entries(entries, condition) for entries in held) != condition.negated


def _is_told(variant: SampleVariant, alleles: AllelePredicate) -> bool:
    """Whether a variant is as frequent as asked, and nothing that is negated is told of it or of a carrier."""
    often = np.array([_frequency(variant)])
    unwanted = [one for one in alleles.told if one.negated]
    said = (in_entries(entries, one) for entries in (_body(variant), _detail(variant)) for one in unwanted)
    return all(wanted.holds(often).all() for wanted in alleles.frequency) and not any(said)


def _meant(variant: SampleVariant, alleles: AllelePredicate) -> set[str]:
    """Return the carriers of whom all that is asked is told; here the same is told of all."""
    wanted = [one for one in alleles.told if not one.negated]
    if all(in_entries(_body(variant), one) or in_entries(_detail(variant), one) for one in wanted):
        return {id for id, _ in variant.carriers}
    return set()


def _matches(variant: SampleVariant, asked: VariantQuery | None, alleles: AllelePredicate | None) -> bool:
    """Whether an allele is one that is asked for; coordinates 0-based half-open."""
    if asked is None:
        return True
    allele, molecular = variant.allele, variant.body["molecularAttributes"]
    types = None if asked.variant_type is None else matching_types(asked.variant_type) or frozenset()
    checks = (
        asked.assembly in (None, allele.assembly),
        asked.chrom in (None, allele.chrom),
        asked.gene is None or asked.gene in map(gene_name, molecular["geneIds"]),
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
