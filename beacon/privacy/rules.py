"""The privacy step: a store's result becomes an answer only through ``protect``.

Rules are rows of ``_RULES``, applied in order to a draft that begins as what the store found. Each may only
take away. The envelope accepts ``Protected`` and nothing else, so that a new route cannot forget the step.

    depth      nothing finer than the smallest of what was asked and what was decided
    threshold  too few people: no existence, no number, no record, and the same answer for every such number
    notes      the store's own notes go out only where they tell no more than the answer does
    counts     what a cohort's makers counted themselves goes out only where small numbers may be told
    fields     properties that this asker may not see are taken out of the records
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, InitVar, dataclass, replace
from types import MappingProxyType
from typing import Any, Final, NoReturn

import orjson

from beacon.errors import Forbidden
from beacon.model.access import Asker, Decision, Granularity, Level
from beacon.model.collections import without_counts
from beacon.model.query import Query
from beacon.model.result import DatasetResult
from beacon.privacy.fields import stripped

_KEY: Final = object()

# The store's notes that may accompany an answer of each depth; None lets all pass.
_NOTES: Final[Mapping[Granularity, frozenset[str] | None]] = {
    Granularity.BOOLEAN: frozenset(),
    Granularity.COUNT: frozenset({"people"}),
    Granularity.RECORD: None,
}


@dataclass(frozen=True, slots=True)
class Protected:
    """One dataset's answer, safe to send; only ``protect`` makes one (anybody else gets ``TypeError``).

    ``granularity`` is how deep this answer goes. ``count`` is there from ``COUNT`` on, ``records`` (encoded
    JSON objects, one page) at ``RECORD``. ``withheld`` means that the truth is anything from nothing to just
    below the threshold; ``exists`` is then false without meaning no. ``info`` holds ``returnedGranularity``,
    ``reasons``, ``threshold`` where one applied, ``withheld`` where it bit, the ``caveat``, and the notes of the store.
    """

    dataset: str
    granularity: Granularity
    exists: bool
    _: KW_ONLY
    count: int | None
    count_precision: str | None
    count_adjusted_to: tuple[int | str, ...] | None
    records: tuple[bytes, ...] | None
    info: Mapping[str, Any]
    withheld: bool
    key: InitVar[object] = None

    def __post_init__(self, key: object) -> None:
        if key is not _KEY:
            raise TypeError("A Protected answer is made by beacon.privacy.rules.protect alone.")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A Protected answer is not copied or pickled; send it.")


@dataclass(frozen=True, slots=True)
class _Draft:
    """An answer on its way through the rules; ``people`` is the number that thresholds are about."""

    granularity: Granularity
    exists: bool
    count: int | None
    records: tuple[bytes, ...] | None
    people: int | None
    notes: Mapping[str, Any]
    precision: str = "exact"
    adjusted_to: tuple[int | str, ...] | None = None
    withheld: bool = False


def threshold_applies(decision: Decision) -> bool:
    """Whether small numbers are hidden from this asker: never in public datasets or from listed grantees."""
    if decision.level is Level.PUBLIC or decision.asker is Asker.GRANTED:
        return False
    return decision.threshold > 0


def needed(asked: Granularity, decision: Decision) -> Granularity:
    """How deeply the store must look so that ``protect`` can decide.

    That is the depth of the answer, but at least a count where a threshold applies: whether few people or
    many are behind a yes cannot be told from the yes.
    """
    depth = min(asked, decision.granularity)
    if depth is Granularity.BOOLEAN and threshold_applies(decision):
        return Granularity.COUNT
    return depth


def protect(query: Query, decision: Decision, result: DatasetResult) -> Protected:
    """Make the answer that this asker may have of one dataset's findings.

    ``result.info["people"]`` is the number of distinct people behind the count, where the store knows it;
    thresholds are about them, else about the count. The answer is never finer than ``query.granularity``
    and ``decision.granularity``; it is coarser where the result holds less.

    Raises ``Forbidden`` for a dataset that does not answer this asker, ``ValueError`` where the decision is
    about another dataset, or where a threshold applies and the result lacks the number (see ``needed``).
    """
    if decision.dataset != result.dataset:
        raise ValueError(f"The decision on {decision.dataset} does not fit the result of {result.dataset}.")
    people = result.info.get("people", result.count)
    draft = _Draft(
        granularity=Granularity.RECORD,
        exists=result.exists,
        count=result.count,
        records=result.records,
        people=0 if people is None and not result.exists else people,
        notes=result.info,
    )
    for rule in _RULES:
        draft = rule(query, decision, draft)
    counted = draft.granularity >= Granularity.COUNT
    return Protected(
        result.dataset,
        draft.granularity,
        draft.exists,
        count=draft.count if counted else None,
        count_precision=draft.precision if counted else None,
        count_adjusted_to=draft.adjusted_to if counted else None,
        records=draft.records if draft.granularity is Granularity.RECORD else None,
        info=MappingProxyType(_info(decision, draft) | ({} if result.caveat is None else {"caveat": result.caveat})),
        withheld=draft.withheld,
        key=_KEY,
    )


def _depth(query: Query, decision: Decision, draft: _Draft) -> _Draft:
    granularity = min(query.granularity, decision.granularity)
    if granularity is Granularity.NONE:
        raise Forbidden(f"The dataset {decision.dataset} does not answer you.")
    if draft.records is None:
        granularity = min(granularity, Granularity.COUNT)
    if draft.count is None:
        granularity = min(granularity, Granularity.BOOLEAN)
    return draft if granularity is draft.granularity else replace(draft, granularity=granularity)


def _threshold(query: Query, decision: Decision, draft: _Draft) -> _Draft:
    if not threshold_applies(decision):
        return draft
    if draft.people is None:
        raise ValueError(f"{decision.dataset} has a threshold: a count is needed to answer, even yes or no.")
    if draft.people >= decision.threshold:
        return draft
    # Built from the request and the decision alone, so that nothing in it can depend on the number.
    return _Draft(
        granularity=min(query.granularity, decision.granularity, Granularity.COUNT),
        exists=False,
        count=0,
        records=None,
        people=None,
        notes={},
        precision="imprecise",
        adjusted_to=(f"<{decision.threshold}",),
        withheld=True,
    )


def _notes(_query: Query, _decision: Decision, draft: _Draft) -> _Draft:
    allowed = _NOTES[draft.granularity]
    if allowed is None or not draft.notes:
        return draft
    return replace(draft, notes={k: v for k, v in draft.notes.items() if k in allowed})


def _counts(query: Query, decision: Decision, draft: _Draft) -> _Draft:
    if query.entry_type != "cohort" or draft.records is None or not threshold_applies(decision):
        return draft
    bare = (orjson.dumps(without_counts(orjson.loads(record))) for record in draft.records)
    return replace(draft, records=tuple(bare))


def _fields(query: Query, decision: Decision, draft: _Draft) -> _Draft:
    paths = [field for entry_type, field in sorted(decision.withheld) if entry_type == query.entry_type]
    if not paths or draft.granularity is not Granularity.RECORD or draft.records is None:
        return draft
    return replace(draft, records=tuple(stripped(record, paths) for record in draft.records))


_RULES: Final[tuple[Callable[[Query, Decision, _Draft], _Draft], ...]] = (_depth, _threshold, _notes, _counts, _fields)


def _info(decision: Decision, draft: _Draft) -> dict[str, Any]:
    info = {**draft.notes, "returnedGranularity": draft.granularity.label}
    if decision.reasons:
        info["reasons"] = list(decision.reasons)
    if decision.consent is not None:
        info["consent"] = {"outcome": decision.consent.agreement.value, "because": list(decision.consent.because)}
    if threshold_applies(decision):
        info["threshold"] = decision.threshold
    if draft.withheld:
        info["withheld"] = True
    return info
