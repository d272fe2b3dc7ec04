"""What index conditions select in one dataset, as rows of whatever kind is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from pyroaring import BitMap

from beacon.errors import CannotAnswer, UnknownFilter
from beacon.model import ontology
from beacon.model.access import Decision
from beacon.model.entry_types import ENTRY_TYPES, RECORD_TYPES, FieldKind
from beacon.model.indexing import ABSENT, BELOW, IN_UNIT, KIND_OF_UNIT, RECORDED, as_whole
from beacon.privacy.rules import threshold_applies
from beacon.query import joins
from beacon.query.index import IndexCondition, held, keys_of
from beacon.query.joins import Selection
from beacon.query.plan import Plan
from beacon.query.sides import SIDES, holds, members
from beacon.query.visible import Withheld, permitted
from beacon.store.base import (
    ALLELE,
    COLUMN,
    AllelePredicate,
    Bound,
    Dataset,
    KeyCondition,
    NumberCondition,
    Segment,
    Store,
)


async def selected(
    store: Store, dataset: Dataset, condition: IndexCondition, target: str, withheld: Withheld
) -> Selection:
    """Return the rows of ``target`` that a condition, on whichever kind it speaks of, selects."""
    found: Selection = {segment.id: BitMap() for segment in dataset.segments}
    for part, kind in [(one, kind) for one in permitted(condition, withheld) for kind in one.kinds]:
        if kind in SIDES:
            people = members(dataset, kind, part)
            kind = "individual"
            rows = {segment.id: people & segment.live.get(kind, BitMap()) for segment in dataset.segments}
        else:
            rows = {segment.id: await held(store, segment, kind, part) for segment in dataset.segments}
        if joins.size(rows):
            found = joins.either(found, await joins.convert(store, dataset, kind, rows, target))
    if condition.negated:
        return joins.without(joins.everything(dataset, target), found)
    return found


async def decided(store: Store, asked: Plan, decision: Decision, dataset: Dataset) -> Plan:
    """Return the plan for one dataset: what its records have is asked of these, else of its variants.

    Records that too few people have for this asker to be told of are as good as none.
    """
    had = []
    for one in asked.undecided:
        people = await selected(store, dataset, _on_records(one), "individual", decision.withheld)
        if joins.size(people) >= fewest(decision):
            had.append(one)
    return asked.decided(had)


def left(asked: Plan, kind: str, record: Mapping[str, Any], withheld: Withheld) -> Plan:
    """Return what is asked of the people of a dataset or cohort, whose ``record`` may have a term itself."""
    conditions: list[IndexCondition] = []
    for one in asked.indexed:
        if one.kinds == (kind,) or kind not in one.kinds:
            conditions.append(one)
        elif not any(holds(kind, record, part) for part in permitted(one, withheld) if kind in part.kinds):
            conditions.append(replace(one, kinds=tuple(other for other in one.kinds if other != kind)))
    return replace(asked, conditions=tuple(conditions))


async def refuse_unknown(store: Store, asked: Plan, answering: Sequence[tuple[Decision, Dataset]]) -> None:
    """Raise ``UnknownFilter`` for a term of an ontology that nobody here knows, or one that its ontology lacks.

    Data that use it, in whatever way, make it known, but to this asker only: where a threshold applies, from that many
    people on who have it in one way. In the same way ``CannotAnswer`` is raised where what was measured is recorded in
    a unit that nobody can compare with.
    """
    told = asked.alleles.told if asked.alleles else ()
    for condition in (*asked.indexed, *told):
        if isinstance(condition, NumberCondition) and IN_UNIT in condition.field and condition.term:
            await _refuse_other_units(store, condition, answering)
        term = condition.term if isinstance(condition, KeyCondition | NumberCondition) else None
        if term is None:
            continue
        # Most terms that are asked for are in the data, which are needed anyway; so these are looked at first.
        if await _anywhere(store, condition, answering):
            continue
        known = await store.known_term(term)
        if known or (known is None and ontology.prefix(term) in ontology.KNOWN_PREFIXES):
            continue
        if not await _mentioned(store, term, answering):
            raise UnknownFilter(
                f"The term {term!r} is not known here; /filtering_terms lists those that are.", where=term
            )


async def _refuse_other_units(
    store: Store, condition: NumberCondition, answering: Sequence[tuple[Decision, Dataset]]
) -> None:
    name, _, unit = condition.field.partition(IN_UNIT)
    for decision, dataset in answering:
        if joins.size(await _incomparable(store, dataset, condition, decision.withheld)) >= fewest(decision):
            raise CannotAnswer(
                f"Some values of {name!r} are recorded in units that cannot be compared with {unit}; /filtering_terms "
                "lists the units, and a number without a unit is compared with what was written.",
                where=name,
            )


async def _incomparable(store: Store, dataset: Dataset, condition: NumberCondition, withheld: Withheld) -> Selection:
    """Return the people of whom some value, be it beside others, is in a unit of another kind than is asked for."""
    name, _, unit = condition.field.partition(IN_UNIT)
    every = replace(condition, field=name, low=None, high=None, negated=False)
    kinds, this = replace(every, field=f"{name}{KIND_OF_UNIT}"), Bound(as_whole(unit), False)
    asked = every, replace(every, field=condition.field), replace(kinds, high=this), replace(kinds, low=this)
    people, comparable, *others = [await selected(store, dataset, one, "individual", withheld) for one in asked]
    # Of data that were loaded before kinds of units were kept, only who has no comparable value is known.
    return reduce(joins.either, others, joins.without(people, comparable))


async def _anywhere(store: Store, condition: IndexCondition, answering: Sequence[tuple[Decision, Dataset]]) -> bool:
    """Whether enough people have what a condition is about, or, where nobody was genotyped, enough variants do."""
    positive = replace(condition, negated=False)
    for decision, dataset in answering:
        parts = permitted(positive, decision.withheld)
        of_variants = [part for part in parts if ALLELE in part.kinds]
        people = await _people(store, dataset, map(_on_records, parts))
        carriers = await _people(store, dataset, map(_by_carriers, of_variants))
        sites = [await _sites(store, segment, part) for segment in dataset.segments for part in of_variants]
        if max(people, carriers, sum(sites)) >= fewest(decision):
            return True
    return False


async def _sites(store: Store, segment: Segment, condition: IndexCondition) -> int:
    """Return of how many alleles that nobody carries, or could, something is told."""
    if COLUMN in segment.live and not segment.uncarried:
        return 0
    rows = await held(store, segment, ALLELE, condition)
    if not rows or COLUMN not in segment.live:
        return len(rows)
    return int((~(await store.heads(segment, AllelePredicate(among=rows))).carried).sum())


async def _people(store: Store, dataset: Dataset, conditions: Iterable[IndexCondition]) -> int:
    found = [await selected(store, dataset, one, "individual", frozenset()) for one in conditions]
    return joins.size(reduce(joins.either, found, {}))


async def _mentioned(store: Store, term: str, answering: Sequence[tuple[Decision, Dataset]]) -> bool:
    """Whether enough people have a term in any one way, be it another than is asked for."""
    mentions = dict.fromkeys(_mentions(term))
    segments = [segment for _, dataset in answering for segment in dataset.segments]
    await store.prepare(segments, keys_of(map(_by_carriers, mentions)))
    for one in mentions:
        if await _anywhere(store, one, answering):
            return True
    return False


def _mentions(term: str) -> Iterator[IndexCondition]:
    """Yield every way in which records have a term: observed, absent, told of variants, measured, in a field alone."""
    for mark in (BELOW, ABSENT):
        yield KeyCondition(RECORD_TYPES, f"{mark}{term}", term)
    for kind in (ALLELE, *SIDES):
        yield KeyCondition((kind,), f"{BELOW}{term}", term)
    for kind, entry_type in ENTRY_TYPES.items():
        for row in entry_type.fields:
            if row.kind is FieldKind.QUANTITY:
                yield NumberCondition((kind,), term, None, None, term=term)
            elif row.kind is FieldKind.ONTOLOGY and not row.everyday:
                yield KeyCondition((kind,), f"{row.id}{RECORDED}{term}", term)


def _on_records(condition: IndexCondition) -> IndexCondition:
    return replace(condition, kinds=tuple(kind for kind in condition.kinds if kind != ALLELE))


def _by_carriers(condition: IndexCondition) -> IndexCondition:
    """Ask who carries something of which a thing is told, in place of what that is; of them it is told as recorded."""
    if ALLELE not in condition.kinds:
        return condition
    if isinstance(condition, KeyCondition):
        key, *others = map(_as_recorded, (condition.key, *condition.others))
        condition = replace(condition, key=key, others=tuple(others))
    return replace(condition, kinds=(COLUMN,))


def _as_recorded(key: str) -> str:
    name, below, term = key.partition(BELOW)
    return f"{name}{RECORDED}{term}" if below and RECORDED not in name else key


def fewest(decision: Decision) -> int:
    """Return of how many people something must be known before an asker learns that it is known at all."""
    return max(decision.threshold, 1) if threshold_applies(decision) else 1
