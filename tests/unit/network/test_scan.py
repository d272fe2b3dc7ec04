"""What is too deep or too much is cut off while it arrives, however it is cut into chunks."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from network.outcomes import InvalidAnswer, Oversized
from network.scan import Caps, Scanner

TEXTS = st.text('ab"\\{}[],é', max_size=6)
VALUES = st.recursive(
    st.none() | st.integers(0, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=30,
)


def depth(value: Any) -> int:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth, inner), default=0)
    return 0


def scan(body: bytes, caps: Caps, size: int) -> None:
    scanner = Scanner(caps)
    for begin in range(0, len(body), size):
        scanner.feed(body[begin : begin + size])


@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.integers(1, 40))
def test_depth_is_that_of_the_document_whatever_is_in_its_texts(document: dict[str, Any], size: int) -> None:
    body = orjson.dumps(document)
    scan(body, Caps(depth=depth(document)), size)
    with pytest.raises(InvalidAnswer, match="within each other"):
        scan(body, Caps(depth=depth(document) - 1), size)


@given(st.lists(st.integers(0, 5), max_size=5), st.integers(1, 60))
def test_rows_are_result_sets_and_their_records(records: list[int], size: int) -> None:
    sets = [{"id": "{", "results": [{"id": 1, "sex": {"id": "x"}}] * number} for number in records]
    body = orjson.dumps({"meta": {"a": {}}, "response": {"resultSets": sets}})
    rows = len(records) + sum(records)
    scan(body, Caps(rows=rows), size)
    if rows:
        with pytest.raises(Oversized):
            scan(body, Caps(rows=rows - 1), size)


@pytest.mark.parametrize("body", [b"<html>", b"  [1]", b'"text"', b"7"])
def test_what_begins_as_no_object_is_not_read_on(body: bytes) -> None:
    with pytest.raises(InvalidAnswer, match="JSON object"):
        scan(body, Caps(), 1)


@pytest.mark.parametrize("repeated", [b'\\"', b"\\", b'"', b'"\\x"'])
def test_a_text_full_of_quotes_and_backslashes_costs_no_more_than_its_length(repeated: bytes) -> None:
    scan(b'{"a": "' + repeated * 500_000 + b"x", Caps(), 1_000_000)
