from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.model.keys import repeated_key


def found(data: str) -> str | None:
    return repeated_key(data.encode(), [orjson.dumps(orjson.loads(data))])


@pytest.mark.parametrize(
    "data",
    [
        '{"a": 1, "a": 2}',
        '{"a":1,"b":{"a":1,"a":1}}',
        '[{"b": []}, {"a" : 1, "b": 2, "a" :2}]',
        '{"a\\":": "\\"a\\":", "c": {"a": 1, "\\u0061": 2}}',
    ],
)
def test_a_key_that_is_there_twice_is_named(data: str) -> None:
    assert found(data) == "a"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text('":\\{} a\n', max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('":\\{} a\n', max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(json_values, st.sampled_from([(", ", ": "), (",", ":"), (", ", " : "), (",\n", "\n: ")]), st.booleans())
def test_whatever_has_every_key_once_passes(value: Any, separators: tuple[str, str], ascii_only: bool) -> None:
    assert found(json.dumps(value, separators=separators, ensure_ascii=ascii_only)) is None


@given(json_values, json_values, st.sampled_from([", ", ",\n  "]))
def test_an_object_that_has_a_key_twice_never_passes(value: Any, other: Any, comma: str) -> None:
    data = f'[{json.dumps(value)}{comma}{{"twice": {json.dumps(other)}{comma}"twice": {json.dumps(value)}}}]'
    assert found(data) == "twice"
