"""Datasets and cohorts as records, and whom filters on them choose: all people of a dataset, a cohort's members."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pyroaring import BitMap

from beacon.auth.consent import DISEASE
from beacon.model.collections import data_use, without_counts
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.indexing import RECORDED, Entries, index_entries
from beacon.query.index import IndexCondition
from beacon.store.base import Cohort, Dataset, KeyCondition, NumberCondition, TextCondition

SIDES = ("dataset", "cohort")


def dataset_record(dataset: Dataset) -> dict[str, Any]:
    """Return a dataset as a Beacon record (default model ``datasets``).

    What the custodian says goes before what files said; conditions of use are those of the policy, where it has any.
    The last change that a file told of is the last until something changes here.
    """
    stated = dict(dataset.stated)
    if dataset.stated_at is None or dataset.updated > dataset.stated_at:
        stated.pop("updateDateTime", None)
    record: dict[str, Any] = {
        "createDateTime": dataset.created.isoformat(),
        "updateDateTime": dataset.updated.isoformat(),
        **stated,
        **dataset.info,
        "id": dataset.id,
        "name": dataset.name,
    }
    if dataset.description:
        record["description"] = dataset.description
    if consent := dataset.policy.consent:
        narrowed = {DISEASE: consent.diseases}
        record["dataUseConditions"] = data_use(consent.codes, narrowed, record.get("dataUseConditions"))
    info = {**dataset.stated.get("info", {}), **dataset.info.get("info", {})}
    return record | {"info": info | {"assemblies": list(dataset.assemblies)}}


def cohort_record(cohort: Cohort, people: BitMap) -> dict[str, Any]:
    """Return a cohort as a Beacon record (default model ``cohorts``) to somebody who sees these ``people``.

    Its size is how many of them are members. What those who made the cohort counted was of everybody who was in it
    then; where one of these cannot be seen, or is there no more, it is left out.
    """
    body = dict(cohort.body)
    if info := {**body.get("info", {}), **cohort.info}:
        body["info"] = info
    if not cohort.stated_of <= people:
        body = without_counts(body)
    size = len(cohort.members & people)
    return {"cohortType": "user-defined"} | body | {"id": cohort.id, "name": cohort.name, "cohortSize": size}


def records(dataset: Dataset, kind: str) -> list[tuple[Mapping[str, Any], BitMap | None]]:
    """Return a dataset's records of one side, each with the ordinals of its people; None for all of them."""
    if kind == "dataset":
        return [(dataset_record(dataset), None)]
    return [(cohort_record(cohort, BitMap()), cohort.members) for cohort in dataset.cohorts]


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
        case NumberCondition(field=field, low=low, high=high, others=others):
            numbers = (number for name, number in entries.numbers if name == field)
            return any(
                number in others
                or (
                    (low is None or number > low.value or (low.inclusive and number == low.value))
                    and (high is None or number < high.value or (high.inclusive and number == high.value))
                )
                for number in numbers
            )
