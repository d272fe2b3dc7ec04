"""Datasets and cohorts as records, and whom filters on them choose: all people of a dataset, a cohort's members."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pyroaring import BitMap

from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.indexing import RECORDED, Entries, index_entries
from beacon.query.index import IndexCondition
from beacon.store.base import Cohort, Dataset, KeyCondition, NumberCondition, TextCondition

SIDES = ("dataset", "cohort")


def dataset_record(dataset: Dataset) -> dict[str, Any]:
    """Return a dataset as a Beacon record (default model ``datasets``)."""
    record: dict[str, Any] = {
        "id": dataset.id,
        "name": dataset.name,
        "createDateTime": dataset.created.isoformat(),
        "updateDateTime": dataset.updated.isoformat(),
        **dataset.info,
    }
    if dataset.description:
        record["description"] = dataset.description
    record["info"] = {"assemblies": list(dataset.assemblies)}
    return record


def cohort_record(cohort: Cohort, size: int) -> dict[str, Any]:
    """Return a cohort as a Beacon record (default model ``cohorts``); ``size`` is how many of its people are there."""
    record = {"id": cohort.id, "name": cohort.name, "cohortType": "user-defined", "cohortSize": size}
    return record | ({"info": dict(cohort.info)} if cohort.info else {})


def records(dataset: Dataset, kind: str) -> list[tuple[Mapping[str, Any], BitMap | None]]:
    """Return a dataset's records of one side, each with the ordinals of its people; None for all of them."""
    if kind == "dataset":
        return [(dataset_record(dataset), None)]
    return [(cohort_record(cohort, 0), cohort.members) for cohort in dataset.cohorts]


def members(dataset: Dataset, kind: str, condition: IndexCondition) -> BitMap:
    """Return the ordinals of the people whose dataset, or cohort, is what a condition is about."""
    everybody = BitMap().union(*(segment.live.get("individual", BitMap()) for segment in dataset.segments))
    found = BitMap()
    for record, people in records(dataset, kind):
        if holds(kind, record, condition):
            found |= everybody if people is None else people
    return found


def meets(kind: str, record: Mapping[str, Any], conditions: Sequence[IndexCondition]) -> bool:
    """Whether a record is one that all conditions on its kind ask for."""
    return all(holds(kind, record, one) != one.negated for one in conditions)


def holds(kind: str, record: Mapping[str, Any], condition: IndexCondition) -> bool:
    """Whether a condition is about this record, be it negated or not."""
    return in_entries(index_entries(ENTRY_TYPES[kind], record, lambda _term: ()), condition)


def in_entries(entries: Entries, condition: IndexCondition) -> bool:
    """Whether what one record is found by meets a condition, be it negated or not."""
    match condition:
        case KeyCondition(key=key, others=others):
            return not entries.keys.keys().isdisjoint((key, *others))
        case TextCondition(field=field, pattern=pattern):
            wanted = re.compile(".*".join(map(re.escape, f"{field}{RECORDED}{pattern}".split("%"))), re.DOTALL)
            return any(wanted.fullmatch(key) for key in entries.keys)
        case NumberCondition(field=field, low=low, high=high):
            numbers = (number for name, number in entries.numbers if name == field)
            return any(
                (low is None or number > low.value or (low.inclusive and number == low.value))
                and (high is None or number < high.value or (high.inclusive and number == high.value))
                for number in numbers
            )
