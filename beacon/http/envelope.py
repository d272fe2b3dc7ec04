"""From protected answers to bytes: the Beacon v2 envelopes, and the only place where they are made.

    answers         ``responseSummary``; ``response.resultSets``, one per dataset, or ``response.collections``
    errors          ``error`` beside a full ``meta``, also where the request could not be read
    informational   ``response`` beside a short ``meta``

Only ``Protected`` values become answers. Result sets are there at every granularity (Beacon 2.2: a set needs no
records), so that a client can tell which dataset said what; each says its own granularity in ``info``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from beacon import API_VERSION
from beacon.errors import SkerryError
from beacon.model.access import Granularity
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.query import Include, Pagination, Query
from beacon.model.representations import representation
from beacon.privacy.rules import Protected
from beacon.query.paging import tokens

_SHOWN = {
    Include.ALL: (True, False),
    Include.HIT: (True,),
    Include.MISS: (False,),
    Include.NONE: (),
}
"""Which values of ``exists`` a listed result set may have."""

Ways = Callable[[Protected], list[dict[str, Any]]]
"""Gives the handovers that go with one dataset's answer."""


def no_ways(_protected: Protected) -> list[dict[str, Any]]:
    """No handovers."""
    return []


_LONGEST = 1_000
"""Characters of an error's sentence."""

UNREAD = Query(entry_type="", granularity=Granularity.RECORD)
"""What the summary shows of a request that could not be read."""


def answer(beacon_id: str, query: Query, protected: Sequence[Protected], ways: Ways = no_ways) -> bytes:
    """Encode the answer to a query that its datasets gave (Beacon v2, boolean, count, resultsets and collections).

    ``numTotalResults`` adds up the datasets that released a number; where one released less, it is a lower
    bound and called ``imprecise``. Collections are paged here, over all datasets, result sets by the store, each
    by itself. ``ways`` gives the handovers of one dataset's answer. Raises ``TypeError`` for anything but
    ``Protected``, ``ValueError`` without any.
    """
    for one in protected:
        if not isinstance(one, Protected):
            raise TypeError(f"Only Protected answers leave this server, not {type(one).__name__}.")
    granularity = max(one.granularity for one in protected)
    body: dict[str, Any] = {
        "meta": meta(beacon_id, query, granularity, pages=_pages(query, granularity, protected)),
        "responseSummary": _summary(granularity, protected),
    }
    if info := _info(granularity, protected):
        body["info"] = info
    if response := _response(query, granularity, protected, ways):
        body["response"] = response
        if "collections" in response and (listed := [way for one in protected for way in ways(one)]):
            body["beaconHandovers"] = listed
    return orjson.dumps(body)


def error(beacon_id: str, problem: SkerryError, query: Query | None = None) -> bytes:
    """Encode a refusal (Beacon v2 ``beaconErrorResponse``); ``query`` as far as it was understood."""
    shown = query or UNREAD
    refusal: dict[str, Any] = {
        "errorCode": problem.status,
        "errorMessage": _clipped(problem.message),
        "skerryCode": problem.code,
    }
    if problem.where is not None:
        refusal["where"] = _clipped(problem.where)
    body: dict[str, Any] = {"meta": meta(beacon_id, shown, Granularity.BOOLEAN), "error": refusal}
    if problem.info is not None:
        body["info"] = problem.info
    return orjson.dumps(body)


def _clipped(text: str) -> str:
    """An error names what it is about, but sends nobody back all that they sent."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def informational(
    beacon_id: str,
    entity: str,
    response: Mapping[str, Any],
    *,
    info: Mapping[str, Any] | None = None,
    schema: str | None = None,
    test_mode: bool = False,
) -> bytes:
    """Encode a document about the beacon itself; ``entity`` is what its schema is called (``map``, ``info``)."""
    about: dict[str, Any] = {
        "beaconId": beacon_id,
        "apiVersion": API_VERSION,
        "returnedSchemas": [{"entityType": entity, "schema": schema or f"beacon-{entity.replace('_', '-')}-v2.0.0"}],
    }
    if test_mode:
        about["testMode"] = True
    more = {} if info is None else {"info": info}
    return orjson.dumps({"meta": about, "response": response, **more})


def meta(
    beacon_id: str, query: Query, returned: Granularity, *, pages: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the ``meta`` of an answer or error (Beacon v2 ``beaconResponseMeta``); ``pages`` are page tokens."""
    schema = representation(query.entry_type, query.requested_schemas) if query.entry_type else None
    return {
        "beaconId": beacon_id,
        "apiVersion": API_VERSION,
        "returnedSchemas": [{"entityType": query.entry_type, "schema": schema.id}] if schema else [],
        "returnedGranularity": returned.label,
        "testMode": query.test_mode,
        "receivedRequestSummary": {
            "apiVersion": query.api_version,
            "requestedSchemas": [{"entityType": kind, "schema": name} for kind, name in query.requested_schemas],
            "filters": list(query.echoed_filters),
            "requestParameters": dict(query.echoed_parameters),
            "includeResultsetResponses": query.include,
            "pagination": {"skip": query.pagination.skip, "limit": query.pagination.limit, **(pages or {})},
            "requestedGranularity": query.granularity.label,
            "testMode": query.test_mode,
        },
    }


def _pages(query: Query, granularity: Granularity, protected: Sequence[Protected]) -> dict[str, str]:
    """Return the page tokens of an answer with records; that of a page that does not exist is empty.

    Whether there is a next page is told by what was released, and by nothing else.
    """
    if granularity is not Granularity.RECORD or True not in _SHOWN[query.include]:
        return {}
    skip, limit = query.pagination.skip, query.pagination.limit
    if ENTRY_TYPES[query.entry_type].collection:
        more = sum(len(one.records or ()) for one in protected) > (skip + 1) * limit
    else:
        more = any(_has_more(one, (skip + 1) * limit) for one in protected)
    current, following, before = tokens(query, (skip, skip + 1, skip - 1))
    return {
        "currentPage": current,
        "nextPage": following if more else "",
        "previousPage": before if skip else "",
    }


def _has_more(one: Protected, shown: int) -> bool:
    return one.granularity is Granularity.RECORD and bool(one.records) and (one.count or 0) > shown


def _summary(granularity: Granularity, protected: Sequence[Protected]) -> dict[str, Any]:
    summary: dict[str, Any] = {"exists": any(one.exists for one in protected)}
    if granularity >= Granularity.COUNT:
        summary["numTotalResults"] = sum(one.count or 0 for one in protected)
        summary["countPrecision"] = _precision(protected)
    return summary


def _precision(protected: Iterable[Protected]) -> str:
    """The worst of all: a total is exact only where every dataset gave an exact number."""
    precisions = {one.count_precision or "imprecise" for one in protected}
    return next((word for word in ("imprecise", "rounded") if word in precisions), "exact")


def _info(granularity: Granularity, protected: Sequence[Protected]) -> dict[str, Any]:
    info: dict[str, Any] = {}
    if any(one.withheld for one in protected):
        info["withheld"] = True
        info["note"] = (
            "At least one dataset does not say whether it has none or a few, to protect people; "
            "its exists false is not a no."
        )
    if granularity >= Granularity.COUNT and any(one.count_precision in (None, "imprecise") for one in protected):
        info["numTotalResults"] = "a lower bound: at least one dataset did not release its number"
    return info


def _response(
    query: Query, granularity: Granularity, protected: Sequence[Protected], ways: Ways
) -> dict[str, Any] | None:
    if granularity is Granularity.RECORD and ENTRY_TYPES[query.entry_type].collection:
        records = [record for one in protected for record in one.records or ()]
        return {"collections": _fragments(_page(records, query.pagination))}
    if query.include is Include.NONE and granularity is not Granularity.RECORD:
        return None
    return {"resultSets": [_result_set(one, ways(one)) for one in protected if one.exists in _SHOWN[query.include]]}


def _page(records: Sequence[bytes], pagination: Pagination) -> Sequence[bytes]:
    begin = pagination.skip * pagination.limit
    return records[begin : begin + pagination.limit]


def _result_set(one: Protected, ways: list[dict[str, Any]]) -> dict[str, Any]:
    listed: dict[str, Any] = {"id": one.dataset, "setType": "dataset", "exists": one.exists}
    if one.granularity >= Granularity.COUNT:
        listed["resultsCount"] = one.count
        listed["countPrecision"] = one.count_precision
        if one.count_adjusted_to is not None:
            listed["countAdjustedTo"] = list(one.count_adjusted_to)
    if one.records is not None:
        listed["results"] = _fragments(one.records)
    if ways:
        listed["resultsHandovers"] = ways
    listed["info"] = dict(one.info)
    return listed


def _fragments(records: Iterable[bytes]) -> list[orjson.Fragment]:
    """Records go out as the bytes that they were stored as; nothing is decoded."""
    return [orjson.Fragment(record) for record in records]
