"""Rows by id: every id leads to its row over however many documents, and no other id to any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacon.errors import LoadError
from beacon.store import rows as rows_module
from beacon.store.heads import identity
from beacon.store.packing import pack
from beacon.store.rows import RowsById, decode_first, encode_rows_by_id, rows_kind


def found(documents: dict[str, bytes], id: str) -> int | None:
    """The row of an id, as a reader finds it."""
    key = np.uint64(identity(id))
    number = int(decode_first(documents[rows_kind("run")]).searchsorted(key, "right")) - 1
    return None if number < 0 else RowsById.decode(documents[rows_kind("run", number)]).get(key)


def test_ids_that_cannot_be_told_apart_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "identity", lambda _id: 7)
    with pytest.raises(LoadError, match="cannot be told apart"):
        list(encode_rows_by_id("run", {"a": 1, "b": 2}))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=8), st.integers(0, 2**32 - 1), min_size=1, max_size=30), st.integers(1, 9))
def test_every_id_leads_to_its_row_and_others_to_none(held: dict[str, int], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_module, "ROWS", size)
        documents = {kind: pack(arrays) for kind, arrays in encode_rows_by_id("run", held)}
    assert len(documents) == 1 + -(-len(held) // size)
    assert {id: found(documents, id) for id in held} == held
    assert all(found(documents, f"{id}?") == held.get(f"{id}?") for id in ("", *held))
