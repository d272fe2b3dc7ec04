"""What can be asked: the filters under which datasets hold something, no more of them than an asker may know of.

A listed term or value says that somebody here has it. It is therefore an answer like any other: where a threshold
protects a dataset, it counts only from that many people on, or, where nobody was genotyped, that many variants.

All that a dataset holds has to be looked at for that, which takes long where it is large. So how many people have each
thing is counted once for a dataset as it stands: whatever is published or withdrawn makes another value of it.
"""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from beacon.model.access import Decision, Granularity
from beacon.model.duration import duration
from beacon.model.entry_types import ENTRY_TYPES, FIELDS, SEXES, ZYGOSITIES, Field, FieldKind
from beacon.model.indexing import (
    ABSENT,
    AS_WHOLE,
    BELOW,
    HELD,
    IN_UNIT,
    RECORDED,
    Entries,
    as_number,
    index_entries,
    plain,
)
from beacon.query.rows import fewest
from beacon.query.sides import records
from beacon.query.visible import Withheld, everyday, named, touched, visible
from beacon.store.base import ALLELE, COLUMN, Dataset, Segment, Store
from beacon.store.bitmaps import bitmap_of, numbers_in

T = TypeVar("T")

MAX_VALUES = 100
"""Of a field with more values than this none is listed."""
_WORDS = SEXES | ZYGOSITIES
_KEPT = 4
"""For so many scopes, cohorts, thresholds or withheld properties what was worked out of a dataset is kept."""
_A_WHILE = 200
"""After so many things other requests have their turn."""


class Listed(NamedTuple):
    """What is listed: ``type`` (ontology, alphanumeric or custom), id, and of a field one of its values or ""."""

    type: str
    id: str
    value: str = ""


@dataclass(slots=True)
class Seen:
    """Who has something, on which entry types, what it is called, and whether it has too many values to list them."""

    people: BitMap = field(default_factory=BitMap)
    scopes: set[str] = field(default_factory=set)
    label: str = ""
    many: bool = False


class Tally(NamedTuple):
    """How many people have something, and the rest as in ``Seen``."""

    people: int
    scopes: frozenset[str]
    label: str
    many: bool


class _Part(NamedTuple):
    """One dataset as an asker may see it; what fewer than ``enough`` people have is not told."""

    dataset: Dataset
    enough: int
    withheld: Withheld


@dataclass(slots=True)
class _Counts:
    """What was counted of a dataset as it stands, by cohort and by what is withheld; only one counts at a time."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    tallies: dict[object, Mapping[Listed, Tally]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Listing:
    """What is listed of these datasets, as they were then, and of which ontologies."""

    datasets: tuple[Dataset, ...]
    rows: list[dict[str, Any]]
    prefixes: frozenset[str]


class _Held(NamedTuple):
    """One thing that rows of one kind have, by its index name; ``value`` None where only that it is held is known.

    ``many``: it has more values than are listed.
    """

    kind: str
    name: str
    value: str | None
    label: str
    rows: BitMap
    many: bool = False


async def filtering_terms(
    store: Store,
    decisions: Sequence[Decision],
    datasets: Mapping[str, Dataset] | None = None,
    *,
    scope: str | None = None,
    cohort: str | None = None,
) -> dict[str, Any]:
    """Return the ``response`` of ``/filtering_terms`` (Beacon v2 ``beaconFilteringTermsResults``).

    Listed is what these ``datasets`` (as in ``execute``) hold, only on entry type ``scope`` and only in members of
    ``cohort`` where given. Every term listed works as a filter on one of its scopes, every value of a field with ``=``.
    """
    if datasets is None:
        datasets = await store.datasets()
    parts = [
        _Part(await visible(store, datasets[one.dataset], one.reach), fewest(one), one.withheld)
        for one in decisions
        if one.dataset in datasets and one.granularity is not Granularity.NONE
    ]
    if cohort is not None:
        parts = [part for part in parts if _members(part.dataset, cohort)]
    listing = await _listing(store, parts, scope, cohort)
    return {"filteringTerms": listing.rows, "resources": await resources(store, listing.prefixes)}


async def resources(store: Store, prefixes: Set[str]) -> list[dict[str, Any]]:
    """Return the ontologies of which terms are listed: that one is stored may come from data which are not shown."""
    return [one for one in await store.ontologies() if one["namespacePrefix"] in prefixes]


def prefixes_of(listed: Iterable[Listed]) -> frozenset[str]:
    """Return the ontologies, by prefix, of which terms are listed."""
    return frozenset(text.partition(":")[0] for what in listed for text in (what.id, what.value))


async def _listing(store: Store, parts: Sequence[_Part], scope: str | None, cohort: str | None) -> _Listing:
    """Return what is listed of some datasets together; what was written last is kept with the first of them."""
    if not parts:
        return _Listing((), [], frozenset())
    # Whoever goes through many cohorts takes no room from what everybody asks for.
    held: dict[Any, _Listing] = parts[0].dataset.kept.setdefault((_Listing, cohort is None), {})
    key = (scope, cohort, *((part.enough, part.withheld) for part in parts))
    datasets = tuple(part.dataset for part in parts)
    if key in held and all(map(operator.is_, held[key].datasets, datasets)):
        kept = held.pop(key)
    else:
        found: dict[Listed, Seen] = {}
        for part in parts:
            for what, tally in (await _tallies(store, part.dataset, cohort, part.withheld)).items():
                if tally.people >= part.enough:
                    seen = found.get(what) or found.setdefault(what, Seen())
                    seen.scopes |= tally.scopes
                    seen.label = seen.label or tally.label
                    seen.many |= tally.many
            if cohort is None:
                add(found, "dataset", _of_records(part.dataset, "dataset"), part.withheld)
        kept = _Listing(datasets, written(found, scope), prefixes_of(found))
    return _keep(held, key, kept)


def written(found: Mapping[Listed, Seen], scope: str | None = None) -> list[dict[str, Any]]:
    """Return the rows of ``filteringTerms``, by type and id."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    values: dict[tuple[str, str], list[str]] = {}
    for what, seen in sorted(found.items()):
        if scope is not None and scope not in seen.scopes:
            continue
        row = rows.setdefault(what[:2], {"type": what.type, "id": what.id, "scopes": set()})
        row["scopes"] |= seen.scopes
        if seen.label and not what.value:
            row.setdefault("label", seen.label)
        if what.value:
            values.setdefault(what[:2], []).append(what.value)
    order = {"ontology": 0, "alphanumeric": 1, "custom": 2}
    for key, listed in values.items():
        if len(listed) <= MAX_VALUES and not found[Listed(*key)].many:
            rows[key]["values"] = listed
    ordered = sorted(rows, key=lambda key: (order[key[0]], key[1]))
    return [rows[key] | {"scopes": sorted(rows[key]["scopes"])} for key in ordered]


def add(found: dict[Listed, Seen], scope: str, held: Iterable[_Held], withheld: Withheld) -> None:
    """Add what is listed for things that are held; ``rows`` are of people."""
    kind_everyday = everyday(withheld, scope) if withheld else None
    for one in held:
        if not one.name:
            if kind_everyday is None and one.value:
                _see(found, Listed("ontology", one.value), scope, one)
            continue
        if touched(withheld, scope, *named(scope, one.name)):
            continue
        row = FIELDS[scope].get(one.name)
        if kind_everyday and one.name in kind_everyday and one.value:
            _see(found, Listed("ontology", one.value), scope, one)
        label = row.label if row else one.label or _measured(scope)
        _see(found, Listed("alphanumeric", one.name), scope, one._replace(label=label))
        if one.value and not (row and row.open):
            _see(found, Listed("alphanumeric", one.name, one.value), scope, one)
            if row and (custom := _custom(row, one.value)):
                _see(found, Listed("custom", custom), scope, one._replace(label=f"{row.label}: {one.label}"))


def _measured(scope: str) -> str:
    """Return what the value of a measurement is called of which nothing but an id is known."""
    return next((row.label for row in FIELDS.get(scope, {}).values() if row.kind is FieldKind.QUANTITY), "")


def _custom(row: Field, value: str) -> str | None:
    if row.kind is FieldKind.TEXT:
        return f"{row.id}:{value}"
    return f"{row.id}:{_WORDS[value]}" if value in row.closed else None


def _see(found: dict[Listed, Seen], what: Listed, scope: str, one: _Held) -> None:
    seen = found.setdefault(what, Seen())
    seen.people |= one.rows
    seen.scopes.add(scope)
    seen.label = seen.label or one.label
    seen.many |= one.many and not what.value


async def _tallies(store: Store, dataset: Dataset, cohort: str | None, withheld: Withheld) -> Mapping[Listed, Tally]:
    """Return how many people of a dataset have what is listed of it; counted once."""
    counts: _Counts = dataset.kept.setdefault((_Counts, cohort is None), _Counts())
    key = (cohort, withheld)
    async with counts.turn:
        if key not in counts.tallies:
            seen = await _terms(store, dataset, cohort, withheld)
            tallies: Mapping[Listed, Tally] = {
                what: Tally(len(one.people), frozenset(one.scopes), one.label, one.many)
                for what, one in sorted(seen.items())
            }
        else:
            tallies = counts.tallies.pop(key)
        return _keep(counts.tallies, key, tallies)


def _keep(held: dict[Any, T], key: object, value: T) -> T:
    """Keep a value as the last one used; those that were not used for longest give way."""
    held[key] = value
    while len(held) > _KEPT:
        held.pop(next(iter(held)))
    return value


async def _terms(store: Store, dataset: Dataset, cohort: str | None, withheld: Withheld) -> dict[Listed, Seen]:
    """Return what is listed of a dataset, each with the ordinals of the people it was recorded for."""
    members = None if cohort is None else _members(dataset, cohort)
    found: dict[Listed, Seen] = {}
    if members is not None and not members:
        return found
    for segment in dataset.segments:
        persons: dict[str, NDArray[np.uint32]] = {}
        held = [*await _keys(store, segment), *await _numbers(store, segment)]
        labels = {one.value: one.label for one in held if not one.name and one.label}
        for number, one in enumerate(held):
            if number % _A_WHILE == 0:
                await asyncio.sleep(0)
            people = one.rows
            if one.kind not in ("individual", ALLELE):
                if one.kind not in persons:
                    persons[one.kind] = await _by_row(store, segment, one.kind)
                people = bitmap_of(persons[one.kind][numbers_in(one.rows)])
            if members is not None:
                people = people & members if one.kind != ALLELE else BitMap()
            if people:
                kind = ALLELE if one.kind == COLUMN else one.kind
                label = one.label or labels.get(one.name, "")
                add(found, kind, [one._replace(rows=people, label=label)], withheld)
    add(found, "cohort", _of_records(dataset, "cohort", cohort), withheld)
    return found


async def _by_row(store: Store, segment: Segment, kind: str) -> NDArray[np.uint32]:
    links = await store.links(segment, kind)
    by_row = np.zeros(int(links.rows.max(initial=0)) + 1, np.uint32)
    by_row[links.rows] = links.persons
    return by_row


async def _keys(store: Store, segment: Segment) -> list[_Held]:
    found = []
    for term in await store.terms(segment):
        name, mark, value = term.key.partition(RECORDED)
        if BELOW in name or ABSENT in name:
            continue
        if mark:
            found.append(_Held(term.kind, name, value, term.label, term.rows))
        elif term.key.endswith(HELD):
            found.append(_Held(term.kind, term.key.removesuffix(HELD), None, "", term.rows))
    return found


async def _numbers(store: Store, segment: Segment) -> list[_Held]:
    """Return which numbers are held, with the values that a filter can be given just so, if those are not too many."""
    found = []
    for part in await store.numbers(segment):
        name = plain(part.field)
        values, first = np.unique(part.values, return_inverse=True)
        many = len(values) > MAX_VALUES and not part.field.endswith(AS_WHOLE)
        found.append(_Held(part.kind, name, None, "", BitMap(part.rows), many))
        if many or part.field.endswith(AS_WHOLE):
            continue
        for at, value in enumerate(values.tolist()):
            if text := _text(part.kind, part.field, value):
                found.append(_Held(part.kind, name, text, "", BitMap(part.rows[first == at])))
    return found


def _text(kind: str, name: str, value: float) -> str | None:
    """Return a number as a filter's value that finds just it, None where that cannot be written."""
    name, in_unit, unit = name.partition(IN_UNIT)
    row = FIELDS[kind].get(name)
    text: str | None = f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if row is None or row.kind is FieldKind.QUANTITY:
        # Numbers are told with their units; what has none is told apart from those by nothing.
        return f"{text} {unit}" if in_unit else None
    if row.kind is FieldKind.DURATION:
        return duration(value)
    if row.kind is FieldKind.DATE:
        text = datetime.fromtimestamp(value * 86_400, UTC).date().isoformat()
        return text if as_number(row.kind, text) == value else None
    return text


def held_by(kind: str, entries: Entries) -> Iterator[_Held]:
    """Yield what one record has, as that of one person."""
    rows = BitMap([0])
    for key, label in entries.keys.items():
        name, mark, value = key.partition(RECORDED)
        if mark and BELOW not in name and ABSENT not in name:
            yield _Held(kind, name, value, label, rows)
    for name, number in entries.numbers:
        yield _Held(kind, plain(name), None if name.endswith(AS_WHOLE) else _text(kind, name, number), "", rows)


def _of_records(dataset: Dataset, kind: str, id: str | None = None) -> Iterator[_Held]:
    """Yield what a dataset's own record, or its cohorts' (or that of one), say."""
    everybody = BitMap().union(*(segment.live.get("individual", BitMap()) for segment in dataset.segments))
    for record, members in records(dataset, kind):
        if id is not None and record["id"] != id:
            continue
        rows = everybody if members is None else members & everybody
        for one in held_by(kind, index_entries(ENTRY_TYPES[kind], record, lambda _term: ())):
            yield one._replace(rows=rows)


def _members(dataset: Dataset, cohort: str) -> BitMap:
    return next((one.members for one in dataset.cohorts if one.id == cohort), BitMap())
