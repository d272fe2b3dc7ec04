"""A dataset as one asker may see it: without people whose records need more, and without properties that do.

What an asker may not see is as if it were not there, for counting, filtering and listing alike; otherwise it could be
found out by asking.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from pyroaring import BitMap

from beacon.model.access import Decision, Level
from beacon.model.entry_types import ENTRY_TYPES, ZYGOSITY, Field
from beacon.model.indexing import ABSENT, BELOW, RECORDED
from beacon.query.filters import Condition, KeyCondition, NumberCondition, TextCondition, ZygosityCondition
from beacon.store.base import COLUMN, Dataset, Segment, Store

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
        cohorts = tuple(replace(cohort, members=cohort.members - hidden) for cohort in dataset.cohorts)
        # A dataset that has changed is another value, so this is never out of date.
        dataset.kept[reach] = replace(dataset, segments=segments, cohorts=cohorts, stricter={}, kept={})
    return dataset.kept[reach]


async def _without(store: Store, segment: Segment, hidden: BitMap) -> Segment:
    live = dict(segment.live)
    away = np.array(hidden, np.uint32)
    for kind, rows in segment.live.items():
        if kind == "individual":
            live[kind] = rows - hidden
        elif rows:
            links = await store.links(segment, kind)
            live[kind] = rows - BitMap(links.rows[np.isin(links.persons, away)])
    return replace(segment, live=live, whole=segment.whole and live.get(COLUMN) == segment.live.get(COLUMN))


def touched(withheld: Withheld, kind: str, source: str) -> bool:
    """Say whether a property at this dotted path of a record is withheld, or a part of it, or what it is a part of."""
    return any(
        entry_type == kind and (f"{source}.".startswith(f"{path}.") or path.startswith(f"{source}."))
        for entry_type, path in withheld
    )


def everyday(withheld: Withheld, kind: str) -> tuple[str, ...] | None:
    """Return the everyday fields of a kind that an asker may search; None where that is all of them."""
    rows = [row for row in ENTRY_TYPES[kind].fields if row.everyday] if kind in ENTRY_TYPES else []
    left = tuple(row.id for row in rows if not touched(withheld, kind, row.source))
    return None if len(left) == len(rows) else left


def allowed(condition: Condition, withheld: Withheld) -> tuple[Condition, ...]:
    """Return what is to be asked in place of a condition, each part of other kinds: what is withheld finds nothing.

    The parts are alternatives; an empty tuple finds nobody.
    """
    if not withheld or isinstance(condition, ZygosityCondition):
        return (condition,)
    return tuple(_parts(condition, withheld))


def _parts(condition: KeyCondition | TextCondition | NumberCondition, withheld: Withheld) -> Iterator[Condition]:
    name, mark, term = ("", "", "")
    if isinstance(condition, KeyCondition):
        name, mark, term = _split(condition.key)
    else:
        name = condition.field
    for kind in condition.kinds:
        if name:
            if not touched(withheld, kind, _source(kind, name)):
                yield replace(condition, kinds=(kind,))
            continue
        fields = everyday(withheld, kind)
        if fields is None:
            yield replace(condition, kinds=(kind,))
        elif isinstance(condition, KeyCondition):
            for field in fields:
                yield replace(condition, kinds=(kind,), key=f"{field}{mark}{term}")


def _split(key: str) -> tuple[str, str, str]:
    """Take an index key apart: field, mark, term."""
    at, mark = min((at, mark) for mark in (RECORDED, BELOW, ABSENT) if (at := key.find(mark)) >= 0)
    return key[:at], mark, key[at + len(mark) :]


def _source(kind: str, name: str) -> str:
    entry = ENTRY_TYPES.get(kind)
    known: Mapping[str, Field] = {row.id: row for row in entry.fields} if entry else {}
    return known[name].source if name in known else name


def zygosity_withheld(decision: Decision) -> bool:
    """Say whether this asker may not ask for the zygosity of carriers."""
    return touched(decision.withheld, "genomicVariant", ZYGOSITY)
