from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from loaders.places import lines_of

TEXT = b"""{
  "id": "a",
  "list": [
    {"x": 1},
    {
      "x": [true, "},{"]
    }
  ],
  "a/b~\\u0063": {
    "": null
  }
}
"""


def test_a_pointer_names_a_line_and_a_missing_member_that_of_what_should_have_it() -> None:
    wanted = {"": 1, "/id": 2, "/list": 3, "/list/0/x": 4, "/list/1": 5, "/list/1/x/1": 6, "/list/1/y": 5,
              "/a~1b~0c": 9, "/a~1b~0c/": 10, "/subject/id": 1}  # fmt: skip
    assert lines_of(TEXT, wanted) == wanted


def test_of_members_with_the_same_name_the_last_one_counts() -> None:
    assert lines_of(b'{"a": 1,\n"a": 2}', ["/a"]) == {"/a": 2}


def test_an_empty_text_has_no_lines() -> None:
    assert lines_of(b" \n", ["/a"]) == {}


def pointers(value: Any, pointer: str = "") -> Iterator[str]:
    yield pointer
    if isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from pointers(item, f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}")


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_indented_lies_on_lines_in_the_order_of_the_text(value: Any) -> None:
    """With an indent every value begins on a line of its own, save that empty containers share theirs with nothing."""
    everything = list(pointers(value))
    text = json.dumps(value, indent=1)
    found = lines_of(text.encode(), everything)
    lines = [found[pointer] for pointer in everything]
    assert lines == sorted(set(lines))
    assert lines[-1] <= text.count("\n") + 1
    for pointer, line in found.items():
        last = pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        if pointer and not last.isdecimal():
            assert text.split("\n")[line - 1].strip().startswith(json.dumps(last))


@given(st.binary(max_size=60))
def test_what_is_no_json_breaks_nothing(data: bytes) -> None:
    assert all(line >= 1 for line in lines_of(data, ["", "/a", "/0/b"]).values())


def test_a_deep_text_takes_no_more_than_its_own_size() -> None:
    deep = b'{"a":' * 50_000 + b"\n1" + b"}" * 50_000
    assert lines_of(deep, ["/a/a", "/b"]) == {"/a/a": 1, "/b": 1}
