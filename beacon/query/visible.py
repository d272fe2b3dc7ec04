"""A dataset as one asker may see it: without people whose records need more, and without properties that do.

What an asker may not see is as if it were not there, for counting, filtering and listing alike; otherwise it could be
found out by asking.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from pyroaring import BitMap

from beacon.model import ontology
from beacon.model.access import Decision, Level
from beacon.model.entry_types import ENTRY_TYPES, FIELDS, FREQUENCY, RECORD_TYPES, ZYGOSITY, FieldKind
from beacon.model.indexing import ABSENT, BELOW, RECORDED, plain
from beacon.query.index import IndexCondition
from beacon.query.plan import Plan
from beacon.store.base import COLUMN, AllelePredicate, Dataset, KeyCondition, Segment, Store
from beacon.store.bitmaps import bitmap_of, numbers_in

_LEVELS = tuple(Level)
Withheld = frozenset[tuple[str, str]]


async def visible(store: Store, dataset: Dataset, reach: Level) -> Dataset:
    """Return the dataset without the people whose records need a higher level than ``reach``, and what is theirs."""
    hidden = BitMap()
    for level, people in dataset.stricter.items():
        if _LEVELS.index(level) > _LEVELS.index(reach):
            hidden |= people
    if not hidden:
        return dataset
    if reach not in dataset.kept:
        segments = tuple([await _without(store, segment, hidden) for segment in dataset.segments])
        # A cohort of whom nobody can be seen is none; one that nobody is in says what it is for.
        cohorts = tuple(
            replace(cohort, members=cohort.members - hidden)
            for cohort in dataset.cohorts
            if not cohort.members or cohort.members - hidden
        )
        # A dataset that has changed is another value, so this is never out of date.
        unseen = dataset.unseen | hidden
        dataset.kept[reach] = replace(dataset, segments=segments, cohorts=cohorts, stricter={}, kept={}, unseen=unseen)
    kept: Dataset = dataset.kept[reach]
    return kept


async def _without(store: Store, segment: Segment, hidden: BitMap) -> Segment:
    live = dict(segment.live)
    away = numbers_in(hidden)
    for kind, rows in segment.live.items():
        if kind == "individual":
            live[kind] = rows - hidden
        elif rows:
            links = await store.links(segment, kind)
            live[kind] = rows - bitmap_of(links.rows[np.isin(links.persons, away)])
    return replace(segment, live=live, whole=segment.whole and live.get(COLUMN) == segment.live.get(COLUMN))


def touched(withheld: Withheld, kind: str, *sources: str) -> bool:
    """Say whether a property at one of these paths of a record is withheld, or a part of it, or what it is part of."""
    return any(
        entry_type == kind and (f"{source}.".startswith(f"{path}.") or path.startswith(f"{source}."))
        for entry_type, path in withheld
        for source in sources
    )


def everyday(withheld: Withheld, kind: str) -> tuple[str, ...] | None:
    """Return the everyday fields of a kind that an asker may search; None where that is all of them."""
    rows = [row for row in ENTRY_TYPES[kind].fields if row.everyday] if kind in ENTRY_TYPES else []
    left = tuple(row.id for row in rows if not touched(withheld, kind, *row.sources))
    return None if len(left) == len(rows) else left


def named(kind: str, name: str) -> tuple[str, ...]:
    """Return the dotted paths of what an index names: a field, one in a unit, or the term of what was measured."""
    name = plain(name)
    fields = FIELDS.get(kind, {})
    if name in fields:
        return fields[name].sources
    if ontology.prefix(name) is not None:
        return tuple(path for row in fields.values() if row.kind is FieldKind.QUANTITY for path in row.sources)
    return (name,)


def permitted(condition: IndexCondition, withheld: Withheld) -> tuple[IndexCondition, ...]:
    """Return what is to be asked in place of a condition, each part of other kinds: what is withheld finds nothing.

    The parts are alternatives; an empty tuple finds nobody.
    """
    return tuple(_parts(condition, withheld)) if withheld else (condition,)


def _parts(condition: IndexCondition, withheld: Withheld) -> Iterator[IndexCondition]:
    keys = (condition.key, *condition.others) if isinstance(condition, KeyCondition) else ()
    names = {_split(key)[0] for key in keys} if isinstance(condition, KeyCondition) else {condition.field}
    for kind in condition.kinds:
        if names != {""}:
            if not any(touched(withheld, kind, *named(kind, name)) for name in names):
                yield replace(condition, kinds=(kind,))
            continue
        fields = everyday(withheld, kind)
        if fields is None:
            yield replace(condition, kinds=(kind,))
        elif fields and isinstance(condition, KeyCondition):
            first, *others = (f"{field}{key}" for field in fields for key in keys)
            yield replace(condition, kinds=(kind,), key=first, others=tuple(others))


def _split(key: str) -> tuple[str, str, str]:
    """Take an index key apart: field, mark, term."""
    at, mark = min((at, mark) for mark in (RECORDED, BELOW, ABSENT) if (at := key.find(mark)) >= 0)
    return key[:at], mark, key[at + len(mark) :]


def within(asked: Plan, withheld: Withheld) -> Plan:
    """Return a plan in which conditions on variants, datasets and cohorts find nothing of what is withheld."""
    if not withheld:
        return asked
    alone = tuple(_alone(one, withheld) if one.kinds in _APART else one for one in asked.indexed)
    alleles = asked.alleles
    if alleles is not None:
        told = tuple(_alone(one, withheld) for one in alleles.told)
        if any(touched(withheld, "genomicVariant", *sources) for sources in _read(asked, alleles)):
            told = (*told, _NOTHING)
        alleles = replace(alleles, told=told)
    return replace(asked, conditions=alone, alleles=alleles)


def _read(asked: Plan, alleles: AllelePredicate) -> Iterator[tuple[str, ...]]:
    """Yield the paths of what is read in records to answer a question about variants, beside what ``told`` reads."""
    if alleles.frequency:
        yield (FREQUENCY,)
    if alleles.gene is not None:
        yield "molecularAttributes.geneIds", "info.genes"
    if alleles.aminoacid_change is not None:
        yield "molecularAttributes.aminoacidChanges", "identifiers.proteinHGVSIds"
    yield from ((name,) for name in asked.named_in)
    if asked.target != "genomicVariant" or asked.choosing or (asked.anchor and asked.anchor.entry_type in RECORD_TYPES):
        yield "caseLevelData.individualId", "caseLevelData.biosampleId"


_APART = (("dataset",), ("cohort",))
_NOTHING = KeyCondition(("genomicVariant",), f"{RECORDED}")
"""What nothing is found under: every key has a term."""


def _alone(condition: IndexCondition, withheld: Withheld) -> IndexCondition:
    parts = permitted(condition, withheld)
    return parts[0] if parts else replace(_NOTHING, kinds=condition.kinds, negated=condition.negated)


def zygosity_withheld(decision: Decision) -> bool:
    """Say whether this asker may not ask for the zygosity of carriers."""
    return touched(decision.withheld, "genomicVariant", ZYGOSITY)
