"""What index conditions select in one dataset, as rows of whatever kind is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from pyroaring import BitMap

from beacon.errors import CannotAnswer, UnknownFilter
from beacon.model import ontology
from beacon.model.access import Decision
from beacon.model.indexing import IN_UNIT, KIND_OF_UNIT, as_whole
from beacon.privacy.rules import threshold_applies
from beacon.query import joins
from beacon.query.index import IndexCondition, held
from beacon.query.joins import Selection
from beacon.query.plan import Plan
from beacon.query.sides import SIDES, members
from beacon.query.visible import Withheld, permitted
from beacon.store.base import ALLELE, COLUMN, Bound, Dataset, KeyCondition, NumberCondition, Store


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


async def refuse_unknown(store: Store, asked: Plan, answering: Sequence[tuple[Decision, Dataset]]) -> None:
    """Raise ``UnknownFilter`` for a term of an ontology that nobody here knows, or one that its ontology lacks.

    Data that use it make it known, but to this asker only: where a threshold applies, from that many people on. In the
    same way ``CannotAnswer`` is raised where what was measured is recorded in a unit that nobody can compare with.
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
        if not known and (known is False or ontology.prefix(term) not in ontology.KNOWN_PREFIXES):
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
    positive = replace(condition, negated=False)
    for decision, dataset in answering:
        people = [
            await selected(store, dataset, _by_carriers(part), "individual", frozenset())
            for part in permitted(positive, decision.withheld)
        ]
        if people and joins.size(reduce(joins.either, people)) >= fewest(decision):
            return True
    return False


def _by_carriers(condition: IndexCondition) -> IndexCondition:
    """Ask who carries something of which a thing is told, in place of what that is."""
    return replace(condition, kinds=(COLUMN,)) if ALLELE in condition.kinds else condition


def fewest(decision: Decision) -> int:
    """Return of how many people something must be known before an asker learns that it is known at all."""
    return max(decision.threshold, 1) if threshold_applies(decision) else 1
