"""Checks what a member says before anybody believes it: the only way from its JSON to a ``Finding``.

Strict where an answer could deceive (types, depth, contradictions), tolerant of what Beacon v2 leaves
open: additional properties, and result sets without counts or records (Beacon 2.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from beacon.model.access import Granularity
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.query import Query
from network.outcomes import NOTHING, SOME, UNKNOWN, Bounds, Finding, InvalidAnswer, ResultSet

MAX_COUNT = 2**53 - 1
"""Larger numbers are not exact in every JSON reader, and no beacon holds so many records."""
_PRECISIONS = ("exact", "imprecise", "rounded")


def additive(entry_type: str) -> bool:
    """Say whether counts of different places add up: people and samples do, the same variant is met again."""
    return entry_type != "genomicVariant"


def entries(query: Query) -> Callable[[Mapping[str, Any]], Finding]:
    """Return the reader of answers to ``query``: Beacon v2 boolean, count, result set and collection.

    The reader raises ``InvalidAnswer`` with the reason.
    """
    collection = ENTRY_TYPES[query.entry_type].collection

    def read(body: Mapping[str, Any]) -> Finding:
        if body.get("error") is not None:
            raise InvalidAnswer("it sent an error as if it were an answer")
        granularity, beacon_id = _meta(body, query.granularity)
        summary = _object(body, "responseSummary")
        exists = _boolean(summary, "exists", "responseSummary.exists")
        response = _optional(body, "response")
        if granularity is Granularity.RECORD and response is None:
            raise InvalidAnswer("it sent no records where it says it does")
        listed = _rows(response or {}, "resultSets", "response.resultSets") or ()
        sets = tuple(_result_set(row, query, granularity, beacon_id) for row in listed)
        if len({one.id for one in sets}) < len(sets):
            raise InvalidAnswer("it lists the same result set twice")
        collections = _rows(response or {}, "collections", "response.collections") or ()
        if collections and not collection:
            raise InvalidAnswer("it lists collections where records were asked")
        _check_amount(collections, query, granularity, "response.collections")
        if not exists and (collections or any(one.exists for one in sets)):
            raise InvalidAnswer("it says there is nothing, and lists something")
        bounds = _bounds(exists, summary, _optional(body, "info"), sets, query)
        return Finding(exists, bounds, granularity, sets, collections, beacon_id=beacon_id)

    return read


def filtering_terms(body: Mapping[str, Any]) -> Finding:
    """Read an answer of ``/filtering_terms``; ``content`` is (terms, resources). Raises ``InvalidAnswer``."""
    beacon_id = _text(_object(body, "meta"), "beaconId", "meta.beaconId")
    response = _object(body, "response")
    terms = _rows(response, "filteringTerms", "response.filteringTerms") or ()
    resources = _rows(response, "resources", "response.resources") or ()
    for term in terms:
        _text(term, "id", "filteringTerms[].id")
        _text(term, "type", "filteringTerms[].type")
        for key in ("scopes", "values"):
            listed = term.get(key) or []
            if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
                raise InvalidAnswer(f"filteringTerms[].{key} is not a list of texts")
        if not isinstance(term.get("label", ""), str):
            raise InvalidAnswer("filteringTerms[].label is not a text")
    for resource in resources:
        _text(resource, "id", "resources[].id")
        if not all(isinstance(resource.get(key, ""), str) for key in RESOURCE_KEYS):
            raise InvalidAnswer("resources[] holds something that is not a text")
    bounds = Bounds(len(terms), len(terms))
    return Finding(bool(terms), bounds, Granularity.NONE, content=(terms, resources), beacon_id=beacon_id)


RESOURCE_KEYS = ("id", "name", "url", "version", "nameSpacePrefix", "iriPrefix")
"""The keys of a filtering terms resource (Beacon v2, a Phenopackets ``Resource``)."""


def _meta(body: Mapping[str, Any], asked: Granularity) -> tuple[Granularity, str]:
    meta = _object(body, "meta")
    beacon_id = _text(meta, "beaconId", "meta.beaconId")
    return _granularity(meta, "meta.returnedGranularity", asked), beacon_id


def _granularity(where: Mapping[str, Any], place: str, asked: Granularity) -> Granularity:
    value = where.get("returnedGranularity")
    try:
        granularity = Granularity.parse(value) if isinstance(value, str) else Granularity.NONE
    except ValueError:
        granularity = Granularity.NONE
    if granularity is Granularity.NONE:
        raise InvalidAnswer(f"{place} is none of boolean, count, record")
    if granularity > asked:
        raise InvalidAnswer(f"it answered at {granularity.label} where {asked.label} was asked")
    return granularity


def _result_set(row: Mapping[str, Any], query: Query, returned: Granularity, beacon: str) -> ResultSet:
    name = _text(row, "id", "resultSets[].id")
    if (owner := row.get("beaconId")) is not None and owner != beacon:
        # Of another network: so its dataset is asked for there, and so it stays apart from those of its other members.
        name = f"{_text(row, 'beaconId', 'resultSets[].beaconId')}:{name}"
    set_type = _text(row, "setType", "resultSets[].setType")
    exists = _boolean(row, "exists", "resultSets[].exists")
    info = _optional(row, "info")
    if info and "returnedGranularity" in info:
        _granularity(info, "resultSets[].info.returnedGranularity", query.granularity)
    count, precision = _count(row, "resultsCount", "resultSets[]")
    results = _rows(row, "results", "resultSets[].results")
    if results is not None:
        _check_amount(results, query, returned, "resultSets[].results")
        if count is not None and precision in (None, "exact") and len(results) > count:
            raise InvalidAnswer("resultSets[].results holds more than resultsCount says")
        if results and not exists:
            raise InvalidAnswer("a result set says there is nothing, and lists something")
    counted = query.granularity >= Granularity.COUNT
    return ResultSet(
        id=name,
        set_type=set_type,
        exists=exists,
        bounds=_told(exists, count if counted else None, precision, info, query),
        count=count if counted else None,
        precision=precision if counted else None,
        adjusted_to=_adjusted_to(row) if counted else None,
        results=results if returned is Granularity.RECORD else None,
        info=info,
    )


def _check_amount(rows: tuple[Mapping[str, Any], ...], query: Query, returned: Granularity, place: str) -> None:
    if rows and returned < Granularity.RECORD:
        raise InvalidAnswer(f"{place} holds records, which the answer says it does not give")
    if query.pagination.limit and len(rows) > query.pagination.limit:
        raise InvalidAnswer(f"{place} holds more records than the page that was asked for")


def _told(
    exists: bool, count: int | None, precision: str | None, info: Mapping[str, Any] | None, query: Query
) -> Bounds:
    """What one statement (a summary or a result set) says about a number."""
    interval = _interval(info)
    if interval is not None:
        if (exists and interval.high == 0) or (not exists and interval.low > 0):
            raise InvalidAnswer("its interval contradicts what it says exists")
        return Bounds(max(interval.low, 1), interval.high) if exists else interval
    exact = precision in (None, "exact")
    if not exists:
        if count:
            raise InvalidAnswer("it says there is nothing, and counts something")
        if info and info.get("withheld") is True:
            return _below_threshold(info, query)
        return NOTHING if exact else UNKNOWN
    if count is None or not exact:
        return SOME
    if count == 0:
        raise InvalidAnswer("it says there is something, and counts 0")
    return Bounds(count, count)


def _below_threshold(info: Mapping[str, Any], query: Query) -> Bounds:
    """A site that withholds has fewer people than its threshold, who may own any number of samples or alleles."""
    threshold = info.get("threshold")
    if query.entry_type == "individual" and _is_count(threshold) and threshold:
        return Bounds(0, threshold - 1)
    return UNKNOWN


def _interval(info: Mapping[str, Any] | None) -> Bounds | None:
    """The interval that another network gives (``info.interval``)."""
    if not info or "interval" not in info:
        return None
    match info["interval"]:
        case [low, high] if _is_count(low) and (high is None or (_is_count(high) and low <= high)):
            return Bounds(low, high)
        case _:
            raise InvalidAnswer("info.interval is not [lowest, highest]")


def _bounds(
    exists: bool,
    summary: Mapping[str, Any],
    info: Mapping[str, Any] | None,
    sets: tuple[ResultSet, ...],
    query: Query,
) -> Bounds:
    """What a member's whole answer says about its total."""
    count, precision = _count(summary, "numTotalResults", "responseSummary")
    if query.granularity < Granularity.COUNT:
        count = None
    told = _told(exists, count, precision, info, query)
    network = bool(info and "interval" in info)
    # Of variants a network counts once what a member may list twice.
    if (additive(query.entry_type) or not network) and any(_exceeds(one, told) for one in sets):
        raise InvalidAnswer("its total is below the count of one of its own result sets")
    if not sets or network:
        return told
    if any(not one.bounds.exact for one in sets):
        # Some set is withheld, rounded or only yes or no: what the sets say is all that is known.
        joined = _join(sets, query)
        return Bounds(max(joined.low, 1), joined.high) if exists else joined
    if not told.exact or additive(query.entry_type) or sum(one.exists for one in sets) < 2:
        return told
    joined = _join(sets, query)
    return Bounds(joined.low, max(joined.high or 0, told.low))


def _exceeds(one: ResultSet, total: Bounds) -> bool:
    """Say whether a result set alone has more than there are in all."""
    return total.high is not None and max(one.bounds.low, len(one.results or ())) > total.high


def joined_sets(sets: tuple[ResultSet, ...], findings: Sequence[Finding], query: Query) -> Finding:
    """Join the result sets that one member told of in several answers, in place of the answers' own sums."""
    bounds, exists = _join(sets, query), any(one.exists for one in sets)
    return Finding(
        exists,
        Bounds(max(bounds.low, 1), bounds.high) if exists else bounds,
        max(finding.granularity for finding in findings),
        sets,
        beacon_id=findings[0].beacon_id,
    )


def _join(sets: tuple[ResultSet, ...], query: Query) -> Bounds:
    total = NOTHING
    for one in sets:
        total = total + one.bounds if additive(query.entry_type) else total.union(one.bounds)
    return total


def _count(where: Mapping[str, Any], key: str, place: str) -> tuple[int | None, str | None]:
    count, precision = where.get(key), where.get("countPrecision")
    if count is not None and not _is_count(count):
        raise InvalidAnswer(f"{place}.{key} is not a whole number from 0 to {MAX_COUNT}")
    if precision is not None and precision not in _PRECISIONS:
        raise InvalidAnswer(f"{place}.countPrecision is none of {', '.join(_PRECISIONS)}")
    return count, precision


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT


def _adjusted_to(row: Mapping[str, Any]) -> tuple[str | int, ...] | None:
    values = row.get("countAdjustedTo")
    if values is None:
        return None
    if not isinstance(values, list) or not all(isinstance(one, str) or _is_count(one) for one in values):
        raise InvalidAnswer("resultSets[].countAdjustedTo is not a list of texts and numbers")
    return tuple(values)


def _object(where: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = _optional(where, key)
    if found is None:
        raise InvalidAnswer(f"its answer has no {key}")
    return found


def _optional(where: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    value = where.get(key)
    if value is not None and not isinstance(value, dict):
        raise InvalidAnswer(f"{key} is not an object")
    return value


def _rows(where: Mapping[str, Any], key: str, place: str) -> tuple[Mapping[str, Any], ...] | None:
    rows = where.get(key)
    if rows is None:
        return None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidAnswer(f"{place} is not a list of objects")
    return tuple(rows)


def _text(where: Mapping[str, Any], key: str, place: str) -> str:
    value = where.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidAnswer(f"{place} is not a text")
    return value


def _boolean(where: Mapping[str, Any], key: str, place: str) -> bool:
    value = where.get(key)
    if not isinstance(value, bool):
        raise InvalidAnswer(f"{place} is not true or false")
    return value
