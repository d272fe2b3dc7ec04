"""A page token works when it is sent back with its question, and never with another."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.errors import BadRequest
from beacon.model.query import Pagination, Query
from beacon.query.paging import TOKENS, token
from beacon.query.parse import parse_get, parse_post
from beacon.settings import Limits

LIMITS = Limits()


def asked(**pagination: Any) -> Query:
    query = {"filters": [{"id": "HP:0001250"}], "pagination": pagination}
    return parse_post("individual", None, orjson.dumps({"query": query}), {}, LIMITS)


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_names_its_page_by_whatever_member_it_is_sent(name: str) -> None:
    third = token(asked(limit=7), 2)
    by_get = parse_get("individual", None, {"filters": ["HP:0001250"], name: [third]}, LIMITS)
    assert asked(**{name: third}) == by_get == asked(skip=2, limit=7)


def test_a_pagination_sent_back_whole_is_the_same_page_again() -> None:
    query = asked(skip=2, limit=7)
    whole = {"skip": 2, "limit": 7, "currentPage": token(query, 2), "nextPage": token(query, 3), "previousPage": ""}
    assert asked(**whole).pagination == Pagination(2, 7)


def test_a_token_goes_with_its_own_question_only() -> None:
    second = token(asked(), 1)
    for other in (
        {"filters": ["HP:0001251"]}, {}, {"filters": ["HP:0001250"], "datasets": ["a"]},
        {"filters": ["HP:0001250"], "geneId": ["FBN1"]}, {"filters": ["HP:0001250"], "testMode": ["true"]},
    ):  # fmt: skip
        with pytest.raises(BadRequest, match="belongs to another question"):
            parse_get("individual", None, {**other, "nextPage": [second]}, LIMITS)
    with pytest.raises(BadRequest, match="belongs to another question"):
        parse_get("biosample", None, {"filters": ["HP:0001250"], "nextPage": [second]}, LIMITS)
    deeper = {"filters": ["HP:0001250"], "requestedGranularity": ["count"], "nextPage": [second]}
    assert parse_get("individual", None, deeper, LIMITS).pagination.skip == 1


def test_what_contradicts_a_token_is_refused() -> None:
    second = token(asked(), 1)
    assert asked(nextPage=second, limit=10).pagination == Pagination(1, 10)
    for where, contradiction in (("skip", {"skip": 0}), ("limit", {"limit": 5})):
        with pytest.raises(BadRequest, match="send the token alone") as caught:
            asked(nextPage=second, **contradiction)
        assert caught.value.where == where
    with pytest.raises(BadRequest, match="name two pages"):
        asked(nextPage=second, previousPage=second)


@given(st.text(max_size=40))
def test_any_other_text_is_no_token(text: str) -> None:
    if text:
        with pytest.raises(BadRequest):
            asked(nextPage=text)
    else:
        assert asked(nextPage=text) == asked()


@given(st.integers(0, 2**31 - 1), st.integers(1, 1000))
def test_every_page_has_a_token_that_leads_back_to_it(skip: int, limit: int) -> None:
    assert asked(currentPage=token(asked(limit=limit), skip)).pagination == Pagination(skip, limit)
