"""The envelope takes protected answers and nothing else, and adds up only what was released."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.errors import CannotAnswer, NetworkError, SkerryError
from beacon.http import envelope
from beacon.model.access import Asker, Decision, Granularity, Level
from beacon.model.query import Include, Pagination, Query
from beacon.model.result import DatasetResult
from beacon.privacy.rules import Protected, protect
from tests.contract import official

NONE, BOOLEAN, COUNT, RECORD = Granularity
PERSON = orjson.dumps({"id": "P1", "sex": {"id": "NCIT:C16576"}})
ASKED = Query("individual", granularity=RECORD, include=Include.ALL)


def given_by(
    dataset: str, count: int, granularity: Granularity, *, level: Level = Level.PUBLIC, query: Query = ASKED
) -> Protected:
    decision = Decision(dataset, granularity, Asker.STRANGER, level, 5)
    records = (PERSON,) * min(count, 10)
    return protect(query, decision, DatasetResult(dataset, count > 0, count, records, {"people": count}))


def answered(query: Query, *protected: Protected) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(envelope.answer("b", query, protected))
    if official.shared_dir():
        official.assert_answer(body, query.entry_type)
    return body


@pytest.mark.parametrize("wrong", [DatasetResult("d", True, 3, (PERSON,)), {"dataset": "d"}, None])
def test_anything_but_a_protected_answer_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="Only Protected"):
        envelope.answer("b", ASKED, [given_by("a", 3, RECORD), wrong])


def test_a_protected_answer_cannot_be_made_or_changed_by_anybody_else() -> None:
    one = given_by("a", 3, BOOLEAN)
    for attempt in (
        lambda: replace(one, exists=False),
        lambda: copy.copy(one),
        lambda: pickle.loads(pickle.dumps(one)),
    ):
        with pytest.raises(TypeError):
            attempt()


def test_records_go_out_as_the_bytes_that_came_in() -> None:
    odd = b'{"id":"P1",  "sex":{"id":"NCIT:C16576"}, "n":1.50}'
    decision = Decision("a", RECORD, Asker.STRANGER, Level.PUBLIC, 0)
    one = protect(ASKED, decision, DatasetResult("a", True, 1, (odd,), {}))
    assert odd in envelope.answer("b", ASKED, [one])


def test_the_answer_is_as_fine_as_its_finest_set_and_each_set_says_its_own() -> None:
    body = answered(ASKED, given_by("a", 7, RECORD), given_by("b", 8, COUNT), given_by("c", 9, BOOLEAN))
    assert body["meta"]["returnedGranularity"] == "record"
    assert [one["info"]["returnedGranularity"] for one in body["response"]["resultSets"]] == [
        "record",
        "count",
        "boolean",
    ]
    assert body["responseSummary"] == {"exists": True, "numTotalResults": 15, "countPrecision": "imprecise"}
    assert [len(one.get("results", ())) for one in body["response"]["resultSets"]] == [7, 0, 0]


def test_a_withheld_set_lowers_the_precision_and_is_named_as_such() -> None:
    body = answered(ASKED, given_by("a", 7, RECORD), given_by("b", 2, RECORD, level=Level.REGISTERED))
    assert body["responseSummary"]["countPrecision"] == "imprecise"
    assert body["info"]["withheld"] is True


def test_a_set_withheld_looks_the_same_for_none_and_for_few() -> None:
    few = [
        answered(replace(ASKED, granularity=granularity), given_by(
            "b", count, RECORD, level=Level.REGISTERED, query=replace(ASKED, granularity=granularity)
        ))
        for granularity in (BOOLEAN, COUNT, RECORD)
        for count in range(5)
    ]  # fmt: skip
    assert all(len({orjson.dumps(body) for body in few[at : at + 5]}) == 1 for at in (0, 5, 10))


def test_collections_are_joined_and_paged() -> None:
    query = Query("dataset", granularity=RECORD, pagination=Pagination(1, 2))
    sets = []
    for name in "abc":
        decision = Decision(name, RECORD, Asker.STRANGER, Level.PUBLIC, 0)
        record = orjson.dumps({"id": name, "name": name})
        sets.append(protect(query, decision, DatasetResult(name, True, 1, (record,), {})))
    body = answered(query, *sets)
    assert [one["id"] for one in body["response"]["collections"]] == ["c"]
    assert body["responseSummary"]["numTotalResults"] == 3


def test_an_error_is_official_even_where_nothing_could_be_read() -> None:
    body = orjson.loads(envelope.error("b", CannotAnswer("No such thing.", where="start")))
    assert body["error"] == {
        "errorCode": 400, "errorMessage": "No such thing.", "skerryCode": "cannot_answer", "where": "start",
    }  # fmt: skip
    problems: list[SkerryError] = [SkerryError("x"), NetworkError("y")]
    for problem in problems:
        document = orjson.loads(envelope.error("b", problem))
        if official.shared_dir():
            official.assert_answer(document)


SETS = st.lists(
    st.tuples(
        st.integers(0, 20), st.sampled_from([BOOLEAN, COUNT, RECORD]), st.sampled_from([Level.PUBLIC, Level.REGISTERED])
    ),
    min_size=1,
    max_size=4,
)


@given(SETS, st.sampled_from([BOOLEAN, COUNT, RECORD]), st.sampled_from(list(Include)))
def test_a_total_is_never_above_the_truth_and_exact_only_where_it_is(
    sets: list[tuple[int, Granularity, Level]], asked: Granularity, include: Include
) -> None:
    query = replace(ASKED, granularity=asked, include=include)
    protected = [
        given_by(f"d{at}", count, ceiling, level=level, query=query) for at, (count, ceiling, level) in enumerate(sets)
    ]
    body = answered(query, *protected)
    truth = sum(count for count, _, _ in sets)
    summary = body["responseSummary"]
    assert not summary["exists"] or truth
    if "numTotalResults" in summary:
        assert summary["numTotalResults"] <= truth
        assert summary["countPrecision"] == "imprecise" or summary["numTotalResults"] == truth
