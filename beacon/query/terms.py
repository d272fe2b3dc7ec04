"""What can be asked: the filtering terms that datasets hold, no more of them than an asker may know of.

A listed term says that somebody here has it. It is therefore an answer like any other: where a threshold
protects a dataset, a term counts only from that many people on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyroaring import BitMap

from beacon.model.access import Decision, Granularity
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.indexing import RECORDED
from beacon.privacy.rules import threshold_applies
from beacon.query.visible import Withheld, everyday, visible
from beacon.store.base import ALLELE, COLUMN, KINDS, Dataset, Store


@dataclass(slots=True)
class _Seen:
    """One term in one dataset: who has it, on which entry types, and what it is called."""

    people: BitMap
    scopes: set[str]
    label: str


async def filtering_terms(
    store: Store, decisions: Sequence[Decision], *, scope: str | None = None, cohort: str | None = None
) -> dict[str, Any]:
    """Return the ``response`` of ``/filtering_terms`` (Beacon v2 ``beaconFilteringTermsResults``).

    Ontology terms are those recorded in these datasets, only on entry type ``scope`` and only in members of
    ``cohort`` where given; fields that can be compared follow. Every term listed works as a filter.
    """
    datasets = await store.datasets()
    scopes: dict[str, set[str]] = {}
    labels: dict[str, str] = {}
    for decision in decisions:
        if decision.dataset not in datasets or decision.granularity is Granularity.NONE:
            continue
        fewest = max(decision.threshold, 1) if threshold_applies(decision) else 1
        dataset = await visible(store, datasets[decision.dataset], decision.reach)
        for term, seen in (await _terms(store, dataset, cohort, decision.withheld)).items():
            if len(seen.people) >= fewest:
                scopes.setdefault(term, set()).update(seen.scopes)
                labels[term] = labels.get(term) or seen.label
    listed = [
        _row("ontology", term, labels[term], kinds)
        for term, kinds in sorted(scopes.items())
        if scope is None or scope in kinds
    ]
    # An ontology is named where a term of it is listed: that it is stored may come from data which are not shown.
    prefixes = {row["id"].partition(":")[0] for row in listed}
    resources = [one for one in await store.ontologies() if one["namespacePrefix"] in prefixes]
    return {"filteringTerms": [*listed, *_fields(scope)], "resources": resources}


def _row(type_: str, id: str, label: str, scopes: set[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"type": type_, "id": id, "scopes": sorted(scopes)}
    return row | {"label": label} if label else row


def _fields(scope: str | None) -> list[dict[str, Any]]:
    """Return the fields that are compared with a value."""
    scopes: dict[str, set[str]] = {}
    labels: dict[str, str] = {}
    for row in ENTRY_TYPES.values():
        for field in row.fields:
            if scope in (None, row.id):
                scopes.setdefault(field.id, set()).add(row.id)
                labels.setdefault(field.id, field.label)
    return [_row("alphanumeric", id, labels[id], kinds) for id, kinds in sorted(scopes.items())]


async def _terms(store: Store, dataset: Dataset, cohort: str | None, withheld: Withheld) -> Mapping[str, _Seen]:
    """Return the everyday terms of a dataset, each with the ordinals of the people it was recorded for."""
    # Where some fields are withheld, the others are looked at one by one.
    named = {
        kind: everyday(withheld, "genomicVariant" if kind == COLUMN else kind) if withheld else None for kind in KINDS
    }
    members = None if cohort is None else _members(dataset, cohort)
    found: dict[str, _Seen] = {}
    if members is not None and not members:
        return found
    for segment in dataset.segments:
        persons: dict[str, np.ndarray[Any, Any]] = {}
        for term in await store.terms(segment):
            field, _, id = term.key.partition(RECORDED)
            if term.kind == ALLELE:
                continue
            fields = named[term.kind]
            if not id or (field not in fields if fields is not None else field):
                continue
            people = term.rows
            if term.kind != "individual":
                if term.kind not in persons:
                    links = await store.links(segment, term.kind)
                    by_row = np.zeros(int(links.rows.max(initial=0)) + 1, np.uint32)
                    by_row[links.rows] = links.persons
                    persons[term.kind] = by_row
                people = BitMap(persons[term.kind][np.array(term.rows, np.uint32)])
            if members is not None:
                people = people & members
            if not people:
                continue
            kind = "genomicVariant" if term.kind == COLUMN else term.kind
            seen = found.setdefault(id, _Seen(BitMap(), set(), ""))
            seen.people |= people
            seen.scopes.add(kind)
            seen.label = seen.label or term.label
    return found


def _members(dataset: Dataset, cohort: str) -> BitMap:
    return next((one.members for one in dataset.cohorts if one.id == cohort), BitMap())
