"""What a member's reply is taken for: every status, code and broken body, as a table."""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.model.access import Granularity
from beacon.model.query import Anchor, Pagination, Query
from network.outcomes import ERRORS, KINDS, Bounds, InvalidAnswer, Oversized, Reply, classify, failure, recognised
from network.reading import entries

COUNTED = Query("individual", granularity=Granularity.COUNT)
RECORDS = Query("individual", granularity=Granularity.RECORD, pagination=Pagination(0, 2))


def answer(exists: object = True, *, total: object = 3, granularity: str = "count", **more: Any) -> dict[str, Any]:
    summary = {"exists": exists} | ({} if total is None else {"numTotalResults": total})
    meta = {"beaconId": "org.example", "returnedGranularity": granularity}
    return {"meta": meta, "responseSummary": summary, **more}


def listed(*sets: dict[str, Any]) -> dict[str, Any]:
    return {"resultSets": [{"setType": "dataset", **one} for one in sets]}


def kind(body: object, query: Query = COUNTED, status: int = 200) -> str:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return classify(Reply(status, raw), entries(query), single=query.anchor is not None).kind.name


def test_the_table_says_of_every_row_what_it_means_and_whether_it_answered() -> None:
    assert list(KINDS) == [
        "hit", "no_hit", "withheld", "cannot_answer", "denied", "timeout", "unreachable", "invalid", "oversized",
        "impostor", "loop", "busy",
    ]  # fmt: skip
    assert [name for name, row in KINDS.items() if row.certain] == ["hit", "no_hit"]
    assert [name for name, row in KINDS.items() if row.answered] == ["hit", "no_hit", "withheld"]
    assert all(row.meaning.endswith(".") for row in KINDS.values())
    assert not any(row.answered and row.failed for row in KINDS.values())


def test_plain_answers_are_hits_and_noes() -> None:
    assert kind(answer()) == "hit"
    assert kind(answer(False, total=0)) == "no_hit"
    assert kind(answer(granularity="boolean", total=None)) == "hit"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "unknown_filter", "cannot_answer"),
        (400, "cannot_answer", "cannot_answer"),
        (400, "needs_reference", "cannot_answer"),
        (400, None, "invalid"),
        (401, "unauthenticated", "denied"),
        (401, None, "denied"),
        (403, "forbidden", "denied"),
        (404, "not_found", "invalid"),
        (413, "too_large", "cannot_answer"),
        (500, None, "invalid"),
        (429, "too_often", "busy"),
        (429, None, "busy"),
        (502, "network_failed", "unreachable"),
        (502, "network_inconclusive", "withheld"),
        (503, "overloaded", "busy"),
        (508, "loop", "loop"),
        (504, "query_timeout", "timeout"),
        (504, None, "timeout"),
        (302, None, "invalid"),
        (204, None, "invalid"),
    ],
)
def test_errors_are_told_apart_by_our_code_then_by_status(status: int, code: str | None, expected: str) -> None:
    body: dict[str, Any] = {"error": {"errorCode": status, "errorMessage": "No."}}
    if code:
        body["error"]["skerryCode"] = code
    assert kind(body, status=status) == expected


def test_a_record_that_a_member_does_not_know_is_a_no_and_an_unknown_path_is_not() -> None:
    missing: dict[str, dict[str, Any]] = {"error": {"errorCode": 404, "skerryCode": "not_found"}}
    one = Query("individual", Anchor("individual", "P1"), granularity=Granularity.COUNT)
    assert kind(missing, one, 404) == "no_hit"
    assert kind(b"<html>404</html>", one, 404) == "invalid"
    missing["error"]["where"] = "/api/individuals/P1"
    assert kind(missing, one, 404) == "cannot_answer"


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>Welcome</body></html>",
        b"",
        b"[]",
        b"null",
        orjson.dumps(answer())[:-10],
        b"\xff\xfe",
        b"[" * 5000,
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b"[" + b"1," * 50_000 + b"1]",
    ],
)
def test_what_is_no_json_object_is_invalid(body: bytes) -> None:
    assert kind(body) == "invalid"


@pytest.mark.parametrize(
    "body",
    [
        {},
        answer("true"),
        answer(1),
        answer(None),
        answer(total="3"),
        answer(total=True),
        answer(total=-1),
        answer(total=3.0),
        answer(total=10**18),
        answer(True, total=0),
        answer(False, total=4),
        answer(granularity="record"),
        answer(granularity="aggregated"),
        answer(granularity="none"),
        answer() | {"meta": {"beaconId": 7, "returnedGranularity": "count"}},
        answer() | {"meta": "fine"},
        answer() | {"error": {"errorCode": 500}},
        answer(response=[]),
        answer(response={"resultSets": {}}),
        answer(response={"resultSets": [1]}),
        answer(response=listed({"id": 1, "exists": True})),
        answer(response=listed({"id": "a", "exists": "yes"})),
        answer(response=listed({"id": "a", "exists": True, "resultsCount": "3"})),
        answer(response=listed({"id": "a", "exists": True}, {"id": "a", "exists": False})),
        answer(response=listed({"id": "a", "exists": True, "resultsCount": 1, "results": [{"id": "x"}]})),
        answer(response=listed({"id": "a", "exists": True, "info": {"returnedGranularity": "record"}})),
        answer(response=listed({"id": "a", "exists": True, "countPrecision": "roughly"})),
        answer(False, total=0, response=listed({"id": "a", "exists": True})),
        answer(total=3, response=listed({"id": "a", "exists": True, "resultsCount": 4})),
        answer(response=listed({"id": "a", "exists": True, "resultsCount": 9}), info={"interval": [3, 8]}),
        answer(info={"interval": [5, 2]}),
        answer(info={"interval": "many"}),
    ],
)
def test_wrong_types_contradictions_and_answers_deeper_than_asked_are_invalid(body: dict[str, Any]) -> None:
    assert kind(body) == "invalid"


def test_records_are_read_where_they_were_asked_for_and_no_more_than_a_page() -> None:
    def found(*rows: object) -> dict[str, Any]:
        one = {"id": "a", "exists": True, "resultsCount": 9, "results": list(rows)}
        return answer(total=9, granularity="record", response=listed(one))

    assert kind(found({"id": "1"}, {"id": "2"}), RECORDS) == "hit"
    assert kind(found({"id": "1"}, {"id": "2"}, {"id": "3"}), RECORDS) == "invalid"
    assert kind(found("1"), RECORDS) == "invalid"
    assert kind(answer(granularity="record"), RECORDS) == "invalid"


def test_a_site_that_withholds_is_not_a_no() -> None:
    withheld = {
        "id": "a",
        "exists": False,
        "resultsCount": 0,
        "countPrecision": "imprecise",
        "countAdjustedTo": ["<5"],
        "info": {"withheld": True, "threshold": 5},
    }
    body = answer(False, total=0, response=listed(withheld))
    verdict = classify(Reply(200, orjson.dumps(body)), entries(COUNTED))
    assert verdict.kind.name == "withheld"
    assert verdict.finding.bounds == Bounds(0, 4)
    samples = Query("biosample", granularity=Granularity.COUNT)
    assert classify(Reply(200, orjson.dumps(body)), entries(samples)).finding.bounds == Bounds(0, None)
    yes_or_no = answer(False, total=None, granularity="boolean", info={"withheld": True})
    assert kind(yes_or_no) == "withheld"


def test_several_sets_of_variants_in_one_site_are_an_interval_and_people_a_sum() -> None:
    sets = listed({"id": "a", "exists": True, "resultsCount": 3}, {"id": "b", "exists": True, "resultsCount": 4})
    body = orjson.dumps(answer(total=7, response=sets))
    variants = Query("genomicVariant", granularity=Granularity.COUNT)
    assert classify(Reply(200, body), entries(variants)).finding.bounds == Bounds(4, 7)
    assert classify(Reply(200, body), entries(COUNTED)).finding.bounds == Bounds(7, 7)


def test_a_total_is_no_less_than_any_set_has_and_may_be_less_than_all_have() -> None:
    sets = listed({"id": "a", "exists": True, "resultsCount": 4}, {"id": "b", "exists": True, "resultsCount": 3})
    variants = Query("genomicVariant", granularity=Granularity.COUNT)
    for query in (COUNTED, variants):
        totals = {total: kind(answer(total=total, response=sets), query) for total in (3, 4, 7)}
        assert totals == {3: "invalid", 4: "hit", 7: "hit"}
    rounded = answer(total=3, response=sets)
    rounded["responseSummary"]["countPrecision"] = "rounded"
    assert kind(rounded) == "hit"
    listing = {"id": "a", "exists": True, "results": [{"id": "x"}, {"id": "y"}]}
    assert kind(answer(total=1, granularity="record", response=listed(listing)), RECORDS) == "invalid"
    # A network that has read all alleles counts once what a member lists twice.
    assert kind(answer(total=3, response=sets, info={"interval": [3, 3]}), variants) == "hit"


def test_a_set_that_only_says_yes_leaves_the_total_open() -> None:
    sets = listed({"id": "a", "exists": True, "resultsCount": 3}, {"id": "b", "exists": True})
    body = orjson.dumps(answer(total=3, response=sets) | {})
    assert classify(Reply(200, body), entries(COUNTED)).finding.bounds == Bounds(4, None)


def test_counts_that_were_not_asked_for_are_not_passed_on() -> None:
    sets = listed({"id": "a", "exists": True, "resultsCount": 3})
    body = answer(granularity="boolean", response=sets)
    finding = classify(Reply(200, orjson.dumps(body)), entries(Query("individual"))).finding
    assert finding.bounds == Bounds(1, None)
    assert finding.sets[0].count is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), "timeout"),
        (Oversized(), "oversized"),
        (ConnectionRefusedError(), "unreachable"),
        (aiohttp.ServerDisconnectedError(), "unreachable"),
        (aiohttp.ClientPayloadError(), "unreachable"),
        (ssl.SSLError(), "unreachable"),
        (InvalidAnswer("it is odd"), "invalid"),
        (aiohttp.ClientError(), "invalid"),
    ],
)
def test_exceptions_are_told_apart_by_a_table(error: Exception, expected: str) -> None:
    assert isinstance(error, ERRORS)
    verdict = failure(error)
    assert verdict.kind.name == expected
    assert verdict.reason.endswith(".")


def test_a_strangers_words_become_one_short_printable_sentence() -> None:
    body = {"error": {"errorCode": 500, "errorMessage": "a\x1b[31m\nb" * 500}}
    verdict = classify(Reply(500, orjson.dumps(body)), entries(COUNTED))
    assert len(verdict.reason) <= 300
    assert verdict.reason.isprintable()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, answer(), "hit"),
        (404, {"meta": {"beaconId": "org.example"}, "error": {"skerryCode": "not_found"}}, "no_hit"),
        (400, {"meta": {"beaconId": "org.example"}, "error": {"skerryCode": "unknown_filter"}}, "cannot_answer"),
        (400, {"meta": {"beaconId": "another"}, "error": {"skerryCode": "unknown_filter"}}, "impostor"),
        (401, {"meta": {"beaconId": "another"}, "error": {}}, "impostor"),
        (401, {"error": {}}, "denied"),
        (401, "Log in.", "denied"),
        (404, {"error": {"skerryCode": "not_found"}}, "impostor"),
    ],
)
def test_an_answer_needs_the_members_name_and_an_error_has_no_other(status: int, body: object, expected: str) -> None:
    verdict = classify(Reply(status, orjson.dumps(body)), entries(COUNTED), single=True)
    assert recognised(verdict, "org.example".__eq__).kind.name == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["meta", "beaconId", "returnedGranularity", "responseSummary", "exists", "numTotalResults", "response",
             "resultSets", "results", "id", "setType", "info", "interval", "countPrecision", "error", "withheld"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=25,
)  # fmt: skip


@given(
    status=st.sampled_from([200, 302, 400, 401, 404, 500, 504]), body=JSON.map(orjson.dumps) | st.binary(max_size=50)
)
def test_nothing_that_a_member_sends_raises(status: int, body: bytes) -> None:
    for query in (COUNTED, RECORDS, Query("dataset", granularity=Granularity.RECORD)):
        assert classify(Reply(status, body), entries(query)).kind.name in KINDS


@given(exists=JSON, total=JSON, response=JSON, info=JSON)
def test_only_a_clear_no_is_taken_for_a_no(exists: Any, total: Any, response: Any, info: Any) -> None:
    body = answer(exists, total=total, response=response, info=info)
    if kind(body) == "no_hit":
        assert exists is False
        assert total in (0, None)
